//! The protocol with one rule left out. Each must break an invariant, or the model could not show that the rule matters.
//!
//! Commands are broken here as DynamoDB would do them with that part of the condition left out, never in the kernel.

use kernel::audit::{BALANCED, COVERED, STUCK};
use kernel::counter::{Counter, Hold, HoldRequest, Outcome, Refusal};

use crate::protocol::FALSE_SOLD_OUT;
use crate::scenes::{self, Scene};

/// A rule left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// A timer that finds no record releases the hold, and writes none.
    NoTombstone,
    /// A hold does not ask whether the operation holds already.
    HoldTwice,
    /// A hold of another quantity counts as this one.
    AnyQuantity,
    /// No marks of what was done.
    NoMarks,
    /// Pruning does not raise the floor.
    NoFloor,
    /// A mark's time is the worker's, not that of the record's creation.
    WorkersClock,
    /// All runs of a call hold under one operation, each with `created` by its own clock, while the record is not read yet.
    OneOperation,
    /// "Sold out" after one look.
    OneLook,
    /// "Sold out" after two looks, whatever came back in between.
    IncIgnored,
    /// "Sold out" although there are units, which the operation's own hold keeps it from adding.
    OwnBlocks,
    /// What is available is read in one step and written in another.
    CheckThenWrite,
    /// A committed record confirms also a hold that it does not name.
    ConfirmUnnamed,
    /// A timer releases a hold whose record is pending.
    PendingMoves,
    /// A record that was decided is decided again.
    DecideTwice,
    /// Parts are renamed in whatever record stands.
    RenameDecided,
    /// Parts that moved to another shard are not written into the record.
    NoRename,
    /// Only the holds that a record names are moved; no timer runs for the others.
    NoHoldTimer,
}

/// A mutant, its name, the invariant that must catch it, and the scene in which it must.
pub type Caught = (Mutant, &'static str, &'static str, fn() -> Scene);

/// All of them.
pub const MUTANTS: [Caught; 17] = [
    (Mutant::NoTombstone, "no-tombstone", COVERED, scenes::twin),
    (Mutant::HoldTwice, "hold-twice", BALANCED, scenes::clocks),
    (Mutant::AnyQuantity, "any-quantity", COVERED, scenes::split),
    (Mutant::NoMarks, "no-marks", COVERED, scenes::clocks),
    (Mutant::NoFloor, "no-floor", COVERED, scenes::clocks),
    (Mutant::WorkersClock, "workers-clock", COVERED, scenes::clocks),
    (Mutant::OneOperation, "one-operation", COVERED, scenes::clocks),
    (Mutant::OneLook, "one-look", FALSE_SOLD_OUT, scenes::three),
    (Mutant::IncIgnored, "inc-ignored", FALSE_SOLD_OUT, scenes::restless),
    (Mutant::OwnBlocks, "own-blocks", FALSE_SOLD_OUT, scenes::split),
    (Mutant::CheckThenWrite, "check-then-write", BALANCED, scenes::three),
    (Mutant::ConfirmUnnamed, "confirm-unnamed", COVERED, scenes::split),
    (Mutant::PendingMoves, "pending-moves", COVERED, scenes::twin),
    (Mutant::DecideTwice, "decide-twice", COVERED, scenes::twin),
    (Mutant::RenameDecided, "rename-decided", COVERED, scenes::changed),
    (Mutant::NoRename, "no-rename", COVERED, scenes::split),
    (Mutant::NoHoldTimer, "no-hold-timer", STUCK, scenes::twin),
];

/// `op not in holds` left out.
pub fn hold_twice(counter: &mut Counter, request: &HoldRequest<'_>) -> Outcome {
    let mut others = counter.clone();
    others.holds.remove(request.op);
    if let Err(refused) = others.check_hold(request) {
        return refused;
    }
    hold_unchecked(counter, request.op, request.quantity);
    Outcome::Applied
}

/// The hold that stands is taken for this one, whatever its quantity.
pub fn hold_any_quantity(counter: &mut Counter, request: &HoldRequest<'_>) -> Outcome {
    match counter.hold(request) {
        Outcome::Refused(Refusal::OtherRequest) => Outcome::Already,
        outcome => outcome,
    }
}

/// No condition at all.
pub fn hold_unchecked(counter: &mut Counter, op: &str, quantity: u32) {
    counter.available -= i64::from(quantity);
    let hold = Hold { quantity, deadline: 0, channel: None };
    counter.holds.insert(op.to_owned(), hold);
}
