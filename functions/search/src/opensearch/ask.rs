//! What is asked of an index: searches, completions and spellings as the bodies of `_search`. Pure.

use kernel::ProductId;
use serde_json::{Value, json};

use super::dsl::{Agg, Bool, Dsl, hundredths, named};
use super::index::{
    ACCESSORY, BRAND_KEY, BRAND_NAME, CATEGORIES, COMPLETIONS, CREATED, FACT_KEY, FACT_NAME, FACT_VALUE,
    FACT_VALUE_KEY, FACTS, ID, IN_STOCK, PLAIN_NAME, RATING, field, key, price,
};
use crate::clause::{Clause, Field};
use crate::query::{
    BURIED, FACET_ATTRIBUTES, FACET_VALUES, Filters, PINNED, Position, Query, RATING_STEPS, Sort, TOTAL_EXACT, Typed,
    price_ranges,
};
use crate::words::WORD_CHARS;

/// The most other spellings of a word that are answered.
pub(super) const SPELLINGS: usize = 5;
/// Of so many near words, the nearest and most frequent are taken.
const NEAR_WORDS: usize = 50;
/// From so many letters on a word may differ in two.
const LONG_WORD: usize = 8;

/// The part of the query that scores.
pub(super) fn clause(asked: &Clause) -> Dsl {
    match asked {
        Clause::Word { field: at, word, weight } => {
            let text = if *at == Field::Codes { key(word) } else { word.clone() };
            Dsl::Match { field: field(*at), text, boost: hundredths(*weight) }
        }
        Clause::Phrase { field: at, words, weight } => {
            Dsl::Phrase { field: field(*at), text: words.join(" "), boost: hundredths(*weight) }
        }
        Clause::Best { of, .. } if of.is_empty() => Dsl::Nothing,
        Clause::Best { of, tie } => Dsl::DisMax { of: of.iter().map(clause).collect(), tie: hundredths(*tie) },
        Clause::Some { of, least } if *least > of.len() => Dsl::Nothing,
        Clause::Some { of, least: 0 } => {
            let all = Dsl::Constant { filter: Box::new(Dsl::All), score: json!(0) };
            Dsl::Bool(Bool { must: vec![all], should: of.iter().map(clause).collect(), ..Bool::default() })
        }
        Clause::Some { of, least } => {
            Dsl::Bool(Bool { should: of.iter().map(clause).collect(), least: *least, ..Bool::default() })
        }
        Clause::Rather { must, rather } => {
            Dsl::Bool(Bool { must: vec![clause(must)], should: rather.iter().map(clause).collect(), ..Bool::default() })
        }
        Clause::Flat { clause: of, score } => Dsl::Constant { filter: Box::new(clause(of)), score: json!(score) },
        Clause::Scaled { clause: of, when, by } => {
            Dsl::Scaled { query: Box::new(clause(of)), when: Box::new(clause(when)), by: hundredths(*by) }
        }
        Clause::Accessory => Dsl::Constant { filter: Box::new(Dsl::Term(ACCESSORY, json!(true))), score: json!(1) },
    }
}

/// The clause, by relevance with what staff pinned before everything else and what they buried behind it.
fn placed(query: &Query) -> Dsl {
    let all = query.clause.as_ref().map_or(Dsl::All, clause);
    if query.sort != Sort::Relevance {
        return all;
    }
    let ids = |of: &[ProductId]| Dsl::Terms(ID, of.iter().map(ToString::to_string).collect());
    let mut best = match query.buried.as_slice() {
        [] => all,
        buried => Dsl::Scaled { query: Box::new(all), when: Box::new(ids(buried)), by: one_in(BURIED) },
    };
    if !query.pinned.is_empty() {
        let scores = (PINNED..).take(query.pinned.len()).collect::<Vec<_>>().into_iter().rev();
        let pins = query
            .pinned
            .iter()
            .zip(scores)
            .map(|(id, score)| Dsl::Constant { filter: Box::new(ids(std::slice::from_ref(id))), score: json!(score) });
        // The best of them alone counts, or a pinned one that also meets the clause would leave its place.
        best = Dsl::DisMax { of: std::iter::once(best).chain(pins).collect(), tie: json!(0) };
    }
    best
}

#[expect(clippy::float_arithmetic, reason = "a factor of scores")]
fn one_in(number: u32) -> Value {
    json!(1.0 / f64::from(number))
}

/// Which facet a filter belongs to, and so does not count for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Facet {
    Category,
    Brand,
    Price,
    Rating,
    Stock,
    Attribute(String),
}

/// Each filter that is set.
fn filters(query: &Query) -> Vec<(Facet, Dsl)> {
    let Filters { category, brands, min_price, max_price, rating_min, in_stock, attributes } = &query.filters;
    let mut all = Vec::new();
    if let Some(path) = category {
        all.push((Facet::Category, Dsl::Term(CATEGORIES, json!(path))));
    }
    if !brands.is_empty() {
        all.push((Facet::Brand, Dsl::Terms(BRAND_KEY, brands.iter().map(|brand| key(brand)).collect())));
    }
    if min_price.is_some() || max_price.is_some() {
        all.push((Facet::Price, Dsl::Range { field: price(query.currency), from: *min_price, to: *max_price }));
    }
    if let Some(least) = rating_min {
        all.push((Facet::Rating, Dsl::Range { field: RATING.into(), from: Some(i64::from(*least)), to: None }));
    }
    if let Some(wanted) = in_stock {
        all.push((Facet::Stock, Dsl::Term(IN_STOCK, json!(wanted))));
    }
    for (name, values) in attributes {
        let values = Dsl::Terms(FACT_VALUE_KEY, values.iter().map(|value| key(value)).collect());
        let fact = Dsl::all_of(vec![Dsl::Term(FACT_KEY, json!(key(name))), values]);
        all.push((Facet::Attribute(key(name)), Dsl::Nested { path: FACTS, query: Box::new(fact) }));
    }
    all
}

/// The body of a search.
pub(super) fn search(query: &Query) -> Value {
    let filters = filters(query);
    let all: Vec<Dsl> = filters.iter().map(|(_, filter)| filter.clone()).collect();
    let mut body = json!({
        // One more than is answered tells whether anything stands behind the page.
        "size": query.limit.saturating_add(1),
        "_source": false,
        "track_total_hits": TOTAL_EXACT,
        "sort": order(query),
    });
    let ids = |of: &[ProductId]| Dsl::Terms(ID, of.iter().map(ToString::to_string).collect());
    let without: Vec<Dsl> = (!query.without.is_empty()).then(|| ids(&query.without)).into_iter().collect();
    if query.facets {
        // Counted before the filters: each count has all of them but its own.
        body["query"] = match without.is_empty() {
            true => placed(query),
            false => Dsl::Bool(Bool { must: vec![placed(query)], must_not: without, ..Bool::default() }),
        }
        .json();
        body["aggs"] = named(&facets(query, &filters));
        if !all.is_empty() {
            body["post_filter"] = Dsl::all_of(all).json();
        }
    } else {
        let all = Bool { must: vec![placed(query)], filter: all, must_not: without, ..Bool::default() };
        body["query"] = Dsl::Bool(all).json();
    }
    if let Some(after) = query.after.as_ref().filter(|_| query.sort != Sort::Relevance) {
        body["search_after"] = json!([after_key(query.sort, after), after.id]);
    }
    body
}

fn order(query: &Query) -> Value {
    let by = match query.sort {
        Sort::Relevance => json!({ "_score": "desc" }),
        Sort::Price => by_price(query, "asc"),
        Sort::PriceDown => by_price(query, "desc"),
        Sort::Newest => json!({ CREATED: "desc" }),
        Sort::Rating => json!({ RATING: "desc" }),
    };
    json!([by, { ID: "asc" }])
}

fn by_price(query: &Query, direction: &str) -> Value {
    // An index in which nothing has a price in this currency has no such field.
    json!({ price(query.currency): { "order": direction, "missing": "_last", "unmapped_type": "long" } })
}

/// What a position is in an order. What has no price stands at the far end of the numbers, as it does in answers.
fn after_key(sort: Sort, after: &Position) -> Value {
    match (sort, after.key) {
        (_, Some(key)) => json!(key),
        (Sort::Price, None) => json!(i64::MAX),
        (_, None) => json!(i64::MIN),
    }
}

/// The names of the counts in a body, where it is read as well.
pub(super) mod count {
    pub(in super::super) const CATEGORY: &str = "category";
    pub(in super::super) const BRAND: &str = "brand";
    pub(in super::super) const PRICE: &str = "price";
    pub(in super::super) const RATING: &str = "rating";
    pub(in super::super) const STOCK: &str = "stock";
    /// Attributes that most hits have; `attributes_0` and so on are those that are filtered by.
    pub(in super::super) const ATTRIBUTES: &str = "attributes";
    pub(in super::super) const COMPLETIONS: &str = "completions";
    /// Inside each of them.
    pub(in super::super) const VALUES: &str = "values";
    pub(in super::super) const NAME: &str = "name";
    pub(in super::super) const FACTS: &str = "facts";
    pub(in super::super) const NAMED: &str = "named";
}

fn facets(query: &Query, filters: &[(Facet, Dsl)]) -> Vec<(String, Agg)> {
    let but = |own: Option<&Facet>| {
        let others = filters.iter().filter(|(facet, _)| Some(facet) != own).map(|(_, filter)| filter.clone());
        Agg::filter(&Dsl::all_of(others.collect()))
    };
    let stars = RATING_STEPS.iter().map(|stars| (i64::from(*stars) * 100, None));
    let mut all: Vec<(String, Agg)> = [
        (count::CATEGORY, Facet::Category, Agg::terms(CATEGORIES, FACET_VALUES)),
        (count::BRAND, Facet::Brand, Agg::terms(BRAND_NAME, FACET_VALUES)),
        (count::PRICE, Facet::Price, Agg::ranges(&price(query.currency), price_ranges(query.currency))),
        (count::RATING, Facet::Rating, Agg::ranges(RATING, stars)),
        (count::STOCK, Facet::Stock, Agg::terms(IN_STOCK, 2)),
    ]
    .into_iter()
    .map(|(name, own, values)| (name.to_owned(), but(Some(&own)).with(count::VALUES, values)))
    .collect();
    let values = || Agg::terms(FACT_VALUE, FACET_VALUES);
    let name = || Agg::terms(FACT_NAME, 1);
    // A product has an attribute once, so counting attributes is counting products.
    let most = Agg::terms_first(FACT_KEY, FACET_ATTRIBUTES).with(count::NAME, name()).with(count::VALUES, values());
    let most = Agg::nested(FACTS).with(count::NAMED, most);
    all.push((count::ATTRIBUTES.to_owned(), but(None).with(count::FACTS, most)));
    for (at, (own, _)) in filters.iter().filter(|(own, _)| matches!(own, Facet::Attribute(_))).enumerate() {
        let Facet::Attribute(key) = own else { continue };
        let one = Agg::filter(&Dsl::Term(FACT_KEY, json!(key)));
        let one = one.with(count::NAME, name()).with(count::VALUES, values());
        let one = Agg::nested(FACTS).with(count::NAMED, one);
        all.push((format!("{}_{at}", count::ATTRIBUTES), but(Some(own)).with(count::FACTS, one)));
    }
    all
}

/// The body that finds what a shopper may mean; `None` when nothing can be meant.
pub(super) fn suggest(typed: &Typed) -> Option<Value> {
    let usable = |word: &String| !word.is_empty() && word.chars().count() <= WORD_CHARS;
    if !usable(&typed.prefix) || !typed.words.iter().all(usable) {
        return None;
    }
    let words = typed.words.iter().map(|word| Dsl::Term(PLAIN_NAME, json!(word)));
    let products = Dsl::all_of(words.chain([Dsl::Prefix(PLAIN_NAME, typed.prefix.clone())]).collect());
    let whole = typed.words.iter().chain([&typed.prefix]).cloned().collect::<Vec<_>>().join(" ");
    let values = Agg::terms_like(COMPLETIONS, typed.limit.max(1), &whole);
    let mut all = vec![];
    // Lucene takes expressions of 1,000 characters; no completion is nearly so long.
    if whole.chars().count() <= WORD_CHARS * 2 {
        let begin = Agg::filter(&Dsl::Prefix(COMPLETIONS, whole)).with(count::VALUES, values);
        all.push((count::COMPLETIONS.to_owned(), Agg::everything().with(count::NAMED, begin)));
    }
    Some(json!({
        "size": typed.limit,
        "_source": false,
        "track_total_hits": false,
        "query": products.json(),
        "sort": [{ IN_STOCK: "desc" }, { RATING: "desc" }, { ID: "asc" }],
        "aggs": named(&all),
    }))
}

/// How many letters of a word may be wrong.
pub(super) fn letters(word: &str) -> u32 {
    if word.chars().count() >= LONG_WORD { 2 } else { 1 }
}

/// Whether a word can be spelt otherwise at all.
pub(super) fn spellable(word: &str) -> bool {
    (1..=WORD_CHARS).contains(&word.chars().count())
}

/// The body that finds how words are spelt: how many products have each in their name, and which words are near it. Words
/// are known by their place.
pub(super) fn spellings(words: &[String]) -> Value {
    let words: Vec<(usize, &String)> = words.iter().enumerate().filter(|(_, word)| spellable(word)).collect();
    let have = |word: &str| Agg::filter(&Dsl::Term(PLAIN_NAME, json!(word)));
    let have: Vec<(String, Agg)> = words.iter().map(|(at, word)| (at.to_string(), have(word))).collect();
    let near = |word: &str| {
        json!({ "text": word, "term": {
            "field": PLAIN_NAME,
            "analyzer": "plain",
            "suggest_mode": "always",
            "max_edits": letters(word),
            "prefix_length": 0,
            "min_word_length": 1,
            "accuracy": 0.01,
            "string_distance": "damerau_levenshtein",
            "size": NEAR_WORDS,
            "shard_size": NEAR_WORDS,
        } })
    };
    let near: serde_json::Map<String, Value> = words.iter().map(|(at, word)| (at.to_string(), near(word))).collect();
    json!({ "size": 0, "track_total_hits": false, "aggs": named(&have), "suggest": near })
}
