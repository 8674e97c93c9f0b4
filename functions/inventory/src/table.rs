//! The `inventory` table: one item a counter. Each command of [`kernel::counter`] is one `UpdateItem` here, its guard in the
//! condition; when the condition fails DynamoDB returns the item, and the pure counter explains what that means.

use std::collections::HashMap;

use aws::table::{Written, attribute, from_item, n, s, to_item, written};
use aws::{DataError, Item, TableSpec, capability};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use kernel::counter::{Counter, Hold, Outcome, Receipt, Refusal};
use kernel::limits::{DONE_MARKS, HOLDS_PER_COUNTER};
use kernel::{Sku, Timestamp};

use crate::stock::CounterKey;

/// One counter an item; the partition key spreads shards over partitions. Its stream starts the timers of holds.
pub const TABLE: TableSpec =
    TableSpec { name: "inventory", partition_key: "pk", sort_key: None, indexes: &[], ttl: None, stream: true };

/// The condition of a hold, word for word [`Counter::check_hold`].
const MAY_HOLD: &str = "available >= :q AND attribute_not_exists(holds.#op) AND attribute_not_exists(done.#op) \
    AND #floor < :created AND size(holds) < :cap";

capability!(
    /// Reads one counter.
    ReadCounter on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads many counters at once.
    ReadStock on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Holds units for an operation.
    HoldStock on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Confirms or releases holds as their record says, and prunes marks.
    SettleHolds on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Takes units in, also of an item that was never stocked.
    ReceiveStock on TABLE: ["dynamodb:UpdateItem", "dynamodb:PutItem"]
);

capability!(
    /// Corrects the count of an item.
    AdjustStock on TABLE: ["dynamodb:UpdateItem"]
);

/// A hold on its way in.
#[derive(Clone, Debug)]
pub struct HoldRequest<'a> {
    /// The operation.
    pub op: &'a str,
    /// How many units.
    pub quantity: u32,
    /// When it may be tried to expire.
    pub deadline: Timestamp,
    /// When the operation's record was created.
    pub created: Timestamp,
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

impl ReadCounter {
    /// The counter as it stands now.
    pub async fn read(&self, key: &CounterKey) -> Result<Option<Counter>, DataError> {
        self.table.get(self.table.key(key.partition()), true).await?.map(from_item).transpose()
    }
}

impl ReadStock {
    /// The counters of many SKUs in the main warehouse. Those that were never stocked are left out.
    pub async fn counters(&self, skus: &[Sku], consistent: bool) -> Result<HashMap<Sku, Counter>, DataError> {
        let keys = skus.iter().map(|sku| self.table.key(CounterKey::main(sku.clone()).partition())).collect();
        let items = self.table.get_many(keys, consistent).await?;
        let mut counters = HashMap::with_capacity(items.len());
        for item in items {
            let key = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| CounterKey::parse(pk));
            let key = key.ok_or_else(|| DataError::Corrupt("an inventory item without a readable key".into()))?;
            counters.insert(key.sku, from_item(item)?);
        }
        Ok(counters)
    }

    /// How many units of many SKUs can be bought now, eventually consistent. SKUs that were never stocked are left out.
    pub async fn available(&self, skus: &[Sku]) -> Result<HashMap<Sku, i64>, DataError> {
        let counters = self.counters(skus, false).await?;
        Ok(counters.into_iter().map(|(sku, counter)| (sku, counter.available)).collect())
    }
}

impl HoldStock {
    /// One conditional write. A repeated call of the same operation finds its own hold and says yes.
    pub async fn hold(&self, key: &CounterKey, hold: &HoldRequest<'_>) -> Result<Held, DataError> {
        let value = Hold { quantity: hold.quantity, deadline: hold.deadline.millis() };
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression("SET available = available - :q, holds.#op = :hold")
            .condition_expression(MAY_HOLD)
            .expression_attribute_names("#op", hold.op)
            .expression_attribute_names("#floor", "floor")
            .expression_attribute_values(":q", n(hold.quantity))
            .expression_attribute_values(":hold", attribute(&value)?)
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
        match counter.check_hold(hold.op, hold.quantity, hold.created) {
            Err(Outcome::Already) => Ok(Held::Yes),
            Err(Outcome::Refused(refusal)) => Ok(Held::No(refusal, counter)),
            _ => Err(DataError::Corrupt(format!("a hold on {} was refused for no reason", key.partition()))),
        }
    }
}

impl SettleHolds {
    /// Moves the hold of an operation as its record says: committed → confirm, otherwise → release. `created` is the
    /// record's: a mark's time is never before it, whatever this machine's clock says.
    pub async fn settle(
        &self,
        key: &CounterKey,
        op: &str,
        committed: bool,
        created: Timestamp,
        now: Timestamp,
    ) -> Result<Outcome, DataError> {
        let update = if committed {
            "SET taken = taken + holds.#op.q, done.#op = :mark REMOVE holds.#op"
        } else {
            "SET available = available + holds.#op.q, inc = inc + :one, done.#op = :mark REMOVE holds.#op"
        };
        let request = self.table.client().update_item().table_name(self.table.name());
        let mut request = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression(update)
            .condition_expression("attribute_exists(holds.#op)")
            .expression_attribute_names("#op", op)
            .expression_attribute_values(":mark", n(now.max(created).millis()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if !committed {
            request = request.expression_attribute_values(":one", n(1));
        }
        match written(request.send().await)? {
            Written::Yes(output) => {
                if let Some(item) = output.attributes {
                    self.prune(key, &from_item(item)?, now).await?;
                }
                Ok(Outcome::Applied)
            }
            Written::No(None) => Ok(Outcome::Refused(Refusal::NoHold)),
            Written::No(Some(item)) => Ok(from_item::<Counter>(item)?.without_hold(op)),
        }
    }

    /// Drops old marks once there are many, so that the item stays small; the floor rises in the same write.
    async fn prune(&self, key: &CounterKey, counter: &Counter, now: Timestamp) -> Result<(), DataError> {
        if counter.done.len() <= DONE_MARKS {
            return Ok(());
        }
        let Some((ops, floor)) = counter.prunable(now) else { return Ok(()) };
        let removals: Vec<String> = (0..ops.len()).map(|index| format!("done.#o{index}")).collect();
        let names = ops.into_iter().enumerate().map(|(index, op)| (format!("#o{index}"), op));
        let names = names.chain([("#floor".to_owned(), "floor".to_owned())]).collect();
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression(format!("SET #floor = :floor REMOVE {}", removals.join(", ")))
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

/// A movement on its way in.
#[derive(Clone, Debug)]
pub struct Movement<'a> {
    /// The operation.
    pub op: &'a str,
    /// How many units come in, or go out when negative.
    pub quantity: i64,
    /// The digest of the request.
    pub fingerprint: &'a str,
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

/// Receives or adjusts by one conditional write.
async fn move_units(
    table: &aws::Table,
    key: &CounterKey,
    movement: &Movement<'_>,
    now: Timestamp,
) -> Result<Moved, DataError> {
    let receipt = Receipt { at: now.millis(), fingerprint: movement.fingerprint.to_owned() };
    let request = table.client().update_item().table_name(table.name());
    let result = request
        .set_key(Some(table.key(key.partition())))
        .update_expression(
            "SET received = received + :q, available = available + :q, inc = inc + :one, receipts.#op = :receipt",
        )
        .condition_expression("attribute_exists(pk) AND attribute_not_exists(receipts.#op) AND available >= :least")
        .expression_attribute_names("#op", movement.op)
        .expression_attribute_values(":q", n(movement.quantity))
        .expression_attribute_values(":least", n(movement.quantity.saturating_neg().max(0)))
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":receipt", attribute(&receipt)?)
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    let counter: Counter = match written(result)? {
        Written::Yes(output) => {
            let counter: Counter = from_item(output.attributes.unwrap_or_default())?;
            return prune_receipts(table, key, counter, now).await.map(Moved::Yes);
        }
        Written::No(None) => return Ok(Moved::Unknown),
        Written::No(Some(item)) => from_item(item)?,
    };
    match counter.check_adjust(movement.op, movement.quantity, movement.fingerprint) {
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
    let removals: Vec<String> = (0..ops.len()).map(|index| format!("receipts.#o{index}")).collect();
    let names = ops.into_iter().enumerate().map(|(index, op)| (format!("#o{index}"), op)).collect();
    let request = table.client().update_item().table_name(table.name()).set_key(Some(table.key(key.partition())));
    let request = request
        .update_expression(format!("REMOVE {}", removals.join(", ")))
        .condition_expression("attribute_exists(pk)");
    written(request.set_expression_attribute_names(Some(names)).send().await)?;
    Ok(counter)
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
            counter.adjust(movement.op, movement.quantity, movement.fingerprint, now);
            let mut item: Item = to_item(&counter)?;
            item.insert("pk".to_owned(), s(key.partition()));
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
