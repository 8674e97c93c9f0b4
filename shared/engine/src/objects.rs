//! S3: objects by bucket and key, whole, in ranges, and uploaded in parts.
//!
//! Owns the folder `objects` (a file for each object, written beside and renamed, so that one that is half written is never
//! seen). Buckets need not be made. It must never hold a large object in memory when it has a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use bytes::Bytes;

use crate::call::Call;
use crate::engine::{EngineError, Place};
use crate::wire::{Reply, Service};

/// The largest piece that one call answers: a body is made in memory.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) struct Objects {
    folder: Option<PathBuf>,
    memory: BTreeMap<String, Bytes>,
    uploads: u64,
}

/// An object that comes in piece by piece; it is there once it is finished.
pub struct Incoming {
    path: String,
    digest: md5::Context,
    bytes: u64,
    into: Into,
}

enum Into {
    Memory(Vec<u8>),
    File(PathBuf, File),
}

impl Incoming {
    /// Takes a piece.
    ///
    /// # Errors
    ///
    /// What the file answers.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.digest.consume(piece);
        self.bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        match &mut self.into {
            Into::Memory(all) => {
                all.extend_from_slice(piece);
                Ok(())
            }
            Into::File(_, file) => file.write_all(piece),
        }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Objects {
    pub(crate) fn open(place: &Place) -> Result<Self, EngineError> {
        let folder = match place {
            Place::Memory => None,
            Place::Folder(folder) => {
                let folder = folder.join("objects");
                fs::create_dir_all(&folder).map_err(EngineError::file(&folder))?;
                Some(folder)
            }
        };
        Ok(Self { folder, memory: BTreeMap::new(), uploads: 0 })
    }

    pub(crate) fn answer(&mut self, call: &Call) -> Reply {
        let answer = match call.operation.as_str() {
            "PutObject" => self.put(call.object_path(), call.body()).map(|tag| tagged(&tag)),
            "GetObject" => self.get(call.object_path(), call.range()),
            "HeadObject" => self.head(call.object_path()),
            "CreateMultipartUpload" => self.begin_upload(),
            "UploadPart" => self.put(&part(call), call.body()).map(|tag| tagged(&tag)),
            "CompleteMultipartUpload" => self.complete(call),
            "AbortMultipartUpload" => self.abort(call),
            _ => return error(501, "NotImplemented", "the embedded S3 does not know this operation"),
        };
        answer.unwrap_or_else(|failure| match failure.kind() {
            io::ErrorKind::NotFound => error(404, "NoSuchKey", "The specified key does not exist."),
            io::ErrorKind::InvalidInput => error(416, "InvalidRange", "The requested range is not satisfiable"),
            _ => error(500, "InternalError", &failure.to_string()),
        })
    }

    /// Begins an object that comes in piece by piece.
    pub(crate) fn incoming(&mut self, path: &str) -> io::Result<Incoming> {
        self.uploads += 1;
        let into = match &self.folder {
            None => Into::Memory(Vec::new()),
            Some(folder) => {
                let beside = folder.join(format!("{}.{}.new", file_name(path), self.uploads));
                let file = File::create(&beside)?;
                Into::File(beside, file)
            }
        };
        Ok(Incoming { path: path.to_owned(), digest: md5::Context::new(), bytes: 0, into })
    }

    /// Ends it: from now on the object is there. Gives its tag.
    pub(crate) fn finish(&mut self, incoming: Incoming) -> io::Result<String> {
        let Incoming { path, digest, into, .. } = incoming;
        let tag = format!("{:x}", digest.compute());
        match into {
            Into::Memory(all) => {
                self.memory.insert(path, all.into());
            }
            Into::File(beside, file) => {
                file.sync_all()?;
                if let Some(folder) = &self.folder {
                    fs::rename(&beside, folder.join(file_name(&path)))?;
                }
            }
        }
        Ok(tag)
    }

    fn put(&mut self, path: &str, body: &[u8]) -> io::Result<String> {
        let mut incoming = self.incoming(path)?;
        incoming.write(body)?;
        self.finish(incoming)
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        match &self.folder {
            Some(folder) => Ok(fs::metadata(folder.join(file_name(path)))?.len()),
            None => self.memory.get(path).map(|all| number(all.len())).ok_or_else(missing),
        }
    }

    fn piece(&self, path: &str, from: u64, length: u64) -> io::Result<Vec<u8>> {
        match &self.folder {
            Some(folder) => {
                let mut file = File::open(folder.join(file_name(path)))?;
                file.seek(SeekFrom::Start(from))?;
                let mut piece = Vec::new();
                file.take(length).read_to_end(&mut piece)?;
                Ok(piece)
            }
            None => {
                let all = self.memory.get(path).ok_or_else(missing)?;
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
                Ok(all[at(from)..at(from.saturating_add(length))].to_vec())
            }
        }
    }

    fn get(&self, path: &str, range: Option<&str>) -> io::Result<Reply> {
        let size = self.size(path)?;
        let Some((from, to)) = range.and_then(span) else {
            let mut reply = Reply::raw(Service::S3, 200, self.piece(path, 0, size.min(MOST_BYTES))?);
            reply.headers.push(("content-length", size.min(MOST_BYTES).to_string()));
            return Ok(reply);
        };
        if from >= size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let to = to.min(size - 1).min(from.saturating_add(MOST_BYTES - 1));
        let mut reply = Reply::raw(Service::S3, 206, self.piece(path, from, to - from + 1)?);
        reply.headers.push(("content-range", format!("bytes {from}-{to}/{size}")));
        reply.headers.push(("content-length", (to - from + 1).to_string()));
        Ok(reply)
    }

    fn head(&self, path: &str) -> io::Result<Reply> {
        let size = self.size(path)?;
        let mut reply = Reply::raw(Service::S3, 200, Bytes::new());
        reply.headers.push(("content-length", size.to_string()));
        // A tag that changes with the object, without reading it.
        reply.headers.push(("etag", format!("\"{:x}\"", md5::compute(format!("{path} {size}")))));
        Ok(reply)
    }

    fn begin_upload(&mut self) -> io::Result<Reply> {
        self.uploads += 1;
        let taken = match &self.folder {
            // Numbers begin again with the process; what an earlier one left must not be met.
            Some(folder) => number(fs::read_dir(folder)?.count()),
            None => 0,
        };
        let id = format!("{:x}", md5::compute(format!("{} {taken}", self.uploads)));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        Ok(Reply::raw(Service::S3, 200, body))
    }

    /// Puts the parts that the call names together, in their order.
    fn complete(&mut self, call: &Call) -> io::Result<Reply> {
        let upload = call.parameter("uploadId").unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(call.body()).into_owned();
        let named = text.split("<PartNumber>").skip(1).filter_map(|rest| rest.split('<').next());
        let parts: Vec<String> = named.map(|part| part_path(&upload, part)).collect();
        let mut incoming = self.incoming(call.object_path())?;
        for path in &parts {
            let size = self.size(path)?;
            incoming.write(&self.piece(path, 0, size)?)?;
        }
        let tag = self.finish(incoming)?;
        for path in &parts {
            self.remove(path)?;
        }
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult><ETag>\"{tag}\"</ETag></CompleteMultipartUploadResult>"
        );
        Ok(Reply::raw(Service::S3, 200, body))
    }

    fn abort(&mut self, call: &Call) -> io::Result<Reply> {
        let upload = call.parameter("uploadId").unwrap_or_default().to_owned();
        for part in 1..=10_000 {
            if self.remove(&part_path(&upload, &part.to_string())).is_err() {
                break;
            }
        }
        Ok(Reply::raw(Service::S3, 204, Bytes::new()))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        match &self.folder {
            Some(folder) => fs::remove_file(folder.join(file_name(path))),
            None => self.memory.remove(path).map(drop).ok_or_else(missing),
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn part(call: &Call) -> String {
    part_path(call.parameter("uploadId").unwrap_or_default(), call.parameter("partNumber").unwrap_or_default())
}

fn part_path(upload: &str, part: &str) -> String {
    format!(".parts/{upload}/{part}")
}

/// A name that a file can have, one for each path: what is not plain is written as its bytes.
fn file_name(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The first and last byte of `bytes=2-5` or `bytes=2-`.
fn span(range: &str) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, if to.is_empty() { u64::MAX } else { to.parse().ok()? }))
}

fn tagged(tag: &str) -> Reply {
    let mut reply = Reply::raw(Service::S3, 200, Bytes::new());
    reply.headers.push(("etag", format!("\"{tag}\"")));
    reply
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    let text = message.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
    );
    Reply::raw(Service::S3, status, body)
}
