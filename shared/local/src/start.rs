//! What a shop needs before its first visitor: a log, an administrator, products. Each is found again at a restart.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use aws::{Capability as _, LogSink};
use engine::Place;
use kernel::{Email, Problem};
use serde::{Deserialize, Serialize};

use crate::catalog_file::{FileError, Importer, Report, Source};
use crate::shop::{Shop, ShopError};

/// The administrator.
pub const ADMIN: &str = "admin@example.com";
/// The file of the CDN's secret, beside the data.
pub const ORIGIN_SECRET: &str = "origin-secret";
/// All that the administrator may do.
pub const ADMIN_SCOPES: &[&str] = &["admin", "staff:catalog", "staff:inventory", "staff:orders", "channel"];
/// A log above this size is put aside when the shop starts; the one put aside before goes.
const LOG_BYTES: u64 = 64 * 1024 * 1024;
/// Products of our own, made for this project.
const DEMO: &str = include_str!("../demo/products.jsonl");

/// Log lines into a file.
pub struct LogFile(Mutex<File>);

impl LogFile {
    /// Appends to `oxcart.log` in a folder, which is made when it is not there.
    pub fn open(folder: &Path) -> Result<Self, ShopError> {
        let path = folder.join("oxcart.log");
        let wrong = |source| ShopError::File { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        if std::fs::metadata(&path).is_ok_and(|known| known.len() > LOG_BYTES) {
            std::fs::rename(&path, folder.join("oxcart.log.1")).map_err(wrong)?;
        }
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(&path).map_err(wrong)?)))
    }
}

impl LogSink for LogFile {
    fn line(&self, text: &str) {
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop the shop.
        let _ = file.write_all(line.as_bytes());
    }
}

/// Log lines on standard output.
pub struct LogPrint;

impl LogSink for LogPrint {
    fn line(&self, text: &str) {
        println!("{text}");
    }
}

/// Makes sure that there is an administrator; gives the password. One that is made up is kept beside the data, readable
/// for its owner only.
pub async fn administrator(shop: &Shop, place: &Place, given: Option<&str>) -> Result<String, Problem> {
    let password = match (given, place) {
        (Some(password), _) => password.to_owned(),
        (None, Place::Memory) => made_up(shop),
        (None, Place::Folder(folder)) => {
            kept_password(&folder.join("admin-password"), || made_up(shop)).map_err(Problem::internal)?
        }
    };
    let email = Email::parse(ADMIN).ok_or_else(|| Problem::internal("the administrator's address is none"))?;
    users::ensure_staff(shop.platform(), &email, &password, ADMIN_SCOPES).await?;
    Ok(password)
}

/// The secret of a shop's CDN. It is kept beside the data, readable for its owner only, so that the black-box suite finds it.
pub fn origin_secret(place: &Place) -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes))?;
    let secret = || kernel::id::fingerprint(&[&bytes]);
    match place {
        Place::Memory => Ok(secret()),
        Place::Folder(folder) => kept_password(&folder.join(ORIGIN_SECRET), secret),
    }
}

fn made_up(shop: &Shop) -> String {
    kernel::id::fingerprint(&[&shop.platform().random()])
}

fn kept_password(path: &Path, make: impl FnOnce() -> String) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(password) => return Ok(password.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let password = make();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{password}")?;
    file.sync_all()?;
    Ok(password)
}

/// Has the search index made anew when there is none: it was lost, or is of an earlier version, or the shop never
/// had one. Called before anything else writes.
pub async fn search(shop: &Shop) -> Result<(), Problem> {
    let Some(engine) = shop.search() else { return Ok(()) };
    if engine.health().await?.live.is_none() {
        let begin = search::table::BeginReindex::connect(shop.platform()).map_err(Problem::internal)?;
        let generation = search::operations::start_reindex::generation(shop.platform().random())?;
        begin.begin(generation, shop.platform().clock().now()).await?;
    }
    Ok(())
}

/// Which products a shop is to have.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Somebody's own; without it the demo's, on the first start.
    pub catalog: Option<PathBuf>,
    /// The field map of that file.
    pub map: Option<PathBuf>,
}

/// What a shop was filled with before, as it is remembered in its folder.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Filled {
    /// The file, its size and the moment of its last change, and the same of its map; or `demo`.
    sources: Vec<String>,
}

/// Fills a shop with products, unless that was done before with the same file. `None` when there was nothing to do.
pub async fn fill(
    shop: &Shop,
    place: &Place,
    wanted: &Wanted,
    progress: impl FnMut(&Report),
) -> Result<Option<Report>, FileError> {
    let memo = match place {
        Place::Memory => None,
        Place::Folder(folder) => Some(folder.join("filled.json")),
    };
    let mut filled: Filled = memo
        .as_ref()
        .and_then(|memo| std::fs::read_to_string(memo).ok())
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let mark = match &wanted.catalog {
        None => "demo".to_owned(),
        Some(file) => [Some(file), wanted.map.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| mark(path))
            .collect::<Vec<_>>()
            .join(" by "),
    };
    // The demo comes only into a shop that never had anything.
    let done = if wanted.catalog.is_none() { !filled.sources.is_empty() } else { filled.sources.contains(&mark) };
    if done {
        return Ok(None);
    }
    let map = wanted.map.as_deref().map(Importer::map).transpose()?;
    let source = wanted.catalog.clone().map_or(Source::Text(DEMO), Source::File);
    let report = Importer::new(shop.platform(), map)?.run(source, progress).await?;
    filled.sources.push(mark);
    if let Some(memo) = memo {
        let text = serde_json::to_string(&filled).unwrap_or_default();
        std::fs::write(&memo, text).map_err(|source| FileError::Read { path: memo, source })?;
    }
    Ok(Some(report))
}

/// Tells one state of a file from another.
fn mark(path: &Path) -> String {
    let known = std::fs::metadata(path);
    let size = known.as_ref().map(std::fs::Metadata::len).unwrap_or_default();
    let changed = known.ok().and_then(|known| known.modified().ok()).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    format!("{} {size} {}", path.display(), changed.unwrap_or_default().as_millis())
}
