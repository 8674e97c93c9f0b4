//! Payment providers, behind one small interface.
//!
//! It owns the [`Provider`] trait and, for local shops and emulators, the built-in provider with its `payments` table. What
//! is asked of a provider is known by the order it is asked for, so that asking twice is asking once. It never sees card
//! data, only tokens; it must never decide an order.

pub mod breaker;
pub mod builtin;
pub mod provider;
pub mod signature;
pub mod stripe;

use aws::{Capability, ConfigError, Grant, Platform, SigningSecret, TableSpec};
use kernel::Timestamp;
use std::sync::Arc;

use builtin::Work;
pub use provider::{
    Answer, Capture, Event, EventError, EventKind, Intent, Outcome, Provider, ProviderError, Refund, RefundOutcome,
};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[builtin::TABLE];

/// The configured provider, behind its circuit breaker.
#[derive(Clone)]
pub struct Payments(Arc<breaker::Guarded>);

/// The same, for who gives money back.
#[derive(Clone)]
pub struct Refunds(Payments);

/// The same, for who takes money that was set aside.
#[derive(Clone)]
pub struct Captures(Payments);

fn grants(work: Work) -> Vec<Grant> {
    of_builtin(builtin::grants(work)).chain(stripe::grants()).collect()
}

impl Capability for Payments {
    fn grants() -> Vec<Grant> {
        grants(Work::Charge)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(breaker::Guarded::new(provider(platform)?, platform.clock().clone()))))
    }
}

macro_rules! payments_for {
    ($name:ident, $work:expr) => {
        impl Capability for $name {
            fn grants() -> Vec<Grant> {
                grants($work)
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                Payments::connect(platform).map(Self)
            }
        }

        impl std::ops::Deref for $name {
            type Target = breaker::Guarded;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

payments_for!(Refunds, Work::Refund);
payments_for!(Captures, Work::Capture);

/// What only the built-in provider needs.
fn of_builtin(grants: Vec<Grant>) -> impl Iterator<Item = Grant> {
    grants.into_iter().map(|grant| grant.only_with("builtin"))
}

fn provider(platform: &Platform) -> Result<Arc<dyn Provider>, ConfigError> {
    match platform.config().payments.as_str() {
        "builtin" => Ok(Arc::new(builtin::Builtin::connect(platform)?)),
        "stripe" => Ok(Arc::new(stripe::Stripe::connect(platform))),
        other => Err(ConfigError::one(format!("there is no payment provider `{other}`"))),
    }
}

/// Reads what the configured provider reports by itself.
#[derive(Clone)]
pub struct PaymentReports(Arc<dyn Provider>);

impl Capability for PaymentReports {
    fn grants() -> Vec<Grant> {
        of_builtin(SigningSecret::grants()).chain(stripe::grants()).collect()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        provider(platform).map(Self)
    }
}

impl PaymentReports {
    /// Checks the signature of a report that came in as a webhook, and reads it. `signature` is the header's text.
    pub async fn read(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Event, EventError> {
        self.0.event(signature, body, now).await
    }
}

impl std::ops::Deref for Payments {
    type Target = breaker::Guarded;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
