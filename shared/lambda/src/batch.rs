//! Running a batch: each record on its own, with its panic caught, and only what failed reported back.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws::{BoxFuture, Message, Queue};
use aws_lambda_events::sqs::SqsMessage;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::call::Cx;
use crate::event::Envelope;
use crate::telemetry;

/// One message for a worker.
pub struct Delivery<T> {
    /// The event.
    pub event: Envelope<T>,
    /// How often it was delivered, this time included.
    pub receives: u32,
    /// The context of the invocation.
    pub cx: Cx,
}

/// Why a worker could not finish a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It will never work and nothing is lost by it: written to the log, counted, and done with.
    Permanent(String),
    /// It may work later: tried again after so long, and after the queue's limit kept among the dead letters.
    Retry(Duration, String),
    /// It cannot be understood: kept among the dead letters at once.
    Poison(String),
}

impl Fault {
    /// Tried again after a second.
    #[must_use]
    pub fn soon(reason: impl std::fmt::Display) -> Self {
        Self::Retry(Duration::from_secs(1), reason.to_string())
    }
}

impl From<aws::DataError> for Fault {
    fn from(error: aws::DataError) -> Self {
        match error {
            aws::DataError::Busy(_) => Self::soon(error),
            // A missing grant or unreadable data is mended by people: the message must survive until then.
            _ => Self::Retry(Duration::from_secs(30), error.to_string()),
        }
    }
}

impl From<kernel::Problem> for Fault {
    fn from(problem: kernel::Problem) -> Self {
        let internal = problem.internal.as_ref().map(|internal| internal.for_log()).unwrap_or_default();
        Self::soon(format!("{}: {} {internal}", problem.code.name, problem.detail))
    }
}

/// Where a stream batch stopped: everything before `at` was carried on, `at` and what follows must come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFailure {
    /// The index of the first change that must come again.
    pub at: usize,
    /// Why.
    pub reason: String,
}

/// Handles one message body.
pub(crate) type OnMessage =
    std::sync::Arc<dyn Fn(String, u32, Cx) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync>;

/// Handles many message bodies at once; answers each, in their order.
pub(crate) type OnMessages =
    std::sync::Arc<dyn Fn(Vec<(String, u32)>, Cx) -> BoxFuture<'static, Vec<Result<(), Fault>>> + Send + Sync>;

/// How a batch is worked through.
pub(crate) enum Handler {
    /// A message at a time, so many of them at once.
    Each { on_message: OnMessage, concurrency: usize },
    /// All together.
    Together(OnMessages),
}

/// A queue's worker: where its messages come from, and where those go that nobody can read.
pub(crate) struct Worker {
    pub queue: Queue,
    pub dead_letters: Queue,
    pub handler: Handler,
}

impl Worker {
    /// Runs all messages; gives the ids of those that must come again. Messages of one FIFO group run one after the
    /// other, and behind a failed one the rest of its group comes again too, so that order holds.
    pub async fn run(&self, messages: Vec<SqsMessage>, cx: &Cx) -> Vec<String> {
        match &self.handler {
            Handler::Each { on_message, concurrency } => self.run_each(messages, cx, on_message, *concurrency).await,
            Handler::Together(on_messages) => self.run_together(messages, cx, on_messages).await,
        }
    }

    async fn run_together(&self, messages: Vec<SqsMessage>, cx: &Cx, on_messages: &OnMessages) -> Vec<String> {
        let bodies = messages.iter().map(read).collect();
        let work = AssertUnwindSafe(on_messages(bodies, cx.clone())).catch_unwind().await;
        let mut results = match work {
            Ok(results) => results.into_iter(),
            Err(panic) => {
                let fault = Fault::soon(format!("panic: {}", telemetry::panic_text(panic.as_ref())));
                vec![Err(fault); messages.len()].into_iter()
            }
        };
        let mut failed = Vec::new();
        for message in messages {
            let result = results.next().unwrap_or_else(|| Err(Fault::soon("the worker did not answer for it")));
            if !self.done(&message, result, cx).await {
                failed.push(message.message_id.unwrap_or_default());
            }
        }
        failed
    }

    async fn run_each(
        &self,
        messages: Vec<SqsMessage>,
        cx: &Cx,
        on_message: &OnMessage,
        concurrency: usize,
    ) -> Vec<String> {
        let mut lanes: Vec<(String, Vec<SqsMessage>)> = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            let group = message.attributes.get("MessageGroupId").cloned().unwrap_or_else(|| format!("#{index}"));
            match lanes.iter_mut().find(|(name, _)| *name == group) {
                Some((_, lane)) => lane.push(message),
                None => lanes.push((group, vec![message])),
            }
        }
        let runs = lanes.into_iter().map(|(_, lane)| self.run_lane(lane, cx, on_message));
        let failed: Vec<Vec<String>> = stream::iter(runs).buffer_unordered(concurrency).collect().await;
        failed.into_iter().flatten().collect()
    }

    async fn run_lane(&self, lane: Vec<SqsMessage>, cx: &Cx, on_message: &OnMessage) -> Vec<String> {
        let mut failed = Vec::new();
        for message in lane {
            if !failed.is_empty() || !self.run_one(&message, cx, on_message).await {
                failed.push(message.message_id.unwrap_or_default());
            }
        }
        failed
    }

    /// Whether the message is done with.
    async fn run_one(&self, message: &SqsMessage, cx: &Cx, on_message: &OnMessage) -> bool {
        let (body, receives) = read(message);
        let work = AssertUnwindSafe(on_message(body, receives, cx.clone())).catch_unwind().await;
        let result =
            work.unwrap_or_else(|panic| Err(Fault::soon(format!("panic: {}", telemetry::panic_text(panic.as_ref())))));
        self.done(message, result, cx).await
    }

    /// Does what a result asks for. Whether the message is done with.
    async fn done(&self, message: &SqsMessage, result: Result<(), Fault>, cx: &Cx) -> bool {
        let id = message.message_id.as_deref().unwrap_or_default();
        match result {
            Ok(()) => true,
            Err(Fault::Permanent(reason)) => {
                cx.count("PermanentFailures", 1);
                cx.note(&format!("permanent.{id}"), reason);
                true
            }
            Err(Fault::Retry(after, reason)) => {
                cx.count("Retries", 1);
                cx.note(&format!("retry.{id}"), reason);
                self.hide(message, after).await;
                false
            }
            Err(Fault::Poison(reason)) => {
                cx.count("PoisonMessages", 1);
                cx.note(&format!("poison.{id}"), reason);
                self.bury(message).await
            }
        }
    }

    /// Makes the message come back after `after`; if that fails it comes back when its visibility time-out is over.
    async fn hide(&self, message: &SqsMessage, after: Duration) {
        let seconds = i32::try_from(after.as_secs()).unwrap_or(i32::MAX).min(12 * 3600);
        let change = self.queue.client().change_message_visibility().queue_url(self.queue.url());
        let handle = message.receipt_handle.clone().unwrap_or_default();
        let changed = change.receipt_handle(handle).visibility_timeout(seconds).send().await;
        drop(changed);
    }

    /// Keeps a message that nobody can read among the dead letters; when that fails it stays in the queue.
    async fn bury(&self, message: &SqsMessage) -> bool {
        let letter = Message {
            body: message.body.clone().unwrap_or_default(),
            delay: Duration::ZERO,
            group: message.attributes.get("MessageGroupId").cloned(),
            id: message.message_id.clone().unwrap_or_default(),
        };
        self.dead_letters.send(&[letter]).await.is_ok()
    }
}

/// The body of a message, and how often it was delivered.
fn read(message: &SqsMessage) -> (String, u32) {
    let receives = message.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1);
    (message.body.clone().unwrap_or_default(), receives)
}
