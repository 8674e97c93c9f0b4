//! The shape of an index: its settings, its mapping, and a product as it is written into it. Pure.
//!
//! Text is cut into words by `words` before it is sent, so that both engines and what was learned of a catalogue have the same
//! ones; what is left to the analyzer is the stem. Free attributes are nested documents of one mapping: five thousand names
//! are five thousand values of one field.

use catalog::Attribute;
use kernel::Currency;
use serde_json::{Map, Value, json};

use crate::clause::Field;
use crate::document::Document;
use crate::entry::Entry;
use crate::query::FACET_VALUE_CHARS;
use crate::words::words;

/// How long the version of a product that was removed is remembered: longer than a message takes that comes late.
const FORGET_REMOVED: &str = "15m";
/// The most characters of a value that is compared as a whole; Lucene takes 32,766 bytes.
const WHOLE_CHARS: usize = 8000;

/// Words of the name without stems: what is completed and spelt.
pub(super) const PLAIN_NAME: &str = "name.plain";
pub(super) const ID: &str = "id";
pub(super) const CODES: &str = "codes";
pub(super) const ACCESSORY: &str = "accessory";
/// All categories it is in, up to the root.
pub(super) const CATEGORIES: &str = "categories";
/// The brand in small letters, which is filtered by, and as it is written, which is counted.
pub(super) const BRAND_KEY: &str = "brand_key";
pub(super) const BRAND_NAME: &str = "brand_name";
pub(super) const RATING: &str = "rating";
pub(super) const IN_STOCK: &str = "in_stock";
pub(super) const CREATED: &str = "created_at";
pub(super) const COMPLETIONS: &str = "completions";
/// Attributes: name and value in small letters, which are filtered by, and as they are written, which are counted.
pub(super) const FACTS: &str = "facts";
pub(super) const FACT_KEY: &str = "facts.key";
pub(super) const FACT_NAME: &str = "facts.name";
pub(super) const FACT_VALUE_KEY: &str = "facts.value_key";
pub(super) const FACT_VALUE: &str = "facts.value";

/// The field of the lowest price in a currency.
pub(super) fn price(currency: Currency) -> String {
    format!("prices.{currency}")
}

/// Where a clause looks.
pub(super) fn field(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Kind => "kind",
        Field::Description => "description",
        Field::Brand => "brand",
        Field::Category => "category",
        Field::Tags => "tags",
        Field::Attributes => "attributes",
        Field::Codes => CODES,
    }
}

/// What a language's stemmer is called (Snowball's, as in the embedded engine); `None` leaves words as they are.
fn stemmer(language: &str) -> Option<&'static str> {
    Some(match language {
        "en" => "English",
        "de" => "German",
        "fr" => "French",
        "es" => "Spanish",
        "it" => "Italian",
        "nl" => "Dutch",
        "pt" => "Portuguese",
        "sv" => "Swedish",
        "da" => "Danish",
        "no" => "Norwegian",
        "fi" => "Finnish",
        _ => return None,
    })
}

/// The body that makes an index of so many shards for texts in a language, under an alias from its first instant on.
pub(super) fn body(language: &str, shards: u32, alias: &str) -> Value {
    let stem = stemmer(language);
    let filters: Vec<&str> = stem.iter().map(|_| "stem").collect();
    let mut analysis = json!({
        "analyzer": {
            "stems": { "type": "custom", "tokenizer": "whitespace", "filter": filters },
            "plain": { "type": "custom", "tokenizer": "whitespace" },
        },
    });
    if let Some(language) = stem {
        analysis["filter"] = json!({ "stem": { "type": "snowball", "language": language } });
    }
    json!({
        "settings": { "index": {
            "number_of_shards": shards,
            // None on one node, one where there are more.
            "auto_expand_replicas": "0-1",
            // Said, or an index that nobody searches for half a minute is not refreshed before somebody does.
            "refresh_interval": "1s",
            "gc_deletes": FORGET_REMOVED,
            "analysis": analysis,
        } },
        "mappings": { "dynamic": "strict", "dynamic_templates": [prices()], "properties": properties() },
        "aliases": { alias: {} },
    })
}

/// A currency is a field of its own, made when the first product with a price in it comes.
fn prices() -> Value {
    json!({ "prices": { "path_match": "prices.*", "mapping": { "type": "long" } } })
}

fn properties() -> Value {
    let text = || json!({ "type": "text", "analyzer": "stems" });
    let whole = || json!({ "type": "keyword" });
    let mut name = text();
    name["fields"] = json!({ "plain": {
        "type": "text",
        "analyzer": "plain",
        // The first letters of each word are terms: completing is looking up.
        "index_prefixes": { "min_chars": 1, "max_chars": 10 },
    } });
    json!({
        "id": whole(),
        "name": name,
        "kind": text(),
        "description": text(),
        "brand": text(),
        "category": text(),
        "tags": text(),
        "attributes": text(),
        "codes": whole(),
        "accessory": { "type": "boolean" },
        "categories": whole(),
        "brand_key": whole(),
        "brand_name": whole(),
        "rating": { "type": "long" },
        "in_stock": { "type": "boolean" },
        "created_at": { "type": "long" },
        "prices": { "type": "object", "dynamic": true },
        "completions": whole(),
        "facts": { "type": "nested", "properties": {
            "key": whole(), "name": whole(), "value_key": whole(), "value": whole(),
        } },
    })
}

/// A product as it is written.
pub(super) fn document(entry: &Entry) -> Value {
    let Entry { document, signals } = entry;
    let prices: Map<String, Value> =
        document.prices.iter().map(|price| (price.currency.to_string(), json!(price.amount))).collect();
    let mut all = json!({
        "id": document.id,
        "name": in_words(&document.name),
        "kind": signals.kinds,
        "description": in_words(&document.description),
        "brand": in_words(&document.brand),
        "category": in_words(document.category.as_str()),
        "tags": document.tags.iter().map(|tag| in_words(tag)).collect::<Vec<_>>(),
        "attributes": attribute_texts(document),
        "codes": document.codes.iter().map(|code| key(code)).collect::<Vec<_>>(),
        "accessory": signals.accessory,
        "categories": document.category.levels().collect::<Vec<_>>(),
        "rating": document.rating.average.hundredths(),
        "in_stock": document.in_stock,
        "created_at": document.created_at.millis(),
        "prices": prices,
        "completions": entry.completions(),
        "facts": facts(document),
    });
    if !document.brand.is_empty() {
        all[BRAND_KEY] = json!(key(&document.brand));
        all[BRAND_NAME] = json!(document.brand);
    }
    all
}

fn in_words(text: &str) -> String {
    words(text).join(" ")
}

/// What is compared as a whole, whatever its case.
pub(super) fn key(text: &str) -> String {
    text.to_lowercase().chars().take(WHOLE_CHARS).collect()
}

fn attribute_texts(document: &Document) -> Vec<String> {
    // Numbers and flags are filtered by, and say nothing by themselves.
    let values = document.attributes.0.values().filter_map(|value| match value {
        Attribute::Text(text) => Some(in_words(text)),
        Attribute::Number(_) | Attribute::Decimal(_) | Attribute::Flag(_) => None,
    });
    values.chain(document.options.iter().map(|option| in_words(option))).collect()
}

/// The attributes that are filtered by and counted. Long texts are prose.
fn facts(document: &Document) -> Vec<Value> {
    let value = |value: &Attribute| match value {
        Attribute::Text(text) => (text.chars().count() <= FACET_VALUE_CHARS).then(|| text.clone()),
        Attribute::Number(number) => Some(number.to_string()),
        Attribute::Decimal(number) => Some(number.to_string()),
        Attribute::Flag(flag) => Some(flag.to_string()),
    };
    let all = document.attributes.0.iter().filter_map(|(name, attribute)| Some((name, value(attribute)?)));
    all.map(|(name, value)| json!({ "key": key(name), "name": name, "value_key": key(&value), "value": value }))
        .collect()
}
