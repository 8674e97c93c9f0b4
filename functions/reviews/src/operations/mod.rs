//! The operations of reviews, one file each.

pub mod change_review;
pub mod delete_review;
pub mod get_own_review;
pub mod inspect_reviews;
pub mod list_reviews;
pub mod moderate_review;
pub mod post_review;
pub mod rate_products;

use catalog::commands::unknown;
use kernel::problem::code;
use kernel::{Problem, ProductId, ReviewId};
use lambda::Cx;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::review::Review;
use crate::table::WriteReview;

/// How often a change is made again because something else happened to the review.
const RACES: usize = 5;

/// The path of what is about a product.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ProductPath {
    /// The product's id, as in `prd_0123456789abcd`.
    id: String,
}

impl ProductPath {
    /// The id. What cannot be one belongs to no product, so the answer is the same.
    pub(crate) fn product(&self) -> Result<ProductId, Problem> {
        ProductId::parse(&self.id).ok_or_else(|| unknown(&self.id))
    }
}

/// There is no such review.
fn no_review() -> Problem {
    Problem::new(code::REVIEW_NOT_FOUND, "there is no such review of this product")
}

/// Changes a review that is not deleted, as often as it takes; `change` may refuse.
async fn change(
    reviews: &WriteReview,
    product: &ProductId,
    id: &ReviewId,
    change: impl Fn(&Review) -> Result<Option<Review>, Problem>,
) -> Result<Review, Problem> {
    for _ in 0..RACES {
        let before = reviews.find(product, id).await?.ok_or_else(no_review)?;
        let Some(after) = change(&before)? else { return Ok(before) };
        if reviews.replace(Some(&before), &after).await? {
            return Ok(after);
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the review is being changed; try again").retry_after(1))
}

/// A problem that tells the present version, unless it is the one that `If-Match` names.
fn in_version(cx: &Cx, review: &Review) -> Result<(), Problem> {
    if cx.expected_version().is_none_or(|version| version == review.version) {
        return Ok(());
    }
    let detail = format!("the review is in version {} now", review.version);
    Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", review.version))
}
