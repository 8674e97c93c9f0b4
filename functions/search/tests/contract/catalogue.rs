//! A small catalogue to search in.

use std::collections::BTreeMap;

use catalog::{Attribute, Attributes, Average, Rating};
use kernel::{CategoryPath, Currency, Money, ProductId, Slug, Timestamp};
use search::{Clause, Document, Entry, Field, Query, SearchEngine, Signals, Target, Write, Written};

/// An id that is the same for the same name; ids sort as their names do.
pub fn id(name: &str) -> ProductId {
    ProductId::parse(&format!("prd_{name:0<14}")).unwrap()
}

/// A product in stock at 10.00 EUR, in version 1.
pub fn product(key: &str, name: &str) -> Entry {
    let document = Document {
        id: id(key),
        slug: Slug::parse(key).unwrap(),
        name: name.into(),
        description: String::new(),
        brand: String::new(),
        category: CategoryPath::parse("things").unwrap(),
        tags: Vec::new(),
        attributes: Attributes::default(),
        options: Vec::new(),
        codes: Vec::new(),
        skus: Vec::new(),
        prices: vec![Money::new(1000, Currency::EUR)],
        rating: Rating::default(),
        image: None,
        in_stock: true,
        created_at: Timestamp::from_millis(1_700_000_000_000),
        version: 1,
    };
    Entry { document, signals: Signals::default() }
}

/// How a test changes a product.
pub trait Changed {
    fn brand(self, brand: &str) -> Self;
    fn category(self, path: &str) -> Self;
    fn price(self, amount: i64) -> Self;
    fn rated(self, hundredths: u32) -> Self;
    fn attribute(self, name: &str, value: Attribute) -> Self;
    fn text(self, name: &str, value: &str) -> Self;
    fn sold_out(self) -> Self;
    fn created(self, seconds: i64) -> Self;
    fn version(self, version: u64) -> Self;
    fn kinds(self, kinds: &[&str]) -> Self;
    fn put(self) -> Write;
}

impl Changed for Entry {
    fn brand(mut self, brand: &str) -> Self {
        self.document.brand = brand.into();
        self
    }
    fn category(mut self, path: &str) -> Self {
        self.document.category = CategoryPath::parse(path).unwrap();
        self
    }
    fn price(mut self, amount: i64) -> Self {
        self.document.prices = vec![Money::new(amount, Currency::EUR)];
        self
    }
    fn rated(mut self, hundredths: u32) -> Self {
        self.document.rating = Rating { average: Average::from_hundredths(hundredths), count: 3 };
        self
    }
    fn attribute(mut self, name: &str, value: Attribute) -> Self {
        self.document.attributes.0.insert(name.into(), value);
        self
    }
    fn text(self, name: &str, value: &str) -> Self {
        self.attribute(name, Attribute::Text(value.into()))
    }
    fn sold_out(mut self) -> Self {
        self.document.in_stock = false;
        self
    }
    fn created(mut self, seconds: i64) -> Self {
        self.document.created_at = Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        self
    }
    fn version(mut self, version: u64) -> Self {
        self.document.version = version;
        self
    }
    fn kinds(mut self, kinds: &[&str]) -> Self {
        self.signals.kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.signals.names = self.signals.kinds.clone();
        self
    }
    fn put(self) -> Write {
        Write::Put(Box::new(self))
    }
}

/// Writes all of these, which must be taken, and makes them found.
pub async fn fill(engine: &dyn SearchEngine, entries: impl IntoIterator<Item = Entry>) {
    let writes: Vec<Write> = entries.into_iter().map(Changed::put).collect();
    for batch in writes.chunks(search::port::BATCH) {
        let written = engine.write(Target::Live, batch).await.unwrap();
        assert!(written.iter().all(|written| *written == Written::Applied), "{written:?}");
    }
    engine.refresh().await.unwrap();
}

/// A word in the name.
pub fn word(word: &str) -> Clause {
    in_field(Field::Name, word)
}

/// A word in a field.
pub fn in_field(field: Field, word: &str) -> Clause {
    Clause::Word { field, word: word.into(), weight: 100 }
}

/// A question for a clause, up to 50 hits.
pub fn ask(clause: Clause) -> Query {
    Query::of(Some(clause), Currency::EUR, 50)
}

/// A question for everything.
pub fn everything() -> Query {
    Query::of(None, Currency::EUR, 50)
}

/// The hits of a question, by the names of [`id`] that were filled in.
pub async fn hits(engine: &dyn SearchEngine, query: &Query, names: &[&str]) -> Vec<String> {
    let known: BTreeMap<ProductId, &str> = names.iter().map(|name| (id(name), *name)).collect();
    let found = engine.search(query).await.unwrap();
    found.hits.iter().map(|hit| known.get(hit).map_or_else(|| hit.to_string(), |name| (*name).to_owned())).collect()
}

/// The same, sorted by name: where the order does not matter.
pub async fn set(engine: &dyn SearchEngine, query: &Query, names: &[&str]) -> Vec<String> {
    let mut found = hits(engine, query, names).await;
    found.sort();
    found
}
