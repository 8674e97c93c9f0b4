//! Calls with an `Idempotency-Key`: one runs, the others get its answer; a slow run never overwrites the one that took the
//! key over; a killed one blocks nobody for longer than it could have lived.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{ManualClock, TableSpec};
use bytes::Bytes;
use engine::{Call as EngineCall, ConnectorFailure, Layer, Next, Reply as EngineReply};
use http::{Method, Response};
use kernel::problem::code;
use kernel::{Problem, Timestamp, UserId};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use local::{Options, Registry, Shop, registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{ISSUER, send, token};

/// What the handler of one shop did and is told; found by the shop's day.
struct Notes {
    runs: AtomicUsize,
    /// A run that was asked to wait does so until somebody lets it go.
    gate: Semaphore,
}

static NOTES: Mutex<Option<HashMap<i64, Arc<Notes>>>> = Mutex::new(None);

fn notes(day: i64) -> Arc<Notes> {
    let fresh = || Arc::new(Notes { runs: AtomicUsize::new(0), gate: Semaphore::new(0) });
    NOTES.lock().unwrap().get_or_insert_default().entry(day).or_insert_with(fresh).clone()
}

#[derive(Deserialize, JsonSchema)]
struct Ask {
    #[schemars(length(max = 20))]
    what: String,
    #[serde(default)]
    wait: bool,
}

#[derive(Serialize, JsonSchema)]
struct Ran {
    run: usize,
    padding: String,
}

async fn work(call: Call<Nothing, Nothing, Ask>, (): ()) -> Result<Reply, Problem> {
    let notes = notes(call.cx.now().millis() / 86_400_000);
    let run = notes.runs.fetch_add(1, Ordering::SeqCst) + 1;
    if call.body.wait && run == 1 {
        notes.gate.acquire().await.unwrap().forget();
    }
    match call.body.what.as_str() {
        "below" => Err(Problem::new(code::BELOW_HELD, format!("run {run}"))),
        "busy" => Err(Problem::new(code::UNAVAILABLE, format!("run {run}")).retry_after(1)),
        "wrong" => Err(Problem::field("/what", "must not be wrong")),
        "forbidden" => Err(Problem::new(code::FORBIDDEN, format!("run {run}"))),
        "panic" => panic!("as it was told"),
        what => {
            let padding = if what == "large" { "x".repeat(5_000) } else { String::new() };
            Ok(Reply::created(&Ran { run, padding }, "/v1/works/1").version(7))
        }
    }
}

fn functions() -> Vec<Function> {
    let work_at = |name, path| Http::post(name, path).reply::<Ran>(201, "it ran");
    vec![
        work_at("work", "/v1/works").handle(work),
        work_at("work-as", "/v1/me/works").auth(Auth::CUSTOMER).handle(work),
        work_at("work-required", "/v1/strict/works").idempotency(Idempotency::Required).handle(work),
    ]
}

async fn shop_with(day: i64, layer: Option<Arc<dyn Layer>>) -> (Shop, Arc<ManualClock>, Arc<Notes>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(day * 86_400_000)));
    let layers: Option<local::shop::LayersOf> =
        layer.map(|layer| -> local::shop::LayersOf { Arc::new(move |_: &str| vec![layer.clone()]) });
    let options = Options { clock: clock.clone(), base_url: ISSUER.into(), layers, ..Options::memory() };
    let registry = Registry { functions: functions(), tables: vec![lambda::ANSWERS], queues: Vec::new() };
    (Shop::open(options, registry).await.unwrap(), clock, notes(day))
}

type Got = (u16, Value, Response<Bytes>);

async fn post(shop: &Shop, path: &str, headers: &[(&str, &str)], body: Value) -> Got {
    send(shop, Method::POST, path, headers, body.to_string()).await
}

async fn ask(shop: &Shop, key: &str, body: Value) -> Got {
    post(shop, "/v1/works", &[("idempotency-key", key)], body).await
}

fn replayed(got: &Got) -> bool {
    got.2.headers().get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn items(shop: &Shop, spec: &TableSpec) -> Vec<aws::Item> {
    let table = shop.platform().table(spec);
    table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap_or_default()
}

/// Waits until the handler has begun so many runs.
async fn runs(notes: &Notes, wanted: usize) {
    while notes.runs.load(Ordering::SeqCst) < wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_repeated_call_gets_the_same_bytes() {
    let (shop, clock, notes) = shop_with(190, None).await;
    for what in ["small", "large"] {
        let first = ask(&shop, what, json!({ "what": what })).await;
        assert_eq!(first.0, 201, "{}", first.1);
        clock.advance(Duration::from_secs(3600));
        let again = ask(&shop, &format!("\"{what}\""), json!({ "what": what })).await;
        assert!(!replayed(&first) && replayed(&again));
        assert_eq!((again.0, again.2.body()), (201, first.2.body()), "{what}");
        for name in ["content-type", "location", "etag", "cache-control"] {
            assert_eq!(again.2.headers().get(name), first.2.headers().get(name), "{name}");
            assert!(first.2.headers().contains_key(name), "{name}");
        }
        assert_ne!(again.2.headers().get("x-request-id"), first.2.headers().get("x-request-id"));
    }
    assert_eq!(notes.runs.load(Ordering::SeqCst), 2);
    // A day later the key is as good as new.
    clock.advance(kernel::limits::KEPT_ANSWER);
    let later = ask(&shop, "small", json!({ "what": "small" })).await;
    assert_eq!((later.0, &later.1["run"], replayed(&later)), (201, &json!(1), false), "the first run of that day");
}

#[tokio::test]
async fn a_call_without_the_header_pays_nothing() {
    let (shop, _, notes) = shop_with(102, None).await;
    for _ in 0..2 {
        assert_eq!(post(&shop, "/v1/works", &[], json!({ "what": "x" })).await.0, 201);
    }
    assert_eq!(notes.runs.load(Ordering::SeqCst), 2);
    assert!(items(&shop, &lambda::ANSWERS).await.is_empty());
    let missing = post(&shop, "/v1/strict/works", &[], json!({ "what": "x" })).await;
    assert_eq!((missing.0, &missing.1["code"]), (400, &json!("idempotency-key-missing")));
    let kept = post(&shop, "/v1/strict/works", &[("idempotency-key", "k")], json!({ "what": "x" })).await;
    assert_eq!((kept.0, items(&shop, &lambda::ANSWERS).await.len()), (201, 1));
}

#[tokio::test]
async fn another_request_with_the_key_is_refused() {
    let (shop, clock, notes) = shop_with(103, None).await;
    assert_eq!(ask(&shop, "k", json!({ "what": "a" })).await.0, 201);
    let other = ask(&shop, "k", json!({ "what": "b" })).await;
    assert_eq!((other.0, &other.1["code"]), (422, &json!("idempotency-key-reused")));
    let queried = post(&shop, "/v1/works?x=1", &[("idempotency-key", "k")], json!({ "what": "a" })).await;
    assert_eq!(queried.0, 422, "the query is part of the request");
    // The order of members is not.
    let turned =
        send(&shop, Method::POST, "/v1/works", &[("idempotency-key", "k")], "{ \"wait\": false, \"what\": \"c\" }");
    assert_eq!(turned.await.0, 422);
    assert_eq!(notes.runs.load(Ordering::SeqCst), 1);
    // Also when the run that had the key is dead: what it did is not known.
    assert_eq!(ask(&shop, "dead", json!({ "what": "busy" })).await.0, 503);
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&shop, "dead", json!({ "what": "a" })).await.0, 422);
}

#[tokio::test]
async fn keys_belong_to_who_sent_them() {
    let (shop, _, notes) = shop_with(104, None).await;
    let (one, two) =
        (token(&shop, |_| {}).await, token(&shop, |claims| claims.sub = UserId::new([2; 16]).to_string()).await);
    for (token, run) in [(&one, 1), (&two, 2)] {
        let bearer = format!("Bearer {token}");
        for _ in 0..2 {
            let headers = [("idempotency-key", "same"), ("authorization", bearer.as_str())];
            let (status, body, _) = post(&shop, "/v1/me/works", &headers, json!({ "what": "x" })).await;
            assert_eq!((status, &body["run"]), (201, &json!(run)), "{body}");
        }
    }
    // Nor does another function know it.
    let (status, body, _) = ask(&shop, "same", json!({ "what": "x" })).await;
    assert_eq!((status, &body["run"]), (201, &json!(3)));
    assert_eq!(notes.runs.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn refusals_are_kept_freed_or_forgotten() {
    let (shop, _, notes) = shop_with(105, None).await;
    let asked = |key: &'static str, what: &'static str| ask(&shop, key, json!({ "what": what }));
    // Final: a late copy of the call must not do what its sender was told had failed.
    let (first, again) = (asked("final", "below").await, asked("final", "below").await);
    assert_eq!((first.0, again.0, replayed(&again)), (409, 409, true));
    assert_eq!(first.2.body(), again.2.body());
    // For now: the same request may come again, and another one may not.
    for (key, what, status) in [("busy", "busy", 503), ("panic", "panic", 500)] {
        let before = notes.runs.load(Ordering::SeqCst);
        for _ in 0..2 {
            let got = asked(key, what).await;
            assert_eq!((got.0, replayed(&got)), (status, false), "{key}");
        }
        assert_eq!(notes.runs.load(Ordering::SeqCst), before + 2, "{key}");
        assert_eq!(asked(key, "fine").await.0, 422, "{key}");
    }
    // Of the request's own making: nothing was done, the corrected one may use the key.
    for (key, what, status) in [("wrong", "wrong", 422), ("forbidden", "forbidden", 403)] {
        assert_eq!(asked(key, what).await.0, status);
        let fine = asked(key, "fine").await;
        assert_eq!((fine.0, replayed(&fine)), (201, false), "{key}");
        assert!(replayed(&asked(key, "fine").await));
    }
    // What does not even parse never reaches the table.
    let before = items(&shop, &lambda::ANSWERS).await.len();
    assert_eq!(ask(&shop, "shape", json!({ "what": 1 })).await.0, 422);
    assert_eq!(items(&shop, &lambda::ANSWERS).await.len(), before);
    assert_eq!(asked("shape", "fine").await.0, 201);
}

#[tokio::test]
async fn of_two_callers_at_once_one_runs() {
    let (shop, _, notes) = shop_with(106, None).await;
    let body = json!({ "what": "x", "wait": true });
    let first = {
        let (shop, body) = (shop.clone(), body.clone());
        tokio::spawn(async move { ask(&shop, "k", body).await })
    };
    runs(&notes, 1).await;
    for _ in 0..3 {
        let (status, problem, response) = ask(&shop, "k", body.clone()).await;
        assert_eq!((status, &problem["code"]), (409, &json!("request-in-flight")));
        assert_eq!(response.headers()["retry-after"], "1");
    }
    assert_eq!(ask(&shop, "k", json!({ "what": "y" })).await.0, 422, "another request, while the first is under way");
    notes.gate.add_permits(1);
    let first = first.await.unwrap();
    let again = ask(&shop, "k", body).await;
    assert_eq!((first.0, replayed(&first), replayed(&again)), (201, false, true));
    assert_eq!(first.2.body(), again.2.body());
    assert_eq!(notes.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_callers_at_once_see_one_run() {
    let (shop, _, notes) = shop_with(107, None).await;
    let calls = (0..40).map(|_| {
        let shop = shop.clone();
        tokio::spawn(async move { ask(&shop, "k", json!({ "what": "x" })).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let (status, body, _) = call.await.unwrap();
        assert!(status == 409 || (status == 201 && body["run"] == 1), "{status} {body}");
    }
    assert_eq!(notes.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_first_caller_does_not_overwrite_who_took_the_key_over() {
    let (shop, clock, notes) = shop_with(108, None).await;
    let body = json!({ "what": "x", "wait": true });
    let first = {
        let (shop, body) = (shop.clone(), body.clone());
        tokio::spawn(async move { ask(&shop, "k", body).await })
    };
    runs(&notes, 1).await;
    // As long as the first one may live, and the second that Lambda takes to end it, the key is its own.
    clock.advance(Duration::from_millis(10_999));
    assert_eq!(ask(&shop, "k", body.clone()).await.0, 409);
    clock.advance(Duration::from_millis(1));
    let second = ask(&shop, "k", body.clone()).await;
    assert_eq!((second.0, &second.1["run"]), (201, &json!(2)));
    notes.gate.add_permits(1);
    assert_eq!(first.await.unwrap().1["run"], 1, "it tells its own caller what it did");
    let third = ask(&shop, "k", body).await;
    assert_eq!((third.2.body(), replayed(&third)), (second.2.body(), true));
    assert_eq!(notes.runs.load(Ordering::SeqCst), 2);
}

/// Loses the n-th call or only its answer; and every later one, or none.
struct Breaker {
    left: AtomicI64,
    answer_only: bool,
    for_good: bool,
}

impl Layer for Breaker {
    fn call<'a>(
        &'a self,
        call: EngineCall,
        next: Next<'a>,
    ) -> aws::BoxFuture<'a, Result<EngineReply, ConnectorFailure>> {
        Box::pin(async move {
            let left = self.left.fetch_sub(1, Ordering::SeqCst);
            if left > 1 || (left < 1 && !self.for_good) {
                return next.run(call).await;
            }
            if left == 1 && self.answer_only {
                next.run(call).await?;
            }
            Err(ConnectorFailure::Connection("lost".into()))
        })
    }
}

#[tokio::test]
async fn a_lost_answer_of_the_table_changes_nothing() {
    for (day, (at, answer_only)) in (120..).zip([(1, false), (1, true), (2, false), (2, true)]) {
        let breaker = Arc::new(Breaker { left: AtomicI64::new(at), answer_only, for_good: false });
        let (shop, _, notes) = shop_with(day, Some(breaker)).await;
        let first = ask(&shop, "k", json!({ "what": "x" })).await;
        let again = ask(&shop, "k", json!({ "what": "x" })).await;
        assert_eq!((first.0, replayed(&again), notes.runs.load(Ordering::SeqCst)), (201, true, 1), "call {at}");
        assert_eq!(first.2.body(), again.2.body());
    }
}

/// The whole shop, whose staff's functions are killed at a call.
async fn killed_at(at: i64, answer_only: bool) -> (Shop, Arc<ManualClock>, Arc<Breaker>, String) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_766_400_000)));
    let breaker = Arc::new(Breaker { left: AtomicI64::new(i64::MAX), answer_only, for_good: true });
    let layer = breaker.clone();
    let layers: local::shop::LayersOf = Arc::new(move |name: &str| -> Vec<Arc<dyn Layer>> {
        let staff = ["receive-stock", "adjust-stock", "transfer-stock"].contains(&name);
        if staff { vec![layer.clone()] } else { Vec::new() }
    });
    let options = Options { clock: clock.clone(), base_url: ISSUER.into(), layers: Some(layers), ..Options::memory() };
    let shop = Shop::open(options, registry::registry()).await.unwrap();
    let bearer = format!("Bearer {}", token(&shop, |claims| claims.scope = "admin".into()).await);
    let houses = json!({ "warehouses": [{ "id": "main", "name": "Main" }, { "id": "far", "name": "Far" }] });
    let (status, body, _) =
        send(&shop, Method::PUT, "/v1/admin/warehouses", &[("authorization", &bearer)], houses.to_string()).await;
    assert!(status < 300, "{body}");
    let opening = json!({ "warehouse": "main", "quantity": 10, "reference": "opening" });
    let headers = [("authorization", bearer.as_str())];
    let (status, body, _) = post(&shop, "/v1/admin/inventory/TEA/receipts", &headers, opening).await;
    assert_eq!(status, 200, "{body}");
    breaker.left.store(at, Ordering::SeqCst);
    (shop, clock, breaker, bearer)
}

#[tokio::test(start_paused = true)]
async fn a_killed_call_is_finished_by_its_repetition_and_books_once() {
    let calls = [
        ("/v1/admin/inventory/TEA/receipts", json!({ "warehouse": "far", "quantity": 4, "reference": "r" }), (10, 4)),
        ("/v1/admin/inventory/TEA/adjustments", json!({ "warehouse": "main", "quantity": -3, "reason": "r" }), (7, 0)),
        ("/v1/admin/inventory/transfers", json!({ "sku": "TEA", "from": "main", "to": "far", "quantity": 4 }), (6, 4)),
    ];
    for (path, body, expected) in calls {
        for at in 1..=10 {
            for answer_only in [false, true] {
                let what = format!("{path}, killed at call {at}, answer only {answer_only}");
                let (shop, clock, breaker, bearer) = killed_at(at, answer_only).await;
                let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
                let (first, _, _) = post(&shop, path, &headers, body.clone()).await;
                breaker.left.store(i64::MAX, Ordering::SeqCst);
                let (early, told, _) = post(&shop, path, &headers, body.clone()).await;
                assert!(matches!(early, 200 | 201 | 409), "{what}: {first}, {early} {told}");
                clock.advance(Duration::from_secs(31));
                let (last, told, _) = post(&shop, path, &headers, body.clone()).await;
                assert!(matches!(last, 200 | 201), "{what}: {first}, {early}, {last} {told}");
                let (_, stock, _) =
                    send(&shop, Method::GET, "/v1/admin/inventory/TEA", &headers[..1], Bytes::new()).await;
                let mut there: BTreeMap<&str, i64> = BTreeMap::new();
                for item in stock["items"].as_array().unwrap() {
                    *there.entry(item["warehouse"].as_str().unwrap()).or_default() +=
                        item["available"].as_i64().unwrap();
                }
                let there = (there["main"], there.get("far").copied().unwrap_or(0));
                assert_eq!(there, expected, "{what}: {first}, {early}, {last}: {stock}");
                // On another item, the key is refused, whatever became of the first call.
                let (path, body) = match path.strip_suffix("transfers") {
                    Some(_) => {
                        (path.to_owned(), json!({ "sku": "COFFEE", "from": "main", "to": "far", "quantity": 4 }))
                    }
                    None => (path.replace("TEA", "COFFEE"), body.clone()),
                };
                let (other, told, _) = post(&shop, &path, &headers, body).await;
                assert_eq!((other, &told["code"]), (422, &json!("idempotency-key-reused")), "{what}");
            }
        }
    }
}

/// Every name of a member, wherever it stands.
fn members(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                names.extend(properties.keys().cloned());
            }
            object.values().for_each(|inner| members(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| members(inner, names)),
        _ => {}
    }
}

#[test]
fn nothing_secret_is_kept() {
    let secret = ["password", "token", "secret", "passphrase", "credential"];
    for function in registry::functions() {
        let Some(route) = function.route().filter(|route| route.idempotency.is_kept()) else { continue };
        let schemas = route.documented.replies.iter().filter_map(|(_, _, schema)| schema.as_ref());
        let mut names = Vec::new();
        schemas.chain(&route.documented.body).for_each(|schema| members(schema, &mut names));
        let found: Vec<&String> = names.iter().filter(|name| secret.iter().any(|part| name.contains(part))).collect();
        assert!(
            found.is_empty(),
            "{}: {found:?} would lie in the table of answers for a day, or a digest of it: declare Idempotency::Derived or \
             Inherent",
            function.name
        );
    }
}

#[test]
fn only_functions_that_keep_answers_may_use_the_table() {
    for function in registry::functions() {
        let granted = function
            .grants
            .iter()
            .any(|grant| matches!(grant.resource, aws::Resource::Table { name } if name == lambda::ANSWERS.name));
        let kept = function.route().is_some_and(|route| route.idempotency.is_kept());
        assert_eq!(granted, kept, "{}", function.name);
    }
}
