//! Which counters serve a wanted quantity, from a look at all of them. Pure.
//!
//! One warehouse is preferred, and in it one shard; only when none has enough is the quantity split. What the operation
//! holds already counts as its own. A look promises nothing: each part is then held by its own conditional write.

use kernel::counter::Counter;
use kernel::limits::HOLDS_PER_COUNTER;
use kernel::{Sku, Timestamp};

use crate::stock::{CounterKey, Part};

/// One counter at a look, and what must be left in it.
#[derive(Clone, Debug)]
pub struct Bin {
    /// Which.
    pub key: CounterKey,
    /// As it stood; of one that was never written, the default.
    pub counter: Counter,
    /// The channel's share of the safety stock.
    pub reserve: u32,
}

/// A look at all counters of an item that are sold from: warehouse by warehouse in the order of preference, and in each
/// the shard to begin with first.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The counters, by warehouse.
    pub warehouses: Vec<Vec<Bin>>,
}

/// There are too few units, and how few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What can be had now.
    pub available: i64,
    /// What others hold.
    pub held: i64,
    /// The earliest deadline of a hold of somebody else.
    pub back_at: Option<Timestamp>,
    /// What was seen: two looks that saw the same saw no unit come back between them.
    pub seen: Seen,
    /// There is enough, but some of it lies where the operation holds a part already, which cannot be made larger.
    pub tangled: bool,
    /// Another attempt at the same order holds some, or had some.
    pub among_attempts: bool,
}

/// What a look saw of the counters' own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The sum of `inc`, which rises whenever units come in.
    pub inc: i64,
    /// How many counters there were.
    pub counters: usize,
}

/// The operations of one order, whichever attempt: what an operation's id begins with.
fn family(op: &str) -> &str {
    if op.starts_with('o') { op.get(..op.len().saturating_sub(3)).unwrap_or(op) } else { op }
}

impl Bin {
    /// What an operation can have of it now.
    fn free(&self, op: &str) -> u32 {
        let counter = &self.counter;
        if counter.holds.contains_key(op) || counter.done.contains_key(op) || counter.holds.len() >= HOLDS_PER_COUNTER {
            return 0;
        }
        u32::try_from(counter.available - i64::from(self.reserve)).unwrap_or(0)
    }

    fn part(&self, quantity: u32) -> Part {
        Part { key: self.key.clone(), quantity }
    }
}

/// A number from an operation's id that spreads operations over shards (FNV-1a).
#[must_use]
pub fn spread(op: &str) -> u32 {
    op.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The shards of a warehouse in the order in which an operation tries them.
pub fn shards_from(op: &str, count: u32) -> impl Iterator<Item = u32> {
    let count = count.max(1);
    let start = spread(op) % count;
    (0..count).map(move |step| (start + step) % count)
}

impl Look {
    fn bins(&self) -> impl Iterator<Item = &Bin> {
        self.warehouses.iter().flatten()
    }

    /// Whether it is one counter only: then all of it was seen at one moment.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.bins().count() == 1
    }

    /// What it saw of the counters' own numbers.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen { inc: self.bins().map(|bin| bin.counter.inc).sum(), counters: self.bins().count() }
    }

    /// The holds that somebody may end: those whose deadline has passed, and those of other attempts at the same order.
    #[must_use]
    pub fn endable(&self, op: &str, now: Timestamp) -> Vec<(CounterKey, String)> {
        let of = |bin: &Bin| {
            let late =
                bin.counter.holds.iter().filter(|(other, hold)| {
                    *other != op && (hold.deadline <= now.millis() || family(other) == family(op))
                });
            late.map(|(other, _)| (bin.key.clone(), other.clone())).collect::<Vec<_>>()
        };
        self.bins().flat_map(of).collect()
    }

    /// The parts that make up the quantity, what `op` holds already first.
    pub fn allot(&self, op: &str, quantity: u32) -> Result<Vec<Part>, Lack> {
        let mut parts = Vec::new();
        let mut need = quantity;
        for bin in self.bins() {
            // A hold that is larger than what is left to find was made for another split; it goes when the record is decided.
            if let Some(own) = bin.counter.holds.get(op).filter(|own| own.quantity <= need) {
                need -= own.quantity;
                parts.push(bin.part(own.quantity));
            }
        }
        for bins in &self.warehouses {
            if need > 0 && bins.iter().map(|bin| u64::from(bin.free(op))).sum::<u64>() >= u64::from(need) {
                return Ok(complete(parts, bins, op, need));
            }
        }
        let everywhere: Vec<Bin> = self.bins().cloned().collect();
        let free: u64 = everywhere.iter().map(|bin| u64::from(bin.free(op))).sum();
        if free >= u64::from(need) {
            return Ok(complete(parts, &everywhere, op, need));
        }
        Err(self.lack(op, quantity, i64::from(quantity - need) + i64::try_from(free).unwrap_or(i64::MAX)))
    }

    fn lack(&self, op: &str, wanted: u32, available: i64) -> Lack {
        let others = || self.bins().flat_map(|bin| &bin.counter.holds).filter(|(other, _)| *other != op);
        let beside_own = |bin: &&Bin| bin.counter.holds.contains_key(op);
        let left = |bin: &Bin| (bin.counter.available - i64::from(bin.reserve)).max(0);
        let beside: i64 = self.bins().filter(beside_own).map(left).sum();
        Lack {
            available,
            held: others().map(|(_, hold)| i64::from(hold.quantity)).sum(),
            back_at: others().map(|(_, hold)| hold.deadline).min().map(Timestamp::from_millis),
            seen: self.seen(),
            tangled: beside > 0 && available + beside >= i64::from(wanted),
            // One that was paid meanwhile left its mark where its hold was.
            among_attempts: self.bins().any(|bin| {
                let counter = &bin.counter;
                counter.holds.keys().chain(counter.done.keys()).any(|other| other != op && family(other) == family(op))
            }),
        }
    }
}

/// Adds what is needed from these bins, which have enough: from the first that has all of it, else from each in turn.
fn complete(mut parts: Vec<Part>, bins: &[Bin], op: &str, mut need: u32) -> Vec<Part> {
    if let Some(bin) = bins.iter().find(|bin| need > 0 && bin.free(op) >= need) {
        parts.push(bin.part(need));
        return parts;
    }
    for bin in bins {
        let some = bin.free(op).min(need);
        if some > 0 {
            parts.push(bin.part(some));
            need -= some;
        }
    }
    parts
}

/// What an operation wants of one item. A cart's demand is summed for each item before it comes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The item.
    pub sku: Sku,
    /// How many units.
    pub quantity: u32,
}

#[cfg(test)]
mod tests {
    use kernel::counter::{Adjustment, HoldRequest};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn bin(warehouse: &str, shard: u32, units: i64, mine: u32) -> Bin {
        let mut counter = Counter::default();
        counter.adjust(&Adjustment { op: "r", quantity: units, fingerprint: "f", expected: None }, NOW);
        if mine > 0 {
            let deadline = NOW;
            counter.hold(&HoldRequest { op: "me", quantity: mine, reserve: 0, deadline, created: NOW, channel: None });
        }
        let key = CounterKey { sku: Sku::parse("A").unwrap(), warehouse: warehouse.to_owned(), shard };
        Bin { key, counter, reserve: 0 }
    }

    fn text(parts: &[Part]) -> String {
        let one = |part: &Part| format!("{}{}:{}", part.key.warehouse, part.key.shard, part.quantity);
        parts.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_warehouse_and_in_it_one_shard_is_preferred() {
        let look = Look { warehouses: vec![vec![bin("a", 0, 1, 0), bin("a", 1, 3, 0)], vec![bin("b", 0, 9, 0)]] };
        assert_eq!(text(&look.allot("me", 3).unwrap()), "a1:3");
        assert_eq!(text(&look.allot("me", 4).unwrap()), "a0:1 a1:3", "split within a warehouse");
        assert_eq!(text(&look.allot("me", 9).unwrap()), "b0:9", "rather another warehouse than two");
        assert_eq!(text(&look.allot("me", 12).unwrap()), "a0:1 a1:3 b0:8", "two when it must be");
        assert_eq!(look.allot("me", 14).unwrap_err().available, 13);
    }

    #[test]
    fn three_units_are_found_where_shards_have_one_each() {
        let shards = (0..5).map(|shard| bin("a", shard, 1, 0)).collect();
        assert_eq!(text(&Look { warehouses: vec![shards] }.allot("me", 3).unwrap()), "a0:1 a1:1 a2:1");
    }

    #[test]
    fn own_holds_are_used_first_and_a_reserve_is_not_touched() {
        let mut held = bin("a", 1, 2, 2);
        let look = |held: &Bin| Look { warehouses: vec![vec![bin("a", 0, 5, 0), held.clone()]] };
        assert_eq!(text(&look(&held).allot("me", 3).unwrap()), "a1:2 a0:1");
        assert_eq!(text(&look(&held).allot("me", 2).unwrap()), "a1:2");
        held.counter.holds.remove("me");
        held.reserve = 2;
        assert_eq!(look(&held).allot("me", 6).unwrap_err().available, 5);
    }

    #[test]
    fn units_beside_an_own_hold_are_no_lack_but_a_tangle() {
        let look = Look { warehouses: vec![vec![bin("a", 0, 3, 1), bin("a", 1, 0, 0)]] };
        let lack = look.allot("me", 2).unwrap_err();
        assert!(lack.tangled, "one is held and two lie beside it: {lack:?}");
        assert!(!look.allot("me", 4).unwrap_err().tangled, "three in all are too few for four");
    }

    #[test]
    fn what_another_attempt_at_the_same_order_holds_may_be_ended() {
        let mut other = bin("a", 0, 2, 0);
        let deadline = NOW.after(std::time::Duration::from_secs(600));
        let hold =
            HoldRequest { op: "o12345678901aaa", quantity: 2, reserve: 0, deadline, created: NOW, channel: None };
        other.counter.hold(&hold);
        let mut look = Look { warehouses: vec![vec![other]] };
        assert_eq!(look.endable("o12345678901bbb", NOW).len(), 1);
        assert!(look.allot("o12345678901bbb", 1).unwrap_err().among_attempts);
        assert!(look.endable("o99999999999bbb", NOW).is_empty());
        look.warehouses[0][0].counter.confirm("o12345678901aaa", NOW);
        assert!(look.allot("o12345678901bbb", 1).unwrap_err().among_attempts, "it was paid");
        assert!(!look.allot("o99999999999bbb", 1).unwrap_err().among_attempts);
    }

    #[test]
    fn every_operation_tries_every_shard_once_from_a_start_of_its_own() {
        let mut all: Vec<u32> = shards_from("o0123456789a", 8).collect();
        all.sort_unstable();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        let starts: std::collections::HashSet<u32> =
            (0..200).filter_map(|n| shards_from(&format!("o{n}"), 8).next()).collect();
        assert_eq!(starts.len(), 8);
    }

    proptest! {
        #[test]
        fn what_is_allotted_is_there_and_what_is_there_is_allotted(
            stock in prop::collection::vec(prop::collection::vec((0_i64..4, 0_u32..3), 1..4), 1..4), quantity in 1_u32..20,
        ) {
            let names = ["a", "b", "c"];
            let warehouses: Vec<Vec<Bin>> = stock.iter().zip(names).map(|(shards, name)| {
                shards.iter().zip(0..).map(|((units, mine), shard)| bin(name, shard, *units, (*mine).min(u32::try_from(*units).unwrap()))).collect()
            }).collect();
            let look = Look { warehouses };
            let free: u32 = look.bins().map(|bin| bin.free("me")).sum();
            match look.allot("me", quantity) {
                Ok(parts) => {
                    prop_assert_eq!(parts.iter().map(|part| part.quantity).sum::<u32>(), quantity);
                    let mut keys: Vec<_> = parts.iter().map(|part| &part.key).collect();
                    keys.dedup();
                    prop_assert_eq!(keys.len(), parts.len(), "no counter twice");
                    for part in &parts {
                        let bin = look.bins().find(|bin| bin.key == part.key).unwrap();
                        let own = bin.counter.holds.get("me").map(|own| own.quantity);
                        prop_assert!(own == Some(part.quantity) || own.is_none() && part.quantity <= bin.free("me"));
                    }
                }
                Err(lack) => prop_assert!(free < quantity, "{lack:?}"),
            }
        }
    }
}
