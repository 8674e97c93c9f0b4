//! What Oxcart asks of a payment provider.

use aws::BoxFuture;
use kernel::{Money, OrderId, Timestamp};

/// The one payment of one order: what the provider is asked about.
///
/// Every call is idempotent: its key is derived from the order, so whoever asks again asks about the same money, whether or
/// not the provider's own id of it is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The order.
    pub order: OrderId,
    /// How much the order costs.
    pub amount: Money,
    /// Whether the money is taken at once.
    pub capture: Capture,
    /// The provider's id of it, once an answer told it.
    pub id: Option<String>,
}

/// When the money of an order is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// At once, when the order is placed.
    #[default]
    Now,
    /// It is authorised at once, and taken when the goods are shipped.
    Later,
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// What it is known by: the same key is the same refund, however often it is asked for.
    pub key: String,
    /// How much.
    pub amount: Money,
}

/// What the provider says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The provider's id of it.
    pub intent: String,
    /// Where it stands.
    pub outcome: Outcome,
}

/// Where a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money was taken.
    Succeeded,
    /// The money is set aside, and waits to be captured.
    Authorized,
    /// The bank takes its time: it is neither taken nor refused.
    Processing,
    /// The money was refused.
    Declined {
        /// Why, in one of the words of [`DECLINE_CODES`].
        code: String,
    },
    /// The shopper must confirm it.
    RequiresAction {
        /// What the shopper's browser confirms it with.
        client_secret: String,
    },
    /// It was called off; money can not be taken for it any more.
    Canceled,
    /// All the money went back.
    Refunded,
    /// The provider never was asked to take it: nothing was taken, and nothing is under way.
    Missing,
}

/// What became of giving money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// It went back, or is on its way and cannot fail any more as far as the provider knows.
    Succeeded,
    /// The provider refuses it for good.
    Refused {
        /// The provider's word for why.
        code: String,
    },
}

/// The words in which a decline is told to clients, whatever the provider calls it.
pub const DECLINE_CODES: &[&str] = &[
    "card_declined",
    "insufficient_funds",
    "expired_card",
    "incorrect_number",
    "incorrect_cvc",
    "authentication_failed",
    "currency_not_supported",
    "amount_too_small",
    "amount_too_large",
    "unknown_payment_method",
];

/// The provider gave no answer one could act on: what happened is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It failed in passing and said so: nothing was taken; it may be asked again at once.
    #[error("the provider failed in passing: {0}")]
    Passing(String),
    /// It could not be reached, or did not answer, or answered something that cannot be read.
    #[error("the provider gave no answer: {0}")]
    NoAnswer(String),
    /// It is not asked, because it failed too often of late.
    #[error("the provider is not asked: it failed too often of late")]
    Open,
}

/// What the provider reports by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The provider's id of the report; a repeated one has the same.
    pub id: String,
    /// The order it is about, when it is about one of ours.
    pub order: Option<OrderId>,
    /// What it says.
    pub kind: EventKind,
    /// When it happened, by the provider's clock.
    pub created: Timestamp,
}

/// What a report says. Reports come late, twice and in any order, so only what can never be taken back is believed as it
/// stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The money of this payment was taken.
    Succeeded {
        /// The provider's id of the payment.
        intent: String,
        /// How much.
        amount: Money,
    },
    /// Something happened to the payment: the provider is asked where it stands.
    Changed,
    /// Not about a payment.
    Other,
}

/// Why a report is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// There is no signature, or it is not the provider's.
    #[error("the signature is missing or wrong")]
    Forged,
    /// It was signed too long ago.
    #[error("the signature is older than {0} seconds")]
    Old(u64),
    /// It is signed and cannot be read.
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    /// The secret that signatures are checked with could not be fetched.
    #[error("the webhook secret cannot be read: {0}")]
    NoSecret(String),
}

/// A payment provider.
pub trait Provider: Send + Sync {
    /// Takes the money (or sets it aside), or says what stands in the way. `token` is the provider's of a payment method.
    fn charge<'a>(&'a self, intent: &'a Intent, token: &'a str) -> BoxFuture<'a, Result<Answer, ProviderError>>;
    /// Where the payment stands.
    fn retrieve<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>>;
    /// Calls the payment off unless the money was taken, and says where it stands then. After `Canceled` a charge that is
    /// still on its way takes nothing.
    fn cancel<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>>;
    /// Takes money that was set aside, once; what is left of it is let go.
    fn capture<'a>(&'a self, intent: &'a Intent, amount: Money) -> BoxFuture<'a, Result<Answer, ProviderError>>;
    /// Gives money back.
    fn refund<'a>(
        &'a self,
        intent: &'a Intent,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundOutcome, ProviderError>>;
    /// Checks the signature of a report that came in as a webhook, and reads it. `signature` is the header's text.
    fn event<'a>(
        &'a self,
        signature: &'a str,
        body: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Event, EventError>>;
}
