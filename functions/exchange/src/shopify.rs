//! Shopify's product CSV: several rows a product, known by their handle; the first has what is said once, each has a variant,
//! an image, or both. Pure.
//!
//! It owns which column is which, in Shopify's older and newer wording, both ways ([`Group`] reads, [`rows`] writes). What
//! Shopify has no column for (attributes, prices in further currencies, …) stands in one column of our own.

use std::collections::{BTreeMap, HashMap};

use catalog::{Attributes, Image, NewProduct, Product, ProductOption, Status};
use kernel::limits::{CATEGORY_DEPTH, OPTIONS, PRODUCT_ROWS};
use kernel::text::slugify;
use kernel::{CategoryPath, Currency, Money, Sku, Slug};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::map::{minor, whole};
use crate::row::{Mapped, Rejected};

/// The column of what Shopify has none for, in the form of its metafields.
pub const REST: &str = "Oxcart (product.metafields.oxcart.rest)";
/// The name and the value of the option that stands for none.
const NO_OPTION: (&str, &str) = ("Title", "Default Title");

macro_rules! columns {
    ($($name:ident $written:literal [$($other:literal),*];)*) => {
        /// A column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        enum Column { $($name),* }

        /// Each column, as it is written, and what else it may be called; in lower case.
        const COLUMNS: &[(Column, &str, &[&str])] = &[$((Column::$name, $written, &[$($other),*])),*];
    };
}

columns! {
    Handle "Handle" ["url handle"];
    Title "Title" [];
    Body "Body (HTML)" ["description", "body html"];
    Vendor "Vendor" [];
    Category "Product Category" ["standard product type", "standardized product type"];
    Type "Type" ["custom product type"];
    Tags "Tags" [];
    Published "Published" ["published on online store"];
    Option1Name "Option1 Name" [];
    Option1 "Option1 Value" [];
    Option2Name "Option2 Name" [];
    Option2 "Option2 Value" [];
    Option3Name "Option3 Name" [];
    Option3 "Option3 Value" [];
    Option4Name "Option4 Name" [];
    Option4 "Option4 Value" [];
    Option5Name "Option5 Name" [];
    Option5 "Option5 Value" [];
    Sku "Variant SKU" ["sku"];
    Grams "Variant Grams" ["weight value (grams)"];
    Tracker "Variant Inventory Tracker" ["inventory tracker"];
    Quantity "Variant Inventory Qty" ["inventory quantity"];
    Policy "Variant Inventory Policy" ["continue selling when out of stock"];
    Price "Variant Price" ["price"];
    CompareAt "Variant Compare At Price" ["compare-at price"];
    Barcode "Variant Barcode" ["barcode"];
    Image "Image Src" ["product image url"];
    Position "Image Position" ["image position"];
    Alt "Image Alt Text" ["image alt text"];
    VariantImage "Variant Image" ["variant image url"];
    Status "Status" [];
    Rest "Oxcart (product.metafields.oxcart.rest)" [];
}

const OPTION_COLUMNS: [(Column, Column); OPTIONS] = [
    (Column::Option1Name, Column::Option1),
    (Column::Option2Name, Column::Option2),
    (Column::Option3Name, Column::Option3),
    (Column::Option4Name, Column::Option4),
    (Column::Option5Name, Column::Option5),
];

/// Which field of a row is which column.
#[derive(Clone, Debug)]
pub struct Header(HashMap<Column, usize>);

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// Names the columns that are missing, and those that are there.
    pub fn read(fields: &[String]) -> Result<Self, String> {
        let mut found = HashMap::new();
        for (at, field) in fields.iter().enumerate() {
            let name = field.trim().to_lowercase();
            let column = COLUMNS
                .iter()
                .find(|(_, written, others)| written.to_lowercase() == name || others.contains(&name.as_str()));
            if let Some((column, ..)) = column {
                found.entry(*column).or_insert(at);
            }
        }
        let needed = [(Column::Handle, "Handle"), (Column::Title, "Title"), (Column::Price, "Variant Price")];
        let missing: Vec<&str> =
            needed.iter().filter(|(column, _)| !found.contains_key(column)).map(|(_, name)| *name).collect();
        if missing.is_empty() {
            return Ok(Self(found));
        }
        let there: Vec<&str> = fields.iter().map(String::as_str).take(20).collect();
        Err(format!("the header has no column {}; it has {}", missing.join(", "), there.join(", ")))
    }

    fn get<'a>(&self, row: &'a [String], column: Column) -> &'a str {
        self.0.get(&column).and_then(|at| row.get(*at)).map_or("", |text| text.trim())
    }

    /// The handle of a row.
    #[must_use]
    pub fn handle<'a>(&self, row: &'a [String]) -> &'a str {
        self.get(row, Column::Handle)
    }
}

/// What Shopify has no column for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rest {
    #[serde(skip_serializing_if = "no_attributes")]
    attributes: Attributes,
    /// Where the category's segments are not what its column would be read as.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<CategoryPath>,
    /// Where the description is not what its HTML would be read as.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Where they are not those of the variants, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<ProductOption>>,
    /// Tags that have a comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    /// Prices in further currencies, by SKU; and the currency of the first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    prices: BTreeMap<Sku, Vec<Money>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    /// Images with their sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<Image>>,
}

fn no_attributes(attributes: &Attributes) -> bool {
    attributes.0.is_empty()
}

/// The rows of one handle.
#[derive(Clone, Debug, Default)]
pub struct Group {
    rows: Vec<(u64, Vec<String>)>,
    /// How many there are, also those that are too many to be kept.
    count: usize,
}

impl Group {
    /// Takes a row.
    pub fn push(&mut self, line: u64, row: Vec<String>) {
        self.count += 1;
        if self.rows.len() < PRODUCT_ROWS {
            self.rows.push((line, row));
        }
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The line of its first row.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.rows.first().map_or(0, |(line, _)| *line)
    }

    /// The product that its rows are, with the line of each variant.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn product(&self, header: &Header, currency: Currency) -> Result<(Mapped, Vec<u64>), Vec<Rejected>> {
        let Some((line, first)) = self.rows.first() else { return Err(Vec::new()) };
        if self.count > self.rows.len() {
            let reason = format!("the product has {} rows; at most {PRODUCT_ROWS} are allowed", self.count);
            return Err(vec![Rejected::of(*line, "Handle", reason)]);
        }
        let reading = Reading { header, first, line: *line };
        let rest = reading.rest()?;
        let currency = rest.currency.unwrap_or(currency);
        let (options, named) = reading.options();
        let mut wrong = Vec::new();
        let (mut variants, mut lines, mut stock) = (Vec::new(), Vec::new(), Vec::new());
        for (line, row) in self.rows.iter().filter(|(_, row)| is_variant(header, row)) {
            match reading.variant(*line, row, &named, currency, &rest) {
                Ok((variant, sku, units)) => {
                    variants.push(variant);
                    lines.push(*line);
                    stock.extend((units > 0).then_some((sku, units)));
                }
                Err(mut errors) => wrong.append(&mut errors),
            }
        }
        let slug = Slug::parse(header.handle(first)).or_else(|| slugify(header.handle(first)));
        if slug.is_none() {
            wrong.push(Rejected::of(*line, "Handle", format!("must be {}", Slug::RULE)));
        }
        let status = reading.status().map_err(|mut error| wrong.append(&mut error)).ok().flatten();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let options = rest.options.clone().unwrap_or_else(|| self.values(header, options));
        let images = rest.images.clone().map_or_else(|| self.images(header), |images| json!(images));
        let tags = rest.tags.clone().unwrap_or_else(|| reading.tags());
        let mut body = json!({
            "slug": slug,
            "name": header.get(first, Column::Title),
            "description": rest.description.clone().unwrap_or_else(|| reading.description()),
            "brand": header.get(first, Column::Vendor),
            "category": rest.category.clone().map_or_else(|| reading.category(), |path| path.to_string()),
            "tags": tags,
            "images": images,
            "attributes": rest.attributes,
            "options": options,
            "variants": variants,
        });
        if let Some(status) = status {
            body["status"] = json!(status);
        }
        Ok((Mapped { body, stock }, lines))
    }

    /// The values of the options, in the order in which variants have them.
    fn values(&self, header: &Header, names: Vec<(String, Column)>) -> Vec<ProductOption> {
        let values = |column: Column| {
            let mut values: Vec<String> = Vec::new();
            for (_, row) in self.rows.iter().filter(|(_, row)| is_variant(header, row)) {
                let value = header.get(row, column);
                if !value.is_empty() && !values.iter().any(|known| known == value) {
                    values.push(value.to_owned());
                }
            }
            values
        };
        names.into_iter().map(|(name, column)| ProductOption { name, values: values(column) }).collect()
    }

    /// The images by their positions; a variant's own one that is not among them comes last.
    fn images(&self, header: &Header) -> Value {
        let mut found: Vec<(i64, &str, &str)> = Vec::new();
        for (at, (_, row)) in self.rows.iter().enumerate() {
            let src = header.get(row, Column::Image);
            let position = whole(header.get(row, Column::Position));
            let order = i64::try_from(at).unwrap_or(i64::MAX);
            found.push((position.unwrap_or(order.saturating_add(1)), src, header.get(row, Column::Alt)));
        }
        found.sort_by_key(|(position, ..)| *position);
        found.extend(self.rows.iter().map(|(_, row)| (0, header.get(row, Column::VariantImage), "")));
        let mut images: Vec<Value> = Vec::new();
        for (_, src, alt) in found.into_iter().filter(|(_, src, _)| !src.is_empty()) {
            if !images.iter().any(|image| image["url"] == src) {
                let alt: String = alt.chars().take(500).collect();
                images.push(json!({ "url": src, "alt": alt }));
            }
        }
        json!(images)
    }
}

/// Whether a row has a variant: image rows have nothing of one.
fn is_variant(header: &Header, row: &[String]) -> bool {
    [Column::Price, Column::Sku, Column::Option1].iter().any(|column| !header.get(row, *column).is_empty())
}

/// A product's rows being read.
struct Reading<'a> {
    header: &'a Header,
    first: &'a [String],
    line: u64,
}

/// The names of options with the columns of their values.
type Named = Vec<(String, Column)>;

impl Reading<'_> {
    fn rest(&self) -> Result<Rest, Vec<Rejected>> {
        match self.header.get(self.first, Column::Rest) {
            "" => Ok(Rest::default()),
            text => serde_json::from_str(text).map_err(|error| vec![Rejected::of(self.line, REST, error.to_string())]),
        }
    }

    fn options(&self) -> (Named, Named) {
        let get = |column| self.header.get(self.first, column);
        let named = OPTION_COLUMNS.iter().filter(|(name, _)| !get(*name).is_empty());
        let named: Named = named.map(|(name, value)| (get(*name).to_owned(), *value)).collect();
        match named.as_slice() {
            [(name, column)] if name == NO_OPTION.0 && get(*column) == NO_OPTION.1 => (Vec::new(), Vec::new()),
            _ => (named.clone(), named),
        }
    }

    fn description(&self) -> String {
        ammonia::clean(self.header.get(self.first, Column::Body)).trim().to_owned()
    }

    /// Shopify's category is a path of names with `>` between; a type is one name.
    fn category(&self) -> String {
        let (category, kind) =
            (self.header.get(self.first, Column::Category), self.header.get(self.first, Column::Type));
        let of = |text: &str| {
            let segments = text.split('>').filter_map(slugify).map(|slug| slug.to_string()).take(CATEGORY_DEPTH);
            segments.collect::<Vec<_>>().join("/")
        };
        let own = [category, kind].into_iter().map(of).find(|path| !path.is_empty());
        own.unwrap_or_else(|| "other".to_owned())
    }

    fn tags(&self) -> Vec<String> {
        let tags = self.header.get(self.first, Column::Tags).split(',').map(str::trim);
        tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
    }

    fn status(&self) -> Result<Option<Status>, Vec<Rejected>> {
        let published = self.header.get(self.first, Column::Published).to_lowercase();
        match self.header.get(self.first, Column::Status).to_lowercase().as_str() {
            "active" => Ok(Some(Status::Active)),
            "draft" => Ok(Some(Status::Draft)),
            "archived" => Ok(Some(Status::Archived)),
            "" if published == "false" => Ok(Some(Status::Draft)),
            "" => Ok((published == "true").then_some(Status::Active)),
            _ => Err(vec![Rejected::of(self.line, "Status", "must be active, draft or archived")]),
        }
    }

    fn variant(
        &self,
        line: u64,
        row: &[String],
        named: &Named,
        currency: Currency,
        rest: &Rest,
    ) -> Result<(Value, Sku, u32), Vec<Rejected>> {
        let get = |column| self.header.get(row, column);
        let mut wrong = Vec::new();
        let mut amount = |column: &str, text: &str| {
            let amount = minor(text, currency.digits());
            if amount.is_none() {
                wrong.push(Rejected::of(line, column, format!("`{text}` is not an amount of {currency}")));
            }
            amount.unwrap_or_default()
        };
        let price = amount("Variant Price", get(Column::Price));
        let before = match get(Column::CompareAt) {
            "" => None,
            text => Some(amount("Variant Compare At Price", text)),
        };
        let options: BTreeMap<&str, &str> = named
            .iter()
            .map(|(name, column)| (name.as_str(), get(*column)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let sku = self.sku(get(Column::Sku), &options);
        let units = match get(Column::Quantity) {
            "" => 0,
            text => whole(text).map_or_else(
                || {
                    wrong.push(Rejected::of(
                        line,
                        "Variant Inventory Qty",
                        format!("`{text}` is not a number of units"),
                    ));
                    0
                },
                // Below zero Shopify has sold more than there was: nothing is there.
                |units| units.max(0),
            ),
        };
        let money = |amount: i64| json!({ "amount": amount, "currency": currency });
        let mut variant = json!({ "sku": sku, "options": options, "price": money(price) });
        // Shopify lets a price be compared with one that is not above it, which says nothing.
        if let Some(before) = before.filter(|before| *before > price) {
            variant["compare_at"] = money(before);
        }
        if let Some(grams) = get(Column::Grams).split('.').next().and_then(whole).filter(|grams| *grams > 0) {
            variant["weight_grams"] = json!(grams);
        }
        // A spreadsheet's way to keep zeros at the front is an apostrophe.
        let barcode = get(Column::Barcode).trim_start_matches('\'');
        if !barcode.is_empty() {
            variant["barcode"] = json!(barcode);
        }
        if let Some(prices) = rest.prices.get(&sku) {
            variant["prices"] = json!(prices);
        }
        let units = u32::try_from(units).ok().filter(|units| *units <= kernel::limits::STOCK_QUANTITY);
        match (units, wrong.is_empty()) {
            (Some(units), true) => Ok((variant, sku, units)),
            (None, _) => {
                let most = kernel::limits::STOCK_QUANTITY;
                Err(vec![Rejected::of(line, "Variant Inventory Qty", format!("must be at most {most}"))])
            }
            _ => Err(wrong),
        }
    }

    /// The SKU that is written; else one made of the handle and the options' values, the same every time.
    fn sku(&self, written: &str, options: &BTreeMap<&str, &str>) -> Sku {
        let plain = |text: &str| -> String {
            let good = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
            text.trim_start_matches('\'').chars().map(good).collect()
        };
        let made = || {
            let values = options.values().filter_map(|value| slugify(value)).map(|slug| slug.to_string());
            let parts: Vec<String> = std::iter::once(plain(self.header.handle(self.first))).chain(values).collect();
            parts.join("-")
        };
        let text = if written.is_empty() { made() } else { plain(written) };
        Sku::parse(&text).unwrap_or_else(|| {
            let short = kernel::id::fingerprint(&[text.as_bytes()]);
            let stem: String = text.chars().take(40).collect();
            Sku::parse(&format!("{stem}-{short}")).or_else(|| Sku::parse(&short)).expect("a fingerprint is a SKU")
        })
    }
}

/// The column that a field of a create-product body comes from.
#[must_use]
pub fn column_of(pointer: &str) -> &str {
    let mut parts = pointer.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.nth(1)) {
        ("name", _) => "Title",
        ("slug", _) => "Handle",
        ("description", _) => "Body (HTML)",
        ("brand", _) => "Vendor",
        ("category", _) => "Product Category",
        ("tags", _) => "Tags",
        ("images", _) => "Image Src",
        ("options", _) | ("variants", Some("options")) => "Option1 Value",
        ("variants", Some("sku")) => "Variant SKU",
        ("variants", Some("compare_at")) => "Variant Compare At Price",
        ("variants", Some("barcode")) => "Variant Barcode",
        ("variants", Some("weight_grams")) => "Variant Grams",
        ("variants", _) => "Variant Price",
        _ => pointer,
    }
}

/// The header of what is exported.
#[must_use]
pub fn header() -> Vec<&'static str> {
    COLUMNS.iter().map(|(_, written, _)| *written).collect()
}

/// The rows that a product is exported as; its units by SKU.
#[must_use]
pub fn rows(product: &Product, units: &HashMap<Sku, i64>) -> Vec<Vec<String>> {
    let count = product.variants.len().max(product.images.len()).max(1);
    let mut rows: Vec<Vec<String>> = (0..count).map(|_| vec![String::new(); COLUMNS.len()]).collect();
    let at = |column: Column| COLUMNS.iter().position(|(known, ..)| *known == column).unwrap_or_default();
    let mut set = |row: usize, column: Column, text: String| rows[row][at(column)] = text;
    let plain = product.category.as_str().replace('/', " > ").replace('-', " ");
    for row in 0..count {
        set(row, Column::Handle, product.slug.to_string());
    }
    set(0, Column::Title, product.name.clone());
    set(0, Column::Body, product.description.clone());
    set(0, Column::Vendor, product.brand.clone());
    set(0, Column::Category, plain);
    set(0, Column::Tags, product.tags.join(", "));
    set(0, Column::Published, if product.status.is_active() { "TRUE" } else { "FALSE" }.into());
    set(0, Column::Status, json!(product.status).as_str().unwrap_or_default().into());
    for (option, (name, _)) in product.options.iter().zip(OPTION_COLUMNS) {
        set(0, name, option.name.clone());
    }
    if product.options.is_empty() {
        set(0, Column::Option1Name, NO_OPTION.0.into());
    }
    for (row, variant) in product.variants.iter().enumerate() {
        for (option, (_, value)) in product.options.iter().zip(OPTION_COLUMNS) {
            set(row, value, variant.options.get(&option.name).cloned().unwrap_or_default());
        }
        if product.options.is_empty() {
            set(row, Column::Option1, NO_OPTION.1.into());
        }
        set(row, Column::Sku, variant.sku.to_string());
        set(row, Column::Grams, variant.weight_grams.map(|grams| grams.to_string()).unwrap_or_default());
        let available = units.get(&variant.sku);
        set(row, Column::Tracker, if available.is_some() { "shopify".into() } else { String::new() });
        set(row, Column::Quantity, available.map(|units| units.max(&0).to_string()).unwrap_or_default());
        set(row, Column::Policy, "deny".into());
        set(row, Column::Price, major(variant.price));
        set(row, Column::CompareAt, variant.compare_at.map(major).unwrap_or_default());
        set(row, Column::Barcode, variant.barcode.clone().unwrap_or_default());
    }
    for (row, image) in product.images.iter().enumerate() {
        set(row, Column::Image, image.url.clone());
        set(row, Column::Position, (row + 1).to_string());
        set(row, Column::Alt, image.alt.clone());
    }
    let rest = rest_of(product, &rows);
    if rest != Rest::default() {
        rows[0][at(Column::Rest)] = serde_json::to_string(&rest).unwrap_or_default();
    }
    rows
}

/// What the rows do not say, found by reading them: only that stands in our own column.
fn rest_of(product: &Product, rows: &[Vec<String>]) -> Rest {
    let currency = product.variants.first().map_or(Currency::EUR, |variant| variant.price.currency);
    let header = Header(COLUMNS.iter().enumerate().map(|(at, (column, ..))| (*column, at)).collect());
    let mut group = Group::default();
    for row in rows {
        group.push(1, row.clone());
    }
    let read = group.product(&header, currency).ok();
    let read: Option<NewProduct> = read.and_then(|(mapped, _)| serde_json::from_value(mapped.body).ok());
    let wanted = product.input();
    let same = |equal: fn(&NewProduct, &NewProduct) -> bool| read.as_ref().is_some_and(|read| equal(read, &wanted));
    let prices = product.variants.iter().filter(|variant| !variant.prices.is_empty());
    Rest {
        attributes: wanted.attributes.clone(),
        category: (!same(|read, wanted| read.category == wanted.category)).then(|| wanted.category.clone()),
        description: (!same(|read, wanted| read.description == wanted.description)).then(|| wanted.description.clone()),
        options: (!same(|read, wanted| read.options == wanted.options)).then(|| wanted.options.clone()),
        tags: (!same(|read, wanted| read.tags == wanted.tags)).then(|| wanted.tags.clone()),
        images: (!same(|read, wanted| read.images == wanted.images)).then(|| wanted.images.clone()),
        prices: prices.map(|variant| (variant.sku.clone(), variant.prices.clone())).collect(),
        currency: Some(currency),
    }
}

/// Money as Shopify writes it: `12.99`.
fn major(money: Money) -> String {
    let digits = usize::try_from(money.currency.digits()).unwrap_or_default();
    let text = format!("{:0>width$}", money.amount, width = digits + 1);
    let (whole, decimals) = text.split_at(text.len() - digits);
    if digits == 0 { whole.to_owned() } else { format!("{whole}.{decimals}") }
}
