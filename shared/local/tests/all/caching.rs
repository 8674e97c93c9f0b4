//! The CDN before a shop: what it keeps and for how long, in a time that stands still; and that a price which staff changes is
//! another one everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws::ManualClock;
use bytes::Bytes;
use http::{Method, Request, Response};
use kernel::problem::code;
use kernel::{Problem, Timestamp};
use lambda::{Auth, Call, Freshness, Http, Nothing, Reply};
use local::cdn::Cdn;
use local::start::{self, ADMIN};
use local::{Options, Registry, Search, Shop, registry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const SECRET: &str = "behind-the-cdn";

#[derive(Deserialize, JsonSchema)]
struct Path {
    id: String,
}

static SLOW: AtomicU32 = AtomicU32::new(0);

/// Says what time it is. `away-N` answers 503 from second N on; `slow` takes a while, and counts how often it was asked.
async fn tell(call: Call<Path>, (): ()) -> Result<Reply, Problem> {
    let second = call.cx.now().seconds();
    if let Some(until) = call.path.id.strip_prefix("away-").and_then(|text| text.parse::<i64>().ok())
        && second >= until
    {
        return Err(Problem::new(code::UNAVAILABLE, "as it was told"));
    }
    if call.path.id == "slow" {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        SLOW.fetch_add(1, Ordering::SeqCst);
    }
    let reply = Reply::ok(&json!({ "second": second, "token": call.cx.header("authorization") }));
    Ok(if call.path.id == "same" { Reply::ok(&json!({ "always": "the same" })) } else { reply })
}

async fn lose(_: Call<Path>, (): ()) -> Result<Reply, Problem> {
    Ok(Reply::empty())
}

async fn open(variables: &[(&str, &str)]) -> (Shop, Cdn, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let get = |name, path, kind| Http::get(name, path).auth(Auth::Anyone).cache(kind).handle(tell);
    let functions = vec![
        get("get-product", "/v1/products/{id}", Freshness::Product),
        get("get-tree", "/v1/trees/{id}", Freshness::Categories),
        get("get-own", "/v1/own/{id}", Freshness::Private),
        get("get-keys", "/.well-known/{id}", Freshness::Keys),
        Http::post("lose-product", "/v1/products/{id}").reply::<Nothing>(204, "lost").handle(lose),
    ];
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = Options { clock: clock.clone(), cdn: Some(SECRET.into()), variables, ..Options::memory() };
    let registry = Registry { functions, ..Registry::default() };
    let shop = Shop::open(options, Registry { tables: vec![lambda::ANSWERS], ..registry }).await.unwrap();
    let cdn = Cdn::of(&shop).unwrap();
    (shop, cdn, clock)
}

async fn ask(cdn: &Cdn, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header("host", "shop.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    cdn.request(request.body(Bytes::new()).unwrap()).await
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// Where an answer came from, how old it is, and the second that it tells.
async fn told(cdn: &Cdn, path: &str) -> (String, String, Value) {
    let response = ask(cdn, Method::GET, path, &[]).await;
    let source = header(&response, "x-cache").split(' ').next().unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    (source, header(&response, "age").to_owned(), body["second"].clone())
}

fn as_told(source: &str, age: &str, second: i64) -> (String, String, Value) {
    (source.into(), age.into(), json!(second))
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_tells_its_age() {
    let (_, cdn, clock) = open(&[]).await;
    assert_eq!(told(&cdn, "/v1/products/a").await, as_told("Miss", "", 0));
    clock.advance(Duration::from_secs(59));
    assert_eq!(told(&cdn, "/v1/products/a").await, as_told("Hit", "59", 0));
    clock.advance(Duration::from_secs(1));
    assert_eq!(told(&cdn, "/v1/products/a").await, as_told("Miss", "", 60));
    assert_eq!(told(&cdn, "/v1/own/a").await, as_told("Miss", "", 60));
    assert_eq!(told(&cdn, "/v1/own/a").await, as_told("Miss", "", 60));
}

#[tokio::test]
async fn what_holds_still_is_told_so_and_kept_anew() {
    let (_, cdn, clock) = open(&[]).await;
    let first = ask(&cdn, Method::GET, "/v1/products/same", &[]).await;
    clock.advance(Duration::from_secs(61));
    let again = ask(&cdn, Method::GET, "/v1/products/same", &[]).await;
    assert_eq!((header(&again, "x-cache"), again.body()), ("RefreshHit from oxcart", first.body()));
    let known = [("if-none-match", header(&first, "etag"))];
    let known = ask(&cdn, Method::GET, "/v1/products/same", &known).await;
    assert_eq!((known.status().as_u16(), header(&known, "x-cache")), (304, "Hit from oxcart"));
    assert!(known.body().is_empty());
    let head = ask(&cdn, Method::HEAD, "/v1/products/same", &[]).await;
    assert_eq!(header(&head, "content-length"), first.body().len().to_string());
    assert_eq!((head.status().as_u16(), header(&head, "x-cache")), (200, "Hit from oxcart"));
    assert!(head.body().is_empty());
}

#[tokio::test]
async fn a_stale_answer_is_shown_once_more_while_it_is_fetched() {
    let (shop, cdn, clock) = open(&[]).await;
    assert_eq!(told(&cdn, "/v1/trees/a").await, as_told("Miss", "", 0));
    clock.advance(Duration::from_secs(301));
    assert_eq!(told(&cdn, "/v1/trees/a").await, as_told("Hit", "301", 0));
    shop.idle().await;
    assert_eq!(told(&cdn, "/v1/trees/a").await, as_told("Hit", "0", 301));
    clock.advance(Duration::from_secs(600));
    assert_eq!(told(&cdn, "/v1/trees/a").await, as_told("Miss", "", 901), "too old to be shown");
}

#[tokio::test]
async fn an_old_answer_is_better_than_none_for_a_while() {
    let (_, cdn, clock) = open(&[]).await;
    assert_eq!(told(&cdn, "/v1/products/away-10").await, as_told("Miss", "", 0));
    clock.advance(Duration::from_secs(3659));
    assert_eq!(told(&cdn, "/v1/products/away-10").await, as_told("Hit", "3659", 0));
    clock.advance(Duration::from_secs(1));
    assert_eq!(told(&cdn, "/v1/products/away-10").await, ("Error".into(), String::new(), Value::Null));
    assert_eq!(told(&cdn, "/v1/products/away-0").await, ("Error".into(), String::new(), Value::Null));
}

#[tokio::test]
async fn many_who_want_the_same_wait_for_one() {
    let (_, cdn, _) = open(&[]).await;
    let all = (0..50).map(|_| told(&cdn, "/v1/products/slow"));
    let sources: Vec<String> = futures_util::future::join_all(all).await.into_iter().map(|told| told.0).collect();
    assert_eq!(sources.iter().filter(|source| *source == "Miss").count(), 1, "{sources:?}");
    assert_eq!(SLOW.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn encodings_are_kept_apart_and_who_asks_is_not() {
    let (_, cdn, _) = open(&[]).await;
    let source = async |headers: &[(&str, &str)]| {
        let response = ask(&cdn, Method::GET, "/v1/products/a?utm_source=x", headers).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["token"], Value::Null, "no token reaches what everybody gets");
        header(&response, "x-cache").split(' ').next().unwrap().to_owned()
    };
    assert_eq!(source(&[("authorization", "Bearer x"), ("cookie", "a=1")]).await, "Miss");
    assert_eq!(source(&[]).await, "Hit");
    assert_eq!(source(&[("accept-encoding", "gzip, deflate")]).await, "Miss");
    assert_eq!(source(&[("accept-encoding", "deflate, GZIP;q=0.1")]).await, "Hit");
    assert_eq!(source(&[("accept-encoding", "gzip;q=0")]).await, "Hit");
    assert_eq!(source(&[("accept-encoding", "br, gzip")]).await, "Miss");
    let written = ask(&cdn, Method::POST, "/v1/products/a", &[]).await;
    assert_eq!((written.status().as_u16(), header(&written, "x-cache")), (204, "Miss from oxcart"));
}

#[tokio::test]
async fn functions_answer_only_who_comes_through_the_cdn() {
    let digests = ["new secret", "old secret"].map(|secret| kernel::id::sha256(secret.as_bytes())).join(",");
    let (shop, cdn, _) = open(&[("OXCART_ORIGIN_DIGESTS", &digests)]).await;
    let status = async |path: &str, secret: Option<&str>| {
        let mut request = Request::get(path).header("host", "shop.test");
        if let Some(secret) = secret {
            request = request.header("x-oxcart-origin", secret);
        }
        shop.request(request.body(Bytes::new()).unwrap()).await.status().as_u16()
    };
    for secret in ["new secret", "old secret"] {
        assert_eq!(status("/v1/products/a", Some(secret)).await, 200);
    }
    for secret in [None, Some(""), Some("older secret"), Some(&*digests)] {
        assert_eq!(status("/v1/products/a", secret).await, 403, "{secret:?}");
        assert_eq!(status("/v1/own/a", secret).await, 403, "{secret:?}");
        assert_eq!(status("/.well-known/a", secret).await, 200, "API Gateway reads the keys itself");
    }
    // Who claims to be the local CDN and is not gets what every visitor gets.
    let refused = ask(&cdn, Method::GET, "/v1/products/a", &[("x-oxcart-origin", "guess")]).await;
    assert_eq!(refused.status().as_u16(), 403);
    let problem: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(problem["type"], "/problems/past-the-cdn");
}

/// A whole shop behind its CDN, in a time that stands still.
struct Whole {
    shop: Shop,
    cdn: Cdn,
    clock: Arc<ManualClock>,
    bearer: String,
}

impl Whole {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-28T12:00:00Z").unwrap()));
        let options =
            Options { clock: clock.clone(), cdn: Some(SECRET.into()), search: Search::Embedded, ..Options::memory() };
        let place = options.place.clone();
        let shop = Shop::open(options, registry::registry()).await.unwrap();
        start::search(&shop).await.unwrap();
        let password = start::administrator(&shop, &place, None).await.unwrap();
        shop.drain().await;
        let cdn = Cdn::of(&shop).unwrap();
        let mut whole = Self { shop, cdn, clock, bearer: String::new() };
        let sign_in = json!({ "grant_type": "password", "email": ADMIN, "password": password });
        let (_, token) = whole.send("POST", "/v1/auth/token", &[], &sign_in).await;
        whole.bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        whole
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let response = self.cdn.request(request.body(body).unwrap()).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    async fn staff(&self, method: &str, path: &str, version: Option<u64>, body: &Value) -> Value {
        let tag = version.map(|version| format!("\"v{version}\""));
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend(tag.as_deref().map(|tag| ("if-match", tag)));
        let (status, body) = self.send(method, path, &headers, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        body
    }

    /// What a cart costs with the first shipping method that there is.
    async fn quote(&self, cart: &str) -> Value {
        let mut body = json!({ "cart_id": cart, "shipping_address": testkit::shop::address() });
        let (_, first) = self.send("POST", "/v1/checkout/quote", &[], &body).await;
        body["shipping_method"] = first["methods"][0]["id"].clone();
        let (status, quote) = self.send("POST", "/v1/checkout/quote", &[], &body).await;
        assert_eq!(status, 200, "{quote}");
        quote
    }

    /// Places an order for what a quote said.
    async fn checkout(&self, cart: &str, key: &str, quote: &Value) -> (u16, Value) {
        let body = json!({
            "cart_id": cart, "email": "ada@example.com", "shipping_address": testkit::shop::address(),
            "shipping_method": quote["methods"][0]["id"], "payment_token": "pm_card_visa",
            "expected_total": quote["totals"]["total"],
        });
        self.send("POST", "/v1/checkout", &[("idempotency-key", key)], &body).await
    }

    /// The amount at some place of an answer, and where the answer came from.
    async fn price(&self, path: &str, at: &str) -> (Option<i64>, String) {
        let response = ask(&self.cdn, Method::GET, path, &[]).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let source = header(&response, "x-cache").split(' ').next().unwrap_or_default().to_owned();
        (body.pointer(at).and_then(Value::as_i64), source)
    }
}

const OF_PRODUCT: &str = "/variants/0/price/amount";
const OF_LIST: &str = "/items/0/variants/0/price/amount";

fn kettle(amount: i64) -> Value {
    let price = json!({ "amount": amount, "currency": "EUR" });
    json!({ "name": "Copper kettle", "category": "kitchen", "variants": [{ "sku": "KETTLE", "price": price }] })
}

#[tokio::test]
async fn a_new_price_is_in_product_search_and_cart_within_a_second_and_it_is_what_is_paid() {
    let shop = Whole::open().await;
    let made = shop.staff("POST", "/v1/admin/products", None, &kettle(1000)).await;
    let stock = json!({ "warehouse": "main", "quantity": 5, "reference": "first" });
    shop.staff("POST", "/v1/admin/inventory/KETTLE/receipts", None, &stock).await;
    shop.shop.drain().await;
    let id = made["id"].as_str().unwrap();
    let product = format!("/v1/products/{id}");
    let addresses = [
        (product.as_str(), OF_PRODUCT),
        ("/v1/products/copper-kettle", OF_PRODUCT),
        ("/v1/products", OF_LIST),
        ("/v1/search?q=copper+kettle", OF_LIST),
        ("/v1/search/suggestions?q=copp", "/products/0/price/amount"),
    ];
    for (path, at) in addresses {
        assert_eq!(shop.price(path, at).await, (Some(1000), "Miss".into()), "{path}");
        assert_eq!(shop.price(path, at).await, (Some(1000), "Hit".into()), "{path}");
    }
    let (_, cart) = shop.send("POST", "/v1/carts", &[], &json!({ "currency": "EUR" })).await;
    let cart_id = cart["id"].as_str().unwrap().to_owned();
    let cart = format!("/v1/carts/{cart_id}");
    let (status, _) = shop.send("PUT", &format!("{cart}/lines/KETTLE"), &[], &json!({ "quantity": 1 })).await;
    assert_eq!(status, 200);
    let seen = shop.quote(&cart_id).await;

    shop.staff("PATCH", &format!("/v1/admin/products/{id}"), Some(1), &json!({ "variants": kettle(1500)["variants"] }))
        .await;

    // The cart and the quote have it at once: they are never kept, and read the table. The total that was seen before is
    // refused, and the present one is paid.
    assert_eq!(shop.price(&cart, "/lines/0/unit_price/amount").await, (Some(1500), "Miss".into()));
    let quoted = shop.quote(&cart_id).await;
    assert_eq!(quoted["totals"]["subtotal"]["amount"], 1500, "{quoted}");
    let (status, refused) = shop.checkout(&cart_id, "first", &seen).await;
    assert_eq!((status, &refused["type"]), (409, &json!("/problems/price-changed")), "{refused}");
    let (status, order) = shop.checkout(&cart_id, "second", &quoted).await;
    assert_eq!((status, &order["totals"]["subtotal"]["amount"]), (201, &json!(1500)), "{order}");
    // Kept answers have the old one until the worker ran, and not after it, though no time went by.
    for (path, at) in &addresses[..2] {
        assert_eq!(shop.price(path, at).await.0, Some(1000), "{path}");
    }
    shop.shop.drain().await;
    for (path, at) in &addresses[..2] {
        assert_eq!(shop.price(path, at).await, (Some(1500), "Miss".into()), "{path}");
    }
    // The rest a second after the change.
    shop.clock.advance(Duration::from_secs(1));
    for (path, at) in &addresses[2..] {
        assert_eq!(shop.price(path, at).await.0, Some(1500), "{path}");
    }
}

#[tokio::test]
async fn the_tree_and_earlier_addresses_are_dropped_too() {
    let shop = Whole::open().await;
    let tree = async || ask(&shop.cdn, Method::GET, "/v1/categories", &[]).await.into_body();
    let empty = tree().await;
    let made = shop.staff("POST", "/v1/admin/products", None, &kettle(1000)).await;
    assert_eq!(tree().await, empty, "it is kept");
    shop.shop.drain().await;
    assert_ne!(tree().await, empty);
    let id = made["id"].as_str().unwrap();
    let status = async |path: &str| {
        let response = ask(&shop.cdn, Method::GET, path, &[]).await;
        (response.status().as_u16(), header(&response, "location").to_owned())
    };
    let rename = async |version: u64, slug: &str| {
        shop.staff("PATCH", &format!("/v1/admin/products/{id}"), Some(version), &json!({ "slug": slug })).await;
        shop.shop.drain().await;
    };
    assert_eq!(status("/v1/products/copper-kettle").await.0, 200);
    rename(1, "kettle").await;
    for _ in 0..2 {
        assert_eq!(status("/v1/products/copper-kettle").await, (301, "/v1/products/kettle".into()));
        assert_eq!(status("/v1/products/kettle").await.0, 200);
    }
    rename(2, "fine-kettle").await;
    for old in ["copper-kettle", "kettle"] {
        let path = format!("/v1/products/{old}");
        assert_eq!(status(&path).await, (301, "/v1/products/fine-kettle".into()));
    }
    rename(3, "kettle").await;
    assert_eq!(status("/v1/products/kettle").await.0, 200, "it was led elsewhere before");
    assert_eq!(status("/v1/products/fine-kettle").await, (301, "/v1/products/kettle".into()));
}
