//! `POST /v1/admin/gift-cards/{id}/adjustments`: money is put on a card (given back for an order that it paid), or taken off
//! (the card was lost).

use kernel::counter::{Adjustment, Refusal};
use kernel::limits::GIFT_CARD_AMOUNT;
use kernel::problem::code;
use kernel::{Money, Problem};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use counters::Moved;

use super::{GiftCardPath, GiftCardView, no_card};
use crate::table::{AdjustGiftCard, ReadPromotion};

/// A movement by hand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GiftCardAdjustment {
    /// How much, in minor units of the card's currency; negative to take it off.
    #[schemars(range(min = -i64::from(GIFT_CARD_AMOUNT), max = i64::from(GIFT_CARD_AMOUNT)))]
    amount: i64,
    /// Why.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("adjust-gift-card", "/v1/admin/gift-cards/{id}/adjustments")
        .summary("Put money on a gift card, or take it off; never what an order under way holds")
        .auth(Auth::STAFF_ORDERS)
        .idempotency(Idempotency::DerivedRequired)
        .reply::<GiftCardView>(200, "the card after it")
        .problems(&[code::KEY_MISSING, code::KEY_REUSED, code::GIFT_CARD_NOT_FOUND, code::GIFT_CARD_EMPTY])
        .handle(handle)
}

async fn handle(
    call: Call<GiftCardPath, Nothing, GiftCardAdjustment>,
    (read, cards): (ReadPromotion, AdjustGiftCard),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let card = read.gift_card(&path.id()?).await?.ok_or_else(no_card)?;
    if body.amount == 0 {
        return Err(Problem::field("/amount", "must not be nothing"));
    }
    let op = format!("m{}", &kernel::id::fingerprint(&[&cx.seed()])[..11]);
    cx.note("reason", &body.reason);
    let adjustment = Adjustment { op: &op, quantity: body.amount, fingerprint: cx.fingerprint(), expected: None };
    match cards.adjust(&card.id, &adjustment, cx.now()).await? {
        Moved::Yes(counter) => Ok(Reply::ok(&GiftCardView::of(card.id, &card.card, &counter))),
        Moved::Unknown => Err(no_card()),
        Moved::No(Refusal::OtherRequest, _) => {
            Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"))
        }
        Moved::No(_, counter) => {
            let left = Money::new(counter.available, card.card.currency);
            Err(Problem::new(code::GIFT_CARD_EMPTY, format!("{left} is left on the card")).with("left", left))
        }
    }
}
