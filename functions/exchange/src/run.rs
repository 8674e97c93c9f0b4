//! One turn of an import: rows are taken in for a while, and after each few of them the record says how far it is.
//!
//! Killed anywhere, the next turn begins behind the last rows that the record knows of. What was taken in since then is taken
//! in again, which changes nothing.

use std::time::Duration;

use aws::DataError;
use kernel::limits::REJECTED_ROWS;
use kernel::{ImportId, Problem, id};
use lambda::{Cx, Fault};

use crate::files::ReadImport;
use crate::intake::{BATCH, Counts, Intake};
use crate::job::{Import, Status};
use crate::reader::{Place, Reader};
use crate::row::{Entry, Rejected};
use crate::source::Inflated;
use crate::table::RunImports;

/// How much of a file is fetched at once.
const PIECE: u64 = 4 * 1024 * 1024;
/// The bytes at a file's beginning that it is known by, together with its size.
const KNOWN_BY: usize = 64 * 1024;
/// How long one turn takes rows in.
const TURN: Duration = Duration::from_secs(25);
/// What is left of the function's time when a turn ends at the latest.
const MARGIN: Duration = Duration::from_secs(20);

/// What a turn works with.
pub struct Worker<'a> {
    /// The records.
    pub jobs: &'a RunImports,
    /// The files.
    pub files: &'a ReadImport,
    /// The shop.
    pub intake: &'a Intake,
    /// The invocation.
    pub cx: &'a Cx,
}

/// Why a turn stops before its file ends.
enum Stop {
    /// The file cannot be read on.
    File(Rejected),
    /// The shop, or what stands under it, failed: the turn comes again.
    Shop(Fault),
    /// Another worker moved the import on.
    Overtaken,
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Self {
        Self::Shop(error.into())
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Shop(problem.into())
    }
}

/// A file's bytes as they are when it is not compressed, in pieces.
struct Bytes<'a> {
    files: &'a ReadImport,
    import: &'a Import,
    inflated: Inflated,
    gzip: bool,
    /// The next raw byte to fetch.
    raw: u64,
    /// The next byte of the file.
    at: u64,
    /// Bytes before this one are passed over.
    wanted: u64,
    ended: bool,
}

impl Bytes<'_> {
    /// The next piece, with its place in the file; `None` at the end.
    async fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Stop> {
        loop {
            let damaged = |error: std::io::Error| {
                Stop::File(Rejected::whole(0, format!("the compressed file is damaged or cut off: {error}")))
            };
            let piece = match self.inflated.piece().map_err(damaged)? {
                Some(piece) => piece,
                None if self.raw < self.import.bytes_total => {
                    let length = PIECE.min(self.import.bytes_total - self.raw);
                    let piece = self.files.piece(self.import, self.raw, length).await?;
                    self.raw += length;
                    self.inflated.push(&piece);
                    continue;
                }
                None if self.ended => return Ok(None),
                None => {
                    self.ended = true;
                    self.inflated.finish().map_err(damaged)?
                }
            };
            let start = self.at;
            self.at += number(piece.len());
            if self.at > self.wanted {
                let over = usize::try_from(self.wanted.saturating_sub(start)).unwrap_or(0);
                return Ok(Some((start.max(self.wanted), piece[over..].to_vec())));
            }
        }
    }

    /// Goes on at a byte further on.
    fn seek(&mut self, byte: u64) {
        self.wanted = byte;
        if !self.gzip && byte > self.at {
            (self.inflated, self.raw, self.at) = (Inflated::plain(), byte, byte);
        }
    }

    /// How much of the file as it was sent is done with.
    fn raw_done(&self, place: Place) -> u64 {
        if self.gzip { self.raw - self.inflated.waiting() } else { place.byte }
    }
}

impl Worker<'_> {
    /// Takes rows in until the file or the turn ends.
    ///
    /// # Errors
    ///
    /// When the turn is to come again.
    pub async fn turn(&self, import: &ImportId) -> Result<(), Fault> {
        let Some(import) = self.jobs.import(import).await? else { return Ok(()) };
        if import.status != Status::Running {
            return Ok(());
        }
        let mut present = import;
        match self.rows(&mut present).await {
            Ok(()) | Err(Stop::Overtaken) => Ok(()),
            Err(Stop::Shop(fault)) => Err(fault),
            Err(Stop::File(failure)) => {
                let failed = Import { status: Status::Failed, failure: Some(failure), ..present.moved(self.cx.now()) };
                self.jobs.advance(&failed).await?;
                Ok(())
            }
        }
    }

    async fn rows(&self, import: &mut Import) -> Result<(), Stop> {
        let whole = |reason: String| Stop::File(Rejected::whole(0, reason));
        let manner = import.manner().map_err(whole)?;
        let first = match import.bytes_total {
            0 => Vec::new(),
            total => self.files.piece(import, 0, total.min(number(KNOWN_BY))).await?,
        };
        let file = id::fingerprint(&[&first, &import.bytes_total.to_be_bytes()]);
        let from = import.place;
        let mut reader = Reader::new(manner, from);
        let standing = import.clone();
        let gzip = Inflated::is_gzip(&first);
        let (inflated, raw, at, wanted, ended) = (Inflated::new(), 0, 0, 0, false);
        let mut bytes = Bytes { files: self.files, import: &standing, inflated, gzip, raw, at, wanted, ended };
        bytes.seek(reader.start(from));
        let began = self.cx.now();
        let mut batch: Vec<Entry> = Vec::with_capacity(BATCH);
        loop {
            let piece = match bytes.next().await {
                Ok(piece) => piece,
                Err(stop) => {
                    self.take(import, &file, &mut batch, &bytes, false, Status::Running).await?;
                    return Err(stop);
                }
            };
            let ended = piece.is_none();
            let (start, piece) = piece.unwrap_or_default();
            let read = push(&mut reader, &mut bytes, start, &piece, ended);
            while let Some(entry) = reader.entry() {
                batch.push(entry);
                if batch.len() >= BATCH {
                    let over = self.cx.now().since(began) > TURN || self.cx.remaining() < MARGIN;
                    self.take(import, &file, &mut batch, &bytes, over, Status::Running).await?;
                    if over {
                        return Ok(());
                    }
                }
            }
            if let Err(failure) = read {
                self.take(import, &file, &mut batch, &bytes, false, Status::Running).await?;
                return Err(Stop::File(failure));
            }
            if ended {
                return self.take(import, &file, &mut batch, &bytes, false, Status::Done).await;
            }
        }
    }

    /// Takes entries in and moves the record behind them.
    async fn take(
        &self,
        import: &mut Import,
        file: &str,
        batch: &mut Vec<Entry>,
        bytes: &Bytes<'_>,
        over: bool,
        status: Status,
    ) -> Result<(), Stop> {
        let last = batch.last().map(|entry| Place { byte: entry.end, line: entry.next_line });
        let place = last.unwrap_or(import.place);
        let (counts, rejected) = self.intake.take(file, import.created_at, std::mem::take(batch)).await?;
        if counts == Counts::default() && status == Status::Running {
            return Ok(());
        }
        if import.counts.rejected < REJECTED_ROWS && !rejected.is_empty() {
            self.jobs.reject(import, &rejected).await?;
        }
        let done = if status == Status::Done { import.bytes_total } else { bytes.raw_done(place) };
        let next = Import {
            status,
            place,
            bytes_done: done.min(import.bytes_total),
            counts: import.counts.plus(counts),
            turn: import.turn + u64::from(over),
            ..import.moved(self.cx.now())
        };
        self.cx.count("RowsImported", i64::try_from(counts.rows).unwrap_or(i64::MAX));
        if !self.jobs.advance(&next).await? {
            return Err(Stop::Overtaken);
        }
        *import = next;
        Ok(())
    }
}

/// Passes a piece on, and what follows from knowing the header.
fn push(reader: &mut Reader, bytes: &mut Bytes<'_>, start: u64, piece: &[u8], ended: bool) -> Result<(), Rejected> {
    let failure = |unreadable: crate::records::Unreadable| Rejected::whole(unreadable.line, unreadable.reason);
    reader.push(piece, ended).map_err(failure)?;
    let Some(byte) = reader.skip_to() else { return Ok(()) };
    if byte >= bytes.at {
        bytes.seek(byte);
        return Ok(());
    }
    let over = usize::try_from(byte - start).unwrap_or(piece.len()).min(piece.len());
    reader.push(&piece[over..], ended).map_err(failure)
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
