//! `DELETE /v1/products/{id}/reviews/mine`: the caller's own review goes, words at once, stars within a moment.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::{ProductPath, change, in_version};
use crate::review::Review;
use crate::table::WriteReview;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("delete-review", "/v1/products/{id}/reviews/mine")
        .summary("Deletes the caller's own review of a product")
        .auth(Auth::CUSTOMER)
        .reply_empty(204, "The review is gone, now or since an earlier call")
        .problems(&[code::PRODUCT_NOT_FOUND, code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(call: Call<ProductPath>, reviews: WriteReview) -> Result<Reply, Problem> {
    let (cx, product) = (&call.cx, call.path.product()?);
    let id = Review::id(&product, &cx.signed_in()?.id);
    let deleted = change(&reviews, &product, &id, |before| {
        if before.deleted {
            return Ok(None);
        }
        in_version(cx, before)?;
        Ok(Some(before.deleted(cx.now())))
    });
    match deleted.await {
        // Of one that is gone and counted nowhere nothing is left.
        Err(problem) if problem.code == code::REVIEW_NOT_FOUND => Ok(Reply::empty()),
        result => result.map(|_| Reply::empty()),
    }
}
