//! The fields of an index, and how a product becomes a document of it. However many names attributes have, the fields are
//! the same: a fact is one text of name and value.

use catalog::Attribute;
use search::query::FACET_VALUE_CHARS;
use search::words::each_word;
use search::{Entry, Field};
use serde::{Deserialize, Serialize};
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, INDEXED, IndexRecordOption, JsonObjectOptions, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Language as Stems, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};

/// Stands between the parts of one text: no product has it in a name or a value.
pub(crate) const PART: char = '\u{1}';
/// The tokenizer of prose: words, and of each the stem.
const STEMS: &str = "stems";
/// The tokenizer of words as they stand.
const WORDS: &str = "words";

/// The language that a shop's products are described in: how words are brought to their stems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// By its ISO 639-1 code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            _ => None,
        }
    }

    fn stems(self) -> Stems {
        match self {
            Self::English => Stems::English,
            Self::German => Stems::German,
        }
    }
}

/// The fields.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    pub id: tantivy::schema::Field,
    pub version: tantivy::schema::Field,
    /// 1 of what is for sale; what is gone keeps its version, and has nothing else.
    pub live: tantivy::schema::Field,
    name: tantivy::schema::Field,
    kind: tantivy::schema::Field,
    description: tantivy::schema::Field,
    brand: tantivy::schema::Field,
    category: tantivy::schema::Field,
    tags: tantivy::schema::Field,
    attributes: tantivy::schema::Field,
    codes: tantivy::schema::Field,
    /// The words of names as they stand.
    pub words: tantivy::schema::Field,
    /// Whole queries.
    pub completions: tantivy::schema::Field,
    pub accessory: tantivy::schema::Field,
    paths: tantivy::schema::Field,
    makers: tantivy::schema::Field,
    facts: tantivy::schema::Field,
    prices: tantivy::schema::Field,
    rating: tantivy::schema::Field,
    created: tantivy::schema::Field,
    stock: tantivy::schema::Field,
}

/// The columns that are read for hits, by name.
pub(crate) mod column {
    pub const ID: &str = "id";
    pub const VERSION: &str = "version";
    pub const PATHS: &str = "paths";
    pub const MAKERS: &str = "makers";
    pub const FACTS: &str = "facts";
    pub const PRICES: &str = "prices";
    pub const RATING: &str = "rating";
    pub const CREATED: &str = "created";
    pub const STOCK: &str = "stock";
}

impl Fields {
    /// The schema with these fields.
    pub fn build() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let text = |tokenizer: &str, record| {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(record);
            TextOptions::default().set_indexing_options(indexing)
        };
        let prose = text(STEMS, IndexRecordOption::WithFreqsAndPositions);
        let plain = text(WORDS, IndexRecordOption::WithFreqs);
        let column = TextOptions::default().set_fast("raw");
        let fields = Self {
            id: schema.add_text_field(column::ID, STRING | TextOptions::default().set_fast("raw")),
            version: schema.add_u64_field(column::VERSION, FAST),
            live: schema.add_u64_field("live", INDEXED),
            name: schema.add_text_field("name", prose.clone()),
            kind: schema.add_text_field("kind", prose.clone()),
            description: schema.add_text_field("description", prose.clone()),
            brand: schema.add_text_field("brand", prose.clone()),
            category: schema.add_text_field("category", prose.clone()),
            tags: schema.add_text_field("tags", prose.clone()),
            attributes: schema.add_text_field("attributes", prose),
            codes: schema.add_text_field("codes", STRING),
            words: schema.add_text_field("words", plain),
            completions: schema.add_text_field("completions", STRING),
            accessory: schema.add_u64_field("accessory", INDEXED),
            paths: schema.add_text_field(column::PATHS, column.clone()),
            makers: schema.add_text_field(column::MAKERS, column.clone()),
            facts: schema.add_text_field(column::FACTS, column),
            prices: schema.add_json_field(column::PRICES, JsonObjectOptions::default().set_fast("raw")),
            rating: schema.add_u64_field(column::RATING, FAST),
            created: schema.add_i64_field(column::CREATED, FAST),
            stock: schema.add_u64_field(column::STOCK, FAST),
        };
        (schema.build(), fields)
    }

    /// The field of a clause.
    pub fn of(&self, field: Field) -> tantivy::schema::Field {
        match field {
            Field::Name => self.name,
            Field::Kind => self.kind,
            Field::Description => self.description,
            Field::Brand => self.brand,
            Field::Category => self.category,
            Field::Tags => self.tags,
            Field::Attributes => self.attributes,
            Field::Codes => self.codes,
        }
    }

    /// What is kept of a product that is gone.
    pub fn tombstone(&self, id: &str, version: u64) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.id, id);
        document.add_u64(self.version, version);
        document
    }

    /// A product.
    pub fn document(&self, entry: &Entry) -> TantivyDocument {
        let product = &entry.document;
        let mut document = self.tombstone(product.id.as_str(), product.version);
        document.add_u64(self.live, 1);
        document.add_text(self.name, &product.name);
        document.add_text(self.words, &product.name);
        document.add_text(self.kind, entry.signals.kinds.join(" "));
        document.add_text(self.description, &product.description);
        document.add_text(self.brand, &product.brand);
        document.add_text(self.category, product.category.as_str());
        for tag in &product.tags {
            document.add_text(self.tags, tag);
        }
        for code in &product.codes {
            document.add_text(self.codes, code.to_lowercase());
        }
        for completion in entry.completions() {
            document.add_text(self.completions, completion);
        }
        if entry.signals.accessory {
            document.add_u64(self.accessory, 1);
        }
        for path in product.category.levels() {
            document.add_text(self.paths, path);
        }
        if !product.brand.is_empty() {
            document.add_text(self.makers, maker(&product.brand));
        }
        for option in &product.options {
            document.add_text(self.attributes, option);
        }
        for (name, value) in &product.attributes.0 {
            let text = shown(value);
            if matches!(value, Attribute::Text(_)) {
                document.add_text(self.attributes, &text);
            }
            if text.chars().count() <= FACET_VALUE_CHARS {
                document.add_text(self.facts, fact(name, &text));
            }
        }
        let prices = product.prices.iter().map(|price| (price.currency.to_string(), price.amount.into()));
        document.add_object(self.prices, prices.collect());
        document.add_u64(self.rating, u64::from(product.rating.average.hundredths()));
        document.add_i64(self.created, product.created_at.millis());
        document.add_u64(self.stock, u64::from(product.in_stock));
        document
    }
}

/// A value as shoppers filter by it: text as it is, everything else as JSON writes it.
fn shown(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// A text without the character that stands between parts, and without what would sort before it.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c <= PART { ' ' } else { c }).collect()
}

/// How a brand stands in its column: first what it is compared by, then how it is written.
fn maker(brand: &str) -> String {
    format!("{}{PART}{}", clean(&brand.to_lowercase()), clean(brand))
}

/// What the column has of a brand, whatever its case, begins like this.
pub(crate) fn maker_prefix(brand: &str) -> String {
    format!("{}{PART}", clean(&brand.to_lowercase()))
}

/// How a fact stands in its column: first what it is compared by, then how it is written.
fn fact(name: &str, value: &str) -> String {
    format!("{}{}{PART}{}", fact_prefix(name, Some(value)), clean(name), clean(value))
}

/// What the column has of a fact begins like this, whatever its case: of one value, or of all values.
pub(crate) fn fact_prefix(name: &str, value: Option<&str>) -> String {
    let name = clean(&name.to_lowercase());
    match value {
        Some(value) => format!("{name}{PART}{}{PART}", clean(&value.to_lowercase())),
        None => format!("{name}{PART}"),
    }
}

/// The tokenizers of the fields.
pub(crate) fn tokenizers(language: Language) -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(STEMS, TextAnalyzer::builder(Words::default()).filter(Stemmer::new(language.stems())).build());
    manager.register(WORDS, TextAnalyzer::from(Words::default()));
    manager
}

/// Words as the search service finds them.
#[derive(Clone, Default)]
struct Words {
    tokens: Vec<Token>,
}

/// The words of one text.
struct Stream<'a> {
    tokens: &'a mut Vec<Token>,
    at: usize,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        self.tokens.clear();
        each_word(text, |word, offset_from, offset_to| {
            let position = self.tokens.len();
            self.tokens.push(Token { offset_from, offset_to, position, text: word.to_owned(), position_length: 1 });
        });
        Stream { tokens: &mut self.tokens, at: 0 }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        self.at += 1;
        self.at <= self.tokens.len()
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.tokens[self.at - 1]
    }
}
