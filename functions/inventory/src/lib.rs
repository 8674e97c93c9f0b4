//! Stock that cannot be oversold.
//!
//! It owns the `inventory` table: one bounded counter ([`kernel::counter`]) per SKU, warehouse and shard, and every write on
//! it is one conditional `UpdateItem`. A hold belongs to an operation whose own record, elsewhere, is decided once; only
//! what that record says confirms or releases it. It must never check first and write then, nor hold for an operation that
//! was done.

pub mod operations;
pub mod stock;
pub mod table;

use aws::{QueueSpec, TableSpec};
use lambda::Function;

pub use stock::{CounterKey, HeldLine, HoldDecision};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[table::TABLE];
/// The queues of this service.
pub const QUEUES: &[QueueSpec] = &[operations::confirm_holds::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        operations::get_availability::function(),
        operations::get_stock::function(),
        operations::receive_stock::function(),
        operations::adjust_stock::function(),
        operations::confirm_holds::function(),
    ]
}
