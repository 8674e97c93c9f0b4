//! The reconciler: takes up what the workers gave up, asks the provider for the truth, and says how much is stuck.
//!
//! Every order that is not decided has a message: its deadline, or a payment without an answer. Whatever kept a worker from
//! finishing it (a provider that was down for long, a fault that people had to mend) leaves that message among the dead
//! letters. So nothing has to be searched for: what is stuck is there, and costs nothing while there is none.

use std::time::Duration;

use aws::{Capability, ConfigError, DataError, Grant, Platform, Queue, QueueSpec, Resource};
use kernel::OrderId;
use lambda::{Alarm, Consumer, Cx, Envelope, Fault, Function};
use serde::de::DeserializeOwned;

use super::{expire_orders, retry_payment};
use crate::till::Till;

/// Time kept back for the last order's writes.
const ENOUGH: Duration = Duration::from_secs(10);
/// How long a dead letter stays hidden while it is tried.
const HIDDEN_S: i32 = 120;

/// Dead letters of the workers that decide orders.
#[derive(Clone)]
struct DeadLetters {
    deadlines: Queue,
    payments: Queue,
}

const QUEUES: [&QueueSpec; 2] = [&expire_orders::QUEUE, &retry_payment::QUEUE];

impl Capability for DeadLetters {
    fn grants() -> Vec<Grant> {
        let actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage"];
        QUEUES.iter().map(|queue| Grant::new(&actions, Resource::DeadLetters { name: queue.name })).collect()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let [deadlines, payments] = QUEUES.map(|queue| platform.dead_letters(queue));
        Ok(Self { deadlines, payments })
    }
}

/// A dead letter.
struct Letter {
    body: String,
    receipt: String,
}

async fn receive(queue: &Queue) -> Result<Vec<Letter>, DataError> {
    let request = queue.client().receive_message().queue_url(queue.url());
    let answer = request.max_number_of_messages(10).visibility_timeout(HIDDEN_S).wait_time_seconds(0).send().await?;
    let letters = answer.messages.unwrap_or_default().into_iter();
    Ok(letters.filter_map(|message| Some(Letter { body: message.body?, receipt: message.receipt_handle? })).collect())
}

/// What came of going through one queue's dead letters.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    settled: i64,
    stuck: i64,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("reconcile-orders")
        .summary("Take up orders that the workers gave up, and ask the provider for the truth")
        .schedule("rate(5 minutes)", handle)
        .timeout(60)
        .alarm(Alarm { metric: "StuckOrders", threshold: 1, period_s: 300, periods: 1 })
        .alarm(crate::till::ALARM)
}

async fn handle(cx: Cx, (till, letters): (Till, DeadLetters)) -> Result<(), Fault> {
    let (one, two) = (&till, &till);
    let deadlines = go_through(&letters.deadlines, &cx, |due: expire_orders::Due, cx| {
        let id = due.order.clone();
        (id, Box::pin(async move { expire_orders::carry_out(due, one, cx).await }))
    });
    let deadlines = deadlines.await?;
    let payments = go_through(&letters.payments, &cx, |unsettled: retry_payment::Unsettled, cx| {
        let id = unsettled.order.clone();
        (id, Box::pin(async move { retry_payment::carry_out(unsettled, 1, two, cx).await }))
    });
    let payments = payments.await?;
    cx.count("StuckOrders", deadlines.stuck + payments.stuck);
    cx.note("settled", deadlines.settled + payments.settled);
    Ok(())
}

type Work<'a> = (OrderId, aws::BoxFuture<'a, Result<(), Fault>>);

/// Each dead letter once: what can be settled is deleted, and the rest stays for the next time and for people.
async fn go_through<'a, T: DeserializeOwned>(
    queue: &Queue,
    cx: &'a Cx,
    carry_out: impl Fn(T, &'a Cx) -> Work<'a>,
) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    loop {
        let letters = receive(queue).await?;
        if letters.is_empty() {
            return Ok(tally);
        }
        for letter in letters {
            if cx.remaining() < ENOUGH {
                // What was not tried is stuck until the next time, at least.
                tally.stuck += 1;
                continue;
            }
            let settled = match serde_json::from_str::<Envelope<T>>(&letter.body) {
                Ok(envelope) => {
                    let (order, work) = carry_out(envelope.data, cx);
                    let result = work.await;
                    if let Err(fault) = &result {
                        cx.note("stuck_order", &order);
                        cx.note("stuck_reason", format!("{fault:?}"));
                    }
                    result.is_ok()
                }
                Err(_) => false,
            };
            if settled {
                tally.settled += 1;
                let request = queue.client().delete_message().queue_url(queue.url());
                request.receipt_handle(letter.receipt).send().await.map_err(DataError::from)?;
            } else {
                tally.stuck += 1;
            }
        }
        if cx.remaining() < ENOUGH {
            return Ok(tally);
        }
    }
}
