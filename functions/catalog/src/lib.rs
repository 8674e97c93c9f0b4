//! The catalogue: products, their variants, the tree of categories, and the lists that shoppers browse.
//!
//! It owns the table `catalog`: what is sold under which SKU, at which price, under which address. Others read it through
//! [`table::FindProducts`] and [`table::FindSku`]. It must never know how many units there are, or who bought what, and a
//! product that is not active must never reach a shopper.

pub mod attribute;
pub mod category;
pub mod commands;
pub mod merge;
pub mod operations;
pub mod product;
pub mod stale;
pub mod table;

pub use attribute::{Attribute, Attributes};
pub use commands::create;
pub use product::{Average, Image, NewProduct, Product, ProductOption, Rating, Status, Variant};

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::TABLE];

/// The queues of this service.
pub const QUEUES: &[aws::QueueSpec] = &[operations::invalidate_cdn::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::list_products::function(),
        operations::get_product::function(),
        operations::list_categories::function(),
        operations::create_product::function(),
        operations::update_product::function(),
        operations::inspect_product::function(),
        operations::list_products_by_status::function(),
        operations::archive_product::function(),
        operations::invalidate_cdn::function(),
    ]
}
