//! The lines of a product file, plain or gzip, one at a time. A line that is too long is reported and passed over without
//! being kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// The longest line: a product's body at its limit, with room for fields that nobody wants.
pub(super) const LINE_BYTES: usize = 1024 * 1024;

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its text, which is not blank.
    Text(String),
    /// It cannot be read; why.
    Bad(&'static str),
}

/// Opens a file; whether it is compressed shows in its first bytes, not in its name.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

/// Passes on each line that is not blank, with its number from 1, until `keep` answers that nobody listens any more.
pub(super) fn lines(reader: &mut dyn BufRead, mut keep: impl FnMut(u64, Line) -> bool) -> io::Result<()> {
    let mut number = 0;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let most = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
        let read = (&mut *reader).take(most).read_until(b'\n', &mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let line = if read == LINE_BYTES && buffer.last() != Some(&b'\n') {
            skip_line(reader)?;
            Line::Bad("the line is longer than a megabyte")
        } else {
            match std::str::from_utf8(&buffer).map(str::trim) {
                Ok("") => continue,
                Ok(text) => Line::Text(text.trim_start_matches('\u{feff}').to_owned()),
                Err(_) => Line::Bad("the line is not UTF-8"),
            }
        };
        if !keep(number, line) {
            return Ok(());
        }
    }
}

fn skip_line(reader: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(length);
        if end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_one_that_is_too_long_is_passed_over() {
        let text = [&b"\xef\xbb\xbf{\"a\":1}\n\n"[..], &vec![b'x'; LINE_BYTES + 70_000], b"\nb\r\n\xff\nlast"].concat();
        let mut found = Vec::new();
        lines(&mut &text[..], |number, line| {
            found.push((number, line));
            true
        })
        .unwrap();
        let [
            (1, Line::Text(first)),
            (3, Line::Bad(long)),
            (4, Line::Text(b)),
            (5, Line::Bad(_)),
            (6, Line::Text(last)),
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!((first.as_str(), b.as_str(), last.as_str()), ("{\"a\":1}", "b", "last"));
        assert!(long.contains("longer"));
    }
}
