//! The lines of a file of JSON lines, from bytes that come in pieces of any size. Pure.
//!
//! A line that is too long is reported and passed over without being kept, so memory has a bound.

use kernel::limits::RECORD_BYTES;

/// One line that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// The byte behind its last one.
    pub end: u64,
    /// Its bytes without the line feed; `None` when there were too many.
    pub bytes: Option<Vec<u8>>,
}

/// Cuts bytes into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// How much of the buffer was looked through without finding a line feed.
    searched: usize,
    /// The byte of the file that the buffer begins with.
    at: u64,
    /// The number of the line that the buffer begins in.
    number: u64,
    /// Whether the rest of a line is passed over.
    skipping: bool,
}

impl Lines {
    /// From a line's first byte on.
    #[must_use]
    pub fn from(at: u64, number: u64) -> Self {
        Self { buffer: Vec::new(), searched: 0, at, number, skipping: false }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line; `None` when more bytes are needed. At the `end` of the file the last line needs no line feed.
    pub fn next(&mut self, end: bool) -> Option<Line> {
        loop {
            let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let (length, whole) = match found {
                Some(at) => (self.searched + at + 1, true),
                None if end && !self.buffer.is_empty() => (self.buffer.len(), true),
                None => (self.buffer.len(), false),
            };
            if !whole && length <= RECORD_BYTES {
                self.searched = length;
                return None;
            }
            let was_skipping = self.skipping;
            let mut bytes: Vec<u8> = self.buffer.drain(..length).collect();
            self.searched = 0;
            self.at += u64::try_from(length).unwrap_or(u64::MAX);
            if !whole {
                self.skipping = true;
                continue;
            }
            self.skipping = false;
            let number = self.number;
            self.number += 1;
            if was_skipping || bytes.len() > RECORD_BYTES {
                return Some(Line { number, end: self.at, bytes: None });
            }
            if number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Some(Line { number, end: self.at, bytes: Some(bytes) });
            }
            if self.buffer.is_empty() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], pieces: usize) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::from(0, 1), Vec::new());
        for piece in bytes.chunks(pieces.max(1)) {
            lines.push(piece);
            found.extend(std::iter::from_fn(|| lines.next(false)));
        }
        found.extend(std::iter::from_fn(|| lines.next(true)));
        found
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_every_line_can_be_begun_at(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200),
            pieces in 1_usize..50,
        ) {
            let whole = all(&bytes, usize::MAX);
            prop_assert_eq!(&all(&bytes, pieces), &whole);
            if let Some(first) = whole.first() {
                let at = usize::try_from(first.end).unwrap();
                let mut lines = Lines::from(first.end, first.number + 1);
                lines.push(&bytes[at..]);
                let rest: Vec<Line> = std::iter::from_fn(|| lines.next(true)).collect();
                prop_assert_eq!(&rest[..], &whole[1..]);
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let text = [&b"\xef\xbb\xbf{\"a\":1}\n\n"[..], &vec![b'x'; RECORD_BYTES + 70_000], b"\nb\r\nlast"].concat();
        let found = all(&text, 60_000);
        let numbers: Vec<(u64, bool)> = found.iter().map(|line| (line.number, line.bytes.is_some())).collect();
        assert_eq!(numbers, [(1, true), (3, false), (4, true), (5, true)]);
        assert_eq!(found[0].bytes.as_deref(), Some(&b"{\"a\":1}\n"[..]));
        assert_eq!(found[3].end, u64::try_from(text.len()).unwrap());
    }
}
