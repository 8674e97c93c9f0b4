//! Payment providers, behind one small interface.
//!
//! It owns the [`Provider`] trait and, for local shops and emulators, the built-in provider with its `payments` table. What
//! is asked of a provider is known by the order it is asked for, so that asking twice is asking once. It never sees card
//! data, only tokens; it must never decide an order.

pub mod breaker;
pub mod builtin;
pub mod provider;

use aws::{Capability, ConfigError, Grant, Platform, TableSpec};
use std::sync::Arc;

pub use provider::{
    Answer, Capture, Event, EventError, EventKind, Intent, Outcome, Provider, ProviderError, Refund, RefundOutcome,
};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[builtin::TABLE];

/// The configured provider, behind its circuit breaker.
#[derive(Clone)]
pub struct Payments(Arc<breaker::Guarded>);

impl Capability for Payments {
    fn grants() -> Vec<Grant> {
        builtin::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let provider: Arc<dyn Provider> = match platform.config().payments.as_str() {
            "builtin" => Arc::new(builtin::Builtin::connect(platform)),
            other => return Err(ConfigError::one(format!("there is no payment provider `{other}`"))),
        };
        Ok(Self(Arc::new(breaker::Guarded::new(provider, platform.clock().clone()))))
    }
}

impl std::ops::Deref for Payments {
    type Target = breaker::Guarded;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
