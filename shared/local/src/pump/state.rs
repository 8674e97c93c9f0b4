//! How the queues and streams stand, for whoever watches the shop: counts only, never a body.

use std::sync::{Mutex, PoisonError};

use aws::QueueSpec;
use serde::Serialize;
use serde_json::{Value, json};

use crate::setup;
use crate::shop::Shop;

/// So far a stream's lag is counted.
pub const LAG_COUNTED: usize = 1_000;

/// How everything between the functions stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// Each queue.
    pub queues: Vec<QueueState>,
    /// Each reader of a stream.
    pub streams: Vec<StreamState>,
}

/// How a queue stands.
#[derive(Clone, Debug, Serialize)]
pub struct QueueState {
    /// Its name.
    pub name: &'static str,
    /// The function that works through it.
    pub worker: Option<&'static str>,
    /// Messages that could be received now.
    pub visible: u64,
    /// Messages that were received and are hidden.
    pub in_flight: u64,
    /// Messages whose time has not come.
    pub delayed: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Why the last batch failed.
    pub trouble: Option<String>,
}

/// How a reader of a stream stands.
#[derive(Clone, Debug, Serialize)]
pub struct StreamState {
    /// The table.
    pub table: String,
    /// The function that reads.
    pub reader: &'static str,
    /// Records that it has not done, counted up to [`LAG_COUNTED`].
    pub lag: usize,
    /// Why the last batch failed.
    pub trouble: Option<String>,
}

impl Shop {
    /// How queues and streams stand now.
    pub async fn state(&self) -> State {
        let mut state = State::default();
        for queue in &self.0.queues {
            state.queues.push(self.queue_state(queue).await);
        }
        for reader in &self.0.work.streams {
            let after = self.engine().checkpoint(reader.consumer, &reader.table).ok().flatten();
            let records = self.engine().stream_records(&reader.table, after.as_deref(), LAG_COUNTED).await;
            state.streams.push(StreamState {
                table: reader.table.clone(),
                reader: reader.consumer,
                lag: records.map(|records| records.len()).unwrap_or_default(),
                trouble: trouble(&reader.trouble),
            });
        }
        state
    }

    async fn queue_state(&self, queue: &QueueSpec) -> QueueState {
        let poller = self.0.work.queues.iter().find(|poller| poller.spec.name == queue.name);
        let own = self.counts(&setup::queue_name(queue)).await;
        let dead = self.counts(&setup::dead_letters_name(queue)).await;
        QueueState {
            name: queue.name,
            worker: poller.map(|poller| self.0.units[poller.unit].function.name),
            visible: own[0],
            in_flight: own[1],
            delayed: own[2],
            dead: dead.iter().sum(),
            trouble: poller.and_then(|poller| trouble(&poller.trouble)),
        }
    }

    /// Visible, in flight, delayed.
    async fn counts(&self, name: &str) -> [u64; 3] {
        let ask = json!({ "QueueUrl": setup::queue_url(name), "AttributeNames": ["All"] });
        let answer = setup::call(self.engine(), "AmazonSQS.GetQueueAttributes", &ask).await.unwrap_or_default();
        let count = |suffix: &str| -> u64 {
            let value = &answer["Attributes"][format!("ApproximateNumberOfMessages{suffix}")];
            value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        [count(""), count("NotVisible"), count("Delayed")]
    }
}

fn trouble(cell: &Mutex<Option<String>>) -> Option<String> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl State {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        crate::shop::to_json(self)
    }
}
