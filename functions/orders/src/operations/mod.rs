//! One module an endpoint.

pub mod get_order;
pub mod list_orders;
