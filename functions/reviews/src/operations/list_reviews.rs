//! `GET /v1/products/{id}/reviews`: what customers think of a product, newest first.

use aws::SigningSecret;
use catalog::commands::unknown;
use catalog::table::FindProduct;
use kernel::Problem;
use kernel::limits::{PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use lambda::{Auth, Call, Freshness, Function, Http, Page, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::ProductPath;
use crate::review::ReviewView;
use crate::table::ListReviews;

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// The most reviews on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[schemars(length(max = 1024))]
    cursor: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-reviews", "/v1/products/{id}/reviews")
        .summary("What customers think of a product, newest first")
        .auth(Auth::Anyone)
        .cache(Freshness::Reviews)
        .reply::<Page<ReviewView>>(200, "A page of reviews")
        .problems(&[code::PRODUCT_NOT_FOUND, code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(
    call: Call<ProductPath, Query>,
    (reviews, products, secret): (ListReviews, FindProduct, SigningSecret),
) -> Result<Reply, Problem> {
    let id = call.path.product()?;
    let scope = format!("list-reviews {id}");
    let after = match &call.query.cursor {
        None => None,
        Some(cursor) => {
            let position = secret.key().await?.position(&scope, cursor);
            Some(position.ok_or_else(|| Problem::new(code::INVALID_CURSOR, "take the cursor from `next` as it is"))?)
        }
    };
    let product = products.by_id(&id).await?.filter(|product| product.status.is_active());
    product.ok_or_else(|| unknown(&id))?;
    let (found, next) = reviews.page(&id, call.query.limit.unwrap_or(PAGE_DEFAULT), after).await?;
    let items: Vec<ReviewView> = found.into_iter().map(ReviewView::from).collect();
    let next = match next {
        None => None,
        Some(position) => Some(secret.key().await?.cursor(&scope, &position)),
    };
    Ok(Reply::ok(&Page { items, next }))
}
