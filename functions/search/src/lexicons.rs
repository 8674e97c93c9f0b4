//! Where what was learned of the words of a shop is kept: in the table `search`, beside the index that was made with it.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::{Capability, ConfigError, DataError, Grant, Item, Platform, Resource, Table};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kernel::Timestamp;

use crate::port::Generation;
use crate::relevance::Lexicon;
use crate::table::TABLE;

/// The partition of lexicons; the sort key is their index's name.
const LEXICON: &str = "lexicon";
/// The one that queries are read with.
const LIVE: &str = "live";
/// What was loaded is used for so long.
const FRESH: Duration = Duration::from_secs(60);
/// A lexicon is not larger, unpacked, in bytes.
const BYTES: u64 = 4 << 20;

/// What a sandbox has loaded, and when.
type Loaded = Option<(Timestamp, Arc<Lexicon>)>;

/// Reads the lexicon that queries are read with; a sandbox keeps it for a minute.
#[derive(Clone)]
pub struct Lexicons {
    table: Table,
    loaded: Arc<Mutex<Loaded>>,
}

/// Keeps what was learned for a new index.
#[derive(Clone)]
pub struct LearnLexicon {
    table: Table,
}

impl Capability for Lexicons {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["dynamodb:GetItem"], Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.table(&TABLE), loaded: Arc::default() })
    }
}

impl Capability for LearnLexicon {
    fn grants() -> Vec<Grant> {
        let actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"];
        vec![Grant::new(&actions, Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.table(&TABLE) })
    }
}

impl Lexicons {
    /// The lexicon of the index that is searched. Where none was learned yet, or it is of another version of this code, it is
    /// the one that knows only what all shops have in common.
    pub async fn live(&self, now: Timestamp) -> Result<Arc<Lexicon>, DataError> {
        let known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, lexicon)) = known.filter(|(at, _)| now.since(*at) < FRESH) {
            return Ok(lexicon);
        }
        let item = self.table.get(self.table.key2(LEXICON, LIVE), false).await?;
        let lexicon = Arc::new(item.and_then(|item| read(&item)).unwrap_or_default());
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, lexicon.clone()));
        Ok(lexicon)
    }
}

impl LearnLexicon {
    /// What was learned for a new index; `None` when that was not done yet.
    pub async fn of(&self, generation: &Generation) -> Result<Option<Lexicon>, DataError> {
        let item = self.table.get(self.table.key2(LEXICON, generation.as_str()), true).await?;
        Ok(item.and_then(|item| read(&item)))
    }

    /// Keeps what was learned for a new index.
    pub async fn keep(&self, generation: &Generation, lexicon: &Lexicon) -> Result<(), DataError> {
        self.put(generation.as_str(), lexicon).await
    }

    /// Queries are read with it from now on.
    pub async fn take_over(&self, generation: &Generation, lexicon: &Lexicon) -> Result<(), DataError> {
        self.put(LIVE, lexicon).await?;
        let key = self.table.key2(LEXICON, generation.as_str());
        self.table.client().delete_item().table_name(self.table.name()).set_key(Some(key)).send().await?;
        Ok(())
    }

    async fn put(&self, name: &str, lexicon: &Lexicon) -> Result<(), DataError> {
        let invalid = |error: &dyn std::fmt::Display| DataError::Invalid(error.to_string());
        let bytes = lexicon.to_bytes().map_err(|error| invalid(&error))?;
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        let packed = packer.write_all(&bytes).and_then(|()| packer.finish()).map_err(|error| invalid(&error))?;
        let mut item = self.table.key2(LEXICON, name);
        item.insert("words".into(), AttributeValue::B(Blob::new(packed)));
        self.table.client().put_item().table_name(self.table.name()).set_item(Some(item)).send().await?;
        Ok(())
    }
}

fn read(item: &Item) -> Option<Lexicon> {
    let packed = item.get("words")?.as_b().ok()?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_ref()).take(BYTES).read_to_end(&mut bytes).ok()?;
    Lexicon::from_bytes(&bytes).ok()
}
