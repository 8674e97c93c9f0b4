//! The bounded counter with holds: stock, coupon budgets, gift cards and refundable amounts are all this.
//!
//! Many callers draw on one bounded quantity. A hold takes units out of `available` for an operation; the operation's own
//! record, decided once elsewhere, later confirms or releases it. Each command is one conditional write on one item, so
//! this state and these rules are also what a DynamoDB item holds and what its condition expressions say; the pure form is
//! what the model checker and the property tests run, and what explains a failed condition.
//!
//! Invariants, after every command: `available + Σ holds + taken = received` and `available ≥ 0`.
//! It must never: hold twice for one operation, or hold again for one that was done, however late a duplicate comes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{DONE_MARK, HOLDS_PER_COUNTER, PRUNE_BATCH, RECEIPT_MARK};
use crate::time::Timestamp;

/// Units taken out of `available` for one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// How many units.
    #[serde(rename = "q")]
    pub quantity: u32,
    /// When it may be tried to expire, in milliseconds since the epoch. It decides nothing.
    #[serde(rename = "d")]
    pub deadline: i64,
}

/// A movement that staff or another system made: it has no record of its own, so its mark stays a day and knows the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// When it was made, in milliseconds since the epoch.
    #[serde(rename = "t")]
    pub at: i64,
    /// The digest of the request: the same operation with another one is refused.
    #[serde(rename = "f")]
    pub fingerprint: String,
}

/// The state of a counter; times are milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Counter {
    /// Everything that ever came in, less what was adjusted away.
    pub received: i64,
    /// What can be held now.
    pub available: i64,
    /// What was confirmed.
    pub taken: i64,
    /// Operation → its hold.
    #[serde(default)]
    pub holds: BTreeMap<String, Hold>,
    /// Operation → when it was done: the later of that moment and its record's creation.
    #[serde(default)]
    pub done: BTreeMap<String, i64>,
    /// Movements of the last day that had no record of their own, by operation.
    #[serde(default)]
    pub receipts: BTreeMap<String, Receipt>,
    /// The newest mark that was pruned: whatever was created at or before it is too old to hold.
    #[serde(default)]
    pub floor: i64,
    /// Rises whenever units come (back) in: two empty looks with the same `inc` between them mean sold out.
    #[serde(default)]
    pub inc: i64,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It changed the counter.
    Applied,
    /// It had been applied before; nothing changed.
    Already,
    /// Refused; nothing changed.
    Refused(Refusal),
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Fewer units are available than asked for.
    TooFew {
        /// What is available.
        available: i64,
    },
    /// The operation was confirmed or released here before: its record says which.
    Done,
    /// The operation is so old that its mark may have been pruned.
    TooOld,
    /// The counter carries as many holds as it may.
    TooManyHolds,
    /// There is no hold of this operation.
    NoHold,
    /// The operation was used for another request.
    OtherRequest,
}

impl Counter {
    /// Units in holds.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.holds.values().map(|hold| i64::from(hold.quantity)).sum()
    }

    /// Whether the books balance: the invariant of every counter at every instant.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.available >= 0 && self.taken >= 0 && self.available + self.held() + self.taken == self.received
    }

    /// What a hold would answer: `Ok` when it would be applied. It also explains a condition that failed on this state.
    pub fn check_hold(&self, op: &str, quantity: u32, created: Timestamp) -> Result<(), Outcome> {
        if self.holds.contains_key(op) {
            return Err(Outcome::Already);
        }
        let refusal = if self.done.contains_key(op) {
            Refusal::Done
        } else if created.millis() <= self.floor {
            Refusal::TooOld
        } else if self.available < i64::from(quantity) {
            Refusal::TooFew { available: self.available }
        } else if self.holds.len() >= HOLDS_PER_COUNTER {
            Refusal::TooManyHolds
        } else {
            return Ok(());
        };
        Err(Outcome::Refused(refusal))
    }

    /// Takes units out of `available` for an operation whose record was created at `created`.
    pub fn hold(&mut self, op: &str, quantity: u32, deadline: Timestamp, created: Timestamp) -> Outcome {
        if let Err(outcome) = self.check_hold(op, quantity, created) {
            return outcome;
        }
        self.available -= i64::from(quantity);
        self.holds.insert(op.to_owned(), Hold { quantity, deadline: deadline.millis() });
        Outcome::Applied
    }

    /// The record says committed: the held units are taken. `mark` is the later of now and the record's creation.
    pub fn confirm(&mut self, op: &str, mark: Timestamp) -> Outcome {
        let Some(hold) = self.holds.remove(op) else { return self.without_hold(op) };
        self.taken += i64::from(hold.quantity);
        self.done.insert(op.to_owned(), mark.millis());
        Outcome::Applied
    }

    /// The record says expired or cancelled: the held units are available again.
    pub fn release(&mut self, op: &str, mark: Timestamp) -> Outcome {
        let Some(hold) = self.holds.remove(op) else { return self.without_hold(op) };
        self.available += i64::from(hold.quantity);
        self.inc += 1;
        self.done.insert(op.to_owned(), mark.millis());
        Outcome::Applied
    }

    /// What a confirm or release without a hold means: done before, or never held here.
    #[must_use]
    pub fn without_hold(&self, op: &str) -> Outcome {
        if self.done.contains_key(op) { Outcome::Already } else { Outcome::Refused(Refusal::NoHold) }
    }

    /// What an adjustment would answer: `Ok` when it would be applied. It also explains a condition that failed.
    pub fn check_adjust(&self, op: &str, quantity: i64, fingerprint: &str) -> Result<(), Outcome> {
        match self.receipts.get(op) {
            Some(receipt) if receipt.fingerprint == fingerprint => Err(Outcome::Already),
            Some(_) => Err(Outcome::Refused(Refusal::OtherRequest)),
            None if self.available + quantity < 0 => {
                Err(Outcome::Refused(Refusal::TooFew { available: self.available }))
            }
            None => Ok(()),
        }
    }

    /// Units come in (`quantity > 0`) or are written off (`quantity < 0`), never below what is held.
    pub fn adjust(&mut self, op: &str, quantity: i64, fingerprint: &str, now: Timestamp) -> Outcome {
        if let Err(outcome) = self.check_adjust(op, quantity, fingerprint) {
            return outcome;
        }
        self.received += quantity;
        self.available += quantity;
        self.inc += 1;
        self.receipts.insert(op.to_owned(), Receipt { at: now.millis(), fingerprint: fingerprint.to_owned() });
        Outcome::Applied
    }

    /// The receipts that may go at `now`: they guard against repeated requests, and no client repeats one after a day.
    #[must_use]
    pub fn prunable_receipts(&self, now: Timestamp) -> Vec<String> {
        let age = i64::try_from(RECEIPT_MARK.as_millis()).unwrap_or(i64::MAX);
        let old = self.receipts.iter().filter(|(_, receipt)| receipt.at.saturating_add(age) <= now.millis());
        old.map(|(op, _)| op.clone()).take(PRUNE_BATCH).collect()
    }

    /// The marks that may go at `now`, oldest first and at most a batch, and the floor that must rise with them.
    /// `None` when there is nothing to prune.
    #[must_use]
    pub fn prunable(&self, now: Timestamp) -> Option<(Vec<String>, i64)> {
        let age = i64::try_from(DONE_MARK.as_millis()).unwrap_or(i64::MAX);
        let mut old: Vec<(i64, &String)> = self
            .done
            .iter()
            .map(|(op, at)| (*at, op))
            .filter(|(at, _)| at.saturating_add(age) <= now.millis())
            .collect();
        old.sort_unstable();
        old.truncate(PRUNE_BATCH);
        let floor = old.last().map(|(at, _)| *at)?.max(self.floor);
        Some((old.into_iter().map(|(_, op)| op.clone()).collect(), floor))
    }

    /// Drops old marks and raises `floor` to the newest of them, so that what they guarded against stays impossible.
    pub fn prune(&mut self, now: Timestamp) -> Outcome {
        let Some((ops, floor)) = self.prunable(now) else { return Outcome::Already };
        for op in &ops {
            self.done.remove(op);
        }
        self.floor = floor;
        Outcome::Applied
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn stocked(quantity: i64) -> Counter {
        let mut counter = Counter::default();
        assert_eq!(counter.adjust("receipt", quantity, "f", at(1)), Outcome::Applied);
        counter
    }

    #[test]
    fn hold_confirm_and_release_are_idempotent() {
        let mut counter = stocked(3);
        assert_eq!(counter.hold("a", 2, at(100), at(10)), Outcome::Applied);
        assert_eq!(counter.hold("a", 2, at(100), at(10)), Outcome::Already);
        assert_eq!(counter.hold("b", 2, at(100), at(10)), Outcome::Refused(Refusal::TooFew { available: 1 }));
        assert_eq!(counter.confirm("a", at(20)), Outcome::Applied);
        assert_eq!(counter.confirm("a", at(20)), Outcome::Already);
        assert_eq!(counter.release("a", at(20)), Outcome::Already, "a release never undoes a confirm");
        assert_eq!(counter.hold("a", 2, at(100), at(10)), Outcome::Refused(Refusal::Done));
        assert_eq!(counter.release("never", at(20)), Outcome::Refused(Refusal::NoHold));
        assert_eq!((counter.available, counter.taken, counter.held()), (1, 2, 0));
    }

    #[test]
    fn a_duplicate_that_comes_after_its_mark_was_pruned_is_too_old() {
        let mut counter = stocked(1);
        counter.hold("a", 1, at(100), at(10));
        counter.release("a", at(10));
        let later = at(10).after(DONE_MARK);
        assert_eq!(counter.prune(later), Outcome::Applied);
        assert!(counter.done.is_empty());
        assert_eq!(counter.hold("a", 1, at(100), at(10)), Outcome::Refused(Refusal::TooOld));
        assert_eq!(counter.hold("b", 1, at(100), at(11)), Outcome::Applied);
    }

    #[test]
    fn stock_is_never_adjusted_below_what_is_held() {
        let mut counter = stocked(3);
        counter.hold("a", 2, at(100), at(10));
        assert_eq!(counter.adjust("x", -2, "f", at(11)), Outcome::Refused(Refusal::TooFew { available: 1 }));
        assert_eq!(counter.adjust("y", -1, "f", at(11)), Outcome::Applied);
        assert_eq!(counter.adjust("y", -1, "f", at(11)), Outcome::Already);
        assert_eq!(counter.adjust("y", 1, "g", at(11)), Outcome::Refused(Refusal::OtherRequest));
        assert!(counter.balanced());
    }

    #[derive(Clone, Debug)]
    enum Command {
        Hold(u8, u32, i64),
        Confirm(u8, i64),
        Release(u8, i64),
        Adjust(u8, i64),
        Prune,
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            (0_u8..6, 1_u32..4, 0_i64..50).prop_map(|(op, q, c)| Command::Hold(op, q, c)),
            (0_u8..6, 0_i64..50).prop_map(|(op, m)| Command::Confirm(op, m)),
            (0_u8..6, 0_i64..50).prop_map(|(op, m)| Command::Release(op, m)),
            (0_u8..6, -3_i64..6).prop_map(|(op, q)| Command::Adjust(op, q)),
            Just(Command::Prune),
        ]
    }

    proptest! {
        #[test]
        fn the_books_balance_and_inc_rises_whenever_units_come_back(commands in prop::collection::vec(command(), 0..60)) {
            let mut counter = stocked(5);
            for (step, command) in commands.into_iter().enumerate() {
                let before = counter.clone();
                let now = at(i64::try_from(step).unwrap() * 60_000);
                match command {
                    Command::Hold(op, q, c) => counter.hold(&format!("o{op}"), q, now, now.after(std::time::Duration::from_millis(c.unsigned_abs()))),
                    Command::Confirm(op, m) => counter.confirm(&format!("o{op}"), at(now.millis() + m)),
                    Command::Release(op, m) => counter.release(&format!("o{op}"), at(now.millis() + m)),
                    Command::Adjust(op, q) => counter.adjust(&format!("r{op}"), q, "f", now),
                    Command::Prune => counter.prune(now),
                };
                prop_assert!(counter.balanced());
                prop_assert!(counter.floor >= before.floor);
                prop_assert!(counter.available <= before.available || counter.inc > before.inc);
            }
        }
    }
}
