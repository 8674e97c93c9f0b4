//! `POST /v1/admin/inventory/transfers/{id}/arrival`: units that were on their way come in.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Idempotency, Reply};

use super::{TransferPath, no_transfer};
use crate::desk::patiently;
use crate::stock::CounterKey;
use crate::table::{LoadTransfer, MoveUnits, ReadStock, Sent, Target, Transfer, TransferState};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("receive-transfer", "/v1/admin/inventory/transfers/{id}/arrival")
        .summary("Book units that were in transit into their warehouse")
        .auth(Auth::STAFF_INVENTORY)
        .idempotency(Idempotency::Inherent)
        .reply::<Transfer>(200, "the transfer: arrived, now or before")
        .problems(&[code::TRANSFER_NOT_FOUND])
        .handle(handle)
        .timeout(20)
}

async fn handle(
    call: Call<TransferPath>,
    (read, transfers, units): (ReadStock, LoadTransfer, MoveUnits),
) -> Result<Reply, Problem> {
    let (id, cx) = (call.path.id()?, call.cx);
    for _ in 0..4 {
        let transfer = transfers.load(&id).await?.ok_or_else(no_transfer)?;
        if transfer.status == TransferState::Arrived {
            return Ok(Reply::ok(&transfer.shown()));
        }
        let snapshot = read.all(std::slice::from_ref(&transfer.sku), false, true).await?;
        let key = CounterKey { sku: transfer.sku.clone(), warehouse: transfer.to.clone(), shard: 0 };
        let target = Target { exists: snapshot.counters.contains_key(&key), key };
        let (kept, actor) = (snapshot.settings(&transfer.sku), cx.actor());
        let arrive = || units.arrive(&transfer, &target, &kept, &actor, cx.now());
        if patiently(&cx, arrive).await? == Sent::Yes {
            let arrived = Transfer { status: TransferState::Arrived, updated_at: cx.now(), ..transfer };
            return Ok(Reply::ok(&arrived.shown()));
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the stock kept changing; nothing was booked").retry_after(1))
}
