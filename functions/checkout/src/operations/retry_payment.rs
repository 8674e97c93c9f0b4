//! The worker behind a payment whose outcome is not known: asks the provider until it says, and settles.

use std::time::Duration;

use aws::QueueSpec;
use kernel::OrderId;
use lambda::{Consumer, Delivery, Fault, Function};
use orders::Status;
use orders::table::Record;
use payments::{Answer, Outcome};
use serde::{Deserialize, Serialize};

use crate::till::{Asked, Till};

/// Orders whose payment's outcome is not known.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "retry-payment", fifo: false, visibility_s: 180, max_receives: 30, max_age_alarm_s: 900 };

/// An order whose payment's outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The order.
    pub order: OrderId,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("retry-payment")
        .summary("Ask the payment provider again when it gave no answer")
        .queue(&QUEUE, handle)
}

async fn handle(delivery: Delivery<Unsettled>, till: Till) -> Result<(), Fault> {
    let id = delivery.event.data.order;
    let cx = &delivery.cx;
    let Some(Record::Order(order)) = till.record(&id).await? else { return Ok(()) };
    // Decided meanwhile, or about to be ended by its timer, which asks the provider too.
    if order.status != Status::Pending || order.expires_at <= cx.now() {
        return Ok(());
    }
    let asked = match till.retrieve(&order).await {
        // It never heard of the payment: the first request was lost, so the same one is sent again.
        Ok(Answer { outcome: Outcome::Missing, .. }) | Err(payments::ProviderError::Passing(_)) => {
            till.charge(&order, cx.remaining() / 2, cx).await
        }
        Ok(answer) => Asked::Known(answer),
        Err(error) => Asked::Unknown(error.to_string()),
    };
    match asked {
        Asked::Known(answer) => till.settle(&order, &answer, cx).await.map(|_| ()).map_err(Fault::from),
        Asked::Unknown(reason) => Err(Fault::Retry(back_off(delivery.receives), reason)),
    }
}

/// 2, 4, 8 … at most 60 seconds.
fn back_off(receives: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(receives.min(6)).min(60))
}
