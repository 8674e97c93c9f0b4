//! One turn of an export: products are read list by list, the oldest first, and put into the file in parts; after each part
//! the record says how far it is. Killed anywhere, the part at hand is made again.

use std::collections::HashMap;
use std::time::Duration;

use catalog::Status as ProductStatus;
use catalog::table::{FindProducts, List, ListByAge, Order, Position};
use inventory::table::ReadStock;
use kernel::{ExportId, ProductId, Sku};
use lambda::{Cx, Fault};

use crate::files::WriteExport;
use crate::intake::line_of;
use crate::job::{Export, Status};
use crate::reader::Format;
use crate::shopify;
use crate::table::RunExports;

/// The lists that together have every product.
const LISTS: [ProductStatus; 3] = [ProductStatus::Active, ProductStatus::Draft, ProductStatus::Archived];
/// How many products are read at once.
const PAGE: usize = 100;
/// A part of an upload has at least 5 MB, but for the last.
const PART_BYTES: usize = 6 * 1024 * 1024;
/// The most parts of an upload (S3).
const PARTS: usize = 10_000;
/// How long one turn writes parts.
const TURN: Duration = Duration::from_secs(25);
/// What is left of the function's time when a turn ends at the latest.
const MARGIN: Duration = Duration::from_secs(20);

/// What a turn works with.
pub struct Worker<'a> {
    /// The records.
    pub jobs: &'a RunExports,
    /// The files.
    pub files: &'a WriteExport,
    /// Which products there are.
    pub rows: &'a ListByAge,
    /// The products.
    pub products: &'a FindProducts,
    /// Their units.
    pub stock: &'a ReadStock,
    /// The invocation.
    pub cx: &'a Cx,
}

impl Worker<'_> {
    /// Writes parts until all products are in the file or the turn ends.
    ///
    /// # Errors
    ///
    /// When the turn is to come again.
    pub async fn turn(&self, export: &ExportId) -> Result<(), Fault> {
        let Some(mut export) = self.jobs.export(export).await? else { return Ok(()) };
        if export.status != Status::Running {
            return Ok(());
        }
        let began = self.cx.now();
        if export.upload.is_none() {
            let kind = if export.format == Format::Jsonl { "application/x-ndjson" } else { "text/csv; charset=utf-8" };
            let upload = self.files.begin(&export.id, kind).await?;
            let next = Export { upload: Some(upload), ..export.moved(self.cx.now()) };
            if !self.jobs.advance(&next).await? {
                return Ok(());
            }
            export = next;
        }
        loop {
            let over = self.cx.now().since(began) > TURN || self.cx.remaining() < MARGIN;
            match self.part(&export, over).await? {
                Some(next) if next.status == Status::Running && next.turn == export.turn => export = next,
                _ => return Ok(()),
            }
        }
    }

    /// Writes the next part; `None` when another worker moved the export on.
    async fn part(&self, export: &Export, over: bool) -> Result<Option<Export>, Fault> {
        let mut next = export.moved(self.cx.now());
        next.turn += u64::from(over);
        let mut body = if export.parts.is_empty() { head(export.format) } else { Vec::new() };
        while body.len() < PART_BYTES && next.list < LISTS.len() {
            let list = List { status: LISTS[next.list], category: None, tag: None, brand: None, order: Order::Oldest };
            let (ids, position) = self.rows.page(&list, next.position.as_ref(), PAGE).await?;
            next.products += self.write(&ids, export.format, LISTS[next.list], &mut body).await?;
            self.on(&mut next, position);
        }
        let upload = export.upload.as_deref().unwrap_or_default();
        let number = i32::try_from(next.parts.len() + 1).unwrap_or(i32::MAX);
        next.bytes += u64::try_from(body.len()).unwrap_or(u64::MAX);
        if next.parts.len() < PARTS {
            next.parts.push(self.files.part(&export.id, upload, number, body).await?);
        }
        if next.list == LISTS.len() {
            self.files.end(&export.id, upload, &next.parts).await?;
            next.status = Status::Done;
        }
        Ok(self.jobs.advance(&next).await?.then_some(next))
    }

    fn on(&self, next: &mut Export, position: Option<Position>) {
        if position.is_none() {
            next.list += 1;
        }
        next.position = position;
    }

    /// Appends products; answers how many.
    async fn write(
        &self,
        ids: &[ProductId],
        format: Format,
        status: ProductStatus,
        body: &mut Vec<u8>,
    ) -> Result<u64, Fault> {
        let found = self.products.by_ids(ids, false).await?;
        let mut found: HashMap<_, _> = found.into_iter().map(|product| (product.id.clone(), product)).collect();
        // One that changed its status since stands in another list by now.
        let products: Vec<_> =
            ids.iter().filter_map(|id| found.remove(id)).filter(|product| product.status == status).collect();
        let skus: Vec<Sku> =
            products.iter().flat_map(|product| &product.variants).map(|variant| variant.sku.clone()).collect();
        let units = self.stock.available(&skus).await?;
        for product in &products {
            match format {
                Format::Jsonl => {
                    body.extend_from_slice(line_of(product, &units).as_bytes());
                    body.push(b'\n');
                }
                Format::ShopifyCsv => {
                    for row in shopify::rows(product, &units) {
                        body.extend(record(&row));
                    }
                }
            }
        }
        Ok(u64::try_from(products.len()).unwrap_or(u64::MAX))
    }
}

fn head(format: Format) -> Vec<u8> {
    match format {
        Format::Jsonl => Vec::new(),
        Format::ShopifyCsv => record(&shopify::header()),
    }
}

/// A row of CSV. Writing to memory does not fail.
fn record<T: AsRef<[u8]>>(row: &[T]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(row);
    debug_assert!(written.is_ok());
    writer.into_inner().unwrap_or_default()
}
