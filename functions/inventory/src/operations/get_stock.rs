//! `GET /v1/admin/inventory/{sku}`: the books of a SKU.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use super::{SkuPath, answer_stock, read_stock};
use crate::stock::Stock;
use crate::table::ReadStock;

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

async fn handle(call: Call<SkuPath>, stock: ReadStock) -> Result<Reply, Problem> {
    Ok(answer_stock(&read_stock(&stock, &call.path.sku).await?))
}
