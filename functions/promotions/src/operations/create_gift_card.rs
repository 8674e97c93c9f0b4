//! `POST /v1/admin/gift-cards`: money behind a secret code.
//!
//! The code follows from the request's `Idempotency-Key` and the shop's secret, so a repeated request tells the same code
//! again, and nothing that is stored does.

use aws::SigningSecret;
use kernel::limits::GIFT_CARD_AMOUNT;
use kernel::problem::code;
use kernel::{Money, Problem, Timestamp};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::GiftCardView;
use crate::gift::{GiftCard, GiftCode};
use crate::table::{CreatePromotion, Created};

/// A gift card.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewGiftCard {
    /// What is put on it, at most 1,000,000.00 in a currency with two digits.
    amount: Money,
    /// The first moment it is good no more; good for ever without.
    ends_at: Option<Timestamp>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("create-gift-card", "/v1/admin/gift-cards")
        .summary("Make a gift card; its code is in this answer and nowhere else")
        .auth(Auth::STAFF_ORDERS)
        .idempotency(Idempotency::DerivedRequired)
        .reply::<GiftCardView>(201, "the card, with its code")
        .problems(&[code::KEY_MISSING, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, NewGiftCard>,
    (promotions, secret): (CreatePromotion, SigningSecret),
) -> Result<Reply, Problem> {
    let Call { body: NewGiftCard { amount, ends_at }, cx, .. } = call;
    let minor = u32::try_from(amount.amount).ok().filter(|minor| (1..=GIFT_CARD_AMOUNT).contains(minor));
    let minor =
        minor.ok_or_else(|| Problem::field("/amount/amount", format!("must be from 1 to {GIFT_CARD_AMOUNT}")))?;
    if ends_at.is_some_and(|end| end <= cx.now()) {
        return Err(Problem::field("/ends_at", "must be in the future"));
    }
    let code = GiftCode::of_request(secret.key().await?, cx.seed());
    let card = GiftCard { currency: amount.currency, ends_at, created_at: cx.now(), actor: cx.actor() };
    match promotions.gift_card(code.id(), card, minor, cx.fingerprint()).await? {
        Created::Yes(item) => {
            let place = format!("/v1/admin/gift-cards/{}", item.id);
            let view = GiftCardView::of(item.id, &item.card, &item.counter);
            Ok(Reply::created(&GiftCardView { code: Some(code.reveal()), ..view }, &place))
        }
        Created::Taken => Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request")),
    }
}
