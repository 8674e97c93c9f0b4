//! `GET /v1/admin/warehouses`: the warehouses of the shop.

use kernel::Problem;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::settings::Warehouses;
use crate::table::ReadSettings;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-warehouses", "/v1/admin/warehouses")
        .summary("The warehouses of the shop, and which one serves which country first")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Warehouses>(200, "the warehouses")
        .handle(handle)
}

async fn handle(_: Call, settings: ReadSettings) -> Result<Reply, Problem> {
    let (shop, version) = settings.warehouses().await?;
    Ok(Reply::ok(&shop).version(version))
}
