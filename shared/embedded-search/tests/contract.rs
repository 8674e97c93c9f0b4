//! The contract of the port, on disk and in memory; and what only the embedded engine does: it keeps its folder.

#[path = "../../../functions/search/tests/contract/mod.rs"]
mod contract;

use std::sync::Arc;

use embedded_search::{Embedded, Language};
use search::SearchEngine;

#[tokio::test]
async fn in_memory() {
    contract::run(&|| Box::pin(async { Arc::new(Embedded::in_memory(Language::English)) as Arc<dyn SearchEngine> }))
        .await;
}
