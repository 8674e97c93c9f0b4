//! The table `transfers`: imports and exports as records, and the rows of imports that were rejected.
//!
//! A record is moved on by one conditional write; its stream wakes the worker whenever its `turn` goes up.

use std::collections::HashMap;

use aws::table::{Written, attribute, from_item, n, s, to_item, written};
use aws::{DataError, Item, Table, TableSpec, capability};
use aws_sdk_dynamodb::types::{PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest};
use kernel::limits::TRANSFER_LIFE;
use kernel::{ExportId, ImportId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::job::{Export, Import};
use crate::row::Rejected;

/// Items by id: `job` the record, `row#…` a rejected row.
pub const TABLE: TableSpec = TableSpec {
    name: "transfers",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[],
    ttl: Some("expires"),
    stream: true,
};

const JOB: &str = "job";
/// DynamoDB takes at most so many in one call.
const BATCH: usize = 25;

capability!(
    /// Begins imports and exports.
    BeginTransfer on TABLE: ["dynamodb:PutItem"]
);
capability!(
    /// Reads a record.
    FindTransfer on TABLE: ["dynamodb:GetItem"]
);
capability!(
    /// Reads an import and the rows that it rejected.
    ReadImports on TABLE: ["dynamodb:GetItem", "dynamodb:Query"]
);
capability!(
    /// Says that the file of an import is there.
    MoveImport on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem"]
);
capability!(
    /// Moves imports on, and keeps the rows that they reject.
    RunImports on TABLE: ["dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
);
capability!(
    /// Moves exports on.
    RunExports on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem"]
);

/// A record that is moved on: what tells its states apart.
pub trait Record: Serialize + DeserializeOwned {
    /// Its id.
    fn id(&self) -> &str;
    /// Goes up with every write.
    fn rev(&self) -> u64;
    /// When it was begun.
    fn created_at(&self) -> Timestamp;
}

fn item(table: &Table, record: &impl Record) -> Result<Item, DataError> {
    let mut item = to_item(record)?;
    item.extend(table.key2(record.id(), JOB));
    item.insert("expires".into(), n(record.created_at().after(TRANSFER_LIFE).seconds()));
    Ok(item)
}

async fn load<R: Record>(table: &Table, id: &str) -> Result<Option<R>, DataError> {
    table.get(table.key2(id, JOB), true).await?.map(from_item).transpose()
}

/// Writes a record in place of the one before it; `false` when that stands no more.
async fn advance(table: &Table, after: &impl Record) -> Result<bool, DataError> {
    let put = table.client().put_item().table_name(table.name()).set_item(Some(item(table, after)?));
    let put = put
        .condition_expression("#rev = :before")
        .expression_attribute_names("#rev", "rev")
        .expression_attribute_values(":before", attribute(&(after.rev() - 1))?);
    Ok(matches!(written(put.send().await)?, Written::Yes(_)))
}

impl BeginTransfer {
    /// Writes a new record; gives the one that stands there already, when the same call was made before.
    pub async fn begin<R: Record>(&self, record: &R) -> Result<Option<R>, DataError> {
        let table = &self.table;
        let put = table.client().put_item().table_name(table.name()).set_item(Some(item(table, record)?));
        let put = put
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(put.send().await)? {
            Written::Yes(_) => Ok(None),
            Written::No(Some(before)) => from_item(before).map(Some),
            Written::No(None) => Err(DataError::Busy("the record came and went".into())),
        }
    }
}

impl FindTransfer {
    /// An export.
    pub async fn export(&self, id: &ExportId) -> Result<Option<Export>, DataError> {
        load(&self.table, id.as_str()).await
    }
}

impl MoveImport {
    /// An import.
    pub async fn import(&self, id: &ImportId) -> Result<Option<Import>, DataError> {
        load(&self.table, id.as_str()).await
    }

    /// Writes an import in place of the one before it; `false` when that stands no more.
    pub async fn advance(&self, after: &Import) -> Result<bool, DataError> {
        advance(&self.table, after).await
    }
}

impl RunExports {
    /// An export.
    pub async fn export(&self, id: &ExportId) -> Result<Option<Export>, DataError> {
        load(&self.table, id.as_str()).await
    }

    /// Writes an export in place of the one before it; `false` when that stands no more.
    pub async fn advance(&self, after: &Export) -> Result<bool, DataError> {
        advance(&self.table, after).await
    }
}

impl RunImports {
    /// An import.
    pub async fn import(&self, id: &ImportId) -> Result<Option<Import>, DataError> {
        load(&self.table, id.as_str()).await
    }

    /// Writes an import in place of the one before it; `false` when that stands no more.
    pub async fn advance(&self, after: &Import) -> Result<bool, DataError> {
        advance(&self.table, after).await
    }

    /// Keeps rejected rows. One that is kept already is kept once.
    pub async fn reject(&self, import: &Import, rejected: &[Rejected]) -> Result<(), DataError> {
        let mut by_key: HashMap<String, WriteRequest> = HashMap::new();
        let mut of_line = (0, 0_usize);
        for one in rejected {
            of_line = if of_line.0 == one.line { (one.line, of_line.1 + 1) } else { (one.line, 0) };
            let key = format!("row#{:012}#{:03}", one.line, of_line.1);
            let mut item = to_item(one)?;
            item.extend(self.table.key2(import.id.as_str(), &key));
            item.insert("expires".into(), n(import.created_at.after(TRANSFER_LIFE).seconds()));
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
            by_key.insert(key, WriteRequest::builder().put_request(put).build());
        }
        let requests: Vec<WriteRequest> = by_key.into_values().collect();
        for chunk in requests.chunks(BATCH) {
            let batch = self.table.client().batch_write_item().request_items(self.table.name(), chunk.to_vec());
            let left = batch.send().await?.unprocessed_items.unwrap_or_default();
            if !left.is_empty() {
                return Err(DataError::Busy("rows were left over".into()));
            }
        }
        Ok(())
    }
}

/// The rejected row behind which a page begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position(String);

impl ReadImports {
    /// An import.
    pub async fn import(&self, id: &ImportId) -> Result<Option<Import>, DataError> {
        load(&self.table, id.as_str()).await
    }

    /// A page of what an import rejected, by line, and behind which row the next one begins.
    pub async fn rejected(
        &self,
        id: &ImportId,
        limit: u32,
        after: Option<Position>,
    ) -> Result<(Vec<Rejected>, Option<Position>), DataError> {
        let start = after.map(|position| self.table.key2(id.as_str(), position.0));
        let query = self.table.client().query().table_name(self.table.name());
        let answer = query
            .key_condition_expression("pk = :id AND begins_with(sk, :row)")
            .expression_attribute_values(":id", s(id.as_str()))
            .expression_attribute_values(":row", s("row#"))
            .limit(i32::try_from(limit).unwrap_or(100))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| key.get("sk")?.as_s().ok());
        let next = next.map(|key| Position(key.clone()));
        let rows = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok((rows, next))
    }
}
