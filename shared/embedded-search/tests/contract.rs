//! The contract of the port, on disk and in memory; and what only the embedded engine does: it keeps its folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

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

#[tokio::test]
async fn on_disk() {
    let root = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    contract::run(&|| {
        let nth = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let engine = Embedded::open(&root.path().join(nth.to_string()), Language::English).unwrap();
        Box::pin(async { Arc::new(engine) as Arc<dyn SearchEngine> })
    })
    .await;
}
