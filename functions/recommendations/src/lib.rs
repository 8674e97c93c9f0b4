//! What shoppers may want next: bought together, similar, best sellers, and what they looked at themselves.
//!
//! It owns the table `recommendations`: samples of what was bought, drawn by lot, and the last views of each viewer. Paid orders
//! and views come through one queue, and each message may come any number of times in any order: what is kept is a function of
//! the set of messages alone ([`sample`]). It must never decide what is for sale (catalogue and stock do, for every answer), and
//! never keep who a viewer is.

pub mod operations;
pub mod rank;
pub mod sample;
pub mod shelf;
pub mod table;
pub mod views;

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::TABLE];

/// The queues of this service.
pub const QUEUES: &[aws::QueueSpec] = &[operations::build_recommendations::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::recommend_for_product::function(),
        operations::recommend_for_me::function(),
        operations::record_views::function(),
        operations::build_recommendations::function(),
    ]
}
