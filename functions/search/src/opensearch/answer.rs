//! What `OpenSearch` answers, read. Pure. What is not as expected is said, and never guessed.

use kernel::{Currency, ProductId};
use serde::Deserialize;
use serde_json::Value;

use super::ask::{SPELLINGS, count, letters, spellable};
use crate::port::Written;
use crate::query::{
    AttributeCount, Count, Facets, Found, Position, PriceCount, Query, RATING_STEPS, RatingCount, Sort, Spelling,
    Suggested, price_ranges,
};

/// An answer that is not as it must be; the text says where.
pub(super) type Read<T> = Result<T, String>;

#[derive(Deserialize)]
struct Searched {
    #[serde(default)]
    timed_out: bool,
    hits: Hits,
    #[serde(default)]
    aggregations: Value,
    #[serde(default)]
    suggest: Value,
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    total: Option<Total>,
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
    relation: String,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    sort: Vec<Value>,
}

impl Searched {
    /// A part of the products is not all of them: totals, facets and pages would be wrong.
    fn read(body: &[u8]) -> Read<Self> {
        let all: Self = serde_json::from_slice(body).map_err(|error| format!("an answer to a search: {error}"))?;
        if all.timed_out || all.shards.failed > 0 {
            return Err(format!("{} shards gave no answer", all.shards.failed));
        }
        Ok(all)
    }
}

impl Hit {
    fn product(&self) -> Read<ProductId> {
        ProductId::parse(&self.id).ok_or_else(|| "a hit whose id is no product's".to_owned())
    }
}

/// What was found.
pub(super) fn found(query: &Query, body: &[u8]) -> Read<Found> {
    let answer = Searched::read(body)?;
    let mut hits = answer.hits.hits;
    let more = hits.len() > query.limit;
    hits.truncate(query.limit);
    let next = match hits.last().filter(|_| more) {
        Some(last) => Some(Position { key: position(query.sort, last)?, id: last.product()? }),
        None => None,
    };
    let total = answer.hits.total.ok_or("no total")?;
    let facets = if query.facets { Some(facets(query.currency, &answer.aggregations)?) } else { None };
    Ok(Found {
        hits: hits.iter().map(Hit::product).collect::<Read<_>>()?,
        next,
        total: total.value,
        exact: total.relation == "eq",
        facets,
    })
}

fn position(sort: Sort, hit: &Hit) -> Read<Option<i64>> {
    let key = hit.sort.first().ok_or("a hit without its place")?;
    match sort {
        Sort::Relevance => Ok(None),
        // What has no price stands at the far end of the numbers.
        Sort::Price => Ok(key.as_i64().filter(|key| *key != i64::MAX)),
        Sort::PriceDown => Ok(key.as_i64().filter(|key| *key != i64::MIN)),
        Sort::Newest | Sort::Rating => key.as_i64().map(Some).ok_or_else(|| "a place that is no number".to_owned()),
    }
}

#[derive(Deserialize)]
struct Bucket {
    #[serde(default)]
    key: Value,
    key_as_string: Option<String>,
    doc_count: u64,
}

fn buckets(values: &Value) -> Read<Vec<Bucket>> {
    Vec::<Bucket>::deserialize(&values["buckets"]).map_err(|error| format!("counts: {error}"))
}

fn counts(values: &Value) -> Read<Vec<Count>> {
    let text = |bucket: Bucket| {
        let value = bucket.key.as_str().ok_or("a count of what is no text")?.to_owned();
        Ok(Count { value, count: bucket.doc_count })
    };
    buckets(values)?.into_iter().map(text).collect()
}

fn facets(currency: Currency, all: &Value) -> Read<Facets> {
    // Without an index nothing was counted.
    if all.is_null() {
        return Ok(Facets::default());
    }
    let values = |name: &str| &all[name][count::VALUES];
    let ranges = buckets(values(count::PRICE))?.into_iter().zip(price_ranges(currency));
    let price = ranges.map(|(bucket, (from, to))| PriceCount { from, to, count: bucket.doc_count });
    // From one star up, since ranges are answered in the order of their beginnings.
    let stars = buckets(values(count::RATING))?.into_iter().zip(RATING_STEPS.iter().rev());
    let mut rating: Vec<RatingCount> =
        stars.map(|(bucket, stars)| RatingCount { stars: *stars, count: bucket.doc_count }).collect();
    rating.reverse();
    rating.retain(|step| step.count > 0);
    let stock = buckets(values(count::STOCK))?;
    let so_many = |flag: &str| {
        let those = stock.iter().filter(|bucket| bucket.key_as_string.as_deref() == Some(flag));
        those.map(|bucket| bucket.doc_count).sum()
    };
    Ok(Facets {
        category: counts(values(count::CATEGORY))?,
        brand: counts(values(count::BRAND))?,
        price: price.filter(|range| range.count > 0).collect(),
        rating,
        in_stock: so_many("true"),
        sold_out: so_many("false"),
        attributes: attributes(all)?,
    })
}

fn attributes(all: &Value) -> Read<Vec<AttributeCount>> {
    let own = |at: usize| all.get(format!("{}_{at}", count::ATTRIBUTES));
    let filtered = (0..).map_while(own).map(|one| attribute(&one[count::FACTS][count::NAMED]));
    let filtered: Vec<AttributeCount> = filtered.collect::<Read<Vec<_>>>()?.into_iter().flatten().collect();
    let most = &all[count::ATTRIBUTES][count::FACTS][count::NAMED]["buckets"];
    let most = most.as_array().ok_or("no counts of attributes")?.iter().map(attribute);
    let most: Vec<AttributeCount> = most.collect::<Read<Vec<_>>>()?.into_iter().flatten().collect();
    // An attribute that is filtered by is counted without its own filter, wherever it stands.
    let key = |attribute: &AttributeCount| attribute.name.to_lowercase();
    let (mut attributes, mut left) = (Vec::new(), filtered);
    for one in most {
        let at = left.iter().position(|own| key(own) == key(&one));
        attributes.push(at.map_or(one, |at| left.remove(at)));
    }
    attributes.extend(left);
    Ok(attributes)
}

/// `None` for one that no hit has.
fn attribute(group: &Value) -> Read<Option<AttributeCount>> {
    let name = counts(&group[count::NAME])?.into_iter().next();
    let Some(Count { value: name, .. }) = name else { return Ok(None) };
    Ok(Some(AttributeCount { name, values: counts(&group[count::VALUES])? }))
}

/// What a shopper may mean.
pub(super) fn suggested(body: &[u8]) -> Read<Suggested> {
    let answer = Searched::read(body)?;
    let completions = &answer.aggregations[count::COMPLETIONS][count::NAMED][count::VALUES];
    let completions = if completions.is_null() { Vec::new() } else { counts(completions)? };
    Ok(Suggested {
        completions: completions.into_iter().map(|count| count.value).collect(),
        products: answer.hits.hits.iter().map(Hit::product).collect::<Read<_>>()?,
    })
}

#[derive(Deserialize)]
struct Near {
    options: Vec<NearWord>,
}

#[derive(Deserialize)]
struct NearWord {
    text: String,
    freq: u64,
}

/// How words are spelt: for each the word itself when a name has it, then those near it.
pub(super) fn spelt(words: &[String], body: &[u8]) -> Read<Vec<Vec<Spelling>>> {
    let answer = Searched::read(body)?;
    let spellings = |(at, word): (usize, &String)| {
        let at = at.to_string();
        if !spellable(word) || answer.suggest.is_null() {
            return Ok(Vec::new());
        }
        let near = Vec::<Near>::deserialize(&answer.suggest[&at]).map_err(|error| format!("spellings: {error}"))?;
        let near = near.into_iter().flat_map(|near| near.options);
        let products = answer.aggregations[&at]["doc_count"].as_u64().ok_or("spellings without a count")?;
        let own = (products > 0).then(|| Spelling { word: word.clone(), edits: 0, products });
        let near = near.map(|near| Spelling { edits: edits(word, &near.text), word: near.text, products: near.freq });
        let near = near.filter(|near| (1..=letters(word)).contains(&near.edits));
        let mut all: Vec<Spelling> = own.into_iter().chain(near).collect();
        all.sort_by(|a, b| (a.edits, b.products, &a.word).cmp(&(b.edits, a.products, &b.word)));
        all.truncate(SPELLINGS);
        Ok(all)
    };
    words.iter().enumerate().map(spellings).collect()
}

/// How many letters differ: left out, put in, exchanged, or two beside each other swapped (optimal string alignment).
fn edits(a: &str, b: &str) -> u32 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<u32>> = vec![(0..).take(b.len() + 1).collect()];
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![rows[i][0] + 1];
        for (j, right) in b.iter().enumerate() {
            let changed = rows[i][j] + u32::from(left != right);
            let mut least = changed.min(row[j] + 1).min(rows[i][j + 1] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// What became of one write of a bulk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// This.
    Written(Written),
    /// There is no index under the name that it went to.
    NoIndex,
}

#[derive(Deserialize)]
struct Bulk {
    items: Vec<BulkItem>,
}

#[derive(Deserialize)]
struct BulkItem {
    #[serde(alias = "index", alias = "delete")]
    done: Done,
}

#[derive(Deserialize)]
struct Done {
    status: u16,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    r#type: String,
    #[serde(default)]
    reason: String,
}

/// What became of each write.
pub(super) fn written(body: &[u8]) -> Read<Vec<Item>> {
    let answer: Bulk = serde_json::from_slice(body).map_err(|error| format!("an answer to a bulk: {error}"))?;
    Ok(answer.items.into_iter().map(|item| one(item.done)).collect())
}

fn one(done: Done) -> Item {
    let why = done.error.as_ref().map(|error| format!("{}: {}", error.r#type, error.reason)).unwrap_or_default();
    match (done.status, done.error) {
        // Removing what is not there leaves its version behind, as it should.
        (200..=299, _) | (404, None) => Item::Written(Written::Applied),
        (409, _) => Item::Written(Written::Stale),
        (404, Some(error)) if error.r#type == "index_not_found_exception" => Item::NoIndex,
        (429 | 500.., _) => Item::Written(Written::Failed(why)),
        _ => Item::Written(Written::Refused(why)),
    }
}

/// The one index behind an alias, of an answer to `GET /_alias/NAME`; of several none is the one.
pub(super) fn aliased(body: &[u8]) -> Read<Vec<String>> {
    let all: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| format!("an answer to an alias: {error}"))?;
    Ok(all.into_iter().map(|(index, _)| index).collect())
}

/// The kind and the text of an error.
pub(super) fn error(body: &[u8]) -> (String, String) {
    let all: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &all["error"];
    // Of a search "all shards failed" is said first, and why is inside.
    let cause = error["root_cause"].get(0).unwrap_or(error);
    let said =
        |error: &Value, name: &str| error[name].as_str().unwrap_or_default().chars().take(300).collect::<String>();
    (said(error, "type"), said(cause, "reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("shoe", "shoe", 0),
            ("saloman", "salomon", 1),
            ("notbook", "notebooks", 2),
            ("hte", "the", 1),
            ("", "ab", 2),
            ("größe", "grösse", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((edits(a, b), edits(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn what_became_of_writes_is_told_apart() {
        let body = br#"{"took":3,"errors":true,"items":[
            {"index":{"status":201}},
            {"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"older"}}},
            {"delete":{"status":404}},
            {"index":{"status":404,"error":{"type":"index_not_found_exception","reason":"no"}}},
            {"index":{"status":429,"error":{"type":"rejected_execution_exception","reason":"busy"}}},
            {"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"bad"}}}]}"#;
        let expected = [
            Item::Written(Written::Applied),
            Item::Written(Written::Stale),
            Item::Written(Written::Applied),
            Item::NoIndex,
            Item::Written(Written::Failed("rejected_execution_exception: busy".into())),
            Item::Written(Written::Refused("mapper_parsing_exception: bad".into())),
        ];
        assert_eq!(written(body).unwrap(), expected);
        assert!(written(b"<html>").is_err());
    }

    #[test]
    fn half_an_answer_is_none() {
        let body = |timed_out: bool, failed: u32| {
            let all = serde_json::json!({
                "timed_out": timed_out, "_shards": { "failed": failed },
                "hits": { "total": { "value": 0, "relation": "eq" }, "hits": [] },
            });
            serde_json::to_vec(&all).unwrap()
        };
        let query = Query::of(None, Currency::EUR, 5);
        assert_eq!(found(&query, &body(false, 0)).unwrap().total, 0);
        assert!(found(&query, &body(true, 0)).is_err());
        assert!(found(&query, &body(false, 1)).is_err());
    }
}
