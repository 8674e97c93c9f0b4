//! From what a shopper wrote to what an engine is asked for.

use super::lexicon::{KIND_WORDS, Lexicon, behind_for, endings, singulars};
use super::phrase::{irregular, singular};
use super::retail::RETAIL;
use crate::clause::{Clause, Field};
use crate::words::words;

/// Only so much of a query is read, in characters.
pub const QUERY_CHARS: usize = 400;
/// Only so many words of it are searched.
pub const QUERY_WORDS: usize = 12;
/// The most phrases that are searched beside what was written.
const ALTERNATIVES: usize = 6;
/// The shortest code, in characters: shorter ones are numbers of something.
const CODE_CHARS: usize = 4;

/// What an engine is asked for, and what it is asked for when it finds too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to ask for; `None` when the query has no words.
    pub clause: Option<Clause>,
    /// What to ask for after that, one by one, until there are enough hits: what misses a word, then what has any.
    pub relaxed: Vec<Clause>,
    /// The query with words corrected that no product has. Both spellings are searched.
    pub corrected: Option<String>,
}

/// How much each means counts, in hundredths. The default was found on judged queries (`docs/relevance.md`); with one of them
/// at nothing, that means is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A word in each field.
    pub fields: Vec<(Field, u32)>,
    /// What is added of the other fields' scores when a word is in several.
    pub tie: u32,
    /// A phrase that means the same as what was written.
    pub same: u32,
    /// The same, where it says what kind of thing is wanted.
    pub same_kind: u32,
    /// A word that was corrected.
    pub corrected: u32,
    /// Being the thing that is wanted.
    pub kind: u32,
    /// Being it by each further word: a `mouse pad`, not any pad.
    pub kind_phrase: u32,
    /// What is left of the score of an accessory when a thing is wanted.
    pub accessory: u32,
    /// What is left of the score of what is only *for* what is wanted, when no kind of thing is named: `galaxy s7`.
    pub goes_with: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            fields: vec![
                (Field::Name, 180),
                (Field::Brand, 200),
                (Field::Attributes, 130),
                (Field::Category, 100),
                (Field::Tags, 100),
                (Field::Description, 80),
            ],
            tie: 60,
            same: 30,
            same_kind: 70,
            corrected: 80,
            kind: 150,
            kind_phrase: 50,
            accessory: 40,
            goes_with: 50,
        }
    }
}

/// A word of a query, or several that mean one thing, with what means the same.
#[derive(Debug)]
struct Unit {
    words: Vec<String>,
    /// Words and how much they count, in hundredths.
    same: Vec<(Vec<String>, u32)>,
    /// What the word was corrected to.
    corrected: Option<String>,
}

impl Lexicon {
    /// What a query means. Any text gives a plan of bounded size.
    #[must_use]
    pub fn plan(&self, query: &str) -> Plan {
        self.plan_with(query, &Weights::default())
    }

    /// The same with other weights.
    #[must_use]
    pub fn plan_with(&self, query: &str, weights: &Weights) -> Plan {
        let query = query.char_indices().nth(QUERY_CHARS).map_or(query, |(end, _)| query.get(..end).unwrap_or(query));
        let mut all = words(query);
        all.truncate(QUERY_WORDS);
        let ahead = all.iter().position(|word| RETAIL.is("for", word)).filter(|at| !telling(&all[..*at]).is_empty());
        let (what, rest) = all.split_at(ahead.unwrap_or(all.len()));
        let (mut what, rest) = (telling(what), telling(rest));
        if what.is_empty() && rest.is_empty() {
            what.clone_from(&all);
        }
        let (what, rest) = (self.units(&what, weights), self.units(&rest, weights));
        let corrected = corrected(what.iter().chain(&rest), query, &all);
        let units: Vec<Clause> = what.iter().chain(&rest).map(|unit| unit.clause(weights)).collect();
        let whole = |least: usize| {
            let must = Clause::Some { of: units.clone(), least };
            self.ranked(must, &what, weights, ahead.is_some())
        };
        let count = units.len();
        let mut steps = vec![count];
        if count > 1 {
            steps.push(count - 1);
        }
        if count > 2 {
            steps.push(1);
        }
        let codes = codes(query);
        let mut clauses = steps.into_iter().map(|least| match (codes.clone(), count) {
            (Some(codes), 0) => Some(codes),
            (Some(codes), _) => Some(Clause::Best { of: vec![codes, whole(least)], tie: 0 }),
            (None, 0) => None,
            (None, _) => Some(whole(least)),
        });
        let clause = clauses.next().flatten();
        Plan { clause, relaxed: clauses.flatten().collect(), corrected }
    }

    /// Words, joined where several mean one thing.
    fn units(&self, words: &[String], weights: &Weights) -> Vec<Unit> {
        let singular = singulars(words);
        let mut units = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let unit = (1..=KIND_WORDS).rev().find_map(|many| {
                let (own, key) = (words.get(at..at + many)?, singular.get(at..at + many)?);
                self.unit(own, key, weights)
            });
            let Some(unit) = unit else { break };
            at += unit.words.len();
            units.push(unit);
        }
        units
    }

    /// The unit of some words, if they are one. A single word always is.
    fn unit(&self, own: &[String], key: &[String], weights: &Weights) -> Option<Unit> {
        let mut same: Vec<(Vec<String>, u32)> = Vec::new();
        let mut corrected = None;
        if let [word] = own
            && let Some(one) = irregular(word)
        {
            same.push((vec![one.to_owned()], 100));
        }
        self.add_same(&key.join(" "), own.len(), weights, &mut same);
        let joined = key.concat();
        if own.len() == 2 && weights.same > 0 && self.frequency(&joined) >= 3 {
            same.push((vec![joined.clone()], weights.same));
            self.add_same(&joined, 1, weights, &mut same);
        }
        if let [word] = own
            && same.is_empty()
            && self.frequency(word) == 0
            && key.first().is_none_or(|key| self.frequency(key) == 0 && !self.is_kind(key))
        {
            if let Some((one, two)) = self.split(word) {
                same.push((vec![one.to_owned(), two.to_owned()], weights.corrected));
                self.add_same(&singulars(&[one.to_owned(), two.to_owned()]).join(" "), 1, weights, &mut same);
            } else if let Some(near) = self.nearest(word) {
                same.push((vec![near.to_owned()], weights.corrected));
                self.add_same(&super::retail::folded(near), 1, weights, &mut same);
                corrected = Some(near.to_owned());
            }
        }
        if own.len() > 1 && same.is_empty() {
            return None;
        }
        same.truncate(ALTERNATIVES);
        Some(Unit { words: own.to_vec(), same, corrected })
    }

    /// Phrases that mean the same; a longer one counts less for each word, so that all together count alike.
    fn add_same(&self, phrase: &str, length: usize, weights: &Weights, same: &mut Vec<(Vec<String>, u32)>) {
        if weights.same == 0 {
            return;
        }
        for other in RETAIL.same(phrase) {
            let other: Vec<String> = other.split(' ').map(str::to_owned).collect();
            let many = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let weight = weights.same.saturating_mul(many(length)) / many(other.len()).max(1);
            if !same.iter().any(|(known, _)| *known == other) {
                same.push((other, weight.max(1)));
            }
        }
    }

    /// What meets the words, raised when it is the thing that is wanted, and lowered when it only goes with it.
    fn ranked(&self, must: Clause, what: &[Unit], weights: &Weights, with_for: bool) -> Clause {
        let wanted = self.wanted(what, weights);
        let rather: Vec<Clause> = wanted.iter().map(|(phrase, share)| kind(phrase, *share, weights)).collect();
        let thing = wanted.iter().filter_map(|(phrase, _)| phrase.last()).find(|word| self.is_kind(word));
        let clause = match rather.is_empty() || weights.kind == 0 {
            true => must,
            false => Clause::Rather { must: Box::new(must), rather: vec![Clause::Best { of: rather, tie: 0 }] },
        };
        let (when, by) = match thing {
            Some(word) if self.is_accessory(word) => return clause,
            Some(_) => (Clause::Accessory, weights.accessory),
            None => (goes_with(what), weights.goes_with),
        };
        if by == 100 || with_for {
            return clause;
        }
        Clause::Scaled { clause: Box::new(clause), when: Box::new(when), by }
    }

    /// What kind of thing is wanted, in singular words, as the shopper put it and in words that mean the same; with how much
    /// each counts. The last words say it: `wireless mouse`.
    fn wanted(&self, what: &[Unit], weights: &Weights) -> Vec<(Vec<String>, u32)> {
        let Some((last, before)) = what.split_last() else { return Vec::new() };
        let before: Vec<String> = before.iter().flat_map(|unit| singulars(&unit.words)).collect();
        let own = last.words.last().is_some_and(|word| self.is_kind(&singular(word)));
        let same = if own { weights.same_kind } else { 100 };
        let ways = std::iter::once((&last.words, 100)).chain(last.same.iter().map(|(words, _)| (words, same)));
        let phrases = ways.map(|(words, share)| {
            let phrase: Vec<String> = before.iter().cloned().chain(singulars(words)).collect();
            (phrase, share)
        });
        phrases.collect()
    }
}

impl Unit {
    fn clause(&self, weights: &Weights) -> Clause {
        let own = all_of(&self.words, 100, weights);
        if self.same.is_empty() {
            return own;
        }
        let same = self.same.iter().map(|(words, weight)| all_of(words, *weight, weights));
        Clause::Best { of: std::iter::once(own).chain(same).collect(), tie: 100 }
    }
}

/// Words that say something, of a part of a query: without `the`, and without the `for` itself.
fn telling(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| !RETAIL.is("stop", word) && !RETAIL.is("for", word)).cloned().collect()
}

/// All of these words, each in any field.
fn all_of(words: &[String], share: u32, weights: &Weights) -> Clause {
    let each: Vec<Clause> = words.iter().map(|word| anywhere(word, share, weights)).collect();
    match <[Clause; 1]>::try_from(each) {
        Ok([one]) => one,
        Err(each) => Clause::Some { least: each.len(), of: each },
    }
}

/// A word in any field.
fn anywhere(word: &str, share: u32, weights: &Weights) -> Clause {
    let fields = weights.fields.iter().filter(|(_, weight)| *weight > 0);
    let of = fields.map(|(field, weight)| Clause::Word {
        field: *field,
        word: word.to_owned(),
        weight: (weight.saturating_mul(share) / 100).max(1),
    });
    Clause::Best { of: of.collect(), tie: weights.tie }
}

/// Being a kind of thing, and being it by more words.
fn kind(phrase: &[String], share: u32, weights: &Weights) -> Clause {
    let weighed =
        endings(phrase).into_iter().zip(std::iter::once(weights.kind).chain(std::iter::repeat(weights.kind_phrase)));
    let of = weighed.map(|(word, weight)| Clause::Word {
        field: Field::Kind,
        word,
        weight: (weight.saturating_mul(share) / 100).max(1),
    });
    Clause::Some { of: of.collect(), least: 1 }
}

/// Being for what is wanted, by the name.
fn goes_with(what: &[Unit]) -> Clause {
    let words: Vec<String> = what.iter().flat_map(|unit| singulars(&unit.words)).collect();
    let of: Vec<Clause> =
        words.iter().map(|word| Clause::Word { field: Field::Kind, word: behind_for(word), weight: 100 }).collect();
    Clause::Some { least: of.len(), of }
}

/// The query, or a part of it without spaces, as a SKU or a barcode.
fn codes(query: &str) -> Option<Clause> {
    let lower = query.trim().to_lowercase();
    let whole = std::iter::once(lower.as_str()).filter(|whole| whole.contains(' '));
    let parts = lower.split_whitespace().take(QUERY_WORDS).chain(whole);
    let codes = parts.filter(|part| {
        (CODE_CHARS..=64).contains(&part.chars().count()) && part.contains(|c: char| c.is_ascii_digit())
    });
    let of: Vec<Clause> =
        codes.map(|code| Clause::Word { field: Field::Codes, word: code.to_owned(), weight: 1_000 }).collect();
    (!of.is_empty()).then_some(Clause::Best { of, tie: 0 })
}

/// The query with its corrected words, if there are any.
fn corrected<'a>(units: impl Iterator<Item = &'a Unit>, query: &str, all: &[String]) -> Option<String> {
    let fixed: Vec<(&String, &String)> =
        units.filter_map(|unit| Some((unit.words.first()?, unit.corrected.as_ref()?))).collect();
    if fixed.is_empty() || query.is_empty() {
        return None;
    }
    let better = |word: &String| fixed.iter().find(|(own, _)| *own == word).map_or(word, |(_, near)| near).clone();
    Some(all.iter().map(better).collect::<Vec<String>>().join(" "))
}
