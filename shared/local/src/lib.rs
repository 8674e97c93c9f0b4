//! The shop in one process: gateway, pump, pages, command line.
//!
//! It stands where API Gateway, Lambda and the event source mappings stand in the cloud, over the embedded engine. It owns
//! their local counterparts and the demo catalogue. It must never hold a business rule: whatever it answers by itself
//! (routes, tokens, pages) is what those services answer.

pub mod arguments;
mod bells;
mod busy;
pub mod catalog_file;
pub mod cdn;
mod cors;
pub mod costs;
pub mod crash;
mod event;
mod files;
pub mod fixtures;
pub mod gateway;
pub mod generate;
mod grants;
pub mod hello;
pub mod import;
pub mod pages;
pub mod physics;
pub mod provider;
pub mod pump;
pub mod registry;
pub mod router;
mod setup;
pub mod shop;
pub mod simulate;
pub mod soak;
pub mod start;
pub mod storm;

pub use pump::Pump;
pub use shop::{Options, Registry, Search, Shop, ShopError};
