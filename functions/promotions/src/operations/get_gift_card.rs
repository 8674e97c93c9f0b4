//! `GET /v1/admin/gift-cards/{id}`: what is on a gift card.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use super::{GiftCardPath, GiftCardView, no_card};
use crate::table::ReadPromotion;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-gift-card", "/v1/admin/gift-cards/{id}")
        .summary("What is on a gift card; never its code")
        .auth(Auth::STAFF_ORDERS)
        .reply::<GiftCardView>(200, "the card")
        .problems(&[code::GIFT_CARD_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<GiftCardPath>, promotions: ReadPromotion) -> Result<Reply, Problem> {
    let item = promotions.gift_card(&call.path.id()?).await?.ok_or_else(no_card)?;
    Ok(Reply::ok(&GiftCardView::of(item.id, &item.card, &item.counter)).tag_body())
}
