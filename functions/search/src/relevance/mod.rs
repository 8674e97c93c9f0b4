//! What a query means, and what a product says of itself. Pure.

use crate::clause::{Clause, Field};
use crate::document::Document;
use crate::entry::Signals;
use crate::words::words;

/// The most words of a query that are looked for.
const WORDS: usize = 20;

/// What is known of the words of a shop.
#[derive(Clone, Debug, Default)]
pub struct Lexicon;

/// What a query means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What products must meet, and how they are scored; `None` when there is nothing to look for.
    pub clause: Option<Clause>,
    /// What is asked instead when nothing meets it, one after the other.
    pub relaxed: Vec<Clause>,
}

impl Lexicon {
    /// What a product says of itself.
    #[must_use]
    pub fn signals(&self, _: &Document) -> Signals {
        Signals::default()
    }

    /// What a query means.
    #[must_use]
    pub fn plan(&self, query: &str) -> Plan {
        let mut words = words(query);
        words.truncate(WORDS);
        if words.is_empty() {
            return Plan { clause: None, relaxed: Vec::new() };
        }
        let code = Clause::Word { field: Field::Codes, word: query.trim().to_lowercase(), weight: 1000 };
        let each: Vec<Clause> = words.iter().map(|word| anywhere(word)).collect();
        let (all, half) = (each.len(), each.len().div_ceil(2));
        let some = |least: usize| Clause::Some { of: each.clone(), least };
        let clause = Clause::Best { of: vec![some(all), code], tie: 0 };
        let relaxed = if half < all { vec![some(half), some(1)] } else { Vec::new() };
        Plan { clause: Some(clause), relaxed }
    }
}

/// A word in any field.
fn anywhere(word: &str) -> Clause {
    let weights = [
        (Field::Name, 300),
        (Field::Kind, 200),
        (Field::Brand, 200),
        (Field::Category, 150),
        (Field::Tags, 150),
        (Field::Attributes, 100),
        (Field::Description, 50),
    ];
    let of = weights.map(|(field, weight)| Clause::Word { field, word: word.to_owned(), weight });
    Clause::Best { of: of.into(), tie: 20 }
}
