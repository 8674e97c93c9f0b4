//! `OpenSearch` behind the port: over recorded exchanges always, and over a real server with `make test-opensearch`.
//!
//! `recorded/opensearch.json` is what OpenSearch 2.19.1 answered to [`story`]; `OXCART_RECORD=1 make test-opensearch` asks it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws::transport::{Request, Transport};
use aws::{Config, Platform, Resource};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use search::opensearch::Work;
use search::{
    Clause, Field, Generation, OpenSearch, Place, SearchEngine, SearchError, Sort, Target, Typed, Write, Written,
};

use crate::contract::catalogue::{Changed, ask, fill, id, product, word};
use crate::tape::Tape;

mod contract;
mod tape;

const RECORDED: &str = "http://127.0.0.1:9200";

fn platform(prefix: &str, url: &str, shards: &str) -> Platform {
    let vars = [
        ("OXCART_STAGE", "test"),
        ("OXCART_PREFIX", prefix),
        ("OXCART_QUEUE_BASE", "http://127.0.0.1/"),
        ("OXCART_ISSUER", "http://127.0.0.1"),
        ("OXCART_MAIL_FROM", "shop@example.com"),
        ("OXCART_FUNCTION", "search-products"),
        ("OXCART_SEARCH", "opensearch"),
        ("OXCART_OPENSEARCH_URL", url),
        ("OXCART_OPENSEARCH_SHARDS", shards),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let vars: BTreeMap<_, _> = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Platform::over(Config::from_vars(&vars).unwrap(), http_client_fn(|_, _| unreachable!("no other service is called")))
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test that is told where its server is")]
    std::env::var(name).ok()
}

fn url() -> String {
    variable("OPENSEARCH_URL").expect("OPENSEARCH_URL names an OpenSearch: make test-opensearch")
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/opensearch.json")
}

/// Removes the indexes whose names begin so.
async fn clean(prefix: &str) {
    let server = Transport::new(&url(), b"");
    let call = async |method: &'static str, path: String| {
        let request = Request { method, path, headers: Vec::new(), body: String::new() };
        String::from_utf8(server.send(request).await.unwrap().body).unwrap()
    };
    for index in call("GET", format!("/_cat/indices/{prefix}-*?h=index")).await.lines() {
        call("DELETE", format!("/{index}")).await;
    }
}

#[tokio::test]
#[ignore = "needs an OpenSearch: make test-opensearch"]
async fn it_keeps_the_contract_of_the_port() {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let run = format!("oxcart-contract-{}", std::process::id());
    let name = run.clone();
    let fresh = move || -> aws::BoxFuture<'static, Arc<dyn SearchEngine>> {
        let prefix = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            let engine = OpenSearch::connect(&platform(&prefix, &url(), "1")).unwrap();
            let engine: Arc<dyn SearchEngine> = Arc::new(engine);
            engine
        })
    };
    // On its own, so that indexes are removed whatever becomes of it.
    let cases = tokio::task::LocalSet::new();
    let outcome = cases.spawn_local(async move { contract::run(&fresh).await });
    let ((), outcome) = tokio::join!(cases, outcome);
    clean(&run).await;
    outcome.unwrap();
}

/// Totals, facets and pages are of all shards.
#[tokio::test]
#[ignore = "needs an OpenSearch: make test-opensearch"]
async fn several_shards_are_as_one() {
    let prefix = format!("oxcart-shards-{}", std::process::id());
    let engine = OpenSearch::connect(&platform(&prefix, &url(), "3")).unwrap();
    fill(&engine, (0..200).map(|at| product(&format!("p{at:03}"), "tea").brand(["Acme", "Best"][at % 2]))).await;
    let mut query = ask(Clause::Flat { clause: Box::new(word("tea")), score: 1 });
    (query.limit, query.facets) = (30, true);
    let (mut seen, mut place) = (Vec::new(), Some(Place::default()));
    while let Some(from) = place {
        let page = from.page(query.clone());
        let found = engine.search(&page).await.unwrap();
        let left = 200 - u64::try_from(seen.len()).unwrap();
        assert_eq!(found.total, left);
        let brands = found.facets.as_ref().unwrap().brand.iter().map(|brand| brand.count);
        assert_eq!(brands.collect::<Vec<_>>(), [left / 2, left / 2]);
        place = from.next(&page, &found);
        seen.extend(found.hits);
    }
    let expected: Vec<_> = (0..200).map(|at| id(&format!("p{at:03}"))).collect();
    clean(&prefix).await;
    assert_eq!(seen, expected);
}

/// A server at which something else happens just before a request arrives.
#[derive(Clone)]
struct Before {
    server: SharedHttpConnector,
    method: &'static str,
    ends: &'static str,
    happens: Arc<Mutex<Option<aws::BoxFuture<'static, ()>>>>,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "before {} {}", self.method, self.ends)
    }
}

impl HttpConnector for Before {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let meant = request.method() == self.method && request.uri().ends_with(self.ends);
        let happens = if meant { self.happens.lock().unwrap().take() } else { None };
        let server = self.server.clone();
        HttpConnectorFuture::new(async move {
            if let Some(happens) = happens {
                happens.await;
            }
            server.call(request).await
        })
    }
}

/// A shop's first index and a new one that takes over are made at the same time, each just before the other: one is left, and
/// it has what was written.
#[tokio::test]
#[ignore = "needs an OpenSearch: make test-opensearch"]
async fn a_first_index_gives_way() {
    for (method, ends) in [("PUT", "-products-first"), ("POST", "/_aliases")] {
        let prefix = format!("oxcart-first-{}-{}", std::process::id(), method.to_lowercase());
        let platform = platform(&prefix, &url(), "1");
        let other = Arc::new(OpenSearch::connect(&platform).unwrap());
        let next = Generation::parse("next").unwrap();
        let (engine, generation) = (other.clone(), next.clone());
        let tea = || [product("aa", "tea").put()];
        let happens: aws::BoxFuture<'static, ()> = Box::pin(async move {
            if method == "PUT" {
                engine.begin(&generation).await.unwrap();
                engine.finish(&generation).await.unwrap();
            } else {
                assert_eq!(engine.write(Target::Live, &tea()).await.unwrap(), [Written::Applied]);
            }
        });
        let server = aws::tls::connector(b"").unwrap();
        let before = Before { server, method, ends, happens: Arc::new(Mutex::new(Some(happens))) };
        let transport = Transport::over(&url(), SharedHttpConnector::new(before));
        let slow = OpenSearch::over(&platform, transport).unwrap();
        if method == "PUT" {
            assert_eq!(slow.write(Target::Live, &tea()).await.unwrap(), [Written::Applied]);
        } else {
            slow.begin(&next).await.unwrap();
            slow.finish(&next).await.unwrap();
        }
        assert_eq!(other.write(Target::Live, &[product("bb", "tea").put()]).await.unwrap(), [Written::Applied]);
        other.refresh().await.unwrap();
        let (health, found) = (other.health().await, other.search(&ask(word("tea"))).await);
        clean(&prefix).await;
        assert_eq!(health.unwrap().live, Some(next), "{method}");
        assert_eq!(found.unwrap().total, 2, "{method}: each once");
    }
}

/// Each call of the port once, with what it must give.
async fn story(engine: &dyn SearchEngine) {
    let shoe = product("aa", "Running Shoes").brand("Salomon").category("sports/running").price(9900).rated(450);
    let shoe = shoe.text("Colour", "Red").kinds(&["shoe"]);
    let sock =
        product("bb", "Wool socks").brand("Acme").category("sports").price(900).text("Colour", "blue").sold_out();
    fill(engine, [shoe, sock]).await;

    let any = Clause::Best {
        of: vec![
            Clause::Scaled { clause: Box::new(word("shoe")), when: Box::new(Clause::Accessory), by: 40 },
            Clause::Phrase { field: Field::Name, words: vec!["wool".into(), "sock".into()], weight: 250 },
        ],
        tie: 10,
    };
    let mut query = ask(any.clone());
    (query.facets, query.sort) = (true, Sort::Price);
    query.filters.attributes.insert("colour".into(), ["red".to_owned()].into());
    let found = engine.search(&query).await.unwrap();
    assert_eq!((found.hits, found.total, found.exact, found.next), (vec![id("aa")], 1, true, None));
    let facets = found.facets.unwrap();
    let colours: Vec<_> = facets.attributes[0].values.iter().map(|value| value.value.as_str()).collect();
    assert_eq!((facets.attributes.len(), colours), (1, vec!["Red", "blue"]));

    let mut query = ask(any);
    query.limit = 1;
    for sort in [Sort::Relevance, Sort::Newest] {
        query.sort = sort;
        let first = engine.search(&query).await.unwrap();
        let place = Place::default().next(&query, &first).unwrap();
        let second = engine.search(&place.page(query.clone())).await.unwrap();
        let mut seen = [first.hits, second.hits].concat();
        seen.sort();
        assert_eq!((seen, second.next), (vec![id("aa"), id("bb")], None));
    }

    let typed = Typed { words: vec!["salomon".into()], prefix: "s".into(), limit: 5 };
    assert_eq!(engine.suggest(&typed).await.unwrap().completions, ["salomon shoe"]);
    let spelt = engine.spellings(&["shoos".into(), "wool".into()]).await.unwrap();
    assert_eq!((spelt[0][0].word.as_str(), spelt[1][0].edits), ("shoes", 0));

    let next = Generation::parse("next").unwrap();
    engine.begin(&next).await.unwrap();
    let late = [product("aa", "Late").put(), Write::Remove { id: id("bb"), version: 2 }];
    assert_eq!(engine.write(Target::Live, &late).await.unwrap(), [Written::Stale, Written::Applied]);
    engine.write(Target::Building(&next), &[product("cc", "Tea").put()]).await.unwrap();
    engine.finish(&next).await.unwrap();
    let health = engine.health().await.unwrap();
    assert!(health.engine.starts_with("opensearch "), "{}", health.engine);
    assert_eq!((health.live, health.products), (Some(next.clone()), 2));
    let other = Generation::parse("other").unwrap();
    assert_eq!(engine.finish(&other).await, Err(SearchError::NotBuilding("other".into())));
    engine.begin(&other).await.unwrap();
    engine.abandon(&other).await.unwrap();
}

#[tokio::test]
async fn a_recorded_server_is_understood() {
    let tape = std::fs::read(recording()).unwrap();
    let tape: std::collections::VecDeque<tape::Exchange> = serde_json::from_slice(&tape).unwrap();
    let left = Arc::new(Mutex::new(tape));
    let transport = Transport::over(RECORDED, SharedHttpConnector::new(Tape::Plays(left.clone())));
    let engine = OpenSearch::over(&platform("oxcart-recorded", RECORDED, "1"), transport).unwrap();
    story(&engine).await;
    assert_eq!(left.lock().unwrap().len(), 0, "requests that were not made");
}

/// Functions may do what the adapter asks for, and nothing else.
#[test]
fn what_is_asked_is_what_is_granted() {
    let tape: Vec<tape::Exchange> = serde_json::from_slice(&std::fs::read(recording()).unwrap()).unwrap();
    let asked: BTreeSet<_> = tape.iter().map(tape::Exchange::right).collect();
    let granted: BTreeSet<_> = [Work::Find, Work::Write, Work::Rebuild, Work::Watch]
        .into_iter()
        .flat_map(search::opensearch::grants)
        .flat_map(|grant| {
            let Resource::Search { path } = grant.resource else { panic!("{grant:?}") };
            let path = path.replace("{prefix}", "oxcart-recorded");
            grant.actions.into_iter().map(move |action| (action.to_owned(), path.clone()))
        })
        .collect();
    let covers = |(action, path): &(String, String), (wanted, asked): &(String, String)| {
        let like = path.strip_suffix('*').map_or(path == asked, |begin| asked.starts_with(begin));
        action == wanted && like
    };
    let refused: Vec<_> = asked.iter().filter(|asked| !granted.iter().any(|granted| covers(granted, asked))).collect();
    assert!(refused.is_empty(), "asked and not granted: {refused:?}");
    // It is asked for only when an index takes over while a first one is made (`a_first_index_gives_way`).
    let granted = granted.into_iter().filter(|(action, _)| action != "es:ESHttpDelete").collect::<BTreeSet<_>>();
    let unused: Vec<_> = granted.iter().filter(|granted| !asked.iter().any(|asked| covers(granted, asked))).collect();
    assert!(unused.is_empty(), "granted and not asked: {unused:?}");
}

/// The same on a real server; with `OXCART_RECORD` it is written down.
#[tokio::test]
#[ignore = "needs an OpenSearch: make test-opensearch"]
async fn a_real_server_answers_as_recorded() {
    let record = variable("OXCART_RECORD").is_some();
    clean("oxcart-recorded").await;
    let tape = Arc::new(Mutex::new(Vec::new()));
    let server = aws::tls::connector(b"").unwrap();
    let transport = Transport::over(&url(), SharedHttpConnector::new(Tape::Records(server, tape.clone())));
    let engine = OpenSearch::over(&platform("oxcart-recorded", &url(), "1"), transport).unwrap();
    story(&engine).await;
    clean("oxcart-recorded").await;
    if record {
        let text = serde_json::to_string_pretty(&*tape.lock().unwrap()).unwrap();
        std::fs::write(recording(), text + "\n").unwrap();
    }
}
