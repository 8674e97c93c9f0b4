//! Payment providers, behind one small interface.
//!
//! It owns the [`Provider`] trait and, for local shops and emulators, the built-in provider with its `payments` table. An
//! intent's id is derived from its order, so that asking twice is asking once. It never sees card data, only tokens; it must
//! never decide an order.

pub mod builtin;
pub mod provider;

use aws::{Capability, ConfigError, Grant, Platform, TableSpec};
use std::sync::Arc;

pub use provider::{Charge, Outcome, Provider, ProviderError};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[builtin::TABLE];

/// The configured provider.
#[derive(Clone)]
pub struct Payments(Arc<dyn Provider>);

impl Capability for Payments {
    fn grants() -> Vec<Grant> {
        builtin::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        match platform.config().payments.as_str() {
            "builtin" => Ok(Self(Arc::new(builtin::Builtin::connect(platform)))),
            other => Err(ConfigError::one(format!("there is no payment provider `{other}`"))),
        }
    }
}

impl std::ops::Deref for Payments {
    type Target = dyn Provider;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}
