//! A search engine in process: tantivy behind the port of the search service, on disk or in memory.
//!
//! It owns a folder with one index for each generation and a small file that says which one is searched. It must never be
//! linked into a Lambda (there OpenSearch answers), and never decide what a query means.

mod clauses;
mod collect;
mod facets;
mod filters;
mod generation;
mod scaled;
mod schema;
mod suggest;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use search::port::{Answer, BATCH};
use search::query::{Spelling, Suggested, Typed};
use search::{Found, Generation, Health, Query, SearchEngine, SearchError, Target, Write, Written};
use serde::{Deserialize, Serialize};

use generation::Index;
pub use schema::Language;

/// The file that says which index is searched.
const STATE: &str = "state.json";
/// Goes up when indexes of an earlier version of this crate cannot be read any more: they are made anew then.
const FORMAT: u32 = 1;
/// What the first index is called, when writes come before any was begun.
const FIRST: &str = "first";

/// What stands in [`STATE`].
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    format: u32,
    language: Language,
    live: Option<Generation>,
    building: Option<Generation>,
}

#[derive(Default)]
struct Indexes {
    live: Option<Arc<Index>>,
    building: Option<Arc<Index>>,
}

/// The engine. One process at a time may have a folder open.
pub struct Embedded {
    folder: Option<PathBuf>,
    language: Language,
    indexes: RwLock<Indexes>,
}

fn broken(error: impl std::fmt::Display) -> SearchError {
    SearchError::Unavailable(error.to_string())
}

impl Embedded {
    /// Without a folder: everything is gone with the process.
    #[must_use]
    pub fn in_memory(language: Language) -> Self {
        Self { folder: None, language, indexes: RwLock::default() }
    }

    /// In a folder, which is made when it is not there. What stands there of an earlier format or in another language, or
    /// cannot be read, is dropped: the shop then fills a new index.
    pub fn open(folder: &Path, language: Language) -> Result<Self, SearchError> {
        std::fs::create_dir_all(folder).map_err(broken)?;
        let text = std::fs::read(folder.join(STATE)).unwrap_or_default();
        let state: State = serde_json::from_slice(&text).unwrap_or_default();
        let usable = state.format == FORMAT && state.language == language;
        let open = |name: Option<Generation>| {
            let name = name.filter(|_| usable)?;
            let path = folder.join(name.as_str());
            Index::open(Some(&path), name, language).ok().map(Arc::new)
        };
        let indexes = Indexes { live: open(state.live), building: open(state.building) };
        let engine = Self { folder: Some(folder.to_owned()), language, indexes: RwLock::new(indexes) };
        engine.sweep()?;
        Ok(engine)
    }

    /// Writes down which indexes there are, and drops the folders of others.
    fn sweep(&self) -> Result<(), SearchError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let (live, building) = self.indexes();
        let name = |index: Option<Arc<Index>>| index.map(|index| index.name().clone());
        let state = State { format: FORMAT, language: self.language, live: name(live), building: name(building) };
        let text = serde_json::to_vec(&state).map_err(broken)?;
        let fresh = folder.join("state.new");
        std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, folder.join(STATE))).map_err(broken)?;
        let kept: Vec<&str> = [&state.live, &state.building].into_iter().flatten().map(Generation::as_str).collect();
        for entry in std::fs::read_dir(folder).map_err(broken)?.flatten() {
            let (path, named) = (entry.path(), entry.file_name());
            if path.is_dir() && !kept.iter().any(|kept| named == *kept) {
                std::fs::remove_dir_all(path).map_err(broken)?;
            }
        }
        Ok(())
    }

    fn indexes(&self) -> (Option<Arc<Index>>, Option<Arc<Index>>) {
        let indexes = self.indexes.read().unwrap_or_else(PoisonError::into_inner);
        (indexes.live.clone(), indexes.building.clone())
    }

    fn live(&self) -> Option<Arc<Index>> {
        self.indexes().0
    }

    fn building(&self, generation: &Generation) -> Result<Arc<Index>, SearchError> {
        let building = self.indexes().1.filter(|index| index.name() == generation);
        building.ok_or_else(|| SearchError::NotBuilding(generation.as_str().to_owned()))
    }

    fn create(&self, name: &Generation) -> Result<Arc<Index>, SearchError> {
        let path = self.folder.as_ref().map(|folder| folder.join(name.as_str()));
        if let Some(path) = path.as_ref().filter(|path| path.exists()) {
            std::fs::remove_dir_all(path).map_err(broken)?;
        }
        Index::open(path.as_deref(), name.clone(), self.language).map(Arc::new).map_err(broken)
    }

    fn first(&self) -> Result<Arc<Index>, SearchError> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let name = Generation::parse(FIRST).ok_or_else(|| SearchError::Refused(FIRST.into()))?;
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        let live = match &indexes.live {
            Some(live) => live.clone(),
            None => self.create(&name)?,
        };
        indexes.live = Some(live.clone());
        drop(indexes);
        self.sweep()?;
        Ok(live)
    }

    fn put(&self, target: Target<'_>, writes: &[Write]) -> Result<Vec<Written>, SearchError> {
        if writes.len() > BATCH {
            return Err(SearchError::Refused(format!("more than {BATCH} writes")));
        }
        match target {
            Target::Building(generation) => self.building(generation)?.put(writes).map_err(broken),
            Target::Live => {
                let live = self.first()?;
                if let Some(building) = self.indexes().1 {
                    building.put(writes).and_then(|_| building.commit()).map_err(broken)?;
                }
                let written = live.put(writes).map_err(broken)?;
                live.commit().map_err(broken)?;
                Ok(written)
            }
        }
    }

    fn start(&self, generation: &Generation) -> Result<(), SearchError> {
        let is = |index: Option<&Arc<Index>>| index.is_some_and(|index| index.name() == generation);
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        if is(indexes.live.as_ref()) || is(indexes.building.as_ref()) {
            return Ok(());
        }
        indexes.building = Some(self.create(generation)?);
        drop(indexes);
        self.sweep()
    }

    fn swap(&self, generation: &Generation) -> Result<(), SearchError> {
        if self.live().is_some_and(|live| live.name() == generation) {
            return Ok(());
        }
        self.building(generation)?.commit().map_err(broken)?;
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = indexes.building.take_if(|index| index.name() == generation) {
            indexes.live = Some(built);
        }
        drop(indexes);
        self.sweep()
    }

    fn drop_building(&self, generation: &Generation) -> Result<(), SearchError> {
        let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
        let dropped = indexes.building.take_if(|index| index.name() == generation);
        drop(indexes);
        if dropped.is_some() { self.sweep() } else { Ok(()) }
    }

    fn commit(&self) -> Result<(), SearchError> {
        let (live, building) = self.indexes();
        for index in live.iter().chain(building.iter()) {
            index.commit().map_err(broken)?;
        }
        Ok(())
    }

    fn state(&self) -> Result<Health, SearchError> {
        let (live, building) = self.indexes();
        let products = live.as_ref().map_or(Ok(0), |index| index.products()).map_err(broken)?;
        Ok(Health {
            engine: format!("embedded, tantivy {}", tantivy::version_string()),
            live: live.map(|index| index.name().clone()),
            building: building.map(|index| index.name().clone()),
            products,
        })
    }
}

impl SearchEngine for Embedded {
    fn search<'a>(&'a self, query: &'a Query) -> Answer<'a, Found> {
        Box::pin(async move {
            match self.live() {
                Some(live) => live.search(query).map_err(broken),
                None => Ok(Found {
                    hits: Vec::new(),
                    next: None,
                    total: 0,
                    exact: true,
                    facets: query.facets.then(Default::default),
                }),
            }
        })
    }

    fn suggest<'a>(&'a self, typed: &'a Typed) -> Answer<'a, Suggested> {
        Box::pin(async move {
            self.live().map_or_else(|| Ok(Suggested::default()), |live| live.suggest(typed).map_err(broken))
        })
    }

    fn spellings<'a>(&'a self, words: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        Box::pin(async move {
            let nothing = || Ok(words.iter().map(|_| Vec::new()).collect());
            self.live().map_or_else(nothing, |live| live.spellings(words).map_err(broken))
        })
    }

    fn write<'a>(&'a self, target: Target<'a>, writes: &'a [Write]) -> Answer<'a, Vec<Written>> {
        Box::pin(async move { self.put(target, writes) })
    }

    fn refresh(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.commit() })
    }

    fn begin<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async move { self.start(generation) })
    }

    fn finish<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async move { self.swap(generation) })
    }

    fn abandon<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()> {
        Box::pin(async move { self.drop_building(generation) })
    }

    fn health(&self) -> Answer<'_, Health> {
        Box::pin(async move { self.state() })
    }
}
