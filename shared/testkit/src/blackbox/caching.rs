//! What a visitor gets through the CDN: answers that are kept, for how long, and what is never kept. The other cases stand
//! behind it, so that they read what they wrote.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::check::{problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::{Answer, Client};
use crate::shop::{Shop, VISA, Wanted};
use crate::{Outcome, Stop, ensure};

/// How long a change may take to be seen. The shop on this machine takes milliseconds, and how many is printed.
const SEEN: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Case> {
    vec![
        case("caching.an answer is kept, and says its age", kept),
        case("caching.a known ETag gives 304 from what is kept", not_modified),
        case("caching.a HEAD is answered from what is kept", head),
        case("caching.parameters that mean nothing make no other answer", parameters),
        case("caching.what is somebody's own is never kept", own),
        case("caching.a token changes nothing on what everybody may read", tokens),
        case("caching.what is not there, or not allowed, is not kept", errors),
        case("caching.bad conditions and ranges are ignored", bad_conditions),
        case("caching.a price that staff changes is seen in product, search and cart", new_price),
        case("caching.an archived product, and an old slug, are seen", moved_and_archived),
    ]
}

/// A visitor, where there is a CDN to go through.
fn visitor(shop: &Shop) -> Outcome<Client> {
    if shop.target().origin_secret.is_empty() || !shop.target().local {
        return Err(Stop::Skipped("there is no CDN at this address, or its secret is not known".into()));
    }
    shop.visitor()
}

async fn read(client: &Client, path: &str) -> Outcome<Answer> {
    client.get(path).send().await?.expect(200)
}

fn came(answer: &Answer, from: &str) -> Outcome {
    same("X-Cache", answer.header("x-cache"), Some(format!("{from} from oxcart").as_str()))
}

/// Reads until an answer was kept: it may have been dropped in between by what other cases change.
async fn hit(client: &Client, path: &str) -> Outcome<Answer> {
    for _ in 0..50 {
        let answer = read(client, path).await?;
        if answer.header("x-cache") == Some("Hit from oxcart") {
            return Ok(answer);
        }
    }
    Err(Stop::Failed(format!("{path} was never kept")))
}

async fn kept(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let first = read(&client, &path).await?;
    came(&first, "Miss")?;
    ensure!(first.header("age").is_none(), "{}", first.wrong("it was not kept yet"));
    let again = hit(&client, &path).await?;
    ensure!(again.header("age").is_some_and(|age| age.parse::<u32>().is_ok()), "{}", again.wrong("no Age"));
    same("body", &again.body, &first.body)?;
    let control = again.header("cache-control").unwrap_or_default();
    ensure!(control.contains("max-age=0") && control.contains("s-maxage="), "{}", again.wrong("Cache-Control"));
    ensure!(again.header("x-correlation-id").is_none(), "{}", again.wrong("the id of another caller"));
    Ok(())
}

async fn not_modified(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let whole = hit(&client, &path).await?;
    let tag = whole.header("etag").ok_or_else(|| whole.wrong("no ETag"))?;
    for seen in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let known = client.get(&path).header("if-none-match", &seen).send().await?.expect(304)?;
        ensure!(known.bytes.is_empty(), "{}", known.wrong("a 304 has no body"));
        same("ETag", known.header("etag"), Some(tag))?;
    }
    client.get(&path).header("if-none-match", "\"other\"").send().await?.expect(200)?;
    // Who knew the first answer did not spoil it for the next one.
    same("body", &read(&client, &path).await?.body, &whole.body)
}

async fn head(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.slug);
    let whole = hit(&client, &path).await?;
    let head = client.request(Method::HEAD, &path).send().await?.expect(200)?;
    ensure!(head.bytes.is_empty(), "{}", head.wrong("a HEAD has no body"));
    same("ETag", head.header("etag"), whole.header("etag"))?;
    same("length", head.header("content-length"), Some(whole.bytes.len().to_string().as_str()))
}

async fn parameters(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    hit(&client, &path).await?;
    let dressed = hit(&client, &format!("{path}?utm_source=mail&fbclid=1")).await?;
    same("kept as what it is", dressed.header("cache-control").map(|text| text.contains("s-maxage=60")), Some(true))?;
    let sparse = read(&client, &format!("{path}?fields=id")).await?;
    same("fields", &sparse.body, &json!({ "id": goods.id }))?;
    let control = sparse.header("cache-control").unwrap_or_default();
    ensure!(control.contains("s-maxage=1,"), "{}", sparse.wrong("what cannot be dropped is kept a second"));
    Ok(())
}

async fn own(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let cart = shop.cart().await?;
    for path in [format!("/v1/carts/{cart}"), "/v1/orders".into(), "/v1/admin/search/rules".into()] {
        for _ in 0..2 {
            let answer = client.get(&path).send().await?;
            ensure!(answer.header("age").is_none(), "{}", answer.wrong("it was kept"));
            let source = answer.header("x-cache").unwrap_or_default();
            ensure!(source.starts_with("Miss") || source.starts_with("Error"), "{}", answer.wrong("it was kept"));
            let control = answer.header("cache-control").unwrap_or_default();
            ensure!(!control.contains("public"), "{}", answer.wrong("everybody may keep it"));
        }
    }
    Ok(())
}

async fn tokens(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let plain = hit(&client, &path).await?;
    for token in ["Bearer nonsense", "Basic eDp5"] {
        let answer =
            client.get(&path).header("authorization", token).header("cookie", "a=1").send().await?.expect(200)?;
        same("body", &answer.body, &plain.body)?;
    }
    Ok(())
}

async fn errors(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let slug = shop.unique("later");
    let path = format!("/v1/products/{slug}");
    for _ in 0..2 {
        came(&client.get(&path).send().await?.expect(404)?, "Error")?;
    }
    let mut product = crate::shop::product_body(&Wanted::default(), "Later", &shop.unique("SKU"));
    product["slug"] = json!(slug);
    shop.create(&product, None).await?.expect(201)?;
    read(&client, &path).await?;
    client.get("/v1/products?limit=0").send().await?.expect(400)?;
    client.get("/v1/products?cursor=x").send().await?.expect(400)?;
    let written = client.post("/v1/carts").json(&json!({})).send().await?.expect(201)?;
    came(&written, "Miss")
}

async fn bad_conditions(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let whole = hit(&client, &path).await?;
    let long = "\"x\",".repeat(1000);
    let odd: [(&'static str, &str); 12] = [
        ("if-none-match", ""),
        ("if-none-match", "\"v1"),
        ("if-none-match", ",,,"),
        ("if-none-match", &long),
        ("if-none-match", "W/"),
        ("if-match", "\"other\""),
        ("if-modified-since", "yesterday"),
        ("range", "bytes=0-1"),
        ("range", "bytes=9-1"),
        ("range", "bytes=-,x"),
        ("if-range", "\"other\""),
        ("accept-encoding", ";;q=,"),
    ];
    for (name, value) in odd {
        let answer = client.get(&path).header(name, value).send().await?.expect(200)?;
        same(name, &answer.body, &whole.body)?;
    }
    for control in ["no-cache", "max-age=0"] {
        // A visitor does not decide what the shop has to answer anew.
        let answer = client.get(&path).header("cache-control", control).send().await?.expect(200)?;
        same(control, &answer.body, &whole.body)?;
    }
    Ok(())
}

/// Reads until an answer is as it should be; prints after how long.
async fn seen(
    what: &str,
    watch: &Watch,
    client: &Client,
    path: &str,
    good: impl Fn(&Answer) -> bool + Send,
) -> Outcome {
    while !good(&client.get(path).send().await?) {
        ensure!(watch.elapsed() < SEEN, "{what} was not seen within {} s", SEEN.as_secs());
        pause(Duration::from_millis(5)).await;
    }
    println!("         {what}: seen after {} ms", watch.elapsed().as_millis());
    Ok(())
}

fn price(answer: &Answer, at: &str) -> Option<i64> {
    answer.body.pointer(at).and_then(Value::as_i64)
}

/// Staff changes a product.
async fn update(shop: &Shop, id: &str, tag: &str, patch: &Value) -> Outcome<Answer> {
    let request = shop.by_staff(Method::PATCH, format!("/v1/admin/products/{id}")).await?;
    request.header("if-match", tag).json(patch).send().await?.expect(200)
}

async fn new_price(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let name = format!("Pricewatch {}", shop.unique("kettle"));
    let goods = shop.product(Wanted { name: name.clone(), ..Wanted::units(5) }).await?;
    let (cart, order) = shop.ready(&goods.sku, 1, VISA).await?;
    let product = format!("/v1/products/{}", goods.id);
    let slug = format!("/v1/products/{}", goods.slug);
    let search = format!("/v1/search?q={}", crate::http::encoded(&name));
    let (of_product, of_search) = ("/variants/0/price/amount", "/items/0/variants/0/price/amount");
    let (old, new) = (goods.price, goods.price + 500);
    let has_search = client.get(&search).send().await?.status != 503;
    let began = Watch::start();
    // Both addresses of the product are kept, and what a search finds, with the old price.
    for path in [&product, &slug] {
        same("price", price(&hit(&client, path).await?, of_product), Some(old))?;
    }
    if has_search {
        seen("the product in search", &began, &client, &search, |answer| price(answer, of_search) == Some(old)).await?;
    }
    let present = shop.client().get(&product).send().await?.expect(200)?;
    let mut variants = present.body["variants"].clone();
    variants[0]["price"]["amount"] = json!(new);
    let tag = present.header("etag").unwrap_or_default();
    update(&shop, &goods.id, tag, &json!({ "variants": variants })).await?;
    let changed = Watch::start();
    for path in [&product, &slug] {
        let good = |answer: &Answer| price(answer, of_product) == Some(new);
        seen("the new price of a product", &changed, &client, path, good).await?;
    }
    if has_search {
        seen("the new price in search", &changed, &client, &search, |answer| price(answer, of_search) == Some(new))
            .await?;
    }
    let read = client.get(format!("/v1/carts/{cart}")).send().await?.expect(200)?;
    same("price in the cart", price(&read, "/lines/0/unit_price/amount"), Some(new))?;
    // What the shopper saw before is not what is paid: that is refused, with what is different.
    let placed = client.post("/v1/checkout").key(&shop.unique("key")).json(&order).send().await?;
    problem(placed, 409, "price-changed").map(drop)
}

async fn moved_and_archived(shop: Shop) -> Outcome {
    let client = visitor(&shop)?;
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let (old, id) = (format!("/v1/products/{}", goods.slug), format!("/v1/products/{}", goods.id));
    hit(&client, &old).await?;
    let slug = shop.unique("moved");
    let moved = update(&shop, &goods.id, &goods.etag, &json!({ "slug": slug })).await?;
    let watch = Watch::start();
    seen("a new slug", &watch, &client, &old, |answer| answer.status == 301).await?;
    hit(&client, &id).await?;
    let path = format!("/v1/admin/products/{}", goods.id);
    let tag = moved.header("etag").unwrap_or_default();
    shop.by_staff(Method::DELETE, path).await?.header("if-match", tag).send().await?.expect_any(&[200, 204])?;
    let watch = Watch::start();
    seen("an archived product", &watch, &client, &id, |answer| answer.status == 404).await
}
