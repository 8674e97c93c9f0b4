//! An order as clients read it.

use kernel::{Currency, Email, GiftCardId, Money, OrderId, RefundId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::funds::{Refund, RefundStatus, RefundedLine, ToCard};
use crate::order::{Address, Order, OrderEvent, OrderLine, PaymentStatus, Status, Totals, UsedCoupon};

/// An order.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OrderView {
    /// Its id.
    pub id: OrderId,
    /// For people.
    pub number: String,
    /// Where it stands.
    pub status: Status,
    /// Rises with every change.
    pub version: u64,
    /// Where mail about it goes.
    pub email: Email,
    /// What was bought.
    pub lines: Vec<OrderLine>,
    /// What it costs.
    pub totals: Totals,
    /// Whether prices have the tax in them; otherwise it was added.
    pub tax_included: bool,
    /// The tax of shipping; with the lines' it is the whole.
    pub shipping_tax: Money,
    /// The coupon that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<UsedCoupon>,
    /// What gift cards pay of the total.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gift_cards: Vec<GiftCardShare>,
    /// What is paid otherwise: the total less what gift cards pay.
    pub to_pay: Money,
    /// Where it goes.
    pub shipping_address: Address,
    /// Where the bill goes, when elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// How it goes.
    pub shipping_method: String,
    /// How it is paid.
    pub payment: PaymentView,
    /// Its parcels.
    pub shipments: Vec<Parcel>,
    /// Its refunds.
    pub refunds: Vec<RefundView>,
    /// What happened to it, oldest first.
    pub events: Vec<OrderEvent>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it expires unless it is paid; only while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// What a guest reads this order with, as `?token=`; only in the answer to its placing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What a gift card pays of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GiftCardShare {
    /// The card's id; its code is never told.
    pub id: GiftCardId,
    /// How much.
    pub amount: Money,
}

/// The payment of an order.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PaymentView {
    /// Where it stands.
    pub status: PaymentStatus,
    /// The provider's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<String>,
    /// What the shopper's browser confirms it with; only while that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
}

/// A parcel. Nothing makes one yet.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Parcel {
    /// Its id.
    pub id: String,
}

/// A refund.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RefundView {
    /// Its id.
    pub id: RefundId,
    /// How much.
    pub amount: Money,
    /// What of it goes back to gift cards; the rest goes back the way it was paid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gift_cards: Vec<GiftCardShare>,
    /// Where it stands.
    pub status: RefundStatus,
    /// The units it is for; none when it is an amount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
    /// Why.
    pub reason: String,
    /// The provider's word for why it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When it was given.
    pub created_at: Timestamp,
}

impl RefundView {
    /// As clients read it.
    #[must_use]
    pub fn of(id: &RefundId, refund: &Refund, currency: Currency) -> Self {
        let share = |card: &ToCard| GiftCardShare { id: card.id.clone(), amount: Money::new(card.amount, currency) };
        Self {
            id: id.clone(),
            amount: Money::new(refund.amount, currency),
            gift_cards: refund.cards.iter().map(share).collect(),
            status: refund.status,
            lines: refund.lines.clone(),
            reason: refund.reason.clone(),
            code: refund.code.clone(),
            created_at: refund.at,
        }
    }
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        let pending = order.status == Status::Pending;
        let currency = order.totals.total.currency;
        let refunds = order.payment.funds.iter().flat_map(|funds| &funds.refunds);
        let mut refunds: Vec<_> = refunds.map(|(id, refund)| RefundView::of(id, refund, currency)).collect();
        refunds.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let to_pay = order.charged();
        let gift_cards = order.gift_cards().map(|(id, amount)| GiftCardShare { id: id.clone(), amount }).collect();
        let shipping_tax = order.shipping_tax().unwrap_or(Money::zero(order.totals.tax.currency));
        let payment = PaymentView {
            status: order.payment.status,
            intent_id: order.payment.intent_id,
            client_secret: order.payment.client_secret.filter(|_| pending),
            decline_code: order.payment.decline_code,
        };
        Self {
            id: order.id,
            number: order.number,
            status: order.status,
            version: order.version,
            email: order.email,
            lines: order.lines,
            totals: order.totals,
            tax_included: order.terms.tax.included,
            shipping_tax,
            coupon: order.terms.coupon,
            gift_cards,
            to_pay,
            shipping_address: order.shipping_address,
            billing_address: order.billing_address,
            shipping_method: order.shipping_method,
            payment,
            shipments: Vec::new(),
            refunds,
            events: order.events,
            created_at: order.created_at,
            expires_at: pending.then_some(order.expires_at),
            updated_at: order.updated_at,
            token: None,
        }
    }
}

/// The token that a guest reads an order with: it says nothing, and nobody else can make it.
#[must_use]
pub fn guest_token(key: &kernel::cursor::SigningKey, order: &OrderId) -> String {
    key.sign("guest-order", order.as_str().as_bytes())
}

/// Whether a token opens this order.
#[must_use]
pub fn opens(key: &kernel::cursor::SigningKey, order: &OrderId, token: &str) -> bool {
    key.open("guest-order", token).is_some_and(|payload| payload == order.as_str().as_bytes())
}
