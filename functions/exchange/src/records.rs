//! The rows of a CSV file (RFC 4180), from bytes that come in pieces of any size. Pure.
//!
//! Whatever the bytes are, memory and time have a bound: a record that is too long, or that swallowed its neighbours because
//! a quote was never closed, is reported, and reading goes on in the next line.

use csv_core::{ReadRecordResult, Reader};
use encoding_rs::WINDOWS_1252;
use kernel::limits::{COLUMNS, RECORD_BYTES};

/// A file with more records than this that are to be read again from their second line is none.
const AGAIN: u32 = 1_000;

/// How the text of a file is written in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, what old spreadsheets write.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line it begins in, from 1.
    pub line: u64,
    /// The line behind it.
    pub next_line: u64,
    /// The byte behind its last one.
    pub end: u64,
    /// Its fields; or why they cannot be read.
    pub fields: Result<Vec<String>, String>,
}

/// Why a whole file cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Unreadable {
    /// Where.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// Cuts bytes into records.
pub struct TableRows {
    parser: Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    buffer: Vec<u8>,
    at: u64,
    line: u64,
    again: u32,
    encoding: Encoding,
    /// How many columns the header has; `None` as long as it was not read.
    pub columns: Option<usize>,
}

impl TableRows {
    /// From a record's first byte on.
    #[must_use]
    pub fn from(at: u64, line: u64, encoding: Encoding) -> Self {
        Self {
            parser: Reader::new(),
            fields: vec![0; RECORD_BYTES],
            ends: vec![0; COLUMNS + 1],
            buffer: Vec::new(),
            at,
            line,
            again: 0,
            encoding,
            columns: None,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record; `None` when more bytes are needed, or at the `end` when there is none.
    ///
    /// # Errors
    ///
    /// When the file is no such table at all.
    pub fn next(&mut self, end: bool) -> Result<Option<Record>, Unreadable> {
        if self.at == 0 && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.consume(3);
        }
        if self.at == 0 && (self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff")) {
            return Err(self.unreadable("the file is in UTF-16; save it as UTF-8"));
        }
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.consume(blank);
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.parser.reset();
        let bound = self.buffer.len().min(RECORD_BYTES);
        let (mut read, mut wrote, mut ended) = (0, 0, 0);
        let result = loop {
            let (result, nin, nout, nend) =
                self.parser.read_record(&self.buffer[read..bound], &mut self.fields[wrote..], &mut self.ends[ended..]);
            (read, wrote, ended) = (read + nin, wrote + nout, ended + nend);
            // Nothing more comes: the parser is told so by an empty piece.
            let last = end && bound == self.buffer.len() && read == bound;
            if !(matches!(result, ReadRecordResult::InputEmpty) && last) {
                break result;
            }
        };
        match result {
            ReadRecordResult::InputEmpty if bound < RECORD_BYTES => Ok(None),
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull => {
                let reason = format!("the row has more than {RECORD_BYTES} bytes; is a quote never closed?");
                self.refuse(reason).map(Some)
            }
            ReadRecordResult::OutputEndsFull => {
                let reason = format!("the row has more than {COLUMNS} columns");
                if self.columns.is_none() { Err(self.unreadable(&reason)) } else { self.refuse(reason).map(Some) }
            }
            ReadRecordResult::End => Ok(None),
            ReadRecordResult::Record => self.record(read, ended).map(Some),
        }
    }

    fn record(&mut self, read: usize, ended: usize) -> Result<Record, Unreadable> {
        let raw = &self.buffer[..read];
        let newlines = count(raw, b'\n').saturating_sub(usize::from(raw.ends_with(b"\n")));
        if count(raw, b'"') % 2 == 1 {
            return self.refuse("a quote is never closed".into());
        }
        if let Some(columns) = self.columns.filter(|columns| ended > *columns || ended < *columns && newlines > 0) {
            let reason = format!("the row has {ended} columns, the header {columns}");
            let swallowed = newlines > 0;
            let reason = if swallowed { format!("{reason}; is a quote never closed?") } else { reason };
            return self.refuse(reason);
        }
        let ends = &self.ends[..ended];
        let starts = std::iter::once(&0).chain(ends);
        let fields: Result<Vec<String>, String> =
            starts.zip(ends).map(|(start, end)| text(&self.fields[*start..*end], self.encoding)).collect();
        let line = self.line;
        self.consume(read);
        Ok(Record { line, next_line: self.line, end: self.at, fields })
    }

    /// Reports the record at hand, and passes over its first line only.
    fn refuse(&mut self, reason: String) -> Result<Record, Unreadable> {
        let line = self.line;
        let feed = self.buffer.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        // What has no end is passed over as far as it is here; the rest of its line is then a record that fits nothing.
        let first = feed.unwrap_or(self.buffer.len());
        if first < self.buffer.len() {
            self.again += 1;
        }
        self.consume(first);
        if self.again > AGAIN {
            return Err(self.unreadable("too many rows are broken; is this a CSV file with commas and double quotes?"));
        }
        Ok(Record { line, next_line: self.line, end: self.at, fields: Err(reason) })
    }

    fn consume(&mut self, bytes: usize) {
        self.line += u64::try_from(count(&self.buffer[..bytes], b'\n')).unwrap_or(u64::MAX);
        self.at += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.buffer.drain(..bytes);
    }

    fn unreadable(&self, reason: &str) -> Unreadable {
        Unreadable { line: self.line, reason: reason.to_owned() }
    }
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|byte| **byte == wanted).count()
}

fn text(bytes: &[u8], encoding: Encoding) -> Result<String, String> {
    if bytes.contains(&0) {
        return Err("the row has a NUL byte".into());
    }
    match encoding {
        Encoding::Windows1252 => Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()),
        Encoding::Utf8 => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            format!("the byte {byte:02X} is not UTF-8; import a file of Windows-1252 with encoding=windows-1252")
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], pieces: usize) -> (Vec<Record>, Option<Unreadable>) {
        let (mut rows, mut found) = (TableRows::from(0, 1, Encoding::Utf8), Vec::new());
        let mut keep = |rows: &mut TableRows, end: bool| loop {
            match rows.next(end) {
                Ok(None) => return None,
                Ok(Some(record)) => {
                    if let (None, Ok(fields)) = (rows.columns, &record.fields) {
                        rows.columns = Some(fields.len());
                    }
                    found.push(record);
                }
                Err(unreadable) => return Some(unreadable),
            }
        };
        for piece in bytes.chunks(pieces.max(1)) {
            rows.push(piece);
            if let Some(unreadable) = keep(&mut rows, false) {
                return (found, Some(unreadable));
            }
        }
        let unreadable = keep(&mut rows, true);
        (found, unreadable)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b','), Just(b'"'), Just(b'\r'), any::<u8>()], 0..300),
        ) {
            let (found, unreadable) = all(&bytes, usize::MAX);
            prop_assert!(found.windows(2).all(|two| two[0].end < two[1].end && two[0].line < two[1].line || two[0].next_line <= two[1].line));
            if let (Some(last), None) = (found.last(), unreadable) {
                prop_assert!(bytes[usize::try_from(last.end).unwrap()..].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
            }
        }

        #[test]
        fn what_was_written_is_read_whatever_the_pieces(
            rows in prop::collection::vec(prop::collection::vec("[a\", \n\u{e9}]{0,6}", 3), 1..20),
            pieces in 1_usize..40,
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let (found, _) = all(&bytes, pieces);
            let fields: Vec<Vec<String>> = found.iter().map(|record| record.fields.clone().unwrap()).collect();
            prop_assert_eq!(fields, rows);
        }
    }

    fn reasons(found: &[Record]) -> Vec<(u64, String)> {
        let wrong = |record: &Record| Some((record.line, record.fields.clone().err()?));
        found.iter().filter_map(wrong).collect()
    }

    #[test]
    fn bad_rows_are_named_and_their_neighbours_go_in() {
        let text = b"\xef\xbb\xbfa,b\r\n1,2\r\n\"open,3\r\n4,5\r\n6,7,8\r\n9,\xe9\r\n10,\x00\r\n\r\n11,12";
        let (found, unreadable) = all(text, 5);
        assert_eq!(unreadable, None);
        let good: Vec<Vec<String>> = found.iter().filter_map(|record| record.fields.clone().ok()).collect();
        assert_eq!(good, [["a", "b"], ["1", "2"], ["4", "5"], ["11", "12"]]);
        let bad = reasons(&found);
        let lines: Vec<u64> = bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 5, 6, 7], "{bad:?}");
        assert!(bad[0].1.contains("never closed") && bad[2].1.contains("E9") && bad[3].1.contains("NUL"), "{bad:?}");
    }

    #[test]
    fn a_million_columns_and_utf_16_are_no_table() {
        let (_, unreadable) = all("a,".repeat(1_000_000).as_bytes(), 60_000);
        assert!(unreadable.unwrap().reason.contains("columns"));
        let (_, unreadable) = all(b"\xff\xfea\x00,\x00", 3);
        assert!(unreadable.unwrap().reason.contains("UTF-16"));
        let (found, unreadable) = all(&[b"a,b\n1,\"".to_vec(), vec![b'x'; 3 * RECORD_BYTES]].concat(), 60_000);
        assert!(unreadable.is_none() && reasons(&found)[0].1.contains("bytes"), "{unreadable:?}");
    }
}
