//! Reviews: what customers think of what they bought, and the rating that a product has of it.
//!
//! It owns the table `reviews`. Writing, changing, deleting and hiding a review are each one conditional write on it; the
//! product's rating follows from the stream, and each review knows which of its stars are counted there, so that a change is
//! counted once whatever comes twice or late. It must never let anybody review what they did not buy.

pub mod operations;
pub mod review;
pub mod table;

pub use review::{NewReview, Review};

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::TABLE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::list_reviews::function(),
        operations::post_review::function(),
        operations::get_own_review::function(),
        operations::change_review::function(),
        operations::delete_review::function(),
        operations::inspect_reviews::function(),
        operations::moderate_review::function(),
        operations::rate_products::function(),
    ]
}
