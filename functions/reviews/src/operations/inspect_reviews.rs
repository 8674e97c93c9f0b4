//! `GET /v1/admin/products/{id}/reviews`: all reviews of a product, hidden ones too, for those who moderate.

use aws::SigningSecret;
use kernel::Problem;
use kernel::limits::{PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Page, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::ProductPath;
use crate::review::ReviewView;
use crate::table::InspectReviews;

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
    Http::get("inspect-reviews", "/v1/admin/products/{id}/reviews")
        .summary("All reviews of a product, hidden ones too")
        .auth(Auth::STAFF_CATALOG)
        .reply::<Page<ReviewView>>(200, "A page of reviews, in no order")
        .problems(&[code::PRODUCT_NOT_FOUND, code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(
    call: Call<ProductPath, Query>,
    (reviews, secret): (InspectReviews, SigningSecret),
) -> Result<Reply, Problem> {
    let id = call.path.product()?;
    let scope = format!("inspect-reviews {id}");
    let after = match &call.query.cursor {
        None => None,
        Some(cursor) => {
            let position = secret.key().await?.position(&scope, cursor);
            Some(position.ok_or_else(|| Problem::new(code::INVALID_CURSOR, "take the cursor from `next` as it is"))?)
        }
    };
    let (found, next) = reviews.page(&id, call.query.limit.unwrap_or(PAGE_DEFAULT), after).await?;
    let items: Vec<ReviewView> = found.into_iter().map(ReviewView::for_staff).collect();
    let next = match next {
        None => None,
        Some(position) => Some(secret.key().await?.cursor(&scope, &position)),
    };
    Ok(Reply::ok(&Page { items, next }))
}
