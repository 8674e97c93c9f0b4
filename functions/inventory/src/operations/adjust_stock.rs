//! `POST /v1/admin/inventory/{sku}/adjustments`: a count is corrected, never below what is held.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SkuPath, answer, movement_op};
use crate::stock::{CounterKey, Stock, check_warehouse};
use crate::table::{AdjustStock, Movement};

/// A correction.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Adjustment {
    /// Where; a fresh shop has `main`.
    #[schemars(length(min = 1, max = 40))]
    warehouse: String,
    /// How many units more; negative for fewer.
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    quantity: i64,
    /// Why.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("adjust-stock", "/v1/admin/inventory/{sku}/adjustments")
        .summary("Correct the count of a SKU by a signed number of units")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Stock>(200, "the corrected stock")
        .problems(&[code::SKU_NOT_FOUND, code::WAREHOUSE_NOT_FOUND, code::BELOW_HELD, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(call: Call<SkuPath, Nothing, Adjustment>, stock: AdjustStock) -> Result<Reply, Problem> {
    check_warehouse(&call.body.warehouse)?;
    if call.body.quantity == 0 {
        return Err(Problem::field("/quantity", "must not be 0"));
    }
    call.cx.note("reason", &call.body.reason);
    let key = CounterKey { warehouse: call.body.warehouse, ..CounterKey::main(call.path.sku) };
    let op = movement_op(&call.cx);
    let movement = Movement { op: &op, quantity: call.body.quantity, fingerprint: call.cx.fingerprint() };
    answer(&key, stock.adjust(&key, &movement, call.cx.now()).await?)
}
