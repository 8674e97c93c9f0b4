//! The bounded counter ([`kernel::counter`]) on DynamoDB: one item each, in whatever table.
//!
//! Each command is one `UpdateItem` whose condition is the pure counter's check, word for word; when it fails DynamoDB returns
//! the item, and the pure counter explains what that means. Stock, coupons and gift cards are all this. It knows no table and
//! no grant (a service's capability types do), and nothing of what is counted. It must never read first and write then.
//!
//! Beside it: how often something happened of late ([`tally`]).
//!
//! A counter's attributes lie at the top of its item, beside whatever else its service keeps there.

pub mod tally;

use std::collections::HashMap;

use aws::table::{Written, attribute, from_item, n, written};
use aws::{DataError, Item, Table};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use kernel::Timestamp;
use kernel::counter::{Adjustment, Counter, HoldRequest, Outcome, Receipt, Refusal};
use kernel::limits::HOLDS_PER_COUNTER;

/// The condition of a hold, word for word [`Counter::check_hold`].
const MAY_HOLD: &str = "available >= :least AND attribute_not_exists(holds.#op) AND attribute_not_exists(done.#op) \
    AND #floor < :created AND size(holds) < :cap";

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

/// What became of a movement by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is done, now or by an earlier try; this is the counter.
    Yes(Counter),
    /// It is refused, and this is the counter that refused.
    No(Refusal, Counter),
    /// There is no such counter.
    Unknown,
}

/// How a hold is moved, as the record of its operation says.
#[derive(Clone, Copy, Debug)]
pub struct Settlement<'a> {
    /// The operation.
    pub op: &'a str,
    /// Committed: the hold is taken. Not: it is given back.
    pub committed: bool,
    /// When the record was created, which is the mark's time: no worker's clock comes into it. Without a record, now.
    pub created: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// The counter is pruned when it carries more marks than this.
    pub marks: usize,
}

/// Holds units: one conditional write. A repeated call of the same operation finds its own hold and says yes.
pub async fn hold(table: &Table, key: &str, hold: &HoldRequest<'_>) -> Result<Held, DataError> {
    let request = table.client().update_item().table_name(table.name());
    let result = request
        .set_key(Some(table.key(key)))
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
        _ => Err(DataError::Corrupt(format!("a hold on {key} was refused for no reason"))),
    }
}

/// Moves the hold of an operation as its record says: committed → confirm, otherwise → release. Old marks are pruned on the
/// way once there are many.
pub async fn settle(table: &Table, key: &str, settlement: &Settlement<'_>) -> Result<Outcome, DataError> {
    let Settlement { op, committed, created, now, marks } = *settlement;
    let update = if committed {
        "SET taken = taken + holds.#op.q, done.#op = :mark, rev = rev + :one REMOVE holds.#op"
    } else {
        "SET available = available + holds.#op.q, inc = inc + :one, done.#op = :mark, rev = rev + :one \
         REMOVE holds.#op"
    };
    let request = table.client().update_item().table_name(table.name());
    let request = request
        .set_key(Some(table.key(key)))
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
                prune(table, key, &from_item(item)?, marks, now).await?;
            }
            Ok(Outcome::Applied)
        }
        Written::No(None) => Ok(Outcome::Refused(Refusal::NoHold)),
        Written::No(Some(item)) => Ok(from_item::<Counter>(item)?.without_hold(op, created)),
    }
}

/// Drops old marks once there are many, so that the item stays small; the floor rises in the same write.
async fn prune(table: &Table, key: &str, counter: &Counter, marks: usize, now: Timestamp) -> Result<(), DataError> {
    if counter.done.len() <= marks {
        return Ok(());
    }
    let Some((ops, floor)) = counter.prunable(now) else { return Ok(()) };
    // Many at once: a prune is a write of its own, and one for each mark would double what a sale costs.
    if ops.len() < marks.div_ceil(2) {
        return Ok(());
    }
    let (removals, names) = removals("done", ops);
    let names = names.into_iter().chain([("#floor".to_owned(), "floor".to_owned())]).collect();
    let request = table.client().update_item().table_name(table.name());
    let result = request
        .set_key(Some(table.key(key)))
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

/// An expression that removes entries of a map, and its names.
fn removals(map: &str, keys: Vec<String>) -> (String, HashMap<String, String>) {
    let paths: Vec<String> = (0..keys.len()).map(|index| format!("{map}.#o{index}")).collect();
    let names = keys.into_iter().enumerate().map(|(index, key)| (format!("#o{index}"), key)).collect();
    (format!("REMOVE {}", paths.join(", ")), names)
}

/// Something to be remembered in the counter's item by the write that changes it: an attribute and its value.
pub type Note = (&'static str, AttributeValue);

/// A conditional change of one counter by hand, for a write of its own or for a part of a transaction.
pub struct Change {
    update: String,
    condition: String,
    names: HashMap<String, String>,
    values: Item,
}

impl Change {
    /// Units come in or go, with the guard of it.
    pub fn moving(adjustment: &Adjustment<'_>, note: Option<Note>, now: Timestamp) -> Result<Self, DataError> {
        let Adjustment { op, quantity, fingerprint, expected } = *adjustment;
        let receipt = Receipt { at: now.millis(), fingerprint: fingerprint.to_owned() };
        let mut update =
            "SET received = received + :q, available = available + :q, inc = inc + :one, rev = rev + :one, \
            receipts.#op = :receipt"
                .to_owned();
        let mut condition =
            "attribute_exists(pk) AND attribute_not_exists(receipts.#op) AND available >= :least".to_owned();
        let mut names = HashMap::from([("#op".to_owned(), op.to_owned())]);
        let mut values = HashMap::from([
            (":q".to_owned(), n(quantity)),
            (":least".to_owned(), n(quantity.saturating_neg().max(0))),
            (":one".to_owned(), n(1)),
            (":receipt".to_owned(), attribute(&receipt)?),
        ]);
        if let Some(note) = note {
            remember(note, &mut update, &mut names, &mut values);
        }
        if let Some(expected) = expected {
            condition.push_str(" AND rev = :expected");
            values.insert(":expected".to_owned(), n(expected));
        }
        Ok(Self { update, condition, names, values })
    }

    /// Another number of units that may be held beyond those received, from what it was.
    #[must_use]
    pub fn allowing(before: i64, after: i64, note: Note) -> Self {
        let more = after - before;
        let mut update =
            "SET available = available + :more, allowance = :after, inc = inc + :one, rev = rev + :one".to_owned();
        let mut names = HashMap::new();
        let mut values = HashMap::from([
            (":more".to_owned(), n(more)),
            (":before".to_owned(), n(before)),
            (":after".to_owned(), n(after)),
            (":least".to_owned(), n(more.saturating_neg().max(0))),
            (":one".to_owned(), n(1)),
        ]);
        remember(note, &mut update, &mut names, &mut values);
        Self { update, condition: "allowance = :before AND available >= :least".to_owned(), names, values }
    }

    /// A write of its own.
    fn alone(self, table: &Table, key: &str) -> UpdateItemFluentBuilder {
        let request = table.client().update_item().table_name(table.name());
        request
            .set_key(Some(table.key(key)))
            .update_expression(self.update)
            .condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// A part of a transaction.
    pub fn within(self, table: &Table, key: &str) -> Result<TransactWriteItem, DataError> {
        let update = Update::builder()
            .table_name(table.name())
            .set_key(Some(table.key(key)))
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

fn remember(note: Note, update: &mut String, names: &mut HashMap<String, String>, values: &mut Item) {
    update.push_str(", #note = :note");
    names.insert("#note".to_owned(), note.0.to_owned());
    values.insert(":note".to_owned(), note.1);
}

/// Takes units in or writes them off, by one conditional write. Receipts older than a day are dropped on the way.
pub async fn adjust(
    table: &Table,
    key: &str,
    adjustment: &Adjustment<'_>,
    note: Option<Note>,
    now: Timestamp,
) -> Result<Moved, DataError> {
    let result = Change::moving(adjustment, note, now)?.alone(table, key).send().await;
    let counter: Counter = match written(result)? {
        Written::Yes(output) => {
            let counter: Counter = from_item(output.attributes.unwrap_or_default())?;
            return prune_receipts(table, key, counter, now).await.map(Moved::Yes);
        }
        Written::No(None) => return Ok(Moved::Unknown),
        Written::No(Some(item)) => from_item(item)?,
    };
    match counter.check_adjust(adjustment) {
        Err(Outcome::Already) => Ok(Moved::Yes(counter)),
        Err(Outcome::Refused(refusal)) => Ok(Moved::No(refusal, counter)),
        _ => Err(DataError::Corrupt(format!("a movement on {key} was refused for no reason"))),
    }
}

/// Drops receipts older than a day.
async fn prune_receipts(table: &Table, key: &str, counter: Counter, now: Timestamp) -> Result<Counter, DataError> {
    let ops = counter.prunable_receipts(now);
    if ops.is_empty() {
        return Ok(counter);
    }
    let (removals, names) = removals("receipts", ops);
    let request = table.client().update_item().table_name(table.name()).set_key(Some(table.key(key)));
    let request = request.update_expression(removals).condition_expression("attribute_exists(pk)");
    written(request.set_expression_attribute_names(Some(names)).send().await)?;
    Ok(counter)
}
