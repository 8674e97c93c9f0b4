//! The worker behind the deadlines of reservations: each reservation and each of its holds comes here once, when its time is
//! over.

use std::time::Duration;

use aws::QueueSpec;
use kernel::ReservationId;
use lambda::{Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::desk::ReservationDesk;
use crate::reservation::Verdict;
use crate::stock::CounterKey;
use crate::table::LoadReservation;

/// Deadlines of reservations. One that is further away than SQS delays a message waits here, hidden; hence the alarm's age.
pub const QUEUE: QueueSpec = QueueSpec {
    name: "expire-reservations",
    fifo: false,
    visibility_s: 180,
    max_receives: 10,
    max_age_alarm_s: 25 * 3600,
};

/// The longest that a message is hidden at once; SQS allows twelve hours.
const HIDDEN: Duration = Duration::from_secs(11 * 3600);

/// A deadline: of a reservation, or of one hold of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationDue {
    /// The reservation.
    pub reservation: ReservationId,
    /// The counter that carries the hold; absent for the reservation's own deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterKey>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("expire-reservations")
        .summary("Expire reservations that were not committed in time, and free their holds")
        .queue(&QUEUE, handle)
}

async fn handle(
    delivery: Delivery<ReservationDue>,
    (reservations, desk): (LoadReservation, ReservationDesk),
) -> Result<(), Fault> {
    let ReservationDue { reservation, counter } = delivery.event.data;
    let cx = &delivery.cx;
    let mut standing = reservations.load(&reservation).await?;
    if let Some(open) = standing.as_ref().filter(|standing| !standing.status.is_decided()) {
        if open.expires_at > cx.now() {
            let early = open.expires_at.since(cx.now()) + Duration::from_secs(1);
            return Err(Fault::Retry(early.min(HIDDEN), "its time has not come".into()));
        }
        standing = desk.decide(&reservation, Verdict::Expire, cx.now()).await?;
    }
    match counter {
        // A hold that its record does not name, or that came after it was decided, is moved here; no other event would.
        Some(key) => desk.move_hold(&key, &reservation, standing.as_ref(), cx.now()).await.map_err(Fault::from),
        None => Ok(()),
    }
}
