//! The worker behind every decided record: confirms or releases the holds that it names.

use aws::QueueSpec;
use futures_util::future::try_join_all;
use kernel::counter::{Outcome, Refusal};
use lambda::{Alarm, Consumer, Delivery, Fault, Function};

use crate::stock::{HoldDecision, Part};
use crate::table::SettleHolds;

/// Decided records, in any order: confirming and releasing are idempotent and exclude each other.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "confirm-holds", fifo: false, visibility_s: 180, max_receives: 10, max_age_alarm_s: 60 };

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("confirm-holds")
        .summary("Confirm or release the holds of a decided order or reservation")
        .concurrency(8)
        .queue(&QUEUE, handle)
        .alarm(Alarm { metric: "MissingHolds", threshold: 1, period_s: 60, periods: 1 })
}

async fn handle(delivery: Delivery<HoldDecision>, holds: SettleHolds) -> Result<(), Fault> {
    let decision = delivery.event.data;
    let now = delivery.cx.now();
    let settle = |part: &Part| {
        let (holds, key, op) = (holds.clone(), part.key.clone(), decision.op.clone());
        async move { holds.settle(&key, &op, decision.committed, decision.created, now).await }
    };
    let outcomes = try_join_all(decision.parts.iter().map(settle)).await?;
    // A committed record without its hold on the first delivery: units were sold that nobody held. It must never happen;
    // on a later delivery the mark may simply have been pruned.
    let missing = outcomes.iter().filter(|outcome| **outcome == Outcome::Refused(Refusal::NoHold)).count();
    if decision.committed && missing > 0 && delivery.receives == 1 {
        delivery.cx.count("MissingHolds", i64::try_from(missing).unwrap_or(i64::MAX));
        delivery.cx.note("missing_holds_of", &decision.op);
    }
    Ok(())
}
