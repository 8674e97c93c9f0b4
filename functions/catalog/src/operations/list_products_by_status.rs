//! `GET /v1/admin/products`: what staff has in the making, in sale or taken out of it, page by page, the newest first.

use kernel::Problem;
use kernel::limits::PAGE_MAX;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Page, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::list_products::{Asked, in_status, page_limit};
use crate::product::{Product, Status};
use crate::table::{FindProducts, List, ListByAge, Order};

/// Which products.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// The status they have; those in sale when it is not said.
    #[serde(default)]
    status: Status,
    /// The most items on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-products-by-status", "/v1/admin/products")
        .summary("The drafts, the products in sale or the archived ones, page by page")
        .auth(Auth::STAFF_CATALOG)
        .reply::<Page<Product>>(200, "A page of products, the newest first")
        .problems(&[code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Query>,
    (rows, products, secret): (ListByAge, FindProducts, aws::SigningSecret),
) -> Result<Reply, Problem> {
    let Query { status, limit, cursor } = &call.query;
    let scope = serde_json::json!(["list-products-by-status", status]).to_string();
    let list = List { status: *status, category: None, tag: None, brand: None, order: Order::Newest };
    let asked = Asked { scope: &scope, cursor: cursor.as_deref() };
    let (ids, position) = rows.page(&list, asked.after(&secret).await?.as_ref(), page_limit(*limit)?).await?;
    let items = in_status(&products, &ids, *status).await?;
    Ok(Reply::ok(&Page { items, next: asked.next(position, &secret).await? }))
}
