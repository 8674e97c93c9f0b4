//! How good the engines' answers are: nDCG@10 over judged queries, beside plain BM25 on the name.
//!
//! `cargo run --release -p embedded-search --example relevance -- CATALOG JUDGMENTS MAP`
//!
//! The embedded engine is measured; and OpenSearch, where `OPENSEARCH_URL` names one (its index `oxcart-relevance-products`
//! stays there until the next time).
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
use search::{Clause, Document, Entry, Field, Generation, OpenSearch, Query, SearchEngine, Target, Write, Written};
use serde_json::Value;

#[path = "../../local/src/catalog_file/map.rs"]
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

/// What is measured with.
struct Judged {
    products: Vec<(String, Document)>,
    lexicon: Lexicon,
    queries: BTreeMap<String, HashMap<String, u32>>,
}

impl Judged {
    /// Writes all products into an engine, which must take them.
    async fn fill(&self, engine: &dyn SearchEngine) -> Result<(), Failure> {
        for chunk in self.products.chunks(search::port::BATCH) {
            let entry =
                |document: &Document| Entry { signals: self.lexicon.signals(document), document: document.clone() };
            let writes: Vec<Write> = chunk.iter().map(|(_, document)| Write::Put(Box::new(entry(document)))).collect();
            let written = engine.write(Target::Live, &writes).await?;
            if let Some(bad) = written.iter().find(|one| !matches!(one, Written::Applied | Written::Stale)) {
                return Err(format!("{bad:?}").into());
            }
        }
        Ok(engine.refresh().await?)
    }

    /// The first ten hits of a query, by its plan, step by step.
    async fn hits(&self, engine: &dyn SearchEngine, query: &str) -> Result<Vec<ProductId>, Failure> {
        let plan = self.lexicon.plan(query);
        let mut hits: Vec<ProductId> = Vec::new();
        for clause in plan.clause.into_iter().chain(plan.relaxed) {
            for hit in engine.search(&Query::of(Some(clause), Currency::EUR, 10)).await?.hits {
                if !hits.contains(&hit) {
                    hits.push(hit);
                }
            }
            if hits.len() >= 10 {
                break;
            }
        }
        Ok(hits)
    }

    /// Prints nDCG@10 of each query and of all, by the plan and by BM25 on the name.
    async fn measure(&self, name: &str, engine: &dyn SearchEngine) -> Result<(), Failure> {
        let keys: HashMap<&ProductId, &str> =
            self.products.iter().map(|(key, document)| (&document.id, key.as_str())).collect();
        let (mut ours, mut plain, mut best) = (0.0, 0.0, 0.0);
        for (query, ratings) in &self.queries {
            let mut ideal: Vec<u32> = ratings.values().copied().collect();
            ideal.sort_unstable_by(|a, b| b.cmp(a));
            let ideal = dcg(ideal);
            let any =
                words(query).into_iter().map(|word| Clause::Word { field: Field::Name, word, weight: 100 }).collect();
            let title = Clause::Some { of: any, least: 1 };
            let hits = self.hits(engine, query).await?;
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
        let count = f64::from(u32::try_from(self.queries.len())?);
        println!(
            "\nnDCG@10 over {} queries: {name} {:.4}, BM25 on the name {:.4}, the best possible {:.4}\n",
            self.queries.len(),
            ours / count,
            plain / count,
            best / count
        );
        Ok(())
    }
}

/// The OpenSearch of `OPENSEARCH_URL`, when it names one.
fn opensearch() -> Result<Option<OpenSearch>, Failure> {
    let Ok(url) = std::env::var("OPENSEARCH_URL") else { return Ok(None) };
    let vars = [
        ("OXCART_STAGE", "relevance"),
        ("OXCART_PREFIX", "oxcart-relevance"),
        ("OXCART_QUEUE_BASE", "-"),
        ("OXCART_ISSUER", "-"),
        ("OXCART_MAIL_FROM", "-"),
        ("OXCART_FUNCTION", "relevance"),
        ("OXCART_SEARCH", "opensearch"),
        ("OXCART_OPENSEARCH_URL", &url),
        ("AWS_REGION", "local"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let platform = aws::Platform::start(aws::Config::from_vars(&vars)?)?;
    Ok(Some(OpenSearch::connect(&platform)?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [catalogue, judgments, map] = &arguments[..] else { return Err("CATALOG JUDGMENTS MAP".into()) };
    let products = read(catalogue, map)?;
    let began = Instant::now();
    let lexicon = Lexicon::learn(products.iter().map(|(_, document)| document));
    let (learned, bytes) = (began.elapsed().as_millis(), lexicon.to_bytes()?.len());
    println!("{} products; lexicon learned in {learned} ms, {} KB", products.len(), bytes / 1000);
    let judged = Judged { products, lexicon, queries: judged(judgments)? };
    let embedded: Box<dyn SearchEngine> = Box::new(Embedded::in_memory(Language::English));
    let mut engines = vec![("embedded", embedded)];
    if let Some(engine) = opensearch()? {
        // A new index: what an earlier time left there is not measured.
        let generation = Generation::parse(&format!("run-{}", std::process::id())).ok_or("a generation")?;
        engine.begin(&generation).await?;
        engine.finish(&generation).await?;
        engines.push(("OpenSearch", Box::new(engine)));
    }
    for (name, engine) in &engines {
        let began = Instant::now();
        judged.fill(&**engine).await?;
        println!("{name}: indexed in {} ms", began.elapsed().as_millis());
        judged.measure(name, &**engine).await?;
    }
    Ok(())
}
