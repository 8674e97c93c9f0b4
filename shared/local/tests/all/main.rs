//! The shop through its public surface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod caching;
mod catalogue;
mod costs;
mod generated;
mod golden_events;
mod idempotency;
mod imports;
mod money;
mod people;
mod physics;
mod promotions;
mod pump;
mod recommendations;
mod request;
mod reviews;
mod saga;
mod search;
mod support;
mod velocity;
