//! The worker that counts stars: it reads every change of a review off the stream, and brings the product's rating up to it.
//!
//! A review knows which of its stars are counted. One transaction writes that and the rating, and fails when either was
//! changed meanwhile: so a change is counted once, whatever comes twice, late or at the same time.

use aws::DataError;
use catalog::table::{Outcome, RateProducts};
use kernel::{ProductId, ReviewId};
use lambda::{Change, Consumer, Cx, Function, StreamFailure};

use crate::review::Review;
use crate::table::{CountReview, TABLE};

/// How often a count is made again because review or product were changed.
const RACES: usize = 8;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("rate-products")
        .summary("Bring the rating of a product up to its reviews, once for each change")
        .batch(100)
        .stream(&TABLE, handle)
}

async fn handle(
    changes: Vec<Change>,
    cx: Cx,
    (reviews, products): (CountReview, RateProducts),
) -> Result<(), StreamFailure> {
    for (at, change) in changes.iter().enumerate() {
        // The last change of a review has a record of its own: what a record says is enough to see whether it matters.
        let Some(review) = change.after::<Review>() else { continue };
        if review.countable() == review.counted {
            continue;
        }
        let counted = count(&reviews, &products, &review.product, &review.id, &cx).await;
        counted.map_err(|error| StreamFailure { at, reason: error.to_string() })?;
    }
    Ok(())
}

async fn count(
    reviews: &CountReview,
    products: &RateProducts,
    product: &ProductId,
    id: &ReviewId,
    cx: &Cx,
) -> Result<(), DataError> {
    for _ in 0..RACES {
        let Some(review) = reviews.find(product, id).await? else { return Ok(()) };
        if review.countable() == review.counted {
            return Ok(());
        }
        let rated = products.load(product).await?;
        let rated = rated.ok_or_else(|| DataError::Corrupt(format!("a review of {product}, which is not there")))?;
        let noted = reviews.counted(&review)?;
        match products.rate(&rated, review.counted, review.countable(), cx.now(), noted).await? {
            Outcome::Written => {
                cx.count("ReviewsCounted", 1);
                return Ok(());
            }
            Outcome::Stands(_) | Outcome::Refused(_) => {}
            other => return Err(DataError::Invalid(format!("{other:?}"))),
        }
    }
    Err(DataError::Busy("review or product are being changed".into()))
}
