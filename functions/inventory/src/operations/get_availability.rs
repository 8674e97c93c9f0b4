//! `GET /v1/inventory/{sku}`: whether something can be bought.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Cache, Call, Function, Http, Reply};

use super::{SkuPath, no_such_sku};
use crate::stock::{Availability, CounterKey};
use crate::table::ReadCounter;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-availability", "/v1/inventory/{sku}")
        .summary("Whether a SKU can be bought, and how many units")
        .cache(Cache::Public { max_age: 1, stale: 5 })
        .reply::<Availability>(200, "the availability")
        .problems(&[code::SKU_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<SkuPath>, counters: ReadCounter) -> Result<Reply, Problem> {
    let key = CounterKey::main(call.path.sku);
    let counter = counters.read(&key).await?.ok_or_else(|| no_such_sku(&key.sku))?;
    Ok(Reply::ok(&Availability::of(key.sku, &counter)))
}
