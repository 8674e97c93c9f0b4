//! The protocol of stock as a model: buyers' calls, timers, duplicates and clocks, in any interleaving.
//!
//! The counters are real ([`kernel::counter::Counter`] runs every command); calls, records and workers are modelled here.
//! A crash, or an answer that is lost, needs no step of its own: a run that is never chosen again has crashed, and its
//! twin, the same call made again, may begin at any time, also while the first still runs. A message that is late is one
//! that is chosen late. Time is not modelled: clocks show whatever the scene says they may, and marks are pruned when that
//! can be at all, which is more than any real clock would do.

use kernel::Timestamp;
use kernel::counter::{HoldRequest, Outcome};

use crate::explore::{Fault, Model, Next, hash};
use crate::mutants::{self, Mutant};
use crate::scenes::{Call, Scene};
use crate::steps::{Step, Steps};
use crate::world::{
    COUNTERS, ITEMS, Look, Order, Part, Parts, Phase, Put, RUN, RUNS, Run, SHARDS, Shelf, Status, World,
};

/// The invariant of the answer "sold out", which no table shows.
pub const FALSE_SOLD_OUT: &str = "false-sold-out";

/// A scene, under the rules or a mutant of them.
pub struct Protocol {
    pub scene: Scene,
    /// Whether nothing is held before the record was written. Holds and record side by side save a round trip.
    pub record_first: bool,
    pub mutant: Option<Mutant>,
}

pub fn at(millis: i8) -> Timestamp {
    Timestamp::from_millis(millis.into())
}

pub fn index(number: u8) -> usize {
    number.into()
}

pub fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("the model is small")
}

pub fn signed(units: u8) -> i8 {
    i8::try_from(units).expect("the model uses small numbers")
}

pub fn counters_of(item: usize) -> std::ops::Range<usize> {
    item * SHARDS..(item + 1) * SHARDS
}

impl Protocol {
    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The operation under which the holds of a run stand: each run that found no record has one of its own. With the
    /// record written first one is enough, for then all runs of a call act for the same record.
    pub fn op(&self, call: u8) -> usize {
        let one = self.record_first || self.is(Mutant::OneOperation);
        if one { index(call) / 2 * 2 } else { index(call) }
    }

    pub fn call(&self, call: u8) -> &Call {
        &self.scene.buyers[index(call) / 2].calls[index(call) % 2]
    }

    /// The parts a run begins with: all of each item on one shard.
    pub fn plan(&self, call: u8) -> Parts {
        let start = self.scene.buyers[index(call) / 2].start;
        let mut parts = [0; COUNTERS];
        for item in 0..ITEMS {
            parts[item * SHARDS + start[item]] = self.call(call).want[item];
        }
        parts
    }

    /// A run that goes for these parts, under this record.
    pub fn holding(&self, acts_as: u8, put: Put, seen: Order, parts: Parts) -> Run {
        let held = parts.map(|units| if units > 0 { Part::Unanswered } else { Part::None });
        Run { phase: Phase::Holding, acts_as, put, parts, held, seen, look: Look::default() }
    }

    /// A run that found no record: it writes one, and holds what that one names.
    pub fn begin(&self, number: usize) -> Run {
        self.holding(byte(number), Put::Unanswered, Order::default(), self.plan(byte(number)))
    }

    /// What happens to a run that learns that this record stands.
    pub fn resume(&self, order: Order) -> Run {
        match order.status {
            Status::Pending => self.holding(order.by, Put::Known, order, order.parts),
            _ => Run::default(),
        }
    }

    /// The hold command as it is sent: by the real counter, unless a mutant breaks it.
    pub fn hold(&self, shelf: &mut Shelf, call: u8, quantity: u8) -> Outcome {
        let request = HoldRequest {
            op: RUN[self.op(call)],
            quantity: quantity.into(),
            reserve: 0,
            deadline: at(0),
            created: at(self.call(call).clock),
            channel: None,
        };
        shelf.command(|counter| match self.mutant {
            Some(Mutant::HoldTwice) => mutants::hold_twice(counter, &request),
            Some(Mutant::AnyQuantity) => mutants::hold_any_quantity(counter, &request),
            _ => counter.hold(&request),
        })
    }

    /// Confirms or releases a hold.
    pub fn settle(&self, shelf: &mut Shelf, op: usize, commit: bool, mark: i8) {
        shelf.command(|counter| {
            if commit {
                counter.confirm(RUN[op], at(mark))
            } else {
                counter.release(RUN[op], at(mark))
            };
            if self.is(Mutant::NoMarks) {
                counter.done.clear();
            }
        });
    }

    /// What a worker does with a hold, as the record says: `None` when nothing, else whether to confirm.
    pub fn verdict(&self, order: &Order, op: usize, counter: usize) -> Option<bool> {
        let own = self.op(order.by) == op;
        match order.status {
            Status::Absent => self.is(Mutant::NoTombstone).then_some(false),
            Status::Pending if own => self.is(Mutant::PendingMoves).then_some(false),
            Status::Committed if own => Some(order.parts[counter] > 0 || self.is(Mutant::ConfirmUnnamed)),
            Status::Tombstone | Status::Dropped | Status::Pending | Status::Committed => Some(false),
        }
    }

    /// Whether a worker reaches a hold: a timer runs for every single one.
    pub fn reached(&self, order: &Order, counter: usize) -> bool {
        !self.is(Mutant::NoHoldTimer) || order.parts[counter] > 0
    }

    /// The time of a mark: when the record was created, or the worker's clock where there is no record, or that of another
    /// run of the call.
    pub fn mark(&self, order: &Order, op: usize, clock: i8) -> i8 {
        let own = !matches!(order.status, Status::Absent | Status::Tombstone) && self.op(order.by) == op;
        if own && !self.is(Mutant::WorkersClock) { self.call(order.by).clock } else { clock }
    }

    /// Everything is brought to its end: each order expires, each hold is moved.
    fn settled(&self, mut world: World) -> World {
        for order in &mut world.orders {
            match order.status {
                Status::Absent => order.status = Status::Tombstone,
                Status::Pending => order.status = Status::Dropped,
                _ => {}
            }
        }
        for op in 0..RUNS {
            let order = world.orders[op / 2];
            for (counter, shelf) in world.shelves.iter_mut().enumerate() {
                let verdict = self.verdict(&order, op, counter).filter(|_| self.reached(&order, counter));
                if let Some(commit) = verdict.filter(|_| shelf.holds[op] != 0) {
                    self.settle(shelf, op, commit, self.mark(&order, op, self.scene.clocks[0]));
                }
            }
        }
        world
    }
}

impl Model for Protocol {
    type State = World;
    type Step = Step;

    fn start(&self) -> World {
        let mut world = World { late: self.scene.late, moves: self.scene.moves, ..World::default() };
        world.shelves = self.scene.stock.map(Shelf::stocked);
        for (buyer, calls) in self.scene.buyers.iter().map(|buyer| buyer.calls.len()).enumerate() {
            world.runs[2 * buyer] = self.begin(2 * buyer);
            if calls > 1 {
                world.runs[2 * buyer + 1].phase = Phase::Reading;
            }
        }
        world
    }

    fn next(&self, state: &World, into: &mut Vec<Next<World, Step>>) {
        Steps { protocol: self, from: state, into }.all();
    }

    fn checked(&self, state: &World) -> u64 {
        hash(&(state.shelves, state.orders))
    }

    fn check(&self, state: &World) -> Vec<Fault> {
        let mut violations = state.books(|call| self.op(call)).at_any_time();
        if violations.is_empty() {
            violations = self.settled(*state).books(|call| self.op(call)).when_settled();
        }
        violations.into_iter().map(|violation| (violation.invariant, violation.what)).collect()
    }
}
