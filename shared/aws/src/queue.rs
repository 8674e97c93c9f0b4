//! SQS queues: what one is called, how long its messages stay hidden, and sending to it in batches.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use kernel::limits::QUEUE_DELAY;

use crate::table::DataError;

/// A queue with its dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name, without the stage's prefix.
    pub name: &'static str,
    /// Whether order matters within a message group.
    pub fifo: bool,
    /// How long a received message stays hidden, in seconds: at least six times the worker's time-out, as AWS advises.
    pub visibility_s: u32,
    /// After so many receptions a message moves to the dead-letter queue.
    pub max_receives: u32,
    /// The age of the oldest message, in seconds, at which an alarm goes off.
    pub max_age_alarm_s: u32,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The body: JSON.
    pub body: String,
    /// How long it stays hidden, at most 15 minutes; longer is cut to that.
    pub delay: Duration,
    /// The message group of a FIFO queue.
    pub group: Option<String>,
    /// The deduplication id of a FIFO queue.
    pub id: String,
}

/// SQS takes at most so many messages in one call,
const BATCH_MESSAGES: usize = 10;
/// and so many bytes: 256 KB is the old limit, safe everywhere.
const BATCH_BYTES: usize = 250 * 1024;

/// A queue one can send to.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
    fifo: bool,
}

impl Queue {
    pub(crate) fn new(client: Client, url: String, fifo: bool) -> Self {
        Self { client, url, fifo }
    }

    /// The queue's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client under it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends all messages, in order. On an error some may have been sent: the caller's own retry sends them again, and
    /// every consumer bears duplicates.
    pub async fn send(&self, messages: &[Message]) -> Result<(), DataError> {
        let mut rest = messages;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |message: &&Message| {
                bytes += message.body.len();
                bytes <= BATCH_BYTES
            };
            let count = rest.iter().take(BATCH_MESSAGES).take_while(fits).count().max(1);
            let (batch, later) = rest.split_at(count);
            self.send_batch(batch).await?;
            rest = later;
        }
        Ok(())
    }

    async fn send_batch(&self, batch: &[Message]) -> Result<(), DataError> {
        let mut entries = Vec::with_capacity(batch.len());
        for (index, message) in batch.iter().enumerate() {
            let delay = i32::try_from(message.delay.min(QUEUE_DELAY).as_secs()).unwrap_or(0);
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
            let entry = if self.fifo {
                let group = message.group.clone().unwrap_or_else(|| message.id.clone());
                entry.message_group_id(group).message_deduplication_id(&message.id)
            } else {
                entry.set_delay_seconds((delay > 0).then_some(delay))
            };
            entries.push(entry.build().map_err(|error| DataError::Invalid(error.to_string()))?);
        }
        let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await?;
        match sent.failed().first() {
            None => Ok(()),
            Some(failure) => Err(DataError::Busy(format!(
                "{} of {} messages not sent: {}",
                sent.failed().len(),
                batch.len(),
                failure.code()
            ))),
        }
    }
}
