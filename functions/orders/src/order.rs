//! An order and its states, pure.

use std::fmt;

use inventory::Part;
use kernel::{
    CartId, Country, CouponCode, Currency, Email, GiftCardId, Money, OrderId, ProductId, Sku, Timestamp, UserId,
};
use promotions::Reduction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::funds::Funds;
use crate::sums::TaxTerms;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OrderStatus")]
pub enum Status {
    /// Not decided: its units are held, its payment is under way.
    Pending,
    /// Paid; its units are taken.
    Paid,
    /// Some of it is being shipped.
    Fulfilling,
    /// All of it is on its way.
    Shipped,
    /// All of it arrived.
    Delivered,
    /// Called off, by the shopper or because the payment was declined.
    Cancelled,
    /// Not paid in time.
    Expired,
    /// All money went back.
    Refunded,
    /// Some money went back.
    PartiallyRefunded,
}

/// How a pending order is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The money came.
    Pay,
    /// It will not come.
    Cancel,
    /// Time is over and the provider was asked.
    Expire,
}

impl Status {
    /// The one transition function of deciding: from pending, once.
    #[must_use]
    pub fn decided(self, decision: Decision) -> Option<Self> {
        match (self, decision) {
            (Self::Pending, Decision::Pay) => Some(Self::Paid),
            (Self::Pending, Decision::Cancel) => Some(Self::Cancelled),
            (Self::Pending, Decision::Expire) => Some(Self::Expired),
            _ => None,
        }
    }

    /// Whether units and money of this order are for good.
    #[must_use]
    pub fn is_committed(self) -> bool {
        !matches!(self, Self::Pending | Self::Cancelled | Self::Expired)
    }

    /// Its text, as stored and as clients read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Fulfilling => "fulfilling",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::PartiallyRefunded => "partially_refunded",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Not asked for yet, or being asked for.
    Pending,
    /// The shopper must confirm it with the bank.
    RequiresAction,
    /// The provider did not answer; it will be asked again.
    Unknown,
    /// The money is set aside, and taken when the goods are shipped.
    Authorized,
    /// The money was taken.
    Succeeded,
    /// The money was refused.
    Declined,
    /// It was called off before money was taken.
    Canceled,
    /// The money went back.
    Refunded,
}

/// A postal address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The person.
    #[schemars(length(min = 1, max = 120))]
    pub name: String,
    /// Street and number.
    #[schemars(length(min = 1, max = 120))]
    pub line1: String,
    /// What the first line had no room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub line2: Option<String>,
    /// City.
    #[schemars(length(min = 1, max = 120))]
    pub city: String,
    /// State, province or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub region: Option<String>,
    /// Postal code.
    #[schemars(length(min = 1, max = 20))]
    pub postal_code: String,
    /// Country.
    pub country: Country,
}

/// What an order costs. `total = subtotal − discount + shipping`, plus `tax` where prices do not include it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// The lines together.
    pub subtotal: Money,
    /// What is taken off.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax: contained in the prices or added to them, as the country has it.
    pub tax: Money,
    /// What is paid.
    pub total: Money,
}

impl Totals {
    /// Nothing.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { subtotal: zero, discount: zero, shipping: zero, tax: zero, total: zero }
    }
}

/// A line of an order, frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// The SKU.
    pub sku: Sku,
    /// Its product.
    pub product_id: ProductId,
    /// What it was called.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// The price of one.
    pub unit_price: Money,
    /// All of them.
    pub line_total: Money,
    /// What the coupon takes off; present on each line that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// The tax of this line.
    pub tax: Money,
    /// The rate of it, in basis points: 1900 is 19 %.
    #[serde(default)]
    pub tax_rate: i64,
}

/// What the numbers of an order follow from, besides its lines: frozen when it was placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The tax rules.
    pub tax: TaxTerms,
    /// What shipping would have cost without the coupon that took it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<Money>,
    /// The coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<UsedCoupon>,
}

/// The coupon of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedCoupon {
    /// Its code.
    pub code: CouponCode,
    /// What it takes off.
    pub reduction: Reduction,
}

/// The payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Where it stands.
    pub status: PaymentStatus,
    /// The provider's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<String>,
    /// What the shopper's browser confirms it with; only while that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Why it was declined, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// The provider's token of the payment method, to ask again after no answer. Never card data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether the money is only set aside until the goods are shipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub capture_later: bool,
    /// The money that was taken, gift cards' too, in minor units, and what of it went back: refunds are held in it and confirmed, so that
    /// never more goes back than was taken. Only once money was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funds: Option<Funds>,
    /// How much of the money that was set aside is to be taken, in minor units, once that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<i64>,
}

/// One entry of an order's log: written in the same write as what it tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// Who: an account, `guest`, or a worker.
    pub actor: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    #[serde(rename = "pk")]
    pub id: OrderId,
    /// For people.
    pub number: String,
    /// Where it stands.
    pub status: Status,
    /// Rises with every change.
    pub version: u64,
    /// Who placed it, when signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<UserId>,
    /// Where mail about it goes.
    pub email: Email,
    /// The cart it came from.
    pub cart_id: CartId,
    /// The digest of the request that placed it.
    pub fingerprint: String,
    /// What was bought.
    #[serde(with = "crate::stored::lines")]
    pub lines: Vec<OrderLine>,
    /// What it costs.
    #[serde(with = "crate::stored::totals")]
    pub totals: Totals,
    /// What the totals follow from.
    #[serde(default)]
    pub terms: Terms,
    /// Which run of the call that placed it wrote it: with the id, the operation of its holds.
    pub attempt: String,
    /// Where its units lie: when it is paid these holds are taken, and no other.
    #[serde(default)]
    pub holds: Vec<Part>,
    /// What it holds of coupons and gift cards: when it is paid this is taken, and nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<promotions::Part>,
    /// The admissions to announced sales that it used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admissions: Vec<String>,
    /// Where it goes.
    pub shipping_address: Address,
    /// Where the bill goes, when elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// How it goes.
    pub shipping_method: String,
    /// How it is paid.
    pub payment: Payment,
    /// Whether the provider was asked to let go of money that is only set aside, or is about to be: from then on such money
    /// does not make the order paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calling_off: bool,
    /// What happened to it, oldest first.
    pub events: Vec<OrderEvent>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it may be tried to expire, should it still be pending.
    pub expires_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Order {
    /// What the payment provider is asked for: the total less what gift cards pay.
    #[must_use]
    pub fn charged(&self) -> Money {
        let total = self.totals.total;
        Money::new(total.amount - self.by_cards(), total.currency)
    }

    /// What all gift cards pay of it, in minor units.
    #[must_use]
    pub fn by_cards(&self) -> i64 {
        self.gift_cards().map(|(_, money)| money.amount).sum()
    }

    /// What gift cards pay of it.
    pub fn gift_cards(&self) -> impl Iterator<Item = (&GiftCardId, Money)> {
        self.uses.iter().filter_map(|part| part.gift_card(self.totals.total.currency))
    }

    /// The operation of its holds.
    #[must_use]
    pub fn op(&self) -> String {
        self.id.op(&self.attempt)
    }
}

/// The number for people: ten characters out of the id's digest, without those that are mistaken for others. Display
/// only; nothing is found by it yet.
#[must_use]
pub fn number(id: &OrderId) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digest = kernel::id::digest(&[id.as_str().as_bytes(), b"number"]);
    let letters = digest[..10].iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let text: String = letters.collect();
    format!("OX-{}-{}", &text[..5], &text[5..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_decided_once() {
        use Status::{Cancelled, Delivered, Expired, Fulfilling, Paid, PartiallyRefunded, Pending, Refunded, Shipped};
        for decision in [Decision::Pay, Decision::Cancel, Decision::Expire] {
            assert!(Pending.decided(decision).is_some());
            for status in [Paid, Fulfilling, Shipped, Delivered, Cancelled, Expired, Refunded, PartiallyRefunded] {
                assert_eq!(status.decided(decision), None, "{status} was decided already");
            }
        }
        assert!(Paid.is_committed() && !Expired.is_committed() && !Pending.is_committed());
    }

    #[test]
    fn stored_and_shown_status_are_the_same_text() {
        for status in [Status::Pending, Status::Paid, Status::PartiallyRefunded] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn numbers_are_steady() {
        let id = OrderId::new([3; 16]);
        assert_eq!(number(&id), number(&id));
        assert_eq!(number(&id).len(), 14);
    }
}
