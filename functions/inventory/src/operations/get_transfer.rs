//! `GET /v1/admin/inventory/transfers/{id}`: where units on their way are.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use super::{TransferPath, no_transfer};
use crate::table::{LoadTransfer, Transfer};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-transfer", "/v1/admin/inventory/transfers/{id}")
        .summary("A transfer between warehouses")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Transfer>(200, "the transfer")
        .problems(&[code::TRANSFER_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<TransferPath>, transfers: LoadTransfer) -> Result<Reply, Problem> {
    let transfer = transfers.load(&call.path.id()?).await?.ok_or_else(no_transfer)?;
    Ok(Reply::ok(&transfer.shown()))
}
