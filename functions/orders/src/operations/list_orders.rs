//! `GET /v1/orders`: the caller's own orders, newest first.

use aws::SigningSecret;
use kernel::Problem;
use kernel::limits::{PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Page, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::ListOrders;
use crate::view::OrderView;

/// Which page.
#[derive(Deserialize, JsonSchema)]
struct Query {
    /// The most orders on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// Where the page before ended.
    #[schemars(length(max = 1024))]
    cursor: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-orders", "/v1/orders")
        .summary("The caller's own orders, newest first")
        .auth(Auth::CUSTOMER)
        .reply::<Page<OrderView>>(200, "a page of orders")
        .problems(&[code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Query>, (orders, secret): (ListOrders, SigningSecret)) -> Result<Reply, Problem> {
    let caller = call.cx.signed_in()?;
    // Bound to the customer: a cursor of somebody else does not open.
    let scope = format!("list-orders {}", caller.id);
    let key = secret.key().await?;
    let from = match &call.query.cursor {
        None => None,
        Some(cursor) => {
            let position = key.position(&scope, cursor);
            Some(position.ok_or_else(|| Problem::new(code::INVALID_CURSOR, "take the cursor from `next` as it is"))?)
        }
    };
    let limit = call.query.limit.unwrap_or(PAGE_DEFAULT);
    let (found, next) = orders.of_customer(&caller.id, limit, from).await?;
    let items = found.into_iter().map(OrderView::from).collect();
    Ok(Reply::ok(&Page { items, next: next.map(|position| key.cursor(&scope, &position)) }))
}
