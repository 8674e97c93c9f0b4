//! A query whose scores are multiplied where another one is met too.

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, Term};

/// The query.
#[derive(Debug)]
pub(crate) struct ScaledQuery {
    pub query: Box<dyn Query>,
    pub when: Box<dyn Query>,
    pub by: Score,
}

impl Clone for ScaledQuery {
    fn clone(&self) -> Self {
        Self { query: self.query.box_clone(), when: self.when.box_clone(), by: self.by }
    }
}

impl Query for ScaledQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        if !scoring.is_scoring_enabled() {
            return self.query.weight(scoring);
        }
        let when = match scoring.searcher() {
            Some(searcher) => self.when.weight(EnableScoring::disabled_from_searcher(searcher))?,
            None => self.when.weight(EnableScoring::disabled_from_schema(scoring.schema()))?,
        };
        Ok(Box::new(ScaledWeight { query: self.query.weight(scoring)?, when, by: self.by }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.query.query_terms(visitor);
        self.when.query_terms(visitor);
    }
}

struct ScaledWeight {
    query: Box<dyn Weight>,
    when: Box<dyn Weight>,
    by: Score,
}

impl Weight for ScaledWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let (inner, when) = (self.query.scorer(reader, boost)?, self.when.scorer(reader, 1.0)?);
        Ok(Box::new(ScaledScorer { inner, when, by: self.by }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.query.explain(reader, doc)
    }
}

struct ScaledScorer {
    inner: Box<dyn Scorer>,
    when: Box<dyn Scorer>,
    by: Score,
}

impl DocSet for ScaledScorer {
    fn advance(&mut self) -> DocId {
        self.inner.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.inner.seek(target)
    }

    fn doc(&self) -> DocId {
        self.inner.doc()
    }

    fn size_hint(&self) -> u32 {
        self.inner.size_hint()
    }
}

impl Scorer for ScaledScorer {
    #[expect(clippy::float_arithmetic, reason = "scores are floats")]
    fn score(&mut self) -> Score {
        let doc = self.inner.doc();
        let score = self.inner.score();
        if self.when.doc() < doc {
            self.when.seek(doc);
        }
        if self.when.doc() == doc { score * self.by } else { score }
    }
}
