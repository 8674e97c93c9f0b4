//! Products on their way into the shop: what a file says is compared with what stands, and only what differs is written.
//!
//! It owns the order of things: what many entries need is read at once, then each product is created or changed by one
//! transaction, then an opening stock is booked for SKUs that never had any. Taking the same entries in again changes
//! nothing, so whoever was killed in between just begins again. It must never write an item itself.

use std::collections::{HashMap, HashSet};

use aws::{Capability, ConfigError, Grant, Platform};
use catalog::commands::{self, Put};
use catalog::table::{RowOfFile, Standing, UpsertProducts};
use catalog::{NewProduct, Product, Status};
use futures_util::{StreamExt as _, stream};
use inventory::CounterKey;
use inventory::table::{Moved, Movement, ReadStock, ReceiveStock};
use kernel::problem::Place;
use kernel::shape::Shape;
use kernel::{Problem, Sku, Slug, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Entry, Mapped, Rejected, Row};
use crate::shopify::column_of;

/// So many products are written at once.
const AT_ONCE: usize = 8;
/// So many entries are best taken in together: one batch read finds all that stands of them.
pub const BATCH: usize = 100;
/// What every movement of an opening stock is known by.
const FINGERPRINT: &str = "catalogue-file";

/// What came of the rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "ImportCounts")]
pub struct Counts {
    /// Rows that were read.
    pub rows: u64,
    /// Products that are new.
    pub created: u64,
    /// Products that stood otherwise.
    pub changed: u64,
    /// Products that stood like this.
    pub unchanged: u64,
    /// Rows that the map leaves out.
    pub left_out: u64,
    /// Rows and products that are wrong.
    pub rejected: u64,
    /// SKUs that got an opening stock.
    pub stocked: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            created: self.created + other.created,
            changed: self.changed + other.changed,
            unchanged: self.unchanged + other.unchanged,
            left_out: self.left_out + other.left_out,
            rejected: self.rejected + other.rejected,
            stocked: self.stocked + other.stocked,
        }
    }
}

/// Takes products in.
#[derive(Clone)]
pub struct Intake {
    products: UpsertProducts,
    stock: ReceiveStock,
    standing: ReadStock,
    shape: std::sync::Arc<Shape<NewProduct>>,
    platform: Platform,
}

impl Capability for Intake {
    fn grants() -> Vec<Grant> {
        [UpsertProducts::grants(), ReceiveStock::grants(), ReadStock::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (products, stock, standing) = Capability::connect(platform)?;
        Ok(Self { products, stock, standing, shape: Shape::new(Place::Body).into(), platform: platform.clone() })
    }
}

/// A product that was read well.
struct Good {
    line: u64,
    new: NewProduct,
    /// Whether the file says a status; what it leaves open stays as it is.
    says_status: bool,
    stock: Vec<(Sku, u32)>,
    lines: Vec<u64>,
}

/// How one ended.
enum Ended {
    Put(Put, Vec<(Sku, u32)>),
    Rejected(Vec<Rejected>),
    Failed(Problem),
}

impl Intake {
    /// Takes entries in. `file` is what the file's bytes are known by; what they brought about after `since`, in a run that was
    /// killed before it could say so, is counted as done now.
    ///
    /// # Errors
    ///
    /// When the shop failed: no row is at fault, and all of them may come again.
    pub async fn take(
        &self,
        file: &str,
        since: Timestamp,
        entries: Vec<Entry>,
    ) -> Result<(Counts, Vec<Rejected>), Problem> {
        let (mut counts, mut rejected) = (Counts::default(), Vec::new());
        let mut good: Vec<Good> = Vec::with_capacity(entries.len());
        for entry in entries {
            counts.rows += entry.rows;
            rejected.extend(entry.beside.iter().cloned());
            let (line, lines) = (entry.line, entry.lines);
            match entry.row {
                Ok(Row::LeftOut) => counts.left_out += 1,
                Ok(Row::Product(mapped)) => match self.read(line, lines, mapped) {
                    Ok(one) => good.push(one),
                    Err(wrong) => rejected.extend(wrong),
                },
                Err(wrong) => rejected.extend(wrong),
            }
        }
        let standing = self.find(&good).await?;
        let good = once(good, &standing, &mut rejected);
        let puts = good.into_iter().map(|one| self.put(file, since, one, &standing));
        let mut ended = Box::pin(stream::iter(puts).buffer_unordered(AT_ONCE));
        let mut stock = Vec::new();
        while let Some(one) = ended.next().await {
            match one {
                Ended::Put(put, units) => {
                    match put {
                        Put::Created => counts.created += 1,
                        Put::Changed => counts.changed += 1,
                        Put::Same => counts.unchanged += 1,
                    }
                    stock.extend(units);
                }
                Ended::Rejected(wrong) => rejected.extend(wrong),
                Ended::Failed(problem) => return Err(problem),
            }
        }
        counts.stocked = self.open_stock(&stock, since).await?;
        rejected.sort_by_key(|one| one.line);
        let lines: HashSet<u64> = rejected.iter().map(|one| one.line).collect();
        counts.rejected = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok((counts, rejected))
    }

    fn read(&self, line: u64, lines: Vec<u64>, mapped: Mapped) -> Result<Good, Vec<Rejected>> {
        let says_status = mapped.body.get("status").is_some();
        let new = self.shape.read(mapped.body).and_then(|new| {
            let errors = new.errors();
            if errors.is_empty() { Ok(new) } else { Err(errors) }
        });
        match new {
            Ok(new) => Ok(Good { line, new, says_status, stock: mapped.stock, lines }),
            Err(errors) => Err(located(Rejected::fields(line, &errors), &lines)),
        }
    }

    /// What stands of these products.
    async fn find(&self, good: &[Good]) -> Result<Standing, Problem> {
        let slugs = good.iter().filter_map(|one| one.new.slug.clone()).collect::<Vec<Slug>>();
        let without = good.iter().filter(|one| one.new.slug.is_none());
        let skus = without.filter_map(|one| Some(one.new.variants.first()?.sku.clone())).collect::<Vec<Sku>>();
        Ok(self.products.standing(&slugs, &skus).await?)
    }

    async fn put(&self, file: &str, since: Timestamp, one: Good, standing: &Standing) -> Ended {
        let Good { line, mut new, says_status, stock, lines } = one;
        let before = standing.of(&new);
        if !says_status {
            new.status = before.map_or(Status::default(), |stored| stored.product.status);
        }
        let source = RowOfFile { file: file.to_owned(), line };
        let now = self.platform.clock().now();
        match commands::put(&self.products, before, new, &source, (since, now)).await {
            Ok(put) => Ended::Put(put, stock),
            Err(problem) if problem.code.status >= 500 => Ended::Failed(problem),
            Err(problem) if problem.errors.is_empty() => {
                Ended::Rejected(vec![Rejected::whole(line, problem.detail.into_owned())])
            }
            Err(problem) => Ended::Rejected(located(Rejected::fields(line, &problem.errors), &lines)),
        }
    }

    /// Gives an opening stock to each SKU that never had any; answers to how many.
    async fn open_stock(&self, stock: &[(Sku, u32)], since: Timestamp) -> Result<u64, Problem> {
        let wanted: HashMap<&Sku, u32> =
            stock.iter().filter(|(_, units)| *units > 0).map(|(sku, units)| (sku, *units)).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let skus: Vec<Sku> = wanted.keys().map(|sku| (*sku).clone()).collect();
        let standing = self.standing.first_look(&skus, &[], &[], false, true).await?;
        let op = |sku: &Sku| kernel::id::fingerprint(&[FINGERPRINT.as_bytes(), sku.as_str().as_bytes()]);
        let counter = |sku: &Sku| standing.counters.get(&CounterKey::main(sku.clone()));
        let own = |sku: &&&Sku| {
            let receipt = counter(sku).and_then(|counter| counter.receipts.get(&op(sku)));
            receipt.is_some_and(|receipt| receipt.at > since.millis())
        };
        let mut stocked = u64::try_from(wanted.keys().filter(own).count()).unwrap_or(u64::MAX);
        let fresh = wanted.iter().filter(|(sku, _)| counter(sku).is_none() && !standing.settings.contains_key(**sku));
        let receipts = fresh.map(|(sku, units)| async {
            let op = op(sku);
            let movement = Movement::opening(&op, i64::from(*units), FINGERPRINT);
            self.stock.receive(&CounterKey::main((*sku).clone()), &movement, self.platform.clock().now()).await
        });
        let moved: Vec<_> = stream::iter(receipts.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
        for moved in moved {
            if let Moved::Yes(_) = moved? {
                stocked += 1;
            }
        }
        Ok(stocked)
    }
}

/// Of entries about one product the first; the others are rejected.
fn once(good: Vec<Good>, standing: &Standing, rejected: &mut Vec<Rejected>) -> Vec<Good> {
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut kept = Vec::with_capacity(good.len());
    for one in good {
        let name = match (standing.of(&one.new), &one.new.slug, one.new.variants.first()) {
            (Some(stored), ..) => stored.product.id.to_string(),
            (None, Some(slug), _) => format!("slug {slug}"),
            (None, None, first) => first.map_or_else(String::new, |variant| format!("SKU {}", variant.sku)),
        };
        match seen.get(&name) {
            Some(line) => {
                rejected.push(Rejected::whole(one.line, format!("the product stands in line {line} already")))
            }
            None => {
                seen.insert(name, one.line);
                kept.push(one);
            }
        }
    }
    kept
}

/// What is wrong with a variant is told by that variant's own line, and columns by their names.
fn located(wrong: Vec<Rejected>, lines: &[u64]) -> Vec<Rejected> {
    if lines.is_empty() {
        return wrong;
    }
    let one = |rejected: Rejected| {
        let pointer = rejected.field.unwrap_or_default();
        let variant = pointer.strip_prefix("/variants/").and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let line = variant.and_then(|at| lines.get(at)).copied().unwrap_or(rejected.line);
        Rejected { line, field: Some(column_of(&pointer).to_owned()), reason: rejected.reason }
    };
    wrong.into_iter().map(one).collect()
}

/// A product as it is exported in a line of JSON: what create-product takes, with the units that can be bought.
#[must_use]
pub fn line_of(product: &Product, units: &HashMap<Sku, i64>) -> String {
    let mut body = serde_json::to_value(product.input()).unwrap_or_default();
    for (index, variant) in product.variants.iter().enumerate() {
        if let Some(units) = units.get(&variant.sku) {
            body["variants"][index]["stock"] = (*units).max(0).into();
        }
    }
    body.to_string()
}
