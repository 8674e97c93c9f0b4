//! How good an engine's answers are: nDCG@10 over judged queries, beside plain BM25 on the name.
//!
//! `cargo run --release -p embedded-search --example relevance -- CATALOG JUDGMENTS MAP [ablation]`
//!
//! Where `OPENSEARCH_URL` names an OpenSearch, that is measured; else the embedded engine. Its index stays there until the next
//! time.
//!
//! With `ablation` it also says what is lost without each means, and by what queries differ.
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
use exchange::FieldMap;
use exchange::row::Row;
use kernel::{Currency, ProductId, Slug, Timestamp};
use search::relevance::{Lexicon, Weights};
use search::words::words;
use search::{Clause, Document, Entry, Field, Generation, OpenSearch, Query, SearchEngine, Target, Write};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

/// The products of a catalogue, with the keys that judgments know them by.
fn read(catalogue: &str, map: &str) -> Result<Vec<(String, Document)>, Failure> {
    // A product without a price is judged too: it is given one.
    let text = std::fs::read_to_string(map)?.replace("unknown = \"skip\"", "unknown = 1");
    let map = FieldMap::parse(&text)?;
    let mut file = BufReader::new(File::open(catalogue)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> = if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut all = Vec::new();
    for line in BufReader::new(plain).lines() {
        let row: Value = serde_json::from_str(&line?)?;
        if let (Ok(key), Ok(Row::Product(mapped))) = (map.key(&row), map.row(&row)) {
            let new: NewProduct = serde_json::from_value(mapped.body)?;
            let id = ProductId::derive(&[key.as_bytes()]);
            let slug = Slug::parse("x").ok_or("a slug")?;
            let product = Product::new(id, slug, new, Timestamp::from_millis(0));
            all.push((key, Document::of(&product, true)));
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

/// The OpenSearch that `OPENSEARCH_URL` names, with a new index; else the embedded engine.
async fn engine() -> Result<(&'static str, Box<dyn SearchEngine>), Failure> {
    let Ok(url) = std::env::var("OPENSEARCH_URL") else {
        return Ok(("embedded", Box::new(Embedded::in_memory(Language::English))));
    };
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
    let engine = OpenSearch::connect(&aws::Platform::start(aws::Config::from_vars(&vars)?)?)?;
    // What an earlier time left there is not measured.
    let generation = Generation::parse(&format!("run-{}", std::process::id())).ok_or("a generation")?;
    engine.begin(&generation).await?;
    engine.finish(&generation).await?;
    Ok(("OpenSearch", Box::new(engine)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [catalogue, judgments, map, more @ ..] = &arguments[..] else { return Err("CATALOG JUDGMENTS MAP".into()) };
    let products = read(catalogue, map)?;
    let began = Instant::now();
    let lexicon = Lexicon::learn(products.iter().map(|(_, document)| document));
    let learned = began.elapsed();
    let (name, engine) = engine().await?;
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
    let shop = Shop { lexicon, engine, keys };
    let plain = shop.scores(&queries, |query| vec![on_name(query)]).await?;
    let ours = shop.scores(&queries, |query| shop.planned(query, &Weights::default())).await?;
    for ((query, ours), plain) in queries.keys().zip(&ours).zip(&plain) {
        println!("{ours:.3} {plain:.3}  {query}");
    }
    let good = queries.values().filter(|ratings| ratings.values().any(|rating| *rating > 0)).count();
    println!(
        "\nnDCG@10 over {} queries: {name} {:.4}, BM25 on the name {:.4}, the best possible {:.4}",
        queries.len(),
        mean(&ours),
        mean(&plain),
        f64::from(u32::try_from(good)?) / f64::from(u32::try_from(queries.len())?)
    );
    if more.iter().any(|word| word == "ablation") {
        for (name, weights) in ablations() {
            let without = shop.scores(&queries, |query| shop.planned(query, &weights)).await?;
            let lost: Vec<f64> = ours.iter().zip(&without).map(|(ours, without)| ours - without).collect();
            let middle = mean(&lost);
            let spread: Vec<f64> = lost.iter().map(|lost| (lost - middle).powi(2)).collect();
            let error = (mean(&spread) / f64::from(u32::try_from(lost.len())?)).sqrt();
            println!("without {name}: {:.4} (lost {:+.4} ± {error:.4})", mean(&without), middle);
        }
    }
    let mut times: Vec<u128> = Vec::new();
    for query in queries.keys() {
        let began = Instant::now();
        std::hint::black_box(shop.lexicon.plan(query));
        times.push(began.elapsed().as_micros());
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("a plan takes {} µs (median), {} µs (p95), {} µs at most", at(50), at(95), at(99));
    Ok(())
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / f64::from(u32::try_from(of.len()).unwrap_or(u32::MAX)).max(1.0)
}

/// Any of the words in the name.
fn on_name(query: &str) -> Clause {
    let any = words(query).into_iter().map(|word| Clause::Word { field: Field::Name, word, weight: 100 }).collect();
    Clause::Some { of: any, least: 1 }
}

/// Each means off by itself, and all of them.
fn ablations() -> Vec<(&'static str, Weights)> {
    let all = Weights::default();
    let kinds = Weights { kind: 0, ..all.clone() };
    let same = Weights { same: 0, ..all.clone() };
    let accessories = Weights { accessory: 100, goes_with: 100, ..all.clone() };
    let fields = Weights { fields: all.fields.iter().map(|(field, _)| (*field, 100)).collect(), ..all.clone() };
    let name = Weights { fields: vec![(Field::Name, 100)], ..all.clone() };
    let none = Weights { kind: 0, same: 0, accessory: 100, goes_with: 100, ..all };
    vec![
        ("kinds", kinds),
        ("words that mean the same", same),
        ("accessories last", accessories),
        ("weights of fields", fields),
        ("fields other than the name", name),
        ("kinds, same and accessories", none),
    ]
}

/// A catalogue that was learned and indexed.
struct Shop<'a> {
    lexicon: Lexicon,
    engine: Box<dyn SearchEngine>,
    keys: HashMap<ProductId, &'a str>,
}

impl Shop<'_> {
    fn planned(&self, query: &str, weights: &Weights) -> Vec<Clause> {
        let plan = self.lexicon.plan_with(query, weights);
        plan.clause.into_iter().chain(plan.relaxed).collect()
    }

    /// nDCG@10 of each query, its hits filled up with what further clauses find.
    async fn scores(
        &self,
        queries: &BTreeMap<String, HashMap<String, u32>>,
        ask: impl Fn(&str) -> Vec<Clause>,
    ) -> Result<Vec<f64>, Failure> {
        let mut scores = Vec::new();
        for (query, ratings) in queries {
            let mut ideal: Vec<u32> = ratings.values().copied().collect();
            ideal.sort_unstable_by(|a, b| b.cmp(a));
            let ideal = dcg(ideal);
            let mut hits: Vec<ProductId> = Vec::new();
            for clause in ask(query) {
                let found = self.engine.search(&Query::of(Some(clause), Currency::EUR, 20)).await?;
                let fresh: Vec<ProductId> = found.hits.into_iter().filter(|hit| !hits.contains(hit)).collect();
                hits.extend(fresh);
                if hits.len() >= 10 {
                    break;
                }
            }
            let rating = |hit: &ProductId| self.keys.get(hit).and_then(|key| ratings.get(*key)).copied().unwrap_or(0);
            scores.push(if ideal > 0.0 { dcg(hits.iter().map(rating)) / ideal } else { 0.0 });
        }
        Ok(scores)
    }
}
