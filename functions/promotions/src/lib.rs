//! Coupons and gift cards: what makes an order cheaper, and what pays for it.
//!
//! It owns the table `promotions`. How often a coupon may be used, in all and by one customer, and what is left on a gift card
//! are bounded counters ([`kernel::counter`]), held with the order under the order's own operation, taken when it is paid and
//! given back when it dies. It must never count a use that no order stands for, nor keep a secret code.

pub mod coupon;
pub mod gift;
pub mod look;
pub mod operations;
pub mod table;
pub mod uses;

pub use coupon::{Coupon, Reduction};
pub use gift::GiftCode;
pub use uses::{Part, UseDecision, UseKey};

use aws::{QueueSpec, TableSpec};
use lambda::Function;

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[table::TABLE];

/// The queues of this service.
pub const QUEUES: &[QueueSpec] = &[operations::confirm_uses::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        operations::create_coupon::function(),
        operations::get_coupon::function(),
        operations::create_gift_card::function(),
        operations::get_gift_card::function(),
        operations::adjust_gift_card::function(),
        operations::confirm_uses::function(),
    ]
}
