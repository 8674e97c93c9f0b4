//! The contract of the port, on disk and in memory; and what only the embedded engine does: it keeps its folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[path = "../../../functions/search/tests/contract/mod.rs"]
mod contract;

use std::sync::Arc;

use embedded_search::{Embedded, Language};
use search::SearchEngine;

fn shared(engine: Embedded) -> Arc<dyn SearchEngine> {
    Arc::new(engine)
}

#[tokio::test]
async fn in_memory() {
    contract::run(&|| Box::pin(async { shared(Embedded::in_memory(Language::English)) })).await;
}

#[tokio::test]
async fn on_disk() {
    let root = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    contract::run(&|| {
        let nth = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let engine = Embedded::open(&root.path().join(nth.to_string()), Language::English).unwrap();
        Box::pin(async { shared(engine) })
    })
    .await;
}
