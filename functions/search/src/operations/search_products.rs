//! `GET /v1/search`: finds products. One read of what staff wants for the query, one question to the engine (a few more when
//! nothing is found), and one batch read of the products, so that prices are those of the catalogue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws::SigningSecret;
use catalog::Product;
use catalog::table::FindProducts;
use kernel::limits::{AMOUNT_MAX, LABEL_CHARS, PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::{FieldError, Place, code};
use kernel::{CategoryPath, Currency, Problem, ProductId};
use lambda::{Auth, Call, Freshness, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{QUERY_CHARS, normal};
use crate::clause::Clause;
use crate::engine::Engine;
use crate::lexicons::Lexicons;
use crate::place;
use crate::query::{self, ATTRIBUTE_FILTERS, FILTER_VALUES, Filters, Found};
use crate::relevance::Lexicon;
use crate::table::{ReadRule, Rule};
use crate::words::words;

/// What filters by attribute begin with.
const ATTRIBUTE: &str = "attr.";
/// How many products are shown when nothing was found.
const INSTEAD: usize = 8;

/// What is looked for. Further parameters `attr.NAME=` filter by an attribute. Where several values are allowed they are
/// separated by commas, and any of them will do; a comma that belongs to a value stands behind a backslash.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "SearchQuery")]
struct Parameters {
    /// What the shopper typed; without it everything is found.
    #[serde(default)]
    #[schemars(length(max = QUERY_CHARS))]
    q: String,
    /// Only products of this category and below it.
    category: Option<CategoryPath>,
    /// Only products of these brands, whatever their case.
    #[schemars(length(min = 1, max = 2000))]
    brand: Option<String>,
    /// Only products whose lowest price is at least this, in minor units.
    #[schemars(range(min = 0, max = AMOUNT_MAX))]
    min_price: Option<i64>,
    /// Only products whose lowest price is at most this, in minor units.
    #[schemars(range(min = 0, max = AMOUNT_MAX))]
    max_price: Option<i64>,
    /// The currency of prices: EUR without.
    currency: Option<Currency>,
    /// Only products of which some can, or cannot, be bought.
    in_stock: Option<bool>,
    /// Only products with so many stars or more on average.
    #[schemars(range(min = 1, max = 5))]
    rating_min: Option<u32>,
    /// The order.
    #[serde(default)]
    sort: Sort,
    /// The most items on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// What hits are ordered by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "SearchSort")]
enum Sort {
    #[default]
    #[serde(rename = "relevance")]
    Relevance,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDown,
    #[serde(rename = "newest")]
    Newest,
    #[serde(rename = "rating")]
    Rating,
}

impl From<Sort> for query::Sort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Relevance => Self::Relevance,
            Sort::Price => Self::Price,
            Sort::PriceDown => Self::PriceDown,
            Sort::Newest => Self::Newest,
            Sort::Rating => Self::Rating,
        }
    }
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct SearchPage {
    /// A page of products, in order.
    items: Vec<Product>,
    /// How what was found is spread; on the first page only. Each facet counts as if its own filter were not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Facets>,
    /// How many were found, on all pages.
    total: u64,
    /// Whether `total` is exact; if not, there are at least so many.
    total_is_exact: bool,
    /// Where the next page begins.
    next: Option<String>,
    /// What was looked for instead, because nothing was found as it was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected_query: Option<String>,
    /// Present, and true, when nothing has all the words, and these have some of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    relaxed: bool,
    /// When nothing was found: well rated products that can be bought, of the category that was asked for if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instead: Vec<Product>,
    /// Where staff wants the shopper to go instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<String>,
}

/// How what was found is spread.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchFacets")]
struct Facets {
    /// By category, all levels.
    category: Vec<FacetValue>,
    /// By brand.
    brand: Vec<FacetValue>,
    /// By lowest price.
    price: Vec<PriceRange>,
    /// How many have so many stars or more.
    rating: Vec<Stars>,
    /// By whether they can be bought.
    in_stock: Vec<StockCount>,
    /// By attribute.
    attributes: Vec<AttributeFacet>,
}

/// A value, and how many have it.
#[derive(Serialize, JsonSchema)]
struct FacetValue {
    /// The value.
    value: String,
    /// How many have it.
    count: u64,
}

/// A range of prices, and how many are in it.
#[derive(Serialize, JsonSchema)]
struct PriceRange {
    /// From this on, in minor units.
    from: i64,
    /// Below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i64>,
    /// How many.
    count: u64,
}

/// How many are rated so well.
#[derive(Serialize, JsonSchema)]
struct Stars {
    /// So many stars or more.
    value: u32,
    /// How many.
    count: u64,
}

/// How many can be bought, or cannot.
#[derive(Serialize, JsonSchema)]
struct StockCount {
    /// Whether they can.
    value: bool,
    /// How many.
    count: u64,
}

/// An attribute, and how many have which of its values.
#[derive(Serialize, JsonSchema)]
struct AttributeFacet {
    /// Its name: `attr.NAME=` filters by it.
    name: String,
    /// Its values.
    values: Vec<FacetValue>,
}

impl From<query::Facets> for Facets {
    fn from(facets: query::Facets) -> Self {
        let values = |counts: Vec<query::Count>| -> Vec<FacetValue> {
            counts.into_iter().map(|count| FacetValue { value: count.value, count: count.count }).collect()
        };
        let attribute = |of: query::AttributeCount| AttributeFacet { name: of.name, values: values(of.values) };
        let range = |of: query::PriceCount| PriceRange { from: of.from, to: of.to, count: of.count };
        Self {
            category: values(facets.category),
            brand: values(facets.brand),
            price: facets.price.into_iter().map(range).collect(),
            rating: facets.rating.into_iter().map(|of| Stars { value: of.stars, count: of.count }).collect(),
            in_stock: [(true, facets.in_stock), (false, facets.sold_out)]
                .into_iter()
                .map(|(value, count)| StockCount { value, count })
                .collect(),
            attributes: facets.attributes.into_iter().map(attribute).collect(),
        }
    }
}

/// What a cursor carries.
#[derive(Debug, Serialize, Deserialize)]
struct Bookmark {
    /// How the first page came about.
    how: How,
    /// Where the page begins.
    place: place::Place,
}

/// In which form the query found something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct How {
    /// What was looked for instead of what was typed.
    corrected: Option<String>,
    /// What was looked for beside what was typed, and helped.
    #[serde(default)]
    said: Option<String>,
    /// Which of the relaxed clauses, counted from one; 0 is none.
    relaxed: usize,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("search-products", "/v1/search")
        .summary("Finds products, with facets, typo tolerance and ranking")
        .auth(Auth::Anyone)
        .cache(Freshness::Search)
        .reply::<SearchPage>(200, "What was found")
        .problems(&[code::INVALID_CURSOR, code::SEARCH_OFF, code::SEARCH_UNAVAILABLE])
        .handle(handle)
}

type With = (Engine, Lexicons, ReadRule, FindProducts, SigningSecret);

async fn handle(
    call: Call<Nothing, Parameters>,
    (engine, lexicons, rules, products, secret): With,
) -> Result<Reply, Problem> {
    let parameters = &call.query;
    let filters = filters(parameters)?;
    let (currency, query_text) = (parameters.currency.unwrap_or(Currency::EUR), normal(&parameters.q));
    // A cursor is good for the question it came from and no other.
    let scope = serde_json::json!(["search-products", query_text, filters, currency, parameters.sort]).to_string();
    let bookmark: Option<Bookmark> = match &parameters.cursor {
        None => None,
        Some(cursor) => Some(secret.key().await?.position(&scope, cursor).ok_or_else(|| {
            Problem::new(code::INVALID_CURSOR, "the cursor was altered, or is of another question; begin without one")
        })?),
    };
    let rule = if query_text.is_empty() { Rule::default() } else { rules.of(&query_text).await? };
    let limit = usize::try_from(parameters.limit.unwrap_or(PAGE_DEFAULT)).map_err(Problem::internal)?;
    let question = query::Query {
        clause: None,
        filters,
        sort: parameters.sort.into(),
        currency,
        facets: bookmark.is_none(),
        limit,
        after: None,
        without: Vec::new(),
        pinned: rule.pinned,
        buried: rule.buried,
    };
    let (how, place) = bookmark.map_or_else(Default::default, |mark| (Some(mark.how), mark.place));
    let (page, lexicon) = (place.page(question), lexicons.live(call.cx.now()).await?);
    let (found, how) = look(&engine, &lexicon, &parameters.q, page.clone(), how).await?;
    let next = match place.next(&page, &found) {
        None => None,
        Some(place) => Some(secret.key().await?.cursor(&scope, &Bookmark { how: how.clone(), place })),
    };
    let total = found.total.saturating_add(u64::try_from(place.shown()).unwrap_or(u64::MAX));
    let shown = async |hits: &[ProductId]| -> Result<Vec<Product>, Problem> {
        let read = products.by_ids(hits, false).await?;
        let mut read: HashMap<_, _> = read.into_iter().map(|product| (product.id.clone(), product)).collect();
        // The index may be a moment behind: what is not sold any more is left out.
        let active = hits.iter().filter_map(|id| read.remove(id)).filter(|product| product.status.is_active());
        Ok(active.map(|product| product.shown_in(parameters.currency)).collect())
    };
    let instead = if total == 0 { instead(&engine, &page).await? } else { Vec::new() };
    Ok(Reply::ok(&SearchPage {
        items: shown(&found.hits).await?,
        facets: found.facets.map(Facets::from),
        total,
        total_is_exact: found.exact,
        next,
        corrected_query: how.said.or(how.corrected),
        relaxed: how.relaxed > 0,
        instead: shown(&instead).await?,
        redirect: rule.redirect,
    }))
}

/// Asks the engine: for the query as it was typed, then with its words spelt otherwise, then for some of its words. A further
/// page is asked for as the first one was found (`how`).
async fn look(
    engine: &Engine,
    lexicon: &Lexicon,
    typed: &str,
    mut question: query::Query,
    how: Option<How>,
) -> Result<(Found, How), Problem> {
    let clause = |how: &How| -> Option<Clause> {
        let plan = lexicon.plan(how.corrected.as_deref().unwrap_or(typed));
        match how.relaxed {
            0 => plan.clause,
            nth => plan.relaxed.into_iter().nth(nth - 1),
        }
    };
    if let Some(how) = how {
        question.clause = clause(&how);
        return Ok((engine.search(&question).await?, how));
    }
    let mut how = How::default();
    question.clause = clause(&how);
    let empty = Found { hits: Vec::new(), next: None, total: 0, exact: true, facets: Some(query::Facets::default()) };
    if question.clause.is_none() && !typed.trim().is_empty() {
        // Nothing in it is a word: nothing has it.
        return Ok((empty, how));
    }
    let found = engine.search(&question).await?;
    if found.total > 0 || question.clause.is_none() {
        how.said = helped(engine, lexicon, typed).await?;
        return Ok((found, how));
    }
    let corrected = spelt(engine, typed).await?;
    let tries = corrected.into_iter().map(|text| How { corrected: Some(text), ..How::default() });
    let steps = (1..=lexicon.plan(typed).relaxed.len()).map(|relaxed| How { relaxed, ..How::default() });
    for next in tries.chain(steps) {
        how = next;
        question.clause = clause(&how);
        let found = engine.search(&question).await?;
        if found.total > 0 {
            return Ok((found, how));
        }
    }
    Ok((found, How::default()))
}

/// The spelling that the lexicon searched beside what was typed, unless all that was typed is in the index as it is.
async fn helped(engine: &Engine, lexicon: &Lexicon, typed: &str) -> Result<Option<String>, Problem> {
    let Some(corrected) = lexicon.plan(typed).corrected else { return Ok(None) };
    let spellings = engine.spellings(&words(typed)).await?;
    let as_it_is = |of: &Vec<query::Spelling>| of.first().is_some_and(|spelling| spelling.edits == 0);
    Ok((!spellings.iter().all(as_it_is)).then_some(corrected))
}

/// The query with each word that no product has in the spelling that most have; `None` when that is the same.
async fn spelt(engine: &Engine, typed: &str) -> Result<Option<String>, Problem> {
    let typed = words(typed);
    let spellings = engine.spellings(&typed).await?;
    let best = |(word, spellings): (&String, Vec<query::Spelling>)| {
        spellings.into_iter().next().map_or_else(|| word.clone(), |spelling| spelling.word)
    };
    let spelt: Vec<String> = typed.iter().zip(spellings).map(best).collect();
    Ok((spelt != typed).then(|| spelt.join(" ")))
}

/// What is shown when nothing was found.
async fn instead(engine: &Engine, asked: &query::Query) -> Result<Vec<ProductId>, Problem> {
    let mut question = query::Query::of(None, asked.currency, INSTEAD);
    question.sort = query::Sort::Rating;
    question.filters.in_stock = Some(true);
    question.filters.category.clone_from(&asked.filters.category);
    let found = engine.search(&question).await?;
    if found.total > 0 || question.filters.category.is_none() {
        return Ok(found.hits);
    }
    question.filters.category = None;
    Ok(engine.search(&question).await?.hits)
}

/// The filters, or everything that is wrong with them.
fn filters(parameters: &Parameters) -> Result<Filters, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |name: &str, detail: String| {
        errors.push(FieldError {
            place: Place::Query,
            pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            detail,
        });
    };
    let brands = parameters.brand.as_deref().map(values).unwrap_or_default();
    if brands.len() > FILTER_VALUES {
        wrong("brand", format!("must have at most {FILTER_VALUES} values"));
    }
    if let (Some(min), Some(max)) = (parameters.min_price, parameters.max_price)
        && min > max
    {
        wrong("max_price", "must not be below min_price".into());
    }
    let mut attributes = BTreeMap::new();
    for (parameter, text) in &parameters.others {
        let Some(name) = parameter.strip_prefix(ATTRIBUTE) else { continue };
        let values = values(text);
        let long = |text: &str| text.chars().count() > LABEL_CHARS;
        if name.is_empty() || long(name) {
            wrong(parameter, format!("must name an attribute, in at most {LABEL_CHARS} characters"));
        } else if values.is_empty() || values.len() > FILTER_VALUES || values.iter().any(|value| long(value)) {
            wrong(parameter, format!("must have 1 to {FILTER_VALUES} values of at most {LABEL_CHARS} characters"));
        }
        attributes.insert(name.to_lowercase(), values);
    }
    if attributes.len() > ATTRIBUTE_FILTERS {
        wrong("attr", format!("at most {ATTRIBUTE_FILTERS} attributes can be filtered by"));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    Ok(Filters {
        category: parameters.category.clone(),
        brands,
        min_price: parameters.min_price,
        max_price: parameters.max_price,
        rating_min: parameters.rating_min.map(|stars| stars * 100),
        in_stock: parameters.in_stock,
        attributes,
    })
}

/// Values between commas; behind a backslash a comma, or a backslash, is a part of a value.
fn values(text: &str) -> BTreeSet<String> {
    let (mut all, mut value, mut plain) = (BTreeSet::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '\\' if !plain => plain = true,
            ',' if !plain => drop(all.insert(std::mem::take(&mut value))),
            c => {
                value.push(c);
                plain = false;
            }
        }
    }
    all.insert(value);
    all.into_iter().map(|value| value.trim().to_lowercase()).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_between_commas() {
        let of = |text: &str| values(text).into_iter().collect::<Vec<_>>();
        assert_eq!(of("Red, blue,,red"), ["blue", "red"]);
        assert_eq!(of("Tiffany\\, Inc,a\\\\b"), ["a\\b", "tiffany, inc"]);
        assert_eq!(of(" , "), [""; 0]);
    }

    #[test]
    fn all_that_is_wrong_with_filters_is_said() {
        let many = (0..=FILTER_VALUES).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let parameters = Parameters {
            min_price: Some(2),
            max_price: Some(1),
            brand: Some(many.clone()),
            others: [
                ("attr.".to_owned(), "x".to_owned()),
                ("attr.a/b".into(), many),
                ("utm_source".into(), "x".into()),
            ]
            .into(),
            ..Parameters::default()
        };
        let problem = filters(&parameters).unwrap_err();
        let pointers: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/brand", "/max_price", "/attr.", "/attr.a~1b"]);
        let good =
            Parameters { others: [("attr.Colour".to_owned(), "Red".to_owned())].into(), ..Parameters::default() };
        assert_eq!(filters(&good).unwrap().attributes["colour"], ["red".to_owned()].into());
    }
}
