//! `POST /v1/reservations/{id}/release`: the units of a reservation are given back.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Idempotency, Reply};

use super::{ReservationPath, settle_reservation};
use crate::reservation::{ReservationView, State, Verdict};
use crate::table::DecideReservation;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("release-reservation", "/v1/reservations/{id}/release")
        .summary("Give back what a reservation holds")
        .auth(Auth::CHANNEL)
        .idempotency(Idempotency::Inherent)
        .reply::<ReservationView>(200, "the units are given back, now or before")
        .problems(&[code::RESERVATION_NOT_FOUND, code::RESERVATION_DECIDED])
        .handle(handle)
}

async fn handle(call: Call<ReservationPath>, reservations: DecideReservation) -> Result<Reply, Problem> {
    settle_reservation(&call, &reservations, Verdict::Release, State::Released).await
}
