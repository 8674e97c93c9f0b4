//! The truth about the units, noted where they move: the innermost layer, which sees every write at the instant at which
//! the engine did it.
//!
//! It owns the number of units that can be held and of those that are not sold yet, through the whole run. It knows the
//! three writes of a shopper by their expressions; the run compares its numbers with the counters at the end, so that an
//! expression that was changed is no silent error. Every shopper wants one unit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{BoxFuture, Call, ConnectorFailure, Layer, Next, Reply};

/// See the module.
#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    available: i64,
    untaken: i64,
    /// Movements so far.
    steps: u64,
    /// The last of them that left nothing to hold.
    empty_after: Option<u64>,
    writes: Writes,
}

/// Writes that the engine was asked for, tries that were throttled left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// Holds, confirms and releases that were done.
    pub moves: u64,
    /// Writes that dropped old marks.
    pub prunes: u64,
    /// Writes whose condition failed.
    pub refused: u64,
}

impl Writes {
    /// All of them.
    pub fn all(self) -> u64 {
        self.moves.saturating_add(self.prunes).saturating_add(self.refused)
    }
}

/// A moment, as a number of movements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

#[derive(Clone, Copy)]
enum Write {
    Hold,
    Confirm,
    Release,
    Other,
}

impl Write {
    fn of(call: &Call) -> Option<Self> {
        if call.operation != "UpdateItem" {
            return None;
        }
        let update = call.json()["UpdateExpression"].as_str().unwrap_or_default();
        Some(if update.contains("available = available - :q") {
            Self::Hold
        } else if update.contains("taken = taken + holds.") {
            Self::Confirm
        } else if update.contains("available = available + holds.") {
            Self::Release
        } else {
            Self::Other
        })
    }
}

impl Ledger {
    /// Of an item with so many units.
    pub fn of(units: i64) -> Self {
        Self(Mutex::new(State { available: units, untaken: units, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, write: Write, done: bool) {
        let mut state = self.state();
        if !done {
            state.writes.refused = state.writes.refused.saturating_add(1);
            return;
        }
        let (available, untaken) = match write {
            Write::Hold => (-1, 0),
            Write::Confirm => (0, -1),
            Write::Release => (1, 0),
            Write::Other => {
                state.writes.prunes = state.writes.prunes.saturating_add(1);
                return;
            }
        };
        state.writes.moves = state.writes.moves.saturating_add(1);
        state.available = state.available.saturating_add(available);
        state.untaken = state.untaken.saturating_add(untaken);
        state.steps = state.steps.saturating_add(1);
        if state.available < 1 {
            state.empty_after = Some(state.steps);
        }
    }

    /// Now.
    pub fn moment(&self) -> Moment {
        Moment(self.state().steps)
    }

    /// Whether a unit could be held at every instant since then.
    pub fn had_some_since(&self, then: Moment) -> bool {
        self.state().empty_after.is_none_or(|step| step < then.0)
    }

    /// Units that can be held now, and units that are not sold yet.
    pub fn left(&self) -> (i64, i64) {
        let state = self.state();
        (state.available, state.untaken)
    }

    /// The writes so far.
    pub fn writes(&self) -> Writes {
        self.state().writes
    }
}

impl Layer for Ledger {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let write = Write::of(&call);
            let reply = next.run(call).await?;
            if let Some(write) = write {
                self.note(write, reply.is_success());
            }
            Ok(reply)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_whether_there_was_always_one() {
        let ledger = Ledger::of(1);
        let before = ledger.moment();
        assert!(ledger.had_some_since(before));
        ledger.note(Write::Hold, true);
        let empty = ledger.moment();
        assert!(!ledger.had_some_since(before) && !ledger.had_some_since(empty));
        ledger.note(Write::Hold, false);
        ledger.note(Write::Release, true);
        assert!(!ledger.had_some_since(before) && !ledger.had_some_since(empty), "it was empty meanwhile");
        assert!(ledger.had_some_since(ledger.moment()));
        ledger.note(Write::Hold, true);
        ledger.note(Write::Confirm, true);
        ledger.note(Write::Other, true);
        assert_eq!(ledger.left(), (0, 0));
        assert_eq!(ledger.writes(), Writes { moves: 4, prunes: 1, refused: 1 });
    }
}
