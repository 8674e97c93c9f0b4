//! Units that go from one counter to another: the one movement that spans items, and therefore a transaction. It is made
//! by staff, rare, and may be cancelled by a shopper's write; then it is tried again, and the shopper never waits.

use aws::table::{attribute, from_item, s, to_item};
use aws::{DataError, Item, Table, capability};
use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem, Update};
use kernel::counter::{Adjustment, Counter};
use kernel::{Sku, Timestamp, TransferId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TABLE;
use super::counters::{Movement, moving, new_counter};
use super::settings::{create, put_settings, settings_key, transact};
use crate::settings::Settings;
use crate::stock::{CounterKey, InTransit, Part};

capability!(
    /// Reads a transfer.
    LoadTransfer on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Moves units between warehouses, or writes them off.
    MoveUnits on TABLE: ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"]
);

capability!(
    /// Moves units between the shards of a warehouse.
    ShiftUnits on TABLE: ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
);

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// The units left one warehouse and are on their way.
    InTransit,
    /// They are in the other.
    Arrived,
}

/// A transfer, as stored and as staff reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// What is moved.
    pub sku: Sku,
    /// Where from.
    pub from: String,
    /// Where to.
    pub to: String,
    /// How many units.
    pub quantity: u32,
    /// Where it stands.
    pub status: TransferState,
    /// Who made it.
    pub actor: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The digest of the request.
    #[schemars(skip)]
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub fingerprint: String,
}

fn key(id: &TransferId) -> String {
    format!("|{id}")
}

/// A counter that units go to, and whether it exists.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub key: CounterKey,
    /// Whether it was ever written.
    pub exists: bool,
}

/// What became of sending units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// They went, all of them.
    Yes,
    /// Nothing moved: the counters or the settings were not as they had been read, or the transfer stands already.
    No,
}

/// What became of an arrival.
pub type Arrived = Sent;

impl Transfer {
    /// As staff reads it.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { fingerprint: String::new(), ..self.clone() }
    }
}

impl LoadTransfer {
    /// The transfer as it stands now.
    pub async fn load(&self, id: &TransferId) -> Result<Option<Transfer>, DataError> {
        self.table.get(self.table.key(key(id)), true).await?.map(from_item).transpose()
    }
}

/// Units go out of a counter, or into one that exists.
fn change(
    table: &Table,
    key: &CounterKey,
    quantity: i64,
    op: &str,
    by: (&str, &str),
    now: Timestamp,
) -> Result<TransactWriteItem, DataError> {
    movement(quantity, op, by, |movement| moving(movement, now)?.within(table, &key.partition()))
}

/// Units come into a counter, which is made when it does not exist.
fn arrival(
    table: &Table,
    target: &Target,
    quantity: i64,
    op: &str,
    by: (&str, &str),
    now: Timestamp,
) -> Result<TransactWriteItem, DataError> {
    if target.exists {
        return change(table, &target.key, quantity, op, by, now);
    }
    movement(quantity, op, by, |movement| {
        let mut counter = Counter::default();
        counter.adjust(&movement.adjustment, now);
        create(table, new_counter(&target.key, counter, Some(movement.note()))?)
    })
}

impl MoveUnits {
    /// The digest of the request under which an operation wrote units off; `None` when it did not.
    pub async fn written_off(&self, op: &str) -> Result<Option<String>, DataError> {
        let item = self.table.get(self.table.key(format!("|{op}")), true).await?;
        Ok(item.map(from_item::<WriteOff>).transpose()?.map(|record| record.fingerprint))
    }

    /// Writes units off from several shards at once. Its record makes a repeated request the same one.
    pub async fn write_off(
        &self,
        op: &str,
        fingerprint: &str,
        parts: &[Part],
        by: (&str, &str),
        now: Timestamp,
    ) -> Result<Sent, DataError> {
        let record = WriteOff { pk: format!("|{op}"), fingerprint: fingerprint.to_owned(), created_at: now };
        let mut actions = vec![create(&self.table, to_item(&record)?)?];
        for part in parts {
            let quantity = -i64::from(part.quantity);
            let write_off = |movement: &Movement<'_>| {
                let adjusting = Movement { kind: "adjustment", ..movement.clone() };
                moving(&adjusting, now)?.within(&self.table, &part.key.partition())
            };
            actions.push(movement(quantity, op, by, write_off)?);
        }
        transact(&self.table, actions).await.map(sent)
    }

    /// Sends units from the counters of one warehouse: into a counter of another at once, or (without a target) on their
    /// way, noted in the settings of the item.
    pub async fn send(
        &self,
        transfer: &Transfer,
        from: &[Part],
        to: Option<&Target>,
        settings: &Settings,
    ) -> Result<Sent, DataError> {
        let mut item: Item = to_item(transfer)?;
        item.insert("pk".to_owned(), s(key(&transfer.id)));
        let reason = format!("{} to {}", transfer.from, transfer.to);
        let (op, by, now) = (transfer.id.op(), (transfer.actor.as_str(), reason.as_str()), transfer.created_at);
        let mut actions = vec![create(&self.table, item)?];
        for part in from {
            actions.push(change(&self.table, &part.key, -i64::from(part.quantity), &op, by, now)?);
        }
        match to {
            Some(target) => actions.push(arrival(&self.table, target, i64::from(transfer.quantity), &op, by, now)?),
            None => {
                let mut after = Settings { version: settings.version + 1, ..settings.clone() };
                after.in_transit.insert(transfer.id.clone(), in_transit(transfer));
                actions.push(put_settings(&self.table, &transfer.sku, &after, settings.version)?);
            }
        }
        transact(&self.table, actions).await.map(sent)
    }

    /// Books units that were on their way into a counter.
    pub async fn arrive(
        &self,
        transfer: &Transfer,
        to: &Target,
        settings: &Settings,
        actor: &str,
        now: Timestamp,
    ) -> Result<Arrived, DataError> {
        let record = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(key(&transfer.id))))
            .update_expression("SET #status = :arrived, updated_at = :now")
            .condition_expression("#status = :transit")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":arrived", s("arrived"))
            .expression_attribute_values(":transit", s("in_transit"))
            .expression_attribute_values(":now", attribute(&now)?)
            .build();
        let record = record.map_err(|error| DataError::Invalid(error.to_string()))?;
        let mut after = Settings { version: settings.version + 1, ..settings.clone() };
        after.in_transit.remove(&transfer.id);
        let reason = format!("{} to {}", transfer.from, transfer.to);
        let op = transfer.id.op();
        let actions = vec![
            TransactWriteItem::builder().update(record).build(),
            put_settings(&self.table, &transfer.sku, &after, settings.version)?,
            arrival(&self.table, to, i64::from(transfer.quantity), &op, (actor, &reason), now)?,
        ];
        transact(&self.table, actions).await.map(sent)
    }
}

impl ShiftUnits {
    /// Moves units between shards of a warehouse, each by what it gains or gives, in sum nothing; unless the settings were
    /// changed meanwhile: units must not land in a shard that was taken out of sale.
    pub async fn shift(
        &self,
        sku: &Sku,
        changes: &[(Target, i64)],
        version: u64,
        op: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<Sent, DataError> {
        let check = ConditionCheck::builder()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(settings_key(sku))))
            .condition_expression("#version = :seen")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":seen", attribute(&version)?)
            .build();
        let check = check.map_err(|error| DataError::Invalid(error.to_string()))?;
        let by = (actor, "spread over shards");
        let mut actions = vec![TransactWriteItem::builder().condition_check(check).build()];
        for (target, units) in changes {
            actions.push(if *units < 0 {
                change(&self.table, &target.key, *units, op, by, now)?
            } else {
                arrival(&self.table, target, *units, op, by, now)?
            });
        }
        transact(&self.table, actions).await.map(sent)
    }
}

/// The record of units that were written off from several shards.
#[derive(Serialize, Deserialize)]
struct WriteOff {
    pk: String,
    fingerprint: String,
    created_at: Timestamp,
}

fn sent(done: bool) -> Sent {
    if done { Sent::Yes } else { Sent::No }
}

fn in_transit(transfer: &Transfer) -> InTransit {
    InTransit {
        transfer: transfer.id.clone(),
        from: transfer.from.clone(),
        to: transfer.to.clone(),
        quantity: transfer.quantity,
        since: transfer.created_at,
    }
}

/// One side of a transfer as a movement, handed to `make`.
fn movement<T>(quantity: i64, op: &str, by: (&str, &str), make: impl FnOnce(&Movement<'_>) -> T) -> T {
    let adjustment = Adjustment { op, quantity, fingerprint: "transfer", expected: None };
    make(&Movement { adjustment, kind: "transfer", actor: by.0, reason: by.1 })
}
