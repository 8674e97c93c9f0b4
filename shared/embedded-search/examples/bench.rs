//! How quick the embedded engine is: made-up products from a seed, ten kinds of queries.
//!
//! `PRODUCTS=100000 cargo run --release -p embedded-search --example bench`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and its variables, and prints"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use catalog::{Attribute, Attributes, Average, Rating};
use embedded_search::{Embedded, Language};
use kernel::{CategoryPath, Currency, Money, ProductId, Sku, Slug, Timestamp};
use search::relevance::{Learner, Lexicon};
use search::{Document, Entry, Generation, Position, Query, SearchEngine, Sort, Target, Typed, Write};

type Failure = Box<dyn std::error::Error>;

/// How often each kind of query is asked.
const ASKED: usize = 400;
/// How many words there are in the language of the catalogue.
const WORDS: u64 = 20_000;

/// SplitMix64: the same seed gives the same catalogue everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A rank from 0: one about as often as 1 / (rank + 1), as words in texts are (Zipf).
    fn zipf(&mut self, end: u64) -> u64 {
        // Of all numbers of binary digits up to the end's, each is as likely as the others.
        let bits = u64::from(64 - end.leading_zeros()).max(1);
        let width = self.below(bits) + 1;
        (self.below(1 << width) + (1 << (width - 1))).saturating_sub(1) % end
    }
}

/// The word of a rank: syllables, so that words look like words and typos can be made in them.
fn word(rank: u64) -> String {
    const HEADS: [&str; 16] = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "br", "st", "tr"];
    const TAILS: [&str; 8] = ["a", "e", "i", "o", "u", "an", "er", "il"];
    let mut rest = rank + 128;
    let mut text = String::new();
    while rest > 0 {
        let syllable = usize::try_from(rest % 128).unwrap_or(0);
        text.push_str(HEADS[syllable / 8]);
        text.push_str(TAILS[syllable % 8]);
        rest /= 128;
    }
    text
}

fn id(at: u64) -> ProductId {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&Random(at).next().to_be_bytes());
    random[8..].copy_from_slice(&at.to_be_bytes());
    ProductId::new(random)
}

fn product(at: u64) -> Result<Document, Failure> {
    let mut random = Random(at.wrapping_mul(77));
    let category = random.zipf(400);
    let path = CategoryPath::parse(&format!("{}/{}", word(category / 20), word(category))).ok_or("a category")?;
    let brand = word(1000 + random.zipf(3000));
    let (kind, extra) = (word(category), 2 + random.below(5));
    let more: Vec<String> = (0..extra).map(|_| word(random.zipf(WORDS))).collect();
    let description: Vec<String> = (0..20 + random.below(60)).map(|_| word(random.zipf(WORDS))).collect();
    let mut attributes = Attributes::default();
    for _ in 0..4 + random.below(8) {
        let name = category * 12 + random.zipf(60);
        let value = match name % 3 {
            0 => Attribute::Number(i64::try_from(random.zipf(500))?),
            1 => Attribute::Flag(random.below(2) == 0),
            _ => Attribute::Text(word(random.zipf(40))),
        };
        attributes.0.insert(format!("{} {}", word(name), name), value);
    }
    let cents = i64::try_from(199 + (1_u64 << random.below(12)) * random.below(100) * 10)?;
    let rated = random.below(3) > 0;
    let average = Average::from_hundredths(if rated { 200 + u32::try_from(random.below(301))? } else { 0 });
    Ok(Document {
        id: id(at),
        slug: Slug::parse(&format!("p-{at}")).ok_or("a slug")?,
        name: format!("{brand} {} {kind}", more.join(" ")),
        description: description.join(" "),
        brand,
        category: path,
        tags: vec![word(random.zipf(300))],
        attributes,
        options: Vec::new(),
        codes: vec![format!("SKU-{at}")],
        skus: vec![Sku::parse(&format!("SKU-{at}")).ok_or("a SKU")?],
        prices: vec![Money::new(cents, Currency::EUR)],
        rating: Rating { average, count: u32::from(rated) * u32::try_from(random.zipf(1000))? },
        image: None,
        in_stock: random.below(10) > 0,
        created_at: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(random.below(60_000_000))? * 1000),
        version: 1,
    })
}

/// The seed's product of a number says what a shopper may type.
fn typed(random: &mut Random, products: u64) -> Result<(Document, Vec<String>), Failure> {
    let product = product(random.below(products))?;
    let words = product.name.split(' ').map(str::to_owned).collect();
    Ok((product, words))
}

fn with_typo(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let middle = letters.len() / 2;
    if letters.len() > 3 {
        letters.swap(middle, middle - 1);
    }
    letters.into_iter().collect()
}

/// One measured kind of query.
type Ask<'a> = Box<dyn Fn(&Document, &[String]) -> Asked + 'a>;

#[expect(clippy::large_enum_variant, reason = "a handful of them at a time")]
enum Asked {
    Search(Query),
    Suggest(Typed),
    /// Words are spelt, and what they were meant to be is searched.
    Typo(Vec<String>),
}

fn kinds(lexicon: &Lexicon) -> Vec<(&'static str, Ask<'_>)> {
    let plain = |text: &str| Query::of(lexicon.plan(text).clause, Currency::EUR, 24);
    let last = |words: &[String]| words[words.len() - 1].clone();
    vec![
        ("one word", Box::new(move |_, words| Asked::Search(plain(&last(words))))),
        ("two words", Box::new(move |_, words| Asked::Search(plain(&format!("{} {}", words[0], last(words)))))),
        (
            "two words with facets",
            Box::new(move |_, words| {
                Asked::Search(Query { facets: true, ..plain(&format!("{} {}", words[0], last(words))) })
            }),
        ),
        (
            "one word with facets",
            Box::new(move |_, words| Asked::Search(Query { facets: true, ..plain(&last(words)) })),
        ),
        (
            "two words, one with a typo",
            Box::new(move |_, words| Asked::Typo(vec![words[0].clone(), with_typo(&last(words))])),
        ),
        (
            "filters and facets",
            Box::new(move |product, words| {
                let mut query = Query { facets: true, ..plain(&last(words)) };
                query.filters.brands = BTreeSet::from([product.brand.clone()]);
                query.filters.in_stock = Some(true);
                query.filters.max_price = Some(100_000);
                Asked::Search(query)
            }),
        ),
        (
            "category by price",
            Box::new(move |product, _| {
                let mut query = Query { sort: Sort::Price, ..Query::of(None, Currency::EUR, 24) };
                query.filters.category = Some(product.category.clone());
                Asked::Search(query)
            }),
        ),
        (
            "category by price with facets",
            Box::new(move |product, _| {
                let mut query = Query { sort: Sort::Price, facets: true, ..Query::of(None, Currency::EUR, 24) };
                query.filters.category = Some(product.category.clone());
                Asked::Search(query)
            }),
        ),
        (
            "a page far behind, by price",
            Box::new(move |product, words| {
                let key = product.prices.first().map(|price| price.amount);
                let after = Some(Position { key, id: product.id.clone() });
                Asked::Search(Query { sort: Sort::Price, after, ..plain(&last(words)) })
            }),
        ),
        (
            "autocomplete",
            Box::new(move |_, words| {
                let word = last(words);
                let prefix = word.chars().take(1 + word.len() % 4).collect();
                Asked::Suggest(Typed { words: Vec::new(), prefix, limit: 8 })
            }),
        ),
    ]
}

async fn ask(engine: &Embedded, lexicon: &Lexicon, asked: &Asked) -> Result<u64, Failure> {
    Ok(match asked {
        Asked::Search(query) => engine.search(query).await?.total,
        Asked::Suggest(typed) => u64::try_from(engine.suggest(typed).await?.completions.len())?,
        Asked::Typo(words) => {
            let spelt = engine.spellings(words).await?;
            let best = words
                .iter()
                .zip(spelt)
                .map(|(word, spelt)| spelt.first().map_or(word.clone(), |best| best.word.clone()));
            let text = best.collect::<Vec<_>>().join(" ");
            engine.search(&Query::of(lexicon.plan(&text).clause, Currency::EUR, 24)).await?.total
        }
    })
}

fn millis(time: Duration) -> String {
    format!("{}.{:02}", time.as_millis(), time.as_micros() % 1000 / 10)
}

fn folder_bytes(path: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// The largest memory of the process so far, as Linux counts it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or_else(|| "unknown".into(), |line| line.trim_start_matches("VmHWM:").trim().to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let products: u64 = std::env::var("PRODUCTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let engine = Embedded::open(folder.path(), Language::English)?;
    let generation = Generation::parse("bench").ok_or("a name")?;
    let began = Instant::now();
    let mut learner = Learner::default();
    for at in 0..products.min(50_000) {
        learner.see(&product(at)?);
    }
    let lexicon = learner.finish();
    println!(
        "lexicon of {} products: {} s, {} KB",
        lexicon.products(),
        began.elapsed().as_secs(),
        lexicon.to_bytes()?.len() / 1000
    );
    let began = Instant::now();
    engine.begin(&generation).await?;
    let mut batch = Vec::with_capacity(500);
    for at in 0..products {
        let document = product(at)?;
        let signals = lexicon.signals(&document);
        batch.push(Write::Put(Box::new(Entry { document, signals })));
        if batch.len() == 500 || at + 1 == products {
            engine.write(Target::Building(&generation), &batch).await?;
            batch.clear();
        }
    }
    engine.finish(&generation).await?;
    let took = began.elapsed();
    let rate = u128::from(products) * 1000 / took.as_millis().max(1);
    println!(
        "{products} products indexed in {} s, {rate} a second; {} MB on disk; {} at most in memory",
        took.as_secs(),
        folder_bytes(folder.path())? / 1_000_000,
        memory()
    );
    println!("\n| query | hits (median) | p50 ms | p95 ms | p99 ms |\n|---|--:|--:|--:|--:|");
    for (name, kind) in kinds(&lexicon) {
        let mut random = Random(4711);
        let (mut times, mut totals) = (Vec::new(), Vec::new());
        for round in 0..ASKED + 20 {
            let (product, words) = typed(&mut random, products)?;
            let began = Instant::now();
            let total = ask(&engine, &lexicon, &kind(&product, &words)).await?;
            if round >= 20 {
                times.push(began.elapsed());
                totals.push(total);
            }
        }
        times.sort_unstable();
        totals.sort_unstable();
        let at = |percent: usize| millis(times[(times.len() * percent / 100).min(times.len() - 1)]);
        println!("| {name} | {} | {} | {} | {} |", totals[totals.len() / 2], at(50), at(95), at(99));
    }
    println!("\n{} at most in memory", memory());
    Ok(())
}
