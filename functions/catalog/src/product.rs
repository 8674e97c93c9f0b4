//! Products: the shape that is stored and answered, the shape that is sent in, and the rules between their fields.
//!
//! It owns [`Product`] and [`NewProduct`] and every rule that a JSON Schema cannot say ([`NewProduct::errors`]). A product
//! is always made from a checked `NewProduct`, so what is stored follows the rules. It must never know a table, a clock or
//! how a request looks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kernel::limits::{
    DESCRIPTION_CHARS, IMAGES, LABEL_CHARS, NAME_CHARS, OPTION_VALUES, OPTIONS, PRICES, TAGS, VARIANTS,
};
use kernel::problem::{FieldError, Place};
use kernel::text::slugify;
use kernel::{CategoryPath, Currency, Money, ProductId, Sku, Slug, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::attribute::Attributes;

/// A product as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The readable part of its address, unique among products.
    pub slug: Slug,
    /// What it is called.
    pub name: String,
    /// What it is, in prose.
    pub description: String,
    /// Who makes it; empty when nobody says.
    pub brand: String,
    /// Where it stands in the tree of categories.
    pub category: CategoryPath,
    /// Free labels to filter by.
    pub tags: Vec<String>,
    /// Pictures, the main one first.
    pub images: Vec<Image>,
    /// Facts by name, to filter and compare by.
    pub attributes: Attributes,
    /// What its variants differ in.
    pub options: Vec<ProductOption>,
    /// What can be bought.
    pub variants: Vec<Variant>,
    /// What customers think of it.
    #[serde(default)]
    pub rating: Rating,
    /// Whether it is sold.
    pub status: Status,
    /// Goes up by one with every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A product as it is sent in; a merge patch is applied to this shape too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// The readable part of its address; made from the name when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// What it is called.
    #[schemars(length(min = 1, max = NAME_CHARS))]
    pub name: String,
    /// What it is, in prose.
    #[serde(default)]
    #[schemars(length(max = DESCRIPTION_CHARS))]
    pub description: String,
    /// Who makes it.
    #[serde(default)]
    #[schemars(length(max = LABEL_CHARS))]
    pub brand: String,
    /// Where it stands in the tree of categories.
    pub category: CategoryPath,
    /// Free labels to filter by.
    #[serde(default)]
    #[schemars(length(max = TAGS), inner(length(min = 1, max = LABEL_CHARS)))]
    pub tags: Vec<String>,
    /// Pictures, the main one first.
    #[serde(default)]
    #[schemars(length(max = IMAGES))]
    pub images: Vec<Image>,
    /// Facts by name: text, numbers, true or false.
    #[serde(default)]
    pub attributes: Attributes,
    /// What the variants differ in.
    #[serde(default)]
    #[schemars(length(max = OPTIONS))]
    pub options: Vec<ProductOption>,
    /// What can be bought.
    #[schemars(length(min = 1, max = VARIANTS))]
    pub variants: Vec<Variant>,
    /// Whether it is sold.
    #[serde(default)]
    pub status: Status,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its address: `https://…`, `http://…`, or a path of this shop that starts with a slash.
    #[schemars(length(min = 1, max = 2000))]
    pub url: String,
    /// What it shows, for those who cannot see it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub alt: String,
    /// Width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub height: Option<u32>,
}

/// Something that variants differ in, as colour or size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductOption {
    /// Its name.
    #[schemars(length(min = 1, max = LABEL_CHARS))]
    pub name: String,
    /// The values there are, in the order they are shown.
    #[schemars(length(min = 1, max = OPTION_VALUES), inner(length(min = 1, max = LABEL_CHARS)))]
    pub values: Vec<String>,
}

/// What is priced, held and sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its stock-keeping unit, unique among all products.
    pub sku: Sku,
    /// Its value of each of the product's options.
    #[serde(default)]
    #[schemars(extend("maxProperties" = OPTIONS))]
    pub options: BTreeMap<String, String>,
    /// What it costs.
    pub price: Money,
    /// What it costs in further currencies, one price for each. A cart takes the one in its currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PRICES))]
    pub prices: Vec<Money>,
    /// What it cost before, or costs elsewhere; above the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_at: Option<Money>,
    /// What it weighs, in grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000_000))]
    pub weight_grams: Option<u32>,
    /// Its GTIN, EAN or UPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub barcode: Option<String>,
}

impl Variant {
    /// What it costs in a currency; `None` when it has no price in it.
    #[must_use]
    pub fn price_in(&self, currency: Currency) -> Option<Money> {
        std::iter::once(&self.price).chain(&self.prices).find(|price| price.currency == currency).copied()
    }

    /// The same with its price in another currency, where it has one: what was its price is one of the others then, and the
    /// price it is compared with, which is in the first currency, is left out.
    fn shown_in(mut self, currency: Currency) -> Self {
        if let Some(at) = self.prices.iter().position(|price| price.currency == currency) {
            std::mem::swap(&mut self.price, &mut self.prices[at]);
            self.compare_at = None;
        }
        self
    }
}

/// Whether a product is sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProductStatus")]
pub enum Status {
    /// Not yet.
    Draft,
    /// Now.
    #[default]
    Active,
    /// Not any more.
    Archived,
}

impl Status {
    /// Whether shoppers see it and may buy it.
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}

/// What customers think of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    /// The mean of all ratings, from 1 to 5, with two decimals; 0 when there is none.
    pub average: Average,
    /// How many there are.
    pub count: u32,
}

impl Rating {
    /// The mean of `count` ratings that add up to `stars`, rounded half up.
    #[must_use]
    pub fn of(stars: u64, count: u32) -> Self {
        let count_wide = u64::from(count.max(1));
        let hundredths = stars.saturating_mul(200).saturating_add(count_wide) / (2 * count_wide);
        let average = Average::from_hundredths(if count == 0 { 0 } else { u32::try_from(hundredths).unwrap_or(500) });
        Self { average, count }
    }
}

/// A mean with two decimals, kept as hundredths: arithmetic on it is exact, only its JSON form is a decimal number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Average {
    hundredths: u32,
}

impl Average {
    /// From hundredths.
    #[must_use]
    pub const fn from_hundredths(hundredths: u32) -> Self {
        Self { hundredths }
    }

    /// In hundredths.
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.hundredths
    }

    fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let decimals: u32 = format!("{decimals:0<2}").get(..2)?.parse().ok()?;
        Some(Self { hundredths: whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(decimals)? })
    }
}

impl fmt::Display for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.hundredths / 100, self.hundredths % 100)
    }
}

impl Serialize for Average {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.hundredths % 100 {
            0 => serializer.serialize_u32(self.hundredths / 100),
            _ => serializer.serialize_f64(self.to_string().parse().map_err(serde::ser::Error::custom)?),
        }
    }
}

impl<'de> Deserialize<'de> for Average {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimal;
        impl Visitor<'_> for Decimal {
            type Value = Average;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number with two decimals")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Average, E> {
                Average::read(&value.to_string()).ok_or_else(|| E::custom("must be from 0 to 5"))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Average, E> {
                self.visit_u64(u64::try_from(value).map_err(E::custom)?)
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Average, E> {
                Average::read(&format!("{value:.2}")).ok_or_else(|| E::custom("must be from 0 to 5"))
            }
        }
        deserializer.deserialize_any(Decimal).map_err(D::Error::custom)
    }
}

impl JsonSchema for Average {
    fn schema_name() -> Cow<'static, str> {
        "Average".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 5, "examples": [4.25] })
    }
}

impl Product {
    /// A product made of what was sent in, in its first version.
    #[must_use]
    pub fn new(id: ProductId, slug: Slug, new: NewProduct, now: Timestamp) -> Self {
        let new = new.tidied();
        Self {
            id,
            slug,
            name: new.name,
            description: new.description,
            brand: new.brand,
            category: new.category,
            tags: new.tags,
            images: new.images,
            attributes: new.attributes,
            options: new.options,
            variants: new.variants,
            rating: Rating::default(),
            status: new.status,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same product with other contents, in its next version; what customers gave it stays.
    #[must_use]
    pub fn changed(&self, slug: Slug, new: NewProduct, now: Timestamp) -> Self {
        Self {
            rating: self.rating,
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: now.max(self.updated_at),
            ..Self::new(self.id.clone(), slug, new, now)
        }
    }

    /// The same product, in its next version, with other ratings.
    #[must_use]
    pub fn rated(&self, rating: Rating, now: Timestamp) -> Self {
        Self { rating, version: self.version + 1, updated_at: now.max(self.updated_at), ..self.clone() }
    }

    /// What would have to be sent in to get this product.
    #[must_use]
    pub fn input(&self) -> NewProduct {
        NewProduct {
            slug: Some(self.slug.clone()),
            name: self.name.clone(),
            description: self.description.clone(),
            brand: self.brand.clone(),
            category: self.category.clone(),
            tags: self.tags.clone(),
            images: self.images.clone(),
            attributes: self.attributes.clone(),
            options: self.options.clone(),
            variants: self.variants.clone(),
            status: self.status,
        }
    }

    /// Its variant of a SKU.
    #[must_use]
    pub fn variant(&self, sku: &Sku) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.sku == *sku)
    }

    /// The same with its prices in another currency, as far as it has them.
    #[must_use]
    pub fn shown_in(mut self, currency: Option<Currency>) -> Self {
        if let Some(currency) = currency {
            self.variants = self.variants.into_iter().map(|variant| variant.shown_in(currency)).collect();
        }
        self
    }

    /// The lowest price among its variants, in the currency that they all have.
    #[must_use]
    pub fn lowest_price(&self) -> Option<Money> {
        self.variants.iter().map(|variant| variant.price).min_by_key(|price| price.amount)
    }
}

impl NewProduct {
    /// Without blanks around its texts and without tags said twice.
    fn tidied(mut self) -> Self {
        for text in [&mut self.name, &mut self.description, &mut self.brand].into_iter().chain(&mut self.tags) {
            *text = text.trim().to_owned();
        }
        let mut seen = BTreeSet::new();
        self.tags.retain(|tag| !tag.is_empty() && seen.insert(tag.clone()));
        self
    }

    /// The slugs to try, in this order. One that was asked for is the only one; otherwise the name's, which the product
    /// `id` shares with nobody when the end of its id is added. `present` is kept when it is one of these.
    #[must_use]
    pub fn slugs(&self, id: &ProductId, present: Option<&Slug>) -> Vec<Slug> {
        if let Some(slug) = &self.slug {
            return vec![slug.clone()];
        }
        let base = slugify(&self.name);
        let ending: String = id.body().chars().rev().take(6).collect::<String>().to_lowercase();
        let stem = base.as_ref().map_or("product", Slug::as_str);
        let unique = Slug::parse(&format!("{stem}-{ending}"));
        let slugs: Vec<Slug> = base.into_iter().chain(unique).collect();
        match present.filter(|slug| slugs.contains(slug)) {
            Some(slug) => vec![slug.clone()],
            None => slugs,
        }
    }

    /// Everything that is wrong between its fields; what is wrong within one the schema has found before.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Errors(Vec::new());
        if self.name.trim().is_empty() {
            errors.add("/name", "must not be blank");
        }
        for (index, image) in self.images.iter().enumerate() {
            let web = image.url.starts_with("https://") || image.url.starts_with("http://");
            let own = image.url.starts_with('/') && !image.url.starts_with("//");
            if !(web || own) || image.url.chars().any(|c| c.is_whitespace() || c.is_control()) {
                errors.add(
                    format!("/images/{index}/url"),
                    "must be an http or https address, or a path that starts with one slash",
                );
            }
        }
        self.option_errors(&mut errors);
        self.variant_errors(&mut errors);
        errors.0
    }

    fn option_errors(&self, errors: &mut Errors) {
        for (index, option) in self.options.iter().enumerate() {
            if self.options[..index].iter().any(|earlier| earlier.name == option.name) {
                errors.add(format!("/options/{index}/name"), "stands in the list twice");
            }
            let twice = (1..option.values.len()).find(|at| option.values[..*at].contains(&option.values[*at]));
            if let Some(at) = twice {
                errors.add(format!("/options/{index}/values/{at}"), "stands in the list twice");
            }
        }
    }

    fn variant_errors(&self, errors: &mut Errors) {
        let currency = self.variants.first().map(|variant| variant.price.currency);
        for (index, variant) in self.variants.iter().enumerate() {
            let at = format!("/variants/{index}");
            let earlier = &self.variants[..index];
            if earlier.iter().any(|other| other.sku == variant.sku) {
                errors.add(format!("{at}/sku"), "stands in the list twice");
            }
            let prices = [("price", Some(variant.price)), ("compare_at", variant.compare_at)];
            for (name, price) in prices {
                if let (Some(price), Some(currency)) = (price, currency)
                    && price.currency != currency
                {
                    errors.add(
                        format!("{at}/{name}/currency"),
                        format!("must be {currency}, as the first variant's price is"),
                    );
                }
            }
            for (index, price) in variant.prices.iter().enumerate() {
                let mut others = std::iter::once(&variant.price).chain(&variant.prices[..index]);
                if others.any(|other| other.currency == price.currency) {
                    let detail = format!("there is a price in {} already", price.currency);
                    errors.add(format!("{at}/prices/{index}/currency"), detail);
                }
            }
            if variant.compare_at.is_some_and(|before| before.amount <= variant.price.amount) {
                errors.add(format!("{at}/compare_at/amount"), "must be above the price");
            }
            let before = errors.0.len();
            self.choice_errors(variant, &at, errors);
            let same = earlier.iter().position(|other| other.options == variant.options);
            if let (Some(same), true) = (same, errors.0.len() == before) {
                errors.add(format!("{at}/options"), format!("must differ from those of variant {same}"));
            }
        }
    }

    /// What is wrong with the option values that a variant names.
    fn choice_errors(&self, variant: &Variant, at: &str, errors: &mut Errors) {
        let pointer = |name: &str| format!("{at}/options/{}", name.replace('~', "~0").replace('/', "~1"));
        for option in &self.options {
            match variant.options.get(&option.name) {
                None => errors.add(pointer(&option.name), "is required, for it is an option of the product"),
                Some(value) if !option.values.contains(value) => {
                    errors.add(pointer(&option.name), format!("must be one of {}", option.values.join(", ")));
                }
                Some(_) => {}
            }
        }
        for name in variant.options.keys() {
            if !self.options.iter().any(|option| option.name == *name) {
                errors.add(pointer(name), "is not an option of the product");
            }
        }
    }
}

struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { place: Place::Body, pointer: pointer.into(), detail: detail.into() });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::shape::Shape;
    use serde_json::{Value, json};

    use super::*;
    use crate::attribute::Attribute;

    #[test]
    fn a_rating_is_the_rounded_mean() {
        for (stars, count, text) in [(0, 0, "0.00"), (5, 1, "5.00"), (14, 3, "4.67"), (13, 3, "4.33"), (9, 2, "4.50")] {
            assert_eq!(Rating::of(stars, count).average.to_string(), text);
        }
    }

    #[test]
    fn a_variant_has_one_price_for_each_currency_and_is_shown_in_any() {
        let mut body = tea();
        let money = |amount: i64, currency: &str| json!({ "amount": amount, "currency": currency });
        body["variants"][0]["prices"] = json!([money(549, "USD"), money(479, "CHF")]);
        body["variants"][0]["compare_at"] = money(599, "EUR");
        let new: NewProduct = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(new.errors(), []);
        let (id, slug) = (ProductId::new([1; 16]), Slug::parse("tea").unwrap());
        let product = Product::new(id, slug, new, Timestamp::from_millis(0));
        let variant = &product.variants[0];
        assert_eq!(variant.price_in(Currency::USD), Some(Money::new(549, Currency::USD)));
        assert_eq!(variant.price_in(Currency::EUR), Some(variant.price));
        assert_eq!(variant.price_in(Currency::parse("JPY").unwrap()), None);
        let shown = product.clone().shown_in(Some(Currency::USD));
        assert_eq!((shown.variants[0].price.amount, shown.variants[0].compare_at), (549, None));
        assert_eq!(shown.variants[0].price_in(Currency::EUR), Some(variant.price), "the other is still there");
        assert_eq!(shown.variants[1], product.variants[1], "a variant without one is shown as it is");
        assert_eq!(product.clone().shown_in(None), product);
        body["variants"][0]["prices"] = json!([money(1, "EUR"), money(2, "USD"), money(3, "USD")]);
        let new: NewProduct = serde_json::from_value(body).unwrap();
        let wrong: Vec<String> = new.errors().into_iter().map(|error| error.pointer).collect();
        assert_eq!(wrong, ["/variants/0/prices/0/currency", "/variants/0/prices/2/currency"]);
    }

    /// A product of two variants that follows every rule.
    pub(crate) fn tea() -> Value {
        json!({
            "name": "Green Tea", "brand": "Oolong & Sons", "category": "food/tea", "tags": ["tea", "green"],
            "options": [{ "name": "size", "values": ["50 g", "100 g"] }],
            "attributes": { "organic": true, "steep_minutes": 3, "origin": "Uji" },
            "variants": [
                { "sku": "TEA-50", "options": { "size": "50 g" }, "price": { "amount": 499, "currency": "EUR" } },
                { "sku": "TEA-100", "options": { "size": "100 g" }, "price": { "amount": 899, "currency": "EUR" } },
            ],
        })
    }

    pub(crate) fn read(body: Value) -> NewProduct {
        Shape::new(Place::Body).read(body).unwrap()
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut body = tea();
        change(&mut body);
        read(body).errors().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_good_product_has_no_errors_and_reads_back_from_json_and_from_an_item() {
        assert!(wrong(|_| {}).is_empty());
        let id = ProductId::new([1; 16]);
        let slug = Slug::parse("green-tea").unwrap();
        let mut product = Product::new(id, slug, read(tea()), Timestamp::from_millis(1_795_000_000_123));
        for hundredths in [0, 100, 437, 405, 430, 500] {
            product.rating = Rating { average: Average::from_hundredths(hundredths), count: 12 };
            let json = serde_json::to_string(&product).unwrap();
            assert_eq!(serde_json::from_str::<Product>(&json).unwrap(), product);
            let item = aws::table::to_item(&product).unwrap();
            assert_eq!(aws::table::from_item::<Product>(item).unwrap(), product);
        }
        assert_eq!(read(serde_json::to_value(product.input()).unwrap()), product.input());
    }

    #[test]
    fn only_name_category_and_variants_are_needed() {
        let bare = json!({ "name": "X", "category": "c", "variants": [{ "sku": "X", "price": { "amount": 0, "currency": "EUR" } }] });
        assert!(read(bare).errors().is_empty());
        let errors = Shape::<NewProduct>::new(Place::Body).read(json!({})).unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/category", "/variants"]);
    }

    #[test]
    fn everything_wrong_between_fields_is_named_at_once() {
        let found = wrong(|body| {
            body["name"] = json!("  ");
            body["images"] =
                json!([{ "url": "javascript:alert(1)" }, { "url": "//evil.example/x" }, { "url": "/ok.svg" }]);
            body["options"] =
                json!([{ "name": "size", "values": ["50 g", "100 g", "50 g"] }, { "name": "size", "values": ["x"] }]);
            body["variants"][1]["sku"] = json!("TEA-50");
            body["variants"][1]["price"]["currency"] = json!("USD");
            body["variants"][0]["compare_at"] = json!({ "amount": 499, "currency": "EUR" });
        });
        for pointer in [
            "/name",
            "/images/0/url",
            "/images/1/url",
            "/options/0/values/2",
            "/options/1/name",
            "/variants/1/sku",
            "/variants/1/price/currency",
            "/variants/0/compare_at/amount",
        ] {
            assert!(found.iter().any(|one| one == pointer), "{pointer} in {found:?}");
        }
        assert!(!found.iter().any(|one| one == "/images/2/url"));
    }

    #[test]
    fn variants_name_a_value_of_each_option_and_differ() {
        assert_eq!(wrong(|b| b["variants"][1]["options"] = json!({})), ["/variants/1/options/size"]);
        assert_eq!(wrong(|b| b["variants"][1]["options"]["size"] = json!("1 kg")), ["/variants/1/options/size"]);
        assert_eq!(wrong(|b| b["variants"][1]["options"]["a/b"] = json!("x")), ["/variants/1/options/a~1b"]);
        assert_eq!(wrong(|b| b["variants"][1]["options"]["size"] = json!("50 g")), ["/variants/1/options"]);
    }

    #[test]
    fn attributes_are_text_numbers_or_flags() {
        let mut body = tea();
        body["attributes"] = json!({ "a": 1.5, "b": 5.0, "c": "1.50", "d": -1, "e": false, "f": i64::MAX });
        let new = read(body.clone());
        assert_eq!(new.attributes.0["a"], Attribute::Decimal(kernel::Decimal::parse("1.5").unwrap()));
        assert_eq!(new.attributes.0["b"], Attribute::Number(5));
        body["attributes"]["b"] = json!(5);
        assert_eq!(serde_json::to_value(&new.attributes).unwrap(), body["attributes"]);
        let item = aws::table::to_item(&new).unwrap();
        assert_eq!(item["attributes"].as_m().unwrap()["a"], aws_sdk_dynamodb::types::AttributeValue::N("1.5".into()));
        assert_eq!(aws::table::from_item::<NewProduct>(item).unwrap(), new);
        body["attributes"] = json!({ "a": 1e300, "b": null, "c": [1], "": "x", "d": 0.123_456_789_012 });
        let errors = Shape::<NewProduct>::new(Place::Body).read(body).unwrap_err();
        let mut pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/attributes/", "/attributes/a", "/attributes/b", "/attributes/c", "/attributes/d"]);
    }

    #[test]
    fn slugs_come_from_the_name_unless_asked_for() {
        let id = ProductId::new([7; 16]);
        let new = read(tea());
        let slugs = new.slugs(&id, None);
        assert_eq!(slugs.len(), 2);
        assert_eq!(slugs[0].as_str(), "green-tea");
        assert!(slugs[1].as_str().starts_with("green-tea-"));
        assert_eq!(new.slugs(&id, Some(&slugs[1])), [slugs[1].clone()]);
        let foreign = NewProduct { name: "漢字".into(), ..new.clone() };
        assert!(foreign.slugs(&id, None)[0].as_str().starts_with("product-"));
        let asked = NewProduct { slug: Slug::parse("sencha"), ..new };
        assert_eq!(asked.slugs(&id, None).len(), 1);
    }

    #[test]
    fn every_product_of_the_demo_is_accepted() {
        let demo = include_str!("../../../shared/local/demo/products.jsonl");
        let shape = Shape::<NewProduct>::new(Place::Body);
        for line in demo.lines() {
            let mut body: Value = serde_json::from_str(line).unwrap();
            for variant in body["variants"].as_array_mut().unwrap() {
                variant.as_object_mut().unwrap().remove("stock");
            }
            let errors = shape.read(body).map_or_else(|errors| errors, |new| new.errors());
            assert!(errors.is_empty(), "{line}: {errors:?}");
        }
    }
}
