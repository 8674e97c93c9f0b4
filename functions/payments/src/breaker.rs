//! A circuit breaker around a provider: when it fails or dawdles too often, it is left alone for a while, and shoppers are
//! told at once to wait instead of waiting out its time-outs.
//!
//! Each sandbox learns by itself: nothing is shared, so nothing is read or written for it. A sandbox serves one shopper at a
//! time, so at worst each of them waits three time-outs before it stops asking.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{BoxFuture, Clock};
use kernel::{Money, Timestamp};

use crate::provider::{Answer, Event, EventError, Intent, Provider, ProviderError, Refund, RefundOutcome};

/// How many calls are looked back on.
const WINDOW: usize = 20;
/// Fewer calls than this say nothing.
const LEAST: usize = 3;
/// It opens when so many of a hundred calls went badly.
const BAD_PERCENT: usize = 50;
/// An answer that took longer counts as a bad one.
const SLOW: Duration = Duration::from_secs(5);
/// How long the provider is left alone before one call tries it again.
const REST: Duration = Duration::from_secs(5);

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    Closed,
    /// No call goes through before this moment.
    Open {
        /// When one call tries again.
        until: Timestamp,
    },
    /// One call tries; its answer decides.
    HalfOpen,
}

/// The breaker, pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    bad: VecDeque<bool>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, bad: VecDeque::with_capacity(WINDOW) }
    }
}

impl Breaker {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a call may go through now. Of an open breaker whose rest is over the first caller tries, and no other.
    pub fn admits(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Closed => true,
            State::HalfOpen => false,
            State::Open { until } => {
                let over = now >= until;
                if over {
                    self.state = State::HalfOpen;
                }
                over
            }
        }
    }

    /// Notes how a call that was let through went.
    pub fn note(&mut self, bad: bool, now: Timestamp) {
        if self.state == State::HalfOpen {
            self.bad.clear();
            self.state = if bad { State::Open { until: now.after(REST) } } else { State::Closed };
            return;
        }
        if self.bad.len() == WINDOW {
            self.bad.pop_front();
        }
        self.bad.push_back(bad);
        let worst = self.bad.iter().filter(|bad| **bad).count();
        if self.bad.len() >= LEAST && worst * 100 >= self.bad.len() * BAD_PERCENT {
            self.bad.clear();
            self.state = State::Open { until: now.after(REST) };
        }
    }
}

/// A provider behind a breaker.
pub struct Guarded {
    provider: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
}

/// A call under way. One that is dropped before its answer, since nobody waits any longer, went badly.
struct Trial<'a> {
    guarded: &'a Guarded,
    began: Timestamp,
    over: bool,
}

impl Trial<'_> {
    fn ends(mut self, bad: bool) {
        let now = self.guarded.clock.now();
        self.over = true;
        self.guarded.lock().note(bad || now.since(self.began) > SLOW, now);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.guarded.lock().note(true, self.guarded.clock.now());
        }
    }
}

impl Guarded {
    /// Around a provider.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, clock, breaker: Mutex::new(Breaker::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the breaker stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().state()
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, ProviderError>> + Send) -> Result<T, ProviderError> {
        let began = self.clock.now();
        if !self.lock().admits(began) {
            return Err(ProviderError::Open);
        }
        let trial = Trial { guarded: self, began, over: false };
        let answer = call.await;
        trial.ends(matches!(answer, Err(ProviderError::NoAnswer(_))));
        answer
    }
}

impl Provider for Guarded {
    fn charge<'a>(&'a self, intent: &'a Intent, token: &'a str) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.charge(intent, token)))
    }

    fn retrieve<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.retrieve(intent)))
    }

    fn cancel<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.cancel(intent)))
    }

    fn capture<'a>(&'a self, intent: &'a Intent, amount: Money) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.capture(intent, amount)))
    }

    fn refund<'a>(
        &'a self,
        intent: &'a Intent,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundOutcome, ProviderError>> {
        Box::pin(self.ask(self.provider.refund(intent, refund)))
    }

    fn event<'a>(
        &'a self,
        signature: &'a str,
        body: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Event, EventError>> {
        self.provider.event(signature, body, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn it_opens_on_many_failures_and_closes_on_one_answer() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            assert!(breaker.admits(at(0)));
            breaker.note(false, at(0));
        }
        for _ in 0..9 {
            breaker.note(true, at(1));
            assert!(breaker.admits(at(1)), "nine of nineteen are not yet half");
        }
        breaker.note(true, at(1));
        assert_eq!(breaker.state(), State::Open { until: at(6) });
        assert!(!breaker.admits(at(5)));
        assert!(breaker.admits(at(6)), "one tries");
        assert!(!breaker.admits(at(6)), "and no other");
        breaker.note(true, at(7));
        assert!(!breaker.admits(at(11)));
        assert!(breaker.admits(at(12)));
        breaker.note(false, at(12));
        assert_eq!(breaker.state(), State::Closed);
        assert!(breaker.admits(at(12)));
    }

    #[test]
    fn few_calls_say_nothing() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.note(true, at(0));
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.note(true, at(0));
        assert_ne!(breaker.state(), State::Closed);
    }
}
