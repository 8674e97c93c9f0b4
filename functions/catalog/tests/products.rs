//! The catalogue's functions over the embedded engine, each behind its own grants.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use catalog::table::TABLE;
use serde_json::{Value, json};
use support::{Answer, Request, Stage};

const STAFF: &str = "staff:catalog";

async fn stage() -> Option<Stage> {
    support::open(&[&TABLE, &lambda::ANSWERS], catalog::functions()).await
}

fn body(name: &str, sku: &str, category: &str, amount: i64) -> Value {
    json!({
        "name": name, "brand": "Oolong", "category": category, "tags": ["Tea", "green"],
        "variants": [{ "sku": sku, "price": { "amount": amount, "currency": "EUR" } }],
    })
}

async fn create(stage: &Stage, body: &Value) -> Answer {
    stage.data.clock.advance(Duration::from_millis(5));
    stage.to("create-product").scope(STAFF).json(body).send().await
}

fn patch<'a>(stage: &'a Stage, id: &str, tag: &str, change: &Value) -> Request<'a> {
    stage.to("update-product").scope(STAFF).path("id", id).header("if-match", tag).json(change)
}

async fn names(stage: &Stage, query: &[(&str, &str)]) -> Vec<String> {
    let request = query.iter().fold(stage.to("list-products"), |request, (name, value)| request.query(name, value));
    let answer = request.send().await.expect(200);
    answer.body["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn count(stage: &Stage, path: &str) -> u64 {
    let tree = stage.to("list-categories").send().await.expect(200).body;
    let mut level = tree["items"].clone();
    let mut count = 0;
    for segment in path.split('/') {
        let found = level.as_array().unwrap().iter().find(|one| one["name"] == segment).cloned();
        let Some(found) = found else { return 0 };
        count = found["count"].as_u64().unwrap();
        level = found["children"].clone();
    }
    count
}

/// Every kind of item that is left in the table, counted by the first part of its key.
async fn leftovers(stage: &Stage) -> Vec<(String, usize)> {
    let table = stage.data.platform.table(&TABLE);
    let items = table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap_or_default();
    let mut kinds = std::collections::BTreeMap::new();
    for item in items {
        let kind = item["pk"].as_s().unwrap().split(['#', '_']).next().unwrap().to_owned();
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds.into_iter().collect()
}

#[tokio::test]
async fn the_life_of_a_product() {
    let Some(stage) = stage().await else { return };
    let made = create(&stage, &body("Green Tea", "TEA-1", "food/tea", 499)).await.expect(201);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        (&made.body["slug"], &made.body["version"], &made.body["status"]),
        (&json!("green-tea"), &json!(1), &json!("active"))
    );
    assert_eq!(
        (&made.headers["location"], &made.headers["etag"]),
        (&json!(format!("/v1/products/{id}")), &json!("\"v1\""))
    );
    assert_eq!(
        leftovers(&stage).await,
        [("categories".into(), 1), ("list".into(), 3), ("prd".into(), 1), ("sku".into(), 1), ("slug".into(), 1)]
    );

    for asked in [id, "green-tea"] {
        let read = stage.to("get-product").path("id", asked).send().await.expect(200);
        assert_eq!(read.body, made.body);
        assert_eq!(read.headers["cache-control"], lambda::Freshness::Product.header());
        assert!(read.headers["last-modified"].is_string());
    }
    let kept = stage.to("get-product").path("id", id).header("if-none-match", "\"v1\"").send().await.expect(304);
    assert_eq!(kept.body, Value::Null);
    let sparse = stage.to("get-product").path("id", id).query("fields", "id,name").send().await.expect(200);
    assert_eq!(sparse.body, json!({ "id": id, "name": "Green Tea" }));
    assert_eq!((count(&stage, "food").await, count(&stage, "food/tea").await), (1, 1));

    // Everything moves at once: the slug, the SKU, the category, the price, the name.
    let change = json!({
        "name": "Sencha", "slug": "sencha", "category": "drinks/hot/tea", "tags": ["sencha"], "attributes": { "organic": true },
        "variants": [{ "sku": "SENCHA-1", "price": { "amount": 599, "currency": "EUR" } }],
    });
    let changed = patch(&stage, id, "\"v1\"", &change).send().await.expect(200);
    assert_eq!(
        (&changed.body["version"], &changed.body["brand"], &changed.headers["etag"]),
        (&json!(2), &json!("Oolong"), &json!("\"v2\""))
    );
    let moved = stage.to("get-product").path("id", "green-tea").query("currency", "EUR").send().await.expect(301);
    assert_eq!(moved.headers["location"], "/v1/products/sencha?currency=EUR");
    stage.to("get-product").path("id", "sencha").send().await.expect(200);
    assert_eq!((count(&stage, "food").await, count(&stage, "drinks/hot").await), (0, 1));
    assert!(names(&stage, &[("category", "food")]).await.is_empty());
    assert_eq!(names(&stage, &[("category", "drinks")]).await, ["Sencha"]);
    create(&stage, &body("Green Tea", "TEA-1", "food/tea", 499)).await.expect(201);
    patch(&stage, id, "\"v1\"", &change).send().await.problem(412, "version-mismatch");
    let same = patch(&stage, id, "\"v2\"", &json!({ "name": "Sencha" })).send().await.expect(200);
    assert_eq!(same.body["version"], 2);

    let archive = |tag: Option<&'static str>| {
        let request = stage.to("archive-product").scope(STAFF).path("id", id);
        tag.into_iter().fold(request, |request, tag| request.header("if-match", tag)).send()
    };
    archive(Some("\"v1\"")).await.problem(412, "version-mismatch");
    archive(None).await.expect(204);
    archive(None).await.expect(204);
    stage.to("get-product").path("id", id).send().await.problem(404, "product-not-found");
    assert_eq!((names(&stage, &[]).await, count(&stage, "drinks").await), (vec!["Green Tea".to_owned()], 0));
    let back = patch(&stage, id, "*", &json!({ "status": "active" })).send().await.expect(200);
    assert_eq!((&back.body["version"], count(&stage, "drinks").await), (&json!(4), 1));
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let Some(stage) = stage().await else { return };
    let wrong = json!({ "category": "A B", "color": 1, "variants": [{ "sku": "a b", "price": { "amount": -1, "currency": "EUR" } }] });
    let answer = create(&stage, &wrong).await.problem(422, "invalid-body");
    assert_eq!(answer.pointers(), ["/category", "/color", "/name", "/variants/0/price/amount", "/variants/0/sku"]);
    let mut twice = body("Tea", "T", "tea", 1);
    twice["variants"] = json!([twice["variants"][0], twice["variants"][0]]);
    let answer = create(&stage, &twice).await.problem(422, "invalid-body");
    assert_eq!(answer.pointers(), ["/variants/1/options", "/variants/1/sku"]);
    assert!(leftovers(&stage).await.is_empty());

    let mut first = body("Tea", "T", "tea", 1);
    first["slug"] = json!("tea");
    let first_id = create(&stage, &first).await.expect(201).body["id"].as_str().unwrap().to_owned();
    let before = leftovers(&stage).await;
    let taken = create(&stage, &first).await.problem(409, "sku-taken");
    assert_eq!((&taken.body["skus"], &taken.body["slug"]), (&json!(["T"]), &json!("tea")));
    assert_eq!(taken.pointers(), ["/slug", "/variants/0/sku"]);
    let mut other = body("Other", "O", "tea", 1);
    other["slug"] = json!("tea");
    create(&stage, &other).await.problem(409, "slug-taken");
    assert_eq!(leftovers(&stage).await, before);

    // A slug that was not asked for gives way.
    let derived = create(&stage, &body("Tea", "T-2", "tea", 1)).await.expect(201);
    assert!(derived.body["slug"].as_str().unwrap().starts_with("tea-"), "{}", derived.body);
    let id = derived.body["id"].as_str().unwrap();
    let change = json!({ "variants": [{ "sku": "T", "price": { "amount": 1, "currency": "EUR" } }] });
    patch(&stage, id, "\"v1\"", &change).send().await.problem(409, "sku-taken");
    patch(&stage, id, "\"v1\"", &json!({ "slug": "tea" })).send().await.problem(409, "slug-taken");
    let wrong = patch(&stage, id, "\"v1\"", &json!({ "name": null, "status": "sold", "x": 1 }))
        .send()
        .await
        .problem(422, "invalid-body");
    assert_eq!(wrong.pointers(), ["/name", "/status", "/x"]);
    let kept = patch(&stage, id, "\"v1\"", &json!({ "slug": null, "brand": "New" })).send().await.expect(200);
    assert_eq!(kept.body["slug"], derived.body["slug"]);

    let bare = stage.to("update-product").scope(STAFF).path("id", &first_id).json(&json!({}));
    bare.send().await.problem(428, "if-match-required");
    patch(&stage, "prd_00000000000000", "*", &json!({ "name": "x" })).send().await.problem(404, "product-not-found");
    patch(&stage, "nonsense", "*", &json!({ "name": "x" })).send().await.problem(404, "product-not-found");
    stage.to("create-product").json(&first).send().await.problem(401, "unauthenticated");
    stage.to("create-product").scope("customer").json(&first).send().await.problem(403, "forbidden");
    let huge = json!({ "attributes": (0..60).map(|n| (format!("a{n}"), json!("x".repeat(9_000)))).collect::<serde_json::Map<_, _>>() });
    patch(&stage, id, "*", &huge).send().await.problem(413, "body-too-large");
}

#[tokio::test]
async fn a_repeated_call_is_the_same_product() {
    let Some(stage) = stage().await else { return };
    let call =
        |body: Value| stage.to("create-product").scope(STAFF).header("idempotency-key", "k-1").json(&body).send();
    let first = call(body("Tea", "T", "tea", 1)).await.expect(201);
    let again = call(body("Tea", "T", "tea", 1)).await.expect(201);
    assert_eq!(first.body, again.body);
    call(body("Coffee", "C", "tea", 1)).await.problem(422, "idempotency-key-reused");
    call(body("Coffee", "T", "tea", 1)).await.problem(422, "idempotency-key-reused");
    assert_eq!(names(&stage, &[]).await, ["Tea"]);
    let concurrent = futures_util::future::join_all((0..8).map(|_| {
        stage
            .to("create-product")
            .scope(STAFF)
            .header("idempotency-key", "k-2")
            .json(&body("Pot", "P", "tea", 1))
            .send()
    }));
    // Of calls at once one is carried out; the others are told so, or get its answer.
    let (made, told): (Vec<Answer>, Vec<Answer>) =
        concurrent.await.into_iter().partition(|answer| answer.status == 201);
    for answer in told {
        answer.problem(409, "request-in-flight");
    }
    let ids: std::collections::BTreeSet<String> = made.iter().map(|answer| answer.body["id"].to_string()).collect();
    assert_eq!((ids.len(), count(&stage, "tea").await), (1, 2));
}

#[tokio::test]
async fn drafts_are_not_for_shoppers() {
    let Some(stage) = stage().await else { return };
    let mut draft = body("Tea", "T", "tea", 1);
    draft["status"] = json!("draft");
    let id = create(&stage, &draft).await.expect(201).body["id"].as_str().unwrap().to_owned();
    for asked in [id.as_str(), "tea"] {
        stage.to("get-product").path("id", asked).send().await.problem(404, "product-not-found");
    }
    assert!(names(&stage, &[]).await.is_empty());
    assert_eq!(count(&stage, "tea").await, 0);
    patch(&stage, &id, "\"v1\"", &json!({ "status": "active" })).send().await.expect(200);
    assert_eq!((names(&stage, &[]).await.len(), count(&stage, "tea").await), (1, 1));
}

/// The products of a status as staff sees them.
async fn by_status(stage: &Stage, status: &str) -> Vec<String> {
    let request = stage.to("list-products-by-status").scope(STAFF).query("status", status);
    let items = request.send().await.expect(200).body["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn staff_sees_every_product_and_brings_archived_ones_back() {
    let Some(stage) = stage().await else { return };
    let mut draft = body("Draft", "D", "tea", 1);
    draft["status"] = json!("draft");
    let id = create(&stage, &draft).await.expect(201).body["id"].as_str().unwrap().to_owned();
    create(&stage, &body("Sold", "S", "tea", 1)).await.expect(201);
    let inspect = |asked: &str| stage.to("inspect-product").scope(STAFF).path("id", asked).send();
    let seen = inspect(&id).await.expect(200);
    assert_eq!((&seen.body["status"], &seen.headers["etag"]), (&json!("draft"), &json!("\"v1\"")));
    assert_eq!(inspect("draft").await.expect(200).body, seen.body);
    assert_eq!(
        (by_status(&stage, "draft").await, by_status(&stage, "active").await),
        (vec!["Draft".into()], vec!["Sold".into()])
    );

    // Another slug and archived: both addresses still lead staff to it, and it comes back under the new one.
    patch(&stage, &id, "\"v1\"", &json!({ "slug": "moved", "status": "active" })).send().await.expect(200);
    stage.to("archive-product").scope(STAFF).path("id", &id).send().await.expect(204);
    assert_eq!(inspect("draft").await.expect(200).body["status"], "archived");
    assert_eq!(
        (by_status(&stage, "draft").await, by_status(&stage, "archived").await),
        (vec![], vec!["Draft".to_owned()])
    );
    patch(&stage, &id, "\"v3\"", &json!({ "status": "active" })).send().await.expect(200);
    assert_eq!(stage.to("get-product").path("id", "moved").send().await.expect(200).body["version"], 4);
    assert!(by_status(&stage, "archived").await.is_empty());

    let first = stage.to("list-products-by-status").scope(STAFF).query("limit", "1").send().await.expect(200);
    let next = first.body["next"].as_str().unwrap().to_owned();
    let request = stage.to("list-products-by-status").scope(STAFF).query("limit", "1").query("cursor", &next);
    let second = request.send().await.expect(200);
    assert_eq!((&first.body["items"][0]["name"], &second.body["items"][0]["name"]), (&json!("Sold"), &json!("Draft")));
    let foreign = stage.to("list-products-by-status").scope(STAFF).query("status", "draft").query("cursor", &next);
    foreign.send().await.problem(400, "invalid-cursor");
    let bad = stage.to("list-products-by-status").scope(STAFF).query("status", "sold");
    bad.send().await.problem(400, "invalid-parameter");
    for missing in ["prd_00000000000000", "nothing", "No Slug"] {
        inspect(missing).await.problem(404, "product-not-found");
    }
    stage.to("inspect-product").scope("customer").path("id", &id).send().await.problem(403, "forbidden");
    stage.to("list-products-by-status").send().await.problem(401, "unauthenticated");
}

/// Where a slug leads.
async fn leads(stage: &Stage, slug: &str) -> String {
    let answer = stage.to("get-product").path("id", slug).send().await;
    match answer.status {
        301 => answer.headers["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(),
        200 => format!("= {}", answer.body["name"].as_str().unwrap()),
        status => status.to_string(),
    }
}

#[tokio::test]
async fn an_earlier_slug_leads_to_the_present_one_in_one_hop() {
    let Some(stage) = stage().await else { return };
    let mut first = body("First", "F", "tea", 1);
    first["slug"] = json!("s0");
    let id = create(&stage, &first).await.expect(201).body["id"].as_str().unwrap().to_owned();
    let rename = |id: String, slug: String| {
        let stage = &stage;
        async move { patch(stage, &id, "*", &json!({ "slug": slug })).send().await }
    };
    for step in 1..=3 {
        rename(id.clone(), format!("s{step}")).await.expect(200);
    }
    for former in ["s0", "s1", "s2"] {
        assert_eq!(leads(&stage, former).await, "s3", "{former}");
    }
    // Its own earlier slug it may have again; the others follow.
    rename(id.clone(), "s1".into()).await.expect(200);
    assert_eq!(leads(&stage, "s1").await, "= First");
    for former in ["s0", "s2", "s3"] {
        assert_eq!(leads(&stage, former).await, "s1", "{former}");
    }
    // Another product may not, until the address was left for half a year; then it is that product's, for good.
    let mut second = body("Second", "S", "tea", 1);
    second["slug"] = json!("s2");
    create(&stage, &second).await.problem(409, "slug-taken");
    stage.data.clock.advance(kernel::limits::REDIRECT_LIFE + Duration::from_secs(1));
    create(&stage, &second).await.expect(201);
    assert_eq!(leads(&stage, "s2").await, "= Second");
    rename(id.clone(), "s4".into()).await.expect(200);
    assert_eq!((leads(&stage, "s2").await, leads(&stage, "s0").await), ("= Second".to_owned(), "s4".to_owned()));
    // The oldest goes when there are more than are kept.
    for step in 5..5 + kernel::limits::REDIRECTS {
        rename(id.clone(), format!("s{step}")).await.expect(200);
    }
    assert_eq!((leads(&stage, "s0").await, leads(&stage, "s5").await), ("404".to_owned(), "s14".to_owned()));
    let mut third = body("Third", "T", "tea", 1);
    third["slug"] = json!("s0");
    create(&stage, &third).await.expect(201);
    let kinds: std::collections::BTreeMap<String, usize> = leftovers(&stage).await.into_iter().collect();
    assert_eq!(kinds["slug"], 3 + kernel::limits::REDIRECTS);
}

#[tokio::test]
async fn of_those_who_want_a_slug_at_once_one_gets_it() {
    let Some(stage) = stage().await else { return };
    let mut ids = Vec::new();
    for index in 0..6 {
        let mut body = body("Tea", &format!("T-{index}"), "tea", 1);
        body["slug"] = json!(format!("tea-{index}"));
        ids.push(create(&stage, &body).await.expect(201).body["id"].as_str().unwrap().to_owned());
    }
    // All want the same new slug, and the first also leaves its own to whoever is quick enough: nobody is.
    let race = ids.iter().map(|id| patch(&stage, id, "*", &json!({ "slug": "wanted" })).send());
    let answers = futures_util::future::join_all(race).await;
    let won: Vec<usize> = (0..ids.len()).filter(|at| answers[*at].status == 200).collect();
    assert_eq!(won.len(), 1);
    for (at, answer) in answers.into_iter().enumerate() {
        if at != won[0] {
            answer.problem(409, "slug-taken");
            assert_eq!(leads(&stage, &format!("tea-{at}")).await, "= Tea");
        }
    }
    assert_eq!(leads(&stage, &format!("tea-{}", won[0])).await, "wanted");
    // One product renamed from many sides ends with one slug, and all others lead to it.
    let race = (0..6).map(|at| patch(&stage, &ids[won[0]], "*", &json!({ "slug": format!("name-{at}") })).send());
    let answers = futures_util::future::join_all(race).await;
    let present = stage.to("inspect-product").scope(STAFF).path("id", &ids[won[0]]).send().await.expect(200).body;
    let present = present["slug"].as_str().unwrap().to_owned();
    assert_eq!(leads(&stage, &present).await, "= Tea");
    for (at, answer) in answers.iter().enumerate() {
        let name = format!("name-{at}");
        if answer.status == 200 && name != present {
            assert_eq!(leads(&stage, &name).await, present);
        }
    }
    assert_eq!(leads(&stage, "wanted").await, present);
}

#[tokio::test]
async fn lists_are_ordered_filtered_and_paged_to_the_last() {
    let Some(stage) = stage().await else { return };
    for (index, (name, amount)) in
        [("delta", 300), ("Alpha", 900), ("charlie", 100), ("Bravo", 500), ("echo", 100)].into_iter().enumerate()
    {
        let mut body = body(name, &format!("S-{index}"), if index < 4 { "a/b" } else { "a/c" }, amount);
        body["tags"] = if index % 2 == 0 { json!(["Even", "all"]) } else { json!(["all"]) };
        body["brand"] = json!(if index == 3 { "Other" } else { "Oolong" });
        create(&stage, &body).await.expect(201);
    }
    assert_eq!(names(&stage, &[("sort", "name")]).await, ["Alpha", "Bravo", "charlie", "delta", "echo"]);
    assert_eq!(names(&stage, &[]).await, ["echo", "Bravo", "charlie", "Alpha", "delta"]);
    assert_eq!(names(&stage, &[("sort", "-price"), ("limit", "3")]).await, ["Alpha", "Bravo", "delta"]);
    assert_eq!(names(&stage, &[("sort", "price"), ("category", "a/b")]).await, ["charlie", "delta", "Bravo", "Alpha"]);
    assert_eq!(names(&stage, &[("category", "a/c")]).await, ["echo"]);
    assert_eq!(names(&stage, &[("sort", "rating")]).await.len(), 5);
    assert_eq!(
        names(&stage, &[("sort", "name"), ("tag", "even"), ("brand", "OOLONG")]).await,
        ["charlie", "delta", "echo"]
    );
    assert!(names(&stage, &[("category", "nowhere")]).await.is_empty());

    for filter in [("tag", "all"), ("brand", "oolong"), ("category", "a")] {
        for sort in ["newest", "price", "-price", "name", "rating"] {
            let all = names(&stage, &[filter, ("sort", sort)]).await;
            let mut paged = Vec::new();
            let mut cursor: Option<String> = None;
            let mut pages = 0;
            loop {
                let request =
                    stage.to("list-products").query(filter.0, filter.1).query("sort", sort).query("limit", "2");
                let request = cursor.iter().fold(request, |request, cursor| request.query("cursor", cursor));
                let page = request.send().await.expect(200).body;
                paged.extend(
                    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()),
                );
                pages += 1;
                cursor = page["next"].as_str().map(str::to_owned);
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!((&paged, pages), (&all, all.len().div_ceil(2)), "{filter:?} {sort}");
        }
    }
    let cursor = stage.to("list-products").query("limit", "2").send().await.expect(200).body["next"]
        .as_str()
        .unwrap()
        .to_owned();
    for (cursor, sort) in [(cursor.as_str(), "price"), ("x", "newest"), (&format!("A{}", &cursor[1..]), "newest")] {
        let other = stage.to("list-products").query("cursor", cursor).query("sort", sort).query("limit", "2");
        other.send().await.problem(400, "invalid-cursor");
    }
    let wrong =
        stage.to("list-products").query("sort", "colour").query("limit", "0").query("category", "A").send().await;
    let wrong = wrong.problem(400, "invalid-parameter");
    assert_eq!(wrong.pointers(), ["/category", "/limit", "/sort"]);
    assert!(wrong.body.to_string().contains("newest, price, -price, name, rating"), "{}", wrong.body);
}

#[tokio::test]
async fn every_grant_is_used_and_no_other_is_needed() {
    let Some(stage) = stage().await else { return };
    let id = create(&stage, &body("Tea", "T", "tea", 1)).await.expect(201).body["id"].as_str().unwrap().to_owned();
    let pot = body("Pot", "P", "tea", 1);
    let keyed = stage.to("create-product").scope(STAFF).header("idempotency-key", "k-1").json(&pot);
    keyed.send().await.expect(201);
    stage.to("get-product").path("id", &id).send().await.expect(200);
    for sort in ["newest", "price", "-price", "name", "rating"] {
        stage.to("list-products").query("sort", sort).query("limit", "1").send().await.expect(200);
    }
    count(&stage, "tea").await;
    let moved = patch(&stage, &id, "*", &json!({ "slug": "other", "category": "other" }));
    moved.header("idempotency-key", "k-2").send().await.expect(200);
    stage.to("archive-product").scope(STAFF).path("id", &id).send().await.expect(204);
    stage.to("inspect-product").scope(STAFF).path("id", &id).send().await.expect(200);
    let listed = stage.to("list-products-by-status").scope(STAFF).query("limit", "1");
    listed.query("status", "archived").send().await.expect(200);
    create(&stage, &body("Cup", "C", "tea", 1)).await.expect(201);
    stage.to("list-products-by-status").scope(STAFF).query("limit", "1").send().await.expect(200);
    stage.assert_grants();
}
