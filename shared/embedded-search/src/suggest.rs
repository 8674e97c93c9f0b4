//! Completions, products by what was typed so far, and words that are written alike.

use std::collections::HashMap;

use kernel::ProductId;
use search::query::{Spelling, Suggested, Typed};
use tantivy::query::{BooleanQuery, EnableScoring, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet as _, Score, TERMINATED, Term};

use crate::generation::Index;
use crate::schema::column;

/// A word that begins like what was typed may stand for so many words: the most frequent ones.
const CONTINUATIONS: usize = 30;
/// Of each segment so many completions and words are looked at.
const LOOKED_AT: usize = 20_000;
/// Of each segment so many products are looked at.
const PRODUCTS: usize = 200;
/// A word is only spelt otherwise when it has so many letters.
const SPELT_FROM: usize = 3;
/// From so many letters on a word may differ in two.
const TWO_EDITS_FROM: usize = 8;
/// A longer word is no word.
const SPELT_TO: usize = 40;
/// So many spellings of a word.
const SPELLINGS: usize = 5;

impl Index {
    /// What a shopper may mean.
    pub fn suggest(&self, typed: &Typed) -> tantivy::Result<Suggested> {
        let query: Vec<&str> = typed.words.iter().map(String::as_str).chain([typed.prefix.as_str()]).collect();
        let completions = self.beginning(self.fields.completions, &query.join(" "), typed.limit)?;
        Ok(Suggested {
            completions: completions.into_iter().map(|(text, _)| text).collect(),
            products: self.named(typed)?,
        })
    }

    /// The terms of a field that begin like this, those of most products first.
    fn beginning(&self, field: Field, prefix: &str, most: usize) -> tantivy::Result<Vec<(String, u64)>> {
        if prefix.is_empty() {
            return Ok(Vec::new());
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        for segment in self.searcher().segment_readers() {
            let index = segment.inverted_index(field)?;
            let mut terms = index.terms().range().ge(prefix.as_bytes()).into_stream()?;
            for _ in 0..LOOKED_AT {
                let Some((term, info)) = terms.next().filter(|(term, _)| term.starts_with(prefix.as_bytes())) else {
                    break;
                };
                let text = std::str::from_utf8(term).unwrap_or_default();
                match counts.get_mut(text) {
                    Some(count) => *count += u64::from(info.doc_freq),
                    None => drop(counts.insert(text.to_owned(), u64::from(info.doc_freq))),
                }
            }
        }
        let mut all: Vec<(String, u64)> = counts.into_iter().collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(most);
        Ok(all)
    }

    /// Products whose name has the words and begins a word like the last.
    fn named(&self, typed: &Typed) -> tantivy::Result<Vec<ProductId>> {
        let term = |word: &str| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(self.fields.words, word), IndexRecordOption::WithFreqs))
        };
        let last = self.beginning(self.fields.words, &typed.prefix, CONTINUATIONS)?;
        if last.is_empty() {
            return Ok(Vec::new());
        }
        let last = BooleanQuery::union(last.iter().map(|(word, _)| term(word)).collect());
        let mut all: Vec<(Occur, Box<dyn Query>)> = typed.words.iter().map(|word| (Occur::Must, term(word))).collect();
        all.push((Occur::Must, Box::new(last)));
        let searcher = self.searcher();
        let weight = BooleanQuery::new(all).weight(EnableScoring::enabled_from_searcher(&searcher))?;
        let mut found: Vec<(bool, Score, ProductId)> = Vec::new();
        for segment in searcher.segment_readers() {
            let fast = segment.fast_fields();
            let (Some(ids), stock) = (fast.str(column::ID)?, fast.u64(column::STOCK)) else { continue };
            let mut scorer = weight.scorer(segment, 1.0)?;
            let mut left = PRODUCTS;
            while scorer.doc() != TERMINATED && left > 0 {
                let doc = scorer.doc();
                if !segment.is_deleted(doc) {
                    left -= 1;
                    let in_stock = stock.as_ref().is_ok_and(|stock| stock.first(doc) == Some(1));
                    let mut id = String::new();
                    if let Some(ord) = ids.term_ords(doc).next() {
                        ids.ord_to_str(ord, &mut id)?;
                    }
                    found.extend(ProductId::parse(&id).map(|id| (in_stock, scorer.score(), id)));
                }
                scorer.advance();
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then_with(|| a.2.cmp(&b.2)));
        found.truncate(typed.limit);
        Ok(found.into_iter().map(|(_, _, id)| id).collect())
    }

    /// For each word what else it may be.
    pub fn spellings(&self, words: &[String]) -> tantivy::Result<Vec<Vec<Spelling>>> {
        words.iter().map(|word| self.spelt(word)).collect()
    }

    fn spelt(&self, word: &str) -> tantivy::Result<Vec<Spelling>> {
        let letters = word.chars().count();
        if !(SPELT_FROM..=SPELT_TO).contains(&letters) {
            return Ok(Vec::new());
        }
        let most = if letters >= TWO_EDITS_FROM { 2 } else { 1 };
        let query = FuzzyTermQuery::new(Term::from_field_text(self.fields.words, word), most, true);
        let automaton = query.automaton()?;
        let mut counts: HashMap<String, u64> = HashMap::new();
        for segment in self.searcher().segment_readers() {
            let index = segment.inverted_index(self.fields.words)?;
            let mut terms = index.terms().search(&automaton).into_stream()?;
            while let Some((term, info)) = terms.next() {
                let text = std::str::from_utf8(term).unwrap_or_default();
                *counts.entry(text.to_owned()).or_default() += u64::from(info.doc_freq);
            }
        }
        let mut all: Vec<Spelling> = counts
            .into_iter()
            .map(|(other, products)| Spelling { edits: edits(word, &other), word: other, products })
            .collect();
        all.sort_by(|a, b| a.edits.cmp(&b.edits).then(b.products.cmp(&a.products)).then_with(|| a.word.cmp(&b.word)));
        all.truncate(SPELLINGS);
        Ok(all)
    }
}

/// In how many letters two words differ: left out, put in, exchanged, or two beside each other swapped.
fn edits(from: &str, to: &str) -> u32 {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: [Vec<u32>; 3] = [vec![], vec![], (0..).take(to.len() + 1).collect()];
    for (i, letter) in from.iter().enumerate() {
        rows.rotate_left(1);
        let mut row = vec![rows[1][0] + 1];
        for (j, other) in to.iter().enumerate() {
            let exchanged = rows[1][j] + u32::from(letter != other);
            let mut least = exchanged.min(rows[1][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == to[j - 1] && from[i - 1] == *other {
                least = least.min(rows[0][j - 1] + 1);
            }
            row.push(least);
        }
        rows[2] = row;
    }
    rows[2].last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::edits;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("a", "a", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("ab", "xab", 1), ("abcd", "badc", 2)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }
}
