//! A circuit breaker: a far end that fails or dawdles too often is left alone for a while, and callers are told at once
//! instead of waiting out its time-outs.
//!
//! Each sandbox learns by itself: nothing is shared, so nothing is read or written for it. A sandbox serves one caller at a
//! time, so at worst each of them waits three time-outs before it stops asking.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Timestamp;

use crate::Clock;

/// How many calls are looked back on.
const WINDOW: usize = 20;
/// Fewer calls than this say nothing.
const LEAST: usize = 3;
/// It opens when so many of a hundred calls went badly.
const BAD_PERCENT: usize = 50;
/// How long the far end is left alone before one call tries it again.
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

/// A breaker that calls go through.
pub struct Guard {
    clock: Arc<dyn Clock>,
    slow: Duration,
    breaker: Mutex<Breaker>,
}

/// A call under way. One that is dropped before its answer, since nobody waits any longer, went badly.
struct Trial<'a> {
    guard: &'a Guard,
    began: Timestamp,
    over: bool,
}

impl Trial<'_> {
    fn ends(mut self, bad: bool) {
        let now = self.guard.clock.now();
        self.over = true;
        self.guard.lock().note(bad || now.since(self.began) > self.guard.slow, now);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.guard.lock().note(true, self.guard.clock.now());
        }
    }
}

impl Guard {
    /// Closed. An answer that took longer than `slow` counts as a bad one.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, slow: Duration) -> Self {
        Self { clock, slow, breaker: Mutex::new(Breaker::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the breaker stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().state()
    }

    /// Makes a call and notes how it went. `None`: the breaker is open, and nothing was done.
    pub async fn call<T>(&self, call: impl Future<Output = T> + Send, bad: impl Fn(&T) -> bool) -> Option<T> {
        let began = self.clock.now();
        if !self.lock().admits(began) {
            return None;
        }
        let trial = Trial { guard: self, began, over: false };
        let answer = call.await;
        trial.ends(bad(&answer));
        Some(answer)
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
