//! Shared answers over a real Redis or Valkey: `make test-redis` starts one, and says where it is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[path = "../../../functions/search/tests/contract/mod.rs"]
mod contract;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws::cache::{Away, VALUE_BYTES};
use aws::{Cache, CacheAddress, SystemClock};
use embedded_search::{Embedded, Language};
use search::engine::Adapter;
use search::port::Answer;
use search::query::Spelling;
use search::{
    Cached, Found, Generation, Health, Query, SearchEngine, SearchError, Suggested, Target, Typed, Write, Written,
};

/// A busy machine is no slow server.
const WAIT: Duration = Duration::from_secs(20);

fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test that is told where its server is")]
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: make test-redis"))
}

fn cache(url: &str, roots: &'static [u8]) -> Cache {
    Cache::new(CacheAddress::parse(url).unwrap(), roots, Arc::new(SystemClock), WAIT)
}

fn plain() -> Cache {
    cache(&variable("OXCART_CACHE_URL"), b"")
}

/// Nobody had this name before.
fn name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[8..].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let run = tempfile::tempdir().unwrap();
    kernel::id::fingerprint(&[run.path().as_os_str().as_encoded_bytes(), &bytes])
}

/// The engine with its answers shared, but none older than the last write: then the whole contract holds. Each question is asked
/// twice, so that every answer of the contract is one that came from the server.
struct Twice {
    engine: Adapter,
    run: String,
    writes: AtomicU64,
}

impl Twice {
    fn shared(&self) -> Cached {
        let prefix = format!("{}-{}", self.run, self.writes.load(Ordering::SeqCst));
        Cached::new(self.engine.clone(), plain(), &prefix)
    }

    /// Before and after: what is asked meanwhile may be answered either way.
    async fn change<T>(&self, change: Answer<'_, T>) -> Result<T, SearchError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let done = change.await;
        self.writes.fetch_add(1, Ordering::SeqCst);
        done
    }
}

impl SearchEngine for Twice {
    fn search<'a>(&'a self, query: &'a Query) -> Answer<'a, Found> {
        Box::pin(async {
            let shared = self.shared();
            let first = shared.search(query).await?;
            shared.tally();
            let second = shared.search(query).await?;
            assert_eq!((shared.tally(), &second), ((1, 0), &first));
            Ok(second)
        })
    }
    fn suggest<'a>(&'a self, typed: &'a Typed) -> Answer<'a, Suggested> {
        Box::pin(async {
            let shared = self.shared();
            let first = shared.suggest(typed).await?;
            shared.tally();
            let second = shared.suggest(typed).await?;
            assert_eq!((shared.tally(), &second), ((1, 0), &first));
            Ok(second)
        })
    }
    fn spellings<'a>(&'a self, words: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        Box::pin(async { self.shared().spellings(words).await })
    }
    fn write<'a>(&'a self, target: Target<'a>, writes: &'a [Write]) -> Answer<'a, Vec<Written>> {
        Box::pin(async move { self.change(self.shared().write(target, writes)).await })
    }
    fn refresh(&self) -> Answer<'_, ()> {
        Box::pin(async { self.change(self.shared().refresh()).await })
    }
    fn begin<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async { self.change(self.shared().begin(generation)).await })
    }
    fn finish<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async { self.change(self.shared().finish(generation)).await })
    }
    fn abandon<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async { self.change(self.shared().abandon(generation)).await })
    }
    fn health(&self) -> Answer<'_, Health> {
        Box::pin(async { self.shared().health().await })
    }
}

#[tokio::test]
#[ignore = "needs a Redis: make test-redis"]
async fn the_contract_holds_through_it() {
    contract::run(&|| {
        Box::pin(async {
            let engine: Adapter = Arc::new(Embedded::in_memory(Language::English));
            let twice: Adapter = Arc::new(Twice { engine, run: name(), writes: AtomicU64::new(0) });
            twice
        })
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Redis: make test-redis"]
async fn values_live_as_long_as_was_said() {
    let (cache, key) = (plain(), name());
    assert_eq!(cache.get(&key).await, Ok(None));
    let all: Vec<u8> = (0..VALUE_BYTES).map(|at| u8::try_from(at % 256).unwrap()).collect();
    for value in [&b"short"[..], b"", b"\r\n$-1\r\n", &all] {
        cache.put(&key, value, Duration::from_secs(60)).await;
        assert_eq!(cache.get(&key).await, Ok(Some(value.to_vec())));
    }
    cache.put(&key, b"last", Duration::from_millis(1)).await;
    while cache.get(&key).await != Ok(None) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[ignore = "needs a Redis: make test-redis"]
async fn a_server_with_a_certificate_is_asked_and_another_is_not() {
    let (url, key) = (variable("OXCART_CACHE_TLS_URL"), name());
    let roots: &'static [u8] = std::fs::read(variable("OXCART_CACHE_ROOTS")).unwrap().leak();
    let trusted = cache(&url, roots);
    trusted.put(&key, b"value", Duration::from_secs(60)).await;
    assert_eq!(trusted.get(&key).await, Ok(Some(b"value".to_vec())));
    assert_eq!(cache(&url, b"").get(&key).await, Err(Away), "nobody vouches for it");
    assert_eq!(cache(&url.replace("localhost", "127.0.0.1"), roots).get(&key).await, Err(Away), "it is another host's");
    // The same server without TLS has it: what was not found was not asked for.
    assert_eq!(plain().get(&key).await, Ok(Some(b"value".to_vec())));
}
