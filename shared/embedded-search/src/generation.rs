//! One index: what was written to it, and in which version.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use search::{Generation, Write, Written};
use tantivy::collector::Count;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::schema::{Fields, Language, column, tokenizers};

/// What writing may take of memory before it goes to disk, in bytes.
const WRITE_BYTES: usize = 64 << 20;
/// So many writes are committed at the latest: what was not is kept by version in memory.
const UNCOMMITTED: usize = 50_000;

/// One index.
pub(crate) struct Index {
    name: Generation,
    pub(crate) index: tantivy::Index,
    pub(crate) fields: Fields,
    reader: IndexReader,
    writer: Mutex<Writer>,
}

struct Writer {
    tantivy: IndexWriter,
    /// The versions that were written since the last commit.
    fresh: HashMap<String, u64>,
}

impl Index {
    /// Opens an index, or makes an empty one; in memory without a path.
    pub fn open(path: Option<&Path>, name: Generation, language: Language) -> tantivy::Result<Self> {
        let (schema, fields) = Fields::build();
        let builder = tantivy::Index::builder()
            .schema(schema)
            .settings(IndexSettings::default())
            .tokenizers(tokenizers(language));
        let index = match path {
            None => builder.create_in_ram()?,
            Some(path) => {
                std::fs::create_dir_all(path)?;
                builder.open_or_create(tantivy::directory::MmapDirectory::open(path)?)?
            }
        };
        let options = IndexWriterOptions::builder().num_worker_threads(1).memory_budget_per_thread(WRITE_BYTES).build();
        let tantivy = index.writer_with_options(options)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = Mutex::new(Writer { tantivy, fresh: HashMap::new() });
        Ok(Self { name, index, fields, reader, writer })
    }

    /// Its name.
    pub fn name(&self) -> &Generation {
        &self.name
    }

    /// What was committed last.
    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// How many products it has.
    pub fn products(&self) -> tantivy::Result<u64> {
        let live = TermQuery::new(Term::from_field_u64(self.fields.live, 1), IndexRecordOption::Basic);
        Ok(u64::try_from(self.searcher().search(&live, &Count)?).unwrap_or(u64::MAX))
    }

    /// Takes writes; they are found after [`Index::commit`].
    pub fn put(&self, writes: &[Write]) -> tantivy::Result<Vec<Written>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let searcher = self.searcher();
        let mut written = Vec::with_capacity(writes.len());
        for write in writes {
            let (id, version) = (write.id().as_str(), write.version());
            let term = Term::from_field_text(self.fields.id, id);
            let known = match writer.fresh.get(id) {
                Some(known) => Some(*known),
                None => version_of(&searcher, &term)?,
            };
            if known.is_some_and(|known| known >= version) {
                written.push(Written::Stale);
                continue;
            }
            let document: TantivyDocument = match write {
                Write::Put(entry) => self.fields.document(entry),
                Write::Remove { .. } => self.fields.tombstone(id, version),
            };
            if known.is_some() {
                writer.tantivy.delete_term(term);
            }
            writer.tantivy.add_document(document)?;
            writer.fresh.insert(id.to_owned(), version);
            written.push(Written::Applied);
        }
        if writer.fresh.len() >= UNCOMMITTED {
            self.commit_with(&mut writer)?;
        }
        Ok(written)
    }

    /// What was written is found from now on, and outlives the process when the index is on disk.
    pub fn commit(&self) -> tantivy::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.fresh.is_empty() { Ok(()) } else { self.commit_with(&mut writer) }
    }

    fn commit_with(&self, writer: &mut Writer) -> tantivy::Result<()> {
        writer.tantivy.commit()?;
        self.reader.reload()?;
        writer.fresh.clear();
        Ok(())
    }
}

/// The version that an index has of a product.
fn version_of(searcher: &Searcher, id: &Term) -> tantivy::Result<Option<u64>> {
    for segment in searcher.segment_readers() {
        let Some(mut postings) = segment.inverted_index(id.field())?.read_postings(id, IndexRecordOption::Basic)?
        else {
            continue;
        };
        use tantivy::DocSet as _;
        while postings.doc() != tantivy::TERMINATED {
            if !segment.is_deleted(postings.doc()) {
                return Ok(segment.fast_fields().u64(column::VERSION)?.first(postings.doc()));
            }
            postings.advance();
        }
    }
    Ok(None)
}
