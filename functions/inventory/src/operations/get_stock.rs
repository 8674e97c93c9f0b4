//! `GET /v1/admin/inventory/{sku}`: the books of a SKU.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use super::{SkuPath, no_such_sku};
use crate::stock::{CounterKey, Stock};
use crate::table::ReadCounter;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-stock", "/v1/admin/inventory/{sku}")
        .summary("Received, available, held and taken units of a SKU")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Stock>(200, "the stock")
        .problems(&[code::SKU_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<SkuPath>, counters: ReadCounter) -> Result<Reply, Problem> {
    let key = CounterKey::main(call.path.sku);
    let counter = counters.read(&key).await?.ok_or_else(|| no_such_sku(&key.sku))?;
    Ok(Reply::ok(&Stock::of(&key, &counter)))
}
