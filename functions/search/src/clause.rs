//! What an engine is asked for: the few kinds of clause that both engines have.
//!
//! Words in a clause are as a shopper wrote them, in lower case and without accents. Each engine brings them into the form its
//! fields have them in (stems, prefixes) by itself.

use serde::{Deserialize, Serialize};

/// Where a word is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What the product is called.
    Name,
    /// The words that say what kind of thing it is, as `relevance` found them.
    Kind,
    /// Its prose.
    Description,
    /// Who makes it.
    Brand,
    /// The words of its path in the tree of categories.
    Category,
    /// Its labels.
    Tags,
    /// The values of its facts and options.
    Attributes,
    /// SKUs and barcodes, letter by letter.
    Codes,
}

/// A part of what is asked for. Weights are hundredths: 100 leaves the engine's score (BM25) as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// A word in a field; scored by BM25 in that field.
    Word {
        /// Where.
        field: Field,
        /// Which.
        word: String,
        /// How much its score counts.
        weight: u32,
    },
    /// Words beside each other, in this order; scored by BM25.
    Phrase {
        /// Where.
        field: Field,
        /// Which.
        words: Vec<String>,
        /// How much its score counts.
        weight: u32,
    },
    /// The best of these counts, and `tie` hundredths of each other's score.
    Best {
        /// These.
        of: Vec<Clause>,
        /// How much of the others counts.
        tie: u32,
    },
    /// At least so many of these, and the sum of their scores.
    Some {
        /// These.
        of: Vec<Clause>,
        /// How many must be met; all that are met count.
        least: usize,
    },
    /// What must be met, and what only raises the score.
    Rather {
        /// What must be met.
        must: Box<Clause>,
        /// What raises the score of what meets it.
        rather: Vec<Clause>,
    },
    /// What meets the clause, every one with this score.
    Flat {
        /// The clause.
        clause: Box<Clause>,
        /// The score.
        score: u32,
    },
    /// What meets the clause, with its score multiplied by these hundredths where it also meets the other.
    Scaled {
        /// The clause.
        clause: Box<Clause>,
        /// The other.
        when: Box<Clause>,
        /// Hundredths.
        by: u32,
    },
    /// A product that `relevance` found to be an accessory of other things.
    Accessory,
}
