//! Filters of one segment: which of them a product does not meet.

use std::ops::Bound;

use search::Filters;
use tantivy::SegmentReader;
use tantivy::columnar::{Column, StrColumn};

use crate::schema::{column, fact_prefix, maker_prefix};

/// The filters, by what they are about: each is a bit of what a product does not meet.
pub(crate) mod bit {
    pub const CATEGORY: u32 = 1;
    pub const BRAND: u32 = 1 << 1;
    pub const PRICE: u32 = 1 << 2;
    pub const RATING: u32 = 1 << 3;
    pub const STOCK: u32 = 1 << 4;
    /// The first attribute; the next ones follow.
    pub const FACTS: u32 = 5;
}

/// Ordinals in a column of texts: some ranges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ordinals(Vec<(u64, u64)>);

impl Ordinals {
    /// Those of all texts that begin like one of these.
    fn beginning(column: Option<&StrColumn>, prefixes: impl IntoIterator<Item = String>) -> tantivy::Result<Self> {
        let Some(column) = column else { return Ok(Self::default()) };
        let mut ranges = Vec::new();
        for prefix in prefixes {
            // All prefixes end in a character that can be counted up.
            let mut end = prefix.clone().into_bytes();
            if let Some(last) = end.last_mut() {
                *last += 1;
            }
            let bounds = (Bound::Included(prefix.into_bytes()), Bound::Excluded(end));
            let (from, to) = column.dictionary().term_bounds_to_ord(bounds.0, bounds.1)?;
            let from = match from {
                Bound::Included(from) => from,
                Bound::Excluded(from) => from.saturating_add(1),
                Bound::Unbounded => 0,
            };
            let to = match to {
                Bound::Included(to) => to.saturating_add(1),
                Bound::Excluded(to) => to,
                Bound::Unbounded => u64::MAX,
            };
            if from < to {
                ranges.push((from, to));
            }
        }
        Ok(Self(ranges))
    }

    /// The one of a text.
    fn of(column: Option<&StrColumn>, text: &str) -> tantivy::Result<Self> {
        let Some(column) = column else { return Ok(Self::default()) };
        Ok(Self(column.dictionary().term_ord(text)?.map(|ord| (ord, ord + 1)).into_iter().collect()))
    }

    /// Whether one of them is this.
    pub fn has(&self, ord: u64) -> bool {
        self.0.iter().any(|(from, to)| (*from..*to).contains(&ord))
    }
}

/// The columns of a segment.
pub(crate) struct Columns {
    pub paths: Option<StrColumn>,
    pub makers: Option<StrColumn>,
    pub facts: Option<StrColumn>,
    pub price: Option<Column<i64>>,
    pub rating: Option<Column<u64>>,
    pub stock: Option<Column<u64>>,
}

impl Columns {
    /// Of a segment, with prices in a currency.
    pub fn of(segment: &SegmentReader, currency: &str) -> tantivy::Result<Self> {
        let fast = segment.fast_fields();
        Ok(Self {
            paths: fast.str(column::PATHS)?,
            makers: fast.str(column::MAKERS)?,
            facts: fast.str(column::FACTS)?,
            price: fast.column_opt(&format!("{}.{currency}", column::PRICES))?,
            rating: fast.column_opt(column::RATING)?,
            stock: fast.column_opt(column::STOCK)?,
        })
    }
}

/// What one segment's products are held against.
pub(crate) struct Checks {
    category: Option<Ordinals>,
    brands: Option<Ordinals>,
    price: Option<(i64, i64)>,
    rating: Option<u64>,
    stock: Option<u64>,
    facts: Vec<Ordinals>,
    /// All values of each attribute that is filtered by.
    pub named: Vec<Ordinals>,
}

impl Checks {
    /// The filters of a query, for a segment.
    pub fn new(filters: &Filters, columns: &Columns) -> tantivy::Result<Self> {
        let category = filters.category.as_ref();
        let brands = (!filters.brands.is_empty()).then(|| filters.brands.iter().map(|brand| maker_prefix(brand)));
        let priced = filters.min_price.is_some() || filters.max_price.is_some();
        let facts = columns.facts.as_ref();
        let (mut valued, mut named) = (Vec::new(), Vec::new());
        for (name, values) in &filters.attributes {
            valued.push(Ordinals::beginning(facts, values.iter().map(|value| fact_prefix(name, Some(value))))?);
            named.push(Ordinals::beginning(facts, [fact_prefix(name, None)])?);
        }
        Ok(Self {
            category: category.map(|path| Ordinals::of(columns.paths.as_ref(), path.as_str())).transpose()?,
            brands: brands.map(|brands| Ordinals::beginning(columns.makers.as_ref(), brands)).transpose()?,
            price: priced.then(|| (filters.min_price.unwrap_or(i64::MIN), filters.max_price.unwrap_or(i64::MAX))),
            rating: filters.rating_min.map(u64::from),
            stock: filters.in_stock.map(u64::from),
            facts: valued,
            named,
        })
    }

    /// The bits of the filters that a product does not meet.
    pub fn failed(&self, columns: &Columns, doc: u32) -> u32 {
        let any = |column: &Option<StrColumn>, wanted: &Ordinals| {
            column.as_ref().is_some_and(|column| column.term_ords(doc).any(|ord| wanted.has(ord)))
        };
        let number = |column: &Option<Column<u64>>| column.as_ref().and_then(|column| column.first(doc)).unwrap_or(0);
        let mut failed = 0;
        if self.category.as_ref().is_some_and(|wanted| !any(&columns.paths, wanted)) {
            failed |= bit::CATEGORY;
        }
        if self.brands.as_ref().is_some_and(|wanted| !any(&columns.makers, wanted)) {
            failed |= bit::BRAND;
        }
        if let Some((from, to)) = self.price {
            let price = columns.price.as_ref().and_then(|column| column.first(doc));
            if price.is_none_or(|price| price < from || price > to) {
                failed |= bit::PRICE;
            }
        }
        if self.rating.is_some_and(|least| number(&columns.rating) < least) {
            failed |= bit::RATING;
        }
        if self.stock.is_some_and(|wanted| number(&columns.stock) != wanted) {
            failed |= bit::STOCK;
        }
        for (at, wanted) in (bit::FACTS..).zip(&self.facts) {
            if !any(&columns.facts, wanted) {
                failed |= 1 << at;
            }
        }
        failed
    }
}
