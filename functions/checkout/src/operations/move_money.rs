//! The worker behind captures and refunds that the provider gave no answer to: asks again until it does.

use std::time::Duration;

use aws::QueueSpec;
use kernel::{OrderId, RefundId};
use lambda::{Alarm, Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::cashier::{Capturer, Carried, Refunder};

/// Captures and refunds that were asked for.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "move-money", fifo: false, visibility_s: 180, max_receives: 30, max_age_alarm_s: 900 };

/// Money of an order that is to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The order.
    pub order: OrderId,
    /// The refund; absent for a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundId>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("move-money")
        .summary("Capture and refund at the payment provider, until it answers")
        .queue(&QUEUE, handle)
        .alarm(Alarm { metric: "RefundsRefused", threshold: 1, period_s: 300, periods: 1 })
        .alarm(Alarm { metric: "CapturesFailed", threshold: 1, period_s: 300, periods: 1 })
}

async fn handle(delivery: Delivery<Movement>, (refunder, capturer): (Refunder, Capturer)) -> Result<(), Fault> {
    let Movement { order, refund } = delivery.event.data;
    let cx = &delivery.cx;
    let Some(order) = refunder.load(&order).await? else {
        return Err(Fault::Poison("money of an order that is not known".into()));
    };
    let limit = cx.remaining() / 2;
    let carried = match refund {
        Some(id) => refunder.refund(order, &id, limit, cx).await?,
        None => capturer.capture(order, limit, cx).await?,
    };
    match carried {
        Carried::Out(_) => Ok(()),
        Carried::NotYet(reason) => {
            let wait = 2_u64.saturating_pow(delivery.receives.min(6)).min(60);
            Err(Fault::Retry(Duration::from_secs(wait), reason))
        }
    }
}
