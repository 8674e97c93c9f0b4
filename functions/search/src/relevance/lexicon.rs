//! What was learned of a catalogue, and what it says of a product and of a word.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::learn::{Learner, types};
use super::phrase::{runs, singular, without_brand};
use super::retail::RETAIL;
use crate::document::Document;
use crate::entry::Signals;
use crate::words::words;

/// The form that this code reads and writes; a lexicon of another form must be learned anew.
const FORM: u32 = 1;
/// What is said of a kind: so many words of a phrase count, `mobile phone case`.
pub(super) const KIND_WORDS: usize = 3;
/// The most words behind a `for` that are indexed.
const FOR_WORDS: usize = 6;
/// The most kinds that are found for one product.
const KINDS_OF_ONE: usize = 3;

/// A word that names things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind {
    /// How surely it does, in hundredths.
    pub strength: u16,
    /// Whether these things mostly go with other things.
    pub accessory: bool,
}

/// What was learned of a catalogue. It is small, the same for the same products in the same order, and loads in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lexicon {
    form: u32,
    products: u32,
    /// Words as they are written, with how many products have them.
    words: BTreeMap<String, u32>,
    kinds: BTreeMap<String, Kind>,
    pairs: BTreeSet<String>,
    /// Of each word which letters it has: a sieve before letters are compared one by one. In the order of `words`.
    #[serde(skip)]
    letters: Vec<u32>,
}

/// A lexicon that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// It is not a lexicon.
    #[error("not a lexicon: {0}")]
    Damaged(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("a lexicon of form {0} must be learned anew")]
    Form(u32),
}

impl Default for Lexicon {
    /// Of no catalogue: it knows what shops have in common, and nothing else.
    fn default() -> Self {
        Self::new(0, BTreeMap::new(), BTreeMap::new(), BTreeSet::new())
    }
}

impl Lexicon {
    /// Learns from products, in one pass and in bounded memory. The same products in the same order give the same lexicon.
    #[must_use]
    pub fn learn<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut learner = Learner::default();
        for document in documents {
            learner.see(document);
        }
        learner.finish()
    }

    pub(super) fn new(
        products: u32,
        words: BTreeMap<String, u32>,
        kinds: BTreeMap<String, Kind>,
        pairs: BTreeSet<String>,
    ) -> Self {
        Self { form: FORM, products, words, kinds, pairs, letters: Vec::new() }.ready()
    }

    fn ready(mut self) -> Self {
        self.letters = self.words.keys().map(|word| letters(word)).collect();
        self
    }

    /// As bytes, which are worth packing: JSON.
    ///
    /// # Errors
    /// None that a lexicon can give: its keys are text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LexiconError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// From its bytes.
    ///
    /// # Errors
    /// Damaged bytes, or the form of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LexiconError> {
        let lexicon: Self = serde_json::from_slice(bytes)?;
        if lexicon.form == FORM { Ok(lexicon.ready()) } else { Err(LexiconError::Form(lexicon.form)) }
    }

    /// How many products it was learned from.
    #[must_use]
    pub fn products(&self) -> u32 {
        self.products
    }

    /// The words that name kinds of things, and of each whether these mostly go with other things.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, bool)> {
        self.kinds.iter().map(|(word, kind)| (word.as_str(), kind.accessory))
    }

    /// How many products have a word, as it is written.
    pub(super) fn frequency(&self, word: &str) -> u32 {
        self.words.get(word).copied().unwrap_or_default()
    }

    /// Whether a singular word names a kind of thing.
    pub(super) fn is_kind(&self, word: &str) -> bool {
        self.kinds.contains_key(word)
    }

    /// Whether a singular word names things that mostly go with others.
    pub(super) fn is_accessory(&self, word: &str) -> bool {
        self.kinds.get(word).is_some_and(|kind| kind.accessory)
    }

    /// The known word that is nearest to one that is not known: one letter differs, or two when it has eight or more; of
    /// equally near ones the most frequent, and of those one that begins with the same letter first.
    pub(super) fn nearest(&self, word: &str) -> Option<&str> {
        let length = word.chars().count();
        let most: usize = if length >= 8 { 2 } else { 1 };
        if length < 4 || !word.chars().all(char::is_alphabetic) {
            return None;
        }
        let have = letters(word);
        let first = word.chars().next();
        let near = self.words.iter().zip(&self.letters).filter_map(|((known, frequency), letters)| {
            let differ = usize::try_from((letters ^ have).count_ones()).unwrap_or(usize::MAX);
            if differ > most * 2 || known.chars().count().abs_diff(length) > most || known.chars().count() < 4 {
                return None;
            }
            let edits = strsim::osa_distance(known, word);
            let rank = (std::cmp::Reverse(edits), known.chars().next() == first, *frequency);
            (edits <= most).then_some((rank, known))
        });
        near.max_by_key(|(rank, known)| (*rank, std::cmp::Reverse(*known))).map(|(_, known)| known.as_str())
    }

    /// Two known words that an unknown one is made of: `harddrive`.
    pub(super) fn split<'a>(&self, word: &'a str) -> Option<(&'a str, &'a str)> {
        let ends = word.char_indices().map(|(at, _)| at).skip(3);
        let cuts = ends.filter_map(|at| word.split_at_checked(at)).filter(|(_, rest)| rest.chars().count() >= 3);
        let known = cuts.map(|(one, two)| (self.frequency(one).min(self.frequency(two)), (one, two)));
        known.filter(|(frequency, _)| *frequency >= 3).max_by_key(|(frequency, _)| *frequency).map(|(_, two)| two)
    }

    /// What a product is, and whether it goes with other things.
    #[must_use]
    pub fn signals(&self, document: &Document) -> Signals {
        let name = runs(without_brand(&document.name, &document.brand));
        let ahead: Vec<&[String]> = name.iter().filter(|run| !run.behind_for).map(|run| run.words.as_slice()).collect();
        let goes_with = name.len() > ahead.len();
        let mut found: Vec<&[String]> = self.strongest(&ahead).into_iter().collect();
        let types: Vec<Vec<String>> = types(document).map(|run| run.words).collect();
        for words in &types {
            if let Some((kind, true)) = self.thing(words)
                && !found.iter().flat_map(|found| found.iter()).any(|word| Some(word) == kind.last())
            {
                found.push(kind);
            }
        }
        let leaf = if found.is_empty() { self.category(document) } else { Vec::new() };
        found.extend(leaf.iter().map(Vec::as_slice));
        found.truncate(KINDS_OF_ONE);
        let accessory = found.first().is_some_and(|kind| kind.last().is_some_and(|word| self.is_accessory(word)));
        let mut kinds: Vec<String> = found.iter().flat_map(|kind| kind_words(kind)).collect();
        kinds.extend(for_words(document));
        kinds.sort();
        kinds.dedup();
        let names = found.iter().map(|kind| self.usual(kind)).collect();
        Signals { kinds, names, accessory: accessory || (goes_with && says_for(document)) }
    }

    /// What the category says a product is: `cell-phone-cases-clips` has cases and clips, each with what stands before the
    /// first of them.
    fn category(&self, document: &Document) -> Vec<Vec<String>> {
        let leaf = words(document.category.as_str().rsplit('/').next().unwrap_or_default());
        let key = singulars(&leaf);
        let many = |at: &usize| key.get(*at) != leaf.get(*at) && key.get(*at).is_some_and(|word| self.is_kind(word));
        let things: Vec<usize> = (0..leaf.len()).filter(many).collect();
        let before = things.first().copied().unwrap_or_default();
        let ahead = key.get(before.saturating_sub(KIND_WORDS - 1)..before).unwrap_or_default();
        let things = things.iter().filter_map(|at| key.get(*at));
        things.map(|word| ahead.iter().chain([word]).cloned().collect()).collect()
    }

    /// Of the runs of a name the one that most surely names the thing, if any does.
    fn strongest<'a>(&self, runs: &[&'a [String]]) -> Option<&'a [String]> {
        let found = runs.iter().zip(0_u16..).filter_map(|(words, place)| {
            let (kind, sure) = self.thing(words)?;
            let strength = kind.last().and_then(|word| self.kinds.get(word)).map_or(0, |kind| kind.strength);
            let less = place.saturating_mul(25).saturating_add(if sure { 0 } else { 200 });
            Some((i32::from(strength) - i32::from(less), std::cmp::Reverse(place), kind, sure))
        });
        let best = found.max_by_key(|(strength, place, ..)| (*strength, *place));
        best.and_then(|(_, _, kind, sure)| sure.then_some(kind))
    }

    /// What a run of words names, with up to two words before the last; and whether that is sure: nothing stands behind it
    /// but colours and the like.
    fn thing<'a>(&self, words: &'a [String]) -> Option<(&'a [String], bool)> {
        let says = |word: &String| RETAIL.may_name(word) && (!RETAIL.is("filler", word) || RETAIL.is("light", word));
        let mut end = words.iter().rposition(says)? + 1;
        let last = |end: usize| end.checked_sub(1).and_then(|at| words.get(at));
        let light = last(end).is_some_and(|word| RETAIL.is("light", word));
        if light && end > 1 && last(end - 1).is_some_and(|word| self.is_kind(word)) {
            end -= 1;
        }
        let at = words.get(..end)?.iter().rposition(|word| self.is_kind(word))? + 1;
        let from = at.saturating_sub(KIND_WORDS);
        words.get(from..at).map(|kind| (kind, at == end))
    }

    /// The part of a phrase that the catalogue often says: `phone case`, not `glittering phone case`.
    fn usual(&self, kind: &[String]) -> String {
        let mut from = kind.len().saturating_sub(1);
        while from > 0 && kind.get(from - 1..=from).is_some_and(|two| self.pairs.contains(&two.join(" "))) {
            from -= 1;
        }
        kind.get(from..).unwrap_or_default().join(" ")
    }
}

/// The endings of a phrase, each as one word: `case`, `phonecase`, `mobilephonecase`. So a case is found by `case` and, better,
/// by `phone case`, and never by `phone`.
pub(super) fn endings<W: AsRef<str>>(words: &[W]) -> Vec<String> {
    let from = words.len().saturating_sub(KIND_WORDS);
    let joined = |at: usize| words.get(at..).unwrap_or_default().iter().map(AsRef::as_ref).collect::<String>();
    (from..words.len()).rev().map(joined).collect()
}

/// What a phrase is indexed as: its endings, and where it ends with a word that adds little those without it: a tablet PC is
/// a tablet as well.
fn kind_words(kind: &[String]) -> Vec<String> {
    let mut all = endings(kind);
    if let Some((last, before)) = kind.split_last()
        && RETAIL.is("light", last)
        && before.last().is_some_and(|word| RETAIL.may_name(word) && !RETAIL.is("filler", word))
    {
        all.extend(endings(before));
    }
    all
}

/// How a word that stands behind a `for` is indexed among the kinds.
pub(super) fn behind_for(word: &str) -> String {
    format!("for{word}")
}

/// The words behind the first `for` of a name: what the thing goes with.
fn for_words(document: &Document) -> Vec<String> {
    let name = words(&document.name);
    let behind = name.iter().position(|word| is_for(word)).and_then(|at| name.get(at + 1..)).unwrap_or_default();
    behind.iter().take(FOR_WORDS).map(|word| behind_for(&singular(word))).collect()
}

fn is_for(word: &str) -> bool {
    matches!(word, "for" | "compatible" | "replaces" | "fits" | "fur" | "pour" | "para")
}

fn says_for(document: &Document) -> bool {
    words(&document.name)
        .iter()
        .any(|word| matches!(word.as_str(), "for" | "compatible" | "replaces" | "fits" | "fur" | "pour" | "para"))
}

/// Which of 26 letters a word has; other characters share the last bits.
fn letters(word: &str) -> u32 {
    let bit = |c: char| if c.is_ascii_lowercase() { u32::from(c) - u32::from('a') } else { 26 + u32::from(c) % 6 };
    word.chars().fold(0, |all, c| all | 1 << bit(c))
}

/// The singular form in which a lexicon knows a shopper's words.
pub(super) fn singulars(words: &[String]) -> Vec<String> {
    words.iter().map(|word| singular(word)).collect()
}
