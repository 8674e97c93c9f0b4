//! Learning a lexicon from a catalogue: one pass, in any order of products, in bounded memory.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use catalog::Attribute;

use super::lexicon::{Kind, Lexicon, singulars};
use super::phrase::{Run, head, is_lower, runs, singular, without_brand};
use super::retail::RETAIL;
use crate::document::Document;
use crate::words::{each_word, words};

/// The most words, and the most pairs of words, that are counted at one time: about 100 MB. Beyond it the rarest are forgotten.
const COUNTED: usize = 400_000;
/// The most words that a lexicon keeps: the most frequent.
const WORDS: usize = 16_000;
/// The most things that a lexicon tells apart.
const KINDS: usize = 3_000;
/// The most pairs of words, as `phone case`, that a lexicon keeps.
const PAIRS: usize = 2_000;
/// Brands are told apart up to this many for one word.
const BRANDS: usize = 12;
/// The longest value of an attribute whose words are known, in bytes: longer ones are prose.
const VALUE_CHARS: usize = 60;
/// The longest value of an attribute that may say what a thing is, in characters.
const TYPE_CHARS: usize = 40;

/// What was seen of a word, by number of products.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// In names.
    names: u32,
    /// Anywhere in names, brands, descriptions, categories and short attributes.
    texts: u32,
    /// Last of what names a thing: `case` in `leather phone case for …`.
    ends: u32,
    /// The same, where the name or an attribute says what it is for.
    ends_for: u32,
    /// In the name of the brand.
    brand: u32,
    /// In the path of its categories.
    category: u32,
    /// Last in the name of its category.
    leaf: u32,
    /// Last in an attribute that says what type of thing it is.
    types: u32,
    /// How often it is written with a small letter first.
    lower: u32,
    /// How often it is written.
    written: u32,
    /// Whose products' names have it, as hashes.
    brands: Vec<u64>,
}

/// Reads products one by one, and in the end gives what it learned of them.
#[derive(Debug, Default)]
pub struct Learner {
    products: u32,
    seen: BTreeMap<String, Seen>,
    /// How often the second stands behind the first where a thing is named.
    pairs: BTreeMap<(String, String), u32>,
    forgotten: u32,
}

impl Learner {
    /// One more product.
    pub fn see(&mut self, document: &Document) {
        self.products = self.products.saturating_add(1);
        let brand = words(&document.brand);
        let name = without_brand(&document.name, &document.brand);
        let goes_with = goes_with(document);
        let runs = runs(name);
        self.see_names(&runs, &document.brand, goes_with);
        self.see_texts(document, &brand);
        for word in &brand {
            self.word(&singular(word)).brand += 1;
        }
        for word in document.category.as_str().split(['/', '-']).filter(|word| !brand.iter().any(|b| b == word)) {
            self.word(&singular(word)).category += 1;
        }
        let leaf = document.category.as_str().rsplit(['/', '-']).next().unwrap_or_default();
        if !brand.iter().any(|word| word == leaf) {
            self.word(&singular(leaf)).leaf += 1;
        }
        for run in types(document) {
            if let Some(last) = run.words.last() {
                self.word(last).types += 1;
            }
        }
        self.forget();
    }

    fn word(&mut self, word: &str) -> &mut Seen {
        if !self.seen.contains_key(word) {
            self.seen.insert(word.to_owned(), Seen::default());
        }
        self.seen.entry(word.to_owned()).or_default()
    }

    fn see_names(&mut self, runs: &[Run], brand: &str, goes_with: bool) {
        let mut hasher = DefaultHasher::new();
        brand.to_lowercase().hash(&mut hasher);
        let brand = hasher.finish();
        let mut names: Vec<&String> = runs.iter().flat_map(|run| &run.words).collect();
        names.sort();
        names.dedup();
        for word in names {
            let seen = self.word(word);
            seen.names += 1;
            if seen.brands.len() < BRANDS && !seen.brands.contains(&brand) {
                seen.brands.push(brand);
            }
        }
        for run in runs.iter().filter(|run| !run.behind_for) {
            let says = |word: &&String| !RETAIL.is("colour", word) && !RETAIL.is("filler", word);
            let Some(end) = run.words.iter().rposition(|word| says(&word)) else { continue };
            let Some(last) = run.words.get(end) else { continue };
            let seen = self.word(last);
            seen.ends += 1;
            seen.ends_for += u32::from(goes_with);
            for two in run.words.get(end.saturating_sub(2)..=end).unwrap_or_default().windows(2) {
                if let [first, second] = two {
                    *self.pairs.entry((first.clone(), second.clone())).or_default() += 1;
                }
            }
        }
    }

    fn see_texts(&mut self, document: &Document, brand: &[String]) {
        let description = head(&document.description);
        for text in [document.name.as_str(), description] {
            each_word(text, |word, from, to| {
                let lower = is_lower(text.get(from..to).unwrap_or_default());
                let seen = self.word(&singular(word));
                seen.written = seen.written.saturating_add(1);
                seen.lower = seen.lower.saturating_add(u32::from(lower));
            });
        }
        let mut texts: Vec<String> = words(&document.name);
        texts.extend(words(description));
        texts.extend(brand.iter().cloned());
        for value in document.attributes.0.values() {
            if let Attribute::Text(text) = value
                && text.len() <= VALUE_CHARS
            {
                texts.extend(words(text));
            }
        }
        texts.extend(words(document.category.as_str()));
        texts.sort();
        texts.dedup();
        for word in texts {
            self.word(&word).texts += 1;
        }
    }

    /// Lossy counting: when there are too many, those that were seen least go, and the bar is one higher next time.
    fn forget(&mut self) {
        if self.seen.len().max(self.pairs.len()) <= COUNTED {
            return;
        }
        self.forgotten += 1;
        let bar = self.forgotten;
        self.seen.retain(|_, seen| seen.texts.max(seen.names) > bar);
        self.pairs.retain(|_, count| *count > bar);
    }

    /// What was learned.
    #[must_use]
    pub fn finish(self) -> Lexicon {
        let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
        let mut named: Vec<(&String, &Seen)> = self.seen.iter().filter(|(word, seen)| is_kind(word, seen)).collect();
        named.sort_by(|a, b| b.1.ends.cmp(&a.1.ends).then(a.0.cmp(b.0)));
        for (word, seen) in named.into_iter().take(KINDS) {
            kinds.insert(word.clone(), Kind { strength: strength(seen), accessory: false });
        }
        let accessories: Vec<String> = kinds.keys().filter(|kind| self.is_accessory(kind, &kinds)).cloned().collect();
        for kind in accessories {
            kinds.entry(kind).and_modify(|kind| kind.accessory = true);
        }
        let mut pairs: Vec<(&(String, String), &u32)> =
            self.pairs.iter().filter(|(_, count)| **count >= frequent(self.products)).collect();
        pairs.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let pairs = pairs.into_iter().take(PAIRS).map(|((first, second), _)| format!("{first} {second}")).collect();
        let mut known: Vec<(&String, u32)> = self.seen.iter().map(|(word, seen)| (word, seen.texts)).collect();
        known.retain(|(word, texts)| *texts >= 2 && word.len() <= 24 && word.chars().all(char::is_alphabetic));
        known.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let known = known.into_iter().take(WORDS).map(|(word, texts)| (word.clone(), texts)).collect();
        Lexicon::new(self.products, known, kinds, pairs)
    }

    /// Whether half of the things of a kind go with other things: they say what they are for, or another kind of thing
    /// stands before the word, as in `camera bag`.
    fn is_accessory(&self, kind: &str, kinds: &BTreeMap<String, Kind>) -> bool {
        if RETAIL.is("goes-with", kind) {
            return true;
        }
        let Some(seen) = self.seen.get(kind) else { return false };
        let other = |first: &str| {
            let things = self.seen.get(first).map_or(0, |seen| seen.ends);
            first != kind && kinds.contains_key(first) && !RETAIL.is("light", first) && things >= 5
        };
        let behind = self.pairs.iter().filter(|((first, second), _)| second == kind && other(first));
        let behind: u32 = behind.map(|(_, count)| *count).sum();
        seen.ends >= 3 && (seen.ends_for.max(behind)).saturating_mul(2) >= seen.ends
    }
}

/// How often a pair must be seen to be worth keeping.
fn frequent(products: u32) -> u32 {
    (products / 10_000).clamp(2, 20)
}

/// Whether a product says that it goes with another thing.
fn goes_with(document: &Document) -> bool {
    let says = |word: &String| {
        matches!(word.as_str(), "for" | "compatible" | "replaces" | "fits" | "fur" | "pour" | "para" | "per")
    };
    let thing = |word: &str| matches!(word, "brand" | "device" | "model" | "product" | "printer" | "phone" | "vehicle");
    let fact = |name: &String| match singulars(&words(name)).as_slice() {
        [with] => with == "compatibility",
        [what, with] => (with == "compatibility" && thing(what)) || (what == "compatible" && thing(with)),
        _ => false,
    };
    words(&document.name).iter().any(says) || document.attributes.0.keys().any(fact)
}

/// The values of attributes as `product type` that say what a thing is.
pub(super) fn types(document: &Document) -> impl Iterator<Item = Run> {
    document.attributes.0.iter().filter_map(|(name, value)| {
        let Attribute::Text(text) = value else { return None };
        let name = words(name);
        let (last, before) = name.split_last()?;
        let whose = match before {
            [] => true,
            [word] => matches!(word.as_str(), "product" | "item" | "article"),
            _ => false,
        };
        let says = whose && matches!(last.as_str(), "type" | "kind" | "category");
        (says && text.len() <= TYPE_CHARS).then(|| runs(text)).and_then(|runs| runs.into_iter().next())
    })
}

/// Whether a word names a kind of thing: names of several brands end with it, and it is written as a word and not as a name.
fn is_kind(word: &str, seen: &Seen) -> bool {
    if RETAIL.is("acronym", word) || RETAIL.is("goes-with", word) {
        return seen.names > 0;
    }
    let filler = RETAIL.is("filler", word) && !RETAIL.is("light", word);
    let part = |of: u32, all: u32, hundredths: u32| of.saturating_mul(100) > all.saturating_mul(hundredths);
    if word.chars().count() < 3 || filler || !RETAIL.may_name(word) || part(seen.brand, seen.names, 30) {
        return false;
    }
    if word.chars().count() > 5 && word.ends_with("ed") {
        return false;
    }
    let categorised = seen.category >= 3;
    if seen.leaf >= 3 && seen.brands.len() >= 2 && part(seen.lower, seen.written, 20) {
        return part(seen.ends, seen.names, 2);
    }
    if seen.ends < 2 || seen.brands.len() < 2 {
        return categorised && seen.ends > 0;
    }
    if categorised && part(seen.lower, seen.written, 20) {
        return part(seen.ends, seen.names, 5);
    }
    if seen.types >= 3 && part(seen.lower, seen.written, 2) {
        return part(seen.ends, seen.names, 10);
    }
    seen.ends >= 3 && part(seen.lower, seen.written, 10) && part(seen.ends, seen.names, 15)
}

/// How surely a word names a thing where a name has several: higher for a word that mostly stands last, is written small, and
/// is used by many brands.
#[expect(clippy::float_arithmetic, reason = "a score, far from money")]
fn strength(seen: &Seen) -> u16 {
    let share = |of: u32, all: u32| f64::from(of) / f64::from(all.max(1));
    let brands = u32::try_from(seen.brands.len()).unwrap_or(u32::MAX);
    let last = share(seen.ends, seen.names).min(1.0);
    let noun = last * (0.3 + share(seen.lower, seen.written)) * f64::from(brands + 2).ln();
    let often = 0.1 * f64::from(seen.ends + 1).ln();
    let told = 0.5 * f64::from(u8::from(seen.category > 2) + u8::from(seen.types > 2));
    to_hundredths(noun + often + told)
}

/// A small positive number in hundredths.
#[expect(clippy::float_arithmetic, clippy::as_conversions, reason = "a score, far from money; `as` saturates")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
fn to_hundredths(score: f64) -> u16 {
    (score * 100.0).round().clamp(0.0, 10_000.0) as u16
}
