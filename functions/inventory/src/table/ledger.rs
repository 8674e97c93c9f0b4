//! The `stock-ledger` table: one item a movement, never changed.

use std::collections::BTreeMap;

use aws::table::{from_item, s, to_item};
use aws::{DataError, Item, TableSpec, capability};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use kernel::Sku;
use serde::{Deserialize, Serialize};

use crate::ledger::Movement;

/// Movements, by item and time.
pub const LEDGER: TableSpec = TableSpec {
    name: "stock-ledger",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[],
    ttl: None,
    stream: false,
};

/// DynamoDB takes so many items in a batch.
const BATCH: usize = 25;

capability!(
    /// Writes movements.
    WriteLedger on LEDGER: ["dynamodb:BatchWriteItem"]
);

capability!(
    /// Reads the movements of an item.
    ReadLedger on LEDGER: ["dynamodb:Query"]
);

/// Where a page of movements ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position(String);

/// The sort key: by time, then by counter and number. The same movement always has the same one.
fn sort_key(movement: &Movement) -> String {
    let Movement { warehouse, shard, version, time, .. } = movement;
    format!("{:013}|{warehouse}|{shard}|{version:012}", time.millis())
}

impl WriteLedger {
    /// Writes movements. One that was written before is written again as it was.
    pub async fn write(&self, movements: &[Movement]) -> Result<(), DataError> {
        let mut items: BTreeMap<(String, String), Item> = BTreeMap::new();
        for movement in movements {
            let (pk, sk) = (movement.sku.to_string(), sort_key(movement));
            let mut item: Item = to_item(movement)?;
            item.insert("pk".to_owned(), s(&pk));
            item.insert("sk".to_owned(), s(&sk));
            items.insert((pk, sk), item);
        }
        let items: Vec<Item> = items.into_values().collect();
        for batch in items.chunks(BATCH) {
            self.write_batch(batch).await?;
        }
        Ok(())
    }

    async fn write_batch(&self, items: &[Item]) -> Result<(), DataError> {
        let put = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build();
            let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut ask: Vec<WriteRequest> = items.iter().map(put).collect::<Result<_, DataError>>()?;
        for _ in 0..5 {
            let request = self.table.client().batch_write_item().request_items(self.table.name(), ask);
            let left = request.send().await?.unprocessed_items.unwrap_or_default();
            ask = left.into_values().flatten().collect();
            if ask.is_empty() {
                return Ok(());
            }
        }
        Err(DataError::Busy("movements were left over".into()))
    }
}

impl ReadLedger {
    /// A page of an item's movements, newest first, and where the next one starts.
    pub async fn page(
        &self,
        sku: &Sku,
        limit: u32,
        from: Option<Position>,
    ) -> Result<(Vec<Movement>, Option<Position>), DataError> {
        let start = from.map(|position| self.table.key2(sku.as_str(), position.0));
        let answer = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("pk = :sku")
            .expression_attribute_values(":sku", s(sku.as_str()))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(100))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = answer.last_evaluated_key.and_then(|key| key.get("sk").and_then(|sk| sk.as_s().ok()).cloned());
        let movements = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok((movements, next.map(Position)))
    }
}
