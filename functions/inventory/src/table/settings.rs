//! Settings of items, the warehouses of the shop, and the places of announced sales.

use aws::table::{Written, attribute, cancelled, from_item, n, s, to_item, written};
use aws::{DataError, Item, capability};
use aws_sdk_dynamodb::types::{
    ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use kernel::counter::Counter;
use kernel::{EventId, Sku, Timestamp};
use serde::{Deserialize, Serialize};

use super::counters::{allowing, new_counter};
use super::{TABLE, WAREHOUSES};
use crate::ledger::Note;
use crate::settings::{Settings, Shards, Warehouses};
use crate::stock::CounterKey;

/// The most counters that one transaction takes out of sale: DynamoDB takes 100 actions.
const SHRINK_AT_ONCE: u32 = 90;

capability!(
    /// Reads the settings of an item, and the warehouses.
    ReadSettings on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Changes the settings of an item, and with them what its counter allows.
    ChangeSettings on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
);

capability!(
    /// Splits the stock of an item over more or fewer shards, or begins to keep it in another warehouse.
    SplitStock on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
);

capability!(
    /// Notes that staff was told that an item is low, or that it no longer is.
    NoteLow on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Takes places of an announced sale.
    TakePlaces on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Changes the warehouses of the shop.
    ChangeWarehouses on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem"]
);

/// The key of an item's settings.
#[must_use]
pub fn settings_key(sku: &Sku) -> String {
    format!("{sku}|")
}

#[derive(Serialize, Deserialize)]
struct SettingsItem {
    pk: String,
    #[serde(flatten)]
    settings: Settings,
}

/// The warehouses as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shop {
    pub version: u64,
    pub shop: Warehouses,
}

/// What became of a change of settings or warehouses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed<T> {
    /// They are so now.
    Yes(T),
    /// They are in another version than the caller saw.
    Version(u64),
    /// The counters do not allow it: what is held is not covered, or a sale runs on a shard that would go.
    Held,
}

async fn read_settings(table: &aws::Table, sku: &Sku) -> Result<Settings, DataError> {
    let item = table.get(table.key(settings_key(sku)), true).await?;
    item.map(from_item).transpose().map(Option::unwrap_or_default)
}

/// The condition that settings are in the version that was read.
const UNCHANGED: &str = "attribute_not_exists(#version) OR #version = :seen";

fn settings_item(sku: &Sku, settings: &Settings) -> Result<Item, DataError> {
    to_item(&SettingsItem { pk: settings_key(sku), settings: settings.clone() })
}

/// Puts settings within a transaction, unless somebody else changed them since version `seen`.
pub(super) fn put_settings(
    table: &aws::Table,
    sku: &Sku,
    settings: &Settings,
    seen: u64,
) -> Result<TransactWriteItem, DataError> {
    let put = Put::builder()
        .table_name(table.name())
        .set_item(Some(settings_item(sku, settings)?))
        .condition_expression(UNCHANGED)
        .expression_attribute_names("#version", "version")
        .expression_attribute_values(":seen", attribute(&seen)?)
        .build();
    let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Runs a transaction: `true` when it took effect, `false` when a condition failed. One that met another writer is busy.
pub(super) async fn transact(table: &aws::Table, actions: Vec<TransactWriteItem>) -> Result<bool, DataError> {
    match table.client().transact_write_items().set_transact_items(Some(actions)).send().await {
        Ok(_) => Ok(true),
        Err(error) if cancelled(&error).is_some() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl ReadSettings {
    /// The settings of an item.
    pub async fn of(&self, sku: &Sku) -> Result<Settings, DataError> {
        read_settings(&self.table, sku).await
    }

    /// The warehouses of the shop, and their version.
    pub async fn warehouses(&self) -> Result<(Warehouses, u64), DataError> {
        let item = self.table.get(self.table.key(WAREHOUSES), true).await?;
        let shop: Shop = item.map(from_item).transpose()?.unwrap_or_default();
        Ok((shop.shop, shop.version))
    }
}

impl ChangeSettings {
    /// The settings of an item.
    pub async fn read(&self, sku: &Sku) -> Result<Settings, DataError> {
        read_settings(&self.table, sku).await
    }

    /// Writes settings over the version `seen`. What may be sold before it is here changes with them, in one transaction.
    pub async fn write(
        &self,
        sku: &Sku,
        before: &Settings,
        mut after: Settings,
        note: &Note,
    ) -> Result<Changed<Settings>, DataError> {
        after.version = before.version + 1;
        let mut actions = vec![put_settings(&self.table, sku, &after, before.version)?];
        let (was, is) = (before.tracking.allowance(), after.tracking.allowance());
        if was != is {
            let key = CounterKey::main(sku.clone());
            let exists = self.table.get(self.table.key(key.partition()), true).await?.is_some();
            actions.push(if exists {
                allowing(was, is, note)?.within(&self.table, &key.partition())?
            } else {
                let mut counter = Counter::default();
                counter.allow(is);
                create(&self.table, new_counter(&key, counter, Some(note.clone()))?)?
            });
        }
        if transact(&self.table, actions).await? {
            return Ok(Changed::Yes(after));
        }
        match read_settings(&self.table, sku).await?.version {
            version if version == before.version => Ok(Changed::Held),
            version => Ok(Changed::Version(version)),
        }
    }

    /// Tells a counter the threshold at which its changes are looked at. A counter that does not exist yet has the default.
    pub async fn set_low(&self, key: &CounterKey, low_at: i64) -> Result<(), DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(key.partition())))
            .update_expression("SET low = :low")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":low", n(low_at))
            .send()
            .await;
        written(result).map(|_| ())
    }
}

/// Creates an item within a transaction.
pub(super) fn create(table: &aws::Table, item: Item) -> Result<TransactWriteItem, DataError> {
    let put = Put::builder().table_name(table.name()).set_item(Some(item));
    let put = put.condition_expression("attribute_not_exists(pk)").build();
    let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

impl SplitStock {
    /// The settings of an item.
    pub async fn read(&self, sku: &Sku) -> Result<Settings, DataError> {
        read_settings(&self.table, sku).await
    }

    /// Sees to it that an item is kept in a warehouse; gives its settings.
    pub async fn keep_in(&self, sku: &Sku, warehouse: &str) -> Result<Settings, DataError> {
        for _ in 0..8 {
            let settings = read_settings(&self.table, sku).await?;
            if settings.warehouses.contains_key(warehouse) {
                return Ok(settings);
            }
            let mut after = Settings { version: settings.version + 1, ..settings.clone() };
            after.warehouses.insert(warehouse.to_owned(), Shards::ONE);
            if self.put(sku, &after, settings.version).await? {
                return Ok(after);
            }
        }
        Err(DataError::Busy("the settings kept changing".into()))
    }

    async fn put(&self, sku: &Sku, settings: &Settings, seen: u64) -> Result<bool, DataError> {
        let put = self.table.client().put_item().table_name(self.table.name());
        let result = put
            .set_item(Some(settings_item(sku, settings)?))
            .condition_expression(UNCHANGED)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":seen", attribute(&seen)?)
            .send()
            .await;
        Ok(matches!(written(result)?, Written::Yes(_)))
    }

    /// Sells an item from so many shards of a warehouse. More is one write; fewer is a transaction that also makes sure
    /// that nothing lies or is held in those that go.
    pub async fn set_shards(&self, sku: &Sku, warehouse: &str, shards: u32) -> Result<Changed<Settings>, DataError> {
        for _ in 0..16 {
            let before = read_settings(&self.table, sku).await?;
            let now = before.shards(warehouse);
            let active = shards.max(now.active.saturating_sub(SHRINK_AT_ONCE));
            let mut after = Settings { version: before.version + 1, ..before.clone() };
            after.warehouses.insert(warehouse.to_owned(), Shards { active, ever: now.ever.max(active) });
            if active >= now.active {
                if active == now.active && before.warehouses.contains_key(warehouse) {
                    return Ok(Changed::Yes(before));
                }
                if self.put(sku, &after, before.version).await? {
                    return Ok(Changed::Yes(after));
                }
                continue;
            }
            let mut actions = vec![put_settings(&self.table, sku, &after, before.version)?];
            for shard in active..now.active {
                let key = CounterKey { sku: sku.clone(), warehouse: warehouse.to_owned(), shard };
                actions.push(self.is_empty(&key)?);
            }
            if transact(&self.table, actions).await? {
                if active == shards {
                    return Ok(Changed::Yes(after));
                }
            } else if read_settings(&self.table, sku).await?.version == before.version {
                return Ok(Changed::Held);
            }
        }
        Err(DataError::Busy("the settings kept changing".into()))
    }

    fn is_empty(&self, key: &CounterKey) -> Result<TransactWriteItem, DataError> {
        let check = ConditionCheck::builder()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(key.partition())))
            .condition_expression("attribute_not_exists(pk) OR (available = :none AND size(holds) = :none)")
            .expression_attribute_values(":none", n(0))
            .build();
        let check = check.map_err(|error| DataError::Invalid(error.to_string()))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}

impl NoteLow {
    /// Notes that staff is told now, by this event; `false` when another told it before.
    pub async fn told(&self, sku: &Sku, event: &EventId, now: Timestamp) -> Result<bool, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(settings_key(sku))))
            .update_expression("SET low_told_at = :now, low_told_by = :event")
            .condition_expression("attribute_not_exists(low_told_at) OR low_told_by = :event")
            .expression_attribute_values(":now", attribute(&now)?)
            .expression_attribute_values(":event", s(event.as_str()))
            .send()
            .await;
        Ok(matches!(written(result)?, Written::Yes(_)))
    }

    /// Notes that it is no longer low: the next time staff is told again.
    pub async fn recovered(&self, sku: &Sku) -> Result<(), DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let request = request
            .set_key(Some(self.table.key(settings_key(sku))))
            .update_expression("REMOVE low_told_at, low_told_by");
        written(request.condition_expression("attribute_exists(pk)").send().await).map(|_| ())
    }
}

impl TakePlaces {
    /// Takes places of an item's announced sale; gives the first number behind them. Each opening counts from 0.
    pub async fn take(&self, sku: &Sku, opens_at: Timestamp, places: u64) -> Result<u64, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let output = request
            .set_key(Some(self.table.key(format!("|places|{sku}|{}", opens_at.millis()))))
            .update_expression("ADD #next :places")
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":places", attribute(&places)?)
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await?;
        let next = output.attributes.and_then(|mut item| item.remove("next"));
        let next = next.and_then(|next| next.as_n().ok().and_then(|number| number.parse().ok()));
        next.ok_or_else(|| DataError::Corrupt("places without a number".into()))
    }
}

impl ChangeWarehouses {
    /// Writes the warehouses, over the version that the caller saw or over any; gives the new version.
    pub async fn write(
        &self,
        shop: Warehouses,
        expected: Option<u64>,
    ) -> Result<Changed<(Warehouses, u64)>, DataError> {
        let item = self.table.get(self.table.key(WAREHOUSES), true).await?;
        let before: Shop = item.map(from_item).transpose()?.unwrap_or_default();
        if expected.is_some_and(|version| version != before.version) {
            return Ok(Changed::Version(before.version));
        }
        let after = Shop { version: before.version + 1, shop };
        let mut item: Item = to_item(&after)?;
        item.insert("pk".to_owned(), s(WAREHOUSES));
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
        let result = put
            .condition_expression(UNCHANGED)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":seen", attribute(&before.version)?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written(result)? {
            Written::Yes(_) => Ok(Changed::Yes((after.shop, after.version))),
            Written::No(item) => Ok(Changed::Version(
                item.map(from_item::<Shop>).transpose()?.map_or(before.version, |shop| shop.version),
            )),
        }
    }
}
