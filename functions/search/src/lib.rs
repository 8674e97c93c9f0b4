//! Finding products: what is indexed of a product, what a shopper's query means, and the engines that answer it.
//!
//! It owns the shape of the index and the meaning of a query. It must never decide what a product is or costs: the catalogue
//! does, and an index is always behind it.

pub mod cached;
pub mod clause;
pub mod document;
pub mod engine;
pub mod entry;
pub mod indexer;
pub mod lexicons;
pub mod opensearch;
pub mod operations;
pub mod place;
pub mod port;
pub mod query;
pub mod relevance;
pub mod similar;
pub mod table;
pub mod words;

use aws::{QueueSpec, TableSpec};
use lambda::Function;

pub use cached::Cached;
pub use clause::{Clause, Field};
pub use document::Document;
pub use entry::{Entry, Signals};
pub use opensearch::OpenSearch;
pub use place::Place;
pub use port::{Generation, Health, SearchEngine, SearchError, Target, Write, Written};
pub use query::{Filters, Found, Position, Query, Sort, Suggested, Typed};

/// The tables of this service.
pub const TABLES: &[TableSpec] = &[table::TABLE];
/// The queues of this service.
pub const QUEUES: &[QueueSpec] = &[operations::index_products::QUEUE, operations::run_reindex::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        operations::search_products::function(),
        operations::suggest::function(),
        operations::start_reindex::function(),
        operations::get_reindex::function(),
        operations::list_search_rules::function(),
        operations::set_search_rule::function(),
        operations::delete_search_rule::function(),
        operations::index_products::function(),
        operations::run_reindex::function(),
    ]
}
