//! `GET /v1/products/{id}/recommendations`: what goes with a product, and what is like it. Whoever looks gets the same, so the
//! CDN may keep it.

use catalog::commands::unknown;
use catalog::table::FindProduct;
use kernel::problem::code;
use kernel::{Currency, Problem, ProductId};
use lambda::{Auth, Call, Freshness, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shelf::{MOST, Recommendations, Shelf};

/// Which product.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RecommendationPath")]
struct Path {
    /// The product's id, as in `prd_0123456789abcd`.
    id: String,
}

/// How many, and how they are shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RecommendationQuery")]
struct Query {
    /// The most products.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Which currency prices are in, where products have one in it.
    currency: Option<Currency>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("recommend-for-product", "/v1/products/{id}/recommendations")
        .summary("What is bought together with a product, then what is like it, then what sells best")
        .auth(Auth::Anyone)
        // With prices, and nothing that is sold out: a second, as searches have it.
        .cache(Freshness::Search)
        .reply::<Recommendations>(200, "Products that can be bought, the best first")
        .problems(&[code::PRODUCT_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path, Query>, (find, shelf): (FindProduct, Shelf)) -> Result<Reply, Problem> {
    let id = ProductId::parse(&call.path.id).ok_or_else(|| unknown(&call.path.id))?;
    let product = find.by_id(&id).await?.filter(|product| product.status.is_active());
    let product = product.ok_or_else(|| unknown(&id))?;
    let mut row = shelf.row(&call.cx, call.query.limit, call.query.currency, [id.clone()].into());
    row.add_together(&[id], usize::MAX).await?;
    row.add_similar(&product, usize::MAX).await?;
    row.fill(Some(&product.category)).await?;
    Ok(Reply::ok(&row.filled()))
}
