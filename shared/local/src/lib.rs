//! The shop in one process: gateway, pump, pages, command line.
//!
//! It stands where API Gateway, Lambda and the event source mappings stand in the cloud, over the embedded engine. It owns
//! their local counterparts and the demo catalogue. It must never hold a business rule: whatever it answers by itself
//! (routes, tokens, pages) is what those services answer.

mod bells;
mod busy;
mod cors;
mod event;
mod grants;
pub mod pump;
pub mod router;
mod setup;
pub mod shop;

pub use pump::Pump;
pub use shop::{Options, Registry, Shop, ShopError};
