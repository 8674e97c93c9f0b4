//! Finding products: what is indexed of a product, what a shopper's query means, and the engines that answer it.
//!
//! It owns the shape of the index and the meaning of a query. It must never decide what a product is or costs: the catalogue
//! does, and an index is always behind it.

pub mod clause;
pub mod document;
pub mod relevance;

pub use clause::{Clause, Field};
pub use document::Document;
