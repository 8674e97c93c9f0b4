//! `GET /v1/products/{id}`: one product, by its id or its slug. The answer is public and kept by the CDN, so it does not
//! depend on who asks: what is not sold is not there.

use kernel::{Currency, Problem, ProductId, Slug};
use lambda::{Auth, Call, Freshness, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commands::unknown;
use crate::product::Product;
use crate::table::{BySlug, FindProduct};

/// Which product.
#[derive(Debug, Deserialize, JsonSchema)]
struct Path {
    /// The product's id (`prd_…`) or its slug.
    id: String,
}

/// How it is shown.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// Which currency its prices are in; a variant that has no price in it is shown in its first currency.
    currency: Option<Currency>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-product", "/v1/products/{id}")
        .summary("One product, by its id or its slug")
        .auth(Auth::Anyone)
        .cache(Freshness::Product)
        .reply::<Product>(200, "The product")
        .reply_empty(301, "The product has another slug now: `Location` says where it is")
        .problems(&[kernel::problem::code::PRODUCT_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path, Query>, products: FindProduct) -> Result<Reply, Problem> {
    let asked = &call.path.id;
    let found = match (ProductId::parse(asked), Slug::parse(asked)) {
        (Some(id), _) => products.by_id(&id).await?,
        (None, Some(slug)) => match products.by_slug(&slug).await? {
            BySlug::Product(product) => Some(*product),
            BySlug::Moved(present) => return Ok(moved(&present, call.query.currency)),
            BySlug::Nowhere => None,
        },
        (None, None) => None,
    };
    let product = found.filter(|product| product.status.is_active()).ok_or_else(|| unknown(asked))?;
    let product = product.shown_in(call.query.currency);
    Ok(Reply::ok(&product).version(product.version).last_modified(product.updated_at))
}

/// Where the product is now, shown as it was asked for.
fn moved(present: &Slug, currency: Option<Currency>) -> Reply {
    let query = currency.map(|currency| format!("?currency={currency}")).unwrap_or_default();
    Reply::moved(&format!("/v1/products/{present}{query}"))
}
