//! What Oxcart asks of a search engine: the port, which the embedded engine and OpenSearch are adapters of.
//!
//! An engine knows words, filters and orders. It must never know what a query means (`relevance` does) or what a product is
//! now (the catalogue does: hits are ids, and are read there).

use aws::BoxFuture;
use kernel::ProductId;
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::query::{Found, Query, Spelling, Suggested, Typed};

/// The most writes that are handed over at once.
pub const BATCH: usize = 500;

/// What an index is told of a product.
///
/// Every write is the whole truth about a product as somebody read it, and has a version that only grows with what was read.
/// The highest version wins, whatever comes late, twice or in between; an index that was told the last state once keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// This is how it is.
    Put(Box<Entry>),
    /// It is not for sale. The version is remembered for ten minutes or longer, so that an older [`Write::Put`] that is still
    /// on its way does not bring it back.
    Remove {
        /// The product.
        id: ProductId,
        /// The version of what was read.
        version: u64,
    },
}

impl Write {
    /// The product.
    #[must_use]
    pub fn id(&self) -> &ProductId {
        match self {
            Self::Put(entry) => &entry.document.id,
            Self::Remove { id, .. } => id,
        }
    }

    /// The version of what was read.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Put(entry) => entry.document.version,
            Self::Remove { version, .. } => *version,
        }
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The index has it.
    Applied,
    /// The index has the same version or a later one: nothing changed.
    Stale,
    /// The engine did not take it, and may when it is asked again.
    Failed(String),
    /// The engine will never take it.
    Refused(String),
}

/// One of the indexes that follow each other: each reindex makes one. Its name is made by who begins it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(String);

impl Generation {
    /// From a name: 1 to 40 lower-case letters, digits or hyphens, the first of them a letter. `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let letter = |byte: &u8| byte.is_ascii_lowercase();
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = name.len() <= 40 && name.as_bytes().first().is_some_and(letter) && name.bytes().all(good);
        fits.then(|| Self(name.to_owned()))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where writes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// To the index that is searched, and to the one that is being built, if there is one. Which that is, is looked up after the
    /// call began: a change that was made after [`SearchEngine::begin`] reaches the new index.
    Live,
    /// To the one that is being built, only.
    Building(&'a Generation),
}

/// How an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What answers, with its version.
    pub engine: String,
    /// The index that is searched; `None` when there is none yet.
    pub live: Option<Generation>,
    /// The index that is being built.
    pub building: Option<Generation>,
    /// How many products the index that is searched has.
    pub products: u64,
}

/// Why an engine did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// This stage has no search.
    #[error("this stage has no search")]
    Off,
    /// It cannot be reached, or is too busy, or there is no index yet.
    #[error("the search engine is not available: {0}")]
    Unavailable(String),
    /// It refuses what it was asked: a bug of ours.
    #[error("the search engine refuses: {0}")]
    Refused(String),
    /// There is no such generation being built: it was finished or abandoned, or another one was begun.
    #[error("the index `{0}` is not being built")]
    NotBuilding(String),
}

/// The answer of an engine.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, SearchError>>;

/// A search engine with the products of one shop. Without an index [`SearchEngine::search`] and [`SearchEngine::suggest`] find
/// nothing, and writes go to a first index that is made for them.
pub trait SearchEngine: Send + Sync {
    /// Finds products.
    fn search<'a>(&'a self, query: &'a Query) -> Answer<'a, Found>;

    /// What a shopper may mean who has typed this.
    fn suggest<'a>(&'a self, typed: &'a Typed) -> Answer<'a, Suggested>;

    /// For each word what else it may be: words of products' names that differ in one letter, or in two when it has eight or
    /// more; at most five, the nearest first, then the most frequent. A word that is in a name itself is first, with no edits.
    fn spellings<'a>(&'a self, words: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>>;

    /// Takes at most [`BATCH`] writes, and says of each what became of it. Of two of one product the later version stays.
    fn write<'a>(&'a self, target: Target<'a>, writes: &'a [Write]) -> Answer<'a, Vec<Written>>;

    /// What was written before is found from now on. Without it that takes up to a second.
    fn refresh(&self) -> Answer<'_, ()>;

    /// Begins a new index beside the one that is searched; writes reach both. Beginning the one that is being built, or the
    /// one that is live, again does nothing; another one that was being built is abandoned.
    fn begin<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()>;

    /// From now on this index is searched, and the one before is gone: at no instant is there none. Finishing the one that is
    /// live again does nothing.
    fn finish<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()>;

    /// Drops an index that is being built; one that is not does not matter.
    fn abandon<'a>(&'a self, generation: &'a Generation) -> Answer<'a, ()>;

    /// How it is.
    fn health(&self) -> Answer<'_, Health>;
}
