//! The bounded counter with holds: stock, coupon budgets, gift cards and refundable amounts are all this.
//!
//! Many callers draw on one bounded quantity. A hold takes units out of `available` for an operation; the operation's own
//! record, decided once elsewhere, later confirms or releases it. Each command is one conditional write on one item, so
//! this state and these rules are also what a DynamoDB item holds and what its condition expressions say; the pure form is
//! what the model checker and the property tests run, and what explains a failed condition.
//!
//! Invariants, after every command: `available + Σ holds + taken = received + allowance` and `available ≥ 0`.
//! It must never: hold twice for one operation, or hold again for one that was done, however late a duplicate comes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{DONE_MARK, HOLDS_PER_COUNTER, PRUNE_BATCH, RECEIPT_MARK};
use crate::time::Timestamp;

/// Units taken out of `available` for one operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// How many units.
    #[serde(rename = "q")]
    pub quantity: u32,
    /// When it may be tried to expire, in milliseconds since the epoch. It decides nothing.
    #[serde(rename = "d")]
    pub deadline: i64,
    /// The sales channel it is for; absent for the web shop, where most holds come from and every byte is paid for.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// A hold on its way in.
#[derive(Clone, Debug)]
pub struct HoldRequest<'a> {
    /// The operation.
    pub op: &'a str,
    /// How many units.
    pub quantity: u32,
    /// How many units must be left to others after it: the channel's share of the safety stock.
    pub reserve: u32,
    /// When it may be tried to expire.
    pub deadline: Timestamp,
    /// When the operation's record was created.
    pub created: Timestamp,
    /// The sales channel; `None` for the web shop.
    pub channel: Option<&'a str>,
}

impl HoldRequest<'_> {
    /// What stands in the counter once it is held.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { quantity: self.quantity, deadline: self.deadline.millis(), channel: self.channel.map(str::to_owned) }
    }

    /// The fewest available units with which it is granted.
    #[must_use]
    pub fn least(&self) -> i64 {
        i64::from(self.quantity) + i64::from(self.reserve)
    }
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
    /// How many units may be held beyond those received: what is sold before it is here.
    #[serde(default)]
    pub allowance: i64,
    /// Operation → its hold.
    #[serde(default)]
    pub holds: BTreeMap<String, Hold>,
    /// Operation that was done → when its record was created.
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
    /// Rises by one with every movement (pruning is none): the version of the counter, and the number of that movement.
    #[serde(default)]
    pub rev: i64,
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
    /// The counter is not in the version that the caller saw.
    OtherVersion {
        /// The version it is in.
        rev: i64,
    },
}

/// A receipt or correction on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Adjustment<'a> {
    /// The operation.
    pub op: &'a str,
    /// How many units come in, or go out when negative.
    pub quantity: i64,
    /// The digest of the request.
    pub fingerprint: &'a str,
    /// The version that the counter must be in; any without one.
    pub expected: Option<i64>,
}

impl Counter {
    /// A counter into which so much came at once.
    #[must_use]
    pub fn holding(received: i64) -> Self {
        Self { received, available: received, ..Self::default() }
    }

    /// Units in holds.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.holds.values().map(|hold| i64::from(hold.quantity)).sum()
    }

    /// Whether the books balance: the invariant of every counter at every instant.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let drawn = self.available + self.held() + self.taken;
        self.available >= 0 && self.taken >= 0 && self.allowance >= 0 && drawn == self.received + self.allowance
    }

    /// What a hold would answer: `Ok` when it would be applied. It also explains a condition that failed on this state.
    pub fn check_hold(&self, request: &HoldRequest<'_>) -> Result<(), Outcome> {
        if let Some(own) = self.holds.get(request.op) {
            // A call that runs twice may have split its quantity in two ways: a hold of fewer units is not this hold.
            let same = own.quantity == request.quantity;
            return Err(if same { Outcome::Already } else { Outcome::Refused(Refusal::OtherRequest) });
        }
        let refusal = if self.done.contains_key(request.op) {
            Refusal::Done
        } else if request.created.millis() <= self.floor {
            Refusal::TooOld
        } else if self.available < request.least() {
            Refusal::TooFew { available: self.available }
        } else if self.holds.len() >= HOLDS_PER_COUNTER {
            Refusal::TooManyHolds
        } else {
            return Ok(());
        };
        Err(Outcome::Refused(refusal))
    }

    /// Takes units out of `available` for an operation whose record was created at `created`.
    pub fn hold(&mut self, request: &HoldRequest<'_>) -> Outcome {
        if let Err(outcome) = self.check_hold(request) {
            return outcome;
        }
        self.available -= i64::from(request.quantity);
        self.holds.insert(request.op.to_owned(), request.hold());
        self.rev += 1;
        Outcome::Applied
    }

    /// The record says committed: the held units are taken. `mark` is the time of the record's creation: a duplicate of the
    /// hold carries the same, so once the mark is pruned the floor stops it, whatever any worker's clock says.
    pub fn confirm(&mut self, op: &str, mark: Timestamp) -> Outcome {
        let Some(hold) = self.holds.remove(op) else { return self.without_hold(op, mark) };
        self.taken += i64::from(hold.quantity);
        self.done.insert(op.to_owned(), mark.millis());
        self.rev += 1;
        Outcome::Applied
    }

    /// The record says expired or cancelled: the held units are available again. Where no record was found `mark` is the
    /// present time: a duplicate of such a hold is released like it, for nothing can commit it.
    pub fn release(&mut self, op: &str, mark: Timestamp) -> Outcome {
        let Some(hold) = self.holds.remove(op) else { return self.without_hold(op, mark) };
        self.available += i64::from(hold.quantity);
        self.inc += 1;
        self.done.insert(op.to_owned(), mark.millis());
        self.rev += 1;
        Outcome::Applied
    }

    /// What a confirm or release without a hold means: done before, so long ago that its mark may be gone, or never held
    /// here. `created` is the record's.
    #[must_use]
    pub fn without_hold(&self, op: &str, created: Timestamp) -> Outcome {
        if self.done.contains_key(op) {
            Outcome::Already
        } else if created.millis() <= self.floor {
            Outcome::Refused(Refusal::TooOld)
        } else {
            Outcome::Refused(Refusal::NoHold)
        }
    }

    /// What an adjustment would answer: `Ok` when it would be applied. It also explains a condition that failed.
    pub fn check_adjust(&self, adjustment: &Adjustment<'_>) -> Result<(), Outcome> {
        let Adjustment { op, quantity, fingerprint, expected } = *adjustment;
        match self.receipts.get(op) {
            Some(receipt) if receipt.fingerprint == fingerprint => Err(Outcome::Already),
            Some(_) => Err(Outcome::Refused(Refusal::OtherRequest)),
            None if expected.is_some_and(|rev| rev != self.rev) => {
                Err(Outcome::Refused(Refusal::OtherVersion { rev: self.rev }))
            }
            None if self.available + quantity < 0 => {
                Err(Outcome::Refused(Refusal::TooFew { available: self.available }))
            }
            None => Ok(()),
        }
    }

    /// Units come in (`quantity > 0`) or are written off (`quantity < 0`), never below what is held.
    pub fn adjust(&mut self, adjustment: &Adjustment<'_>, now: Timestamp) -> Outcome {
        if let Err(outcome) = self.check_adjust(adjustment) {
            return outcome;
        }
        self.received += adjustment.quantity;
        self.available += adjustment.quantity;
        self.inc += 1;
        self.rev += 1;
        let receipt = Receipt { at: now.millis(), fingerprint: adjustment.fingerprint.to_owned() };
        self.receipts.insert(adjustment.op.to_owned(), receipt);
        Outcome::Applied
    }

    /// Sets how many units may be held beyond those received; never so few that what is held would not be covered.
    pub fn allow(&mut self, allowance: i64) -> Outcome {
        let more = allowance - self.allowance;
        if more == 0 {
            return Outcome::Already;
        }
        if self.available + more < 0 {
            return Outcome::Refused(Refusal::TooFew { available: self.available });
        }
        self.available += more;
        self.allowance = allowance;
        self.inc += 1;
        self.rev += 1;
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

    fn by(op: &str, quantity: i64) -> Adjustment<'_> {
        Adjustment { op, quantity, fingerprint: "f", expected: None }
    }

    fn asking(op: &str, quantity: u32, created: i64) -> HoldRequest<'_> {
        HoldRequest { op, quantity, reserve: 0, deadline: at(100), created: at(created), channel: None }
    }

    fn stocked(quantity: i64) -> Counter {
        let mut counter = Counter::default();
        assert_eq!(counter.adjust(&by("receipt", quantity), at(1)), Outcome::Applied);
        counter
    }

    #[test]
    fn hold_confirm_and_release_are_idempotent() {
        let mut counter = stocked(3);
        assert_eq!(counter.hold(&asking("a", 2, 10)), Outcome::Applied);
        assert_eq!(counter.hold(&asking("a", 2, 10)), Outcome::Already);
        assert_eq!(counter.hold(&asking("a", 1, 10)), Outcome::Refused(Refusal::OtherRequest), "another split");
        assert_eq!(counter.hold(&asking("b", 2, 10)), Outcome::Refused(Refusal::TooFew { available: 1 }));
        assert_eq!(counter.confirm("a", at(20)), Outcome::Applied);
        assert_eq!(counter.confirm("a", at(20)), Outcome::Already);
        assert_eq!(counter.release("a", at(20)), Outcome::Already, "a release never undoes a confirm");
        assert_eq!(counter.hold(&asking("a", 2, 10)), Outcome::Refused(Refusal::Done));
        assert_eq!(counter.release("never", at(20)), Outcome::Refused(Refusal::NoHold));
        assert_eq!((counter.available, counter.taken, counter.held()), (1, 2, 0));
    }

    #[test]
    fn a_duplicate_that_comes_after_its_mark_was_pruned_is_too_old() {
        let mut counter = stocked(1);
        counter.hold(&asking("a", 1, 10));
        counter.release("a", at(10));
        let later = at(10).after(DONE_MARK);
        assert_eq!(counter.prune(later), Outcome::Applied);
        assert!(counter.done.is_empty());
        assert_eq!(counter.hold(&asking("a", 1, 10)), Outcome::Refused(Refusal::TooOld));
        assert_eq!(counter.hold(&asking("b", 1, 11)), Outcome::Applied);
    }

    #[test]
    fn stock_is_never_adjusted_below_what_is_held() {
        let mut counter = stocked(3);
        counter.hold(&asking("a", 2, 10));
        assert_eq!(counter.adjust(&by("x", -2), at(11)), Outcome::Refused(Refusal::TooFew { available: 1 }));
        assert_eq!(counter.adjust(&by("y", -1), at(11)), Outcome::Applied);
        assert_eq!(counter.adjust(&by("y", -1), at(11)), Outcome::Already);
        assert_eq!(
            counter.adjust(&Adjustment { fingerprint: "g", ..by("y", 1) }, at(11)),
            Outcome::Refused(Refusal::OtherRequest)
        );
        assert!(counter.balanced());
    }

    #[test]
    fn a_version_that_was_not_seen_changes_nothing() {
        let mut counter = stocked(3);
        let seen = Adjustment { expected: Some(1), ..by("x", 1) };
        assert_eq!(counter.adjust(&seen, at(2)), Outcome::Applied);
        assert_eq!(counter.adjust(&seen, at(2)), Outcome::Already, "the answer may have been lost");
        let late = Adjustment { op: "y", ..seen };
        assert_eq!(counter.adjust(&late, at(3)), Outcome::Refused(Refusal::OtherVersion { rev: 2 }));
    }

    #[test]
    fn units_that_are_not_here_yet_are_sold_up_to_the_allowance() {
        let mut counter = stocked(1);
        assert_eq!(counter.allow(2), Outcome::Applied);
        assert_eq!(counter.hold(&asking("a", 3, 10)), Outcome::Applied);
        assert_eq!(counter.allow(1), Outcome::Refused(Refusal::TooFew { available: 0 }));
        assert_eq!(counter.adjust(&by("r", 2), at(11)), Outcome::Applied);
        assert_eq!(counter.allow(0), Outcome::Applied);
        assert_eq!((counter.available, counter.held()), (0, 3));
        assert!(counter.balanced());
    }

    #[test]
    fn a_reserve_is_left_to_others() {
        let mut counter = stocked(3);
        let web = HoldRequest { reserve: 2, ..asking("a", 2, 10) };
        assert_eq!(counter.hold(&web), Outcome::Refused(Refusal::TooFew { available: 3 }));
        assert_eq!(counter.hold(&HoldRequest { quantity: 1, ..web }), Outcome::Applied);
        assert_eq!(counter.hold(&asking("b", 2, 10)), Outcome::Applied);
    }

    #[derive(Clone, Debug)]
    enum Command {
        Hold(u8, u32, i64),
        Confirm(u8, i64),
        Release(u8, i64),
        Adjust(u8, i64),
        Allow(i64),
        Prune,
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            (0_u8..6, 1_u32..4, 0_i64..50).prop_map(|(op, q, c)| Command::Hold(op, q, c)),
            (0_u8..6, 0_i64..50).prop_map(|(op, m)| Command::Confirm(op, m)),
            (0_u8..6, 0_i64..50).prop_map(|(op, m)| Command::Release(op, m)),
            (0_u8..6, -3_i64..6).prop_map(|(op, q)| Command::Adjust(op, q)),
            (0_i64..6).prop_map(Command::Allow),
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
                let tidied = matches!(command, Command::Prune);
                let outcome = match command {
                    Command::Hold(op, q, c) => counter.hold(&asking(&format!("o{op}"), q, now.millis() + c)),
                    Command::Confirm(op, m) => counter.confirm(&format!("o{op}"), at(now.millis() + m)),
                    Command::Release(op, m) => counter.release(&format!("o{op}"), at(now.millis() + m)),
                    Command::Adjust(op, q) => counter.adjust(&by(&format!("r{op}"), q), now),
                    Command::Allow(units) => counter.allow(units),
                    Command::Prune => counter.prune(now),
                };
                prop_assert!(counter.balanced());
                prop_assert_eq!(counter.rev, before.rev + i64::from(outcome == Outcome::Applied && !tidied));
                prop_assert!(counter.floor >= before.floor);
                prop_assert!(counter.available <= before.available || counter.inc > before.inc);
            }
        }
    }
}
