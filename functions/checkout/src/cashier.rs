//! Money that moves after an order was paid: captures and refunds, asked for by one conditional write on the order, carried
//! out at the provider, and noted by another. Whoever comes second, the call or the worker, changes nothing.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Platform};
use kernel::{Money, OrderId, Problem, RefundId};
use lambda::Cx;
use orders::funds::{Refund, RefundStatus, ToCard};
use orders::order::OrderEvent;
use orders::table::LoadOrder;
use orders::table::funds::{Changed, MoveFunds};
use orders::{Order, PaymentStatus};
use payments::{Captures, Outcome, Provider as _, RefundOutcome, Refunds};
use promotions::table::CreditGiftCards;

use crate::till::intent_of;

/// How often a write is tried again that somebody else's came before.
const ROUNDS: usize = 5;

/// Gives money of an order back, the way it was paid.
#[derive(Clone)]
pub struct Refunder {
    load: LoadOrder,
    funds: MoveFunds,
    payments: (Refunds, CreditGiftCards),
}

/// Takes money that was set aside for an order.
#[derive(Clone)]
pub struct Capturer {
    load: LoadOrder,
    funds: MoveFunds,
    payments: Captures,
}

macro_rules! moves_money {
    ($name:ident, $payments:ty) => {
        impl Capability for $name {
            fn grants() -> Vec<Grant> {
                [LoadOrder::grants(), MoveFunds::grants(), <$payments>::grants()].concat()
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                Ok(Self {
                    load: LoadOrder::connect(platform)?,
                    funds: MoveFunds::connect(platform)?,
                    payments: <$payments>::connect(platform)?,
                })
            }
        }

        impl $name {
            /// The order.
            pub async fn load(&self, id: &OrderId) -> Result<Option<Order>, Problem> {
                Ok(self.load.load(id).await?)
            }

            /// The writes that ask for something.
            #[must_use]
            pub fn funds(&self) -> &MoveFunds {
                &self.funds
            }
        }
    };
}

moves_money!(Refunder, (Refunds, CreditGiftCards));
moves_money!(Capturer, Captures);

/// What came of asking the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The order says how it ended.
    Out(Box<Order>),
    /// The provider gave no answer: the worker asks again.
    NotYet(String),
}

fn busy() -> Problem {
    Problem::new(kernel::problem::code::REQUEST_IN_FLIGHT, "the order is being changed by others").retry_after(1)
}

fn event(cx: &Cx, kind: &str, detail: String) -> OrderEvent {
    OrderEvent { at: cx.now(), kind: kind.to_owned(), actor: cx.actor(), detail: Some(detail) }
}

impl Refunder {
    /// Carries out a refund that is held, and notes how it ended.
    pub async fn refund(&self, order: Order, id: &RefundId, limit: Duration, cx: &Cx) -> Result<Carried, Problem> {
        let funds = order.payment.funds.as_ref();
        let Some(refund) = funds.and_then(|funds| funds.refunds.get(id)).cloned() else {
            return Err(Problem::internal("the refund is not on the order"));
        };
        if refund.status != RefundStatus::Pending {
            return Ok(Carried::Out(Box::new(order)));
        }
        let currency = order.totals.total.currency;
        let by_provider = Money::new(refund.amount - refund.to_cards(), currency);
        let mut outcome = RefundOutcome::Succeeded;
        if by_provider.amount > 0 {
            let (intent, asked) = (intent_of(&order), payments::Refund { key: id.to_string(), amount: by_provider });
            outcome = match cx.within(limit, self.payments.0.refund(&intent, &asked)).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(error)) => return Ok(Carried::NotYet(error.to_string())),
                None => return Ok(Carried::NotYet("time-out".into())),
            };
        }
        let mut order = order;
        for _ in 0..ROUNDS {
            let changed = match &outcome {
                RefundOutcome::Succeeded => {
                    let event = event(cx, "refunded", Money::new(refund.amount, currency).to_string());
                    self.confirm(&order, id, &refund, &event, cx).await?
                }
                RefundOutcome::Refused { code } => {
                    cx.count("RefundsRefused", 1);
                    let event = event(cx, "refund_refused", code.clone());
                    self.funds.release(&order, id, code, &event).await?
                }
            };
            match changed {
                Changed::Yes(order) => return Ok(Carried::Out(order)),
                Changed::No(stands) => {
                    let refund = stands.payment.funds.as_ref().and_then(|funds| funds.refunds.get(id));
                    if refund.is_none_or(|refund| refund.status != RefundStatus::Pending) {
                        return Ok(Carried::Out(stands));
                    }
                    order = *stands;
                }
            }
        }
        Err(busy())
    }

    /// Notes that a refund went back, and puts its part on gift cards in the same transaction: the order remembers for good
    /// that it was done.
    async fn confirm(
        &self,
        order: &Order,
        id: &RefundId,
        refund: &Refund,
        event: &OrderEvent,
        cx: &Cx,
    ) -> Result<Changed, Problem> {
        if refund.cards.is_empty() {
            return Ok(self.funds.confirm(order, id, refund.amount, event).await?);
        }
        let credit = |card: &ToCard| self.payments.1.credit(&card.id, card.amount, id.as_str(), cx.now());
        let credits = refund.cards.iter().map(credit).collect::<Result<_, _>>()?;
        let done = self.funds.confirm_with(order, id, refund.amount, event, credits).await?;
        let stands = self.load.load(&order.id).await?;
        let stands = Box::new(stands.ok_or_else(|| Problem::internal("the order is gone"))?);
        Ok(if done { Changed::Yes(stands) } else { Changed::No(stands) })
    }
}

impl Capturer {
    /// Carries out a capture that was asked for, and notes how it ended.
    pub async fn capture(&self, order: Order, limit: Duration, cx: &Cx) -> Result<Carried, Problem> {
        let Some(amount) = order.payment.capture else { return Err(Problem::internal("no capture was asked for")) };
        if order.payment.status != PaymentStatus::Authorized {
            return Ok(Carried::Out(Box::new(order)));
        }
        let amount = Money::new(amount, order.totals.total.currency);
        let intent = intent_of(&order);
        let answer = match cx.within(limit, self.payments.capture(&intent, amount)).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Ok(Carried::NotYet(error.to_string())),
            None => return Ok(Carried::NotYet("time-out".into())),
        };
        let taken = match answer.outcome {
            Outcome::Succeeded => Some(amount.amount),
            // The bank let it go: there is nothing to be taken any more, and people must look.
            Outcome::Canceled | Outcome::Missing | Outcome::Declined { .. } | Outcome::Refunded => None,
            Outcome::Authorized | Outcome::Processing | Outcome::RequiresAction { .. } => {
                return Ok(Carried::NotYet("the provider has not taken it yet".into()));
            }
        };
        let mut order = order;
        for _ in 0..ROUNDS {
            let kind = if taken.is_some() { "captured" } else { "capture_failed" };
            if taken.is_none() {
                cx.count("CapturesFailed", 1);
            }
            match self.funds.captured(&order, taken, &event(cx, kind, amount.to_string())).await? {
                Changed::Yes(order) => return Ok(Carried::Out(order)),
                Changed::No(stands) if stands.payment.status != PaymentStatus::Authorized => {
                    return Ok(Carried::Out(stands));
                }
                Changed::No(stands) => order = *stands,
            }
        }
        Err(busy())
    }
}
