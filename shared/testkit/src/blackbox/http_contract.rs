//! What holds for every endpoint: conditional requests, sparse answers, compression, ids, and errors in one form.

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::check::{gateway_problem, names_fields, problem, same};
use super::{Case, case};
use crate::http::{Answer, encoded};
use crate::shop::{Shop, Stock, VISA, Wanted, product_body};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("http.an ETag that is known gives 304", not_modified),
        case("http.reads say who may keep them", cache_headers),
        case("http.fields give a sparse object", sparse),
        case("http.answers are compressed for those who accept it", compressed),
        case("http.every answer has a request id of its own", request_ids),
        case("http.a foreign Origin changes nothing", cors_neutral),
        case("http.malformed JSON is refused", malformed),
        case("http.a body of another type is refused", media_type),
        case("http.a body over the limit is refused", too_large),
        case("http.a path or method that is not there is refused", no_route),
        case("http.text comes back as it went in", unicode),
        case("http.hostile text stays text", hostile),
    ]
}

async fn not_modified(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let cart = shop.cart().await?;
    for path in [format!("/v1/products/{}", goods.id), format!("/v1/carts/{cart}")] {
        let read = shop.client().get(&path).send().await?.expect(200)?;
        let tag = read.header("etag").ok_or_else(|| read.wrong("no ETag"))?;
        let quoted = tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"');
        ensure!(quoted, "{}", read.wrong("the ETag is not in quotes"));
        for seen in [tag.to_owned(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = shop.client().get(&path).header("if-none-match", &seen).send().await?.expect(304)?;
            ensure!(again.bytes.is_empty(), "{}", again.wrong("a 304 has no body"));
            same("ETag of the 304", again.header("etag"), Some(tag))?;
        }
        shop.client().get(&path).header("if-none-match", "\"other\"").send().await?.expect(200)?;
    }
    // Other cases change the tree meanwhile, so between two looks it may be another one: some two looks are alike.
    for _ in 0..20 {
        let tree = shop.client().get("/v1/categories").send().await?.expect(200)?;
        let tag = tree.header("etag").ok_or_else(|| tree.wrong("no ETag"))?;
        let again = shop.client().get("/v1/categories").header("if-none-match", tag).send().await?;
        if again.expect_any(&[200, 304])?.status == 304 {
            return Ok(());
        }
    }
    Err(Stop::Failed("the tree of categories never gave 304".into()))
}

async fn cache_headers(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let read = shop.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
    let policy = read.header("cache-control").unwrap_or_default();
    ensure!(
        policy.contains("public") && policy.contains("max-age="),
        "{}",
        read.wrong("a product may be kept by the CDN")
    );
    ensure!(read.header("last-modified").is_some_and(|date| date.ends_with("GMT")), "{}", read.wrong("Last-Modified"));
    let cart = shop.read_cart(&shop.cart().await?).await?;
    let policy = cart.header("cache-control").unwrap_or_default();
    ensure!(policy.contains("private") || policy.contains("no-store"), "{}", cart.wrong("a cart is nobody else's"));
    Ok(())
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

async fn sparse(shop: Shop) -> Outcome {
    let category = format!("testkit/{}", shop.unique("cat"));
    let goods = shop.product(Wanted { units: 0, category: category.clone(), ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let read = shop.client().get(format!("{path}?fields=id,name")).send().await?.expect(200)?;
    same("fields", names(&read.body), BTreeSet::from(["id", "name"]))?;
    let whole = shop.client().get(&path).send().await?.expect(200)?;
    ensure!(
        whole.header("etag") != read.header("etag"),
        "{}",
        read.wrong("two representations must not share an ETag")
    );
    let list = shop
        .client()
        .get(format!("/v1/products?category={}&fields=id", encoded(&category)))
        .send()
        .await?
        .expect(200)?;
    same("fields of a page", names(&list.body), BTreeSet::from(["items", "next"]))?;
    for item in list.list("/items")? {
        same("fields of an item", names(item), BTreeSet::from(["id"]))?;
    }
    let wrong = shop.client().get(format!("{path}?fields=id,colour")).send().await?;
    names_fields(wrong, 400, &["/fields"])?;
    Ok(())
}

fn unzipped(answer: &Answer) -> Outcome<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(&answer.bytes[..]).read_to_end(&mut plain).map_err(|error| answer.wrong(error))?;
    Ok(plain)
}

async fn compressed(shop: Shop) -> Outcome {
    let description = "A long story about a teapot. ".repeat(200);
    let goods = shop.product(Wanted { units: 0, description, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let plain = shop.client().get(&path).send().await?.expect(200)?;
    same("unasked", plain.header("content-encoding"), None)?;
    let zipped = shop.client().get(&path).header("accept-encoding", "gzip, br;q=0.5").send().await?.expect(200)?;
    same("asked for", zipped.header("content-encoding"), Some("gzip"))?;
    ensure!(zipped.bytes.len() * 2 < plain.bytes.len(), "{} bytes became {}", plain.bytes.len(), zipped.bytes.len());
    same("content", unzipped(&zipped)?, plain.bytes.to_vec())?;
    let vary = zipped.header("vary").unwrap_or_default().to_ascii_lowercase();
    ensure!(vary.contains("accept-encoding"), "caches must know: Vary is {vary:?}");
    let refused = shop.client().get(&path).header("accept-encoding", "gzip;q=0").send().await?.expect(200)?;
    same("refused by the client", refused.header("content-encoding"), None)
}

async fn request_ids(shop: Shop) -> Outcome {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let answer = shop.client().get("/v1/products?limit=1").send().await?.expect(200)?;
        let id = answer.header("x-request-id").ok_or_else(|| answer.wrong("no x-request-id"))?;
        ensure!(seen.insert(id.to_owned()), "{}", answer.wrong("a request id came twice"));
    }
    let mine = shop.unique("trace");
    let answer = shop.client().get("/v1/products?limit=0").header("x-correlation-id", &mine).send().await?;
    let answer = problem(answer, 400, "invalid-parameter")?;
    same("correlation id", answer.header("x-correlation-id"), Some(mine.as_str()))
}

async fn cors_neutral(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let path = format!("/v1/products/{}", goods.id);
    let plain = shop.client().get(&path).send().await?.expect(200)?;
    let foreign = shop.client().get(&path).header("origin", "https://evil.example").send().await?.expect(200)?;
    same("body", &foreign.body, &plain.body)?;
    let allowed = foreign.header("access-control-allow-origin").unwrap_or_default();
    let credentials = foreign.header("access-control-allow-credentials").unwrap_or_default();
    ensure!(
        !(credentials == "true" && (allowed == "*" || allowed.contains("evil"))),
        "{}",
        foreign.wrong("any site may act as the user")
    );
    Ok(())
}

async fn malformed(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let path = format!("/v1/carts/{cart}/lines/{}", goods.sku);
    for text in ["{\"quantity\": ", "quantity=1", "{'quantity': 1}", "{\"quantity\": 1}}", "\u{feff}", ""] {
        let answer = shop.client().put(&path).raw("application/json", text).send().await?;
        problem(answer, 400, "malformed-json")?;
    }
    for text in ["[]", "1", "null", "\"text\""] {
        let answer = shop.client().put(&path).raw("application/json", text).send().await?;
        problem(answer, 422, "invalid-body")?;
    }
    let cut = body.to_string();
    let cut = cut.get(..cut.len() - 2).unwrap_or_default().to_owned();
    let answer =
        shop.client().post("/v1/checkout").key(&shop.unique("key")).raw("application/json", cut).send().await?;
    problem(answer, 400, "malformed-json")?;
    // An emulator may hand such bytes on as replacement characters, which are text; API Gateway sends them in base64.
    if shop.target().local {
        let bytes = vec![b'"', 0xff, 0xfe, b'"'];
        let answer = shop.client().post("/v1/carts").raw("application/json", bytes).send().await?;
        problem(answer, 400, "malformed-json")?;
    }
    let deep = "[".repeat(20_000);
    problem(shop.client().post("/v1/carts").raw("application/json", deep).send().await?, 400, "malformed-json")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(2, 0))
}

async fn media_type(shop: Shop) -> Outcome {
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let answer = shop.client().post("/v1/carts").raw(kind, "{}").send().await?;
        problem(answer, 415, "unsupported-media-type")?;
    }
    shop.client().post("/v1/carts").raw("application/json; charset=utf-8", "{}").send().await?.expect(201)?;
    Ok(())
}

async fn too_large(shop: Shop) -> Outcome {
    let body = json!({ "currency": "E".repeat(70_000) });
    let answer = shop.client().post("/v1/carts").json(&body).send().await?;
    problem(answer, 413, "body-too-large")?;
    let sku = shop.unique("SKU");
    let slug = shop.unique("huge");
    let mut product = product_body(&Wanted::default(), "Huge", &sku);
    product["slug"] = json!(slug);
    product["description"] = json!("x".repeat(300_000));
    problem(shop.create(&product, None).await?, 413, "body-too-large")?;
    problem(shop.client().get(format!("/v1/products/{slug}")).send().await?, 404, "product-not-found")?;
    Ok(())
}

async fn no_route(shop: Shop) -> Outcome {
    for path in ["/v1/no-such-thing", "/v2/products", "/v1/products/a/b/c/d"] {
        let answer = shop.client().get(path).send().await?;
        gateway_problem(&shop, answer, 404, "no-route")?;
    }
    let answer = shop.client().delete("/v1/products").send().await?;
    if shop.target().local {
        problem(answer, 405, "method-not-allowed")?;
    } else {
        // API Gateway knows no 405 for HTTP APIs.
        answer.expect_any(&[404, 405])?;
    }
    Ok(())
}

async fn unicode(shop: Shop) -> Outcome {
    let name = format!("茶壺 „Größe“ 🍵 {}", shop.unique("no"));
    let body = product_body(
        &Wanted { description: "Zeile\nZwei\t\"…\" \\ 𝄞".into(), ..Wanted::default() },
        &name,
        &shop.unique("SKU"),
    );
    let made = shop.create(&body, None).await?.expect(201)?;
    let read = shop.client().get(format!("/v1/products/{}", made.text("/id")?)).send().await?.expect(200)?;
    same("name", read.text("/name")?, &name)?;
    same("description", &read.body["description"], &body["description"])
}

async fn hostile(shop: Shop) -> Outcome {
    let name = format!("<script>alert(1)</script>'; DROP TABLE carts; -- {}", shop.unique("no"));
    let made = shop.create(&product_body(&Wanted::default(), &name, &shop.unique("SKU")), None).await?.expect(201)?;
    let read = shop.client().get(format!("/v1/products/{}", made.text("/id")?)).send().await?.expect(200)?;
    same("name", read.text("/name")?, &name)?;
    ensure!(
        read.header("content-type").is_some_and(|kind| kind.starts_with("application/json")),
        "{}",
        read.wrong("content-type")
    );
    for odd in ["..%2F..%2Fetc%2Fpasswd", "%00", "a%0d%0aset-cookie:x", "%F0%9F%8D%B5", "${jndi:ldap://x}"] {
        let answer = shop.client().get(format!("/v1/products/{}", odd.replace(['$', '{', '}'], "%24"))).send().await?;
        let answer = answer.expect_any(&[400, 404])?;
        ensure!(answer.header("set-cookie").is_none(), "{}", answer.wrong("a header was smuggled in"));
    }
    Ok(())
}
