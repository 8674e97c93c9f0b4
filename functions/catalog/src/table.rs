//! The `catalog` table: products, the markers that make slugs and SKUs unique, counts of categories, and listing rows.
//!
//! A product, its markers, its count and its rows change together in one `TransactWriteItems`: the one place in the
//! catalogue that spans items, for a command that is rare. Each marker is guarded by a condition of its own, so a cancelled
//! transaction says which name was taken. Lists read the rows through four indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws::table::{cancelled, from_item, n, s, to_item, was_cancelled};
use aws::{
    Capability, ConfigError, DataError, Grant, IndexSpec, Item, Platform, Resource, Table, TableSpec, capability,
};
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use kernel::limits::{REDIRECT_LIFE, REDIRECTS};
use kernel::{CategoryPath, ProductId, Sku, Slug, Timestamp};
use serde::{Deserialize, Serialize};

use crate::product::{NewProduct, Product, Rating, Status};

const fn by(name: &'static str, sort_key: &'static str, numeric_sort: bool) -> IndexSpec {
    IndexSpec { name, partition_key: "list", sort_key: Some(sort_key), numeric_sort, whole: true }
}

/// Items by key: `prd_…`/`product` a product, `slug#…`/`slug` and `sku#…`/`sku` the product that has it,
/// `categories`/path a count, `list#…`/`prd_…` a row of the list of a category level (`/` is all products, `#draft` and
/// `#archived` those that are not sold). The slug of a product's earlier address stands beside `moved_to`, the present one.
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
    /// Reads which products a list has, the newest or the oldest first.
    ListByAge on TABLE: [], index "by-newest": ["dynamodb:Query"]
);

capability!(
    /// Reads which products a list has, the best rated first.
    ListByRating on TABLE: [], index "by-rating": ["dynamodb:Query"]
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

/// A product as it stands in the table, with what only its keepers know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The product.
    pub product: Product,
    /// The rest.
    pub kept: Kept,
}

/// What is kept with a product and shown to nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The fingerprint of the request that created it: a repeated creation is recognised by it.
    #[serde(default)]
    pub created_by: String,
    /// The slugs it had before, oldest first; each leads to the present one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_slugs: Vec<Slug>,
    /// The sum of the stars that its rating is the mean of.
    #[serde(default)]
    pub stars: u64,
    /// The row of the file that its present contents were imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RowOfFile>,
}

/// A row of an imported file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOfFile {
    /// What the file's bytes are known by.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
}

impl Stored {
    fn read(item: Item) -> Result<Self, DataError> {
        Ok(Self { kept: from_item(item.clone())?, product: from_item(item)? })
    }

    fn item(&self, table: &Table) -> Result<Item, DataError> {
        let mut item = to_item(&self.product)?;
        item.extend(to_item(&self.kept)?);
        item.extend(table.key2(self.product.id.as_str(), "product"));
        Ok(item)
    }

    /// The same with another version of the product. A slug that it leaves will lead to the one it has.
    #[must_use]
    pub fn with(&self, product: Product) -> Self {
        let mut kept = self.kept.clone();
        if product.slug != self.product.slug {
            kept.former_slugs.push(self.product.slug.clone());
            kept.former_slugs.retain(|slug| *slug != product.slug);
            let surplus = kept.former_slugs.len().saturating_sub(REDIRECTS);
            kept.former_slugs.drain(..surplus);
        }
        Self { product, kept }
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq)]
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
    /// These of its earlier slugs are another product's now.
    Lost(Vec<Slug>),
    /// A further action of the transaction found its condition wrong, on this item.
    Refused(Option<Item>),
}

/// Where a slug leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BySlug {
    /// To a product, whatever its status.
    Product(Box<Product>),
    /// To the present slug of the product that had it.
    Moved(Slug),
    /// Nowhere.
    Nowhere,
}

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
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
            Self::Oldest => ("by-newest", "by_newest", true),
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
    /// Products of this status. Those that are not sold stand in one list, whatever their category.
    pub status: Status,
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
        unsold_level(self.status).unwrap_or_else(|| self.category.map_or(ROOT, CategoryPath::as_str))
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

/// The list of products that are not sold, by status: a name that no category can have.
const fn unsold_level(status: Status) -> Option<&'static str> {
    match status {
        Status::Draft => Some("#draft"),
        Status::Active => None,
        Status::Archived => Some("#archived"),
    }
}

fn product_key(table: &Table, id: &ProductId) -> Item {
    table.key2(id.as_str(), "product")
}

/// What makes a slug or a SKU one product's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    product_id: ProductId,
    /// The product's present slug, where this is an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_to: Option<Slug>,
    /// Since when it is an earlier one, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_at: Option<i64>,
}

fn slug_key(table: &Table, slug: &Slug) -> Item {
    table.key2(format!("slug#{slug}"), "slug")
}

fn sku_key(table: &Table, sku: &Sku) -> Item {
    table.key2(format!("sku#{sku}"), "sku")
}

impl FindProduct {
    /// By its id.
    pub async fn by_id(&self, id: &ProductId) -> Result<Option<Product>, DataError> {
        self.table.get(product_key(&self.table, id), false).await?.map(from_item).transpose()
    }

    /// By its id, as it stands now: twice the price of the other.
    pub async fn by_id_now(&self, id: &ProductId) -> Result<Option<Product>, DataError> {
        self.table.get(product_key(&self.table, id), true).await?.map(from_item).transpose()
    }

    /// By its slug. That a product moved is known after one read, and where to.
    pub async fn by_slug(&self, slug: &Slug) -> Result<BySlug, DataError> {
        let Some(marker) = self.table.get(slug_key(&self.table, slug), false).await? else {
            return Ok(BySlug::Nowhere);
        };
        let marker: Marker = from_item(marker)?;
        if let Some(present) = marker.moved_to {
            return Ok(BySlug::Moved(present));
        }
        let found = self.by_id(&marker.product_id).await?.filter(|product| product.slug == *slug);
        Ok(found.map_or(BySlug::Nowhere, |product| BySlug::Product(Box::new(product))))
    }
}

impl FindSku {
    /// The product that has this SKU, whatever its status; eventually consistent.
    pub async fn find(&self, sku: &Sku) -> Result<Option<Product>, DataError> {
        let Some(marker) = self.table.get(sku_key(&self.table, sku), false).await? else { return Ok(None) };
        let Marker { product_id, .. } = from_item(marker)?;
        let found: Option<Product> =
            self.table.get(product_key(&self.table, &product_id), false).await?.map(from_item).transpose()?;
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
        Rows(&self.table).page(list, after, limit).await
    }
}

impl ListByAge {
    /// The next `limit` products of a list by age, and where the next page begins.
    pub async fn page(
        &self,
        list: &List<'_>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<(Vec<ProductId>, Option<Position>), DataError> {
        Rows(&self.table).page(list, after, limit).await
    }
}

impl ListByRating {
    /// The best rated products of a category, or of the shop: at most so many, by rating.
    pub async fn best(&self, category: Option<&CategoryPath>, limit: usize) -> Result<Vec<ProductId>, DataError> {
        let list = List { status: Status::Active, category, tag: None, brand: None, order: Order::Rating };
        Ok(Rows(&self.table).page(&list, None, limit).await?.0)
    }
}

/// The rows of lists.
struct Rows<'a>(&'a Table);

impl Rows<'_> {
    async fn page(
        &self,
        list: &List<'_>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<(Vec<ProductId>, Option<Position>), DataError> {
        let sort = list.order.index().1;
        let read = |row: &Item| Position::of(row, sort).ok_or_else(|| DataError::Corrupt("a listing row".into()));
        let mut found: Vec<Position> = Vec::new();
        let mut start = after.map(|position| position.key(self.0, list));
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
        let mut query = self.0.client().query().table_name(self.0.name()).index_name(index);
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
        self.create_from(product, created_by, None).await
    }

    /// The same, of a product that stands in a file.
    pub async fn create_from(
        &self,
        product: &Product,
        created_by: &str,
        source: Option<RowOfFile>,
    ) -> Result<Outcome, DataError> {
        let kept = Kept { created_by: created_by.to_owned(), source, ..Kept::default() };
        self.writer.write(None, &Stored { product: product.clone(), kept }, None).await
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
        self.change_from(before, product, before.kept.source.clone()).await
    }

    /// The same, to what stands in a row of a file.
    pub async fn change_from(
        &self,
        before: &Stored,
        product: Product,
        source: Option<RowOfFile>,
    ) -> Result<Outcome, DataError> {
        let mut before = before.clone();
        loop {
            let mut after = before.with(product.clone());
            after.kept.source.clone_from(&source);
            match self.writer.write(Some(&before), &after, None).await? {
                // Nobody can lose more than there are.
                Outcome::Lost(slugs) => before.kept.former_slugs.retain(|slug| !slugs.contains(slug)),
                outcome => return Ok(outcome),
            }
        }
    }
}

/// Creates and changes products by what a file says of them.
#[derive(Clone)]
pub struct UpsertProducts {
    create: CreateProducts,
    change: ChangeProducts,
}

impl Capability for UpsertProducts {
    fn grants() -> Vec<Grant> {
        let batch = Grant::new(&["dynamodb:BatchGetItem"], Resource::Table { name: TABLE.name });
        [CreateProducts::grants(), ChangeProducts::grants(), vec![batch]].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (create, change) = Capability::connect(platform)?;
        Ok(Self { create, change })
    }
}

/// The products that stand under some names.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    by_slug: HashMap<Slug, ProductId>,
    by_sku: HashMap<Sku, ProductId>,
    products: HashMap<ProductId, Stored>,
}

impl Standing {
    /// The product that is meant: the one with the slug that is asked for, now or earlier; where none is asked for, the one
    /// with the first SKU.
    #[must_use]
    pub fn of(&self, new: &NewProduct) -> Option<&Stored> {
        let id = match &new.slug {
            Some(slug) => self.by_slug.get(slug),
            None => self.by_sku.get(&new.variants.first()?.sku),
        };
        self.products.get(id?)
    }
}

impl UpsertProducts {
    /// Creating.
    #[must_use]
    pub fn create(&self) -> &CreateProducts {
        &self.create
    }

    /// Changing.
    #[must_use]
    pub fn change(&self) -> &ChangeProducts {
        &self.change
    }

    /// What stands under these slugs and SKUs now.
    pub async fn standing(&self, slugs: &[Slug], skus: &[Sku]) -> Result<Standing, DataError> {
        let table = &self.change.writer.table;
        let once = |keys: Vec<Item>| keys.into_iter().map(|key| (key["pk"].as_s().cloned().unwrap_or_default(), key));
        let keys = slugs.iter().map(|slug| slug_key(table, slug)).chain(skus.iter().map(|sku| sku_key(table, sku)));
        let keys: BTreeMap<String, Item> = once(keys.collect()).collect();
        let mut standing = Standing::default();
        let mut ids = BTreeSet::new();
        for item in table.get_many(keys.into_values().collect(), true).await? {
            let name = item.get("pk").and_then(|name| name.as_s().ok()).cloned().unwrap_or_default();
            let Marker { product_id, .. } = from_item(item)?;
            ids.insert(product_id.clone());
            if let Some(slug) = name.strip_prefix("slug#").and_then(Slug::parse) {
                standing.by_slug.insert(slug, product_id);
            } else if let Some(sku) = name.strip_prefix("sku#").and_then(Sku::parse) {
                standing.by_sku.insert(sku, product_id);
            }
        }
        let keys = ids.iter().map(|id| product_key(table, id)).collect();
        for item in table.get_many(keys, true).await? {
            let stored = Stored::read(item)?;
            standing.products.insert(stored.product.id.clone(), stored);
        }
        Ok(standing)
    }
}

/// Counts ratings.
#[derive(Clone)]
pub struct RateProducts {
    writer: Writer,
}

impl Capability for RateProducts {
    fn grants() -> Vec<Grant> {
        let actions = ["dynamodb:GetItem", "dynamodb:PutItem"];
        vec![Grant::new(&actions, Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { writer: Writer { table: platform.table(&TABLE), platform: platform.clone() } })
    }
}

impl RateProducts {
    /// A product as it stands now.
    pub async fn load(&self, id: &ProductId) -> Result<Option<Stored>, DataError> {
        let table = &self.writer.table;
        table.get(product_key(table, id), true).await?.map(Stored::read).transpose()
    }

    /// Replaces stars that were counted before by others (0: none), unless somebody else changed the product since
    /// `before` was read; together with an action of the caller's own, whose condition decides with the product's.
    pub async fn rate(
        &self,
        before: &Stored,
        counted: u8,
        stars: u8,
        now: Timestamp,
        also: TransactWriteItem,
    ) -> Result<Outcome, DataError> {
        let sum = (before.kept.stars + u64::from(stars)).saturating_sub(u64::from(counted));
        let count = before.product.rating.count + u32::from(stars > 0);
        let rating = Rating::of(sum, count.saturating_sub(u32::from(counted > 0)));
        let kept = Kept { stars: sum, ..before.kept.clone() };
        let after = Stored { product: before.product.rated(rating, now), kept };
        self.writer.write(Some(before), &after, Some(also)).await
    }
}

/// What the condition of an action guards.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Guards {
    Product,
    Slug,
    Former(Slug),
    Sku(Sku),
    Further,
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
    /// `also` is a further action, decided with the others.
    async fn write(
        &self,
        before: Option<&Stored>,
        after: &Stored,
        also: Option<TransactWriteItem>,
    ) -> Result<Outcome, DataError> {
        let mut actions = vec![self.product(before, after)?];
        actions.extend(also.map(|action| (Guards::Further, action)));
        let old = before.map(|stored| &stored.product);
        self.slugs(before, after, &mut actions)?;
        self.skus(old, &after.product, &mut actions)?;
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
            if !was_cancelled(&error) || attempt + 1 == TRIES {
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
        let (mut slug, mut skus, mut lost) = (false, Vec::new(), Vec::new());
        for (guards, reason) in guards.iter().zip(reasons) {
            match (guards, reason) {
                // The product decides: of one that stands already the names are its own.
                (Guards::Product, Some(Some(item))) => return Ok(Outcome::Stands(Box::new(Stored::read(item)?))),
                (Guards::Product, Some(None)) => return Ok(Outcome::Gone),
                (Guards::Further, Some(item)) => return Ok(Outcome::Refused(item)),
                (Guards::Slug, Some(_)) => slug = true,
                (Guards::Former(slug), Some(_)) => lost.push(slug.clone()),
                (Guards::Sku(sku), Some(_)) => skus.push(sku.clone()),
                _ => {}
            }
        }
        if slug || !skus.is_empty() { Ok(Outcome::Taken { slug, skus }) } else { Ok(Outcome::Lost(lost)) }
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

    /// The markers of slugs: the new one is claimed, the one before and all earlier ones lead to it, in one step each.
    fn slugs(&self, before: Option<&Stored>, after: &Stored, actions: &mut Vec<Action>) -> Result<(), DataError> {
        let Product { id, slug: present, updated_at: now, .. } = &after.product;
        let Some(before) = before else {
            actions.push((Guards::Slug, self.claim_slug(present, id, *now)?));
            return Ok(());
        };
        let left = &before.product.slug;
        if left == present {
            return Ok(());
        }
        actions.push((Guards::Slug, self.claim_slug(present, id, *now)?));
        let marker = Marker { product_id: id.clone(), moved_to: Some(present.clone()), moved_at: Some(now.millis()) };
        let mut item = to_item(&marker)?;
        item.extend(slug_key(&self.table, left));
        actions.push((Guards::Nothing, finished(Put::builder().table_name(self.table.name()).set_item(Some(item)))?));
        for slug in before.kept.former_slugs.iter().filter(|slug| *slug != present) {
            let stays = after.kept.former_slugs.contains(slug);
            let action = if stays { self.lead(slug, present, id)? } else { self.forget(slug, id)? };
            actions.push((Guards::Former(slug.clone()), action));
        }
        Ok(())
    }

    /// The markers of SKUs that come and go.
    fn skus(&self, before: Option<&Product>, after: &Product, actions: &mut Vec<Action>) -> Result<(), DataError> {
        for variant in &after.variants {
            if before.is_none_or(|product| product.variant(&variant.sku).is_none()) {
                let mut marker = sku_key(&self.table, &variant.sku);
                marker.insert("product_id".into(), s(after.id.as_str()));
                let put = Put::builder().table_name(self.table.name()).set_item(Some(marker));
                let claim = finished(put.condition_expression("attribute_not_exists(pk)"))?;
                actions.push((Guards::Sku(variant.sku.clone()), claim));
            }
        }
        for variant in before.into_iter().flat_map(|product| &product.variants) {
            if after.variant(&variant.sku).is_none() {
                actions.push((Guards::Nothing, self.delete(sku_key(&self.table, &variant.sku))?));
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

    /// A slug may be had that nobody has, that the product itself had before, or that another one left long ago.
    fn claim_slug(&self, slug: &Slug, id: &ProductId, now: Timestamp) -> Result<TransactWriteItem, DataError> {
        let long_ago = now.millis().saturating_sub(i64::try_from(REDIRECT_LIFE.as_millis()).unwrap_or(i64::MAX));
        let mut marker = slug_key(&self.table, slug);
        marker.insert("product_id".into(), s(id.as_str()));
        let put = Put::builder().table_name(self.table.name()).set_item(Some(marker));
        finished(
            put.condition_expression("attribute_not_exists(pk) OR product_id = :id OR moved_at < :long_ago")
                .expression_attribute_values(":id", s(id.as_str()))
                .expression_attribute_values(":long_ago", n(long_ago)),
        )
    }

    /// Leads an earlier slug to another present one, as long as it is this product's.
    fn lead(&self, slug: &Slug, present: &Slug, id: &ProductId) -> Result<TransactWriteItem, DataError> {
        let update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(slug_key(&self.table, slug)))
            .update_expression("SET moved_to = :present")
            .condition_expression("product_id = :id")
            .expression_attribute_values(":present", s(present.as_str()))
            .expression_attribute_values(":id", s(id.as_str()))
            .build()
            .map_err(|error| DataError::Invalid(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Lets an earlier slug go, as long as it is this product's.
    fn forget(&self, slug: &Slug, id: &ProductId) -> Result<TransactWriteItem, DataError> {
        let delete = Delete::builder()
            .table_name(self.table.name())
            .set_key(Some(slug_key(&self.table, slug)))
            .condition_expression("product_id = :id")
            .expression_attribute_values(":id", s(id.as_str()))
            .build()
            .map_err(|error| DataError::Invalid(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
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

/// The listing rows that a product has, by level.
fn rows(table: &Table, product: &Product) -> BTreeMap<String, Item> {
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
    let levels: Vec<&str> = match unsold_level(product.status) {
        Some(level) => vec![level],
        None => product.category.levels().chain([ROOT]).collect(),
    };
    levels.into_iter().map(|level| (level.to_owned(), row(level))).collect()
}
