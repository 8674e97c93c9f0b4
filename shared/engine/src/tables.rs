//! DynamoDB: the dispatch that dynoxide does not export, over its typed actions, on one SQLite connection.
//!
//! Owns that connection, the errors of requests that do not decode, and the tokens of transactions.
//! It must never change what an action answers: a difference from AWS that is found belongs in a test and, where it
//! matters, in a layer. Single-threaded: the engine's lock stands around it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dynoxide::DynoxideError;
use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use dynoxide::actions::{
    batch_get_item, batch_write_item, create_table, delete_item, delete_table, describe_stream, describe_table,
    describe_time_to_live, get_item, get_records, get_shard_iterator, list_streams, list_tables, list_tags_of_resource,
    put_item, query, scan, tag_resource, transact_get_items, transact_write_items, untag_resource, update_item,
    update_table, update_time_to_live,
};
use dynoxide::storage::Storage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::REGION;
use crate::engine::{Clock, EngineError, Place};
use crate::wire::{Reply, Service};

/// How long AWS remembers the token of a transaction.
const TOKEN_LIFE_MS: i64 = 10 * 60 * 1000;

/// The streams' table has no index of its own: without one every write counts through all records. The expression
/// is the one dynoxide orders by.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS oxcart_stream_order
    ON _stream_records(table_name, CAST(sequence_number AS INTEGER))";

/// See the crate's documentation for what NORMAL survives. The cache holds a catalogue of 20,000 products.
const PRAGMAS: &str = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;";

type Answer = Result<String, DynoxideError>;

pub(crate) struct Tables {
    pub(crate) storage: Storage,
    lifecycle: VectorIndexLifecycle,
    tokens: Tokens,
    clock: Clock,
}

impl Tables {
    pub(crate) fn open(place: &Place, clock: Clock) -> Result<Self, EngineError> {
        let storage = match place {
            Place::Memory => Storage::memory()?,
            Place::Folder(folder) => {
                let path = folder.join("tables.sqlite");
                Storage::new(path.to_str().ok_or_else(|| EngineError::Path(path.clone()))?)?
            }
        };
        storage.conn().execute_batch(PRAGMAS)?;
        storage.conn().execute_batch(STREAM_INDEX)?;
        let storage = storage.with_clock(Arc::new(TableClock(Arc::clone(&clock))));
        Ok(Self { storage, lifecycle: VectorIndexLifecycle::new(), tokens: Tokens::default(), clock })
    }

    /// Rolls back what a panicked call left open.
    pub(crate) fn heal(&mut self) {
        if !self.storage.conn().is_autocommit() {
            // Nothing better can be done when this fails; the next call will say so.
            let _ = self.storage.rollback();
        }
    }

    /// Whether an operation can change a table.
    pub(crate) fn writes(operation: &str) -> bool {
        !operation.starts_with("Get")
            && !operation.starts_with("Describe")
            && !operation.starts_with("List")
            && !matches!(operation, "Query" | "Scan" | "BatchGetItem" | "TransactGetItems")
    }

    pub(crate) fn sweep_ttl(&mut self) -> Result<usize, EngineError> {
        Ok(ready(dynoxide::ttl::sweep_expired_items(&self.storage))?)
    }

    pub(crate) fn answer(&mut self, operation: &str, body: &[u8]) -> Reply {
        let service = Service::DynamoDb;
        let Ok(body) = std::str::from_utf8(body) else {
            return Reply::error(service, 400, "SerializationException", "the body is not UTF-8");
        };
        let answer = match self.answer_item(operation, body) {
            None => self.answer_table(operation, body).map(|answer| answer.map(|json| with_region(&json))),
            answer => answer,
        };
        match answer {
            None => Reply::unknown_operation(service),
            Some(Ok(json)) => Reply::raw(service, 200, json),
            Some(Err(error)) => {
                let error = untag(operation, error);
                Reply::raw(service, error.status_code(), error.to_json())
            }
        }
    }

    fn answer_item(&mut self, operation: &str, body: &str) -> Option<Answer> {
        let s = &self.storage;
        Some(match operation {
            "GetItem" => act(body, |request| ready(get_item::execute(s, request))),
            "PutItem" => act(body, |request| ready(put_item::execute(s, request))),
            "UpdateItem" => act(body, |request| ready(update_item::execute(s, request))),
            "DeleteItem" => act(body, |request| ready(delete_item::execute(s, request))),
            "Query" => act(body, |request| ready(query::execute(s, request))),
            "Scan" => act(body, |request| ready(scan::execute(s, request))),
            "BatchGetItem" => act(body, |request| ready(batch_get_item::execute(s, request))),
            "BatchWriteItem" => act(body, |request| ready(batch_write_item::execute(s, request))),
            "TransactGetItems" => act(body, |request| ready(transact_get_items::execute(s, request))),
            "TransactWriteItems" => self.transact_write(body),
            _ => return None,
        })
    }

    fn answer_table(&mut self, operation: &str, body: &str) -> Option<Answer> {
        let (s, life) = (&self.storage, &self.lifecycle);
        Some(match operation {
            "CreateTable" => act(body, |request| ready(create_table::execute(s, request))),
            "DeleteTable" => self.delete_table(body),
            "DescribeTable" => act(body, |request| ready(describe_table::execute(s, request, life))),
            "UpdateTable" => act(body, |request| ready(update_table::execute(s, request, life))),
            "ListTables" => act(body, |request| ready(list_tables::execute(s, request))),
            "UpdateTimeToLive" => act(body, |request| ready(update_time_to_live::execute(s, request))),
            "DescribeTimeToLive" => act(body, |request| ready(describe_time_to_live::execute(s, request))),
            "TagResource" => act(body, |request| ready(tag_resource::execute(s, request))),
            "UntagResource" => act(body, |request| ready(untag_resource::execute(s, request))),
            "ListTagsOfResource" => act(body, |request| ready(list_tags_of_resource::execute(s, request))),
            "ListStreams" => act(body, |request| ready(list_streams::execute(s, request))),
            "DescribeStream" => act(body, |request| ready(describe_stream::execute(s, request))),
            "GetShardIterator" => act(body, |request| ready(get_shard_iterator::execute(s, request))),
            "GetRecords" => act(body, |request| ready(get_records::execute(s, request))),
            _ => return None,
        })
    }

    /// A stream dies with its table; dynoxide would let a new table of the same name inherit it.
    fn delete_table(&mut self, body: &str) -> Answer {
        let mut name = String::new();
        let answer = act(body, |request: delete_table::DeleteTableRequest| {
            name.clone_from(&request.table_name);
            ready(delete_table::execute(&self.storage, request, &self.lifecycle))
        })?;
        self.storage.conn().execute("DELETE FROM _stream_records WHERE table_name = ?1", [&name])?;
        Ok(answer)
    }

    /// Transactions are idempotent by token. Dynoxide's own memory of tokens runs on the machine's clock and belongs
    /// to a type that takes no clock; this one runs on the engine's. A repeated token answers what the first call
    /// answered, units included (AWS would bill a read).
    fn transact_write(&mut self, body: &str) -> Answer {
        let request: transact_write_items::TransactWriteItemsRequest = decode(body)?;
        let Some(token) = request.client_request_token.clone() else {
            return encode(&ready(transact_write_items::execute(&self.storage, request))?);
        };
        let items: Value =
            serde_json::from_str::<Value>(body).map(|mut body| body["TransactItems"].take()).unwrap_or_default();
        // A digest, not the items: the SDK sends a token with every transaction, and an import makes thousands of them.
        let items = md5::compute(items.to_string());
        let now = (self.clock)();
        if let Some(first) = self.tokens.find(&token, now) {
            if first.items != items {
                let message = "An error occurred (IdempotentParameterMismatchException)".to_owned();
                return Err(DynoxideError::IdempotentParameterMismatchException(message));
            }
            return Ok(first.answer.clone());
        }
        let answer = encode(&ready(transact_write_items::execute(&self.storage, request))?)?;
        self.tokens.remember(token, FirstCall { at: now, items, answer: answer.clone() });
        Ok(answer)
    }
}

/// The first call under a token.
struct FirstCall {
    at: i64,
    items: md5::Digest,
    answer: String,
}

/// The transactions of the last ten minutes. Forgotten when the engine is closed, as a client's tokens are.
#[derive(Default)]
struct Tokens {
    calls: HashMap<String, FirstCall>,
    oldest_first: VecDeque<String>,
}

impl Tokens {
    fn find(&mut self, token: &str, now: i64) -> Option<&FirstCall> {
        while let Some(oldest) = self.oldest_first.front() {
            if self.calls.get(oldest).is_some_and(|call| call.at.saturating_add(TOKEN_LIFE_MS) > now) {
                break;
            }
            self.calls.remove(oldest);
            self.oldest_first.pop_front();
        }
        self.calls.get(token)
    }

    fn remember(&mut self, token: String, call: FirstCall) {
        self.oldest_first.push_back(token.clone());
        self.calls.insert(token, call);
    }
}

/// The engine's clock as dynoxide asks for it.
struct TableClock(Clock);

impl TableClock {
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from((self.0)()).unwrap_or(0))
    }
}

impl dynoxide::storage_backend::Clock for TableClock {
    fn now_unix_secs(&self) -> u64 {
        self.now().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.now().as_secs_f64()
    }
}

/// The answer of a future that never waits. Dynoxide's actions are async for another backend's sake.
fn ready<T>(future: impl Future<Output = Result<T, DynoxideError>>) -> Result<T, DynoxideError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(DynoxideError::InternalServerError("the store did not answer at once".to_owned())),
    }
}

fn act<Q: DeserializeOwned, A: Serialize>(body: &str, action: impl FnOnce(Q) -> Result<A, DynoxideError>) -> Answer {
    encode(&action(decode(body)?)?)
}

fn encode<A: Serialize>(answer: &A) -> Answer {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Dynoxide names no real region, and says so in every ARN; tools that parse one want a region.
fn with_region(json: &str) -> String {
    json.replace("arn:aws:dynamodb:dynoxide:", &format!("arn:aws:dynamodb:{REGION}:"))
        .replace("\"awsRegion\":\"dynoxide\"", &format!("\"awsRegion\":\"{REGION}\""))
}

fn decode<Q: DeserializeOwned>(body: &str) -> Result<Q, DynoxideError> {
    serde_json::from_str(body).map_err(|error| decode_error(&error.to_string()))
}

/// DynamoDB's own error for a body that does not decode. Dynoxide marks the class in serde's message with a private
/// prefix, which must not come out (see its `serde_errors`); what carries no mark is told apart by serde's words.
fn decode_error(message: &str) -> DynoxideError {
    if let Some(as_read) = message.strip_prefix("SERIALIZATION_AS_READ:") {
        return DynoxideError::SerializationException(as_read.to_owned());
    }
    if let Some(as_read) = message.strip_prefix("VALIDATION_AS_READ:") {
        return DynoxideError::ValidationException(as_read.to_owned());
    }
    let text = without_position(message);
    if let Some(text) = text.strip_prefix("SERIALIZATION:") {
        return DynoxideError::SerializationException(text.to_owned());
    }
    if let Some(text) = text.strip_prefix("VALIDATION_REQUEST:") {
        return DynoxideError::EnvelopedValidation(text.to_owned());
    }
    if let Some(text) = text.strip_prefix("VALIDATION:") {
        return DynoxideError::ValidationException(text.to_owned());
    }
    if text.contains("empty AttributeValue") {
        let text = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
        return DynoxideError::ValidationException(text.to_owned());
    }
    let refused = ["missing field", "unknown variant", "invalid type: null", "Supplied AttributeValue"];
    if refused.iter().any(|words| text.contains(words)) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    DynoxideError::SerializationException(text.to_owned())
}

/// Serde's message without its " at line 1 column 2".
fn without_position(message: &str) -> &str {
    match message.rfind(" at line ") {
        Some(at) if message[at..].contains("column") => &message[..at],
        _ => message,
    }
}

/// Three operations wrap this class of refusal in an envelope; the others say it bare.
fn untag(operation: &str, error: DynoxideError) -> DynoxideError {
    match (operation, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(text)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {text}"))
        }
        (_, DynoxideError::EnvelopedValidation(text)) => DynoxideError::ValidationException(text),
        (_, error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_private_marker_comes_out_of_a_body_that_does_not_decode() {
        let mut tables = Tables::open(&Place::Memory, Arc::new(|| 1_000)).unwrap();
        for value in
            ["{\"NULL\":false}", "{\"S\":\"a\",\"N\":\"1\"}", "{\"N\":\"x\"}", "{}", "{\"S\":7}", "{\"SS\":[]}"]
        {
            for operation in ["PutItem", "Query"] {
                let body = format!(
                    "{{\"TableName\":\"t-one\",\"Item\":{{\"pk\":{value}}},\"KeyConditionExpression\":\"pk = :v\",\
                     \"ExpressionAttributeValues\":{{\":v\":{value}}}}}"
                );
                let reply = tables.answer(operation, body.as_bytes());
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                assert_eq!(reply.status, 400, "{text}");
                for marker in ["VALIDATION:", "VALIDATION_REQUEST", "SERIALIZATION:", "_AS_READ", " at line "] {
                    assert!(!text.contains(marker), "{text}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_operation_is_refused_as_aws_refuses_it() {
        let mut tables = Tables::open(&Place::Memory, Arc::new(|| 1_000)).unwrap();
        let reply = tables.answer("ExecuteStatement", b"{}");
        assert_eq!((reply.status, reply.error_code().as_deref()), (400, Some("UnknownOperationException")));
    }
}
