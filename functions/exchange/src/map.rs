//! The field map: which fields of somebody's product file feed which of ours. Read from TOML, checked when it is read, and
//! pure: a foreign row in, the body of create-product and an opening
//! stock out.
//!
//! Foreign numbers are taken as their text, so that 49.99 becomes 4999 without a float between. It must never invent a
//! value that the map does not name.

use kernel::limits::{
    ATTRIBUTE_CHARS, ATTRIBUTES, CATEGORY_DEPTH, DESCRIPTION_CHARS, IMAGES, LABEL_CHARS, NAME_CHARS, TAGS,
};
use kernel::text::slugify;
use kernel::{Currency, Decimal, Sku};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::row::{Mapped, Row};

/// A field map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMap {
    /// The fields that together make a row the same product when it comes again.
    key: Fields,
    /// The first of these that has text is the name.
    name: Fields,
    /// The first of these that has text is the description.
    #[serde(default)]
    description: Fields,
    /// The first of these that has text is the brand.
    #[serde(default)]
    brand: Fields,
    /// The first of these that has text is the barcode.
    #[serde(default)]
    barcode: Fields,
    /// All that these have are tags.
    #[serde(default)]
    tags: Fields,
    /// All that these have are addresses of images.
    #[serde(default)]
    images: Fields,
    /// The SKU; without it one is made from the key.
    #[serde(default)]
    sku: SkuRule,
    price: PriceRule,
    category: CategoryRule,
    #[serde(default)]
    stock: StockRule,
    /// Fields that become attributes, by how their names start.
    #[serde(default)]
    attributes: Vec<AttributeRule>,
}

/// One field's name, or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Fields {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkuRule {
    #[serde(default)]
    field: Fields,
    /// Stands before it.
    #[serde(default)]
    prefix: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRule {
    field: Fields,
    unit: Unit,
    /// The currency of a row that does not name one.
    currency: Currency,
    /// The field that names the currency.
    #[serde(default)]
    currency_field: Fields,
    /// What to do with a row without a price, or with one of 0.
    #[serde(default)]
    unknown: Unknown,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Cents.
    Minor,
    /// Euros.
    Major,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Unknown {
    /// This price instead, in minor units.
    Amount(i64),
    Word(UnknownWord),
}

impl Default for Unknown {
    fn default() -> Self {
        Self::Word(UnknownWord::Reject)
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnknownWord {
    /// The row is left out, on purpose.
    Skip,
    /// The row is reported as a bad one.
    Reject,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryRule {
    /// Every product's category, or what its own stands below.
    under: Option<String>,
    /// Each field is a level; a field that is a list is as many.
    #[serde(default)]
    path: Fields,
    /// The levels of a row that has none of the fields.
    default: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StockRule {
    field: Fields,
    /// The opening stock of a row that does not say.
    default: u32,
}

impl Default for StockRule {
    fn default() -> Self {
        Self { field: Fields::None, default: 10 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeRule {
    prefix: String,
    #[serde(rename = "type")]
    kind: AttributeKind,
    /// Whether `false` is left out.
    #[serde(default)]
    skip_false: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AttributeKind {
    Text,
    /// A whole number or one with decimals; what is no number stays text.
    Number,
    Boolean,
}

impl FieldMap {
    /// Reads a map.
    pub fn parse(text: &str) -> Result<Self, String> {
        let map: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if map.key.names().is_empty() || map.name.names().is_empty() {
            return Err("`key` and `name` must each name a field".into());
        }
        if map.category.under.is_none() && map.category.default.is_none() && map.category.path.names().is_empty() {
            return Err("[category] must say `under`, `path` or `default`".into());
        }
        if matches!(map.price.unknown, Unknown::Amount(amount) if amount <= 0) {
            return Err("[price] `unknown` must be \"skip\", \"reject\" or a price above 0".into());
        }
        Ok(map)
    }

    /// The product that a row is.
    pub fn row(&self, row: &Value) -> Result<Row, String> {
        let key = self.key(row)?;
        let name = self.name.first(row).ok_or_else(|| format!("no name in {}", self.name.list()))?;
        let amount = match self.price(row)? {
            Price::Of(amount) => amount,
            Price::Skip => return Ok(Row::LeftOut),
        };
        let currency = self.currency(row)?;
        let sku = self.sku(row, &key)?;
        let mut variant = json!({ "sku": sku, "price": { "amount": amount, "currency": currency } });
        if let Some(barcode) = self.barcode.first(row).filter(|code| code.chars().count() <= LABEL_CHARS) {
            variant["barcode"] = json!(barcode);
        }
        let images: Vec<Value> = self
            .images
            .all(row)
            .into_iter()
            .take(IMAGES)
            .map(|url| json!({ "url": url, "alt": cut(&name, 500) }))
            .collect();
        let mut tags: Vec<String> = self.tags.all(row).iter().map(|tag| cut(tag, LABEL_CHARS)).take(TAGS).collect();
        tags.dedup();
        let body = json!({
            "name": cut(&name, NAME_CHARS),
            "description": cut(&self.description.first(row).unwrap_or_default(), DESCRIPTION_CHARS),
            "brand": cut(&self.brand.first(row).unwrap_or_default(), LABEL_CHARS),
            "category": self.category(row)?,
            "tags": tags,
            "images": images,
            "attributes": self.attributes(row),
            "variants": [variant],
        });
        let stock = self.stock(row)?;
        Ok(Row::Product(Mapped { body, stock: vec![(sku, stock)] }))
    }

    /// What makes a row the same product when it comes again.
    pub fn key(&self, row: &Value) -> Result<String, String> {
        let parts: Vec<String> = self.key.names().iter().map(|name| texts(row, name).join("\u{1f}")).collect();
        if parts.iter().all(String::is_empty) {
            return Err(format!("no key in {}", self.key.list()));
        }
        Ok(parts.join("\u{1e}"))
    }

    fn sku(&self, row: &Value, key: &str) -> Result<Sku, String> {
        let own = self.sku.field.first(row);
        if own.is_none() && !self.sku.field.names().is_empty() {
            return Err(format!("no SKU in {}", self.sku.field.list()));
        }
        let own = own.unwrap_or_else(|| kernel::id::fingerprint(&[key.as_bytes()]));
        let text = format!("{}{own}", self.sku.prefix);
        let text: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
            .collect();
        Sku::parse(&text).ok_or_else(|| format!("`{text}` is not a SKU: it must be {}", Sku::RULE))
    }

    fn price(&self, row: &Value) -> Result<Price, String> {
        let text = self.price.field.first(row);
        let amount = match (&text, self.price.unit) {
            (None, _) => 0,
            (Some(text), Unit::Minor) => {
                whole(text).ok_or_else(|| format!("the price `{text}` is not a whole number"))?
            }
            (Some(text), Unit::Major) => minor(text, self.currency(row)?.digits())
                .ok_or_else(|| format!("the price `{text}` is not an amount"))?,
        };
        match (amount, &self.price.unknown) {
            (1.., _) => Ok(Price::Of(amount)),
            (0, Unknown::Amount(amount)) => Ok(Price::Of(*amount)),
            (0, Unknown::Word(UnknownWord::Skip)) => Ok(Price::Skip),
            (0, Unknown::Word(UnknownWord::Reject)) => Err(format!("no price in {}", self.price.field.list())),
            _ => Err(format!("the price {amount} is below 0")),
        }
    }

    fn currency(&self, row: &Value) -> Result<Currency, String> {
        match self.price.currency_field.first(row) {
            None => Ok(self.price.currency),
            Some(text) => Currency::parse(&text).ok_or_else(|| format!("`{text}` is not a currency")),
        }
    }

    fn category(&self, row: &Value) -> Result<String, String> {
        let CategoryRule { under, path, default } = &self.category;
        let mut own: Vec<String> =
            path.all(row).iter().filter_map(|level| slugify(level)).map(|slug| slug.to_string()).collect();
        if own.is_empty() {
            own.extend(default.iter().flat_map(|levels| levels.split('/')).map(str::to_owned));
        }
        let mut levels: Vec<String> = under.iter().flat_map(|levels| levels.split('/')).map(str::to_owned).collect();
        levels.extend(own);
        levels.truncate(CATEGORY_DEPTH);
        if levels.is_empty() { Err(format!("no category in {}", path.list())) } else { Ok(levels.join("/")) }
    }

    fn stock(&self, row: &Value) -> Result<u32, String> {
        match self.stock.field.first(row) {
            None => Ok(self.stock.default),
            Some(text) => whole(&text)
                .and_then(|units| u32::try_from(units).ok())
                .ok_or_else(|| format!("the stock `{text}` is not a number of units")),
        }
    }

    /// The attributes, in the order of the rules, up to as many as a product has.
    fn attributes(&self, row: &Value) -> Value {
        let mut all = Map::new();
        for rule in &self.attributes {
            for (field, value) in row.as_object().into_iter().flatten() {
                let Some(name) = field.strip_prefix(&rule.prefix).map(|name| name.trim_matches('_')) else { continue };
                let Some(value) = rule.value(value) else { continue };
                let fits = (1..=LABEL_CHARS).contains(&name.chars().count()) && all.len() < ATTRIBUTES;
                if fits && !all.contains_key(name) {
                    all.insert(name.to_owned(), value);
                }
            }
        }
        Value::Object(all)
    }
}

enum Price {
    Of(i64),
    Skip,
}

impl AttributeRule {
    fn value(&self, value: &Value) -> Option<Value> {
        match (self.kind, value) {
            (AttributeKind::Boolean, Value::Bool(flag)) => (*flag || !self.skip_false).then(|| json!(flag)),
            (AttributeKind::Boolean, Value::String(text)) => match text.as_str() {
                "true" | "1" => Some(json!(true)),
                "false" | "0" if !self.skip_false => Some(json!(false)),
                _ => None,
            },
            (AttributeKind::Number, value) => {
                let text = plain(value)?;
                let number = || Decimal::parse(&text).map(|decimal| json!(decimal));
                Some(whole(&text).map(|number| json!(number)).or_else(number).unwrap_or_else(|| json!(text)))
            }
            (AttributeKind::Text, value) => Some(json!(cut(&plain(value)?, ATTRIBUTE_CHARS))),
            (AttributeKind::Boolean, _) => None,
        }
    }
}

impl Fields {
    fn names(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }

    /// For messages.
    fn list(&self) -> String {
        self.names().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// The first text that one of the fields has.
    fn first(&self, row: &Value) -> Option<String> {
        self.names().iter().find_map(|name| texts(row, name).into_iter().next())
    }

    /// All texts that the fields have, in their order.
    fn all(&self, row: &Value) -> Vec<String> {
        self.names().iter().flat_map(|name| texts(row, name)).collect()
    }
}

/// The texts of a field: of a list each element's. `a.b` is the member `b` of `a`, unless a field is called so.
fn texts(row: &Value, name: &str) -> Vec<String> {
    let value = row.get(name).or_else(|| row.pointer(&format!("/{}", name.replace('.', "/"))));
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(plain).collect(),
        Some(value) => plain(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A whole number, also written as `17.0`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let (digits, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.bytes().all(|b| b == b'0') { digits.parse().ok() } else { None }
}

/// Major units as minor ones: `49.9` is 4990 with two digits. Digits beyond those of the currency must be 0.
pub(crate) fn minor(text: &str, digits: u32) -> Option<i64> {
    let text = text.trim_start_matches(['€', '$', '£']).trim();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let width = usize::try_from(digits).ok()?;
    let (kept, rest) = decimals.split_at(decimals.len().min(width));
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    format!("{whole}{kept:0<width$}").parse().ok()
}

/// At most so many characters, cut at a word where there is one, with an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let short: String = text.chars().take(most.saturating_sub(1)).collect();
    let at = short.rfind(char::is_whitespace).filter(|at| *at > short.len() / 2).unwrap_or(short.len());
    format!("{}…", short[..at].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"
        key = "id"
        name = ["title", "name"]
        description = "text"
        brand = "maker"
        barcode = "ean"
        images = ["big", "small"]
        tags = "labels"
        sku = { field = "id", prefix = "X-" }
        price = { field = "price", unit = "major", currency = "EUR", unknown = "skip" }
        category = { under = "things", path = ["kind", "sort"], default = "other" }
        stock = { field = "count", default = 7 }
        attributes = [
            { prefix = "t_", type = "text" },
            { prefix = "n_", type = "number" },
            { prefix = "b_", type = "boolean", skip_false = true },
        ]
    "#;

    fn mapped(row: Value) -> Result<Row, String> {
        FieldMap::parse(MAP).unwrap().row(&row)
    }

    #[test]
    fn a_row_becomes_a_product() {
        let row = json!({
            "id": "a/1", "title": "", "name": "Thing", "text": "Good", "maker": "Us", "ean": ["123"], "big": "http://x/1",
            "labels": ["new", "old"], "price": 49.9, "kind": ["Große Dinge", "Rot"], "sort": "X", "count": 3,
            "t_colour": "red", "n_width": 17.0, "n_depth": 2.5, "b_new": true, "b_old": false, "q_other": 1,
        });
        let Row::Product(Mapped { body, stock }) = mapped(row).unwrap() else { panic!("left out") };
        assert_eq!((stock[0].0.as_str(), stock[0].1), ("X-a-1", 3));
        assert_eq!(
            body,
            json!({
                "name": "Thing", "description": "Good", "brand": "Us", "category": "things/grosse-dinge/rot/x",
                "tags": ["new", "old"], "images": [{ "url": "http://x/1", "alt": "Thing" }],
                "attributes": { "colour": "red", "width": 17, "depth": 2.5, "new": true },
                "variants": [{ "sku": "X-a-1", "price": { "amount": 4990, "currency": "EUR" }, "barcode": "123" }],
            })
        );
    }

    #[test]
    fn defaults_and_refusals() {
        let bare = |price: Value| mapped(json!({ "id": 1, "name": "A", "price": price }));
        let Row::Product(product) = bare(json!("0.50")).unwrap() else { panic!("left out") };
        assert_eq!((product.body["category"].as_str(), product.stock[0].1), (Some("things/other"), 7));
        assert_eq!(product.body["variants"][0]["price"]["amount"], 50);
        assert!(matches!(bare(json!(0)), Ok(Row::LeftOut)) && matches!(bare(json!(null)), Ok(Row::LeftOut)));
        assert!(bare(json!("cheap")).unwrap_err().contains("`cheap`"));
        assert!(bare(json!(1.005)).unwrap_err().contains("1.005"));
        assert!(mapped(json!({ "name": "A", "price": 1 })).unwrap_err().contains("no key"));
        assert!(mapped(json!({ "id": 1, "price": 1 })).unwrap_err().contains("`title`, `name`"));
        assert!(mapped(json!({ "id": 1, "name": "A", "price": 1, "count": -2 })).unwrap_err().contains("-2"));
    }

    #[test]
    fn an_unknown_price_is_left_out_replaced_or_refused_as_the_map_says() {
        let with = |rule: &str| FieldMap::parse(&MAP.replace(", unknown = \"skip\"", rule)).unwrap();
        let row = json!({ "id": 1, "name": "A", "price": 0 });
        assert!(with("").row(&row).unwrap_err().contains("no price"));
        let Row::Product(product) = with(", unknown = 1999").row(&row).unwrap() else { panic!("left out") };
        assert_eq!(product.body["variants"][0]["price"]["amount"], 1999);
    }

    #[test]
    fn a_map_with_a_mistake_is_refused() {
        for (from, to) in
            [("key = \"id\"", ""), ("unit = \"major\"", "unit = \"mayor\""), ("\"skip\"", "-1"), ("brand", "brant")]
        {
            assert!(FieldMap::parse(&MAP.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn numbers_are_read_without_floats() {
        assert_eq!(minor("49.99", 2), Some(4999));
        assert_eq!(minor("1200", 0), Some(1200));
        assert_eq!(minor("1.2", 3), Some(1200));
        assert_eq!(minor("19.990", 2), Some(1999));
        for bad in ["", ".5", "1,99", "-1", "1e5", "1.999"] {
            assert_eq!(minor(bad, 2), None, "{bad}");
        }
        assert_eq!((whole("17.0"), whole("17"), whole("17.5")), (Some(17), Some(17), None));
        assert_eq!(cut("one two three", 9), "one two…");
    }

    #[test]
    fn the_maps_of_the_documents_are_good() {
        for text in
            [include_str!("../../../docs/examples/icecat.toml"), include_str!("../../../docs/examples/bestbuy.toml")]
        {
            FieldMap::parse(text).unwrap();
        }
    }
}
