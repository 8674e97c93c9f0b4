//! The cost of flows: calls, round trips one after another, and DynamoDB's units, per label.
//!
//! Owns the counts. Units come from the engine (`ReturnConsumedCapacity` is asked for and taken out again) and,
//! where no SDK error carries them, are computed as AWS documents them. It must never change what a caller sees.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::call::{Call, ConnectorFailure, Layer, Next};
use crate::engine::BoxFuture;
use crate::wire::{Reply, Service};

/// Capacity units, exact: DynamoDB counts in halves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Units {
    halves: u64,
}

impl Units {
    /// Whole units.
    #[must_use]
    pub const fn whole(units: u64) -> Self {
        Self { halves: units.saturating_mul(2) }
    }

    /// Half units.
    #[must_use]
    pub const fn halves(halves: u64) -> Self {
        Self { halves }
    }

    /// The number of half units.
    #[must_use]
    pub const fn in_halves(self) -> u64 {
        self.halves
    }

    fn add(&mut self, other: Self) {
        self.halves = self.halves.saturating_add(other.halves);
    }

    /// From a JSON number: a whole number or one that ends in `.5`.
    fn parse(value: &Value) -> Self {
        let text = value.as_number().map(ToString::to_string).unwrap_or_default();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let half = u64::from(fraction.starts_with('5'));
        Self { halves: whole.parse::<u64>().unwrap_or(0).saturating_mul(2).saturating_add(half) }
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = if self.halves.is_multiple_of(2) { "" } else { ".5" };
        write!(f, "{}{half}", self.halves / 2)
    }
}

/// What one label cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls, to every service.
    pub calls: u64,
    /// The length of the longest chain of calls of which each began after the one before had ended: what a caller
    /// waits for. Calls that overlap count once. Chains of separate [`Meter::scope`]s are added.
    pub round_trips: u64,
    /// DynamoDB read units.
    pub reads: Units,
    /// DynamoDB write units.
    pub writes: Units,
}

/// A layer that counts. A clone counts into the same totals.
#[derive(Clone, Default)]
pub struct Meter {
    totals: Arc<Mutex<BTreeMap<String, Cost>>>,
    /// The chain of the calls outside of every scope.
    outside: Arc<Chain>,
}

/// One scope: its label and how long its longest chain of finished calls is.
#[derive(Default)]
struct Chain {
    label: String,
    lengths: Mutex<Lengths>,
}

#[derive(Default)]
struct Lengths {
    /// The longest chain of calls that have ended.
    ended: u64,
    /// The longest chain of calls that have begun.
    begun: u64,
}

tokio::task_local! {
    static SCOPE: Arc<Chain>;
}

impl Meter {
    /// A meter that has counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts what a future calls under a label. It reaches futures that are joined inside, not tasks that are
    /// spawned; calls outside of every scope count under the empty label.
    pub fn scope<F: Future>(&self, label: impl Into<String>, future: F) -> impl Future<Output = F::Output> {
        let chain = Chain { label: label.into(), lengths: Mutex::default() };
        SCOPE.scope(Arc::new(chain), future)
    }

    /// The costs so far, by label.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, Cost> {
        self.totals().clone()
    }

    /// The cost of one label so far.
    #[must_use]
    pub fn cost(&self, label: &str) -> Cost {
        self.totals().get(label).copied().unwrap_or_default()
    }

    /// Forgets every count.
    pub fn reset(&self) {
        self.totals().clear();
        *locked(&self.outside.lengths) = Lengths::default();
    }

    fn totals(&self) -> MutexGuard<'_, BTreeMap<String, Cost>> {
        locked(&self.totals)
    }

    fn add(&self, label: &str, add: impl FnOnce(&mut Cost)) {
        let mut totals = self.totals();
        if !totals.contains_key(label) {
            totals.insert(label.to_owned(), Cost::default());
        }
        if let Some(cost) = totals.get_mut(label) {
            add(cost);
        }
    }

    /// Counts a call that begins; answers the length of the chain that it is the end of.
    fn begin(&self, chain: &Chain) -> u64 {
        let (length, longer) = {
            let mut lengths = locked(&chain.lengths);
            let length = lengths.ended.saturating_add(1);
            let longer = length.saturating_sub(lengths.begun);
            lengths.begun = lengths.begun.max(length);
            (length, longer)
        };
        self.add(&chain.label, |cost| {
            cost.calls = cost.calls.saturating_add(1);
            cost.round_trips = cost.round_trips.saturating_add(longer);
        });
        length
    }

    fn end(&self, chain: &Chain, length: u64, reads: Units, writes: Units) {
        let mut lengths = locked(&chain.lengths);
        lengths.ended = lengths.ended.max(length);
        drop(lengths);
        self.add(&chain.label, |cost| {
            cost.reads.add(reads);
            cost.writes.add(writes);
        });
    }
}

impl Layer for Meter {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        let chain = SCOPE.try_with(Arc::clone).unwrap_or_else(|_| Arc::clone(&self.outside));
        Box::pin(async move {
            let length = self.begin(&chain);
            if call.service != Service::DynamoDb || !costs_units(&call.operation) || !call.json().is_object() {
                let reply = next.run(call).await;
                self.end(&chain, length, Units::default(), Units::default());
                return reply;
            }
            let (asked, call) = ask(call);
            match next.run(call).await {
                Ok(reply) => {
                    let (reads, writes, reply) = asked.settle(reply);
                    self.end(&chain, length, reads, writes);
                    Ok(reply)
                }
                Err(failure) => {
                    self.end(&chain, length, Units::default(), Units::default());
                    Err(failure)
                }
            }
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const READS: [&str; 5] = ["GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"];
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
const ON_FAILURE: &str = "ReturnValuesOnConditionCheckFailure";

fn costs_units(operation: &str) -> bool {
    READS.contains(&operation) || WRITES.contains(&operation)
}

/// What the caller had asked for before the meter asked for more.
struct Asked {
    operation: String,
    /// The caller's own `ReturnConsumedCapacity`.
    capacity: Option<String>,
    /// For each conditional action, in order (one for a single write): whether the caller wanted the old item.
    wanted_items: Vec<bool>,
    /// For each action, in order: the size of the item that it puts, where the request tells.
    sizes: Vec<usize>,
}

/// Asks the engine for units, and for the items that failed conditions were about: their size is the cost.
fn ask(call: Call) -> (Asked, Call) {
    let mut body = call.json().clone();
    let mut asked = Asked {
        operation: call.operation.clone(),
        capacity: body["ReturnConsumedCapacity"].as_str().map(str::to_owned),
        wanted_items: Vec::new(),
        sizes: Vec::new(),
    };
    body["ReturnConsumedCapacity"] = json!("INDEXES");
    match call.operation.as_str() {
        "PutItem" | "UpdateItem" | "DeleteItem" => asked.ask_item(&mut body),
        "TransactWriteItems" => {
            let actions = body["TransactItems"].as_array_mut().into_iter().flatten();
            for action in actions.filter_map(Value::as_object_mut).flat_map(|kinds| kinds.values_mut()) {
                asked.ask_item(action);
            }
        }
        _ => {}
    }
    (asked, call.with_json(body))
}

impl Asked {
    fn ask_item(&mut self, action: &mut Value) {
        self.wanted_items.push(action[ON_FAILURE].as_str() == Some("ALL_OLD"));
        self.sizes.push(item_size(&action["Item"]));
        // Without a condition DynamoDB takes the wish too, but there is nothing to ask.
        if action.get("ConditionExpression").is_some_and(|condition| !condition.is_null()) {
            action[ON_FAILURE] = json!("ALL_OLD");
        }
    }

    /// The units of a reply, and the reply as the caller wants it.
    fn settle(&self, mut reply: Reply) -> (Units, Units, Reply) {
        let mut body = reply.json();
        let (reads, writes) = if reply.is_success() {
            let units = self.units(&body["ConsumedCapacity"]);
            self.restore_capacity(&mut body);
            units
        } else {
            (Units::default(), self.failed_units(&mut body))
        };
        reply.body = body.to_string().into();
        (reads, writes, reply)
    }

    /// Adds up consumed capacity: one object, or one per table.
    fn units(&self, consumed: &Value) -> (Units, Units) {
        let (mut reads, mut writes) = (Units::default(), Units::default());
        let tables = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
        for table in tables {
            let (read, write) = (table.get("ReadCapacityUnits"), table.get("WriteCapacityUnits"));
            if read.is_some() || write.is_some() {
                reads.add(read.map(Units::parse).unwrap_or_default());
                writes.add(write.map(Units::parse).unwrap_or_default());
            } else if READS.contains(&self.operation.as_str()) {
                reads.add(Units::parse(&table["CapacityUnits"]));
            } else {
                writes.add(Units::parse(&table["CapacityUnits"]));
            }
        }
        (reads, writes)
    }

    fn restore_capacity(&self, body: &mut Value) {
        let Some(body) = body.as_object_mut() else { return };
        match self.capacity.as_deref() {
            Some("INDEXES") => {}
            Some("TOTAL") => {
                let trim = |table: &mut Value| {
                    let kept = ["TableName", "CapacityUnits", "ReadCapacityUnits", "WriteCapacityUnits"];
                    if let Some(table) = table.as_object_mut() {
                        table.retain(|name, _| kept.contains(&name.as_str()));
                    }
                };
                match body.get_mut("ConsumedCapacity") {
                    Some(Value::Array(tables)) => tables.iter_mut().for_each(trim),
                    Some(table) => trim(table),
                    None => {}
                }
            }
            _ => {
                body.remove("ConsumedCapacity");
            }
        }
    }

    /// The write units of a refusal. A failed condition costs what the write would have: the larger of the item that
    /// stands and the item that was to be put, at least one unit. A cancelled transaction costs that for each of its
    /// actions, twice. Everything else that is refused costs nothing.
    fn failed_units(&self, body: &mut Value) -> Units {
        let kind = body["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default();
        match kind {
            "ConditionalCheckFailedException" => {
                let standing = item_size(&body["Item"]);
                if self.wanted_items.first() != Some(&true) {
                    remove(body, "Item");
                }
                write_units(standing.max(self.sizes.first().copied().unwrap_or(0)))
            }
            "TransactionCanceledException" => {
                let mut units = Units::default();
                let mut reasons = body["CancellationReasons"].as_array_mut();
                for (index, size) in self.sizes.iter().enumerate() {
                    let reason = reasons.as_mut().and_then(|reasons| reasons.get_mut(index));
                    let mut standing = 0;
                    if let Some(reason) = reason {
                        standing = item_size(&reason["Item"]);
                        if self.wanted_items.get(index) != Some(&true) {
                            remove(reason, "Item");
                        }
                    }
                    let once = write_units(standing.max(*size));
                    units.add(once);
                    units.add(once);
                }
                units
            }
            _ => Units::default(),
        }
    }
}

fn remove(body: &mut Value, name: &str) {
    if let Some(body) = body.as_object_mut() {
        body.remove(name);
    }
}

/// The size of an item by DynamoDB's rules, from its JSON; 0 for none.
fn item_size(item: &Value) -> usize {
    if item.is_null() {
        return 0;
    }
    serde_json::from_value::<dynoxide::Item>(item.clone()).map_or(0, |item| dynoxide::types::item_size(&item))
}

/// One unit for each KiB begun, at least one.
fn write_units(size: usize) -> Units {
    Units::whole(u64::try_from(size.div_ceil(1024)).unwrap_or(u64::MAX).max(1))
}
