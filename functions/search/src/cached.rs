//! An engine whose answers are shared: what one function found, all find for [`ENGINE_ANSWERS`] without asking.
//!
//! It stands before another engine and changes nothing of what that answers. Whatever is wrong with the cache is a miss, and a
//! miss is what there would be without it; errors are never kept. Keys say nothing of what was asked: a question is in them as
//! its digest. Writes and all else go through; they do not drop what is kept, since only the searching functions know the cache.

use std::sync::atomic::{AtomicI64, Ordering};

use aws::Cache;
use lambda::freshness::ENGINE_ANSWERS;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Adapter;
use crate::port::{Answer, Generation, Health, SearchEngine, SearchError, Target, Write, Written};
use crate::query::{Found, Query, Spelling, Suggested, Typed};

/// The form of what is kept. Another number when it changes: old and new functions run side by side while one deploys.
const FORMAT: u32 = 1;

/// The engine, and the cache before it.
pub struct Cached {
    engine: Adapter,
    cache: Cache,
    /// What keys begin with.
    prefix: String,
    hits: AtomicI64,
    misses: AtomicI64,
}

impl Cached {
    /// Of a shop whose names begin with `prefix`; another shop may use the same cache.
    #[must_use]
    pub fn new(engine: Adapter, cache: Cache, prefix: &str) -> Self {
        let prefix = format!("{prefix}:search:{FORMAT}");
        Self { engine, cache, prefix, hits: AtomicI64::new(0), misses: AtomicI64::new(0) }
    }

    /// How many answers came from the cache since this was asked last, and how many did not.
    pub fn tally(&self) -> (i64, i64) {
        (self.hits.swap(0, Ordering::Relaxed), self.misses.swap(0, Ordering::Relaxed))
    }

    fn key(&self, kind: &str, question: &impl Serialize) -> Option<String> {
        let question = serde_json::to_vec(question).ok()?;
        Some(format!("{}:{kind}:{}", self.prefix, kernel::id::fingerprint(&[&question])))
    }

    async fn through<'a, A: Serialize + DeserializeOwned>(
        &'a self,
        key: Option<String>,
        ask: impl FnOnce() -> Answer<'a, A> + Send,
    ) -> Result<A, SearchError> {
        let Some(key) = key else { return ask().await };
        let kept = self.cache.get(&key).await;
        if let Ok(Some(kept)) = &kept
            && let Ok(answer) = serde_json::from_slice(kept)
        {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(answer);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let answer = ask().await?;
        // A cache that did not answer just now is not waited for once more.
        if kept.is_ok()
            && let Ok(kept) = serde_json::to_vec(&answer)
        {
            self.cache.put(&key, &kept, ENGINE_ANSWERS).await;
        }
        Ok(answer)
    }
}

impl SearchEngine for Cached {
    fn search<'a>(&'a self, query: &'a Query) -> Answer<'a, Found> {
        Box::pin(self.through(self.key("found", query), || self.engine.search(query)))
    }

    fn suggest<'a>(&'a self, typed: &'a Typed) -> Answer<'a, Suggested> {
        Box::pin(self.through(self.key("suggested", typed), || self.engine.suggest(typed)))
    }

    fn spellings<'a>(&'a self, words: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        self.engine.spellings(words)
    }

    fn write<'a>(&'a self, target: Target<'a>, writes: &'a [Write]) -> Answer<'a, Vec<Written>> {
        self.engine.write(target, writes)
    }

    fn refresh(&self) -> Answer<'_, ()> {
        self.engine.refresh()
    }

    fn begin<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        self.engine.begin(generation)
    }

    fn finish<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        self.engine.finish(generation)
    }

    fn abandon<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        self.engine.abandon(generation)
    }

    fn health(&self) -> Answer<'_, Health> {
        self.engine.health()
    }
}
