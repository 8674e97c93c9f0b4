//! Product files: somebody's own products, or the demo's, through the same code as create-product and receive-stock.
//!
//! It reads JSON lines (create-product bodies with a `stock` in each variant, or any rows with a [`FieldMap`]), a few at a
//! time: memory does not grow with the file. A bad row is reported with its line and every reason, and the good ones go in.
//! A product's id comes from its key, and an opening stock is only given to a SKU that never had any: reading a file twice
//! changes nothing. It must never write an item itself.

mod map;
mod read;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use aws::{Capability, Platform};
use catalog::NewProduct;
use catalog::table::CreateProducts;
use futures_util::{StreamExt as _, stream};
use inventory::CounterKey;
use inventory::table::{Moved, Movement, ReadStock, ReceiveStock};
use kernel::limits::STOCK_QUANTITY;
use kernel::problem::{FieldError, Place};
use kernel::shape::Shape;
use kernel::{Problem, Sku};
use serde_json::Value;
use tokio::sync::mpsc;

pub use map::FieldMap;
use read::Line;

/// So many rows are worked on at once.
const AT_ONCE: usize = 8;
/// So many bad rows are told one by one.
pub const COMPLAINTS: usize = 20;
/// The fingerprint of every product that a file made: a row that comes again is the same command.
const FINGERPRINT: &str = "catalogue-file";

/// What a row is.
#[derive(Debug)]
enum Row {
    Product(Mapped),
    /// The map leaves it out.
    LeftOut,
}

/// A product on its way in.
#[derive(Debug)]
struct Mapped {
    /// What makes it the same product when it comes again.
    key: String,
    /// The body of create-product.
    body: Value,
    /// The opening stock of its SKUs.
    stock: Vec<(Sku, u32)>,
}

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were read.
    pub rows: u64,
    /// Products that are new.
    pub created: u64,
    /// Products that were there before.
    pub present: u64,
    /// Rows that the map leaves out.
    pub left_out: u64,
    /// Rows that are wrong.
    pub bad: u64,
    /// Line and reason of the first [`COMPLAINTS`] wrong rows.
    pub complaints: Vec<(u64, String)>,
    /// SKUs that got an opening stock.
    pub stocked: u64,
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
    /// The shop failed: the row is not at fault.
    #[error("line {line}: {reason}")]
    Shop {
        /// The line at which it failed.
        line: u64,
        /// Why.
        reason: String,
    },
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
    platform: Platform,
    products: CreateProducts,
    stock: ReceiveStock,
    standing: ReadStock,
    shape: Shape<NewProduct>,
    map: Option<FieldMap>,
}

/// How a row ended.
enum Ended {
    New(u64),
    Present(u64),
    LeftOut,
    Bad(String),
    Failed(String),
}

impl Importer {
    /// An importer with the rights of the platform, and a map where the rows are not our own form.
    pub fn new(platform: &Platform, map: Option<FieldMap>) -> Result<Self, FileError> {
        let (products, stock, standing) = Capability::connect(platform)?;
        Ok(Self { platform: platform.clone(), products, stock, standing, shape: Shape::new(Place::Body), map })
    }

    /// Reads the map in a file.
    pub fn map(path: &Path) -> Result<FieldMap, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        FieldMap::parse(&text).map_err(|reason| FileError::Map { path: path.to_owned(), reason })
    }

    /// Reads all rows. `progress` hears of every thousand.
    pub async fn run(&self, source: Source, mut progress: impl FnMut(&Report)) -> Result<Report, FileError> {
        let (sender, receiver) = mpsc::channel(4 * AT_ONCE);
        let reader = tokio::task::spawn_blocking(move || read_all(source, &sender));
        let lines =
            stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|line| (line, receiver)) });
        let mut rows = Box::pin(lines.map(|(number, line)| self.row(number, line)).buffer_unordered(AT_ONCE));
        let mut report = Report::default();
        let mut failure = None;
        while let Some((number, ended)) = rows.next().await {
            report.rows += 1;
            match ended {
                Ended::New(stocked) => {
                    report.created += 1;
                    report.stocked += stocked;
                }
                Ended::Present(stocked) => {
                    report.present += 1;
                    report.stocked += stocked;
                }
                Ended::LeftOut => report.left_out += 1,
                Ended::Bad(reason) => {
                    report.bad += 1;
                    report.complain(number, reason);
                }
                Ended::Failed(reason) => {
                    failure = Some(FileError::Shop { line: number, reason });
                    break;
                }
            }
            if report.rows.is_multiple_of(1000) {
                progress(&report);
            }
        }
        // A reader that still has lines to send ends when nobody takes them.
        drop(rows);
        let read = reader.await.unwrap_or_else(|died| Err(FileError::Shop { line: 0, reason: died.to_string() }));
        match failure {
            Some(failure) => Err(failure),
            None => read.map(|()| report),
        }
    }

    async fn row(&self, number: u64, line: Line) -> (u64, Ended) {
        let ended = match line {
            Line::Bad(reason) => Ended::Bad(reason.into()),
            Line::Text(text) => match self.read(&text) {
                Err(reason) => Ended::Bad(reason),
                Ok(Row::LeftOut) => Ended::LeftOut,
                Ok(Row::Product(mapped)) => self.product(mapped).await,
            },
        };
        (number, ended)
    }

    fn read(&self, text: &str) -> Result<Row, String> {
        let row: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        if !row.is_object() {
            return Err("not a JSON object".into());
        }
        match &self.map {
            Some(map) => map.row(&row),
            None => own_row(row).map(Row::Product),
        }
    }

    async fn product(&self, mapped: Mapped) -> Ended {
        let Mapped { key, body, stock } = mapped;
        let new = match self.shape.read(body) {
            Ok(new) => new,
            Err(errors) => return Ended::Bad(reasons(&errors)),
        };
        let seed = kernel::id::digest(&[FINGERPRINT.as_bytes(), key.as_bytes()]);
        let now = self.platform.clock().now();
        let product = match catalog::create(&self.products, new, seed, FINGERPRINT, now).await {
            Ok(product) => product,
            Err(problem) if problem.code.status >= 500 => return Ended::Failed(told(&problem)),
            Err(problem) if problem.errors.is_empty() => return Ended::Bad(problem.detail.into_owned()),
            Err(problem) => return Ended::Bad(reasons(&problem.errors)),
        };
        match self.open_stock(&stock).await {
            Ok(stocked) if product.created_at == now => Ended::New(stocked),
            Ok(stocked) => Ended::Present(stocked),
            Err(problem) => Ended::Failed(told(&problem)),
        }
    }

    /// Gives an opening stock to each SKU that never had any; answers to how many.
    async fn open_stock(&self, stock: &[(Sku, u32)]) -> Result<u64, Problem> {
        let skus: Vec<Sku> = stock.iter().map(|(sku, _)| sku.clone()).collect();
        let standing = self.standing.first_look(&skus, &[], &[], false, true).await?.counters;
        let mut stocked = 0;
        let fresh = |sku: &Sku| !standing.contains_key(&CounterKey::main(sku.clone()));
        for (sku, quantity) in stock.iter().filter(|(sku, quantity)| *quantity > 0 && fresh(sku)) {
            let op = kernel::id::fingerprint(&[FINGERPRINT.as_bytes(), sku.as_str().as_bytes()]);
            let movement = Movement::opening(&op, i64::from(*quantity), FINGERPRINT);
            let moved =
                self.stock.receive(&CounterKey::main(sku.clone()), &movement, self.platform.clock().now()).await?;
            if let Moved::Yes(_) = moved {
                stocked += 1;
            }
        }
        Ok(stocked)
    }
}

impl Report {
    fn complain(&mut self, line: u64, reason: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push((line, reason));
        }
    }
}

fn read_all(source: Source, sender: &mpsc::Sender<(u64, Line)>) -> Result<(), FileError> {
    let keep = |number, line| sender.blocking_send((number, line)).is_ok();
    match source {
        Source::Text(text) => {
            let mut bytes = text.as_bytes();
            let reader: &mut dyn BufRead = &mut bytes;
            // Memory is read without errors.
            read::lines(reader, keep).or(Ok(()))
        }
        Source::File(path) => {
            let wrong = |source| FileError::Read { path: path.clone(), source };
            let mut reader = read::open(&path).map_err(wrong)?;
            read::lines(&mut *reader, keep).map_err(wrong)
        }
    }
}

/// A create-product body with a `stock` in its variants.
fn own_row(mut body: Value) -> Result<Mapped, String> {
    let mut stock = Vec::new();
    for (index, variant) in body["variants"].as_array_mut().into_iter().flatten().enumerate() {
        let Some(units) = variant.as_object_mut().and_then(|variant| variant.remove("stock")) else { continue };
        let units = units.as_u64().and_then(|units| u32::try_from(units).ok()).filter(|units| *units <= STOCK_QUANTITY);
        let units = units.ok_or_else(|| format!("/variants/{index}/stock must be 0 to {STOCK_QUANTITY}"))?;
        // A SKU that is none is found with all other mistakes, by the schema.
        if let Some(sku) = variant["sku"].as_str().and_then(Sku::parse) {
            stock.push((sku, units));
        }
    }
    let key = body["slug"].as_str().or_else(|| body["variants"][0]["sku"].as_str()).unwrap_or_default().to_owned();
    Ok(Mapped { key, body, stock })
}

fn reasons(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect::<Vec<_>>().join("; ")
}

fn told(problem: &Problem) -> String {
    let internal = problem.internal.as_ref().map(|internal| internal.for_log()).unwrap_or_default();
    format!("{} {internal}", problem.detail)
}
