//! The money of an order: what was taken, what went back, and what may still go back. Pure.
//!
//! It is the bounded counter of stock ([`Counter`]), in minor units: a refund is held, carried out at the provider, and then
//! confirmed or released; so refunds that run at once never give back more than was taken. Its records are kept for good,
//! so its marks need no pruning: a refund's id is looked up among them.

use std::collections::BTreeMap;

use kernel::counter::Counter;
use kernel::{GiftCardId, Money, RefundId, Sku, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::order::{Order, OrderLine, PaymentStatus, Status};

/// Money that was taken, by the provider and from gift cards, and its refunds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funds {
    /// `received` was taken, `available` may go back, `taken` went back.
    #[serde(flatten)]
    pub counter: Counter,
    /// Every refund by its id.
    pub refunds: BTreeMap<RefundId, Refund>,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The provider is being asked.
    Pending,
    /// The money went back.
    Succeeded,
    /// The provider refuses it for good.
    Refused,
}

/// Units of one line that are given back for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundedLine {
    /// The SKU.
    pub sku: Sku,
    /// How many units.
    #[schemars(range(min = 1, max = 1000))]
    pub quantity: u32,
}

/// What of a refund goes back to one gift card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToCard {
    /// The card.
    pub id: GiftCardId,
    /// How much, in minor units.
    pub amount: i64,
}

/// A refund as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// How much, in minor units.
    pub amount: i64,
    /// What of it goes back to gift cards; the rest goes back through the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<ToCard>,
    /// Where it stands.
    pub status: RefundStatus,
    /// The lines it is for; none when it is an amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundedLine>,
    /// Why.
    pub reason: String,
    /// Who gave it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// The digest of the request: the same key with another one is refused.
    pub fingerprint: String,
    /// The provider's word for why it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Refund {
    /// What of it goes back to gift cards, in minor units.
    #[must_use]
    pub fn to_cards(&self) -> i64 {
        self.cards.iter().map(|card| card.amount).sum()
    }
}

impl Funds {
    /// Money that was just taken.
    #[must_use]
    pub fn of(amount: i64) -> Self {
        Self { counter: Counter::holding(amount), refunds: BTreeMap::new() }
    }

    /// The refunds that were not refused.
    fn standing(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.values().filter(|refund| refund.status != RefundStatus::Refused)
    }

    /// How many units of an item were given back for, or are about to be.
    #[must_use]
    pub fn units(&self, sku: &Sku) -> u32 {
        self.standing().flat_map(|refund| &refund.lines).filter(|line| line.sku == *sku).map(|line| line.quantity).sum()
    }

    /// Where order and payment stand once a refund of so much has gone back.
    #[must_use]
    pub fn after(&self, amount: i64, order: Status, payment: PaymentStatus) -> (Status, PaymentStatus) {
        if self.counter.taken + amount >= self.counter.received {
            return (Status::Refunded, PaymentStatus::Refunded);
        }
        // An order that is on its way to the shopper stays on its way.
        let order = if order == Status::Paid { Status::PartiallyRefunded } else { order };
        (order, payment)
    }
}

/// Why lines cannot be given back for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The order has no such line.
    #[error("the order has no line `{0}`")]
    NoLine(Sku),
    /// Fewer units are left of it.
    #[error("of `{sku}` {left} units can still be given back for")]
    TooMany {
        /// The line.
        sku: Sku,
        /// How many are left.
        left: u32,
    },
}

impl Order {
    /// The money that the provider keeps for this order: taken and not given back, in minor units.
    #[must_use]
    pub fn kept(&self) -> i64 {
        let Some(funds) = &self.payment.funds else { return 0 };
        let back = funds.refunds.values().filter(|refund| refund.status == RefundStatus::Succeeded);
        self.taken() - back.map(|refund| refund.amount - refund.to_cards()).sum::<i64>()
    }

    /// The money that the provider took for this order, in minor units: all that was paid, less what gift cards paid.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.payment.funds.as_ref().map_or(0, |funds| funds.counter.received - self.by_cards())
    }

    /// What of a refund goes to gift cards: the provider gives back first, then the cards get theirs, the last one that was
    /// drawn on first. Refunds that stand already have taken their part.
    #[must_use]
    pub fn to_cards(&self, amount: i64) -> Vec<ToCard> {
        let Some(funds) = &self.payment.funds else { return Vec::new() };
        let by_provider: i64 = funds.standing().map(|refund| refund.amount - refund.to_cards()).sum();
        let mut rest = amount - amount.min((self.taken() - by_provider).max(0));
        let mut cards = Vec::new();
        let drawn: Vec<_> = self.gift_cards().collect();
        for (id, paid) in drawn.into_iter().rev() {
            let back = funds.standing().flat_map(|refund| &refund.cards).filter(|card| card.id == *id);
            let part = rest.min(paid.amount - back.map(|card| card.amount).sum::<i64>());
            if part > 0 {
                cards.push(ToCard { id: id.clone(), amount: part });
                rest -= part;
            }
        }
        cards
    }

    /// What was paid for a line, tax and discount reckoned in.
    fn paid_for(&self, line: &OrderLine) -> i64 {
        let totals = &self.totals;
        let included = totals.total.amount == totals.subtotal.amount - totals.discount.amount + totals.shipping.amount;
        let discount = line.discount.map_or(0, |discount| discount.amount);
        line.line_total.amount - discount + if included { 0 } else { line.tax.amount }
    }

    /// What goes back for some units of some lines. Of a line's `n` units the first `k` are worth `paid · k / n`, rounded
    /// down; so whatever the steps, all of them together are worth exactly what was paid.
    pub fn worth(&self, lines: &[RefundedLine]) -> Result<Money, LineError> {
        let mut sum = 0;
        let mut asked: BTreeMap<&Sku, u32> = BTreeMap::new();
        for wanted in lines {
            let line = self.lines.iter().find(|line| line.sku == wanted.sku);
            let line = line.ok_or_else(|| LineError::NoLine(wanted.sku.clone()))?;
            let before = asked.entry(&wanted.sku).or_default();
            let gone = self.payment.funds.as_ref().map_or(0, |funds| funds.units(&line.sku)) + *before;
            let left = line.quantity.saturating_sub(gone);
            if wanted.quantity > left {
                return Err(LineError::TooMany { sku: line.sku.clone(), left });
            }
            *before += wanted.quantity;
            let paid = i128::from(self.paid_for(line));
            let upto = |units: u32| paid * i128::from(units) / i128::from(line.quantity.max(1));
            sum += i64::try_from(upto(gone + wanted.quantity) - upto(gone)).unwrap_or(0);
        }
        Ok(Money::new(sum, self.totals.total.currency))
    }
}
