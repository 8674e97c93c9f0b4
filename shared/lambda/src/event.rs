//! The two kinds of events: a change of an item, as a DynamoDB stream carries it, and the message that the relay makes of
//! it for the workers.

use aws_lambda_events::dynamodb::EventRecord;
use kernel::{EventId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A message on a queue: what happened, once, under an id that repeats when the message does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The same for every copy of this event.
    pub id: EventId,
    /// What happened and the version of `data`, as in `order.paid.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub time: Timestamp,
    /// The facts.
    pub data: T,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It came into being.
    Insert,
    /// It was changed.
    Modify,
    /// It was removed.
    Remove,
}

/// One change of one item.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The stream's id of the record; every delivery of it has the same.
    pub id: String,
    /// When it happened, to the second.
    pub time: Timestamp,
    old: serde_dynamo::Item,
    new: serde_dynamo::Item,
}

impl Change {
    pub(crate) fn read(record: EventRecord) -> Option<Self> {
        let kind = match record.event_name.as_str() {
            "INSERT" => ChangeKind::Insert,
            "MODIFY" => ChangeKind::Modify,
            "REMOVE" => ChangeKind::Remove,
            _ => return None,
        };
        let time = Timestamp::from_millis(record.change.approximate_creation_date_time.timestamp_millis());
        Some(Self { kind, id: record.event_id, time, old: record.change.old_image, new: record.change.new_image })
    }

    /// The item before, read as a type; `None` when there was none, or it is of another type.
    #[must_use]
    pub fn before<T: DeserializeOwned>(&self) -> Option<T> {
        serde_dynamo::from_item(self.old.clone()).ok()
    }

    /// The item after, read as a type; `None` when there is none, or it is of another type.
    #[must_use]
    pub fn after<T: DeserializeOwned>(&self) -> Option<T> {
        serde_dynamo::from_item(self.new.clone()).ok()
    }

    /// The message for something that this change means. Several from one change are told apart by their kind.
    pub fn envelope<T: Serialize>(&self, kind: &str, part: &str, data: T) -> Envelope<T> {
        let id = EventId::derive(&[self.id.as_bytes(), kind.as_bytes(), part.as_bytes()]);
        Envelope { id, kind: kind.to_owned(), time: self.time, data }
    }
}
