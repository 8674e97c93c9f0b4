//! What Oxcart asks of a payment provider.

use aws::BoxFuture;
use kernel::{IntentId, Money, OrderId};

/// Money to be taken for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The order; the intent's id follows from it.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// The provider's token of the payment method.
    pub token: String,
}

impl Charge {
    /// The intent of an order. One order has one intent: whoever asks again asks about the same money.
    #[must_use]
    pub fn intent(order: &OrderId) -> IntentId {
        IntentId::derive(&[order.as_str().as_bytes(), b"payment"])
    }
}

/// Where an intent stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money was taken.
    Succeeded,
    /// The money was refused.
    Declined {
        /// The provider's stable word for why.
        code: String,
    },
    /// The shopper must confirm it.
    RequiresAction {
        /// What the shopper's browser confirms it with.
        client_secret: String,
    },
    /// It was called off; money can not be taken for it any more.
    Canceled,
    /// The money was taken and went back.
    Refunded,
    /// The provider never heard of it.
    Missing,
}

/// The provider gave no answer one could act on: what happened is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It failed in passing and said so: nothing was taken; the same request may be sent again at once.
    #[error("the provider failed in passing: {0}")]
    Passing(String),
    /// It could not be reached, or did not answer.
    #[error("the provider gave no answer: {0}")]
    NoAnswer(String),
}

/// A payment provider. Every call is idempotent: the intent's id is the order's.
pub trait Provider: Send + Sync {
    /// Takes the money, or says what stands in the way.
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Outcome, ProviderError>>;
    /// Where the intent of an order stands.
    fn retrieve<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>>;
    /// Calls the intent off unless the money was taken, and says where it stands then. After `Canceled` a charge that is
    /// still on its way takes nothing.
    fn cancel<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>>;
    /// Gives all money of the intent back, once.
    fn refund<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>>;
}
