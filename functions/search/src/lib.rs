//! Finding products: what is indexed of a product, what a shopper's query means, and the engines that answer it.
//!
//! It owns the shape of the index and the meaning of a query. It must never decide what a product is or costs: the catalogue
//! does, and an index is always behind it.

pub mod clause;
pub mod document;
pub mod entry;
pub mod opensearch;
pub mod port;
pub mod query;
pub mod relevance;
pub mod words;

pub use clause::{Clause, Field};
pub use document::Document;
pub use entry::{Entry, Signals};
pub use opensearch::OpenSearch;
pub use port::{Generation, Health, SearchEngine, SearchError, Target, Write, Written};
pub use query::{Filters, Found, Position, Query, Sort, Suggested, Typed};
