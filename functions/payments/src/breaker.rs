//! A payment provider behind a circuit breaker: when it fails or dawdles too often, shoppers are told at once to wait.

use std::sync::Arc;
use std::time::Duration;

use aws::breaker::{Guard, State};
use aws::{BoxFuture, Clock};
use kernel::{Money, Timestamp};

use crate::provider::{Answer, Event, EventError, Intent, Provider, ProviderError, Refund, RefundOutcome};

/// An answer that took longer counts as a bad one.
const SLOW: Duration = Duration::from_secs(5);

/// A provider behind a breaker.
pub struct Guarded {
    provider: Arc<dyn Provider>,
    guard: Guard,
}

impl Guarded {
    /// Around a provider.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, guard: Guard::new(clock, SLOW) }
    }

    /// Where the breaker stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.guard.state()
    }

    async fn ask<T: Send>(
        &self,
        call: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let answer = self.guard.call(call, |answer| matches!(answer, Err(ProviderError::NoAnswer(_)))).await;
        answer.unwrap_or(Err(ProviderError::Open))
    }
}

impl Provider for Guarded {
    fn charge<'a>(&'a self, intent: &'a Intent, token: &'a str) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.charge(intent, token)))
    }

    fn retrieve<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.retrieve(intent)))
    }

    fn cancel<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.cancel(intent)))
    }

    fn capture<'a>(&'a self, intent: &'a Intent, amount: Money) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.ask(self.provider.capture(intent, amount)))
    }

    fn refund<'a>(
        &'a self,
        intent: &'a Intent,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundOutcome, ProviderError>> {
        Box::pin(self.ask(self.provider.refund(intent, refund)))
    }

    fn event<'a>(
        &'a self,
        signature: &'a str,
        body: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Event, EventError>> {
        self.provider.event(signature, body, now)
    }
}
