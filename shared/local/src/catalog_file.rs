//! Product files for a shop in this process: read as an import reads them, without a request, a record or a bucket.
//!
//! It owns the file on disk and the report; what a row means, what of it is new and what goes in, `exchange` knows. A file is
//! read a few rows at a time: memory does not grow with it. Reading one twice changes nothing.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws::{Capability, Platform};
use exchange::source::Inflated;
use exchange::{BATCH, Counts, Entry, Format, Intake, Manner, Place, Reader, Rejected};
use kernel::{Currency, Problem};

pub use exchange::FieldMap;

/// So many bad rows are told one by one.
pub const COMPLAINTS: usize = 20;
/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What came of its rows.
    pub counts: Counts,
    /// The first [`COMPLAINTS`] complaints about wrong rows.
    pub complaints: Vec<Rejected>,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The map is wrong.
    #[error("{}: {reason}", path.display())]
    Map {
        /// The map.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is none of the kind it should be.
    #[error(transparent)]
    Content(#[from] exchange::records::Unreadable),
    /// The shop failed: no row is at fault.
    #[error("{}", told(.0))]
    Shop(Problem),
    /// A part of the shop cannot be connected.
    #[error(transparent)]
    Config(#[from] aws::ConfigError),
}

/// Where rows come from.
pub enum Source {
    /// A file, plain or gzip.
    File(PathBuf),
    /// A text that is part of the program.
    Text(&'static str),
}

/// Puts the products of files into a shop.
pub struct Importer {
    intake: Intake,
    platform: Platform,
    map: Option<FieldMap>,
}

impl Importer {
    /// An importer with the rights of the platform, and a map where the rows are not our own form.
    pub fn new(platform: &Platform, map: Option<FieldMap>) -> Result<Self, FileError> {
        Ok(Self { intake: Intake::connect(platform)?, platform: platform.clone(), map })
    }

    /// Reads the map in a file.
    pub fn map(path: &Path) -> Result<FieldMap, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        FieldMap::parse(&text).map_err(|reason| FileError::Map { path: path.to_owned(), reason })
    }

    /// Reads all rows. `progress` hears of every thousand.
    pub async fn run(&self, source: Source, mut progress: impl FnMut(&Report)) -> Result<Report, FileError> {
        let (path, mut bytes): (PathBuf, Box<dyn Read + Send>) = match source {
            Source::Text(text) => (PathBuf::new(), Box::new(text.as_bytes())),
            Source::File(path) => {
                let file = File::open(&path).map_err(|source| FileError::Read { path: path.clone(), source })?;
                (path, Box::new(file))
            }
        };
        let wrong = |source| FileError::Read { path: path.clone(), source };
        let known_by = kernel::id::fingerprint(&[path.as_os_str().as_encoded_bytes()]);
        let map = self.map.clone();
        let manner = Manner { format: format_of(&path), currency: Currency::EUR, encoding: Default::default(), map };
        let (mut reader, mut inflated) = (Reader::new(manner, Place::START), Inflated::new());
        let (mut report, mut batch) = (Report::default(), Vec::with_capacity(BATCH));
        let mut buffer = vec![0; PIECE];
        loop {
            let read = bytes.read(&mut buffer).map_err(wrong)?;
            inflated.push(&buffer[..read]);
            while let Some(piece) = inflated.piece().map_err(wrong)? {
                reader.push(&piece, false)?;
                self.take(&known_by, &mut reader, &mut batch, &mut report, &mut progress).await?;
            }
            if read == 0 {
                let rest = inflated.finish().map_err(wrong)?;
                reader.push(&rest, true)?;
                self.take(&known_by, &mut reader, &mut batch, &mut report, &mut progress).await?;
                self.put(&known_by, &mut batch, &mut report).await?;
                return Ok(report);
            }
        }
    }

    async fn take(
        &self,
        file: &str,
        reader: &mut Reader,
        batch: &mut Vec<Entry>,
        report: &mut Report,
        progress: &mut impl FnMut(&Report),
    ) -> Result<(), FileError> {
        while let Some(entry) = reader.entry() {
            batch.push(entry);
            if batch.len() >= BATCH {
                let before = report.counts.rows / 1000;
                self.put(file, batch, report).await?;
                if report.counts.rows / 1000 > before {
                    progress(report);
                }
            }
        }
        Ok(())
    }

    async fn put(&self, file: &str, batch: &mut Vec<Entry>, report: &mut Report) -> Result<(), FileError> {
        // Nobody kills this run and reads its report: whatever stood before is told as it stands.
        let since = self.platform.clock().now();
        let taken = self.intake.take(file, since, std::mem::take(batch)).await;
        let (counts, rejected) = taken.map_err(FileError::Shop)?;
        report.counts = report.counts.plus(counts);
        report.complaints.extend(rejected);
        report.complaints.truncate(COMPLAINTS);
        Ok(())
    }
}

/// What a file is, by its name: Shopify's products, or JSON lines.
#[must_use]
pub fn format_of(path: &Path) -> Format {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".csv") { Format::ShopifyCsv } else { Format::Jsonl }
}

fn told(problem: &Problem) -> String {
    let internal = problem.internal.as_ref().map(|internal| internal.for_log()).unwrap_or_default();
    format!("{} {internal}", problem.detail)
}
