//! A layer between the SDK clients and the engine that lets calls suffer what they suffer in AWS, chosen by a seed.
//!
//! It owns the generator, the budget of faults and the trace of one simulation; the layers of all functions share them
//! and draw in the order of the calls, so that a seed is a run. It must never answer what AWS would not answer, nor
//! change a call that it lets through. Time is the runtime's: use it under [`crate::virtual_time::run`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use engine::{BoxFuture, Call, ConnectorFailure, Engine, Layer, Next, Reply, Service};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::virtual_time::{Digest, Random, VirtualClock};

pub(crate) mod replies;

use replies::{conflict, server_error, throttled};

/// How many lines of the trace are kept.
pub const LINES: usize = 400;

/// A late call is this many times as late as an answer is slow: up to about nine minutes.
const LATER: u32 = 64;

/// What a call suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It is slow on its way there or back, by 1 ms to 8 s, mostly a few milliseconds.
    Delayed,
    /// It never arrives; the caller sees a broken connection, or that nothing comes.
    RequestLost,
    /// It takes effect, and the caller sees the same as if it were lost.
    AnswerLost,
    /// Lost for the caller, and takes effect later, up to minutes, behind the caller's back. Only writes, and only when
    /// [`Faults::attach`] was called; otherwise it is lost.
    Late,
    /// It takes effect, and a second time later, up to minutes, behind the caller's back. Only writes, as [`Fault::Late`].
    Again,
    /// Refused for want of capacity, without effect.
    Throttled,
    /// Status 500, after which AWS promises nothing: half of them took effect.
    ServerError,
    /// A transaction was in the way. Only writes of items and transactions; other calls pass.
    Conflict,
    /// The invocation dies at this call, which may or may not have taken effect. See [`invocation`].
    Killed,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Delayed,
        Self::RequestLost,
        Self::AnswerLost,
        Self::Late,
        Self::Again,
        Self::Throttled,
        Self::ServerError,
        Self::Conflict,
        Self::Killed,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delayed => "delayed",
            Self::RequestLost => "request lost",
            Self::AnswerLost => "answer lost",
            Self::Late => "late",
            Self::Again => "again",
            Self::Throttled => "throttled",
            Self::ServerError => "server error",
            Self::Conflict => "conflict",
            Self::Killed => "killed",
        })
    }
}

/// How many calls of a thousand suffer each fault. Together they stay below 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// See [`Fault::Delayed`].
    pub delayed: u64,
    /// See [`Fault::RequestLost`].
    pub request_lost: u64,
    /// See [`Fault::AnswerLost`].
    pub answer_lost: u64,
    /// See [`Fault::Late`].
    pub late: u64,
    /// See [`Fault::Again`].
    pub again: u64,
    /// See [`Fault::Throttled`].
    pub throttled: u64,
    /// See [`Fault::ServerError`].
    pub server_error: u64,
    /// See [`Fault::Conflict`].
    pub conflict: u64,
    /// See [`Fault::Killed`].
    pub killed: u64,
}

impl Rates {
    /// No fault at all: the trace and its digest only.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A bad day in AWS: nine of a hundred calls suffer something, most of them a delay.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            delayed: 50,
            request_lost: 5,
            answer_lost: 5,
            late: 2,
            again: 8,
            throttled: 8,
            server_error: 5,
            conflict: 5,
            killed: 2,
        }
    }

    /// Worse than any day in AWS: five of ten calls suffer something.
    #[must_use]
    pub fn rough() -> Self {
        Self {
            delayed: 200,
            request_lost: 40,
            answer_lost: 40,
            late: 20,
            again: 60,
            throttled: 50,
            server_error: 30,
            conflict: 30,
            killed: 20,
        }
    }

    fn of(&self, fault: Fault) -> u64 {
        match fault {
            Fault::Delayed => self.delayed,
            Fault::RequestLost => self.request_lost,
            Fault::AnswerLost => self.answer_lost,
            Fault::Late => self.late,
            Fault::Again => self.again,
            Fault::Throttled => self.throttled,
            Fault::ServerError => self.server_error,
            Fault::Conflict => self.conflict,
            Fault::Killed => self.killed,
        }
    }
}

/// The faults of one simulation. A clone is the same.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    clock: VirtualClock,
    engine: OnceLock<Engine>,
    state: Mutex<State>,
    /// How many late calls have not arrived.
    under_way: watch::Sender<usize>,
}

struct State {
    random: Random,
    rates: Rates,
    budget: u64,
    counts: BTreeMap<Fault, u64>,
    calls: u64,
    digest: Digest,
    lines: VecDeque<String>,
}

/// What was drawn for one call. Every call draws the same amount, so that a change of the rates alone moves no later draw.
#[derive(Clone, Copy)]
struct Plan {
    number: u64,
    fault: Option<Fault>,
    wait: Duration,
    heads: bool,
    pick: u64,
}

impl Faults {
    /// Faults drawn from a seed; after `budget` of them only delays and second deliveries are left, which
    /// do not count, so that runs end.
    #[must_use]
    pub fn new(seed: u64, rates: Rates, budget: u64, clock: VirtualClock) -> Self {
        let state = State {
            random: Random::stream(seed, "faults"),
            rates,
            budget,
            counts: BTreeMap::new(),
            calls: 0,
            digest: Digest::default(),
            lines: VecDeque::new(),
        };
        let under_way = watch::Sender::new(0);
        Self(Arc::new(Inner { clock, engine: OnceLock::new(), state: Mutex::new(state), under_way }))
    }

    /// The layer for one function, or for anything else that makes calls under a name.
    #[must_use]
    pub fn layer(&self, function: &str) -> Arc<dyn Layer> {
        Arc::new(Around { function: function.to_owned(), faults: self.clone() })
    }

    /// Lets calls arrive late: they go to this engine, past all layers. Only the first engine counts.
    pub fn attach(&self, engine: &Engine) {
        let _ = self.0.engine.set(engine.clone());
    }

    /// Other rates from now on.
    pub fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    /// No new faults from now on: what drains a shop at the end. The dead stay dead; what is late still arrives.
    pub fn stop(&self) {
        self.set_rates(Rates::none());
    }

    /// Waits until no late call is under way.
    pub async fn settled(&self) {
        let mut under_way = self.0.under_way.subscribe();
        // It cannot fail: the sender lives as long as `self`.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How often each fault came.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        self.state().counts.clone()
    }

    /// A digest of the whole trace, with what became of each call and when: two runs that agree in it were the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state().digest.value()
    }

    /// The last lines of the trace, one a call: virtual time, function, operation, what it was about, fault, answer.
    #[must_use]
    pub fn tail(&self) -> String {
        self.state().lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, function: &str, call: &Call) -> Plan {
        let late = self.0.engine.get().is_some();
        let mut state = self.state();
        let plan = state.plan(call, late);
        let fault = plan.fault.map(|fault| format!(" [{fault}]")).unwrap_or_default();
        let line = format!("{} {function} {} {}{fault}", seconds(self.0.clock), call.operation, about(call));
        state.write(line);
        plan
    }

    fn end(&self, plan: Plan, outcome: &Result<Reply, ConnectorFailure>) {
        let outcome = match outcome {
            Ok(reply) if reply.is_success() => reply.status.to_string(),
            Ok(reply) => reply.error_code().unwrap_or_else(|| reply.status.to_string()),
            Err(failure) => failure.to_string(),
        };
        let now = seconds(self.0.clock);
        let mut state = self.state();
        state.digest.add(format!("{} {now} {outcome}\n", plan.number).as_bytes());
        let kept = u64::try_from(state.lines.len()).unwrap_or_default();
        let index = plan.number.checked_sub(state.calls.saturating_sub(kept));
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(line) = index.and_then(|index| state.lines.get_mut(index)) {
            *line += &format!(" -> {outcome} at {}", now.trim_start());
        }
    }

    /// Sends a call after a while, on a task of its own: the caller may be gone by then.
    fn send_late(&self, plan: Plan, call: &Call) {
        let Some(engine) = self.0.engine.get().cloned() else { return };
        let target = format!("{}.{}", call.service.target_prefix(), call.operation);
        let (body, faults, mut wait) = (call.body().clone(), self.clone(), plan.wait.saturating_mul(LATER));
        if plan.fault == Some(Fault::Again) {
            // Mostly when what it did has been undone or forgotten.
            wait = wait.saturating_add(Duration::from_secs(plan.pick % 32));
        }
        self.0.under_way.send_modify(|count| *count = count.saturating_add(1));
        tokio::spawn(async move {
            sleep(wait).await;
            let reply = engine.handle(&target, body).await;
            faults.end(plan, &Ok(reply));
            faults.0.under_way.send_modify(|count| *count = count.saturating_sub(1));
        });
    }
}

impl State {
    fn plan(&mut self, call: &Call, late: bool) -> Plan {
        let mut draw = self.random.below(1000);
        let (wait, pick) = (self.wait(), self.random.draw());
        let heads = pick.is_multiple_of(2);
        let mut fault = Fault::ALL.into_iter().find(|fault| {
            let rate = self.rates.of(*fault);
            let hit = draw < rate;
            draw = draw.saturating_sub(rate);
            hit
        });
        if fault == Some(Fault::Conflict) && !may_conflict(call) {
            fault = None;
        }
        if fault == Some(Fault::Late) && !(late && has_effect(call)) {
            fault = Some(Fault::RequestLost);
        }
        if fault == Some(Fault::Again) && !(late && has_effect(call)) {
            fault = None;
        }
        if fault.is_some_and(|fault| fault != Fault::Delayed && fault != Fault::Again) {
            fault = fault.filter(|_| self.budget > 0);
            self.budget = self.budget.saturating_sub(1);
        }
        if let Some(fault) = fault {
            let count = self.counts.entry(fault).or_default();
            *count = count.saturating_add(1);
        }
        Plan { number: self.calls, fault, wait, heads, pick }
    }

    /// From 1 ms to 8 s: each doubling is three quarters as likely as the one before.
    fn wait(&mut self) -> Duration {
        let coins = self.random.draw() & self.random.draw();
        let base = 1_u64 << coins.trailing_zeros().min(12);
        Duration::from_millis(base.saturating_add(self.random.below(base)))
    }

    fn write(&mut self, line: String) {
        self.digest.add(line.as_bytes());
        self.calls = self.calls.saturating_add(1);
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

fn seconds(clock: VirtualClock) -> String {
    let elapsed = clock.elapsed();
    format!("{:>5}.{:03}", elapsed.as_secs(), elapsed.subsec_millis())
}

/// One function's faults.
struct Around {
    function: String,
    faults: Faults,
}

impl Layer for Around {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let life = INVOCATION.try_with(Arc::clone).ok();
            if life.as_ref().is_some_and(|life| life.dead.load(Ordering::SeqCst)) {
                return pending().await;
            }
            let plan = self.faults.begin(&self.function, &call);
            if plan.fault == Some(Fault::Killed) {
                if plan.heads {
                    let outcome = next.run(call).await;
                    self.faults.end(plan, &outcome);
                }
                if let Some(life) = life {
                    life.end();
                }
                return pending().await;
            }
            let outcome = self.suffer(plan, call, next).await;
            if plan.fault != Some(Fault::Late) {
                self.faults.end(plan, &outcome);
            }
            outcome
        })
    }
}

impl Around {
    async fn suffer(&self, plan: Plan, call: Call, next: Next<'_>) -> Result<Reply, ConnectorFailure> {
        match plan.fault {
            None | Some(Fault::Killed) => next.run(call).await,
            Some(Fault::Delayed) if plan.heads => {
                sleep(plan.wait).await;
                next.run(call).await
            }
            Some(Fault::Delayed) => {
                let outcome = next.run(call).await;
                sleep(plan.wait).await;
                outcome
            }
            Some(Fault::RequestLost) => silence(plan).await,
            Some(Fault::AnswerLost) => {
                next.run(call).await?;
                silence(plan).await
            }
            Some(Fault::Late) => {
                self.faults.send_late(plan, &call);
                silence(plan).await
            }
            Some(Fault::Again) => {
                self.faults.send_late(plan, &call);
                next.run(call).await
            }
            Some(Fault::Throttled) => Ok(throttled(&call, plan.heads)),
            Some(Fault::ServerError) => {
                let service = call.service;
                if plan.heads {
                    next.run(call).await?;
                }
                Ok(server_error(service))
            }
            Some(Fault::Conflict) => Ok(conflict(&call, plan.pick)),
        }
    }
}

/// What a caller sees of a call that got lost.
async fn silence(plan: Plan) -> Result<Reply, ConnectorFailure> {
    if plan.heads {
        return Err(ConnectorFailure::Connection("reset by peer".into()));
    }
    sleep(plan.wait).await;
    Err(ConnectorFailure::Timeout("nothing came".into()))
}

/// The life of one invocation.
#[derive(Default)]
struct Life {
    dead: AtomicBool,
    ended: Notify,
}

impl Life {
    fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.ended.notify_one();
    }
}

tokio::task_local! {
    static INVOCATION: Arc<Life>;
}

/// Runs one invocation, which [`Fault::Killed`] may end: from that call on nothing of the future runs any more, it is
/// dropped, and this one stays pending for ever, so that only a time-out around it ends it. Scopes may be nested (a
/// function that invokes another): the inner dies alone.
///
/// It reaches what is joined inside, not tasks that are spawned inside. Outside of any invocation `Killed` makes one call
/// hang, which the SDK's own time-out ends and its retry repeats.
pub async fn invocation<F: Future>(future: F) -> F::Output {
    let life = Arc::new(Life::default());
    let running = INVOCATION.scope(life.clone(), future);
    let ended = tokio::select! {
        biased;
        () = life.ended.notified() => None,
        output = running => Some(output),
    };
    match ended {
        Some(output) => output,
        None => pending().await,
    }
}

const WRITES: [&str; 3] = ["PutItem", "UpdateItem", "DeleteItem"];
const TRANSACTIONS: [&str; 2] = ["TransactWriteItems", "TransactGetItems"];

fn may_conflict(call: &Call) -> bool {
    let operation = call.operation.as_str();
    call.service == Service::DynamoDb && (WRITES.contains(&operation) || TRANSACTIONS.contains(&operation))
}

fn has_effect(call: &Call) -> bool {
    let operation = call.operation.as_str();
    match call.service {
        Service::DynamoDb => {
            WRITES.contains(&operation) || ["BatchWriteItem", "TransactWriteItems"].contains(&operation)
        }
        Service::Sqs => operation.starts_with("Send") || operation.starts_with("Delete"),
        _ => false,
    }
}

/// What a call is about, short and the same in every run: the table without its prefix and the key, the queue, the id.
fn about(call: &Call) -> String {
    let body = call.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    match call.service {
        Service::DynamoDb => match call.operation.as_str() {
            "TransactWriteItems" | "TransactGetItems" => {
                let actions = body["TransactItems"].as_array().into_iter().flatten();
                let actions = actions.filter_map(Value::as_object).flat_map(|action| action.values());
                actions.map(item).collect::<Vec<_>>().join(" + ")
            }
            "BatchGetItem" | "BatchWriteItem" => {
                let tables = body["RequestItems"].as_object().into_iter().flatten();
                tables.map(|(table, wanted)| format!("{} x{}", short(table), count(wanted))).collect()
            }
            _ => item(body),
        },
        Service::Sqs => text("QueueUrl").rsplit('/').next().unwrap_or_default().to_owned(),
        _ => format!("{}{}", text("KeyId"), text("SecretId")),
    }
}

/// A table and a key: of an item that is put, what stands under the shop's names for keys.
fn item(action: &Value) -> String {
    let key = action["Key"].as_object().into_iter().flatten().map(|(_, value)| value);
    let put = ["pk", "sk"].into_iter().filter_map(|name| action["Item"].get(name));
    let values = key.chain(put).filter_map(|value| value["S"].as_str().or(value["N"].as_str()));
    let key = values.collect::<Vec<_>>().join("/");
    format!("{}/{key}", short(action["TableName"].as_str().unwrap_or_default()))
}

fn count(wanted: &Value) -> usize {
    wanted["Keys"].as_array().or(wanted.as_array()).map_or(0, Vec::len)
}

/// A table's name without its stage, which may be random in tests.
fn short(table: &str) -> &str {
    table.rsplit('-').next().unwrap_or(table)
}

#[cfg(test)]
mod tests;
