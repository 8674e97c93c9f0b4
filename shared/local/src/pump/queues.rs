//! Queues to workers, as Lambda's event source mapping polls them: with the worker's own grants, several batches at once,
//! deleting what was done and leaving what failed to the queue's visibility time-out and its dead letters.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::QueueSpec;
use engine::Call;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, Semaphore, watch};

use super::{Step, pause, wake};
use crate::bells::Bells;
use crate::setup;
use crate::shop::{Shop, Unit};

/// SQS gives out so many messages at once.
const RECEIVE_MOST: u32 = 10;
/// How long to wait when a queue cannot be read at all: a missing grant.
const UNREADABLE: Duration = Duration::from_secs(1);

/// One worker's queue.
pub(crate) struct Poller {
    pub unit: usize,
    pub spec: &'static QueueSpec,
    name: String,
    url: String,
    batch: u32,
    permits: Arc<Semaphore>,
    bell: Arc<Notify>,
    /// Why the last batch failed, until one is done.
    pub trouble: Mutex<Option<String>>,
}

impl Poller {
    pub fn new(unit: usize, spec: &'static QueueSpec, batch: u32, concurrency: u32, bells: &mut Bells) -> Self {
        let name = setup::queue_name(spec);
        Self {
            unit,
            spec,
            url: setup::queue_url(&name),
            bell: bells.of_queue(&name),
            name,
            batch: batch.clamp(1, RECEIVE_MOST),
            permits: Arc::new(Semaphore::new(usize::try_from(concurrency).unwrap_or(1).max(1))),
            trouble: Mutex::default(),
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Shop {
    /// Receives one batch and works through it.
    pub(crate) async fn poll_queue(&self, poller: &Poller) -> Step {
        match self.receive(poller).await {
            Ok(messages) if messages.is_empty() => Step::Idle,
            Ok(messages) => self.work_through(poller, messages).await,
            Err(reason) => Step::Failed(0, reason),
        }
    }

    /// Receives visible messages, as SQS answers them.
    async fn receive(&self, poller: &Poller) -> Result<Vec<Value>, String> {
        let body = json!({
            "QueueUrl": poller.url,
            "MaxNumberOfMessages": poller.batch,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
            "WaitTimeSeconds": 0,
        });
        let unit = &self.0.units[poller.unit];
        let mut answer = sqs(self, unit, "ReceiveMessage", &body).await?;
        match answer["Messages"].take() {
            Value::Array(messages) => Ok(messages),
            _ => Ok(Vec::new()),
        }
    }

    /// Invokes the worker with a batch and deletes what it did.
    async fn work_through(&self, poller: &Poller, messages: Vec<Value>) -> Step {
        let busy = self.0.work.busy.enter();
        let unit = &self.0.units[poller.unit];
        let arn = setup::queue_arn(&poller.name);
        let records: Vec<Value> = messages.iter().map(|message| record(message, &arn)).collect();
        let event = json!({ "Records": records }).to_string();
        let answer = self.run(unit, event, &self.request_id(), Duration::MAX).await;
        let failed = match answer {
            Ok(answer) => failed(&answer, &messages),
            Err(error) => Err(error.to_string()),
        };
        let step = match failed {
            Err(reason) => Step::Failed(0, format!("{}: {reason}", unit.function.name)),
            Ok(failed) => {
                let is_done = |message: &&Value| !failed.contains(message["MessageId"].as_str().unwrap_or_default());
                let done: Vec<&Value> = messages.iter().filter(is_done).collect();
                match self.delete(poller, unit, &done).await {
                    Err(reason) => Step::Failed(0, reason),
                    Ok(()) if failed.is_empty() => Step::Done(done.len()),
                    Ok(()) => {
                        let reason =
                            format!("{}: {} of {} messages failed", unit.function.name, failed.len(), messages.len());
                        Step::Failed(done.len(), reason)
                    }
                }
            }
        };
        poller.set_trouble(match &step {
            Step::Failed(_, reason) => Some(reason.clone()),
            Step::Idle | Step::Done(_) => None,
        });
        // What failed is due at another time now, and a FIFO group may go on.
        poller.bell.notify_one();
        drop(busy);
        step
    }

    async fn delete(&self, poller: &Poller, unit: &Unit, done: &[&Value]) -> Result<(), String> {
        if done.is_empty() {
            return Ok(());
        }
        let entry = |(index, message): (usize, &&Value)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
        let entries: Vec<Value> = done.iter().enumerate().map(entry).collect();
        // A message that cannot be deleted (its time-out is over) comes again: workers bear duplicates.
        sqs(self, unit, "DeleteMessageBatch", &json!({ "QueueUrl": poller.url, "Entries": entries })).await.map(drop)
    }
}

/// A call on SQS with the worker's grants.
async fn sqs(shop: &Shop, unit: &Unit, operation: &str, body: &Value) -> Result<Value, String> {
    let call = Call::new(&format!("AmazonSQS.{operation}"), body.to_string());
    let reply = shop.engine().call(&unit.layers, call).await.map_err(|failure| failure.to_string())?;
    if reply.is_success() { Ok(reply.json()) } else { Err(format!("{operation}: {}", reply.json())) }
}

/// A message as Lambda delivers it.
fn record(message: &Value, arn: &str) -> Value {
    let own = message["MessageAttributes"].as_object();
    let own: Map<String, Value> =
        own.into_iter().flatten().map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = json!({
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": own,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": engine::REGION,
    });
    if let Some(digest) = message.get("MD5OfMessageAttributes") {
        record["md5OfMessageAttributes"] = digest.clone();
    }
    record
}

fn attribute(value: &Value) -> Value {
    let mut all = json!({ "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"] });
    for (ours, theirs) in [("stringValue", "StringValue"), ("binaryValue", "BinaryValue")] {
        if let Some(text) = value.get(theirs) {
            all[ours] = text.clone();
        }
    }
    all
}

/// The ids of the messages that must come again. A name that is not of this batch fails it as a whole, as in Lambda.
fn failed(answer: &str, messages: &[Value]) -> Result<BTreeSet<String>, String> {
    let answer: Value = serde_json::from_str(answer).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let failures = answer["batchItemFailures"].as_array().map_or(&[][..], Vec::as_slice);
    let known = |id: &&str| messages.iter().any(|message| message["MessageId"] == **id);
    let ids = failures.iter().map(|failure| failure["itemIdentifier"].as_str().filter(known).map(str::to_owned));
    ids.collect::<Option<_>>().ok_or_else(|| "it named a message that is not of this batch".into())
}

/// Polls a queue for as long as the pump runs.
pub(super) async fn run(shop: Shop, index: usize, mut stop: watch::Receiver<bool>) {
    let mut writes = shop.engine().queue_writes();
    let poller = &shop.0.work.queues[index];
    loop {
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return,
            permit = poller.permits.clone().acquire_owned() => permit,
        };
        writes.mark_unchanged();
        match shop.receive(poller).await {
            Ok(messages) if messages.is_empty() => {
                drop(permit);
                let due = due(&shop, poller);
                if !wake(&poller.bell, due, &mut writes, &mut stop).await {
                    return;
                }
            }
            Ok(messages) => {
                let shop = shop.clone();
                // Entered before the task exists, so that nobody takes the queue for idle meanwhile.
                let busy = shop.0.work.busy.enter();
                tokio::spawn(async move {
                    let poller = &shop.0.work.queues[index];
                    if let Step::Failed(_, reason) = shop.work_through(poller, messages).await {
                        shop.log("warn", poller.spec.name, &reason);
                    }
                    drop((permit, busy));
                });
            }
            Err(reason) => {
                drop(permit);
                shop.log("error", poller.spec.name, &reason);
                poller.set_trouble(Some(reason));
                if !pause(UNREADABLE, &mut stop).await {
                    return;
                }
            }
        }
    }
}

/// How long until the next hidden message becomes visible.
fn due(shop: &Shop, poller: &Poller) -> Option<Duration> {
    let at = shop.engine().next_due(&poller.name).ok().flatten()?;
    let wait = at.saturating_sub(shop.now().millis());
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read_and_strangers_fail_the_batch() {
        let messages = vec![json!({ "MessageId": "a" }), json!({ "MessageId": "b" })];
        assert_eq!(failed("{}", &messages).unwrap(), BTreeSet::new());
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(failed(one, &messages).unwrap(), BTreeSet::from(["b".to_owned()]));
        assert!(failed(r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#, &messages).is_err());
        assert!(failed("oops", &messages).is_err());
    }
}
