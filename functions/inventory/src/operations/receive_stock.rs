//! `POST /v1/admin/inventory/{sku}/receipts`: units come in.

use kernel::Problem;
use kernel::limits::STOCK_QUANTITY;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SkuPath, answer, movement_op};
use crate::stock::{CounterKey, Stock, check_warehouse};
use crate::table::{Movement, ReceiveStock};

/// Units that came in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Receipt {
    /// Where to; a fresh shop has `main`.
    #[schemars(length(min = 1, max = 40))]
    warehouse: String,
    /// How many.
    #[schemars(range(min = 1, max = STOCK_QUANTITY))]
    quantity: u32,
    /// The delivery note, purchase order or the like.
    #[schemars(length(min = 1, max = 200))]
    reference: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("receive-stock", "/v1/admin/inventory/{sku}/receipts")
        .summary("Take units into stock")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Stock>(200, "the stock with the units in it")
        .problems(&[code::WAREHOUSE_NOT_FOUND, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(call: Call<SkuPath, Nothing, Receipt>, stock: ReceiveStock) -> Result<Reply, Problem> {
    check_warehouse(&call.body.warehouse)?;
    call.cx.note("reference", &call.body.reference);
    let key = CounterKey { warehouse: call.body.warehouse, ..CounterKey::main(call.path.sku) };
    let op = movement_op(&call.cx);
    let movement = Movement { op: &op, quantity: i64::from(call.body.quantity), fingerprint: call.cx.fingerprint() };
    answer(&key, stock.receive(&key, &movement, call.cx.now()).await?)
}
