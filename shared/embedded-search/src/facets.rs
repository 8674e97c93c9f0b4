//! How hits are spread: counted by ordinal in each segment, brought together by text.

use std::collections::BTreeMap;

use search::Query;
use search::query::{
    AttributeCount, Count, FACET_ATTRIBUTES, FACET_VALUES, Facets, PriceCount, RATING_STEPS, RatingCount, price_ranges,
};
use tantivy::columnar::StrColumn;

use crate::filters::{Checks, Columns, bit};
use crate::schema::PART;

/// Of one segment at most so many values of attributes are looked at, those of most hits: the others are no facet.
const CANDIDATES: usize = 1000;

/// What is counted in one segment.
pub(crate) struct Tally {
    paths: Vec<u32>,
    makers: Vec<u32>,
    facts: Vec<u32>,
    prices: BTreeMap<i64, u64>,
    ratings: BTreeMap<u64, u64>,
    stock: [u64; 2],
    attribute_filters: usize,
}

/// What was counted, by text.
#[derive(Default)]
pub(crate) struct Tallies {
    paths: BTreeMap<String, u64>,
    makers: BTreeMap<String, u64>,
    facts: BTreeMap<String, u64>,
    prices: BTreeMap<i64, u64>,
    ratings: BTreeMap<u64, u64>,
    stock: [u64; 2],
}

fn slots(column: &Option<StrColumn>) -> Vec<u32> {
    vec![0; column.as_ref().map_or(0, |column| column.num_terms())]
}

fn add(counts: &mut [u32], ord: u64) {
    if let Some(count) = usize::try_from(ord).ok().and_then(|ord| counts.get_mut(ord)) {
        *count += 1;
    }
}

impl Tally {
    /// Nothing was counted yet.
    pub fn new(columns: &Columns, attribute_filters: usize) -> Self {
        Self {
            paths: slots(&columns.paths),
            makers: slots(&columns.makers),
            facts: slots(&columns.facts),
            prices: BTreeMap::new(),
            ratings: BTreeMap::new(),
            stock: [0; 2],
            attribute_filters,
        }
    }

    /// Counts a product that fails no filter, or one: then it counts in that filter's own facet only.
    pub fn count(&mut self, columns: &Columns, checks: Option<&Checks>, doc: u32, failed: u32) {
        let counts = |own: u32| failed & !own == 0;
        if counts(bit::CATEGORY) {
            columns.paths.iter().flat_map(|column| column.term_ords(doc)).for_each(|ord| add(&mut self.paths, ord));
        }
        if counts(bit::BRAND) {
            columns.makers.iter().flat_map(|column| column.term_ords(doc)).for_each(|ord| add(&mut self.makers, ord));
        }
        if counts(bit::PRICE)
            && let Some(price) = columns.price.as_ref().and_then(|column| column.first(doc))
        {
            *self.prices.entry(price).or_default() += 1;
        }
        if counts(bit::RATING) {
            let rating = columns.rating.as_ref().and_then(|column| column.first(doc)).unwrap_or(0);
            *self.ratings.entry(rating / 100).or_default() += 1;
        }
        if counts(bit::STOCK) {
            let stock = columns.stock.as_ref().and_then(|column| column.first(doc)).unwrap_or(0);
            self.stock[usize::from(stock == 1)] += 1;
        }
        self.count_facts(columns, checks, doc, failed);
    }

    fn count_facts(&mut self, columns: &Columns, checks: Option<&Checks>, doc: u32, failed: u32) {
        let Some(facts) = &columns.facts else { return };
        if failed == 0 {
            facts.term_ords(doc).for_each(|ord| add(&mut self.facts, ord));
            return;
        }
        let own = (0..self.attribute_filters).zip(bit::FACTS..).find(|(_, at)| failed == 1 << at);
        if let Some(named) = own.and_then(|(at, _)| checks?.named.get(at)) {
            facts.term_ords(doc).filter(|ord| named.has(*ord)).for_each(|ord| add(&mut self.facts, ord));
        }
    }

    /// By text.
    pub fn harvest(self, columns: &Columns, checks: Option<&Checks>) -> tantivy::Result<Tallies> {
        let named = |ord: u64| checks.is_some_and(|checks| checks.named.iter().any(|named| named.has(ord)));
        Ok(Tallies {
            paths: texts(columns.paths.as_ref(), &self.paths, |_| false)?,
            makers: texts(columns.makers.as_ref(), &self.makers, |_| false)?,
            facts: texts(columns.facts.as_ref(), &self.facts, named)?,
            prices: self.prices,
            ratings: self.ratings,
            stock: self.stock,
        })
    }
}

/// The texts that most have, and those that are kept in any case.
fn texts(
    column: Option<&StrColumn>,
    counts: &[u32],
    keep: impl Fn(u64) -> bool,
) -> tantivy::Result<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    let Some(column) = column else { return Ok(all) };
    let mut found: Vec<(u32, u64)> =
        counts.iter().zip(0..).filter(|(count, _)| **count > 0).map(|(count, ord)| (*count, ord)).collect();
    if found.len() > CANDIDATES {
        found.sort_unstable_by_key(|(count, ord)| (std::cmp::Reverse(*count), *ord));
        let rest = found.split_off(CANDIDATES);
        found.extend(rest.into_iter().filter(|(_, ord)| keep(*ord)));
        found.sort_unstable_by_key(|(_, ord)| *ord);
    }
    let ords: Vec<u64> = found.iter().map(|(_, ord)| *ord).collect();
    let mut counted = found.iter().map(|(count, _)| u64::from(*count));
    column.dictionary().sorted_ords_to_term_cb(&ords, |text| {
        if let Some(count) = counted.next() {
            *all.entry(String::from_utf8_lossy(text).into_owned()).or_default() += count;
        }
    })?;
    Ok(all)
}

impl Tallies {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        fn merge<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        merge(&mut self.paths, other.paths);
        merge(&mut self.makers, other.makers);
        merge(&mut self.facts, other.facts);
        merge(&mut self.prices, other.prices);
        merge(&mut self.ratings, other.ratings);
        for (into, from) in self.stock.iter_mut().zip(other.stock) {
            *into += from;
        }
    }

    /// As it is answered.
    pub fn facets(self, query: &Query) -> Facets {
        let [sold_out, in_stock] = self.stock;
        let price = price_ranges(query.currency).into_iter().filter_map(|(from, to)| {
            let within = self.prices.range(from..).take_while(|(price, _)| to.is_none_or(|to| **price < to));
            let count: u64 = within.map(|(_, count)| count).sum();
            (count > 0).then_some(PriceCount { from, to, count })
        });
        let rating = RATING_STEPS.into_iter().filter_map(|stars| {
            let count: u64 = self.ratings.range(u64::from(stars)..).map(|(_, count)| count).sum();
            (count > 0).then_some(RatingCount { stars, count })
        });
        Facets {
            category: most(self.paths),
            brand: most(written(self.makers)),
            price: price.collect(),
            rating: rating.collect(),
            in_stock,
            sold_out,
            attributes: attributes(self.facts, query),
        }
    }
}

/// Counts by what values are compared by become counts by how they are written first.
fn written(counts: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut by_key: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for (text, count) in counts {
        if let Some((key, shown)) = text.split_once(PART) {
            by_key.entry(key.to_owned()).or_insert_with(|| (shown.to_owned(), 0)).1 += count;
        }
    }
    by_key.into_values().collect()
}

fn most(counts: BTreeMap<String, u64>) -> Vec<Count> {
    let mut all: Vec<Count> = counts.into_iter().map(|(value, count)| Count { value, count }).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    all.truncate(FACET_VALUES);
    all
}

/// The attributes that most hits have, after those that are filtered by.
fn attributes(facts: BTreeMap<String, u64>, query: &Query) -> Vec<AttributeCount> {
    let mut by_name: BTreeMap<String, (String, BTreeMap<String, u64>)> = BTreeMap::new();
    for (text, count) in facts {
        let parts: Vec<&str> = text.split(PART).collect();
        let [key, compared, name, value] = parts[..] else { continue };
        let (_, values) = by_name.entry(key.to_owned()).or_insert_with(|| (name.to_owned(), BTreeMap::new()));
        *values.entry(format!("{compared}{PART}{value}")).or_default() += count;
    }
    let asked = |key: &str| query.filters.attributes.keys().any(|name| name.to_lowercase() == key);
    let mut all: Vec<(bool, u64, AttributeCount)> = by_name
        .into_iter()
        .map(|(key, (name, values))| {
            let total = values.values().sum();
            (asked(&key), total, AttributeCount { name, values: most(written(values)) })
        })
        .collect();
    all.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.cmp(&a.1)).then_with(|| a.2.name.cmp(&b.2.name)));
    let kept = FACET_ATTRIBUTES + query.filters.attributes.len();
    all.into_iter().take(kept).map(|(_, _, count)| count).collect()
}
