//! The worker behind every decided order with a coupon or a gift card: what it holds is taken, or given back.

use aws::QueueSpec;
use futures_util::future::try_join_all;
use kernel::counter::{Outcome, Refusal};
use lambda::{Alarm, Consumer, Delivery, Fault, Function};

use crate::table::SettleUses;
use crate::uses::{Part, UseDecision};

/// Decided orders, in any order: taking and giving back are idempotent and exclude each other.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "confirm-uses", fifo: false, visibility_s: 180, max_receives: 10, max_age_alarm_s: 60 };

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("confirm-uses")
        .summary("Take or give back the coupon and the gift cards of a decided order")
        .queue(&QUEUE, handle)
        .alarm(Alarm { metric: "MissingUses", threshold: 1, period_s: 60, periods: 1 })
}

async fn handle(delivery: Delivery<UseDecision>, uses: SettleUses) -> Result<(), Fault> {
    let decision = delivery.event.data;
    let now = delivery.cx.now();
    let settle = |part: &Part| {
        let (uses, key, op) = (uses.clone(), part.key.clone(), decision.op.clone());
        async move { uses.settle(&key, &op, decision.committed, decision.created, now).await }
    };
    let outcomes = try_join_all(decision.parts.iter().map(settle)).await?;
    // A paid order whose coupon or money nobody held, on the first delivery: it must never happen.
    let missing = outcomes.iter().filter(|outcome| **outcome == Outcome::Refused(Refusal::NoHold)).count();
    if decision.committed && missing > 0 && delivery.receives == 1 {
        delivery.cx.count("MissingUses", i64::try_from(missing).unwrap_or(i64::MAX));
        delivery.cx.note("missing_uses_of", &decision.op);
    }
    Ok(())
}
