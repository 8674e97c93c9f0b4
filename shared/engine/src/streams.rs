//! Streams for the local pump: records in Lambda's own shape, and pruning.
//!
//! Owns the translation of dynoxide's stream table. It must never remove a table's last record: the next sequence
//! number is counted from it. A write that changes nothing is a MODIFY here and nothing on AWS; readers bear both.

use dynoxide::storage::{StreamRecord, TableMetadata};
use dynoxide::streams::shard_id;
use rusqlite::params;
use serde_json::{Map, Value, json};

use crate::engine::EngineError;
use crate::tables::Tables;
use crate::{ACCOUNT, REGION};

/// What dynoxide adds to a stored sequence number to make the public one of 21 digits.
const SEQUENCE_OFFSET: u128 = 100_000_000_000_000_000_000;

/// AWS hands out no more than this at once.
const MOST_RECORDS: usize = 10_000;

impl Tables {
    pub(crate) fn stream_records(
        &mut self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, EngineError> {
        let meta = self.storage.get_table_metadata(table)?.filter(|meta| meta.stream_enabled);
        let meta = meta.ok_or_else(|| EngineError::NoStream(table.to_owned()))?;
        let after = after.map_or(Ok(0), stored_sequence)?;
        let limit = limit.min(MOST_RECORDS);
        let records = self.storage.get_stream_records(table, &shard_id(table), after, limit)?;
        records.iter().map(|record| lambda_record(&meta, record)).collect()
    }

    pub(crate) fn prune_stream(&mut self, table: &str, through: &str) -> Result<usize, EngineError> {
        let through = stored_sequence(through)?;
        let sql = "DELETE FROM _stream_records
            WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2
              AND CAST(sequence_number AS INTEGER) <
                  (SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1)";
        Ok(self.storage.conn().execute(sql, params![table, through])?)
    }
}

fn stored_sequence(public: &str) -> Result<i64, EngineError> {
    let stored = public.parse::<u128>().ok().and_then(|number| number.checked_sub(SEQUENCE_OFFSET));
    let stored = stored.and_then(|number| i64::try_from(number).ok());
    stored.ok_or_else(|| EngineError::SequenceNumber(public.to_owned()))
}

fn public_sequence(stored: &str) -> Result<String, EngineError> {
    let number = stored.parse::<u64>().map_err(|_| EngineError::SequenceNumber(stored.to_owned()))?;
    Ok((SEQUENCE_OFFSET + u128::from(number)).to_string())
}

/// One record as Lambda delivers it. The event id is made from the table and the sequence number, not drawn, so that
/// a repeated simulation sees the same ids.
fn lambda_record(meta: &TableMetadata, record: &StreamRecord) -> Result<Value, EngineError> {
    let table = &meta.table_name;
    let label = meta.stream_label.as_deref().unwrap_or_default();
    let sequence = public_sequence(&record.sequence_number)?;
    let images = [
        ("Keys", Some(&record.keys_json)),
        ("NewImage", record.new_image.as_ref()),
        ("OldImage", record.old_image.as_ref()),
    ];
    let mut data = Map::new();
    let mut size = 0;
    for (name, json) in images {
        let Some(json) = json else { continue };
        size += json.len();
        data.insert(name.to_owned(), serde_json::from_str(json).unwrap_or_default());
    }
    data.insert("SequenceNumber".to_owned(), json!(sequence));
    data.insert("SizeBytes".to_owned(), json!(size));
    data.insert("ApproximateCreationDateTime".to_owned(), json!(record.created_at));
    data.insert("StreamViewType".to_owned(), json!(meta.stream_view_type.as_deref().unwrap_or("NEW_AND_OLD_IMAGES")));
    let mut event = json!({
        "eventID": format!("{:x}", md5::compute(format!("{table}/{sequence}"))),
        "eventName": record.event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{label}"),
        "awsRegion": REGION,
        "dynamodb": data,
    });
    if let Some(identity) = record.user_identity.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok()) {
        event["userIdentity"] = identity;
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::Place;

    /// What dynoxide runs at every write and every read of a stream. Without the index each is a walk over all records.
    #[test]
    fn dynoxides_stream_queries_use_the_index() {
        let tables = Tables::open(&Place::Memory, Arc::new(|| 0)).unwrap();
        let number = "CAST(sequence_number AS INTEGER)";
        for sql in [
            format!("SELECT COALESCE(MAX({number}), 0) + 1 FROM _stream_records WHERE table_name = 't'"),
            format!(
                "SELECT event_name FROM _stream_records WHERE table_name = 't' AND shard_id = 's' AND {number} > 7
                 ORDER BY {number} ASC LIMIT 9"
            ),
        ] {
            let mut plan = tables.storage.conn().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps = steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
            assert!(steps.contains("SEARCH _stream_records USING") && steps.contains("oxcart_stream_order"), "{steps}");
            assert!(!steps.contains("TEMP B-TREE"), "{steps}");
        }
    }
}
