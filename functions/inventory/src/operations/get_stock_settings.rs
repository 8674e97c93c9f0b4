//! `GET /v1/admin/inventory/{sku}/settings`: how a SKU is kept and sold.

use kernel::Problem;
use lambda::{Auth, Call, Function, Http, Reply};

use super::SkuPath;
use super::set_stock_settings::SettingsView;
use crate::table::ReadSettings;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-stock-settings", "/v1/admin/inventory/{sku}/settings")
        .summary("How a SKU is kept and sold: policy, threshold, safety stock, announced sale")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<SettingsView>(200, "the settings; those of a fresh item when it has none of its own")
        .handle(handle)
}

async fn handle(call: Call<SkuPath>, settings: ReadSettings) -> Result<Reply, Problem> {
    let found = settings.of(&call.path.sku).await?;
    Ok(Reply::ok(&SettingsView::of(call.path.sku, &found)).version(found.version))
}
