//! One module an endpoint.

pub mod claim_order;
pub mod get_order;
pub mod list_orders;
