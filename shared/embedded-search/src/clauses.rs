//! Clauses become tantivy's queries.

use search::{Clause, Field};
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::TokenStream;
use tantivy::{Score, Term};

use crate::generation::Index;
use crate::scaled::ScaledQuery;

/// A word is not longer than this, in bytes: what is longer is in no index.
const TERM_BYTES: usize = 1000;

impl Index {
    /// What every product meets that is for sale.
    pub(crate) fn everything(&self) -> Box<dyn Query> {
        let live = Term::from_field_u64(self.fields.live, 1);
        Box::new(ConstScoreQuery::new(Box::new(TermQuery::new(live, IndexRecordOption::Basic)), 1.0))
    }

    /// The query that a clause is.
    pub(crate) fn clause(&self, clause: &Clause) -> tantivy::Result<Box<dyn Query>> {
        Ok(match clause {
            Clause::Word { field, word, weight } => boosted(self.phrase(*field, &[word])?, *weight),
            Clause::Phrase { field, words, weight } => boosted(self.phrase(*field, words)?, *weight),
            Clause::Best { of, tie } => {
                Box::new(DisjunctionMaxQuery::with_tie_breaker(self.clauses(of)?, hundredths(*tie)))
            }
            Clause::Some { of, least } => self.some(of, *least)?,
            Clause::Rather { must, rather } => {
                let raise = self.clauses(rather)?.into_iter().map(|query| (Occur::Should, query));
                Box::new(BooleanQuery::new([(Occur::Must, self.clause(must)?)].into_iter().chain(raise).collect()))
            }
            Clause::Flat { clause, score } => Box::new(ConstScoreQuery::new(self.clause(clause)?, points(*score))),
            Clause::Scaled { clause, when, by } => {
                Box::new(ScaledQuery { query: self.clause(clause)?, when: self.clause(when)?, by: hundredths(*by) })
            }
            Clause::Accessory => {
                Box::new(TermQuery::new(Term::from_field_u64(self.fields.accessory, 1), IndexRecordOption::Basic))
            }
        })
    }

    fn clauses(&self, of: &[Clause]) -> tantivy::Result<Vec<Box<dyn Query>>> {
        of.iter().map(|clause| self.clause(clause)).collect()
    }

    fn some(&self, of: &[Clause], least: usize) -> tantivy::Result<Box<dyn Query>> {
        let queries = self.clauses(of)?;
        Ok(match least {
            0 => {
                let all: Box<dyn Query> = Box::new(ConstScoreQuery::new(self.everything(), 0.0));
                let raise = queries.into_iter().map(|query| (Occur::Should, query));
                Box::new(BooleanQuery::new([(Occur::Must, all)].into_iter().chain(raise).collect()))
            }
            least if least > queries.len() => Box::new(EmptyQuery),
            least if least == queries.len() => Box::new(BooleanQuery::intersection(queries)),
            least => Box::new(BooleanQuery::union_with_minimum_required_clauses(queries, least)),
        })
    }

    /// Words beside each other in a field.
    fn phrase<T: AsRef<str>>(&self, field: Field, words: &[T]) -> tantivy::Result<Box<dyn Query>> {
        let mut terms = Vec::new();
        for word in words {
            terms.extend(self.terms(field, word.as_ref())?);
        }
        Ok(match terms.len() {
            0 => Box::new(EmptyQuery),
            1 => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::WithFreqs)),
            // Codes have no places.
            _ if field == Field::Codes => Box::new(EmptyQuery),
            _ => Box::new(PhraseQuery::new(terms)),
        })
    }

    /// The terms that a text is in a field.
    fn terms(&self, field: Field, text: &str) -> tantivy::Result<Vec<Term>> {
        let target = self.fields.of(field);
        if text.len() > TERM_BYTES {
            return Ok(Vec::new());
        }
        if field == Field::Codes {
            return Ok(vec![Term::from_field_text(target, &text.to_lowercase())]);
        }
        let mut analyzer = self.index.tokenizer_for_field(target)?;
        let mut stream = analyzer.token_stream(text);
        let mut terms = Vec::new();
        stream.process(&mut |token| terms.push(Term::from_field_text(target, &token.text)));
        Ok(terms)
    }
}

fn boosted(query: Box<dyn Query>, weight: u32) -> Box<dyn Query> {
    if weight == 100 { query } else { Box::new(BoostQuery::new(query, hundredths(weight))) }
}

#[expect(clippy::float_arithmetic, reason = "scores are floats")]
fn hundredths(of: u32) -> Score {
    points(of) / 100.0
}

/// A number as a score.
#[expect(clippy::as_conversions, reason = "above 16 million a score may be off by one, which changes nothing")]
#[expect(clippy::cast_precision_loss, reason = "the same")]
pub(crate) fn points(of: u32) -> Score {
    of as Score
}
