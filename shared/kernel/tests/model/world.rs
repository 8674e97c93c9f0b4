//! The world of the model: counters, decision records and the runs of buyers' calls, packed into some 200 bytes.
//!
//! A counter is unpacked into the real [`Counter`] for every command, and packed again. `rev` and receipts are not kept:
//! no rule of the protocol depends on them.

use std::hash::{Hash, Hasher};

use kernel::audit::{Books, Record, Standing};
use kernel::counter::{Counter, Hold};

pub const ITEMS: usize = 2;
pub const SHARDS: usize = 2;
pub const COUNTERS: usize = ITEMS * SHARDS;
pub const BUYERS: usize = 3;
/// Each buyer's call may be made twice: run `2 b` and run `2 b + 1`.
pub const RUNS: usize = 2 * BUYERS;

pub const PLACES: [&str; COUNTERS] = ["X0", "X1", "Y0", "Y1"];
pub const BUYER: [&str; BUYERS] = ["A", "B", "C"];
pub const RUN: [&str; RUNS] = ["A1", "A2", "B1", "B2", "C1", "C2"];

/// Units by counter.
pub type Parts = [u8; COUNTERS];

/// A counter, packed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shelf {
    pub received: i8,
    pub available: i8,
    pub taken: i8,
    pub inc: i8,
    pub floor: i8,
    /// Units held, by operation; 0 is no hold.
    pub holds: [i8; RUNS],
    /// Marks, by operation; 0 is no mark.
    pub done: [i8; RUNS],
}

impl Shelf {
    pub fn stocked(units: i8) -> Self {
        Self { received: units, available: units, ..Self::default() }
    }

    pub fn counter(&self) -> Counter {
        let mut counter = Counter {
            received: self.received.into(),
            available: self.available.into(),
            taken: self.taken.into(),
            inc: self.inc.into(),
            floor: self.floor.into(),
            ..Counter::default()
        };
        for (op, name) in RUN.iter().enumerate() {
            if self.holds[op] != 0 {
                let quantity = self.holds[op].unsigned_abs().into();
                counter.holds.insert((*name).to_owned(), Hold { quantity, deadline: 0, channel: None });
            }
            if self.done[op] != 0 {
                counter.done.insert((*name).to_owned(), self.done[op].into());
            }
        }
        counter
    }

    fn of(counter: &Counter) -> Self {
        let quantity = |op: &&str| counter.holds.get(*op).map_or(0, |hold| small(hold.quantity.into()));
        Self {
            received: small(counter.received),
            available: small(counter.available),
            taken: small(counter.taken),
            inc: small(counter.inc),
            floor: small(counter.floor),
            holds: RUN.each_ref().map(quantity),
            done: RUN.each_ref().map(|op| counter.done.get(*op).map_or(0, |at| small(*at))),
        }
    }

    /// Runs a command on the real counter.
    pub fn command<T>(&mut self, command: impl FnOnce(&mut Counter) -> T) -> T {
        let mut counter = self.counter();
        let answer = command(&mut counter);
        *self = Self::of(&counter);
        answer
    }
}

fn small(number: i64) -> i8 {
    i8::try_from(number).expect("the model uses small numbers")
}

/// Where an order's record stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Status {
    #[default]
    Absent,
    Tombstone,
    Pending,
    Committed,
    Dropped,
}

/// An order's record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Order {
    pub status: Status,
    /// The run that wrote it: `created` and quantities are that run's.
    pub by: u8,
    /// The holds that it names.
    pub parts: Parts,
    pub version: u8,
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Phase {
    /// Not begun, or over.
    #[default]
    Still,
    /// About to read the record.
    Reading,
    /// Record and holds are on their way, side by side.
    Holding,
    /// Looking at all shards of an item that was short.
    Looking,
    /// About to write the parts that are held into the record.
    Renaming,
    /// The payment is under way.
    Paying,
    /// About to drop its order.
    Dropping,
}

/// Where the writing of the record stands, for a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Put {
    #[default]
    Unanswered,
    /// It stands, and this run knows its version.
    Known,
    /// Another run's stands; this one goes on as that one once its own commands were answered.
    Others,
    /// What stands was decided.
    Decided,
}

/// Where a hold stands, for a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Part {
    #[default]
    None,
    Unanswered,
    /// Only in a mutant: seen to be possible, not written.
    Seen,
    Held,
    Short,
    Done,
    TooOld,
}

/// A look over the shards of an item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Look {
    pub item: u8,
    /// The shard that is read next.
    pub shard: u8,
    /// Sum of `inc` so far.
    pub inc: i8,
    /// What was available so far, and what was held by the operation itself.
    pub seen: [(i8, i8); SHARDS],
    /// `inc` of the look before; negative in the first look.
    pub before: i8,
    /// Whether there was an instant since the first look began at which the item had too few units. No run can know it.
    pub scarce: bool,
}

/// One execution of a buyer's call. One that is still knows nothing: it is the default.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    pub phase: Phase,
    /// The run as which it acts: itself, or the one that wrote the record it found.
    pub acts_as: u8,
    pub put: Put,
    /// What it wants to hold where, and how far that is.
    pub parts: Parts,
    pub held: [Part; COUNTERS],
    /// The record as it saw it.
    pub seen: Order,
    pub look: Look,
}

impl Hash for Run {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.phase.hash(into);
        if self.phase != Phase::Still {
            (self.acts_as, self.put, self.parts, self.held, self.seen, self.look).hash(into);
        }
    }
}

/// Everything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct World {
    pub shelves: [Shelf; COUNTERS],
    pub orders: [Order; BUYERS],
    pub runs: [Run; RUNS],
    /// Holds that were sent, as bits by quantity: the network may deliver them again.
    pub sent: [[u8; COUNTERS]; RUNS],
    /// How many more duplicates the network delivers.
    pub late: u8,
    /// How many more units staff moves.
    pub moves: u8,
}

impl World {
    /// What the invariants look at. `op` gives the operation under which a run's holds stand.
    pub fn books(&self, op: impl Fn(u8) -> usize) -> Books<&'static str> {
        let mut books = Books::default();
        for (place, shelf) in PLACES.iter().zip(&self.shelves) {
            books.counters.insert(*place, shelf.counter());
        }
        for order in &self.orders {
            let standing = match order.status {
                Status::Absent | Status::Tombstone => continue,
                Status::Pending => Standing::Pending,
                Status::Committed => Standing::Committed,
                Status::Dropped => Standing::Dropped,
            };
            let named = PLACES.iter().zip(order.parts).filter(|(_, units)| *units > 0);
            let parts = named.map(|(place, units)| (*place, units.into())).collect();
            books.records.insert(RUN[op(order.by)].to_owned(), Record { standing, parts });
        }
        books
    }
}
