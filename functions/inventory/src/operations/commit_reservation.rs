//! `POST /v1/reservations/{id}/commit`: the units of a reservation are sold.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Idempotency, Reply};

use super::{ReservationPath, settle_reservation};
use crate::reservation::{ReservationView, State, Verdict};
use crate::table::DecideReservation;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("commit-reservation", "/v1/reservations/{id}/commit")
        .summary("Sell what a reservation holds")
        .auth(Auth::CHANNEL)
        .idempotency(Idempotency::Inherent)
        .reply::<ReservationView>(200, "the units are sold, now or before")
        .problems(&[code::RESERVATION_NOT_FOUND, code::RESERVATION_DECIDED])
        .handle(handle)
}

async fn handle(call: Call<ReservationPath>, reservations: DecideReservation) -> Result<Reply, Problem> {
    settle_reservation(&call, &reservations, Verdict::Commit, State::Committed).await
}
