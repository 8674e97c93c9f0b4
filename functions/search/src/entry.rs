//! What an index is given of a product: the product, and what `relevance` found out about it.

use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::words::words;

/// The longest completion, in characters.
const COMPLETION_CHARS: usize = 60;

/// What `relevance` found out about a product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// What kind of thing it is, as [`crate::Field::Kind`] has it: singular, in lower case and without accents, and each
    /// ending of a phrase as one word: `case` and `phonecase`. So a case for phones is met by `case` and not by `phone`.
    pub kinds: Vec<String>,
    /// The same for people to read: `phone case`.
    #[serde(default)]
    pub names: Vec<String>,
    /// Whether it is an accessory of other things.
    pub accessory: bool,
}

/// What an index is given of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The product.
    pub document: Document,
    /// What was found out about it.
    pub signals: Signals,
}

impl Entry {
    /// The queries that this product is an answer to, as shoppers may complete what they type: its kinds, its brand, both
    /// together, and its category. In lower case and without accents, each once.
    #[must_use]
    pub fn completions(&self) -> Vec<String> {
        let brand = words(&self.document.brand).join(" ");
        let leaf = self.document.category.as_str().rsplit('/').next().unwrap_or_default().replace('-', " ");
        let mut all: Vec<String> = vec![brand.clone(), leaf];
        for kind in &self.signals.names {
            all.push(kind.clone());
            all.push(format!("{brand} {kind}"));
        }
        for text in &mut all {
            *text = text.trim().to_owned();
        }
        all.retain(|text| (2..=COMPLETION_CHARS).contains(&text.chars().count()));
        all.sort();
        all.dedup();
        all
    }
}
