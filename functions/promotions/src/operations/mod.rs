//! One module an endpoint or worker.

pub mod adjust_gift_card;
pub mod confirm_uses;
pub mod create_coupon;
pub mod create_gift_card;
pub mod get_coupon;
pub mod get_gift_card;

use kernel::counter::Counter;
use kernel::problem::code;
use kernel::{CategoryPath, CouponCode, Currency, GiftCardId, Money, Problem, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::coupon::{Coupon, Reduction};
use crate::gift::GiftCard;

/// A coupon, as staff sees it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Coupon")]
pub(crate) struct CouponView {
    /// What shoppers type.
    code: CouponCode,
    /// What it takes off in hundredths.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    /// What it takes off as an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    /// Whether it takes off what shipping costs.
    free_shipping: bool,
    /// What the goods that it is for must be worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<Money>,
    /// The first moment it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    /// The first moment it is good no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    /// What it is for; everything when there is none.
    categories: Vec<CategoryPath>,
    /// How many orders may use it; absent when any number may, which is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<Uses>,
    /// How many orders of one e-mail address may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_per_customer: Option<u32>,
    /// When it was made.
    created_at: Timestamp,
}

/// Uses of a coupon: `available + held + used = total`, always.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "CouponUses")]
pub(crate) struct Uses {
    /// How many there are.
    total: i64,
    /// How many are left.
    available: i64,
    /// How many orders under way hold.
    held: i64,
    /// How many orders used it.
    used: i64,
}

impl CouponView {
    pub(crate) fn of(coupon: Coupon, counter: &Counter) -> Self {
        let (percent, amount) = match coupon.reduction {
            Reduction::Percent(percent) => (Some(percent), None),
            Reduction::Amount(amount) => (None, Some(amount)),
            Reduction::FreeShipping => (None, None),
        };
        let uses =
            Uses { total: counter.received, available: counter.available, held: counter.held(), used: counter.taken };
        Self {
            code: coupon.code,
            percent,
            amount,
            free_shipping: coupon.reduction.ships_free(),
            minimum: coupon.minimum,
            starts_at: coupon.starts_at,
            ends_at: coupon.ends_at,
            categories: coupon.categories,
            uses: coupon.uses.map(|_| uses),
            uses_per_customer: coupon.uses_per_customer,
            created_at: coupon.created_at,
        }
    }
}

/// A gift card, as staff sees it: `balance + held + spent = issued`, always.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "GiftCard")]
pub(crate) struct GiftCardView {
    /// Its id.
    pub id: GiftCardId,
    /// What shoppers type; only in the answer to its making. It is stored nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was put on it.
    issued: Money,
    /// What can be spent.
    balance: Money,
    /// What orders under way hold.
    held: Money,
    /// What orders spent.
    spent: Money,
    /// The first moment it is good no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// Rises with every movement.
    version: i64,
}

impl GiftCardView {
    pub(crate) fn of(id: GiftCardId, card: &GiftCard, counter: &Counter) -> Self {
        let money = |amount| Money::new(amount, card.currency);
        Self {
            id,
            code: None,
            issued: money(counter.received),
            balance: money(counter.available),
            held: money(counter.held()),
            spent: money(counter.taken),
            ends_at: card.ends_at,
            created_at: card.created_at,
            version: counter.rev,
        }
    }
}

/// The gift card in a path.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct GiftCardPath {
    /// The card's id.
    #[schemars(length(max = 64))]
    id: String,
}

impl GiftCardPath {
    /// The id. What cannot be one belongs to no card, so the answer is the same.
    pub(crate) fn id(&self) -> Result<GiftCardId, Problem> {
        GiftCardId::parse(&self.id).ok_or_else(no_card)
    }
}

pub(crate) fn no_card() -> Problem {
    Problem::new(code::GIFT_CARD_NOT_FOUND, "there is no such gift card")
}

/// Whether the amounts of a coupon are of one currency.
pub(crate) fn one_currency(amounts: &[Option<Money>]) -> bool {
    let mut currencies = amounts.iter().flatten().map(|money| money.currency);
    let first: Option<Currency> = currencies.next();
    currencies.all(|currency| Some(currency) == first)
}
