//! `GET /v1/products/{id}/reviews/mine`: the caller's own review of a product.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::{ProductPath, no_review};
use crate::review::{Review, ReviewView};
use crate::table::FindReview;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-own-review", "/v1/products/{id}/reviews/mine")
        .summary("The caller's own review of a product")
        .auth(Auth::CUSTOMER)
        .reply::<ReviewView>(200, "The review")
        .problems(&[code::PRODUCT_NOT_FOUND, code::REVIEW_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<ProductPath>, reviews: FindReview) -> Result<Reply, Problem> {
    let product = call.path.product()?;
    let id = Review::id(&product, &call.cx.signed_in()?.id);
    let review = reviews.find(&product, &id).await?.filter(|review| !review.deleted).ok_or_else(no_review)?;
    let (version, changed) = (review.version, review.updated_at);
    Ok(Reply::ok(&ReviewView::for_author(review)).version(version).last_modified(changed))
}
