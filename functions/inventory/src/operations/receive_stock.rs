//! `POST /v1/admin/inventory/{sku}/receipts`: units come in.

use kernel::counter::Adjustment;
use kernel::limits::STOCK_QUANTITY;
use kernel::problem::code;
use kernel::{Handle, Problem};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SkuPath, answer_stock, check_warehouse, moved, movement_op, read_stock};
use crate::desk::Spreader;
use crate::settings::MAIN;
use crate::stock::{CounterKey, Stock};
use crate::table::{Movement, NoteLow, ReadSettings, ReadStock, ReceiveStock, SplitStock};

/// Units that came in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Receipt {
    /// Where to; a fresh shop has `main`.
    warehouse: Handle,
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
        .timeout(20)
}

async fn handle(
    call: Call<SkuPath, Nothing, Receipt>,
    (settings, split, stock, (read, spreader, low)): (
        ReadSettings,
        SplitStock,
        ReceiveStock,
        (ReadStock, Spreader, NoteLow),
    ),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    cx.note("reference", &body.reference);
    check_warehouse(&settings, &body.warehouse).await?;
    let warehouse = body.warehouse.as_str();
    // The item must be looked for where the units will lie, before they lie there.
    let kept =
        if warehouse == MAIN { settings.of(&path.sku).await? } else { split.keep_in(&path.sku, warehouse).await? };
    let key = CounterKey { sku: path.sku, warehouse: warehouse.to_owned(), shard: 0 };
    let (op, actor, quantity) = (movement_op(&cx), cx.actor(), i64::from(body.quantity));
    let adjustment = Adjustment { op: &op, quantity, fingerprint: cx.fingerprint(), expected: None };
    let movement = Movement { adjustment, kind: "receipt", actor: &actor, reason: &body.reference };
    let counter = moved(&key, stock.receive(&key, &movement, cx.now()).await?)?;
    if kept.low_told_at.is_some() && counter.available > kept.low_at {
        low.recovered(&key.sku).await?;
    }
    if kept.is_whole() {
        return Ok(answer_stock(&Stock::of(key.sku.clone(), [(&key, &counter)])));
    }
    if kept.shards(warehouse).active > 1 {
        spreader.spread(&key.sku, warehouse, &actor, &cx).await?;
    }
    Ok(answer_stock(&read_stock(&read, &key.sku).await?))
}
