//! `POST /v1/products/{id}/reviews`: a customer reviews a product that they bought. There is one review for each customer and
//! product: its id is made of both.
//!
//! That it was bought is read from the customer's orders, newest first. Reviews are rare beside orders, so reading a few
//! orders for each costs less than writing down with every order what was bought.

use catalog::commands::unknown;
use catalog::table::FindProduct;
use kernel::problem::code;
use kernel::{Problem, id};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use orders::table::ListOrders;
use users::table::FindAccount;

use crate::operations::{ProductPath, RACES};
use crate::review::{NewReview, Review, ReviewView};
use crate::table::WriteReview;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("post-review", "/v1/products/{id}/reviews")
        .summary("Reviews a product that one has bought")
        .auth(Auth::CUSTOMER)
        .reply::<ReviewView>(201, "The review; the product's rating follows within a moment")
        .problems(&[code::PRODUCT_NOT_FOUND, code::NOT_BOUGHT, code::REVIEW_EXISTS, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(
    call: Call<ProductPath, Nothing, NewReview>,
    (reviews, products, orders, accounts): (WriteReview, FindProduct, ListOrders, FindAccount),
) -> Result<Reply, Problem> {
    let (cx, product) = (&call.cx, call.path.product()?);
    let customer = cx.signed_in()?.id.clone();
    let errors = call.body.errors();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let sold = products.by_id(&product).await?.filter(|product| product.status.is_active());
    sold.ok_or_else(|| unknown(&product))?;
    if !orders.bought(&customer, &product).await? {
        let detail = "none of your paid orders has this product; orders placed as a guest do not count";
        return Err(Problem::new(code::NOT_BOUGHT, detail));
    }
    let name = accounts.by_id(&customer).await?.map(|account| account.name).unwrap_or_default();
    let said = call.body.tidied(&name);
    let made_by = id::fingerprint(&[&cx.seed()]);
    for _ in 0..RACES {
        let before = reviews.find(&product, &Review::id(&product, &customer)).await?;
        let after = match &before {
            None => Review::new(product.clone(), customer.clone(), said.clone(), made_by.clone(), cx.now()),
            // The same call, begun before and cut off.
            Some(standing) if standing.made_by == made_by => return Ok(created(standing.clone())),
            Some(standing) if !standing.deleted => {
                let detail = "change or delete the review that stands: /v1/products/{id}/reviews/mine";
                return Err(Problem::new(code::REVIEW_EXISTS, detail));
            }
            Some(standing) => standing.rewritten(said.clone(), made_by.clone(), cx.now()),
        };
        if reviews.replace(before.as_ref(), &after).await? {
            return Ok(created(after));
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the review is being changed; try again").retry_after(1))
}

fn created(review: Review) -> Reply {
    let location = format!("/v1/products/{}/reviews/mine", review.product);
    let version = review.version;
    Reply::created(&ReviewView::for_author(review), &location).version(version)
}
