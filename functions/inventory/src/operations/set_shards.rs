//! `PUT /v1/admin/inventory/{sku}/shards`: a hot item is split, so that more shoppers can hold it at once.

use kernel::limits::SHARDS;
use kernel::problem::code;
use kernel::{Handle, Problem};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SkuPath, answer_stock, check_warehouse, read_stock};
use crate::desk::{Spreader, patiently};
use crate::stock::Stock;
use crate::table::{Changed, ReadSettings, ReadStock, SplitStock};

/// Over how many shards.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShardsRequest {
    /// Where.
    warehouse: Handle,
    /// How many; fewer than now only while no sale runs on those that go.
    #[schemars(range(min = 1, max = SHARDS))]
    shards: u32,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-shards", "/v1/admin/inventory/{sku}/shards")
        .summary("Split the stock of a SKU over shards, and spread its units evenly")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Stock>(200, "the stock, shard by shard")
        .problems(&[code::SKU_NOT_FOUND, code::WAREHOUSE_NOT_FOUND, code::SHARDS_IN_USE])
        .handle(handle)
        .timeout(29)
}

async fn handle(
    call: Call<SkuPath, Nothing, ShardsRequest>,
    (settings, read, split, spreader): (ReadSettings, ReadStock, SplitStock, Spreader),
) -> Result<Reply, Problem> {
    let (sku, shards, cx) = (call.path.sku, call.body.shards, call.cx);
    check_warehouse(&settings, &call.body.warehouse).await?;
    let stock = read_stock(&read, &sku).await?;
    let (warehouse, actor) = (call.body.warehouse.as_str(), cx.actor());
    if shards < settings.of(&sku).await?.shards(warehouse).active {
        // A sale that runs on them keeps its units where its shoppers look first.
        if stock.items.iter().any(|item| item.warehouse == warehouse && item.shard >= shards && item.held > 0) {
            return Err(in_use());
        }
        spreader.drain(&sku, warehouse, shards, &actor, &cx).await?;
    }
    let changed = patiently(&cx, || split.set_shards(&sku, warehouse, shards)).await?;
    spreader.spread(&sku, warehouse, &actor, &cx).await?;
    if !matches!(changed, Changed::Yes(_)) {
        return Err(in_use());
    }
    Ok(answer_stock(&read_stock(&read, &sku).await?))
}

fn in_use() -> Problem {
    let detail = "units are held, or came in, on the shards that would go; try again when the sale is over";
    Problem::new(code::SHARDS_IN_USE, detail).retry_after(60)
}
