//! Counters: one item each.

use std::collections::HashMap;

use aws::table::{Written, attribute, from_item, n, to_item, written};
use aws::{Capability, ConfigError, DataError, Grant, Item, Platform, Resource, capability};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use kernel::counter::{Adjustment, Counter, HoldRequest, Outcome, Receipt, Refusal};
use kernel::limits::HOLDS_PER_COUNTER;
use kernel::{Sku, Timestamp};

use super::settings::Shop;
use super::{TABLE, WAREHOUSES, settings_key};
use crate::ledger::{CounterItem, Note};
use crate::settings::{Settings, Warehouses};
use crate::stock::CounterKey;

/// The condition of a hold, word for word [`Counter::check_hold`].
const MAY_HOLD: &str = "available >= :least AND attribute_not_exists(holds.#op) AND attribute_not_exists(done.#op) \
    AND #floor < :created AND size(holds) < :cap";

capability!(
    /// Reads one counter.
    ReadCounter on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads many counters at once, and the settings of their items.
    ReadStock on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Holds units for an operation.
    HoldStock on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Takes units in, also of an item that was never stocked.
    ReceiveStock on TABLE: ["dynamodb:UpdateItem", "dynamodb:PutItem"]
);

capability!(
    /// Corrects the count of an item.
    AdjustStock on TABLE: ["dynamodb:UpdateItem"]
);

/// Confirms or releases holds as their record says, and prunes marks.
#[derive(Clone)]
pub struct SettleHolds {
    table: aws::Table,
    marks: usize,
}

impl Capability for SettleHolds {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["dynamodb:UpdateItem"], Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.table(&TABLE), marks: platform.config().done_marks })
    }
}

/// What became of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// The units are held, now or since an earlier try.
    Yes,
    /// They are not, and this is the counter that refused.
    No(Refusal, Counter),
    /// There is no such counter.
    Unknown,
}

/// What one read of many items' stock found: their settings, and the counters that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Items with settings of their own.
    pub settings: HashMap<Sku, Settings>,
    /// Counters that exist.
    pub counters: HashMap<CounterKey, Counter>,
    /// The warehouses of the shop, when they were asked for and are more than the one of a fresh shop.
    pub warehouses: Option<Warehouses>,
}

impl Snapshot {
    /// The settings of an item.
    #[must_use]
    pub fn settings(&self, sku: &Sku) -> Settings {
        self.settings.get(sku).cloned().unwrap_or_default()
    }

    /// A counter; of one that was never written, the default.
    #[must_use]
    pub fn counter(&self, key: &CounterKey) -> Counter {
        self.counters.get(key).cloned().unwrap_or_default()
    }

    fn add(&mut self, item: Item) -> Result<(), DataError> {
        let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
        if pk == WAREHOUSES {
            self.warehouses = Some(from_item::<Shop>(item)?.shop);
        } else if let Some(key) = CounterKey::parse(&pk) {
            self.counters.insert(key, from_item(item)?);
        } else if let Some(sku) = pk.strip_suffix('|').and_then(Sku::parse) {
            self.settings.insert(sku, from_item(item)?);
        } else {
            return Err(DataError::Corrupt("an inventory item without a readable key".into()));
        }
        Ok(())
    }
}

impl ReadCounter {
    /// The counter as it stands now.
    pub async fn read(&self, key: &CounterKey) -> Result<Option<Counter>, DataError> {
        self.table.get(self.table.key(key.partition()), true).await?.map(from_item).transpose()
    }
}

impl ReadStock {
    async fn read(&self, keys: Vec<String>, consistent: bool) -> Result<Snapshot, DataError> {
        let keys = keys.into_iter().map(|key| self.table.key(key)).collect();
        let mut snapshot = Snapshot::default();
        for item in self.table.get_many(keys, consistent).await? {
            snapshot.add(item)?;
        }
        Ok(snapshot)
    }

    /// Settings of items and their first counter, which is all there is of most items; the settings only of others that are
    /// known to be split; these further counters, and the warehouses when asked.
    pub async fn first_look(
        &self,
        skus: &[Sku],
        split: &[Sku],
        more: &[CounterKey],
        with_warehouses: bool,
        consistent: bool,
    ) -> Result<Snapshot, DataError> {
        let of = |sku: &Sku| [settings_key(sku), CounterKey::main(sku.clone()).partition()];
        let shop = with_warehouses.then(|| WAREHOUSES.to_owned());
        let more = more.iter().map(CounterKey::partition);
        let split = split.iter().map(settings_key);
        self.read(skus.iter().flat_map(of).chain(split).chain(more).chain(shop).collect(), consistent).await
    }

    /// These counters, and nothing else.
    pub async fn only(&self, keys: &[CounterKey]) -> Result<HashMap<CounterKey, Counter>, DataError> {
        Ok(self.read(keys.iter().map(CounterKey::partition).collect(), true).await?.counters)
    }

    /// These counters, and the settings of their item.
    pub async fn counters(&self, sku: &Sku, keys: &[CounterKey], consistent: bool) -> Result<Snapshot, DataError> {
        let keys = keys.iter().map(CounterKey::partition).chain([settings_key(sku)]);
        self.read(keys.collect(), consistent).await
    }

    /// Settings and counters of many items: one round trip for items that are in one piece, two when some are split.
    /// `books` reads also the counters that are not sold from any more.
    pub async fn all(&self, skus: &[Sku], books: bool, consistent: bool) -> Result<Snapshot, DataError> {
        let mut snapshot = self.first_look(skus, &[], &[], false, consistent).await?;
        let keys = |(sku, settings): (&Sku, &Settings)| {
            let keys = if books { settings.books(sku) } else { settings.counters(sku) };
            keys.into_iter().filter(|key| *key != CounterKey::main(key.sku.clone()))
        };
        let more: Vec<String> = snapshot.settings.iter().flat_map(keys).map(|key| key.partition()).collect();
        if !more.is_empty() {
            snapshot.counters.extend(self.read(more, consistent).await?.counters);
        }
        Ok(snapshot)
    }

    /// How many units of many SKUs can be bought now, eventually consistent. SKUs that were never stocked are left out.
    pub async fn available(&self, skus: &[Sku]) -> Result<HashMap<Sku, i64>, DataError> {
        let snapshot = self.all(skus, false, false).await?;
        let of = |sku: &Sku| {
            let settings = snapshot.settings(sku);
            let keys = settings.counters(sku);
            let counters: Vec<_> = keys.iter().filter_map(|key| Some((key, snapshot.counters.get(key)?))).collect();
            let known = snapshot.settings.contains_key(sku) || !counters.is_empty();
            let availability = crate::Availability::of(sku.clone(), &settings, counters);
            known.then_some((sku.clone(), availability.available))
        };
        Ok(skus.iter().filter_map(of).collect())
    }
}

impl HoldStock {
    /// One conditional write. A repeated call of the same operation finds its own hold and says yes.
    pub async fn hold(&self, key: &CounterKey, hold: &HoldRequest<'_>) -> Result<Held, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression("SET available = available - :q, holds.#op = :hold, rev = rev + :one")
            .condition_expression(MAY_HOLD)
            .expression_attribute_names("#op", hold.op)
            .expression_attribute_names("#floor", "floor")
            .expression_attribute_values(":q", n(hold.quantity))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":least", n(hold.least()))
            .expression_attribute_values(":hold", attribute(&hold.hold())?)
            .expression_attribute_values(":created", n(hold.created.millis()))
            .expression_attribute_values(":cap", n(i64::try_from(HOLDS_PER_COUNTER).unwrap_or(i64::MAX)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let counter: Counter = match written(result)? {
            Written::Yes(_) => return Ok(Held::Yes),
            Written::No(None) => return Ok(Held::Unknown),
            Written::No(Some(item)) => from_item(item)?,
        };
        match counter.check_hold(hold) {
            Err(Outcome::Already) => Ok(Held::Yes),
            Err(Outcome::Refused(refusal)) => Ok(Held::No(refusal, counter)),
            _ => Err(DataError::Corrupt(format!("a hold on {} was refused for no reason", key.partition()))),
        }
    }
}

impl SettleHolds {
    /// Moves the hold of an operation as its record says: committed → confirm, otherwise → release. `created` is the
    /// record's, and the time of the mark: no clock of a worker comes into it. Who knows no record gives the present time.
    pub async fn settle(
        &self,
        key: &CounterKey,
        op: &str,
        committed: bool,
        created: Timestamp,
        now: Timestamp,
    ) -> Result<Outcome, DataError> {
        let update = if committed {
            "SET taken = taken + holds.#op.q, done.#op = :mark, rev = rev + :one REMOVE holds.#op"
        } else {
            "SET available = available + holds.#op.q, inc = inc + :one, done.#op = :mark, rev = rev + :one \
             REMOVE holds.#op"
        };
        let request = self.table.client().update_item().table_name(self.table.name());
        let request = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression(update)
            .condition_expression("attribute_exists(holds.#op)")
            .expression_attribute_names("#op", op)
            .expression_attribute_values(":mark", n(created.millis()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(request.send().await)? {
            Written::Yes(output) => {
                if let Some(item) = output.attributes {
                    self.prune(key, &from_item(item)?, now).await?;
                }
                Ok(Outcome::Applied)
            }
            Written::No(None) => Ok(Outcome::Refused(Refusal::NoHold)),
            Written::No(Some(item)) => Ok(from_item::<Counter>(item)?.without_hold(op, created)),
        }
    }

    /// Drops old marks once there are many, so that the item stays small; the floor rises in the same write.
    async fn prune(&self, key: &CounterKey, counter: &Counter, now: Timestamp) -> Result<(), DataError> {
        if counter.done.len() <= self.marks {
            return Ok(());
        }
        let Some((ops, floor)) = counter.prunable(now) else { return Ok(()) };
        // Many at once: a prune is a write of its own, and one for each mark would double what a sale costs.
        if ops.len() < self.marks.div_ceil(2) {
            return Ok(());
        }
        let (removals, names) = removals("done", ops);
        let names = names.into_iter().chain([("#floor".to_owned(), "floor".to_owned())]).collect();
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression(format!("SET #floor = :floor {removals}"))
            .condition_expression("#floor = :seen")
            .set_expression_attribute_names(Some(names))
            .expression_attribute_values(":floor", n(floor))
            .expression_attribute_values(":seen", n(counter.floor))
            .send()
            .await;
        // Somebody else pruned: nothing is left to do.
        written(result).map(|_| ())
    }
}

/// An expression that removes entries of a map, and its names.
fn removals(map: &str, keys: Vec<String>) -> (String, HashMap<String, String>) {
    let paths: Vec<String> = (0..keys.len()).map(|index| format!("{map}.#o{index}")).collect();
    let names = keys.into_iter().enumerate().map(|(index, key)| (format!("#o{index}"), key)).collect();
    (format!("REMOVE {}", paths.join(", ")), names)
}

/// Units that staff moves.
#[derive(Clone, Debug)]
pub struct Movement<'a> {
    /// What is moved, and by which operation.
    pub adjustment: Adjustment<'a>,
    /// What kind of movement it is, as the ledger reads it: `receipt`, `adjustment`.
    pub kind: &'static str,
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl<'a> Movement<'a> {
    /// Units that come in without anybody's doing: an opening stock.
    #[must_use]
    pub fn opening(op: &'a str, quantity: i64, fingerprint: &'a str) -> Self {
        let adjustment = Adjustment { op, quantity, fingerprint, expected: None };
        Self { adjustment, kind: "receipt", actor: "system", reason: "opening stock" }
    }

    pub(super) fn note(&self) -> Note {
        Note {
            op: self.adjustment.op.to_owned(),
            kind: self.kind.to_owned(),
            actor: self.actor.to_owned(),
            reason: self.reason.to_owned(),
        }
    }
}

/// What became of a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is done, now or by an earlier try; this is the counter.
    Yes(Counter),
    /// It is refused, and this is the counter that refused.
    No(Refusal, Counter),
    /// There is no such counter.
    Unknown,
}

/// A conditional change of one counter, for a write of its own or for a part of a transaction.
pub(super) struct Expression {
    update: String,
    condition: String,
    names: HashMap<String, String>,
    values: Item,
}

impl Expression {
    /// A movement, with its guard.
    pub fn moving(movement: &Movement<'_>, now: Timestamp) -> Result<Self, DataError> {
        let Adjustment { op, quantity, fingerprint, expected } = movement.adjustment;
        let receipt = Receipt { at: now.millis(), fingerprint: fingerprint.to_owned() };
        let mut condition =
            "attribute_exists(pk) AND attribute_not_exists(receipts.#op) AND available >= :least".to_owned();
        let names = [("#op", op), ("#last", "last")];
        let mut values = vec![
            (":q", n(quantity)),
            (":least", n(quantity.saturating_neg().max(0))),
            (":one", n(1)),
            (":receipt", attribute(&receipt)?),
            (":note", attribute(&movement.note())?),
        ];
        if let Some(expected) = expected {
            condition.push_str(" AND rev = :expected");
            values.push((":expected", n(expected)));
        }
        Ok(Self {
            update: "SET received = received + :q, available = available + :q, inc = inc + :one, rev = rev + :one, \
                receipts.#op = :receipt, #last = :note"
                .to_owned(),
            condition,
            names: names.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }

    /// Another number of units that may be held beyond those received, from what it was.
    pub fn allowing(before: i64, after: i64, note: &Note) -> Result<Self, DataError> {
        let more = after - before;
        let values = [
            (":more", n(more)),
            (":before", n(before)),
            (":after", n(after)),
            (":least", n(more.saturating_neg().max(0))),
            (":one", n(1)),
            (":note", attribute(note)?),
        ];
        Ok(Self {
            update: "SET available = available + :more, allowance = :after, inc = inc + :one, rev = rev + :one, \
                #last = :note"
                .to_owned(),
            condition: "allowance = :before AND available >= :least".to_owned(),
            names: HashMap::from([("#last".to_owned(), "last".to_owned())]),
            values: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }

    /// A write of its own.
    fn alone(self, table: &aws::Table, key: &CounterKey) -> UpdateItemFluentBuilder {
        let request = table.client().update_item().table_name(table.name());
        request
            .set_key(Some(table.key(key.partition())))
            .update_expression(self.update)
            .condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// A part of a transaction.
    pub fn within(self, table: &aws::Table, key: &CounterKey) -> Result<TransactWriteItem, DataError> {
        let update = Update::builder()
            .table_name(table.name())
            .set_key(Some(table.key(key.partition())))
            .update_expression(self.update)
            .condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let update = update.map_err(|error| DataError::Invalid(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Receives or adjusts by one conditional write.
async fn move_units(
    table: &aws::Table,
    key: &CounterKey,
    movement: &Movement<'_>,
    now: Timestamp,
) -> Result<Moved, DataError> {
    let result = Expression::moving(movement, now)?.alone(table, key).send().await;
    let counter: Counter = match written(result)? {
        Written::Yes(output) => {
            let counter: Counter = from_item(output.attributes.unwrap_or_default())?;
            return prune_receipts(table, key, counter, now).await.map(Moved::Yes);
        }
        Written::No(None) => return Ok(Moved::Unknown),
        Written::No(Some(item)) => from_item(item)?,
    };
    match counter.check_adjust(&movement.adjustment) {
        Err(Outcome::Already) => Ok(Moved::Yes(counter)),
        Err(Outcome::Refused(refusal)) => Ok(Moved::No(refusal, counter)),
        _ => Err(DataError::Corrupt(format!("a movement on {} was refused for no reason", key.partition()))),
    }
}

/// Drops receipts older than a day.
async fn prune_receipts(
    table: &aws::Table,
    key: &CounterKey,
    counter: Counter,
    now: Timestamp,
) -> Result<Counter, DataError> {
    let ops = counter.prunable_receipts(now);
    if ops.is_empty() {
        return Ok(counter);
    }
    let (removals, names) = removals("receipts", ops);
    let request = table.client().update_item().table_name(table.name()).set_key(Some(table.key(key.partition())));
    let request = request.update_expression(removals).condition_expression("attribute_exists(pk)");
    written(request.set_expression_attribute_names(Some(names)).send().await)?;
    Ok(counter)
}

/// The item of a counter that is written for the first time.
pub(super) fn new_counter(key: &CounterKey, counter: Counter, last: Option<Note>) -> Result<Item, DataError> {
    to_item(&CounterItem { pk: key.partition(), counter, last, low: None })
}

impl ReceiveStock {
    /// Takes units in. The first receipt of an item makes its counter.
    pub async fn receive(&self, key: &CounterKey, movement: &Movement<'_>, now: Timestamp) -> Result<Moved, DataError> {
        // Two rounds are enough: whoever loses the race to make the counter finds it on the second.
        for _ in 0..2 {
            let moved = move_units(&self.table, key, movement, now).await?;
            if moved != Moved::Unknown {
                return Ok(moved);
            }
            let mut counter = Counter::default();
            counter.adjust(&movement.adjustment, now);
            let item = new_counter(key, counter.clone(), Some(movement.note()))?;
            let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").send().await;
            if matches!(written(put)?, Written::Yes(_)) {
                return Ok(Moved::Yes(counter));
            }
        }
        Err(DataError::Busy("the counter came and went".into()))
    }
}

impl AdjustStock {
    /// Corrects a count by a signed number of units.
    pub async fn adjust(&self, key: &CounterKey, movement: &Movement<'_>, now: Timestamp) -> Result<Moved, DataError> {
        move_units(&self.table, key, movement, now).await
    }
}
