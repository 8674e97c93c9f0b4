//! The worker behind a payment whose outcome is not known: asks the provider until it says, and settles.

use std::time::Duration;

use aws::QueueSpec;
use kernel::OrderId;
use lambda::{Consumer, Cx, Delivery, Fault, Function};
use orders::table::Record;
use orders::{PaymentStatus, Status};
use payments::{Answer, Outcome, ProviderError};
use serde::{Deserialize, Serialize};

use crate::reports::Taken;
use crate::till::{Asked, Till};

/// Orders whose payment's outcome is not known.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "retry-payment", fifo: false, visibility_s: 180, max_receives: 30, max_age_alarm_s: 900 };

/// An order whose payment's outcome is not known, or of which the provider reported something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The order.
    pub order: OrderId,
    /// What the provider reported; absent when it gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Reported>,
}

/// What the provider reported of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The provider's id of the report.
    pub id: String,
    /// The money that was taken, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("retry-payment")
        .summary("Settle payments: ask the provider again when it gave no answer, and carry out what it reported")
        .queue(&QUEUE, handle)
        .alarm(crate::till::ALARM)
}

async fn handle(delivery: Delivery<Unsettled>, till: Till) -> Result<(), Fault> {
    carry_out(delivery.event.data, delivery.receives, &till, &delivery.cx).await
}

/// Finds out where the payment of an order stands, and settles it.
pub async fn carry_out(unsettled: Unsettled, receives: u32, till: &Till, cx: &Cx) -> Result<(), Fault> {
    let Unsettled { order: id, report } = unsettled;
    let order = match till.record(&id).await? {
        Some(Record::Order(order)) => order,
        // Nothing is charged before the order is written: a report that comes before that can be read later, and one of
        // an order that never comes is money that people must look after. It ends among the dead letters.
        Some(Record::Tombstone) | None if report.is_some() => {
            cx.note("unknown_order", &id);
            return Err(Fault::Retry(back_off(receives), "a report of an order that is not known".into()));
        }
        Some(Record::Tombstone) | None => return Ok(()),
    };
    let pending = order.status == Status::Pending;
    let taken = report.as_ref().and_then(|report| report.taken.clone());
    let overdue = order.expires_at <= cx.now();
    let answer = match taken.filter(|taken| taken.amount == order.charged()) {
        _ if order.status.is_committed() => return Ok(()),
        Some(Taken { intent, .. }) => Ok(Answer { intent, outcome: Outcome::Succeeded }),
        // Decided meanwhile, or about to be ended by its timer, which asks the provider too.
        None if report.is_none() && (!pending || overdue) => return Ok(()),
        None => till.retrieve(&order).await,
    };
    let asked = match answer {
        // It never heard of the payment: the first request was lost, so the same one is sent again; but only where the
        // call that placed the order has given up, and time is left.
        Ok(Answer { outcome: Outcome::Missing, .. }) | Err(ProviderError::Passing(_)) => {
            if !pending || overdue || order.payment.status != PaymentStatus::Unknown {
                return Ok(());
            }
            till.charge(&order, cx.remaining() / 2, cx).await
        }
        Ok(answer) => Asked::Known(answer),
        Err(error) => Asked::Unknown(error.to_string()),
    };
    match asked {
        // The bank has not decided yet.
        Asked::Known(Answer { outcome: Outcome::Processing, .. }) if report.is_none() => {
            Err(Fault::Retry(back_off(receives), "the bank has not decided yet".into()))
        }
        // Dead, and no money came: there is nothing to write.
        Asked::Known(answer) if !pending && !matches!(answer.outcome, Outcome::Succeeded | Outcome::Authorized) => {
            Ok(())
        }
        Asked::Known(answer) => till.settle(&order, &answer, cx).await.map(|_| ()).map_err(Fault::from),
        Asked::Unknown(reason) => Err(Fault::Retry(back_off(receives), reason)),
    }
}

/// 2, 4, 8 … at most 60 seconds.
fn back_off(receives: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(receives.min(6)).min(60))
}
