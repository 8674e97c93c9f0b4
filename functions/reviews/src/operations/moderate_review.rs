//! `PUT /v1/admin/products/{id}/reviews/{review}/moderation`: staff hides a review, or shows it again. Its stars do not count
//! while it is hidden.

use catalog::commands::unknown;
use kernel::problem::code;
use kernel::{Problem, ProductId, ReviewId};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::operations::{change, no_review};
use crate::review::{Moderation, ReviewView};
use crate::table::WriteReview;

/// Which review.
#[derive(Debug, Deserialize, JsonSchema)]
struct Path {
    /// The product's id.
    id: String,
    /// The review's id, as in `rev_0123456789abcd`.
    review: String,
}

/// What becomes of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Verdict {
    /// Whether shoppers must not see it.
    hidden: bool,
    /// Why; staff reads it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    reason: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("moderate-review", "/v1/admin/products/{id}/reviews/{review}/moderation")
        .summary("Hides a review, or shows it again")
        .auth(Auth::STAFF_CATALOG)
        .reply::<ReviewView>(200, "The review; the product's rating follows within a moment")
        .problems(&[code::PRODUCT_NOT_FOUND, code::REVIEW_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path, Nothing, Verdict>, reviews: WriteReview) -> Result<Reply, Problem> {
    let Path { id, review } = &call.path;
    let product = ProductId::parse(id).ok_or_else(|| unknown(id))?;
    let review = ReviewId::parse(review).ok_or_else(no_review)?;
    let Verdict { hidden, reason } = &call.body;
    let moderation = Moderation { actor: call.cx.actor(), reason: reason.clone(), at: call.cx.now() };
    let moderated = change(&reviews, &product, &review, |before| {
        if before.deleted {
            return Err(no_review());
        }
        Ok((before.hidden.is_some() != *hidden).then(|| before.moderated(hidden.then(|| moderation.clone()))))
    });
    Ok(Reply::ok(&ReviewView::for_staff(moderated.await?)))
}
