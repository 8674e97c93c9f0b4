//! From a cart to a paid order.
//!
//! It owns no stock and no order: it drives the two through their own commands, in an order that survives being stopped
//! between any two calls. Every way an order can be decided (the synchronous answer, a retry, a timer) is the one command
//! [`till::Till::settle`]. It must never take money without an order, take it twice, or undo a winner's work.

pub mod cashier;
pub mod operations;
pub mod pricing;
pub mod rates;
pub mod reports;
pub mod till;
pub mod velocity;
pub mod wallet;

use aws::{QueueSpec, TableSpec};
use lambda::Function;

/// The queues of this service.
pub const QUEUES: &[QueueSpec] =
    &[operations::expire_orders::QUEUE, operations::retry_payment::QUEUE, operations::move_money::QUEUE];

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[reports::TABLE, velocity::TABLE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        operations::quote::function(),
        operations::place_order::function(),
        operations::expire_orders::function(),
        operations::retry_payment::function(),
        operations::stripe_webhook::function(),
        operations::reconcile_orders::function(),
        operations::refund_order::function(),
        operations::capture_order::function(),
        operations::move_money::function(),
    ]
}
