//! `GET /v1/admin/inventory/{sku}/ledger`: every movement of a SKU, newest first.

use aws::SigningSecret;
use kernel::Problem;
use kernel::limits::{PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Page, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::SkuPath;
use crate::ledger::Movement;
use crate::table::ReadLedger;

/// Which page.
#[derive(Deserialize, JsonSchema)]
struct LedgerQuery {
    /// The most movements on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// Where the page before ended.
    #[schemars(length(max = 1024))]
    cursor: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-ledger", "/v1/admin/inventory/{sku}/ledger")
        .summary("Every movement of a SKU, newest first; a moment behind the stock itself")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Page<Movement>>(200, "a page of movements")
        .problems(&[code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(
    call: Call<SkuPath, LedgerQuery>,
    (ledger, secret): (ReadLedger, SigningSecret),
) -> Result<Reply, Problem> {
    let scope = format!("list-ledger {}", call.path.sku);
    let key = secret.key().await?;
    let from = match &call.query.cursor {
        None => None,
        Some(cursor) => {
            let position = key.position(&scope, cursor);
            Some(position.ok_or_else(|| Problem::new(code::INVALID_CURSOR, "take the cursor from `next` as it is"))?)
        }
    };
    let limit = call.query.limit.unwrap_or(PAGE_DEFAULT);
    let (items, next) = ledger.page(&call.path.sku, limit, from).await?;
    Ok(Reply::ok(&Page { items, next: next.map(|position| key.cursor(&scope, &position)) }))
}
