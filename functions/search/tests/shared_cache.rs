//! Answers that are shared, over a server of the test's own that can be as bad as any. `shared/embedded-search/tests/redis.rs` does
//! it over a real one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{Cache, CacheAddress, SystemClock};
use kernel::{Currency, ProductId};
use search::port::Answer;
use search::query::{AttributeCount, Count, Facets, PriceCount, RatingCount, Spelling};
use search::{
    Cached, Clause, Field, Found, Generation, Health, Position, Query, SearchEngine, SearchError, Suggested, Target,
    Typed, Write, Written,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server has. What a test puts here is answered as it stands.
type Kept = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

async fn server() -> (Kept, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let kept = Kept::default();
    let keeps = kept.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(BufReader::new(tcp), keeps.clone()));
        }
    });
    (kept, url)
}

async fn serve(mut tcp: BufReader<TcpStream>, kept: Kept) -> Option<()> {
    loop {
        let words = number(&mut tcp).await?;
        let mut command = Vec::new();
        for _ in 0..words {
            let mut word = vec![0; number(&mut tcp).await? + 2];
            tcp.read_exact(&mut word).await.ok()?;
            word.truncate(word.len() - 2);
            command.push(word);
        }
        let key = String::from_utf8(command[1].clone()).unwrap();
        let answer = match (command[0].as_slice(), &command[2..]) {
            (b"GET", []) => match kept.lock().unwrap().get(&key) {
                Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
                None => b"$-1\r\n".to_vec(),
            },
            (b"SET", [value, px, life]) => {
                assert_eq!((px.as_slice(), life.as_slice()), (&b"PX"[..], &b"5000"[..]));
                kept.lock().unwrap().insert(key, value.clone());
                b"+OK\r\n".to_vec()
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        };
        tcp.write_all(&answer).await.ok()?;
    }
}

async fn number(tcp: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    tcp.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim().parse().ok()
}

/// An engine that counts how often it is asked, and says so in its answers.
#[derive(Default)]
struct Counting {
    asked: AtomicU64,
    down: bool,
}

impl Counting {
    fn next<T: Send + 'static>(&self, answer: impl Fn(u64) -> T) -> Answer<'_, T> {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = if self.down { Err(SearchError::Unavailable("down".into())) } else { Ok(answer(nth)) };
        Box::pin(std::future::ready(answer))
    }
}

/// An answer in which nothing is left out.
fn found(total: u64) -> Found {
    let id = ProductId::parse("prd_00000000000001").unwrap();
    let count = |value: &str| vec![Count { value: value.into(), count: 1 }];
    Found {
        hits: vec![id.clone()],
        next: Some(Position { key: Some(-1), id }),
        total,
        exact: false,
        facets: Some(Facets {
            category: count("a/b"),
            brand: count("Ümlaut"),
            price: vec![PriceCount { from: 0, to: None, count: 2 }],
            rating: vec![RatingCount { stars: 4, count: 3 }],
            in_stock: 4,
            sold_out: 5,
            attributes: vec![AttributeCount { name: "Colour".into(), values: count("red") }],
        }),
    }
}

impl SearchEngine for Counting {
    fn search<'a>(&'a self, _: &'a Query) -> Answer<'a, Found> {
        self.next(found)
    }
    fn suggest<'a>(&'a self, _: &'a Typed) -> Answer<'a, Suggested> {
        self.next(|nth| Suggested { completions: vec![nth.to_string()], products: Vec::new() })
    }
    fn spellings<'a>(&'a self, _: &'a [String]) -> Answer<'a, Vec<Vec<Spelling>>> {
        self.next(|_| Vec::new())
    }
    fn write<'a>(&'a self, _: Target<'a>, _: &'a [Write]) -> Answer<'a, Vec<Written>> {
        self.next(|_| Vec::new())
    }
    fn refresh(&self) -> Answer<'_, ()> {
        self.next(|_| ())
    }
    fn begin<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        self.next(|_| ())
    }
    fn finish<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        self.next(|_| ())
    }
    fn abandon<'a>(&'a self, _: &'a Generation) -> Answer<'a, ()> {
        self.next(|_| ())
    }
    fn health(&self) -> Answer<'_, Health> {
        self.next(|_| Health { engine: "counting".into(), live: None, building: None, products: 0 })
    }
}

fn shop(url: &str, prefix: &str, engine: Counting) -> Cached {
    let address = CacheAddress::parse(url).unwrap();
    Cached::new(Arc::new(engine), Cache::new(address, b"", Arc::new(SystemClock), Duration::from_secs(20)), prefix)
}

fn query(word: &str) -> Query {
    let clause = Clause::Word { field: Field::Name, word: word.into(), weight: 100 };
    Query::of(Some(clause), Currency::EUR, 10)
}

fn typed(prefix: &str) -> Typed {
    Typed { words: vec!["green".into()], prefix: prefix.into(), limit: 8 }
}

#[tokio::test]
async fn what_one_found_all_find_and_nothing_else() {
    let (kept, url) = server().await;
    let (one, other) = (shop(&url, "shop", Counting::default()), shop(&url, "shop", Counting::default()));
    let first = one.search(&query("tea")).await.unwrap();
    assert_eq!(first, found(1));
    for _ in 0..3 {
        assert_eq!(other.search(&query("tea")).await.unwrap(), first);
    }
    assert_eq!((one.tally(), other.tally(), other.tally()), ((0, 1), (3, 0), (0, 0)));
    // Whatever differs in a question makes it another one.
    let differently: [fn(&mut Query); 7] = [
        |query| query.limit = 11,
        |query| query.currency = Currency::USD,
        |query| query.facets = true,
        |query| query.sort = search::Sort::Price,
        |query| query.filters.in_stock = Some(true),
        |query| query.without = found(0).hits,
        |query| query.pinned = found(0).hits,
    ];
    for change in differently {
        let mut question = query("tea");
        change(&mut question);
        other.search(&question).await.unwrap();
    }
    other.search(&query("coffee")).await.unwrap();
    assert_eq!(other.tally(), (0, 8));
    assert_eq!(other.suggest(&typed("te")).await, one.suggest(&typed("te")).await);
    assert_ne!(other.suggest(&typed("tea")).await, one.suggest(&typed("te")).await);
    assert_eq!((one.tally(), other.tally()), ((2, 0), (0, 2)));
    // Another stage has its own, and nobody reads from a key what was asked.
    shop(&url, "stage", Counting::default()).search(&query("tea")).await.unwrap();
    let keys: Vec<String> = kept.lock().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 9 + 2 + 1);
    assert!(keys.iter().all(|key| key.starts_with("shop:search:1:") || key.starts_with("stage:search:1:found:")));
    assert!(keys.iter().all(|key| key.len() < 60 && !key.contains("tea") && !key.contains("coffee")));
}

#[tokio::test]
async fn what_is_kept_has_the_form_that_its_key_names() {
    let (kept, url) = server().await;
    let shop = shop(&url, "shop", Counting::default());
    shop.search(&query("tea")).await.unwrap();
    shop.suggest(&typed("te")).await.unwrap();
    let values: Vec<String> =
        kept.lock().unwrap().values().map(|value| String::from_utf8(value.clone()).unwrap()).collect();
    // Who changes these texts changes `FORMAT` as well: functions of both kinds run while one deploys.
    assert_eq!(values, [FOUND, r#"{"completions":["2"],"products":[]}"#]);
    let keys: Vec<String> = kept.lock().unwrap().keys().cloned().collect();
    assert!(keys[0].starts_with("shop:search:1:found:") && keys[1].starts_with("shop:search:1:suggested:"));
}

const FOUND: &str = concat!(
    r#"{"hits":["prd_00000000000001"],"next":{"key":-1,"id":"prd_00000000000001"},"total":1,"exact":false,"#,
    r#""facets":{"category":[{"value":"a/b","count":1}],"brand":[{"value":"Ümlaut","count":1}],"#,
    r#""price":[{"from":0,"to":null,"count":2}],"rating":[{"stars":4,"count":3}],"in_stock":4,"sold_out":5,"#,
    r#""attributes":[{"name":"Colour","values":[{"value":"red","count":1}]}]}}"#
);

#[tokio::test]
async fn what_makes_no_sense_is_a_miss_and_replaced() {
    let (kept, url) = server().await;
    let shop = shop(&url, "shop", Counting::default());
    shop.search(&query("tea")).await.unwrap();
    for (nth, nonsense) in [
        &b""[..],
        b"null",
        b"{}",
        b"\xff\xfe",
        br#"{"hits":["ord_00000000000001"],"next":null,"total":1,"exact":true,"facets":null}"#,
        br#"{"hits":[],"next":null,"total":-1,"exact":true,"facets":null}"#,
        &FOUND.as_bytes()[..FOUND.len() - 1],
    ]
    .into_iter()
    .enumerate()
    {
        kept.lock().unwrap().values_mut().for_each(|value| *value = nonsense.to_vec());
        let fresh = found(u64::try_from(nth).unwrap() + 2);
        assert_eq!(shop.search(&query("tea")).await.unwrap(), fresh);
        assert_eq!(shop.search(&query("tea")).await.unwrap(), fresh);
    }
    assert_eq!(shop.tally(), (7, 8));
}

#[tokio::test]
async fn a_search_that_fails_is_not_kept() {
    let (kept, url) = server().await;
    let shop = shop(&url, "shop", Counting { down: true, ..Counting::default() });
    for _ in 0..2 {
        assert_eq!(shop.search(&query("tea")).await, Err(SearchError::Unavailable("down".into())));
    }
    assert_eq!((shop.tally(), kept.lock().unwrap().len()), ((0, 2), 0));
}

#[tokio::test]
async fn without_a_cache_everything_is_found() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let shop = shop(&format!("redis://{away}"), "shop", Counting::default());
    for nth in 1..=10 {
        assert_eq!(shop.search(&query("tea")).await.unwrap(), found(nth));
    }
    assert_eq!(shop.tally(), (0, 10));
}
