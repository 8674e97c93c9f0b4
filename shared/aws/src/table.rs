//! DynamoDB tables: what one looks like, and the few helpers that make conditional writes readable.
//!
//! The SDK client is the port: a service's `table.rs` builds its expressions with it. Here stand the conversions, the
//! sorting of errors into what a caller can act on, and the answer of a conditional write as a value.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use kernel::{Problem, problem::code};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a batch waits before it asks for what was left over; twice as long each further time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// A table of one service. Partition and sort keys are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name, without the stage's prefix.
    pub name: &'static str,
    /// The attribute of the partition key.
    pub partition_key: &'static str,
    /// The attribute of the sort key.
    pub sort_key: Option<&'static str>,
    /// Its global secondary indexes.
    pub indexes: &'static [IndexSpec],
    /// The attribute that says, in seconds since the epoch, when an item may be dropped.
    pub ttl: Option<&'static str>,
    /// Whether changes flow into a stream, with old and new images.
    pub stream: bool,
}

/// A global secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// Its name.
    pub name: &'static str,
    /// The attribute of its partition key, text.
    pub partition_key: &'static str,
    /// The attribute of its sort key.
    pub sort_key: Option<&'static str>,
    /// Whether the sort key is a number.
    pub numeric_sort: bool,
    /// Whether it carries whole items or only the keys.
    pub whole: bool,
}

/// A table of this stage.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    partition_key: &'static str,
    sort_key: Option<&'static str>,
}

/// What went wrong with stored data, sorted by what a caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Throttled, in conflict, timed out or not reachable, also after the SDK's retries: the same call may work later.
    #[error("busy: {0}")]
    Busy(String),
    /// The function may not do this: a grant is missing.
    #[error("denied: {0}")]
    Denied(String),
    /// The request was wrong: a bug of ours.
    #[error("invalid: {0}")]
    Invalid(String),
    /// What is stored cannot be read.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Busy(_) => {
                Self::new(code::UNAVAILABLE, "nothing was lost; try again in a moment").retry_after(1)
            }
            _ => Self::new(code::INTERNAL, "the failure was recorded under this request id"),
        }
        .because(error)
    }
}

impl<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug> From<SdkError<E, R>> for DataError {
    fn from(error: SdkError<E, R>) -> Self {
        let SdkError::ServiceError(context) = &error else {
            return match error {
                SdkError::ConstructionFailure(_) => Self::Invalid(chain(&error)),
                _ => Self::Busy(chain(&error)),
            };
        };
        let service = context.err();
        let text = format!("{}: {}", service.code().unwrap_or("unknown"), service.message().unwrap_or_default());
        match service.code().unwrap_or_default() {
            "ValidationException"
            | "SerializationException"
            | "ResourceNotFoundException"
            | "InvalidParameterValue"
            | "QueueDoesNotExist"
            | "AWS.SimpleQueueService.NonExistentQueue"
            | "NotFoundException"
            | "ConditionalCheckFailedException" => Self::Invalid(text),
            "AccessDeniedException" | "AccessDenied" | "UnrecognizedClientException" => Self::Denied(text),
            _ => Self::Busy(text),
        }
    }
}

/// An error and its causes in one line; for the log only.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// The answer of a conditional write.
#[derive(Debug)]
pub enum Written<T> {
    /// The condition held.
    Yes(T),
    /// The condition failed on this item (`None`: there was no item). Ask for it with
    /// `ReturnValuesOnConditionCheckFailure = ALL_OLD`.
    No(Option<Item>),
}

/// Errors that can mean "the condition failed".
pub trait ConditionFailure {
    /// `Some` when the condition failed, with the item that stood there.
    fn failed(&self) -> Option<Option<Item>>;
}

macro_rules! condition_failures {
    ($($error:ident)*) => {$(
        impl ConditionFailure for $error {
            fn failed(&self) -> Option<Option<Item>> {
                match self {
                    Self::ConditionalCheckFailedException(failure) => Some(failure.item.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

condition_failures! { PutItemError UpdateItemError DeleteItemError }

/// Turns the result of a conditional write into its answer.
pub fn written<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<Written<T>, DataError>
where
    E: ConditionFailure + ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match result {
        Ok(output) => Ok(Written::Yes(output)),
        Err(SdkError::ServiceError(context)) if context.err().failed().is_some() => {
            Ok(Written::No(context.err().failed().flatten()))
        }
        Err(error) => Err(error.into()),
    }
}

/// For each action of a cancelled transaction, whether its condition failed, and on which item. `None` when the
/// transaction was cancelled for another reason (a conflict with a neighbour), or failed otherwise.
#[must_use]
pub fn cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Vec<Option<Option<Item>>>> {
    let SdkError::ServiceError(context) = error else { return None };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = context.err() else { return None };
    let reasons: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| (reason.code() == Some("ConditionalCheckFailed")).then(|| reason.item.clone()))
        .collect();
    reasons.iter().any(Option::is_some).then_some(reasons)
}

/// Whether a transaction was cancelled: a condition of it failed, or it met a neighbour. Nothing of it was written.
#[must_use]
pub fn was_cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    matches!(error, SdkError::ServiceError(context)
        if matches!(context.err(), TransactWriteItemsError::TransactionCanceledException(_)))
}

/// A text attribute.
#[must_use]
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
#[must_use]
pub fn n(number: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// A value as an attribute.
pub fn attribute<T: Serialize>(value: &T) -> Result<AttributeValue, DataError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| DataError::Invalid(error.to_string()))
}

/// A value as an item; fields that are `None` should be skipped by the type's own serde attributes.
pub fn to_item<T: Serialize>(value: &T) -> Result<Item, DataError> {
    serde_dynamo::to_item(value).map_err(|error| DataError::Invalid(error.to_string()))
}

/// An item as a value.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, DataError> {
    serde_dynamo::from_item(item).map_err(|error| DataError::Corrupt(error.to_string()))
}

impl Table {
    pub(crate) fn new(client: Client, name: String, spec: &TableSpec) -> Self {
        Self { client, name, partition_key: spec.partition_key, sort_key: spec.sort_key }
    }

    /// The client under it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of an item in a table without a sort key.
    #[must_use]
    pub fn key(&self, partition: impl Into<String>) -> Item {
        HashMap::from([(self.partition_key.to_owned(), s(partition))])
    }

    /// The key of an item in a table with a sort key.
    #[must_use]
    pub fn key2(&self, partition: impl Into<String>, sort: impl Into<String>) -> Item {
        let mut key = self.key(partition);
        if let Some(name) = self.sort_key {
            key.insert(name.to_owned(), s(sort));
        }
        key
    }

    /// One item. A consistent read costs twice an eventually consistent one.
    pub async fn get(&self, key: Item, consistent: bool) -> Result<Option<Item>, DataError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(consistent);
        Ok(get.send().await?.item)
    }

    /// Many items, in no order; those that do not exist are left out. At most 100 keys go in one call, and keys that
    /// DynamoDB left over for want of capacity are asked for again, a few times, after pauses.
    pub async fn get_many(&self, keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, DataError> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(100) {
            let mut ask = chunk.to_vec();
            let mut pause = FIRST_PAUSE;
            for round in 0..5 {
                if round > 0 {
                    // Asked again at once, a hot key would be kept hot by those who wait for it.
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                let wanted = KeysAndAttributes::builder().set_keys(Some(ask)).consistent_read(consistent).build();
                let wanted = wanted.map_err(|error| DataError::Invalid(error.to_string()))?;
                let answer = self.client.batch_get_item().request_items(&self.name, wanted).send().await?;
                found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
                ask = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, left)| left.keys).collect();
                if ask.is_empty() {
                    break;
                }
            }
            if !ask.is_empty() {
                return Err(DataError::Busy("keys were left over".into()));
            }
        }
        Ok(found)
    }
}
