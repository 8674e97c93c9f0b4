//! Carts: what a shopper gathers before paying.
//!
//! It owns the table `carts`. A cart belongs to whoever knows its id; a line remembers the price that was seen and promises
//! nothing. Checkout claims a cart for one order at a time ([`table::ClaimCart`]); what was bought leaves it when the order
//! is paid ([`table::CloseCart`]). It must never hold stock, and never change a price.

pub mod cart;
pub mod operations;
pub mod table;
pub mod view;

pub use cart::{Bought, Cart, ClaimMark, Line, MergeNote, MergeNoteKind, Merged, OrderPaid};
pub use view::{Availability, CartView, CouponView, LineView, PriceChange, Totals};

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::TABLE];

/// The queues of this service.
pub const QUEUES: &[aws::QueueSpec] = &[operations::close_cart::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::create_cart::function(),
        operations::get_cart::function(),
        operations::set_line::function(),
        operations::remove_line::function(),
        operations::merge_cart::function(),
        operations::apply_coupon::function(),
        operations::remove_coupon::function(),
        operations::close_cart::function(),
    ]
}
