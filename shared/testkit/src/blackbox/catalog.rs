//! Products: made, found, listed, changed, taken off the shelf.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::{mentions, names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::{Answer, encoded};
use crate::shop::{SETTLES, Shop, Wanted, product_body, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("catalog.a product is made and read by id and slug", made_and_read),
        case("catalog.a product is listed by category, tag and brand", listed),
        case("catalog.pages follow each other without gaps or repeats", pages),
        case("catalog.sorts order the list", sorts),
        case("catalog.a sort outside the whitelist is refused with the list", bad_sort),
        case("catalog.an altered or foreign cursor is refused", bad_cursor),
        case("catalog.limits of a page are held", page_limits),
        case("catalog.the category tree counts what is below", categories),
        case("catalog.an unknown product is not found", unknown),
        case("catalog.every wrong field is named at once and nothing is made", wrong_fields),
        case("catalog.a slug or SKU that is taken is refused and nothing is half made", taken_names),
        case("catalog.the same key makes one product", same_key),
        case("catalog.an update needs the version and changes only what it says", update),
        case("catalog.a wrong update is refused whole", wrong_update),
        case("catalog.drafts and archived products are not for shoppers", hidden),
    ]
}

/// Waits until a list has these products in it: lists follow their products within moments.
async fn list_with(shop: &Shop, query: &str, ids: &[&str]) -> Outcome<Answer> {
    let watch = Watch::start();
    let mut attempt = 0;
    loop {
        let answer = shop.client().get(format!("/v1/products?{query}")).send().await?.expect(200)?;
        let found: BTreeSet<&str> = answer.list("/items")?.iter().filter_map(|item| item["id"].as_str()).collect();
        if ids.iter().all(|id| found.contains(id)) {
            return Ok(answer);
        }
        if watch.elapsed() > SETTLES {
            return Err(answer.wrong(format!("{ids:?} are not all in the list")));
        }
        pause(ramp(attempt)).await;
        attempt += 1;
    }
}

fn ids(answer: &Answer) -> Outcome<Vec<String>> {
    Ok(answer.list("/items")?.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned).collect())
}

async fn made_and_read(shop: Shop) -> Outcome {
    let (sku, name) = (shop.unique("SKU"), format!("Café crème {}", shop.unique("no")));
    let body = product_body(&Wanted::default(), &name, &sku);
    let made = shop.create(&body, None).await?.expect(201)?;
    let id = made.text("/id")?.to_owned();
    let slug = made.text("/slug")?.to_owned();
    ensure!(slug.starts_with("cafe-creme-"), "the slug is made from the name, not {slug}");
    ensure!(
        made.header("location").is_some_and(|place| place.ends_with(&format!("/v1/products/{id}"))),
        "{}",
        made.wrong("Location")
    );
    for way in [&id, &slug] {
        let read = shop.client().get(format!("/v1/products/{way}")).send().await?.expect(200)?;
        for field in ["name", "description", "brand", "category", "tags", "attributes", "status"] {
            same(field, &read.body[field], &body[field])?;
        }
        same("id", read.text("/id")?, &id)?;
        same("price", read.at("/variants/0/price")?, &json!({ "amount": 1_999, "currency": "EUR" }))?;
        same("sku", read.text("/variants/0/sku")?, &sku)?;
        same("version", read.integer("/version")?, 1)?;
        same("rating", read.integer("/rating/count")?, 0)?;
        for time in ["/created_at", "/updated_at"] {
            ensure!(read.text(time)?.ends_with('Z'), "{}", read.wrong(format!("{time} is not UTC")));
        }
    }
    Ok(())
}

async fn listed(shop: Shop) -> Outcome {
    let category = format!("testkit/{}", shop.unique("cat"));
    let wanted = Wanted { units: 0, category: category.clone(), ..Wanted::default() };
    let goods = shop.product(wanted).await?;
    let place = format!("category={}", encoded(&category));
    list_with(&shop, &place, &[&goods.id]).await?;
    list_with(&shop, &format!("{place}&tag=testkit&brand=Testkit"), &[&goods.id]).await?;
    for nothing in ["tag=no-such-tag", "brand=Nobody"] {
        let empty = shop.client().get(format!("/v1/products?{place}&{nothing}")).send().await?.expect(200)?;
        same(nothing, empty.list("/items")?.len(), 0)?;
        same("next of the last page", empty.at("/next")?, &Value::Null)?;
    }
    Ok(())
}

/// Five products of different prices and names in a category of their own; its query, and their ids by price.
async fn shelf(shop: &Shop) -> Outcome<(String, Vec<String>)> {
    let category = format!("testkit/{}", shop.unique("cat"));
    let mut made = Vec::new();
    // Names run against prices, so that no sort passes by luck.
    for (price, name) in [(100, "E shelf"), (200, "D shelf"), (300, "C shelf"), (400, "B shelf"), (500, "A shelf")] {
        let wanted = Wanted { units: 0, price, name: name.into(), category: category.clone(), ..Wanted::default() };
        made.push(shop.product(wanted).await?.id);
    }
    let query = format!("category={}", encoded(&category));
    let all: Vec<&str> = made.iter().map(String::as_str).collect();
    list_with(shop, &query, &all).await?;
    Ok((query, made))
}

async fn pages(shop: Shop) -> Outcome {
    let (query, made) = shelf(&shop).await?;
    for sort in ["newest", "price", "-price", "name", "rating"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for _ in 0..10 {
            let path = format!("/v1/products?{query}&sort={sort}&limit=2{cursor}");
            let page = shop.client().get(path).send().await?.expect(200)?;
            ensure!(page.list("/items")?.len() <= 2, "{}", page.wrong("a page of 2 has more"));
            seen.extend(ids(&page)?);
            match page.at("/next")?.as_str() {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => break,
            }
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        same(&format!("products seen by {sort}"), seen.len(), made.len())?;
        same(&format!("the same by {sort}"), distinct, made.iter().collect())?;
    }
    Ok(())
}

async fn sorts(shop: Shop) -> Outcome {
    let (query, by_price) = shelf(&shop).await?;
    let dearest_first: Vec<String> = by_price.iter().rev().cloned().collect();
    for (sort, expected) in
        [("price", &by_price), ("-price", &dearest_first), ("name", &dearest_first), ("newest", &dearest_first)]
    {
        let page = shop.client().get(format!("/v1/products?{query}&sort={sort}")).send().await?.expect(200)?;
        same(&format!("sorted by {sort}"), &ids(&page)?, expected)?;
    }
    Ok(())
}

async fn bad_sort(shop: Shop) -> Outcome {
    let answer = shop.client().get("/v1/products?sort=colour").send().await?;
    let answer = names_fields(answer, 400, &["/sort"])?;
    for allowed in ["newest", "price", "-price", "name", "rating"] {
        if !answer.text("/errors/0/detail")?.contains(allowed) {
            return Err(answer.wrong(format!("it must list {allowed}")));
        }
    }
    Ok(())
}

async fn bad_cursor(shop: Shop) -> Outcome {
    let (query, _) = shelf(&shop).await?;
    let page = shop.client().get(format!("/v1/products?{query}&limit=2")).send().await?.expect(200)?;
    let cursor = page.text("/next")?.to_owned();
    let (head, tail) = cursor.split_at(cursor.len() / 2);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    let altered = format!("{head}{other}{}", tail.get(1..).unwrap_or_default());
    for wrong in [altered.as_str(), "AAAA", "e30", "x"] {
        let answer = shop.client().get(format!("/v1/products?{query}&limit=2&cursor={wrong}")).send().await?;
        problem(answer, 400, "invalid-cursor")?;
    }
    let elsewhere = format!("/v1/products?category=testkit&limit=2&cursor={cursor}");
    problem(shop.client().get(elsewhere).send().await?, 400, "invalid-cursor")?;
    let otherwise = format!("/v1/products?{query}&sort=price&limit=2&cursor={cursor}");
    problem(shop.client().get(otherwise).send().await?, 400, "invalid-cursor")?;
    Ok(())
}

async fn page_limits(shop: Shop) -> Outcome {
    for wrong in ["0", "101", "-1", "1.5", "many", ""] {
        let answer = shop.client().get(format!("/v1/products?limit={wrong}")).send().await?;
        names_fields(answer, 400, &["/limit"])?;
    }
    let both = shop.client().get("/v1/products?limit=0&sort=colour").send().await?;
    names_fields(both, 400, &["/limit", "/sort"])?;
    let answer = shop.client().get("/v1/products?limit=100").send().await?.expect(200)?;
    ensure!(answer.list("/items")?.len() <= 100, "a page has at most 100 items");
    Ok(())
}

async fn categories(shop: Shop) -> Outcome {
    let top = shop.unique("top");
    for leaf in ["left", "left", "right"] {
        let wanted = Wanted { units: 0, category: format!("{top}/{leaf}"), ..Wanted::default() };
        shop.product(wanted).await?;
    }
    let tree = shop.client().get("/v1/categories").send().await?.expect(200)?;
    let node = tree.list("/items")?.iter().find(|node| node["path"] == top.as_str());
    let node = node.ok_or_else(|| tree.wrong(format!("{top} is not in the tree")))?;
    same("count of the top", &node["count"], &json!(3))?;
    let children = node["children"].as_array().cloned().unwrap_or_default();
    let counts: BTreeSet<String> =
        children.iter().map(|child| format!("{} {} {}", child["path"], child["name"], child["count"])).collect();
    let expected =
        ["left", "right"].map(|leaf| format!("\"{top}/{leaf}\" \"{leaf}\" {}", if leaf == "left" { 2 } else { 1 }));
    same("children", counts, expected.into_iter().collect())
}

async fn unknown(shop: Shop) -> Outcome {
    for id in ["prd_00000000000000", "no-such-product-at-all", "crt_00000000000000"] {
        let answer = shop.client().get(format!("/v1/products/{id}")).send().await?;
        if id.starts_with("prd_") || !id.contains('_') {
            problem(answer, 404, "product-not-found")?;
        } else {
            answer.expect_any(&[400, 404])?;
        }
    }
    let staff = shop.staff().await?;
    let gone = shop.client().delete("/v1/admin/products/prd_00000000000000").bearer(&staff).send().await?;
    problem(gone, 404, "product-not-found")?;
    let patch =
        shop.client().patch("/v1/admin/products/prd_00000000000000").bearer(&staff).header("if-match", "\"v1\"");
    problem(patch.json(&json!({ "name": "Ghost" })).send().await?, 404, "product-not-found")?;
    Ok(())
}

async fn wrong_fields(shop: Shop) -> Outcome {
    let slug = shop.unique("wrong");
    let body = json!({
        "slug": slug,
        "category": "Not A Category",
        "colour": "green",
        "tags": "tea",
        "variants": [{ "sku": "has a space", "options": {}, "price": { "amount": "12", "currency": "XYZ" } }],
    });
    let answer = shop.create(&body, None).await?;
    let wrong = [
        "/name",
        "/category",
        "/colour",
        "/tags",
        "/variants/0/sku",
        "/variants/0/price/amount",
        "/variants/0/price/currency",
    ];
    names_fields(answer, 422, &wrong)?;
    problem(shop.client().get(format!("/v1/products/{slug}")).send().await?, 404, "product-not-found")?;

    let (one, two) = (shop.unique("SKU"), shop.unique("SKU"));
    let mut body = product_body(&Wanted::default(), &slug, &one);
    let price = |currency: &str| json!({ "amount": 100, "currency": currency });
    body["options"] = json!([{ "name": "size", "values": ["s", "m"] }]);
    body["variants"] = json!([
        { "sku": one, "options": { "size": "s" }, "price": price("EUR") },
        { "sku": one, "options": { "size": "m" }, "price": price("EUR") },
        { "sku": two, "options": { "size": "xl" }, "price": price("USD") },
    ]);
    let answer = problem(shop.create(&body, None).await?, 422, "invalid-body")?;
    ensure!(
        answer.list("/errors")?.len() >= 3,
        "{}",
        answer.wrong("a SKU twice, a foreign size and a second currency are three errors")
    );
    body["variants"] =
        json!([{ "sku": one, "options": { "size": "s" }, "price": { "amount": -1, "currency": "EUR" } }]);
    problem(shop.create(&body, None).await?, 422, "invalid-body")?;
    Ok(())
}

async fn taken_names(shop: Shop) -> Outcome {
    let first = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let (sku, slug) = (shop.unique("SKU"), shop.unique("slug"));

    let mut same_slug = product_body(&Wanted::default(), "A copy", &sku);
    same_slug["slug"] = json!(first.slug);
    problem(shop.create(&same_slug, None).await?, 409, "slug-taken")?;

    let mut same_sku = product_body(&Wanted::default(), "Another copy", &first.sku);
    same_sku["slug"] = json!(slug);
    let answer = problem(shop.create(&same_sku, None).await?, 409, "sku-taken")?;
    mentions(answer, &first.sku)?;
    problem(shop.client().get(format!("/v1/products/{slug}")).send().await?, 404, "product-not-found")?;

    // Neither refusal kept the name it did not collide on.
    let mut free = product_body(&Wanted::default(), "No copy", &sku);
    free["slug"] = json!(slug);
    shop.create(&free, None).await?.expect(201)?;
    Ok(())
}

async fn same_key(shop: Shop) -> Outcome {
    let (key, sku) = (shop.unique("key"), shop.unique("SKU"));
    let body = product_body(&Wanted::default(), &shop.unique("Once"), &sku);
    let first = shop.create(&body, Some(&key)).await?.expect(201)?;
    let again = shop.create(&body, Some(&key)).await?.expect(201)?;
    same("the product of a repeated call", again.text("/id")?, first.text("/id")?)?;
    let other = product_body(&Wanted::default(), &shop.unique("Twice"), &shop.unique("SKU"));
    problem(shop.create(&other, Some(&key)).await?, 422, "idempotency-key-reused")?;
    Ok(())
}

async fn update(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let staff = shop.staff().await?;
    let path = format!("/v1/admin/products/{}", goods.id);
    let change = json!({ "name": "Renamed", "attributes": { "material": null, "origin": "Japan" } });
    let bare = shop.client().patch(&path).bearer(&staff).json(&change).send().await?;
    problem(bare, 428, "if-match-required")?;
    let stale = shop.client().patch(&path).bearer(&staff).header("if-match", "\"v99\"").json(&change).send().await?;
    problem(stale, 412, "version-mismatch")?;
    let before = shop.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
    same("the name after two refusals", before.text("/name")?.starts_with("Testkit teapot"), true)?;

    let tag = before.header("etag").unwrap_or_default().to_owned();
    let done =
        shop.client().patch(&path).bearer(&staff).header("if-match", &tag).json(&change).send().await?.expect(200)?;
    same("version", done.integer("/version")?, 2)?;
    same("name", done.text("/name")?, "Renamed")?;
    same("attributes", done.at("/attributes")?, &json!({ "origin": "Japan" }))?;
    same("brand, which was not mentioned", done.text("/brand")?, "Testkit")?;
    let late = shop.client().patch(&path).bearer(&staff).header("if-match", &tag).json(&change).send().await?;
    problem(late, 412, "version-mismatch")?;
    let after = shop.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
    ensure!(after.header("etag") != before.header("etag"), "{}", after.wrong("the ETag must change with the version"));
    same("read after the update", after.text("/name")?, "Renamed")
}

async fn wrong_update(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let staff = shop.staff().await?;
    let path = format!("/v1/admin/products/{}", goods.id);
    let change = json!({ "name": "", "category": "Not A Category", "colour": "green" });
    let answer = shop.client().patch(&path).bearer(&staff).header("if-match", "*").json(&change).send().await?;
    names_fields(answer, 422, &["/name", "/category", "/colour"])?;
    let read = shop.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
    same("version after a refusal", read.integer("/version")?, 1)
}

async fn hidden(shop: Shop) -> Outcome {
    let mut draft = product_body(&Wanted::default(), &shop.unique("Draft"), &shop.unique("SKU"));
    draft["status"] = json!("draft");
    let made = shop.create(&draft, None).await?.expect(201)?;
    let id = made.text("/id")?;
    problem(shop.client().get(format!("/v1/products/{id}")).send().await?, 404, "product-not-found")?;

    let category = format!("testkit/{}", shop.unique("cat"));
    let goods = shop.product(Wanted { units: 0, category: category.clone(), ..Wanted::default() }).await?;
    let query = format!("category={}", encoded(&category));
    list_with(&shop, &query, &[&goods.id]).await?;
    let staff = shop.staff().await?;
    let path = format!("/v1/admin/products/{}", goods.id);
    shop.client().delete(&path).bearer(&staff).send().await?.expect(204)?;
    shop.client().delete(&path).bearer(&staff).send().await?.expect_any(&[204, 404])?;
    for way in [&goods.id, &goods.slug] {
        problem(shop.client().get(format!("/v1/products/{way}")).send().await?, 404, "product-not-found")?;
    }
    let watch = Watch::start();
    loop {
        let list = shop.client().get(format!("/v1/products?{query}")).send().await?.expect(200)?;
        if list.list("/items")?.is_empty() {
            return Ok(());
        }
        if watch.elapsed() > SETTLES {
            return Err(Stop::Failed("an archived product is still listed".into()));
        }
        pause(ramp(9)).await;
    }
}
