//! How good the embedded engine's answers are: nDCG@10 over judged queries, beside plain BM25 on the name.
//!
//! `cargo run --release -p embedded-search --example relevance -- CATALOG JUDGMENTS MAP`
//!
//! The catalogue is JSON lines, plain or gzip; the map says which of its fields feed which of ours; judgments are lines of
//! `query,product_id,rating` with ratings from 0 to 3. A product that was not rated counts 0; the gain of a rating is
//! 2^rating − 1, its discount the binary logarithm of its place; all queries count, also those without a good product.

#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, and its result is a ratio"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use catalog::{NewProduct, Product};
use embedded_search::{Embedded, Language};
use kernel::{Currency, ProductId, Sku, Slug, Timestamp};
use search::relevance::Lexicon;
use search::words::words;
use search::{Clause, Document, Entry, Field, Query, SearchEngine, Target, Write};
use serde_json::Value;

#[path = "../../local/src/catalog_file/map.rs"]
#[expect(dead_code, reason = "stock is of no interest here")]
mod map;

type Failure = Box<dyn std::error::Error>;

/// What the map makes of a row.
enum Row {
    Product(Mapped),
    LeftOut,
}

/// A product of a row.
struct Mapped {
    key: String,
    body: Value,
    #[expect(dead_code, reason = "stock is of no interest here")]
    stock: Vec<(Sku, u32)>,
}

/// The products of a catalogue, with the keys that judgments know them by.
fn read(catalogue: &str, map: &str) -> Result<Vec<(String, Document)>, Failure> {
    // A product without a price is judged too: it is given one.
    let text = std::fs::read_to_string(map)?.replace("unknown = \"skip\"", "unknown = 1");
    let map = map::FieldMap::parse(&text)?;
    let mut file = BufReader::new(File::open(catalogue)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> = if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut all = Vec::new();
    for line in BufReader::new(plain).lines() {
        if let Ok(Row::Product(mapped)) = map.row(&serde_json::from_str(&line?)?) {
            let new: NewProduct = serde_json::from_value(mapped.body)?;
            let id = ProductId::derive(&[mapped.key.as_bytes()]);
            let slug = Slug::parse("x").ok_or("a slug")?;
            let product = Product::new(id, slug, new, Timestamp::from_millis(0));
            all.push((mapped.key, Document::of(&product, true)));
        }
    }
    Ok(all)
}

fn judged(path: &str) -> Result<BTreeMap<String, HashMap<String, u32>>, Failure> {
    let mut all: BTreeMap<String, HashMap<String, u32>> = BTreeMap::new();
    for line in std::fs::read_to_string(path)?.lines().skip(1) {
        let mut parts = line.rsplitn(3, ',');
        let (Some(rating), Some(product), Some(query)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let query = query.trim_matches('"').to_owned();
        all.entry(query).or_default().insert(product.trim().to_owned(), rating.trim().parse()?);
    }
    Ok(all)
}

/// The gains of ratings in the order of an answer, each discounted by its place.
fn dcg(ratings: impl IntoIterator<Item = u32>) -> f64 {
    let places = (2_u32..).map(f64::from);
    ratings
        .into_iter()
        .take(10)
        .zip(places)
        .map(|(rating, place)| f64::from((1_u32 << rating) - 1) / place.log2())
        .sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [catalogue, judgments, map] = &arguments[..] else { return Err("CATALOG JUDGMENTS MAP".into()) };
    let products = read(catalogue, map)?;
    let began = Instant::now();
    let lexicon = Lexicon::learn(products.iter().map(|(_, document)| document));
    let learned = began.elapsed();
    let engine = Embedded::in_memory(Language::English);
    let keys: HashMap<ProductId, &str> =
        products.iter().map(|(key, document)| (document.id.clone(), key.as_str())).collect();
    let began = Instant::now();
    for chunk in products.chunks(search::port::BATCH) {
        let entry = |document: &Document| Entry { signals: lexicon.signals(document), document: document.clone() };
        let writes: Vec<Write> = chunk.iter().map(|(_, document)| Write::Put(Box::new(entry(document)))).collect();
        engine.write(Target::Live, &writes).await?;
    }
    println!(
        "{} products; lexicon learned in {} ms, {} KB; indexed in {} ms",
        products.len(),
        learned.as_millis(),
        lexicon.to_bytes()?.len() / 1000,
        began.elapsed().as_millis()
    );
    let queries = judged(judgments)?;
    let (mut ours, mut plain, mut best) = (0.0, 0.0, 0.0);
    for (query, ratings) in &queries {
        let mut ideal: Vec<u32> = ratings.values().copied().collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        let ideal = dcg(ideal);
        let plan = lexicon.plan(query);
        let any = words(query).into_iter().map(|word| Clause::Word { field: Field::Name, word, weight: 100 }).collect();
        let title = Clause::Some { of: any, least: 1 };
        let mut hits: Vec<ProductId> = Vec::new();
        for clause in plan.clause.into_iter().chain(plan.relaxed) {
            let found = engine.search(&Query::of(Some(clause), Currency::EUR, 10)).await?;
            for hit in found.hits {
                if !hits.contains(&hit) {
                    hits.push(hit);
                }
            }
            if hits.len() >= 10 {
                break;
            }
        }
        let on_title = engine.search(&Query::of(Some(title), Currency::EUR, 10)).await?.hits;
        let ndcg = |hits: &[ProductId]| {
            let rating = |hit: &ProductId| keys.get(hit).and_then(|key| ratings.get(*key)).copied().unwrap_or(0);
            if ideal > 0.0 { dcg(hits.iter().map(rating)) / ideal } else { 0.0 }
        };
        println!("{:.3} {:.3}  {query}", ndcg(&hits), ndcg(&on_title));
        ours += ndcg(&hits);
        plain += ndcg(&on_title);
        best += if ideal > 0.0 { 1.0 } else { 0.0 };
    }
    let count = f64::from(u32::try_from(queries.len())?);
    println!(
        "\nnDCG@10 over {} queries: embedded {:.4}, BM25 on the name {:.4}, the best possible {:.4}",
        queries.len(),
        ours / count,
        plain / count,
        best / count
    );
    Ok(())
}
