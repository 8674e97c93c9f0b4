//! The worker behind every deadline: each order and each hold comes here once, when its time is over, by a delayed message.

use std::time::Duration;

use aws::QueueSpec;
use inventory::CounterKey;
use kernel::OrderId;
use lambda::{Consumer, Cx, Delivery, Fault, Function};
use orders::Status;
use orders::table::Record;
use promotions::UseKey;
use serde::{Deserialize, Serialize};

use crate::till::{Standing, Till};

/// Deadlines that passed.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "expire-orders", fifo: false, visibility_s: 180, max_receives: 10, max_age_alarm_s: 1200 };

/// A deadline: of an order, or of one hold of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The order.
    pub order: OrderId,
    /// The hold; absent for the order's own deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<DueHold>,
    /// What it holds of a coupon or a gift card; absent for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<DueUse>,
}

/// A hold of a coupon or a gift card whose time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueUse {
    /// The operation that holds.
    pub op: String,
    /// The counter that carries it.
    pub key: UseKey,
}

/// A hold whose time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueHold {
    /// The operation that holds.
    pub op: String,
    /// The counter that carries it.
    pub counter: CounterKey,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("expire-orders")
        .summary("Expire orders that were not paid in time, and free their holds")
        .queue(&QUEUE, handle)
        .alarm(crate::till::ALARM)
}

async fn handle(delivery: Delivery<Due>, till: Till) -> Result<(), Fault> {
    carry_out(delivery.event.data, &till, &delivery.cx).await
}

/// Ends what is overdue.
pub async fn carry_out(due: Due, till: &Till, cx: &Cx) -> Result<(), Fault> {
    let Due { order, hold, used } = due;
    let standing = ended(&order, till, cx).await?;
    // A hold that arrived late, after its order was decided, is moved here; one that was moved before is left alone.
    if let Some(DueHold { op, counter }) = hold {
        till.move_hold(&counter, &op, &standing, cx.now()).await?;
    }
    if let Some(DueUse { op, key }) = used {
        till.move_use(&key, &op, &standing, cx.now()).await?;
    }
    Ok(())
}

/// What stands, after an order that is overdue was ended. One whose time has not come (clocks differ) comes again.
async fn ended(id: &OrderId, till: &Till, cx: &Cx) -> Result<Standing, Fault> {
    if let Some(standing) = till.record(id).await? {
        match &standing {
            Record::Order(order) if order.status == Status::Pending && order.expires_at > cx.now() => {
                let early = order.expires_at.since(cx.now()) + Duration::from_secs(1);
                return Err(Fault::Retry(early, "its time has not come".into()));
            }
            Record::Order(order) if order.status == Status::Pending => {}
            Record::Order(_) | Record::Tombstone => return Ok(standing),
        }
    }
    Ok(till.end(id, cx).await?)
}
