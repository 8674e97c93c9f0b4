//! Traces that people read: what happened, and what stood then where it changed.

use std::fmt::Write as _;

use crate::protocol::{Protocol, index};
use crate::steps::Step;
use crate::world::{BUYER, Order, PLACES, RUN, Shelf, Status, World};

/// One line a step.
pub fn trace(protocol: &Protocol, start: World, steps: &[(Step, World)]) -> String {
    let mut text = String::new();
    let mut before = start;
    for (number, (step, after)) in steps.iter().enumerate() {
        let _ = write!(text, "  {:>2}. {}", number + 1, happened(*step));
        for (place, (old, new)) in PLACES.iter().zip(before.shelves.iter().zip(&after.shelves)) {
            if old != new {
                let _ = write!(text, "; {place} {}", shelf(new));
            }
        }
        for (buyer, (old, new)) in BUYER.iter().zip(before.orders.iter().zip(&after.orders)) {
            if old != new {
                let _ = write!(text, "; order {buyer} {}", order(new));
            }
        }
        for (run, (old, new)) in RUN.iter().zip(before.runs.iter().zip(&after.runs)) {
            if old.phase != new.phase {
                let _ = write!(text, "; {run} is {:?}", new.phase);
            }
        }
        text.push('\n');
        before = *after;
    }
    let clocks =
        protocol.scene.buyers.iter().map(|buyer| buyer.calls.iter().map(|call| call.clock).collect::<Vec<_>>());
    let _ = writeln!(
        text,
        "  clocks of the runs: {:?}, of the workers: {:?}",
        clocks.collect::<Vec<_>>(),
        protocol.scene.clocks
    );
    text
}

fn happened(step: Step) -> String {
    match step {
        Step::Read(run) => format!("{} reads the record", RUN[run]),
        Step::Put(run) => format!("{} writes the record, if there is none", RUN[run]),
        Step::Check(run, counter) => format!("{} reads {}", RUN[run], PLACES[counter]),
        Step::Hold(run, counter) => format!("{} holds on {}", RUN[run], PLACES[counter]),
        Step::Look(run, counter) => format!("{} looks at {}", RUN[run], PLACES[counter]),
        Step::Free(run, counter) => format!("{} releases its other attempt on {}", RUN[run], PLACES[counter]),
        Step::Rename(run) => format!("{} renames the parts", RUN[run]),
        Step::Commit(run) => format!("{} is paid", RUN[run]),
        Step::Decline(run) => format!("{} is declined", RUN[run]),
        Step::Drop(run) => format!("{} drops its order", RUN[run]),
        Step::Expire(buyer) => format!("a timer of {} fires", BUYER[buyer]),
        Step::Settle { op, counter, commit, mark } => {
            let what = if commit { "confirms" } else { "releases" };
            format!("a worker {what} {} on {}, marked {mark}", RUN[op], PLACES[counter])
        }
        Step::Late { call, counter, quantity } => {
            format!("the hold of {quantity} by {} on {} is delivered again", RUN[call], PLACES[counter])
        }
        Step::Prune { counter, mark } => format!("{} is pruned of marks up to {mark}", PLACES[counter]),
        Step::Adjust { counter, units } => format!("staff moves {units:+} on {}", PLACES[counter]),
    }
}

fn shelf(shelf: &Shelf) -> String {
    let named = |values: &[i8]| {
        let set = RUN.iter().zip(values).filter(|(_, value)| **value != 0);
        set.map(|(run, value)| format!("{run}:{value}")).collect::<Vec<_>>().join(" ")
    };
    let Shelf { available, taken, inc, floor, holds, done, .. } = shelf;
    format!(
        "[available {available} held {{{}}} taken {taken} done {{{}}} floor {floor} inc {inc}]",
        named(holds),
        named(done)
    )
}

fn order(order: &Order) -> String {
    if matches!(order.status, Status::Absent | Status::Tombstone) {
        return format!("{:?}", order.status);
    }
    let parts = PLACES.iter().zip(order.parts).filter(|(_, units)| *units > 0);
    let parts: Vec<_> = parts.map(|(place, units)| format!("{place}:{units}")).collect();
    format!("{:?} of {}, names {}", order.status, RUN[index(order.by)], parts.join(" "))
}
