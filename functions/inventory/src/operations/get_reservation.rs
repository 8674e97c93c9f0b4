//! `GET /v1/reservations/{id}`: where a reservation stands.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use super::ReservationPath;
use crate::desk::no_reservation;
use crate::reservation::ReservationView;
use crate::table::LoadReservation;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-reservation", "/v1/reservations/{id}")
        .summary("Where a reservation stands")
        .auth(Auth::CHANNEL)
        .reply::<ReservationView>(200, "the reservation")
        .problems(&[code::RESERVATION_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<ReservationPath>, reservations: LoadReservation) -> Result<Reply, Problem> {
    let reservation = reservations.load(&call.path.id()?).await?.ok_or_else(no_reservation)?;
    let version = reservation.version;
    Ok(Reply::ok(&ReservationView::from(reservation)).version(version))
}
