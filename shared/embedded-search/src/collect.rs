//! Hits, in order, and how many there are: one pass over what meets the clause.

use std::collections::{BinaryHeap, HashMap, HashSet};

use kernel::ProductId;
use search::query::{BURIED, PINNED};
use search::{Filters, Found, Position, Query, Sort};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{BooleanQuery, Occur, TermSetQuery};
use tantivy::{Score, SegmentReader, Term};

use crate::clauses::points;
use crate::facets::{Tallies, Tally};
use crate::filters::{Checks, Columns};
use crate::generation::Index;
use crate::schema::column;

/// What hits are ordered by: lower comes first. First whether it has no key, then the key, then the id.
type Rank = (bool, i64);

impl Index {
    /// Finds products.
    pub fn search(&self, query: &Query) -> tantivy::Result<Found> {
        let mut wanted = match &query.clause {
            Some(clause) => self.clause(clause)?,
            None => self.everything(),
        };
        let pins = query.sort == Sort::Relevance && !query.pinned.is_empty();
        if pins {
            let ids = query.pinned.iter().map(|id| Term::from_field_text(self.fields.id, id.as_str()));
            let pinned: Box<dyn tantivy::query::Query> =
                Box::new(BooleanQuery::intersection(vec![self.everything(), Box::new(TermSetQuery::new(ids))]));
            wanted = Box::new(BooleanQuery::new(vec![(Occur::Should, wanted), (Occur::Should, pinned)]));
        }
        let searcher = self.searcher();
        let page = searcher.search(&*wanted, &Hits { query })?;
        let more = page.hits.len() > query.limit;
        let hits: Vec<(Rank, ProductId)> = page.hits.into_iter().take(query.limit).collect();
        let next =
            hits.last().filter(|_| more).map(|(rank, id)| Position { key: key(query.sort, *rank), id: id.clone() });
        Ok(Found {
            hits: hits.into_iter().map(|(_, id)| id).collect(),
            next,
            total: page.total,
            exact: true,
            facets: query.facets.then(|| page.tallies.facets(query)),
        })
    }
}

/// What an order's key is in a position.
fn key(sort: Sort, (missing, key): Rank) -> Option<i64> {
    let descending = sort != Sort::Price;
    (!missing && sort != Sort::Relevance).then(|| if descending { key.saturating_neg() } else { key })
}

/// The same the other way.
fn rank(sort: Sort, key: Option<i64>) -> Rank {
    let descending = sort != Sort::Price;
    key.map_or((true, 0), |key| (false, if descending { key.saturating_neg() } else { key }))
}

struct Hits<'a> {
    query: &'a Query,
}

/// A page, and what was counted.
#[derive(Default)]
struct Page {
    hits: Vec<(Rank, ProductId)>,
    total: u64,
    tallies: Tallies,
}

impl Collector for Hits<'_> {
    type Fruit = Page;
    type Child = SegmentHits;

    fn for_segment(&self, _: u32, segment: &SegmentReader) -> tantivy::Result<SegmentHits> {
        SegmentHits::new(self.query, segment)
    }

    fn requires_scoring(&self) -> bool {
        self.query.sort == Sort::Relevance
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Page>>) -> tantivy::Result<Page> {
        let mut all = Page::default();
        for segment in segments {
            let segment = segment?;
            all.hits.extend(segment.hits);
            all.total += segment.total;
            all.tallies.add(segment.tallies);
        }
        all.hits.sort();
        all.hits.truncate(self.query.limit + 1);
        Ok(all)
    }
}

struct SegmentHits {
    sort: Sort,
    keep: usize,
    columns: Columns,
    checks: Option<Checks>,
    ids: Option<StrColumn>,
    created: Option<Column<i64>>,
    /// What stands before or at the cursor: its rank, and the first id behind it.
    after: Option<(Rank, u64)>,
    /// What is left out.
    without: HashSet<u64>,
    /// Scores of products that are pinned (`Some`) or buried.
    placed: HashMap<u64, Option<Score>>,
    heap: BinaryHeap<(Rank, u64)>,
    total: u64,
    tally: Option<Tally>,
}

impl SegmentHits {
    fn new(query: &Query, segment: &SegmentReader) -> tantivy::Result<Self> {
        let columns = Columns::of(segment, query.currency.as_str())?;
        let checks = Checks::new(&query.filters, &columns)?;
        let fast = segment.fast_fields();
        let ids = fast.str(column::ID)?;
        let ord = |id: &ProductId| match &ids {
            Some(ids) => ids.dictionary().term_ord(id.as_str()),
            None => Ok(None),
        };
        let mut placed = HashMap::new();
        if query.sort == Sort::Relevance {
            for id in &query.buried {
                placed.extend(ord(id)?.map(|ord| (ord, None)));
            }
            let steps = (0_u32..).zip(query.pinned.iter().rev());
            for (step, id) in steps {
                placed.extend(ord(id)?.map(|ord| (ord, Some(points(PINNED + step)))));
            }
        }
        let mut without = HashSet::new();
        for id in &query.without {
            without.extend(ord(id)?);
        }
        let after = match (&query.after, &ids) {
            (Some(position), Some(ids)) if query.sort != Sort::Relevance => {
                Some((rank(query.sort, position.key), behind(ids, &position.id)?))
            }
            _ => None,
        };
        Ok(Self {
            sort: query.sort,
            keep: query.limit + 1,
            tally: query.facets.then(|| Tally::new(&columns, query.filters.attributes.len())),
            checks: (query.filters != Filters::default()).then_some(checks),
            columns,
            ids,
            created: fast.column_opt(column::CREATED)?,
            after,
            without,
            placed,
            heap: BinaryHeap::new(),
            total: 0,
        })
    }

    #[expect(clippy::float_arithmetic, reason = "scores are floats")]
    fn score(&self, ord: u64, score: Score) -> Score {
        if self.placed.is_empty() {
            return score;
        }
        match self.placed.get(&ord) {
            Some(Some(pinned)) => *pinned,
            Some(None) => score / points(BURIED),
            None => score,
        }
    }

    fn rank(&self, doc: u32, ord: u64, score: Score) -> Rank {
        let key = match self.sort {
            // Floats that are not negative sort like their bits.
            Sort::Relevance => Some(i64::from(self.score(ord, score).max(0.0).to_bits())),
            Sort::Price | Sort::PriceDown => self.columns.price.as_ref().and_then(|column| column.first(doc)),
            Sort::Newest => self.created.as_ref().and_then(|column| column.first(doc)),
            Sort::Rating => {
                let rating = self.columns.rating.as_ref().and_then(|column| column.first(doc)).unwrap_or(0);
                i64::try_from(rating).ok()
            }
        };
        rank(self.sort, key)
    }
}

/// The first ordinal whose id is greater.
fn behind(ids: &StrColumn, id: &ProductId) -> tantivy::Result<u64> {
    let mut rest = ids.dictionary().range().gt(id.as_str().as_bytes()).limit(1).into_stream()?;
    Ok(if rest.advance() { rest.term_ord() } else { u64::MAX })
}

impl SegmentCollector for SegmentHits {
    type Fruit = tantivy::Result<Page>;

    fn collect(&mut self, doc: u32, score: Score) {
        let ord = || self.ids.as_ref().and_then(|ids| ids.term_ords(doc).next());
        if !self.without.is_empty() && ord().is_some_and(|ord| self.without.contains(&ord)) {
            return;
        }
        let failed = self.checks.as_ref().map_or(0, |checks| checks.failed(&self.columns, doc));
        if let Some(tally) = &mut self.tally
            && failed.count_ones() <= 1
        {
            tally.count(&self.columns, self.checks.as_ref(), doc, failed);
        }
        if failed != 0 {
            return;
        }
        self.total += 1;
        let Some(ord) = ord() else { return };
        let place = (self.rank(doc, ord, score), ord);
        if self.after.is_some_and(|after| place < after) {
            return;
        }
        if self.heap.len() < self.keep {
            self.heap.push(place);
        } else if self.heap.peek().is_some_and(|worst| place < *worst) {
            self.heap.pop();
            self.heap.push(place);
        }
    }

    fn harvest(self) -> tantivy::Result<Page> {
        let tallies = match self.tally {
            Some(tally) => tally.harvest(&self.columns, self.checks.as_ref())?,
            None => Tallies::default(),
        };
        let mut hits = Vec::with_capacity(self.heap.len());
        let mut id = String::new();
        if let Some(ids) = &self.ids {
            for (rank, ord) in self.heap.into_sorted_vec() {
                ids.ord_to_str(ord, &mut id)?;
                let id = ProductId::parse(&id);
                let id = id.ok_or_else(|| tantivy::TantivyError::InternalError("an id that is none".into()))?;
                hits.push((rank, id));
            }
        }
        Ok(Page { hits, total: self.total, tallies })
    }
}
