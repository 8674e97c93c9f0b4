//! The bytes of a file in small pieces, plain or gzip, from any byte on. Pure but for how a piece is fetched; memory has a
//! bound, also with a file that is small as long as it is compressed.

use std::collections::VecDeque;
use std::io::Write as _;

use flate2::write::MultiGzDecoder;

/// So much goes through at once: a thousandfold of it, what gzip makes of zeros, still fits in memory.
const PIECE: usize = 16 * 1024;

/// Takes raw bytes and gives those of the file as it is when it is not compressed.
#[derive(Default)]
pub struct Inflated {
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    decided: bool,
    raw: VecDeque<u8>,
}

impl Inflated {
    /// Of a file's bytes from the first on: they say whether it is compressed.
    #[must_use]
    pub fn new() -> Self {
        Self { decoder: None, decided: false, raw: VecDeque::new() }
    }

    /// Of a plain file's bytes, from any on.
    #[must_use]
    pub fn plain() -> Self {
        Self { decided: true, ..Self::new() }
    }

    /// How many raw bytes it was given and did not look at yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        u64::try_from(self.raw.len()).unwrap_or(u64::MAX)
    }

    /// Whether the first bytes of a file say that it is compressed.
    #[must_use]
    pub fn is_gzip(first: &[u8]) -> bool {
        first.starts_with(&[0x1f, 0x8b])
    }

    /// Takes raw bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.decided {
            self.decided = true;
            if Self::is_gzip(bytes) {
                self.decoder = Some(MultiGzDecoder::new(Vec::new()));
            }
        }
        self.raw.extend(bytes);
    }

    /// The next piece; `None` when more raw bytes are needed.
    ///
    /// # Errors
    ///
    /// When the compressed bytes are damaged.
    pub fn piece(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        while !self.raw.is_empty() {
            let take = self.raw.len().min(PIECE);
            let piece: Vec<u8> = self.raw.drain(..take).collect();
            let out = match &mut self.decoder {
                None => piece,
                Some(decoder) => {
                    decoder.write_all(&piece)?;
                    std::mem::take(decoder.get_mut())
                }
            };
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    /// What was still inside when the raw bytes ended.
    ///
    /// # Errors
    ///
    /// When compressed bytes are missing.
    pub fn finish(&mut self) -> std::io::Result<Vec<u8>> {
        let Some(mut decoder) = self.decoder.take() else { return Ok(Vec::new()) };
        decoder.try_finish()?;
        Ok(std::mem::take(decoder.get_mut()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: &[u8], piece: usize) -> std::io::Result<Vec<u8>> {
        let (mut inflated, mut all) = (Inflated::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            inflated.push(piece);
            while let Some(out) = inflated.piece()? {
                assert!(out.len() <= 1100 * PIECE);
                all.extend(out);
            }
        }
        all.extend(inflated.finish()?);
        Ok(all)
    }

    #[test]
    fn a_file_is_read_plain_and_compressed() {
        let text: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text).unwrap();
        let packed = encoder.finish().unwrap();
        assert!(read(&text, 70_000).unwrap() == text);
        assert!(read(&packed, 7_001).unwrap() == text);
        assert!(read(&packed[..packed.len() - 9], 5_000).is_err(), "cut off");
        let mut broken = packed.clone();
        broken[1000] ^= 0xff;
        assert!(read(&broken, 5_000).is_err(), "damaged");
    }

    #[test]
    fn zeros_by_the_gigabyte_stay_small() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..64 {
            encoder.write_all(&vec![0; 1024 * 1024]).unwrap();
        }
        assert_eq!(read(&encoder.finish().unwrap(), 1 << 20).unwrap().len(), 64 << 20);
    }
}
