//! The `catalog` table: products, the markers that make slugs and SKUs unique, counts of categories, and listing rows.
//!
//! A product, its markers, its count and its rows change together in one `TransactWriteItems`: the one place in the
//! catalogue that spans items, for a command that is rare. Each marker is guarded by a condition of its own, so a cancelled
//! transaction says which name was taken. Lists read the rows through four indexes; only active products have rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws::table::{cancelled, from_item, n, s, to_item};
use aws::{
    Capability, ConfigError, DataError, Grant, IndexSpec, Item, Platform, Resource, Table, TableSpec, capability,
};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use kernel::{CategoryPath, ProductId, Sku, Slug};
use serde::{Deserialize, Serialize};

use crate::product::Product;

const fn by(name: &'static str, sort_key: &'static str, numeric_sort: bool) -> IndexSpec {
    IndexSpec { name, partition_key: "list", sort_key: Some(sort_key), numeric_sort, whole: true }
}

/// Items by key: `prd_…`/`product` a product, `slug#…`/`slug` and `sku#…`/`sku` the product that has it,
/// `categories`/path a count, `list#…`/`prd_…` a row of the list of a category level (`/` is all products).
pub const TABLE: TableSpec = TableSpec {
    name: "catalog",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[
        by("by-newest", "by_newest", false),
        by("by-price", "by_price", true),
        by("by-name", "by_name", false),
        by("by-rating", "by_rating", true),
    ],
    ttl: None,
    stream: true,
};

/// The level of the list that has every product; an index key must not be empty.
const ROOT: &str = "/";
/// How much of a name is sorted by: an index key has at most 1,024 bytes.
const SORTED_NAME_CHARS: usize = 120;
/// DynamoDB's limit.
const ACTIONS: usize = 100;
/// How often a transaction that met another one on the same item is tried.
const TRIES: u32 = 7;
/// The most queries that one page costs when a filter drops most rows; the cursor goes on where they stopped.
const QUERIES: usize = 5;
/// How many rows one of those queries looks at.
const FILTERED_ROWS: i32 = 400;

capability!(
    /// Reads one product, by its id or its slug.
    FindProduct on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads many products by their ids.
    FindProducts on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Reads the product that has a SKU.
    FindSku on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads which products a list has, in which order.
    ListRows on TABLE: [], index "by-newest": ["dynamodb:Query"], index "by-price": ["dynamodb:Query"],
        index "by-name": ["dynamodb:Query"], index "by-rating": ["dynamodb:Query"]
);

capability!(
    /// Reads how many products each category has.
    ReadCategories on TABLE: ["dynamodb:Query"]
);

/// Creates products.
#[derive(Clone)]
pub struct CreateProducts {
    writer: Writer,
}

impl Capability for CreateProducts {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["dynamodb:PutItem", "dynamodb:UpdateItem"], Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { writer: Writer { table: platform.table(&TABLE), platform: platform.clone() } })
    }
}

/// Reads and changes products.
#[derive(Clone)]
pub struct ChangeProducts {
    writer: Writer,
}

impl Capability for ChangeProducts {
    fn grants() -> Vec<Grant> {
        let actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
        vec![Grant::new(&actions, Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { writer: Writer { table: platform.table(&TABLE), platform: platform.clone() } })
    }
}

/// A product as it stands in the table, with what makes a repeated creation recognisable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The product.
    pub product: Product,
    /// The fingerprint of the request that created it.
    pub created_by: String,
}

impl Stored {
    fn read(mut item: Item) -> Result<Self, DataError> {
        let created_by = match item.remove("created_by") {
            Some(AttributeValue::S(text)) => text,
            _ => String::new(),
        };
        Ok(Self { product: from_item(item)?, created_by })
    }

    fn item(&self, table: &Table) -> Result<Item, DataError> {
        let mut item = to_item(&self.product)?;
        item.extend(table.key2(self.product.id.as_str(), "product"));
        item.insert("created_by".into(), s(&self.created_by));
        Ok(item)
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Written,
    /// The product stands there already, or in another version than expected.
    Stands(Box<Stored>),
    /// The product is not there.
    Gone,
    /// Names are taken by other products.
    Taken {
        /// The slug is.
        slug: bool,
        /// These SKUs are.
        skus: Vec<Sku>,
    },
    /// It would take more actions than a transaction may have.
    TooLarge,
}

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Newest,
    /// The cheapest first.
    Price,
    /// The dearest first.
    PriceDown,
    /// By name.
    Name,
    /// The best rated first.
    Rating,
}

impl Order {
    /// Index, its sort key, whether forward.
    const fn index(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Newest => ("by-newest", "by_newest", false),
            Self::Price => ("by-price", "by_price", true),
            Self::PriceDown => ("by-price", "by_price", false),
            Self::Name => ("by-name", "by_name", true),
            Self::Rating => ("by-rating", "by_rating", false),
        }
    }
}

/// Which rows of which list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// The category with everything below it; all products without one.
    pub category: Option<&'a CategoryPath>,
    /// Only with this tag.
    pub tag: Option<&'a str>,
    /// Only of this brand.
    pub brand: Option<&'a str>,
    /// The order.
    pub order: Order,
}

impl List<'_> {
    fn level(&self) -> &str {
        self.category.map_or(ROOT, CategoryPath::as_str)
    }
}

/// A place in a list: the row behind which a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    id: String,
    at: String,
}

impl Position {
    fn of(row: &Item, sort: &str) -> Option<Self> {
        let at = match row.get(sort)? {
            AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
            _ => return None,
        };
        Some(Self { id: row.get("sk")?.as_s().ok()?.clone(), at })
    }

    fn key(&self, table: &Table, list: &List<'_>) -> Item {
        let (index, sort, _) = list.order.index();
        let numeric = TABLE.indexes.iter().any(|spec| spec.name == index && spec.numeric_sort);
        let at = if numeric { AttributeValue::N(self.at.clone()) } else { s(&self.at) };
        let mut key = table.key2(format!("list#{}", list.level()), &self.id);
        key.extend([("list".to_owned(), s(list.level())), (sort.to_owned(), at)]);
        key
    }

    fn id(&self) -> Result<ProductId, DataError> {
        ProductId::parse(&self.id).ok_or_else(|| DataError::Corrupt(format!("a row of `{}`", self.id)))
    }
}

fn product_key(table: &Table, id: &ProductId) -> Item {
    table.key2(id.as_str(), "product")
}

/// The product that a marker (of a slug or a SKU) points to.
async fn marked(table: &Table, marker: Item) -> Result<Option<Product>, DataError> {
    let Some(item) = table.get(marker, false).await? else { return Ok(None) };
    let id = item.get("product_id").and_then(|id| id.as_s().ok()).and_then(|id| ProductId::parse(id));
    let id = id.ok_or_else(|| DataError::Corrupt("a marker without a product".into()))?;
    table.get(product_key(table, &id), false).await?.map(from_item).transpose()
}

impl FindProduct {
    /// By its id.
    pub async fn by_id(&self, id: &ProductId) -> Result<Option<Product>, DataError> {
        self.table.get(product_key(&self.table, id), false).await?.map(from_item).transpose()
    }

    /// By its slug.
    pub async fn by_slug(&self, slug: &Slug) -> Result<Option<Product>, DataError> {
        let found: Option<Product> = marked(&self.table, self.table.key2(format!("slug#{slug}"), "slug")).await?;
        Ok(found.filter(|product| product.slug == *slug))
    }
}

impl FindSku {
    /// The product that has this SKU, whatever its status; eventually consistent.
    pub async fn find(&self, sku: &Sku) -> Result<Option<Product>, DataError> {
        let found = marked(&self.table, self.table.key2(format!("sku#{sku}"), "sku")).await?;
        Ok(found.filter(|product| product.variant(sku).is_some()))
    }
}

impl FindProducts {
    /// Those that exist of these, whatever their status, in no order. An id may stand in the list twice.
    pub async fn by_ids(&self, ids: &[ProductId], consistent: bool) -> Result<Vec<Product>, DataError> {
        let once: BTreeSet<&ProductId> = ids.iter().collect();
        let keys = once.into_iter().map(|id| product_key(&self.table, id)).collect();
        self.table.get_many(keys, consistent).await?.into_iter().map(from_item).collect()
    }
}

impl ListRows {
    /// The next `limit` products of a list, and where the next page begins. With a filter there may be fewer, also none,
    /// although there is a next page.
    pub async fn page(
        &self,
        list: &List<'_>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<(Vec<ProductId>, Option<Position>), DataError> {
        let sort = list.order.index().1;
        let read = |row: &Item| Position::of(row, sort).ok_or_else(|| DataError::Corrupt("a listing row".into()));
        let mut found: Vec<Position> = Vec::new();
        let mut start = after.map(|position| position.key(&self.table, list));
        for _ in 0..QUERIES {
            let (rows, last) = self.query(list, start.take(), limit).await?;
            let rows: Result<Vec<Position>, DataError> = rows.iter().map(read).collect();
            found.extend(rows?);
            start = last;
            if found.len() > limit || start.is_none() {
                break;
            }
        }
        let next = if found.len() > limit {
            found.truncate(limit);
            found.last().cloned()
        } else {
            start.as_ref().map(read).transpose()?
        };
        let ids: Result<Vec<ProductId>, DataError> = found.iter().map(Position::id).collect();
        Ok((ids?, next))
    }

    async fn query(
        &self,
        list: &List<'_>,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Item>), DataError> {
        let (index, sort, forward) = list.order.index();
        let mut filters = Vec::new();
        let mut query = self.table.client().query().table_name(self.table.name()).index_name(index);
        if let Some(tag) = list.tag {
            filters.push("contains(#tags, :tag)");
            query = query
                .expression_attribute_names("#tags", "tags")
                .expression_attribute_values(":tag", s(tag.to_lowercase()));
        }
        if let Some(brand) = list.brand {
            filters.push("#brand = :brand");
            query = query.expression_attribute_names("#brand", "brand");
            query = query.expression_attribute_values(":brand", s(brand.to_lowercase()));
        }
        // One row more than the page has tells whether there is a next one.
        let page = i32::try_from(limit).unwrap_or(i32::MAX).saturating_add(1);
        let looked_at = if filters.is_empty() { page } else { page.max(FILTERED_ROWS) };
        let answer = query
            .key_condition_expression("#list = :list")
            .expression_attribute_names("#list", "list")
            .expression_attribute_values(":list", s(list.level()))
            .set_filter_expression((!filters.is_empty()).then(|| filters.join(" AND ")))
            .projection_expression("#sk, #sort")
            .expression_attribute_names("#sk", "sk")
            .expression_attribute_names("#sort", sort)
            .scan_index_forward(forward)
            .limit(looked_at)
            .set_exclusive_start_key(start)
            .send()
            .await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}

impl ReadCategories {
    /// How many active products each category has that has some, without those below it, by path.
    pub async fn counts(&self) -> Result<BTreeMap<CategoryPath, u64>, DataError> {
        #[derive(Deserialize)]
        struct Leaf {
            sk: CategoryPath,
            active: i64,
        }
        let mut counts = BTreeMap::new();
        let mut start = None;
        loop {
            let query = self.table.client().query().table_name(self.table.name());
            let answer = query
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", "pk")
                .expression_attribute_values(":pk", s("categories"))
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in answer.items.unwrap_or_default() {
                let leaf: Leaf = from_item(item)?;
                if let Some(count) = u64::try_from(leaf.active).ok().filter(|count| *count > 0) {
                    counts.insert(leaf.sk, count);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(counts);
            }
        }
    }
}

impl CreateProducts {
    /// Writes a new product with everything that belongs to it, unless its id, its slug or a SKU is taken.
    pub async fn create(&self, product: &Product, created_by: &str) -> Result<Outcome, DataError> {
        let after = Stored { product: product.clone(), created_by: created_by.to_owned() };
        self.writer.write(None, &after).await
    }
}

impl ChangeProducts {
    /// A product as it stands now.
    pub async fn load(&self, id: &ProductId) -> Result<Option<Stored>, DataError> {
        let table = &self.writer.table;
        table.get(product_key(table, id), true).await?.map(Stored::read).transpose()
    }

    /// Writes another version of a product with everything that belongs to it, unless somebody else changed it since
    /// `before` was read, or its new slug or a new SKU is taken.
    pub async fn change(&self, before: &Stored, product: Product) -> Result<Outcome, DataError> {
        let after = Stored { product, created_by: before.created_by.clone() };
        self.writer.write(Some(before), &after).await
    }
}

/// What the condition of an action guards.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Guards {
    Product,
    Slug,
    Sku(Sku),
    Nothing,
}

type Action = (Guards, TransactWriteItem);

/// Builds and sends the transaction.
#[derive(Clone)]
struct Writer {
    table: Table,
    platform: Platform,
}

impl Writer {
    async fn write(&self, before: Option<&Stored>, after: &Stored) -> Result<Outcome, DataError> {
        let mut actions = vec![self.product(before, after)?];
        let old = before.map(|stored| &stored.product);
        self.markers(old, &after.product, &mut actions)?;
        self.counts(old, &after.product, &mut actions)?;
        self.rows(old, &after.product, &mut actions)?;
        if actions.len() > ACTIONS {
            return Ok(Outcome::TooLarge);
        }
        let (guards, actions): (Vec<Guards>, Vec<TransactWriteItem>) = actions.into_iter().unzip();
        for attempt in 0..TRIES {
            let request = self.table.client().transact_write_items().set_transact_items(Some(actions.clone()));
            let Err(error) = request.send().await else { return Ok(Outcome::Written) };
            if let Some(reasons) = cancelled(&error) {
                return Self::explain(&guards, reasons);
            }
            if !in_conflict(&error) || attempt + 1 == TRIES {
                return Err(error.into());
            }
            self.platform.sleep(self.pause(attempt)).await;
        }
        Err(DataError::Busy("the transaction met others".into()))
    }

    /// 10 ms, doubled with each attempt, plus up to as much again, so that those who met do not meet again.
    fn pause(&self, attempt: u32) -> Duration {
        let base = 10_u64 << attempt.min(6);
        let [random, ..] = self.platform.random();
        Duration::from_millis(base + base * u64::from(random) / 256)
    }

    fn explain(guards: &[Guards], reasons: Vec<Option<Option<Item>>>) -> Result<Outcome, DataError> {
        let (mut slug, mut skus) = (false, Vec::new());
        for (guards, reason) in guards.iter().zip(reasons) {
            match (guards, reason) {
                // The product decides: of one that stands already the names are its own.
                (Guards::Product, Some(Some(item))) => return Ok(Outcome::Stands(Box::new(Stored::read(item)?))),
                (Guards::Product, Some(None)) => return Ok(Outcome::Gone),
                (Guards::Slug, Some(_)) => slug = true,
                (Guards::Sku(sku), Some(_)) => skus.push(sku.clone()),
                _ => {}
            }
        }
        Ok(Outcome::Taken { slug, skus })
    }

    fn product(&self, before: Option<&Stored>, after: &Stored) -> Result<Action, DataError> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(after.item(&self.table)?));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => {
                let version =
                    i64::try_from(before.product.version).map_err(|error| DataError::Corrupt(error.to_string()))?;
                put.condition_expression("#version = :version")
                    .expression_attribute_names("#version", "version")
                    .expression_attribute_values(":version", n(version))
            }
        };
        Ok((Guards::Product, finished(put)?))
    }

    /// The markers of slug and SKUs that come and go.
    fn markers(&self, before: Option<&Product>, after: &Product, actions: &mut Vec<Action>) -> Result<(), DataError> {
        let slug = |slug: &Slug| self.table.key2(format!("slug#{slug}"), "slug");
        let sku = |sku: &Sku| self.table.key2(format!("sku#{sku}"), "sku");
        let old_slug = before.map(|product| &product.slug);
        if old_slug != Some(&after.slug) {
            actions.push((Guards::Slug, self.claim(slug(&after.slug), &after.id)?));
            if let Some(old) = old_slug {
                actions.push((Guards::Nothing, self.delete(slug(old))?));
            }
        }
        for variant in &after.variants {
            if before.is_none_or(|product| product.variant(&variant.sku).is_none()) {
                actions.push((Guards::Sku(variant.sku.clone()), self.claim(sku(&variant.sku), &after.id)?));
            }
        }
        for variant in before.into_iter().flat_map(|product| &product.variants) {
            if after.variant(&variant.sku).is_none() {
                actions.push((Guards::Nothing, self.delete(sku(&variant.sku))?));
            }
        }
        Ok(())
    }

    /// How the counts of categories change.
    fn counts(&self, before: Option<&Product>, after: &Product, actions: &mut Vec<Action>) -> Result<(), DataError> {
        let leaf = |product: &Product| product.status.is_active().then(|| product.category.clone());
        let (old, new) = (before.and_then(leaf), leaf(after));
        if old == new {
            return Ok(());
        }
        for (path, by) in [(old, -1), (new, 1)] {
            if let Some(path) = path {
                let update = Update::builder()
                    .table_name(self.table.name())
                    .set_key(Some(self.table.key2("categories", path.as_str())))
                    .update_expression("ADD active :by")
                    .expression_attribute_values(":by", n(by))
                    .build()
                    .map_err(|error| DataError::Invalid(error.to_string()))?;
                actions.push((Guards::Nothing, TransactWriteItem::builder().update(update).build()));
            }
        }
        Ok(())
    }

    /// The listing rows that come, change and go.
    fn rows(&self, before: Option<&Product>, after: &Product, actions: &mut Vec<Action>) -> Result<(), DataError> {
        let old = before.map(|product| rows(&self.table, product)).unwrap_or_default();
        let new = rows(&self.table, after);
        for (level, row) in &new {
            if old.get(level) != Some(row) {
                let put = Put::builder().table_name(self.table.name()).set_item(Some(row.clone()));
                actions.push((Guards::Nothing, finished(put)?));
            }
        }
        for level in old.keys().filter(|level| !new.contains_key(*level)) {
            let key = self.table.key2(format!("list#{level}"), after.id.as_str());
            actions.push((Guards::Nothing, self.delete(key)?));
        }
        Ok(())
    }

    fn claim(&self, mut marker: Item, id: &ProductId) -> Result<TransactWriteItem, DataError> {
        marker.insert("product_id".into(), s(id.as_str()));
        let put = Put::builder().table_name(self.table.name()).set_item(Some(marker));
        finished(put.condition_expression("attribute_not_exists(pk)"))
    }

    fn delete(&self, key: Item) -> Result<TransactWriteItem, DataError> {
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(key)).build();
        let delete = delete.map_err(|error| DataError::Invalid(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn finished(put: aws_sdk_dynamodb::types::builders::PutBuilder) -> Result<TransactWriteItem, DataError> {
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).build();
    let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Cancelled although no condition failed: it met another transaction, or was throttled.
fn in_conflict<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    matches!(error, SdkError::ServiceError(context)
        if matches!(context.err(), TransactWriteItemsError::TransactionCanceledException(_)))
}

/// The listing rows that a product has, by level.
fn rows(table: &Table, product: &Product) -> BTreeMap<String, Item> {
    if !product.status.is_active() {
        return BTreeMap::new();
    }
    let price = product.lowest_price().map_or(0, |price| price.amount);
    let name: String = product.name.to_lowercase().chars().take(SORTED_NAME_CHARS).collect();
    let tags: Vec<AttributeValue> = product.tags.iter().map(|tag| s(tag.to_lowercase())).collect();
    let row = |level: &str| {
        let mut row = table.key2(format!("list#{level}"), product.id.as_str());
        row.extend([
            ("list".to_owned(), s(level)),
            ("by_newest".to_owned(), s(product.created_at.to_string())),
            ("by_price".to_owned(), n(price)),
            ("by_name".to_owned(), s(format!("{name} {}", product.id))),
            ("by_rating".to_owned(), n(product.rating.average.hundredths())),
            ("brand".to_owned(), s(product.brand.to_lowercase())),
            ("tags".to_owned(), AttributeValue::L(tags.clone())),
        ]);
        row
    };
    let levels = product.category.levels().chain([ROOT]).map(str::to_owned);
    levels.map(|level| (level.clone(), row(&level))).collect()
}
