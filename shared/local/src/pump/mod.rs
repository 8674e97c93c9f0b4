//! What AWS does between the functions: streams, queues and schedules start them.
//!
//! It owns the event source mappings: where each stream's reader stands (durable in the engine), how many batches of a
//! queue run at once, when a schedule comes next. A batch that fails is tried again, from the record that failed; a table
//! or queue that fails never holds up another. It must never lose or skip a record, and never wait by asking again and
//! again: bells and due times wake it.

mod queues;
mod state;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use lambda::{Function, Trigger};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::bells::Bells;
use crate::busy::Busy;
use crate::shop::{Inner, Shop, ShopError};

pub use state::{LAG_COUNTED, QueueState, State, StreamState};

/// How often old items are swept and read stream records dropped.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Every so many housekeepings expired items are deleted: once a minute.
const SWEEP_EVERY: u32 = 6;

/// What the pump does, by trigger.
pub(crate) struct Work {
    pub streams: Vec<streams::Reader>,
    pub queues: Vec<queues::Poller>,
    schedules: Vec<Schedule>,
    /// Batches of queues that run.
    pub busy: Arc<Busy>,
}

struct Schedule {
    unit: usize,
    every: Duration,
}

impl Work {
    /// The work of all functions that no route leads to.
    pub fn of(functions: &[Function], bells: &mut Bells) -> Result<Self, ShopError> {
        let mut work = Self { streams: Vec::new(), queues: Vec::new(), schedules: Vec::new(), busy: Arc::default() };
        for (unit, function) in functions.iter().enumerate() {
            match function.trigger {
                Trigger::Http(_) => {}
                Trigger::Stream { table, batch_size } => {
                    work.streams.push(streams::Reader::new(unit, function.name, table, batch_size, bells));
                }
                Trigger::Queue { queue, batch_size, max_concurrency } => {
                    work.queues.push(queues::Poller::new(unit, queue, batch_size, max_concurrency, bells));
                }
                Trigger::Schedule { expression } => {
                    let every = rate(expression);
                    let every = every.ok_or(ShopError::Schedule { function: function.name, expression })?;
                    work.schedules.push(Schedule { unit, every });
                }
            }
        }
        Ok(work)
    }
}

/// The interval of `rate(n minutes)`, `rate(n hours)` or `rate(n days)`.
fn rate(expression: &str) -> Option<Duration> {
    let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
    let (number, unit) = inner.split_once(' ')?;
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let number = number.parse::<u64>().ok().filter(|number| *number > 0)?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// What came of one look at a stream or a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There was nothing.
    Idle,
    /// So many records are done with.
    Done(usize),
    /// Something failed after so many records; they come again.
    Failed(usize, String),
}

/// What [`Shop::drain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records and messages that were done.
    pub done: usize,
    /// What failed on the way, and stays where it was.
    pub failures: Vec<String>,
}

impl Shop {
    /// Runs streams and queues until nothing is left that could be done now: hidden and delayed messages stay. Nothing is
    /// slept for. With a running [`Pump`] it waits for what that one has begun.
    pub async fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        loop {
            let mut done = 0;
            let mut count = |step: Step, failures: &mut Vec<String>| match step {
                Step::Idle => false,
                Step::Done(records) => {
                    done += records;
                    true
                }
                Step::Failed(records, reason) => {
                    done += records;
                    failures.push(reason);
                    false
                }
            };
            for reader in &self.0.work.streams {
                while count(self.read_stream(reader).await, &mut drained.failures) {}
            }
            for poller in &self.0.work.queues {
                while count(self.poll_queue(poller).await, &mut drained.failures) {}
            }
            drained.done += done;
            if done == 0 && self.0.work.busy.is_idle() {
                return drained;
            }
            if done == 0 {
                self.0.work.busy.one_less().await;
            }
        }
    }

    /// Runs a schedule's function now.
    async fn tick(&self, unit: usize) {
        let unit = &self.0.units[unit];
        let id = self.request_id();
        let event = json!({
            "version": "0",
            "id": id,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": engine::ACCOUNT,
            "time": self.now().to_string(),
            "region": engine::REGION,
            "resources": [format!("arn:aws:events:{}:{}:rule/{}", engine::REGION, engine::ACCOUNT, unit.function.name)],
            "detail": {},
        });
        if let Err(error) = self.run(unit, event.to_string(), &id, Duration::MAX).await {
            self.log("error", unit.function.name, &error.to_string());
        }
    }
}

/// The running pump.
pub struct Pump {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    shop: Shop,
}

impl Pump {
    /// Starts to pump. What a process that died had received from a queue comes again at once: nobody else reads here.
    #[must_use]
    pub fn start(shop: &Shop) -> Self {
        if let Err(error) = shop.engine().return_in_flight() {
            shop.log("error", "queues", &error.to_string());
        }
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let Inner { work, .. } = &*shop.0;
        for index in 0..work.streams.len() {
            tasks.spawn(streams::run(shop.clone(), index, stopped.clone()));
        }
        for index in 0..work.queues.len() {
            tasks.spawn(queues::run(shop.clone(), index, stopped.clone()));
        }
        for index in 0..work.schedules.len() {
            tasks.spawn(run_schedule(shop.clone(), index, stopped.clone()));
        }
        tasks.spawn(keep_house(shop.clone(), stopped));
        Self { stop, tasks, shop: shop.clone() }
    }

    /// Stops: batches that run are ended, nothing new is begun.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.shop.0.work.busy.idle().await;
    }
}

async fn run_schedule(shop: Shop, index: usize, mut stop: watch::Receiver<bool>) {
    let Schedule { unit, every } = shop.0.work.schedules[index];
    while pause(every, &mut stop).await {
        shop.tick(unit).await;
    }
}

async fn keep_house(shop: Shop, mut stop: watch::Receiver<bool>) {
    let mut round: u32 = 0;
    while pause(HOUSEKEEPING, &mut stop).await {
        round = round.wrapping_add(1);
        if round.is_multiple_of(SWEEP_EVERY) {
            match shop.engine().sweep_ttl().await {
                Ok(0) => {}
                Ok(_) => shop.0.bells.ring_tables(),
                Err(error) => shop.log("error", "expiry", &error.to_string()),
            }
        }
        if let Err(error) = shop.prune_streams().await {
            shop.log("error", "streams", &error.to_string());
        }
    }
}

/// Waits; `false` when the pump was stopped meanwhile.
async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    let stopped = stop.wait_for(|stopped| *stopped);
    tokio::select! {
        biased;
        _ = stopped => false,
        () = tokio::time::sleep(time) => true,
    }
}

/// Waits for a bell, for a moment that is due, or (at most once a second) for a write that no bell told of; `false` when
/// the pump was stopped.
async fn wake(
    bell: &Notify,
    due: Option<Duration>,
    writes: &mut watch::Receiver<u64>,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let due = async {
        match due {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let unheard = async {
        if writes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stopped| *stopped) => false,
        () = bell.notified() => true,
        () = due => true,
        () = unheard => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_anything_else_is_refused() {
        assert_eq!(rate("rate(1 minute)"), Some(Duration::from_secs(60)));
        assert_eq!(rate("rate(5 minutes)"), Some(Duration::from_secs(300)));
        assert_eq!(rate("rate(2 hours)"), Some(Duration::from_secs(7200)));
        for bad in ["rate(0 minutes)", "rate(5 fortnights)", "cron(0 9 * * ? *)", "rate(minutes)", ""] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }
}
