//! `GET /v1/inventory/{sku}`: whether something can be bought.

use http::header::CACHE_CONTROL;
use kernel::Problem;
use kernel::problem::code;
use lambda::{Call, Freshness, Function, Http, Reply};

use super::{SkuPath, no_such_sku};
use crate::stock::Availability;
use crate::table::ReadStock;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-availability", "/v1/inventory/{sku}")
        .summary("Whether a SKU can be bought, and how many units")
        .cache(Freshness::Availability)
        .reply::<Availability>(200, "the availability")
        .problems(&[code::SKU_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<SkuPath>, stock: ReadStock) -> Result<Reply, Problem> {
    let sku = call.path.sku;
    let snapshot = stock.all(std::slice::from_ref(&sku), false, false).await?;
    if snapshot.settings.is_empty() && snapshot.counters.is_empty() {
        return Err(no_such_sku(&sku));
    }
    let settings = snapshot.settings(&sku);
    let keys = settings.counters(&sku);
    let counters = keys.iter().filter_map(|key| Some((key, snapshot.counters.get(key)?)));
    let reply = Reply::ok(&Availability::of(sku, &settings, counters));
    let gone = settings.drop.is_some_and(|drop| drop.gone);
    Ok(if gone { reply.header(CACHE_CONTROL, &Freshness::SoldOut.header()) } else { reply })
}
