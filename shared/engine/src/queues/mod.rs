//! SQS: queues with visibility, delays, dead letters and FIFO order, durable in SQLite.
//!
//! Owns `queues.sqlite`, which also holds the stream checkpoints: both are the local pump's memory. Every call is
//! one transaction. It must never answer a call as done before SQLite has committed it, nor wait: a long poll is the
//! engine's. Not modelled: the cap on messages in flight, batches lost half-way, and reordering of standard queues.

mod message;
mod settings;
mod store;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use rand_core::{OsRng, RngCore};
use rsa::sha2::{Digest, Sha256};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::ACCOUNT;
use crate::engine::{Clock, EngineError, Place};
use crate::wire::{Failure, Refusal, Reply, Service};
use message::{MessageAttributes, Outgoing, asked_for, md5_of_attributes, md5_of_text, row_of_receipt};
use settings::{Attributes, MOST_VISIBILITY_SECONDS, MOST_WAIT_SECONDS, Settings};
use store::{Delivered, Fresh, Receipt, Shelf};

/// A batch, or a receive, has at most this many messages.
const MOST_IN_BATCH: usize = 10;

/// How often a queue is looked through for messages older than it keeps.
const EXPIRY_EVERY_MS: i64 = 60_000;

type Answer = Result<Value, Failure>;

/// What a receive came to.
pub(crate) enum Received {
    /// Messages, or an error.
    Reply(Reply),
    /// Nothing now; a caller may wait this long, and something becomes visible after `due`.
    Nothing { reply: Reply, wait: Duration, due: Option<Duration> },
}

struct Queue {
    id: i64,
    attributes: Attributes,
    settings: Settings,
    created: i64,
    modified: i64,
    expired_at: i64,
}

impl Queue {
    fn shelf(&self) -> Shelf {
        Shelf { id: self.id, fifo: self.settings.fifo }
    }
}

pub(crate) struct Queues {
    db: Connection,
    queues: HashMap<String, Queue>,
    salt: String,
    clock: Clock,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    queue_name: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameRequest {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    #[serde(default)]
    queue_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueRequest {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendRequest {
    queue_url: String,
    #[serde(flatten)]
    message: Outgoing,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest<E> {
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<Entry<E>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<E> {
    id: String,
    #[serde(flatten)]
    body: E,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiptRequest {
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneReceiptRequest {
    queue_url: String,
    #[serde(flatten)]
    receipt: ReceiptRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveRequest {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

impl Queues {
    pub(crate) fn open(place: &Place, clock: Clock) -> Result<Self, EngineError> {
        let (db, salt) = match place {
            // A repeated simulation must see the same message ids; nothing is guarded by them.
            Place::Memory => (Connection::open_in_memory()?, "memory".to_owned()),
            Place::Folder(folder) => {
                let mut bytes = [0; 16];
                OsRng.fill_bytes(&mut bytes);
                let salt = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                (Connection::open(folder.join("queues.sqlite"))?, salt)
            }
        };
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(store::SCHEMA)?;
        db.set_prepared_statement_cache_capacity(64);
        db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('salt', ?1)", [&salt])?;
        let salt = db.query_row("SELECT value FROM meta WHERE name = 'salt'", [], |row| row.get(0))?;
        let queues = load(&db)?;
        Ok(Self { db, queues, salt, clock })
    }

    /// Rolls back what a panicked call left open, and believes the store over the memory.
    pub(crate) fn heal(&mut self) {
        if !self.db.is_autocommit() {
            // Nothing better can be done when this fails; the next call will say so.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        if let Ok(queues) = load(&self.db) {
            self.queues = queues;
        }
    }

    /// Whether an operation can change a queue.
    pub(crate) fn writes(operation: &str) -> bool {
        !operation.starts_with("Get") && !operation.starts_with("List")
    }

    pub(crate) fn answer(&mut self, operation: &str, body: &[u8]) -> Reply {
        let answer = match operation {
            "CreateQueue" => self.in_transaction(|queues| queues.create(body)),
            "DeleteQueue" => self.in_transaction(|queues| queues.delete_queue(body)),
            "SetQueueAttributes" => self.in_transaction(|queues| queues.set_attributes(body)),
            "PurgeQueue" => self.in_transaction(|queues| queues.purge(body)),
            "GetQueueUrl" => self.queue_url(body),
            "GetQueueAttributes" => self.queue_attributes(body),
            "ListQueues" => self.list(body),
            "SendMessage" => self.in_transaction(|queues| queues.send(body)),
            "SendMessageBatch" => self.in_transaction(|queues| queues.send_batch(body)),
            "DeleteMessage" => self.in_transaction(|queues| queues.for_receipt(body, Queues::delete_message)),
            "DeleteMessageBatch" => self.in_transaction(|queues| queues.for_receipts(body, Queues::delete_message)),
            "ChangeMessageVisibility" => {
                self.in_transaction(|queues| queues.for_receipt(body, Queues::change_visibility))
            }
            "ChangeMessageVisibilityBatch" => {
                self.in_transaction(|queues| queues.for_receipts(body, Queues::change_visibility))
            }
            _ => return Reply::unknown_operation(Service::Sqs),
        };
        match answer {
            Ok(body) => Reply::ok(Service::Sqs, &body),
            Err(failure) => failure.into_reply(Service::Sqs),
        }
    }

    /// One receive, without a wait. The second answer is whether messages went to the dead letters.
    pub(crate) fn receive(&mut self, body: &[u8]) -> (Received, bool) {
        let mut moved = false;
        let received = self.in_transaction(|queues| queues.receive_messages(body, &mut moved));
        let received = match received {
            Ok(received) => received,
            Err(failure) => Received::Reply(failure.into_reply(Service::Sqs)),
        };
        (received, moved)
    }

    pub(crate) fn next_due(&self, queue: &str) -> Result<Option<i64>, EngineError> {
        let Some(queue) = self.queues.get(queue) else { return Ok(None) };
        Ok(store::next_visible(&self.db, queue.id, (self.clock)())?)
    }

    pub(crate) fn return_in_flight(&self) -> Result<usize, EngineError> {
        Ok(store::return_in_flight(&self.db, (self.clock)())?)
    }

    pub(crate) fn checkpoint(&self, consumer: &str, table: &str) -> Result<Option<String>, EngineError> {
        let sql = "SELECT sequence FROM checkpoints WHERE consumer = ?1 AND table_name = ?2";
        Ok(self.db.prepare_cached(sql)?.query_row([consumer, table], |row| row.get(0)).optional()?)
    }

    pub(crate) fn set_checkpoint(&self, consumer: &str, table: &str, sequence: &str) -> Result<(), EngineError> {
        let sql = "INSERT OR REPLACE INTO checkpoints (consumer, table_name, sequence) VALUES (?1, ?2, ?3)";
        self.db.prepare_cached(sql)?.execute([consumer, table, sequence])?;
        Ok(())
    }

    /// Forgets how far anyone had come in a table's stream, because the table is gone.
    pub(crate) fn forget_checkpoints(&self, table: &str) -> Result<(), EngineError> {
        self.db.execute("DELETE FROM checkpoints WHERE table_name = ?1", [table])?;
        Ok(())
    }

    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let answer = work(self).and_then(|answer| {
            self.db.execute_batch("COMMIT")?;
            Ok(answer)
        });
        match answer {
            Err(Failure::Store(error)) => {
                self.heal();
                Err(Failure::Store(error))
            }
            Err(refused) => {
                self.db.execute_batch("ROLLBACK")?;
                Err(refused)
            }
            done => done,
        }
    }

    fn create(&mut self, body: &[u8]) -> Answer {
        let CreateRequest { queue_name: name, attributes } = decode(body)?;
        settings::check_name(&name)?;
        if let Some(existing) = self.queues.get(&name) {
            let all = settings::with_defaults(&name, &existing.attributes);
            if attributes.iter().any(|(attribute, value)| all.get(attribute) != Some(value)) {
                let message = "A queue already exists with the same name and a different value for attribute.";
                return Err(Refusal::new("QueueNameExists", message).into());
            }
            return Ok(json!({ "QueueUrl": url(&name) }));
        }
        let settings = Settings::parse(&name, &attributes)?;
        self.check_redrive(&name, &settings)?;
        let now = (self.clock)();
        let stored = serde_json::to_string(&attributes).unwrap_or_default();
        let sql = "INSERT INTO queues (name, attributes, created, modified) VALUES (?1, ?2, ?3, ?3)";
        self.db.execute(sql, params![name, stored, now])?;
        let id = self.db.last_insert_rowid();
        let queue = Queue { id, attributes, settings, created: now, modified: now, expired_at: now };
        let answer = json!({ "QueueUrl": url(&name) });
        self.queues.insert(name, queue);
        Ok(answer)
    }

    fn check_redrive(&self, name: &str, settings: &Settings) -> Result<(), Refusal> {
        let Some(redrive) = &settings.redrive else { return Ok(()) };
        let target = self.queues.get(&redrive.target);
        let reason = match target {
            None => "Dead letter target does not exist.",
            // A queue that is its own dead letters would hand a message to itself for ever.
            Some(_) if redrive.target == name => "Dead letter target must be another queue.",
            Some(target) if target.settings.fifo != settings.fifo => {
                "Dead-letter queue must be same type of queue as the source."
            }
            Some(_) => return Ok(()),
        };
        let message = format!("Value for parameter RedrivePolicy is invalid. Reason: {reason}");
        Err(Refusal::new("InvalidParameterValue", message))
    }

    fn delete_queue(&mut self, body: &[u8]) -> Answer {
        let request: QueueRequest = decode(body)?;
        let (name, queue) = self.find(&request.queue_url)?;
        for sql in [
            "DELETE FROM messages WHERE queue = ?1",
            "DELETE FROM deduplication WHERE queue = ?1",
            "DELETE FROM queues WHERE id = ?1",
        ] {
            self.db.execute(sql, [queue.id])?;
        }
        let name = name.to_owned();
        self.queues.remove(&name);
        Ok(json!({}))
    }

    fn set_attributes(&mut self, body: &[u8]) -> Answer {
        let request: QueueRequest = decode(body)?;
        let (name, queue) = self.find(&request.queue_url)?;
        let name = name.to_owned();
        let mut attributes = queue.attributes.clone();
        attributes.extend(request.attributes);
        let settings = Settings::parse(&name, &attributes)?;
        self.check_redrive(&name, &settings)?;
        let now = (self.clock)();
        let stored = serde_json::to_string(&attributes).unwrap_or_default();
        self.db
            .execute("UPDATE queues SET attributes = ?2, modified = ?3 WHERE name = ?1", params![name, stored, now])?;
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.attributes = attributes;
            queue.settings = settings;
            queue.modified = now;
        }
        Ok(json!({}))
    }

    fn purge(&mut self, body: &[u8]) -> Answer {
        let request: QueueRequest = decode(body)?;
        let (_, queue) = self.find(&request.queue_url)?;
        self.db.execute("DELETE FROM messages WHERE queue = ?1", [queue.id])?;
        Ok(json!({}))
    }

    fn queue_url(&self, body: &[u8]) -> Answer {
        let request: NameRequest = decode(body)?;
        self.find(&request.queue_name)?;
        Ok(json!({ "QueueUrl": url(&request.queue_name) }))
    }

    fn list(&self, body: &[u8]) -> Answer {
        let request: ListRequest = decode(body)?;
        let mut names: Vec<&String> =
            self.queues.keys().filter(|name| name.starts_with(&request.queue_name_prefix)).collect();
        names.sort();
        Ok(json!({ "QueueUrls": names.iter().map(|name| url(name)).collect::<Vec<_>>() }))
    }

    fn queue_attributes(&self, body: &[u8]) -> Answer {
        let request: QueueRequest = decode(body)?;
        let (name, queue) = self.find(&request.queue_url)?;
        let asked = &request.attribute_names;
        let mut all = settings::with_defaults(name, &queue.attributes);
        all.insert("CreatedTimestamp".to_owned(), (queue.created / 1000).to_string());
        all.insert("LastModifiedTimestamp".to_owned(), (queue.modified / 1000).to_string());
        if asked.iter().any(|name| name == "All" || name.starts_with("Approximate")) {
            let counts = store::count(&self.db, queue.id, (self.clock)())?;
            all.insert("ApproximateNumberOfMessages".to_owned(), counts.visible.to_string());
            all.insert("ApproximateNumberOfMessagesNotVisible".to_owned(), counts.in_flight.to_string());
            all.insert("ApproximateNumberOfMessagesDelayed".to_owned(), counts.delayed.to_string());
        }
        all.retain(|name, _| asked.iter().any(|asked| asked == "All" || asked == name));
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    fn find(&self, url: &str) -> Result<(&str, &Queue), Refusal> {
        let name = url.rsplit('/').next().unwrap_or(url);
        let found = self.queues.get_key_value(name).map(|(name, queue)| (name.as_str(), queue));
        found.ok_or_else(|| Refusal::new("QueueDoesNotExist", "The specified queue does not exist."))
    }

    fn send(&mut self, body: &[u8]) -> Answer {
        let request: SendRequest = decode(body)?;
        let (_, queue) = self.find(&request.queue_url)?;
        self.put(queue, &request.message)
    }

    fn send_batch(&mut self, body: &[u8]) -> Answer {
        let request: BatchRequest<Outgoing> = decode(body)?;
        let (_, queue) = self.find(&request.queue_url)?;
        let total: usize = request.entries.iter().map(|entry| entry.body.size()).sum();
        check_batch(&request.entries)?;
        if i64::try_from(total).unwrap_or(i64::MAX) > settings::MOST_MESSAGE_BYTES {
            let message = format!(
                "Batch requests cannot be longer than {} bytes. You have sent {total} bytes.",
                settings::MOST_MESSAGE_BYTES
            );
            return Err(Refusal::new("BatchRequestTooLong", message).into());
        }
        batch_answer(request.entries, |message| self.put(queue, &message))
    }

    fn put(&self, queue: &Queue, message: &Outgoing) -> Answer {
        message.check(&queue.settings)?;
        let now = (self.clock)();
        let content = || Sha256::digest(&message.message_body).iter().map(|byte| format!("{byte:02x}")).collect();
        let deduplication =
            queue.settings.fifo.then(|| message.message_deduplication_id.clone().unwrap_or_else(content));
        let mut answer = Map::new();
        answer.insert("MD5OfMessageBody".to_owned(), json!(md5_of_text(&message.message_body)));
        if let Some(digest) = md5_of_attributes(&message.message_attributes) {
            answer.insert("MD5OfMessageAttributes".to_owned(), json!(digest));
        }
        if let Some(digest) = md5_of_attributes(&message.message_system_attributes) {
            answer.insert("MD5OfMessageSystemAttributes".to_owned(), json!(digest));
        }
        let earlier = match &deduplication {
            Some(id) => store::duplicate_of(&self.db, queue.id, id, now)?,
            None => None,
        };
        let (row, message_id) = match earlier {
            Some(row) => (row, message::message_id(&self.salt, row)),
            None => self.insert(queue, message, deduplication.as_deref(), now)?,
        };
        answer.insert("MessageId".to_owned(), json!(message_id));
        if queue.settings.fifo {
            answer.insert("SequenceNumber".to_owned(), json!(sequence_number(row)));
        }
        Ok(Value::Object(answer))
    }

    fn insert(
        &self,
        queue: &Queue,
        message: &Outgoing,
        deduplication: Option<&str>,
        now: i64,
    ) -> Result<(i64, String), Failure> {
        let delay = message.delay_seconds.unwrap_or(queue.settings.delay_seconds);
        let attributes = &message.message_attributes;
        let trace = message.message_system_attributes.get("AWSTraceHeader");
        let fresh = Fresh {
            available_at: now.saturating_add(delay.saturating_mul(1000)),
            body: &message.message_body,
            attributes: (!attributes.is_empty()).then(|| serde_json::to_string(attributes).unwrap_or_default()),
            trace: trace.and_then(|header| header.string_value.as_deref()),
            group_id: message.message_group_id.as_deref(),
            deduplication_id: deduplication,
        };
        let (row, id) = store::insert(&self.db, queue.shelf(), &self.salt, now, &fresh)?;
        if let Some(deduplication) = deduplication {
            store::remember_deduplication(&self.db, queue.id, deduplication, now, row)?;
        }
        Ok((row, id))
    }

    fn receive_messages(&mut self, body: &[u8], moved: &mut bool) -> Result<Received, Failure> {
        let request: ReceiveRequest = decode(body)?;
        let now = (self.clock)();
        self.expire(&request.queue_url, now)?;
        let (name, queue) = self.find(&request.queue_url)?;
        let most = bounded("MaxNumberOfMessages", request.max_number_of_messages, 1, 1, 10)?;
        let most = usize::try_from(most).unwrap_or(1).min(MOST_IN_BATCH);
        let visibility = queue.settings.visibility_seconds;
        let hidden = bounded("VisibilityTimeout", request.visibility_timeout, visibility, 0, MOST_VISIBILITY_SECONDS)?;
        let wait = queue.settings.wait_seconds;
        let wait = bounded("WaitTimeSeconds", request.wait_time_seconds, wait, 0, MOST_WAIT_SECONDS)?;
        let arn = settings::queue_arn(name);
        let redrive = queue.settings.redrive.as_ref();
        let dead_letters =
            redrive.and_then(|redrive| Some((redrive, self.queues.get(&redrive.target)?.shelf(), arn.as_str())));
        let hidden_until = now.saturating_add(hidden.saturating_mul(1000));
        let (messages, some_moved) = store::receive(&self.db, queue.shelf(), now, hidden_until, most, dead_letters)?;
        *moved = some_moved;
        if !messages.is_empty() {
            let fifo = queue.settings.fifo;
            let messages: Vec<Value> = messages.iter().map(|message| describe(message, &request, fifo)).collect();
            return Ok(Received::Reply(Reply::ok(Service::Sqs, &json!({ "Messages": messages }))));
        }
        let due = store::next_visible(&self.db, queue.id, now)?;
        Ok(Received::Nothing {
            reply: Reply::ok(Service::Sqs, &json!({})),
            wait: Duration::from_secs(u64::try_from(wait).unwrap_or(0)),
            due: due.map(|due| Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or(0))),
        })
    }

    fn expire(&mut self, url: &str, now: i64) -> Result<(), Failure> {
        let (name, queue) = self.find(url)?;
        if now.saturating_sub(queue.expired_at) < EXPIRY_EVERY_MS {
            return Ok(());
        }
        let kept = queue.settings.retention_seconds.saturating_mul(1000);
        store::expire(&self.db, queue.shelf(), now.saturating_sub(kept))?;
        let name = name.to_owned();
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.expired_at = now;
        }
        Ok(())
    }

    fn for_receipt(&mut self, body: &[u8], act: fn(&Self, &Queue, &ReceiptRequest) -> Result<(), Failure>) -> Answer {
        let request: OneReceiptRequest = decode(body)?;
        let (_, queue) = self.find(&request.queue_url)?;
        act(self, queue, &request.receipt)?;
        Ok(json!({}))
    }

    fn for_receipts(&mut self, body: &[u8], act: fn(&Self, &Queue, &ReceiptRequest) -> Result<(), Failure>) -> Answer {
        let request: BatchRequest<ReceiptRequest> = decode(body)?;
        let (_, queue) = self.find(&request.queue_url)?;
        check_batch(&request.entries)?;
        batch_answer(request.entries, |receipt| act(self, queue, &receipt).map(|()| json!({})))
    }

    /// Deletes a message by its last receipt. An older receipt deletes nothing and is no error, as in SQS; on a FIFO
    /// queue a receipt that has run out is one.
    fn delete_message(&self, queue: &Queue, request: &ReceiptRequest) -> Result<(), Failure> {
        let handle = &request.receipt_handle;
        let row = row_of_receipt(handle).ok_or_else(|| bad_receipt(handle))?;
        match store::receipt(&self.db, queue.id, row, handle, (self.clock)())? {
            Receipt::Last { hidden: false, .. } if queue.settings.fifo => {
                let message = format!(
                    "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
                );
                Err(Refusal::new("InvalidParameterValue", message).into())
            }
            Receipt::Last { row, group_id, .. } => {
                Ok(store::delete(&self.db, queue.shelf(), row, group_id.as_deref())?)
            }
            Receipt::Gone | Receipt::Old => Ok(()),
        }
    }

    fn change_visibility(&self, queue: &Queue, request: &ReceiptRequest) -> Result<(), Failure> {
        let handle = &request.receipt_handle;
        let row = row_of_receipt(handle).ok_or_else(|| bad_receipt(handle))?;
        let missing = || Refusal::new("MissingParameter", "The request must contain the parameter VisibilityTimeout.");
        let seconds = request.visibility_timeout.ok_or_else(missing)?;
        let seconds = bounded("VisibilityTimeout", Some(seconds), 0, 0, MOST_VISIBILITY_SECONDS)?;
        let now = (self.clock)();
        let not_in_flight = format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
        );
        match store::receipt(&self.db, queue.id, row, handle, now)? {
            Receipt::Last { row, hidden: true, .. } => {
                let visible_at = now.saturating_add(seconds.saturating_mul(1000));
                Ok(store::set_visible_at(&self.db, row, visible_at)?)
            }
            Receipt::Last { .. } | Receipt::Old => Err(Refusal::new("MessageNotInflight", not_in_flight).into()),
            Receipt::Gone => Err(Refusal::new("InvalidParameterValue", not_in_flight).into()),
        }
    }
}

/// The queues as the store has them.
fn load(db: &Connection) -> Result<HashMap<String, Queue>, rusqlite::Error> {
    let mut statement = db.prepare("SELECT id, name, attributes, created, modified FROM queues")?;
    let rows = statement.query_map([], |row| {
        let (name, attributes): (String, String) = (row.get(1)?, row.get(2)?);
        let attributes: Attributes = serde_json::from_str(&attributes).unwrap_or_default();
        // What was stored was parsed before; were it not to parse now, SQS's defaults are the least surprise.
        let fallback = || Settings::parse(&name, &BTreeMap::new());
        let settings = Settings::parse(&name, &attributes).or_else(|_| fallback());
        let settings = settings.map_err(|refusal| rusqlite::Error::InvalidColumnName(refusal.message))?;
        let (id, created, modified) = (row.get(0)?, row.get(3)?, row.get(4)?);
        Ok((name, Queue { id, attributes, settings, created, modified, expired_at: 0 }))
    })?;
    rows.collect()
}

fn decode<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let message = error.to_string();
        let code = if message.contains("missing field") { "MissingParameter" } else { "InvalidParameterValue" };
        Refusal::new(code, message)
    })
}

fn url(name: &str) -> String {
    format!("http://sqs.local/{ACCOUNT}/{name}")
}

fn sequence_number(row: i64) -> String {
    format!("{row:020}")
}

fn bad_receipt(handle: &str) -> Refusal {
    Refusal::new(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
    )
}

fn bounded(name: &str, value: Option<i64>, default: i64, least: i64, most: i64) -> Result<i64, Refusal> {
    let value = value.unwrap_or(default);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let message = format!(
        "Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
    );
    Err(Refusal::new("InvalidParameterValue", message))
}

fn check_batch<E>(entries: &[Entry<E>]) -> Result<(), Refusal> {
    if entries.is_empty() {
        let message = "There should be at least one SendMessageBatchRequestEntry in the request.";
        return Err(Refusal::new("EmptyBatchRequest", message));
    }
    if entries.len() > MOST_IN_BATCH {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", entries.len());
        return Err(Refusal::new("TooManyEntriesInBatchRequest", message));
    }
    let mut seen = HashSet::new();
    for Entry { id, .. } in entries {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > 80 || !id.chars().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return Err(Refusal::new("InvalidBatchEntryId", message));
        }
        if !seen.insert(id) {
            return Err(Refusal::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// Answers each entry by itself: one that is refused does not refuse the others. The store's own failure does.
fn batch_answer<E>(entries: Vec<Entry<E>>, mut act: impl FnMut(E) -> Answer) -> Answer {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for Entry { id, body } in entries {
        match act(body) {
            Ok(mut answer) => {
                answer["Id"] = json!(id);
                successful.push(answer);
            }
            Err(Failure::Refused(refusal)) => failed.push(json!({
                "Id": id, "Code": refusal.code, "Message": refusal.message, "SenderFault": true,
            })),
            Err(failure) => return Err(failure),
        }
    }
    let mut answer = json!({ "Successful": successful });
    if !failed.is_empty() {
        answer["Failed"] = json!(failed);
    }
    Ok(answer)
}

/// A message as ReceiveMessage answers it, with the attributes that were asked for.
fn describe(message: &Delivered, request: &ReceiveRequest, fifo: bool) -> Value {
    let mut described = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": md5_of_text(&message.body),
    });
    let asked: Vec<&String> = request.attribute_names.iter().chain(&request.message_system_attribute_names).collect();
    let sequence = fifo.then(|| sequence_number(message.row));
    let system = [
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(message.first_received.to_string())),
        ("SentTimestamp", Some(message.sent_at.to_string())),
        ("SenderId", Some(ACCOUNT.to_owned())),
        ("MessageGroupId", message.group_id.clone()),
        ("MessageDeduplicationId", message.deduplication_id.clone()),
        ("SequenceNumber", sequence),
        ("AWSTraceHeader", message.trace.clone()),
        ("DeadLetterQueueSourceArn", message.source.clone()),
    ];
    let wanted = |name: &str| asked.iter().any(|asked| *asked == "All" || *asked == name);
    let system: Map<String, Value> = system
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    if !system.is_empty() {
        described["Attributes"] = Value::Object(system);
    }
    let own: Option<MessageAttributes> = message.attributes.as_deref().and_then(|json| serde_json::from_str(json).ok());
    let mut own = own.unwrap_or_default();
    own.retain(|name, _| asked_for(name, &request.message_attribute_names));
    if let Some(digest) = md5_of_attributes(&own) {
        described["MD5OfMessageAttributes"] = json!(digest);
        described["MessageAttributes"] = json!(own);
    }
    described
}
