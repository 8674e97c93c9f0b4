//! Declaring a function that no route leads to: a queue's worker, a stream's relay, a schedule.

use std::sync::Arc;
use std::time::Duration;

use aws::{BoxFuture, Capability, Grant, Platform, QueueSpec, Resource, TableSpec};
use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::sqs::SqsEvent;
use kernel::Timestamp;
use lambda_runtime::Context;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::batch::{Delivery, Fault, Handler, OnMessage, OnMessages, StreamFailure, Worker};
use crate::call::Cx;
use crate::event::{Change, Envelope};
use crate::function::{BoxError, Connect, Function, Invoke, Trigger};
use crate::telemetry::{self, Outcome};

/// A function without a route, under declaration.
pub struct Consumer {
    name: &'static str,
    summary: &'static str,
    batch_size: u32,
    concurrency: usize,
}

impl Consumer {
    /// A consumer of a name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, summary: "", batch_size: 10, concurrency: 4 }
    }

    /// One sentence for documents.
    #[must_use]
    pub fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    /// The most records a batch.
    #[must_use]
    pub fn batch(mut self, size: u32) -> Self {
        self.batch_size = size;
        self
    }

    /// How many messages of a batch run at once.
    #[must_use]
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.concurrency = messages;
        self
    }

    fn function(&self, trigger: Trigger, grants: Vec<Grant>, connect: Connect) -> Function {
        Function {
            name: self.name,
            binary: self.name,
            summary: self.summary,
            trigger,
            memory_mb: 256,
            timeout_s: 30,
            grants: aws::grants::union(grants),
            alarms: Vec::new(),
            connect,
        }
    }

    /// Ends the declaration: works through a queue with an `async fn(Delivery<T>, Capabilities)`.
    #[must_use]
    pub fn queue<T, C, F, Fut>(self, queue: &'static QueueSpec, handler: F) -> Function
    where
        T: DeserializeOwned + Send + 'static,
        C: Capability,
        F: Fn(Delivery<T>, C) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let concurrency = self.concurrency;
        let connect: Connect = Arc::new(move |platform| {
            let capabilities = C::connect(platform)?;
            let on_message: OnMessage = Arc::new(move |body, receives, cx| {
                let capabilities = capabilities.clone();
                let event =
                    serde_json::from_str::<Envelope<T>>(&body).map_err(|error| Fault::Poison(error.to_string()));
                Box::pin(async move { handler(Delivery { event: event?, receives, cx }, capabilities).await })
            });
            let dead_letters = platform.dead_letters(queue);
            let handler = Handler::Each { on_message, concurrency };
            let worker = Worker { queue: platform.queue(queue), dead_letters, handler };
            Ok(queue_invoke(platform.clone(), queue.name, Arc::new(worker)))
        });
        self.of_queue(queue, C::grants(), connect)
    }

    /// Ends the declaration: works through a queue a batch at a time, with an
    /// `async fn(Vec<Delivery<T>>, Capabilities) -> Vec<Result<(), Fault>>` that answers for each, in order. For work that is
    /// much cheaper for many at once.
    #[must_use]
    pub fn queue_together<T, C, F, Fut>(self, queue: &'static QueueSpec, handler: F) -> Function
    where
        T: DeserializeOwned + Send + 'static,
        C: Capability,
        F: Fn(Vec<Delivery<T>>, C) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Vec<Result<(), Fault>>> + Send + 'static,
    {
        let connect: Connect = Arc::new(move |platform| {
            let capabilities = C::connect(platform)?;
            let on_messages: OnMessages = Arc::new(move |bodies, cx| {
                let capabilities = capabilities.clone();
                Box::pin(async move {
                    let (mut deliveries, mut answers) = (Vec::new(), Vec::new());
                    for (body, receives) in bodies {
                        match serde_json::from_str::<Envelope<T>>(&body) {
                            Ok(event) => {
                                deliveries.push(Delivery { event, receives, cx: cx.clone() });
                                answers.push(None);
                            }
                            Err(error) => answers.push(Some(Err(Fault::Poison(error.to_string())))),
                        }
                    }
                    let mut handled = match deliveries.is_empty() {
                        true => Vec::new(),
                        false => handler(deliveries, capabilities).await,
                    }
                    .into_iter();
                    let missing = || Err(Fault::soon("the worker did not answer for it"));
                    let of =
                        |known: Option<Result<(), Fault>>| known.or_else(|| handled.next()).unwrap_or_else(missing);
                    answers.into_iter().map(of).collect()
                })
            });
            let (dead_letters, handler) = (platform.dead_letters(queue), Handler::Together(on_messages));
            let worker = Worker { queue: platform.queue(queue), dead_letters, handler };
            Ok(queue_invoke(platform.clone(), queue.name, Arc::new(worker)))
        });
        self.of_queue(queue, C::grants(), connect)
    }

    fn of_queue(self, queue: &'static QueueSpec, grants: Vec<Grant>, connect: Connect) -> Function {
        let receiving =
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];
        let own = [
            Grant::new(&receiving, Resource::Queue { name: queue.name }),
            Grant::new(&["sqs:SendMessage"], Resource::DeadLetters { name: queue.name }),
        ];
        let grants = grants.into_iter().chain(own).collect();
        self.function(Trigger::Queue { queue, batch_size: self.batch_size, max_concurrency: 20 }, grants, connect)
    }

    /// Ends the declaration: carries on a table's changes with an `async fn(Vec<Change>, Cx, Capabilities)`.
    #[must_use]
    pub fn stream<C, F, Fut>(self, table: &'static TableSpec, handler: F) -> Function
    where
        C: Capability,
        F: Fn(Vec<Change>, Cx, C) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), StreamFailure>> + Send + 'static,
    {
        let connect: Connect = Arc::new(move |platform| {
            let (handler, capabilities) = (handler.clone(), C::connect(platform)?);
            let on_batch: OnBatch = Arc::new(move |changes, cx| Box::pin(handler(changes, cx, capabilities.clone())));
            Ok(stream_invoke(platform.clone(), table.name, on_batch))
        });
        let reading = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
        let own = Grant::new(&reading, Resource::Stream { table: table.name });
        let grants = C::grants().into_iter().chain([own]).collect();
        self.function(Trigger::Stream { table, batch_size: self.batch_size }, grants, connect)
    }

    /// Ends the declaration: runs by a clock, with an `async fn(Cx, Capabilities)`.
    #[must_use]
    pub fn schedule<C, F, Fut>(self, expression: &'static str, handler: F) -> Function
    where
        C: Capability,
        F: Fn(Cx, C) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let connect: Connect = Arc::new(move |platform| {
            let capabilities = C::connect(platform)?;
            let tick: Tick = Arc::new(move |cx| Box::pin(handler(cx, capabilities.clone())));
            Ok(schedule_invoke(platform.clone(), expression, tick))
        });
        self.function(Trigger::Schedule { expression }, C::grants(), connect)
    }
}

type OnBatch = Arc<dyn Fn(Vec<Change>, Cx) -> BoxFuture<'static, Result<(), StreamFailure>> + Send + Sync>;
type Tick = Arc<dyn Fn(Cx) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync>;

fn context(platform: &Platform, context: &Context) -> Cx {
    let started = platform.clock().now();
    let deadline = match context.deadline {
        // Where Lambda sends a point in time, cargo-lambda sends the span of ten minutes.
        0..=600_000 => started.after(Duration::from_secs(30)),
        millis => Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)),
    };
    Cx::of_work(platform, &context.request_id, deadline)
}

fn queue_invoke(platform: Platform, name: &'static str, worker: Arc<Worker>) -> Invoke {
    Arc::new(move |event, context_| {
        let (platform, worker) = (platform.clone(), worker.clone());
        Box::pin(async move {
            let messages = serde_json::from_str::<SqsEvent>(&event)?.records;
            let cx = context(&platform, &context_);
            cx.note("records", messages.len());
            let failed = worker.run(messages, &cx).await;
            cx.note("failed", failed.len());
            let outcome = Outcome { status: if failed.is_empty() { 200 } else { 207 }, code: None, internal: None };
            telemetry::report(&cx, &context_, name, false, &outcome);
            let failures: Vec<_> = failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
            Ok::<_, BoxError>(json!({ "batchItemFailures": failures }).to_string())
        })
    })
}

fn stream_invoke(platform: Platform, name: &'static str, on_batch: OnBatch) -> Invoke {
    Arc::new(move |event, context_| {
        let (platform, on_batch) = (platform.clone(), on_batch.clone());
        Box::pin(async move {
            let records = serde_json::from_str::<StreamEvent>(&event)?.records;
            let cx = context(&platform, &context_);
            cx.note("records", records.len());
            let numbers: Vec<String> =
                records.iter().map(|record| record.change.sequence_number.clone().unwrap_or_default()).collect();
            let changes: Vec<Change> = records.into_iter().map_while(Change::read).collect();
            let readable = changes.len();
            let mut result = on_batch(changes, cx.clone()).await;
            if result.is_ok() && readable < numbers.len() {
                result = Err(StreamFailure { at: readable, reason: "a record of an unknown kind".into() });
            }
            let outcome = Outcome {
                status: if result.is_ok() { 200 } else { 500 },
                code: None,
                internal: result.as_ref().err().map(|failure| failure.reason.clone()),
            };
            telemetry::report(&cx, &context_, name, false, &outcome);
            let failed = result.err().and_then(|failure| numbers.get(failure.at).cloned());
            let failures: Vec<_> = failed.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
            Ok::<_, BoxError>(json!({ "batchItemFailures": failures }).to_string())
        })
    })
}

fn schedule_invoke(platform: Platform, name: &'static str, tick: Tick) -> Invoke {
    Arc::new(move |_, context_| {
        let (platform, tick) = (platform.clone(), tick.clone());
        Box::pin(async move {
            let cx = context(&platform, &context_);
            let result = tick(cx.clone()).await;
            let reason = result.as_ref().err().map(|fault| format!("{fault:?}"));
            let status = if result.is_ok() { 200 } else { 500 };
            telemetry::report(&cx, &context_, name, false, &Outcome { status, code: None, internal: reason.clone() });
            match reason {
                None => Ok::<_, BoxError>("null".to_owned()),
                Some(reason) => Err(reason.into()),
            }
        })
    })
}
