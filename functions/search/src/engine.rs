//! The engine of this stage, as functions are given it.

use std::sync::Arc;

use aws::{Cache, Capability, ConfigError, Grant, Platform};
use kernel::Problem;
use kernel::problem::code;
use lambda::Cx;

use crate::cached::Cached;
use crate::opensearch::{self, OpenSearch, Work};
use crate::port::{Answer, Generation, Health, SearchEngine, SearchError, Target, Write, Written};
use crate::query::{Found, Query, Spelling, Suggested, Typed};

/// What a process puts under the port with [`Platform::with_adapter`].
pub type Adapter = Arc<dyn SearchEngine>;

/// The search engine of this stage (`OXCART_SEARCH`), for who searches.
#[derive(Clone)]
pub struct Engine(Chosen);

/// The same, for who writes what changed.
#[derive(Clone)]
pub struct WriteEngine(Chosen);

/// The same, for who makes a new index.
#[derive(Clone)]
pub struct RebuildEngine(Chosen);

/// The same, for who looks how it is.
#[derive(Clone)]
pub struct WatchEngine(Chosen);

#[derive(Clone)]
struct Chosen {
    adapter: Adapter,
    off: bool,
    /// The same as the adapter, where answers are shared.
    cached: Option<Arc<Cached>>,
}

macro_rules! engine_for {
    ($name:ident by $choose:ident: $($work:ident),+) => {
        impl Capability for $name {
            fn grants() -> Vec<Grant> {
                // The embedded engine is in the process, and needs none.
                [$(opensearch::grants(Work::$work)),+].concat()
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                $choose(platform).map(Self)
            }
        }

        impl $name {
            /// Whether this stage has no search: then nothing needs to be read for it.
            #[must_use]
            pub fn is_off(&self) -> bool {
                self.0.off
            }
        }

        impl std::ops::Deref for $name {
            type Target = dyn SearchEngine;

            fn deref(&self) -> &Self::Target {
                &*self.0.adapter
            }
        }
    };
}

engine_for!(Engine by choose_shared: Find);
engine_for!(WriteEngine by choose: Write);
engine_for!(RebuildEngine by choose: Rebuild, Watch);
engine_for!(WatchEngine by choose: Watch);

fn choose(platform: &Platform) -> Result<Chosen, ConfigError> {
    let adapter: Adapter = match platform.config().search.as_str() {
        "off" => return Ok(Chosen { adapter: Arc::new(Off), off: true, cached: None }),
        "opensearch" => match platform.adapter::<Adapter>() {
            Some(shared) => shared,
            None => Arc::new(OpenSearch::connect(platform)?),
        },
        "embedded" => platform.adapter::<Adapter>().ok_or_else(|| {
            ConfigError::one("OXCART_SEARCH: the embedded engine is only in the local shop's own process")
        })?,
        other => return Err(ConfigError::one(format!("OXCART_SEARCH: this build has no engine `{other}`"))),
    };
    Ok(Chosen { adapter, off: false, cached: None })
}

/// The same, with its answers shared where the stage has a cache.
fn choose_shared(platform: &Platform) -> Result<Chosen, ConfigError> {
    let chosen = choose(platform)?;
    match Cache::connect(platform) {
        Some(cache) if !chosen.off => {
            let cached = Arc::new(Cached::new(chosen.adapter, cache, &platform.config().prefix));
            Ok(Chosen { adapter: cached.clone(), off: false, cached: Some(cached) })
        }
        _ => Ok(chosen),
    }
}

impl Engine {
    /// Counts the answers that came from the shared cache, and those that did not: the metrics `SearchCacheHits` and
    /// `SearchCacheMisses`. Callers of one process that ask at once may be counted together.
    pub fn count(&self, cx: &Cx) {
        if let Some(cached) = &self.0.cached {
            let (hits, misses) = cached.tally();
            cx.count("SearchCacheHits", hits);
            cx.count("SearchCacheMisses", misses);
        }
    }
}

/// What a stage without search has.
struct Off;

fn off<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(std::future::ready(Err(SearchError::Off)))
}

impl SearchEngine for Off {
    fn search<'a>(&'a self, _: &'a Query) -> Answer<'a, Found> {
        off()
    }

    fn suggest<'a>(&'a self, _: &'a Typed) -> Answer<'a, Suggested> {
        off()
    }

    fn spellings<'a>(&'a self, _: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        off()
    }

    fn write<'a>(&'a self, _: Target<'a>, _: &'a [Write]) -> Answer<'a, Vec<Written>> {
        off()
    }

    fn refresh(&self) -> Answer<'_, ()> {
        off()
    }

    fn begin<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        off()
    }

    fn finish<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        off()
    }

    fn abandon<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        off()
    }

    fn health(&self) -> Answer<'_, Health> {
        off()
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Off => Self::new(code::SEARCH_OFF, "this stage was set up without a search engine"),
            SearchError::Unavailable(_) => {
                Self::new(code::SEARCH_UNAVAILABLE, "try again in a moment").retry_after(2).because(error)
            }
            SearchError::Refused(_) | SearchError::NotBuilding(_) => Self::internal(error),
        }
    }
}
