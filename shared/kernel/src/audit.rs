//! The invariants of stock: what must be true of counters and decision records, whoever crashed, repeated or came late.
//!
//! Each has an id and one predicate, and these are the only ones: the model checker, the simulation of the real code and
//! the audit of a running shop all ask here. It owns [`INVARIANTS`] and [`Books`], a picture of all counters and all
//! records at one instant, whatever a counter's key is. A picture put together from reads at different instants proves
//! nothing while orders are being decided. It must never repair what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::counter::Counter;

/// Every counter's books balance.
pub const BALANCED: &str = "balanced";
/// Paid orders and the units they took are the same.
pub const COVERED: &str = "covered";
/// No more is sold than there is.
pub const OVERSOLD: &str = "oversold";
/// No hold stays for ever.
pub const STUCK: &str = "stuck";
/// No operation stays undecided.
pub const UNDECIDED: &str = "undecided";

/// Every invariant: its id, and what it says. The first three hold at any time, the others when everything has settled.
pub const INVARIANTS: [(&str, &str); 5] = [
    (BALANCED, "On every counter, available + held + taken = received + allowance, and none of them is negative."),
    (
        COVERED,
        "On every counter, the units taken, or held by committed operations that name it, are those that they name.",
    ),
    (OVERSOLD, "Committed operations name no more units than were received and allowed."),
    (STUCK, "When everything has settled, no hold stands."),
    (UNDECIDED, "When everything has settled, no operation is pending."),
];

/// Where a decision record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Not decided: it moves no hold.
    Pending,
    /// Paid, or reserved for good: its holds are confirmed.
    Committed,
    /// Expired, cancelled, or a tombstone: its holds are released.
    Dropped,
}

/// What stock needs to know of an operation's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K> {
    /// Where it stands.
    pub standing: Standing,
    /// The counters that it names, and how many units of each.
    pub parts: Vec<(K, u32)>,
}

/// All counters, and the records of all operations, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books<K> {
    /// Every counter.
    pub counters: BTreeMap<K, Counter>,
    /// Operation, as it stands in a counter's holds → its record. One that was never written is absent.
    pub records: BTreeMap<String, Record<K>>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its id, of [`INVARIANTS`].
    pub invariant: &'static str,
    /// Where, and the numbers.
    pub what: String,
}

impl<K> Default for Books<K> {
    fn default() -> Self {
        Self { counters: BTreeMap::new(), records: BTreeMap::new() }
    }
}

impl<K: Ord + Clone + Debug> Books<K> {
    /// What is broken of that which holds at every instant, whatever is under way.
    #[must_use]
    pub fn at_any_time(&self) -> Vec<Violation> {
        [self.balanced(), self.covered(), self.oversold()].concat()
    }

    /// What is broken once nothing is under way: every deadline has passed, every message was delivered.
    #[must_use]
    pub fn when_settled(&self) -> Vec<Violation> {
        [self.at_any_time(), self.stuck(), self.undecided()].concat()
    }

    fn balanced(&self) -> Vec<Violation> {
        let broken = self.counters.iter().filter(|(_, counter)| !counter.balanced());
        let what = |(key, counter): (&K, &Counter)| {
            let Counter { available, taken, received, allowance, .. } = counter;
            let held = counter.held();
            format!(
                "{key:?}: available {available} + held {held} + taken {taken}, received {received} + allowance {allowance}"
            )
        };
        broken.map(what).map(|what| Violation { invariant: BALANCED, what }).collect()
    }

    /// No committed operation without its units, no unit taken without one, nothing taken twice.
    fn covered(&self) -> Vec<Violation> {
        let named = self.named();
        let keys: BTreeSet<&K> = self.counters.keys().chain(named.keys().copied()).collect();
        let mut broken = Vec::new();
        for key in keys {
            let named = named.get(key).copied().unwrap_or(0);
            let (taken, held) =
                self.counters.get(key).map_or((0, 0), |counter| (counter.taken, self.sold(key, counter)));
            if taken + held != named {
                let what =
                    format!("{key:?}: taken {taken} + held for committed operations {held}, named by them {named}");
                broken.push(Violation { invariant: COVERED, what });
            }
        }
        broken
    }

    fn oversold(&self) -> Vec<Violation> {
        let sold: i64 = self.named().values().sum();
        let there: i64 = self.counters.values().map(|counter| counter.received + counter.allowance).sum();
        if sold <= there {
            return Vec::new();
        }
        vec![Violation { invariant: OVERSOLD, what: format!("sold {sold} of {there}") }]
    }

    fn stuck(&self) -> Vec<Violation> {
        let holds = self.counters.iter().flat_map(|(key, counter)| counter.holds.iter().map(move |hold| (key, hold)));
        let what = holds.map(|(key, (op, hold))| format!("{key:?}: {} held for {op}", hold.quantity));
        what.map(|what| Violation { invariant: STUCK, what }).collect()
    }

    fn undecided(&self) -> Vec<Violation> {
        let pending = self.records.iter().filter(|(_, record)| record.standing == Standing::Pending);
        pending.map(|(op, _)| Violation { invariant: UNDECIDED, what: format!("{op} is pending") }).collect()
    }

    /// How many units of each counter the committed operations name.
    fn named(&self) -> BTreeMap<&K, i64> {
        let mut named = BTreeMap::new();
        let committed = self.records.values().filter(|record| record.standing == Standing::Committed);
        for (key, quantity) in committed.flat_map(|record| &record.parts) {
            *named.entry(key).or_insert(0) += i64::from(*quantity);
        }
        named
    }

    /// The units held on a counter by committed operations that name it: as good as taken.
    fn sold(&self, key: &K, counter: &Counter) -> i64 {
        let names = |op: &String| {
            let record = self.records.get(op).filter(|record| record.standing == Standing::Committed);
            record.is_some_and(|record| record.parts.iter().any(|(part, _)| part == key))
        };
        counter.holds.iter().filter(|(op, _)| names(op)).map(|(_, hold)| i64::from(hold.quantity)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::{Adjustment, HoldRequest, Outcome};
    use crate::time::Timestamp;

    /// Operation, where its record stands, and the counters that it names.
    type Row<'a> = (&'a str, Standing, &'a [(&'static str, u32)]);

    const AT: Timestamp = Timestamp::from_millis(10);

    fn stocked(quantity: i64) -> Counter {
        let mut counter = Counter::default();
        let receipt = Adjustment { op: "receipt", quantity, fingerprint: "f", expected: None };
        assert_eq!(counter.adjust(&receipt, AT), Outcome::Applied);
        counter
    }

    fn hold(counter: &mut Counter, op: &str, quantity: u32) {
        let request = HoldRequest { op, quantity, reserve: 0, deadline: AT, created: AT, channel: None };
        assert_eq!(counter.hold(&request), Outcome::Applied);
    }

    fn books(counters: &[(&'static str, Counter)], records: &[Row<'_>]) -> Books<&'static str> {
        let record = |standing, parts: &[(&'static str, u32)]| Record { standing, parts: parts.to_vec() };
        Books {
            counters: counters.iter().cloned().collect(),
            records: records.iter().map(|(op, standing, parts)| ((*op).to_owned(), record(*standing, parts))).collect(),
        }
    }

    fn ids(violations: &[Violation]) -> Vec<&'static str> {
        violations.iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn a_counter_that_lost_a_unit_is_not_balanced() {
        let good = stocked(2);
        let bad = Counter { available: 1, ..good.clone() };
        assert_eq!(books(&[("x", good)], &[]).at_any_time(), []);
        assert_eq!(ids(&books(&[("x", bad)], &[]).at_any_time()), [BALANCED]);
    }

    #[test]
    fn a_committed_operation_has_its_units_held_or_taken() {
        let mut held = stocked(3);
        hold(&mut held, "a", 2);
        let mut taken = held.clone();
        taken.confirm("a", AT);
        let sale: Row<'_> = ("a", Standing::Committed, &[("x", 2)]);
        for counter in [held, taken] {
            assert_eq!(books(&[("x", counter)], &[sale]).at_any_time(), []);
        }
        assert_eq!(ids(&books(&[("x", stocked(3))], &[sale]).at_any_time()), [COVERED]);
        assert_eq!(ids(&books(&[("y", stocked(3))], &[sale]).at_any_time()), [COVERED], "no such counter");
    }

    #[test]
    fn no_unit_is_taken_without_a_committed_operation() {
        let mut counter = stocked(1);
        hold(&mut counter, "a", 1);
        counter.confirm("a", AT);
        assert_eq!(ids(&books(&[("x", counter.clone())], &[]).at_any_time()), [COVERED]);
        let dropped = books(&[("x", counter)], &[("a", Standing::Dropped, &[("x", 1)])]);
        assert_eq!(ids(&dropped.at_any_time()), [COVERED]);
    }

    #[test]
    fn a_hold_sells_nothing_where_it_is_not_named_or_not_committed() {
        let mut other = stocked(1);
        hold(&mut other, "a", 1);
        let mut named = stocked(1);
        hold(&mut named, "a", 1);
        let counters = [("x", named), ("y", other)];
        assert_eq!(books(&counters, &[("a", Standing::Committed, &[("x", 1)])]).at_any_time(), []);
        assert_eq!(books(&counters, &[("a", Standing::Pending, &[("x", 1)])]).at_any_time(), []);
    }

    #[test]
    fn more_than_there_is_cannot_be_sold_unless_it_is_allowed() {
        let sales: [Row<'_>; 2] = [("a", Standing::Committed, &[("x", 1)]), ("b", Standing::Committed, &[("x", 1)])];
        let phantom = Counter { taken: 2, available: 0, ..stocked(1) };
        assert_eq!(ids(&books(&[("x", phantom.clone())], &sales).at_any_time()), [BALANCED, OVERSOLD]);
        assert_eq!(books(&[("x", Counter { allowance: 1, ..phantom })], &sales).at_any_time(), []);
    }

    #[test]
    fn a_hold_may_stand_and_a_record_pend_but_not_for_ever() {
        let mut counter = stocked(1);
        let pending: [Row<'_>; 1] = [("a", Standing::Pending, &[("x", 1)])];
        assert_eq!(ids(&books(&[("x", counter.clone())], &pending).when_settled()), [UNDECIDED]);
        hold(&mut counter, "a", 1);
        let open = books(&[("x", counter.clone())], &pending);
        assert_eq!(open.at_any_time(), []);
        assert_eq!(ids(&open.when_settled()), [STUCK, UNDECIDED]);
        counter.release("a", AT);
        assert_eq!(books(&[("x", counter)], &[("a", Standing::Dropped, &[])]).when_settled(), []);
    }

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<&str> = INVARIANTS.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), INVARIANTS.len());
    }
}
