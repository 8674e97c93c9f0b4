//! The black-box suite and a small race against the local gateway, over HTTP; and what they leave behind: no grant that was
//! missing, and none that nothing uses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use engine::Place;
use http::Request;
use local::gateway::{self, ShopSite};
use local::pages::Pages;
use local::start::{self, ADMIN};
use local::{Options, Pump, Search, Shop, generate, registry};
use serde_json::{Value, json};
use testkit::{Target, blackbox, race};

/// Grants that this test does not come by: function, the part of the grant that names it, why, and what does.
const RARE: &[(&str, &str, &str)] = &[
    ("run-export", "s3:GetObject", "only when a finished upload is finished again; the tests that kill it"),
    ("run-import", "dynamodb:GetItem on oxcart-local-catalog", "only when somebody changes a product at the same time"),
    (
        "get-export",
        "s3:GetObject",
        "the address that it signs carries its right; whoever has it reads, past the functions",
    ),
    ("expire-orders", "", "a deadline passes after ten minutes; golden events and the saga tests move the clock"),
    (
        "place-order",
        "dynamodb:GetItem on oxcart-local-payments",
        "only after an intent that was made before; saga tests",
    ),
    (
        "relay-stream-orders",
        "sqs:SendMessage on oxcart-local-retry-payment",
        "only when a provider neither answers nor reports in time; saga tests",
    ),
    ("recommend-for-me", "by-rating", "only where hardly anything is sold; the tests of a shop without search"),
    ("recommend-for-product", "by-rating", "the same"),
    ("reconcile-orders", "", "it runs every five minutes, and takes up what others gave up; the simulation"),
    ("capture-order", "oxcart-local-payments", "only where money is set aside; saga tests and the simulation"),
    ("capture-order", "dynamodb:UpdateItem on oxcart-local-orders", "the same"),
    ("move-money", "", "only when the provider did not answer; saga tests and the simulation"),
    ("retry-payment", "", "most of it only after a crash at that very moment; saga tests"),
];

/// A JSON request to the shop itself; the status and the body.
async fn ask(shop: &Shop, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = shop.request(request.body(Bytes::from(body.to_string())).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

/// A product that moves: to another slug, SKU and category. The suite's updates move nothing.
async fn move_a_product(shop: &Shop, password: &str) {
    let sign_in = json!({ "grant_type": "password", "email": ADMIN, "password": password });
    let (_, token) = ask(shop, "POST", "/v1/auth/token", &[], sign_in).await;
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let price = json!({ "amount": 100, "currency": "EUR" });
    let product =
        json!({ "name": "Mover", "category": "from/here", "variants": [{ "sku": "MOVE-1", "price": price }] });
    let (status, made) = ask(shop, "POST", "/v1/admin/products", &[("authorization", &bearer)], product).await;
    assert_eq!(status, 201, "{made}");
    let patch = json!({ "slug": "moved", "category": "to/there", "variants": [{ "sku": "MOVE-2", "price": price }] });
    let path = format!("/v1/admin/products/{}", made["id"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("if-match", "\"v1\"")];
    let (status, moved) = ask(shop, "PATCH", &path, &headers, patch).await;
    assert_eq!((status, &moved["slug"]), (200, &json!("moved")), "{moved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_and_every_grant_is_used() {
    let listener = gateway::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // An answer of the provider that never comes is waited for: shorter here than in a shop.
    let variables = BTreeMap::from([
        ("OXCART_PAYMENT_TIMEOUT_MS".to_owned(), "1000".to_owned()),
        ("OXCART_TOKENS_SPARE".into(), "alias/oxcart-local-tokens-spare".into()),
    ]);
    let options = Options {
        offload: true,
        base_url: url.clone(),
        variables,
        search: Search::Embedded,
        cdn: Some("behind-the-cdn".into()),
        ..Options::memory()
    };
    let shop = Shop::open(options, registry::registry()).await.unwrap();
    let pump = Pump::start(&shop);
    let password = start::administrator(&shop, &Place::Memory, None).await.unwrap();
    let openapi = generate::openapi::document(&registry::source()).unwrap().value();
    let site = Arc::new(ShopSite::new(&shop, Pages::new(&shop, openapi)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(gateway::serve(listener, site, async move { drop(stopped.await) }));

    let target = Target {
        base_url: url,
        admin_email: ADMIN.into(),
        admin_password: password,
        origin_secret: "behind-the-cdn".into(),
        local: true,
    };
    let report = blackbox::run(&target, None).await;
    assert!(report.success(), "{report}");
    for (units, shards) in [(5, 1), (12, 8)] {
        let finish = race::race(&target, 40, units, 64, shards).await.unwrap();
        assert!(finish.success(), "{finish}");
    }

    move_a_product(&shop, &target.admin_password).await;

    drop(stop);
    server.await.unwrap();
    shop.idle().await;
    pump.stop().await;
    let state = shop.state().await;
    assert!(state.queues.iter().all(|queue| queue.dead == 0 && queue.trouble.is_none()), "{state:?}");
    assert!(shop.denied().is_empty(), "{:?}", shop.denied());
    let unused: Vec<String> = shop
        .unused()
        .iter()
        .flat_map(|(function, grants)| grants.iter().map(move |grant| (*function, grant)))
        .map(|(function, grant)| (function, format!("{} on {}", grant.action, grant.resource)))
        .filter(|(function, grant)| !RARE.iter().any(|(name, part, _)| name == function && grant.contains(part)))
        .map(|(function, grant)| format!("{function}: {grant}"))
        .collect();
    assert!(unused.is_empty(), "granted and never used:\n{}", unused.join("\n"));
}
