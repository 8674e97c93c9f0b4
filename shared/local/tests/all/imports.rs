//! Imports and exports: the worker killed between any two calls, files that are none, and what goes out comes in again as
//! the same products.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use catalog::Product;
use http::{Method, Request};
use local::{Options, Shop, registry};
use serde_json::{Value, json};

use crate::saga::World;

async fn call(shop: &Shop, method: Method, path: &str, key: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let claims = local::shop::verified("usr_Staff", "admin");
    let request = Request::builder().method(method).uri(path).header("content-type", "application/octet-stream");
    let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
    let response = shop.request_of(&claims, request.body(body.into()).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

async fn get(shop: &Shop, path: &str) -> Value {
    let (status, body) = call(shop, Method::GET, path, "", "").await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn begin(shop: &Shop, query: &str, file: impl Into<Bytes>) -> String {
    let (status, begun) = call(shop, Method::POST, &format!("/v1/admin/imports?{query}"), "", file).await;
    assert_eq!(status, 202, "{begun}");
    format!("/v1/admin/imports/{}", begun["id"].as_str().unwrap())
}

/// Imports a file, and gives the report.
async fn import(shop: &Shop, query: &str, file: impl Into<Bytes>) -> Value {
    let path = begin(shop, query, file).await;
    shop.drain().await;
    get(shop, &format!("{path}?limit=100")).await
}

/// Exports all products; gives the file.
async fn export(shop: &Shop, format: &str) -> String {
    let (status, begun) = call(shop, Method::POST, &format!("/v1/admin/exports?format={format}"), "", "").await;
    assert_eq!(status, 202, "{begun}");
    shop.drain().await;
    let id = begun["id"].as_str().unwrap();
    let done = get(shop, &format!("/v1/admin/exports/{id}")).await;
    assert_eq!(done["status"], "done");
    assert!(done["url"].as_str().unwrap().contains("X-Amz-Signature"), "{done}");
    let reply =
        shop.engine().handle_object("GET", &format!("/oxcart-local-files/exports/{id}"), None, Bytes::new()).await;
    assert_eq!(done["bytes"], reply.body.len());
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// What all products are, by their slugs: all that a file can say of them.
async fn products(shop: &Shop) -> BTreeMap<String, Value> {
    let table = shop.platform().table(&catalog::table::TABLE);
    let mut found = BTreeMap::new();
    let mut start = None;
    loop {
        let scan = table.client().scan().table_name(table.name()).set_exclusive_start_key(start).send().await.unwrap();
        for item in scan.items.unwrap_or_default().into_iter().filter(|item| item["sk"].as_s().unwrap() == "product") {
            let product: Product = aws::table::from_item(item).unwrap();
            found.insert(product.slug.to_string(), serde_json::to_value(product.input()).unwrap());
        }
        start = scan.last_evaluated_key;
        if start.is_none() {
            return found;
        }
    }
}

async fn shop() -> Shop {
    Shop::open(Options::memory(), registry::registry()).await.unwrap()
}

fn row(number: usize) -> String {
    json!({
        "name": format!("Thing {number}"), "category": "a/b",
        "variants": [{ "sku": format!("THING-{number}"), "price": { "amount": 100 + number, "currency": "EUR" }, "stock": 5 }],
    })
    .to_string()
}

/// So many rows, of which three are wrong.
fn file(rows: usize) -> String {
    let mut rows: Vec<String> = (0..rows).map(row).collect();
    rows[3] = "{".into();
    rows[6] = row(5);
    rows[7] = json!({ "name": "", "category": "A" }).to_string();
    rows.join("\n")
}

fn assert_complete(report: &Value, rows: usize, what: &str) {
    assert_eq!(report["status"], "done", "{what}: {report}");
    let counts = ["rows", "created", "changed", "unchanged", "rejected", "stocked"].map(|name| report[name].clone());
    let good = rows - 3;
    assert_eq!(counts, [rows, good, 0, 0, 3, good].map(|count| json!(count)), "{what}: {report}");
    assert_eq!(report["bytes_done"], report["bytes_total"], "{what}");
    let lines: std::collections::BTreeSet<u64> =
        report["rejected_rows"].as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), [4, 7, 8], "{what}");
}

async fn killed(at: i64, answer_only: bool, rows: usize) {
    let what = format!("killed at call {at} of {rows} rows, answer only {answer_only}");
    let world = World::with("run-import", [].into()).await;
    let path = begin(&world.shop, "format=jsonl", file(rows)).await;
    world.clock.advance(Duration::from_millis(5));
    world.killer.arm(at, answer_only);
    world.shop.drain().await;
    world.killer.disarm();
    world.settle().await;
    assert_complete(&get(&world.shop, &format!("{path}?limit=100")).await, rows, &what);
    assert_eq!(products(&world.shop).await.len(), rows - 2, "{what}");
    let stock = get(&world.shop, "/v1/admin/inventory/THING-2").await;
    assert_eq!(stock["items"][0]["received"], 5, "{what}");
    world.clock.advance(Duration::from_secs(1));
    let again = import(&world.shop, "format=jsonl", file(rows)).await;
    let counts = ["unchanged", "rejected", "stocked"].map(|name| again[name].clone());
    assert_eq!(counts, [rows - 3, 3, 0].map(|count| json!(count)), "{what}: {again}");
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_killed_anywhere_takes_every_row_in_once() {
    for at in 1..=26 {
        killed(at, at % 2 == 0, 10).await;
        killed(at, at % 2 == 1, 10).await;
    }
    // Around the first of two checkpoints.
    for at in [203, 204, 205] {
        killed(at, true, 104).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_that_is_killed_anywhere_has_every_product_once() {
    let mut whole: Option<String> = None;
    for at in 1..=12 {
        for answer_only in [false, true] {
            let world = World::with("run-export", [].into()).await;
            import(&world.shop, "format=jsonl", (0..20).map(row).collect::<Vec<_>>().join("\n")).await;
            world.killer.arm(at, answer_only);
            let (_, begun) = call(&world.shop, Method::POST, "/v1/admin/exports?format=jsonl", "", "").await;
            world.shop.drain().await;
            world.killer.disarm();
            world.settle().await;
            world.settle().await;
            let id = begun["id"].as_str().unwrap();
            let done = get(&world.shop, &format!("/v1/admin/exports/{id}")).await;
            assert_eq!((&done["status"], &done["products"]), (&json!("done"), &json!(21)), "killed at {at}");
            let address = format!("/oxcart-local-files/exports/{id}");
            let reply = world.shop.engine().handle_object("GET", &address, None, Bytes::new()).await;
            let mut lines: Vec<&str> = std::str::from_utf8(&reply.body).unwrap().lines().collect();
            lines.sort_unstable();
            assert_eq!(
                whole.get_or_insert_with(|| lines.join("\n")),
                &lines.join("\n"),
                "killed at {at}, {answer_only}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_file_of_its_kind_is_told_and_harms_nothing() {
    let shop = shop().await;
    let head = "Handle,Title,Variant Price";
    for (query, file, reason) in [
        ("format=shopify-csv", b"id;title;price\n1;Tea;5\n".to_vec(), "no column Handle"),
        ("format=shopify-csv", "a,".repeat(1_000_000).into_bytes(), "columns"),
        ("format=shopify-csv", b"\xff\xfeH\x00a\x00".to_vec(), "UTF-16"),
        ("format=jsonl", vec![0x1f, 0x8b, 8, 0, 1, 2, 3], "damaged or cut off"),
    ] {
        let report = import(&shop, query, file).await;
        assert_eq!(report["status"], "failed", "{report}");
        assert!(report["failure"]["reason"].as_str().unwrap().contains(reason), "{report}");
    }
    let rows = format!("{head}\ntea,Tea,5\n\"open,Open,5\npot,Pot,5\ncaf\u{e9},Caf,x\n");
    let mut rows = rows.into_bytes();
    rows.extend_from_slice(b"cup,C\xfcp,3\nlid,L\x00d,3\n");
    let report = import(&shop, "format=shopify-csv", rows.clone()).await;
    assert_eq!((&report["created"], &report["rejected"]), (&json!(2), &json!(4)), "{report}");
    let reasons = report["rejected_rows"].to_string();
    for part in ["never closed", "is not an amount", "encoding=windows-1252", "NUL"] {
        assert!(reasons.contains(part), "{part}: {reasons}");
    }
    let report = import(&shop, "format=shopify-csv&encoding=windows-1252", rows).await;
    assert_eq!((&report["created"], &report["unchanged"]), (&json!(1), &json!(2)), "{report}");
    assert_eq!(products(&shop).await["cup"]["name"], "C\u{fc}p");
    let none = import(&shop, "format=jsonl", "\n\n").await;
    assert_eq!((&none["status"], &none["rows"]), (&json!("done"), &json!(0)));

    for (path, status) in [
        ("/v1/admin/imports", 400),
        ("/v1/admin/imports?format=xml", 400),
        ("/v1/admin/imports?format=jsonl&map=key", 400),
        ("/v1/admin/imports?format=shopify-csv&map=key%3D%22a%22", 400),
        ("/v1/admin/imports?format=jsonl&currency=E", 400),
        ("/v1/admin/imports/imp_00000000000000/uploaded", 404),
        ("/v1/admin/exports?format=pdf", 400),
    ] {
        let (answered, problem) = call(&shop, Method::POST, path, "", "x").await;
        assert_eq!(answered, status, "{path}: {problem}");
    }
    assert_eq!(call(&shop, Method::GET, "/v1/admin/imports/nonsense", "", "").await.0, 404);
    assert_eq!(call(&shop, Method::GET, "/v1/admin/exports/exp_00000000000000", "", "").await.0, 404);
}

#[tokio::test]
async fn a_large_file_is_uploaded_and_a_repeated_call_is_the_same_import() {
    let shop = shop().await;
    let path = "/v1/admin/imports?format=jsonl";
    let (status, begun) = call(&shop, Method::POST, path, "key", "").await;
    assert_eq!((status, &begun["status"]), (202, &json!("waiting")));
    let (_, again) = call(&shop, Method::POST, path, "key", "").await;
    assert_eq!(again["id"], begun["id"]);
    let (status, refused) = call(&shop, Method::POST, path, "key", row(1)).await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency-key-reused")));
    let then = begun["upload"]["then"].as_str().unwrap();
    let (status, missing) = call(&shop, Method::POST, then, "", "").await;
    assert_eq!((status, &missing["code"]), (409, &json!("file-missing")));
    let url = begun["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:8080/files/oxcart-local-files/imports/imp_"), "{url}");
    let object = url.split_once("/files/").unwrap().1.split('?').next().unwrap();
    let mut incoming = shop.engine().incoming_object(object).unwrap();
    for number in 0..30 {
        incoming.write(format!("{}\n", row(number)).as_bytes()).unwrap();
    }
    shop.engine().finish_object(incoming).unwrap();
    for _ in 0..2 {
        assert_eq!(call(&shop, Method::POST, then, "", "").await.0, 202);
        shop.drain().await;
    }
    let id = begun["id"].as_str().unwrap();
    let report = get(&shop, &format!("/v1/admin/imports/{id}")).await;
    assert_eq!((&report["status"], &report["created"], &report["rejected"]), (&json!("done"), &json!(30), &json!(0)));
}

#[tokio::test]
async fn many_rejected_rows_are_read_page_by_page() {
    let shop = shop().await;
    let rows: Vec<String> = (0..260).map(|number| if number % 2 == 0 { "[".into() } else { row(number) }).collect();
    let path = begin(&shop, "format=jsonl", rows.join("\n")).await;
    shop.drain().await;
    let (mut lines, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&shop, &format!("{path}?limit=50{next}")).await;
        lines.extend(page["rejected_rows"].as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(lines, (0..130).map(|number| 2 * number + 1).collect::<Vec<u64>>());
    let (status, _) = call(&shop, Method::GET, &format!("{path}?cursor=x"), "", "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_goes_out_comes_in_again_as_the_same_products() {
    let mut files = vec![("format=jsonl", include_str!("../../demo/products.jsonl").to_owned())];
    let odd = json!({
        "slug": "odd", "name": "Odd, \"quoted\" & <b>bold</b>", "description": "a < b\n& c", "brand": "X", "category": "a/b-c/d",
        "tags": ["one, two", "three"], "status": "draft", "attributes": { "size": 5.5, "new": true, "text": "x" },
        "options": [{ "name": "Size", "values": ["L", "S", "XL"] }],
        "images": [{ "url": "/a.svg", "alt": "A", "width": 3, "height": 4 }, { "url": "https://x/b", "alt": "" }],
        "variants": [
            { "sku": "ODD-S", "options": { "Size": "S" }, "price": { "amount": 5, "currency": "EUR" }, "stock": 2,
              "prices": [{ "amount": 7, "currency": "USD" }], "compare_at": { "amount": 9, "currency": "EUR" } },
            { "sku": "ODD-L", "options": { "Size": "L" }, "price": { "amount": 1005, "currency": "EUR" }, "weight_grams": 3, "barcode": "0123" },
        ],
    });
    files.push(("format=jsonl", odd.to_string()));
    let yen = json!({ "slug": "yen", "name": "Yen", "category": "a", "variants": [{ "sku": "YEN", "price": { "amount": 500, "currency": "JPY" } }] });
    files.push(("format=jsonl", yen.to_string()));
    // Beside the repository, not in it.
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    for name in ["apparel", "home-and-garden", "jewelery"] {
        match std::fs::read_to_string(format!("{samples}/shopify-{name}.csv")) {
            Ok(text) => files.push(("format=shopify-csv&currency=USD", text)),
            Err(_) => eprintln!("skipped: Shopify's sample {name} is not here"),
        }
    }
    let first = shop().await;
    for (query, file) in &files {
        let report = import(&first, query, file.clone()).await;
        assert_eq!((&report["status"], &report["rejected"]), (&json!("done"), &json!(0)), "{report}");
    }
    let expected = products(&first).await;
    for format in ["shopify-csv", "jsonl"] {
        let file = export(&first, format).await;
        let second = shop().await;
        let report = import(&second, &format!("format={format}"), file.clone()).await;
        assert_eq!((&report["created"], &report["rejected"]), (&json!(expected.len()), &json!(0)), "{report}");
        let found = products(&second).await;
        for (slug, product) in &expected {
            assert_eq!(found.get(slug), Some(product), "{format}");
        }
        assert_eq!(found.len(), expected.len());
        let stock = get(&second, "/v1/admin/inventory/ODD-S").await;
        assert_eq!(stock["items"][0]["received"], 2);
        // At home it changes nothing.
        let report = import(&first, &format!("format={format}"), file).await;
        assert_eq!((&report["unchanged"], &report["stocked"]), (&json!(expected.len()), &json!(0)), "{report}");
    }
}
