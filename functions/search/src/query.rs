//! What is asked of an index, and what it answers. No engine and no HTTP in here.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CategoryPath, Currency, ProductId};
use serde::{Deserialize, Serialize};

use crate::clause::Clause;

/// Up to so many hits the total is exact; beyond it an engine may stop counting.
pub const TOTAL_EXACT: u64 = 10_000;
/// The most values of one facet.
pub const FACET_VALUES: usize = 20;
/// The most attributes that are counted for one answer: those that most hits have.
pub const FACET_ATTRIBUTES: usize = 10;
/// The most filters by attribute in one query.
pub const ATTRIBUTE_FILTERS: usize = 10;
/// The most values of one filter.
pub const FILTER_VALUES: usize = 50;
/// The longest value of an attribute that is filtered by and counted, in characters; longer ones are prose, and only searched.
pub const FACET_VALUE_CHARS: usize = 60;
/// The most products that are pinned, and the most that are buried, for one query.
pub const PLACED: usize = 50;
/// The score of the last product that is pinned; one before another has one more. No other score comes near it.
pub const PINNED: u32 = 1_000_000;
/// The score of a buried product is divided by this: they stay in their order, behind all others.
pub const BURIED: u32 = 1_000_000;
/// The bounds of the price ranges that are counted, in major units.
pub const PRICE_BOUNDS: [i64; 12] = [10, 25, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000];
/// The averages, in stars, that products are counted by: how many have so many stars or more.
pub const RATING_STEPS: [u32; 4] = [4, 3, 2, 1];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What hits must meet, and what scores them; `None` is met by every product, with one and the same score.
    pub clause: Option<Clause>,
    /// What else they must be.
    pub filters: Filters,
    /// Their order.
    pub sort: Sort,
    /// What prices are in: of filters, facets and the order by price. A product without a price in it is met by no filter by
    /// price, and stands last in an order by price.
    pub currency: Currency,
    /// Whether facets are counted.
    pub facets: bool,
    /// The most hits that are answered.
    pub limit: usize,
    /// Only hits behind this one. A score is no place, since it moves with every write: by [`Sort::Relevance`] this is not
    /// looked at, and `without` is how a page goes on ([`crate::Place`]).
    pub after: Option<Position>,
    /// None of these: they are no hits, and count neither in totals nor in facets.
    pub without: Vec<ProductId>,
    /// These come first by [`Sort::Relevance`], in this order, and are hits although they do not meet the clause; filters hold
    /// for them too.
    pub pinned: Vec<ProductId>,
    /// These come last by [`Sort::Relevance`].
    pub buried: Vec<ProductId>,
}

impl Query {
    /// For everything that meets a clause, best first, without facets.
    #[must_use]
    pub fn of(clause: Option<Clause>, currency: Currency, limit: usize) -> Self {
        Self {
            clause,
            filters: Filters::default(),
            sort: Sort::Relevance,
            currency,
            facets: false,
            limit,
            after: None,
            without: Vec::new(),
            pinned: Vec::new(),
            buried: Vec::new(),
        }
    }
}

/// What hits must be, beside what was searched. Of the values of one filter any will do; all filters must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// In this category or below it.
    pub category: Option<CategoryPath>,
    /// Of one of these brands, whatever their case; none is any.
    pub brands: BTreeSet<String>,
    /// The lowest price is at least this, in minor units.
    pub min_price: Option<i64>,
    /// The lowest price is at most this, in minor units.
    pub max_price: Option<i64>,
    /// The average rating is at least this, in hundredths of a star.
    pub rating_min: Option<u32>,
    /// Whether some of it can be bought.
    pub in_stock: Option<bool>,
    /// By name of the attribute (or option), whatever its case: its value is one of these, whatever their case. A number is
    /// its digits, a flag is `true` or `false`.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
}

/// The order of hits. Hits that are equal in it stand in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The best first.
    #[default]
    Relevance,
    /// The cheapest first.
    Price,
    /// The dearest first; what has no price in the currency still comes last.
    PriceDown,
    /// The latest created first.
    Newest,
    /// The best rated first.
    Rating,
}

/// Where a hit stands in its order. The next page is what stands behind it, whatever was written since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// What the order goes by: minor units, milliseconds, hundredths of stars. `None` for a product that has no price in the
    /// currency, and by [`Sort::Relevance`].
    pub key: Option<i64>,
    /// The hit.
    pub id: ProductId,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// A page of hits, in order.
    pub hits: Vec<ProductId>,
    /// The last hit of the page; `None` when nothing stands behind it.
    pub next: Option<Position>,
    /// How many hits there are, whatever page this is.
    pub total: u64,
    /// Whether that is all of them; if not, there are at least so many.
    pub exact: bool,
    /// How they are spread, when it was asked for.
    pub facets: Option<Facets>,
}

/// How hits are spread. Each facet counts what would be found if its own filter were not set: a shopper who chose one brand
/// sees how many there are of the others. Values stand with the most frequent first, then by their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By category, all levels: `a/b` counts in `a` and in `a/b`.
    pub category: Vec<Count>,
    /// By brand, as it is written.
    pub brand: Vec<Count>,
    /// By lowest price, in ascending order; empty ranges are left out.
    pub price: Vec<PriceCount>,
    /// So many hits have so many stars or more; for each of [`RATING_STEPS`] that any hit has.
    pub rating: Vec<RatingCount>,
    /// How many can be bought.
    pub in_stock: u64,
    /// How many cannot.
    pub sold_out: u64,
    /// By attribute: the [`FACET_ATTRIBUTES`] that most hits have, and those that are filtered by.
    pub attributes: Vec<AttributeCount>,
}

/// How many hits have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The value.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// How many hits have a price in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceCount {
    /// From this on, in minor units.
    pub from: i64,
    /// Below this; `None` without an end.
    pub to: Option<i64>,
    /// How many.
    pub count: u64,
}

/// How many hits are rated so well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatingCount {
    /// So many stars or more.
    pub stars: u32,
    /// How many.
    pub count: u64,
}

/// How hits are spread over the values of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeCount {
    /// Its name, as products have it.
    pub name: String,
    /// Its values.
    pub values: Vec<Count>,
}

/// The price ranges that are counted in a currency, in minor units: from a bound (or nothing) up to the next.
#[must_use]
pub fn price_ranges(currency: Currency) -> Vec<(i64, Option<i64>)> {
    let unit = 10_i64.pow(currency.digits());
    let bounds: Vec<i64> = PRICE_BOUNDS.iter().map(|bound| bound * unit).collect();
    let from = std::iter::once(0).chain(bounds.iter().copied());
    from.zip(bounds.iter().copied().map(Some).chain([None])).collect()
}

/// What a shopper has typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The words before the last, in lower case and without accents.
    pub words: Vec<String>,
    /// The last word, which may go on.
    pub prefix: String,
    /// The most completions, and the most products.
    pub limit: usize,
}

/// What a shopper may mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggested {
    /// Whole queries that go on like this, of those that [`crate::Entry::completions`] gives; those of most products first.
    pub completions: Vec<String>,
    /// Products whose name has the words, and a word that begins like the last.
    pub products: Vec<ProductId>,
}

/// A word of the index that is written like another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// The word, in lower case and without accents.
    pub word: String,
    /// How many letters differ: left out, put in, exchanged, or two beside each other swapped.
    pub edits: u32,
    /// How many products have it in their name.
    pub products: u64,
}
