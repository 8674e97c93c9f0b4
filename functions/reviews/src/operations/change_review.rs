//! `PUT /v1/products/{id}/reviews/mine`: the caller's own review says something else from now on.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};

use crate::operations::{ProductPath, change, in_version, no_review};
use crate::review::{NewReview, Review, ReviewView};
use crate::table::WriteReview;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("change-review", "/v1/products/{id}/reviews/mine")
        .summary("Changes the caller's own review of a product")
        .auth(Auth::CUSTOMER)
        .reply::<ReviewView>(200, "The review; the product's rating follows within a moment")
        .problems(&[code::PRODUCT_NOT_FOUND, code::REVIEW_NOT_FOUND, code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(call: Call<ProductPath, Nothing, NewReview>, reviews: WriteReview) -> Result<Reply, Problem> {
    let (cx, product) = (&call.cx, call.path.product()?);
    let errors = call.body.errors();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let id = Review::id(&product, &cx.signed_in()?.id);
    let changed = change(&reviews, &product, &id, |before| {
        if before.deleted {
            return Err(no_review());
        }
        in_version(cx, before)?;
        // The name stays when no other is sent.
        let said = call.body.clone().tidied(before.said.author.as_deref().unwrap_or_default());
        let author = call.body.author.as_ref().map_or_else(|| before.said.author.clone(), |_| said.author.clone());
        let said = NewReview { author, ..said };
        Ok((said != before.said).then(|| before.changed(said, cx.now())))
    });
    let review = changed.await?;
    let version = review.version;
    Ok(Reply::ok(&ReviewView::for_author(review)).version(version))
}
