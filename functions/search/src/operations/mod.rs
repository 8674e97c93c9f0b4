//! The operations of search, one file each.

pub mod delete_search_rule;
pub mod get_reindex;
pub mod index_products;
pub mod list_search_rules;
pub mod run_reindex;
pub mod search_products;
pub mod set_search_rule;
pub mod start_reindex;
pub mod suggest;

use kernel::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::words::words;

/// The longest query, in characters.
pub const QUERY_CHARS: usize = 256;

/// The path of what staff wants for one query.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct QueryPath {
    /// The query, percent-encoded.
    #[schemars(length(min = 1, max = QUERY_CHARS))]
    query: String,
}

impl QueryPath {
    /// The query in the form that rules are known by.
    pub(crate) fn normal(&self) -> Result<String, Problem> {
        match normal(&self.query) {
            query if query.is_empty() => Err(Problem::parameter("query", "must have a letter or a digit")),
            query => Ok(query),
        }
    }
}

/// The form in which queries are compared: in lower case, without accents, one blank between words.
pub(crate) fn normal(query: &str) -> String {
    words(query).join(" ")
}
