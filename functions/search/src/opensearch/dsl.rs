//! What is said to `OpenSearch`, as types: the few kinds of query, order and aggregation that we use, each with the JSON that
//! it is written as. Pure.

use serde_json::{Map, Number, Value, json};

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dsl {
    /// Every document, with the score 1.
    All,
    /// No document.
    Nothing,
    /// Documents with this very value in a field.
    Term(&'static str, Value),
    /// Documents with one of these very values in a field.
    Terms(&'static str, Vec<String>),
    /// Documents with all words of a text in a field, analysed as the field is; scored by BM25.
    Match { field: &'static str, text: String, boost: Value },
    /// The same for words beside each other, in this order.
    Phrase { field: &'static str, text: String, boost: Value },
    /// Documents with a term that begins like this.
    Prefix(&'static str, String),
    /// Documents with a number from here to there, both included.
    Range { field: String, from: Option<i64>, to: Option<i64> },
    /// The best counts, and so much of the others.
    DisMax { of: Vec<Dsl>, tie: Value },
    /// Clauses together; the scores of `must` and `should` add up.
    Bool(Bool),
    /// Every document that meets the filter, with this score.
    Constant { filter: Box<Dsl>, score: Value },
    /// The score of the query, multiplied where the other is met too.
    Scaled { query: Box<Dsl>, when: Box<Dsl>, by: Value },
    /// Documents that have a nested one that meets this; without a score.
    Nested { path: &'static str, query: Box<Dsl> },
}

/// Clauses together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bool {
    pub(super) must: Vec<Dsl>,
    pub(super) filter: Vec<Dsl>,
    pub(super) must_not: Vec<Dsl>,
    pub(super) should: Vec<Dsl>,
    /// How many of `should` must be met.
    pub(super) least: usize,
}

impl Dsl {
    /// All of these, without a score.
    pub(super) fn all_of(filters: Vec<Self>) -> Self {
        Self::Bool(Bool { filter: filters, ..Bool::default() })
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::All => json!({ "match_all": {} }),
            Self::Nothing => json!({ "match_none": {} }),
            Self::Term(field, value) => json!({ "term": { *field: value } }),
            Self::Terms(field, values) => json!({ "terms": { *field: values } }),
            Self::Match { field, text, boost } => {
                json!({ "match": { *field: { "query": text, "operator": "and", "boost": boost } } })
            }
            Self::Phrase { field, text, boost } => {
                json!({ "match_phrase": { *field: { "query": text, "boost": boost } } })
            }
            Self::Prefix(field, text) => json!({ "prefix": { *field: text } }),
            Self::Range { field, from, to } => {
                let bounds = [("gte", from), ("lte", to)];
                let bounds = bounds.into_iter().filter_map(|(name, bound)| Some((name, bound.as_ref()?)));
                let bounds: Map<String, Value> = bounds.map(|(name, at)| (name.to_owned(), json!(at))).collect();
                json!({ "range": { field: bounds } })
            }
            Self::DisMax { of, tie } => json!({ "dis_max": { "queries": list(of), "tie_breaker": tie } }),
            Self::Bool(parts) => parts.json(),
            Self::Constant { filter, score } => {
                json!({ "constant_score": { "filter": filter.json(), "boost": score } })
            }
            Self::Scaled { query, when, by } => json!({ "function_score": {
                "query": query.json(),
                "functions": [{ "filter": when.json(), "weight": by }],
                "boost_mode": "multiply",
            } }),
            Self::Nested { path, query } => {
                json!({ "nested": { "path": path, "query": query.json(), "score_mode": "none" } })
            }
        }
    }
}

impl Bool {
    fn json(&self) -> Value {
        let mut parts = Map::new();
        let all =
            [("must", &self.must), ("filter", &self.filter), ("must_not", &self.must_not), ("should", &self.should)];
        for (name, clauses) in all {
            if !clauses.is_empty() {
                parts.insert(name.into(), list(clauses));
            }
        }
        if !self.should.is_empty() {
            parts.insert("minimum_should_match".into(), json!(self.least));
        }
        json!({ "bool": parts })
    }
}

fn list(queries: &[Dsl]) -> Value {
    queries.iter().map(Dsl::json).collect()
}

/// A number in hundredths, as a decimal fraction.
pub(super) fn hundredths(number: u32) -> Value {
    let text = format!("{}.{:02}", number / 100, number % 100);
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// How documents are counted, with the counts inside each group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Agg {
    kind: Value,
    inside: Vec<(String, Agg)>,
}

impl Agg {
    fn of(kind: Value) -> Self {
        Self { kind, inside: Vec::new() }
    }

    /// By value, the most frequent first, then by the value itself.
    pub(super) fn terms(field: &str, most: usize) -> Self {
        // Each shard gives more than are asked for, since what is rare in one may be frequent in all.
        Self::of(json!({ "terms": { "field": field, "size": most, "shard_size": most * 5 + 50 } }))
    }

    /// The same, of the values that begin like this only.
    pub(super) fn terms_like(field: &str, most: usize, prefix: &str) -> Self {
        let mut all = Self::terms(field, most);
        // In brackets: OpenSearch 2.19 sees a plain `abc.*`, takes a short cut, and fails when all values stand before `abc`
        // (IncludeExclude.PrefixBackedOrdinalsFilter: IndexOutOfBoundsException).
        all.kind["terms"]["include"] = json!(format!("{}(.*)", escaped(prefix)));
        all
    }

    /// The same; what is counted inside is counted for those that are answered only, not for every value there is.
    pub(super) fn terms_first(field: &str, most: usize) -> Self {
        let mut all = Self::terms(field, most);
        all.kind["terms"]["collect_mode"] = json!("breadth_first");
        all
    }

    /// By ranges of a number: from the first on, below the second.
    pub(super) fn ranges(field: &str, ranges: impl IntoIterator<Item = (i64, Option<i64>)>) -> Self {
        let range = |(from, to): (i64, Option<i64>)| match to {
            Some(to) => json!({ "from": from, "to": to }),
            None => json!({ "from": from }),
        };
        Self::of(json!({ "range": { "field": field, "ranges": ranges.into_iter().map(range).collect::<Value>() } }))
    }

    /// Those that meet a query, as one group.
    pub(super) fn filter(query: &Dsl) -> Self {
        Self::of(json!({ "filter": query.json() }))
    }

    /// Nested documents.
    pub(super) fn nested(path: &str) -> Self {
        Self::of(json!({ "nested": { "path": path } }))
    }

    /// All documents of the index, whatever was asked.
    pub(super) fn everything() -> Self {
        Self::of(json!({ "global": {} }))
    }

    /// With this inside each group.
    pub(super) fn with(mut self, name: impl Into<String>, inside: Self) -> Self {
        self.inside.push((name.into(), inside));
        self
    }

    pub(super) fn json(&self) -> Value {
        let mut all = self.kind.clone();
        if !self.inside.is_empty() {
            all["aggs"] = named(&self.inside);
        }
        all
    }
}

/// Aggregations by name.
pub(super) fn named(all: &[(String, Agg)]) -> Value {
    Value::Object(all.iter().map(|(name, agg)| (name.clone(), agg.json())).collect())
}

/// A text as a regular expression of Lucene's that only this text meets.
fn escaped(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_alphanumeric() && c != ' ' {
            all.push('\\');
        }
        all.push(c);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_decimal_fractions() {
        assert_eq!([0, 1, 50, 100, 12_345].map(|n| hundredths(n).to_string()), ["0.0", "0.01", "0.5", "1.0", "123.45"]);
    }

    #[test]
    fn what_a_shopper_types_is_no_expression() {
        assert_eq!(escaped("a.*b [c]~\"é"), "a\\.\\*b \\[c\\]\\~\\\"é");
    }

    #[test]
    fn empty_parts_are_left_out() {
        assert_eq!(Dsl::all_of(Vec::new()).json(), json!({ "bool": {} }));
        let should = Bool { should: vec![Dsl::All], least: 0, ..Bool::default() };
        assert_eq!(
            Dsl::Bool(should).json(),
            json!({ "bool": { "should": [{ "match_all": {} }], "minimum_should_match": 0 } })
        );
        let open = Dsl::Range { field: "prices.EUR".into(), from: None, to: Some(5) };
        assert_eq!(open.json(), json!({ "range": { "prices.EUR": { "lte": 5 } } }));
    }
}
