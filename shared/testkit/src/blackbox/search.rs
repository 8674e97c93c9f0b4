//! Finding products: what is indexed soon is found, facets, suggestions, what staff wants, and every kind of bad question.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::{Answer, encoded};
use crate::shop::{Goods, Shop, Wanted, ramp};
use crate::{Outcome, Stop, ensure};

/// A new price is in search so soon, in a shop of one process.
const PRICE: Duration = Duration::from_secs(1);
/// Any other change is in the index so soon, also on a machine that has other things to do.
const ANYTHING: Duration = Duration::from_secs(60);

pub fn cases() -> Vec<Case> {
    vec![
        case("search.a new product is found, and a new price is in product, search and cart within a second", price),
        case("search.what is sold out or archived shows in filters and results", stock),
        case("search.facets stay right under their own filter", facets),
        case("search.pages have every product once", pages),
        case("search.a typo is corrected and the answer says so", typo),
        case("search.suggestions come from the first letter", suggestions),
        case("search.staff pins, buries and redirects", rules),
        case("search.a rebuilt index has everything", reindex),
        case("search.bad questions are answered clearly and soon", bad),
        case("search.only staff rebuilds and rules", staff_only),
    ]
}

/// A word that no other run has.
fn word(shop: &Shop) -> String {
    let unique = shop.unique("w");
    let letters = unique.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("zq{letters}")
}

async fn ask(shop: &Shop, query: &str) -> Outcome<Answer> {
    Ok(shop.client().get(format!("/v1/search?{query}")).send().await?)
}

/// Skips where a stage has no search.
pub(super) async fn needs_search(shop: &Shop) -> Outcome {
    let answer = ask(shop, "limit=1").await?;
    match answer.status {
        503 if answer.code() == "search-off" => Err(Stop::Skipped("this stage has no search".into())),
        _ => answer.expect(200).map(drop),
    }
}

/// Asks until the answer is as it should be. Each question is another one to every cache.
async fn until(shop: &Shop, query: &str, good: impl Fn(&Answer) -> bool) -> Outcome<Answer> {
    within(ANYTHING, shop, query, good).await
}

async fn within(limit: Duration, shop: &Shop, query: &str, good: impl Fn(&Answer) -> bool) -> Outcome<Answer> {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = ask(shop, &format!("{query}&again={attempt}")).await?.expect(200)?;
        if good(&answer) {
            return Ok(answer);
        }
        if watch.elapsed() > limit {
            return Err(answer.wrong(format!("not so within {} ms: {query}", limit.as_millis())));
        }
        pause(ramp(attempt)).await;
    }
    ask(shop, query).await
}

fn ids(answer: &Answer) -> Vec<String> {
    let items = answer.list("/items").unwrap_or_default();
    items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

fn has(goods: &Goods) -> impl Fn(&Answer) -> bool {
    let id = goods.id.clone();
    move |answer| ids(answer).contains(&id)
}

/// Makes products whose names have a word, and waits until all are found.
async fn products<const N: usize>(shop: &Shop, name: &str, units: [u32; N]) -> Outcome<Vec<Goods>> {
    let mut made = Vec::new();
    for units in units {
        made.push(shop.product(Wanted { name: name.into(), ..Wanted::units(units) }).await?);
    }
    until(shop, &format!("q={name}"), |answer| ids(answer).len() == N).await?;
    Ok(made)
}

async fn price(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    let goods = shop.product(Wanted { name: name.clone(), ..Wanted::units(3) }).await?;
    let found = until(&shop, &format!("q={name}&in_stock=true"), has(&goods)).await?;
    same("total", found.integer("/total")?, 1)?;
    let cart = shop.filled_cart(&[(goods.sku.as_str(), 1)]).await?;
    let (old, new) = (goods.price, 777);
    let variants = json!([{ "sku": goods.sku, "price": { "amount": new, "currency": "EUR" } }]);
    let patch = shop.by_staff(Method::PATCH, format!("/v1/admin/products/{}", goods.id)).await?;
    patch.header("if-match", &goods.etag).json(&json!({ "variants": variants })).send().await?.expect(200)?;
    let priced = |answer: &Answer| answer.integer("/items/0/variants/0/price/amount").is_ok_and(|price| price == new);
    let limit = if shop.target().local { PRICE } else { ANYTHING };
    within(limit, &shop, &format!("q={name}&max_price={new}"), priced).await?;
    let gone = until(&shop, &format!("q={name}&min_price={old}"), |answer| ids(answer).is_empty()).await?;
    same("total at the old price", gone.integer("/total")?, 0)?;
    let product = shop.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
    same("product", product.integer("/variants/0/price/amount")?, new)?;
    let cart = shop.read_cart(&cart).await?;
    same("cart", cart.integer("/lines/0/unit_price/amount")?, new)
}

async fn stock(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    let goods = products(&shop, &name, [1, 1]).await?;
    until(&shop, &format!("q={name}&in_stock=true"), |answer| ids(answer).len() == 2).await?;
    shop.buy(&goods[0].sku, 1).await?.expect(201)?;
    let left = until(&shop, &format!("q={name}&in_stock=true"), |answer| ids(answer).len() == 1).await?;
    same("what is left", ids(&left), vec![goods[1].id.clone()])?;
    until(&shop, &format!("q={name}&in_stock=false"), has(&goods[0])).await?;
    shop.receive(&goods[0].sku, 5, &shop.unique("receipt")).await?.expect(200)?;
    until(&shop, &format!("q={name}&in_stock=true"), |answer| ids(answer).len() == 2).await?;
    let archive = shop.by_staff(Method::DELETE, format!("/v1/admin/products/{}", goods[1].id)).await?;
    archive.send().await?.expect_any(&[200, 204])?;
    until(&shop, &format!("q={name}"), |answer| ids(answer) == [goods[0].id.clone()]).await.map(drop)
}

async fn facets(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    for (brand, colour, price) in [("Ada", "Red", 500), ("Ada", "Blue", 1500), ("Bob", "Red", 2500)] {
        let body = json!({
            "name": format!("{name} {brand} {colour}"), "brand": brand, "category": "testkit/facets",
            "attributes": { "Colour": colour, "note": "x".repeat(200) },
            "variants": [{ "sku": shop.unique("SKU"), "price": { "amount": price, "currency": "EUR" } }],
        });
        shop.create(&body, None).await?.expect(201)?;
    }
    until(&shop, &format!("q={name}"), |answer| ids(answer).len() == 3).await?;
    let counts = |answer: &Answer, pointer: &str| -> Outcome<Vec<(String, i64)>> {
        let one = |value: &Value| {
            (value["value"].as_str().unwrap_or_default().to_owned(), value["count"].as_i64().unwrap_or_default())
        };
        Ok(answer.list(pointer)?.iter().map(one).collect())
    };
    let of = |value: &str, count: i64| (value.to_owned(), count);
    let found = ask(&shop, &format!("q={name}&brand=ada&attr.colour=RED")).await?.expect(200)?;
    same("total", found.integer("/total")?, 1)?;
    same("brands of what is red", counts(&found, "/facets/brand")?, vec![of("Ada", 1), of("Bob", 1)])?;
    let colours = found.list("/facets/attributes")?.iter().position(|attribute| attribute["name"] == "Colour");
    let colours = colours.ok_or_else(|| found.wrong("no facet of colours"))?;
    let colours = counts(&found, &format!("/facets/attributes/{colours}/values"))?;
    same("colours of what is Ada's", colours, vec![of("Blue", 1), of("Red", 1)])?;
    let both = ask(&shop, &format!("q={name}&brand=Ada,Bob&min_price=1000")).await?.expect(200)?;
    same("either brand, from ten euros on", both.integer("/total")?, 2)?;
    let bounds: Vec<i64> = both.list("/facets/price")?.iter().filter_map(|range| range["from"].as_i64()).collect();
    same("ranges", bounds, vec![0, 1000, 2500])?;
    let category = ask(&shop, &format!("q={name}&category=testkit")).await?.expect(200)?;
    same("of the category above", category.integer("/total")?, 3)
}

async fn pages(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    let goods = products(&shop, &name, [1; 7]).await?;
    for sort in ["relevance", "price", "-price", "newest", "rating"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for _ in 0..5 {
            let page = ask(&shop, &format!("q={name}&sort={sort}&limit=2{cursor}")).await?.expect(200)?;
            same("total", page.integer("/total")?, 7)?;
            seen.extend(ids(&page));
            match page.text("/next") {
                Ok(next) => cursor = format!("&cursor={}", encoded(next)),
                Err(_) => break,
            }
        }
        let mut all: Vec<String> = goods.iter().map(|goods| goods.id.clone()).collect();
        all.sort();
        seen.sort();
        same(sort, seen, all)?;
    }
    let page = ask(&shop, &format!("q={name}&limit=2")).await?.expect(200)?;
    let next = encoded(page.text("/next")?);
    problem(ask(&shop, &format!("q={name}&sort=price&limit=2&cursor={next}")).await?, 400, "invalid-cursor")?;
    problem(ask(&shop, "cursor=AAAA").await?, 400, "invalid-cursor").map(drop)
}

async fn typo(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = format!("{}brilliance", word(&shop));
    let goods = products(&shop, &name, [1]).await?;
    let wrong = name.replace("brilliance", "briliance");
    let found = ask(&shop, &format!("q={wrong}")).await?.expect(200)?;
    same("found", ids(&found), vec![goods[0].id.clone()])?;
    same("corrected", found.text("/corrected_query")?, name.as_str())?;
    let right = ask(&shop, &format!("q={name}")).await?.expect(200)?;
    ensure!(right.body.get("corrected_query").is_none(), "{}", right.wrong("nothing was corrected"));
    Ok(())
}

async fn suggestions(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    let goods = products(&shop, &name, [1]).await?;
    let typed = &name[..name.len() - 1];
    let answer = shop.client().get(format!("/v1/search/suggestions?q={typed}")).send().await?.expect(200)?;
    same("product", answer.text("/products/0/id")?, goods[0].id.as_str())?;
    ensure!(answer.at("/products/0/price/amount").is_ok(), "{}", answer.wrong("no price"));
    let first = shop.client().get("/v1/search/suggestions?q=t").send().await?.expect(200)?;
    ensure!(!first.list("/completions")?.is_empty(), "{}", first.wrong("nothing begins with a `t`"));
    for q in ["", "%20", "%F0%9F%8D%B5", "%22%7B%7D"] {
        let answer = shop.client().get(format!("/v1/search/suggestions?q={q}")).send().await?.expect(200)?;
        same("completions", answer.list("/completions")?.len(), 0)?;
    }
    let long = shop.client().get(format!("/v1/search/suggestions?q={}", "a".repeat(300))).send().await?;
    names_fields(long, 400, &["/q"]).map(drop)
}

async fn rules(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    let goods = products(&shop, &name, [1, 1, 1]).await?;
    let path = format!("/v1/admin/search/rules/{name}");
    let plain = ids(&ask(&shop, &format!("q={name}")).await?.expect(200)?);
    let (first, last) = (plain[2].clone(), plain[0].clone());
    let rule = json!({ "pinned": [first], "buried": [last], "redirect": "/sale" });
    shop.by_staff(Method::PUT, &path).await?.json(&rule).send().await?.expect(200)?;
    // Whatever way the query is written.
    let query = format!("q={}%21", name.to_uppercase());
    let ruled = until(&shop, &query, |answer| ids(answer).first() == Some(&first)).await?;
    same("last", ids(&ruled).last(), Some(&last))?;
    same("redirect", ruled.text("/redirect")?, "/sale")?;
    same("all are there", ids(&ruled).len(), goods.len())?;
    let listed = shop.by_staff(Method::GET, "/v1/admin/search/rules").await?.send().await?.expect(200)?;
    ensure!(listed.list("/items")?.iter().any(|item| item["query"] == name.as_str()), "{}", listed.wrong("not listed"));
    let wrong = json!({ "pinned": [first, first], "redirect": "//elsewhere.example" });
    let refused = shop.by_staff(Method::PUT, &path).await?.json(&wrong).send().await?;
    names_fields(refused, 422, &["/pinned/1", "/redirect"])?;
    shop.by_staff(Method::DELETE, &path).await?.send().await?.expect(204)?;
    until(&shop, &format!("q={name}"), |answer| ids(answer) == plain).await.map(drop)
}

async fn reindex(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    let name = word(&shop);
    products(&shop, &name, [1, 1]).await?;
    let path = "/v1/admin/search/reindex";
    let begun = shop.by_staff(Method::POST, path).await?.send().await?.expect(202)?;
    let id = begun.text("/id")?.to_owned();
    // A product that comes in while it runs is in the new index too.
    let late = shop.product(Wanted { name: name.clone(), ..Wanted::units(1) }).await?;
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let seen = shop.by_staff(Method::GET, path).await?.send().await?.expect(200)?;
        if seen.text("/id")? != id {
            return Err(Stop::Skipped("somebody else began another one".into()));
        }
        if seen.text("/status")? == "done" {
            break;
        }
        ensure!(watch.elapsed() < Duration::from_secs(120), "{}", seen.wrong("it does not end"));
        pause(ramp(attempt)).await;
    }
    until(&shop, &format!("q={name}"), |answer| ids(answer).len() == 3 && has(&late)(answer)).await.map(drop)
}

async fn bad(shop: Shop) -> Outcome {
    needs_search(&shop).await?;
    for (query, fields) in [
        (format!("q={}", "a".repeat(10_000)), vec!["/q"]),
        ("min_price=2&max_price=1".into(), vec!["/max_price"]),
        ("min_price=-1&rating_min=6&limit=0".into(), vec!["/min_price", "/rating_min", "/limit"]),
        ("sort=stock".into(), vec!["/sort"]),
        ("category=..%2F..".into(), vec!["/category"]),
        ("currency=eur".into(), vec!["/currency"]),
        ("in_stock=maybe".into(), vec!["/in_stock"]),
        ("attr.=x&attr.a=".into(), vec!["/attr.", "/attr.a"]),
    ] {
        let watch = Watch::start();
        names_fields(ask(&shop, &query).await?, 400, &fields)?;
        ensure!(watch.elapsed() < Duration::from_secs(20), "{query:.40} took {:?}", watch.elapsed());
    }
    for q in [
        "%22",
        "%7B%22match_all%22%3A%7B%7D%7D",
        "*%3A*",
        "%F0%9F%91%BD",
        "%00",
        "%27%20OR%201%3D1%20--",
        "%C3%9F%CC%81",
        "%2F.*%2F",
    ] {
        let answer = ask(&shop, &format!("q={q}&brand={q}&attr.{q}x={q}x")).await?.expect(200)?;
        same("nothing has that", answer.integer("/total")?, 0)?;
    }
    let nothing = ask(&shop, &format!("q={}x{}", word(&shop), word(&shop))).await?.expect(200)?;
    same("total", nothing.integer("/total")?, 0)?;
    same("items", nothing.list("/items")?.len(), 0)?;
    let unknown = ask(&shop, "attr.no-such-attribute=1&utm_source=x").await?.expect(200)?;
    same("an attribute that nothing has", unknown.integer("/total")?, 0)
}

async fn staff_only(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    for (method, path) in [
        (Method::POST, "/v1/admin/search/reindex"),
        (Method::GET, "/v1/admin/search/reindex"),
        (Method::GET, "/v1/admin/search/rules"),
        (Method::DELETE, "/v1/admin/search/rules/tea"),
    ] {
        let nobody = shop.client().request(method.clone(), path).send().await?;
        same("without a token", nobody.status, 401)?;
        let shopper = shop.client().request(method, path).bearer(&customer.access).send().await?;
        same("a shopper", shopper.status, 403)?;
    }
    Ok(())
}
