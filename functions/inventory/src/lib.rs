//! Stock that cannot be oversold.
//!
//! It owns the `inventory` table: bounded counters ([`kernel::counter`]), one per SKU, warehouse and shard, each changed by
//! one conditional `UpdateItem`; the settings of items; reservations of other sales channels; and the ledger of every
//! movement. A hold belongs to an operation whose own record is decided once; only what that record says, and only for the
//! counters that it names, confirms a hold. It must never check first and write then, nor hold for what was done.

pub mod admission;
pub mod allocation;
pub mod allot;
pub mod desk;
pub mod ledger;
pub mod operations;
pub mod reservation;
pub mod settings;
pub mod stock;
pub mod table;

use aws::{QueueSpec, TableSpec};
use lambda::Function;

pub use stock::{Availability, CounterKey, HoldDecision, Part, StockSank};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[table::TABLE, table::LEDGER];
/// The queues of this service.
pub const QUEUES: &[QueueSpec] = &[operations::confirm_holds::QUEUE, operations::expire_reservations::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        operations::get_availability::function(),
        operations::request_admission::function(),
        operations::get_stock::function(),
        operations::receive_stock::function(),
        operations::adjust_stock::function(),
        operations::set_shards::function(),
        operations::transfer_stock::function(),
        operations::get_transfer::function(),
        operations::receive_transfer::function(),
        operations::list_ledger::function(),
        operations::check_drift::function(),
        operations::get_stock_settings::function(),
        operations::set_stock_settings::function(),
        operations::get_warehouses::function(),
        operations::set_warehouses::function(),
        operations::reserve::function(),
        operations::get_reservation::function(),
        operations::commit_reservation::function(),
        operations::release_reservation::function(),
        operations::confirm_holds::function(),
        operations::expire_reservations::function(),
        operations::write_ledger::function(),
    ]
}
