//! `GET /v1/search/suggestions`: what a shopper may mean who has typed so far.

use std::collections::HashMap;

use catalog::table::FindProducts;
use kernel::problem::code;
use kernel::{Currency, Money, Problem, ProductId, Slug};
use lambda::{Auth, Call, Freshness, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::QUERY_CHARS;
use crate::engine::Engine;
use crate::query::Typed;
use crate::words::words;

/// The most completions, and the most products.
const SUGGESTIONS: usize = 8;
/// The most words that are looked at.
const WORDS: usize = 10;

/// What was typed.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// What was typed so far.
    #[schemars(length(max = QUERY_CHARS))]
    q: String,
    /// Which currency prices are in, where products have one in it.
    currency: Option<Currency>,
}

/// What the shopper may mean.
#[derive(Serialize, JsonSchema)]
struct Suggestions {
    /// Whole queries.
    completions: Vec<String>,
    /// Products.
    products: Vec<SuggestedProduct>,
}

/// A product, in short.
#[derive(Serialize, JsonSchema)]
struct SuggestedProduct {
    /// Its id.
    id: ProductId,
    /// The readable part of its address.
    slug: Slug,
    /// What it is called.
    name: String,
    /// Its main picture's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Its lowest price.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Money>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("suggest", "/v1/search/suggestions")
        .summary("Completions and products, from the first letter")
        .auth(Auth::Anyone)
        .cache(Freshness::Search)
        .reply::<Suggestions>(200, "What the shopper may mean")
        .problems(&[code::SEARCH_OFF, code::SEARCH_UNAVAILABLE])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Query>, (engine, products): (Engine, FindProducts)) -> Result<Reply, Problem> {
    let mut words = words(&call.query.q);
    words.truncate(WORDS);
    // A blank at the end ends the word: what comes next is a new one, of which nothing is known.
    let typed = words.pop().map(|prefix| Typed { words, prefix, limit: SUGGESTIONS });
    let found = match &typed {
        None => crate::query::Suggested::default(),
        Some(typed) => engine.suggest(typed).await?,
    };
    let read = products.by_ids(&found.products, false).await?;
    let mut read: HashMap<_, _> = read.into_iter().map(|product| (product.id.clone(), product)).collect();
    let active = found.products.iter().filter_map(|id| read.remove(id)).filter(|product| product.status.is_active());
    let short = |product: catalog::Product| {
        let product = product.shown_in(call.query.currency);
        SuggestedProduct {
            image: product.images.first().map(|image| image.url.clone()),
            price: product.lowest_price(),
            id: product.id,
            slug: product.slug,
            name: product.name,
        }
    };
    Ok(Reply::ok(&Suggestions { completions: found.completions, products: active.map(short).collect() }))
}
