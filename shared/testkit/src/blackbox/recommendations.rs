//! Recommendations: bought together, similar, own views; nothing that cannot be bought, and nothing just bought.

use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{Goods, SETTLES, Shop, VISA, Wanted, checkout_body, ramp};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("recommendations.what was bought together is shown, and never what cannot be bought", together),
        case("recommendations.without orders what is like a product is shown", similar),
        case("recommendations.a customer sees what they looked at, and not what they bought", own),
        case("recommendations.a guest's views count once the guest has signed in", guest),
        case("recommendations.bad questions and events are answered clearly", bad),
    ]
}

/// A category of this case alone.
fn category(shop: &Shop) -> String {
    format!("testkit/{}", shop.unique("row").to_lowercase())
}

async fn goods(shop: &Shop, category: &str, name: &str, units: u32) -> Outcome<Goods> {
    shop.product(Wanted { category: category.into(), name: name.into(), ..Wanted::units(units) }).await
}

/// Buys one of each, as a customer or as a guest.
async fn buy(shop: &Shop, goods: &[&Goods], bearer: Option<&str>) -> Outcome {
    let lines: Vec<(&str, u32)> = goods.iter().map(|goods| (goods.sku.as_str(), 1)).collect();
    let cart = shop.filled_cart(&lines).await?;
    let quote = shop.quote(&cart).await?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    let order = shop.client().post("/v1/checkout").key(&shop.unique("key")).json(&body);
    let order = if let Some(bearer) = bearer { order.bearer(bearer) } else { order };
    order.send().await?.expect(201).map(drop)
}

/// What is shown, with the reasons.
fn row(answer: &Answer) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let items = answer.list("/items").unwrap_or_default();
    items.iter().map(|item| (text(item, "id"), text(item, "reason"))).collect()
}

fn shows(row: &[(String, String)], goods: &Goods) -> bool {
    row.iter().any(|(id, _)| *id == goods.id)
}

/// Asks until the row is as it should be. Each question is another one to every cache.
async fn until(
    shop: &Shop,
    path: &str,
    bearer: Option<&str>,
    good: impl Fn(&[(String, String)]) -> bool,
) -> Outcome<Answer> {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let request = shop.client().get(format!("{path}&again={attempt}"));
        let request = if let Some(bearer) = bearer { request.bearer(bearer) } else { request };
        let answer = request.send().await?.expect(200)?;
        if good(&row(&answer)) {
            return Ok(answer);
        }
        ensure!(watch.elapsed() < SETTLES, "{}", answer.wrong("it never became as it should be"));
        pause(ramp(attempt)).await;
    }
    Err(crate::Stop::Failed("it never settled".into()))
}

async fn together(shop: Shop) -> Outcome {
    let category = category(&shop);
    let (main, other) = (goods(&shop, &category, "Kettle", 9).await?, goods(&shop, &category, "Tray", 9).await?);
    let last = goods(&shop, &category, "Lamp", 1).await?;
    buy(&shop, &[&main, &other, &last], None).await?;
    let path = format!("/v1/products/{}/recommendations?limit=24", main.id);
    let first = (other.id.clone(), "bought_together".to_owned());
    let answer = until(&shop, &path, None, |row| row.first() == Some(&first) && !shows(row, &last)).await?;
    ensure!(!shows(&row(&answer), &main), "{}", answer.wrong("a product is not recommended for itself"));
    ensure!(answer.at("/next")?.is_null(), "{}", answer.wrong("there is one page"));
    same("price", answer.integer("/items/0/price/amount")?, other.price)?;
    same("slug", answer.text("/items/0/slug")?, other.slug.as_str())?;
    let short = shop.client().get(format!("/v1/products/{}/recommendations?limit=1", main.id)).send().await?;
    same("one", row(&short.expect(200)?).len(), 1)?;
    // What comes back into stock comes back into the row, and what is archived leaves it.
    shop.receive(&last.sku, 5, &shop.unique("receipt")).await?.expect(200)?;
    until(&shop, &path, None, |row| shows(row, &last)).await?;
    let archive = shop.by_staff(Method::DELETE, format!("/v1/admin/products/{}", other.id)).await?;
    archive.send().await?.expect_any(&[200, 204])?;
    until(&shop, &path, None, |row| !shows(row, &other) && shows(row, &last)).await?;
    let gone = shop.client().get(format!("/v1/products/{}/recommendations", other.id)).send().await?;
    problem(gone, 404, "product-not-found").map(drop)
}

async fn similar(shop: Shop) -> Outcome {
    let category = category(&shop);
    let main = goods(&shop, &category, "Blue enamel kettle", 3).await?;
    let like = goods(&shop, &category, "Red enamel kettle", 3).await?;
    let empty = goods(&shop, &category, "Green enamel kettle", 0).await?;
    let path = format!("/v1/products/{}/recommendations?limit=4", main.id);
    // A stage without search has what sells, which other cases decide.
    super::search::needs_search(&shop).await?;
    let first = (like.id.clone(), "similar".to_owned());
    let answer = until(&shop, &path, None, |row| row.first() == Some(&first)).await?;
    ensure!(!shows(&row(&answer), &empty), "{}", answer.wrong("nothing of it is left"));
    Ok(())
}

async fn own(shop: Shop) -> Outcome {
    let category = category(&shop);
    let (bought, seen) = (goods(&shop, &category, "Kettle", 9).await?, goods(&shop, &category, "Tray", 9).await?);
    let (customer, other) = (shop.customer().await?, shop.customer().await?);
    buy(&shop, &[&bought], Some(&customer.access)).await?;
    let views = json!({ "views": [{ "product_id": bought.id }, { "product_id": seen.id }] });
    for _ in 0..2 {
        let report = shop.client().post("/v1/events").bearer(&customer.access).json(&views);
        report.send().await?.expect(202)?;
    }
    let path = "/v1/me/recommendations?limit=24";
    let viewed = (seen.id.clone(), "viewed".to_owned());
    let good = |row: &[(String, String)]| row.contains(&viewed) && !shows(row, &bought);
    let answer = until(&shop, path, Some(&customer.access), good).await?;
    let ids: Vec<String> = row(&answer).into_iter().map(|(id, _)| id).collect();
    same("each once", ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len())?;
    let theirs = shop.client().get(path).bearer(&other.access).send().await?.expect(200)?;
    ensure!(!row(&theirs).contains(&viewed), "{}", theirs.wrong("views are their viewer's"));
    let nobody = shop.client().get(path).send().await?;
    same("without a token", nobody.status, 401)
}

async fn guest(shop: Shop) -> Outcome {
    let seen = goods(&shop, &category(&shop), "Tray", 9).await?;
    let (cart, customer) = (shop.cart().await?, shop.customer().await?);
    let views = json!({ "cart_id": cart, "views": [{ "product_id": seen.id }] });
    shop.client().post("/v1/events").json(&views).send().await?.expect(202)?;
    let path = format!("/v1/me/recommendations?limit=8&cart_id={cart}");
    let viewed = (seen.id.clone(), "viewed".to_owned());
    until(&shop, &path, Some(&customer.access), |row| row.contains(&viewed)).await.map(drop)
}

async fn bad(shop: Shop) -> Outcome {
    for id in ["prd_00000000000000", "no-product", "%F0%9F%91%BD"] {
        let answer = shop.client().get(format!("/v1/products/{id}/recommendations")).send().await?;
        problem(answer, 404, "product-not-found")?;
    }
    let goods = shop.product(Wanted::units(1)).await?;
    let customer = shop.customer().await?;
    for (query, fields) in [
        ("limit=0", vec!["/limit"]),
        ("limit=25&currency=eur", vec!["/limit", "/currency"]),
        ("limit=many", vec!["/limit"]),
        ("limit=-1", vec!["/limit"]),
    ] {
        let path = format!("/v1/products/{}/recommendations?{query}", goods.id);
        names_fields(shop.client().get(path).send().await?, 400, &fields)?;
        let own = shop.client().get(format!("/v1/me/recommendations?{query}")).bearer(&customer.access);
        names_fields(own.send().await?, 400, &fields)?;
    }
    let own = shop.client().get("/v1/me/recommendations?cart_id=crt_").bearer(&customer.access);
    names_fields(own.send().await?, 400, &["/cart_id"])?;
    let view = || json!({ "product_id": goods.id });
    let cart = shop.cart().await?;
    for (body, fields) in [
        (json!({ "views": [view()] }), vec!["/cart_id"]),
        (json!({ "cart_id": "crt_", "views": [view()] }), vec!["/cart_id"]),
        (json!({ "cart_id": cart }), vec!["/views"]),
        (json!({ "cart_id": cart, "views": [] }), vec!["/views"]),
        (json!({ "cart_id": cart, "views": vec![view(); 51] }), vec!["/views"]),
        (
            json!({ "cart_id": cart, "views": [view(), { "product_id": "x" }, {}] }),
            vec!["/views/1/product_id", "/views/2/product_id"],
        ),
        (
            json!({ "cart_id": cart, "views": [{ "product_id": goods.id, "at": 1 }], "buys": 1 }),
            vec!["/buys", "/views/0/at"],
        ),
    ] {
        names_fields(shop.client().post("/v1/events").json(&body).send().await?, 422, &fields)?;
    }
    let many = json!({ "cart_id": cart, "views": vec![view(); 10_000] });
    shop.client().post("/v1/events").json(&many).send().await?.expect(413)?;
    let token = shop.client().post("/v1/events").bearer("no.token.at-all").json(&json!({ "views": [view()] }));
    problem(token.send().await?, 401, "unauthenticated").map(drop)
}
