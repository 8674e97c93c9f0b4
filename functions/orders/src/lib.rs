//! Orders: the decision record of every checkout, and its readers.
//!
//! It owns the `orders` table. An order is written once as pending, frozen with its lines and totals before any money
//! moves, and decided once: paid, cancelled or expired, by one conditional write. That write is also the event that
//! confirms or releases stock and sends mail. It must never decide twice, nor change what was frozen.

pub mod funds;
pub mod operations;
pub mod order;
mod stored;
pub mod sums;
pub mod table;
pub mod view;

use aws::TableSpec;
use lambda::Function;

pub use order::{Decision, Order, OrderLine, Payment, PaymentStatus, Status, Terms, Totals, UsedCoupon};
pub use view::OrderView;

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[table::TABLE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![operations::get_order::function(), operations::list_orders::function(), operations::claim_order::function()]
}
