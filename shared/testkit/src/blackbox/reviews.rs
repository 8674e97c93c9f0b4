//! Reviews: written by those who bought, counted in the product's rating, hidden by staff.

use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::shop::{Customer, SETTLES, Shop, VISA, Wanted, ramp};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("reviews.only who bought a product reviews it, and once", bought),
        case("reviews.the rating follows what is written, changed, hidden and deleted", rating),
        case("reviews.a wrong review is refused whole", wrong),
    ]
}

/// A customer who bought one unit.
async fn buyer(shop: &Shop, sku: &str) -> Outcome<Customer> {
    let customer = shop.customer().await?;
    let (_, body) = shop.ready(sku, 1, VISA).await?;
    let order = shop.client().post("/v1/checkout").bearer(&customer.access).key(&shop.unique("key")).json(&body);
    order.send().await?.expect(201)?;
    Ok(customer)
}

/// Waits until a product has this rating.
async fn rated(shop: &Shop, id: &str, expected: &Value) -> Outcome {
    let (watch, mut attempt) = (Watch::start(), 0);
    loop {
        let answer = shop.by_staff(Method::GET, format!("/v1/admin/products/{id}")).await?.send().await?.expect(200)?;
        if answer.at("/rating")? == expected {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "{}", answer.wrong(format!("the rating must become {expected}")));
        pause(ramp(attempt)).await;
        attempt += 1;
    }
}

async fn bought(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let reviews = format!("/v1/products/{}/reviews", goods.id);
    let said = json!({ "rating": 5, "title": "Good", "text": "It does what it should." });
    let stranger = shop.customer().await?;
    let answer = shop.client().post(&reviews).bearer(&stranger.access).json(&said).send().await?;
    problem(answer, 403, "not-bought")?;
    let customer = buyer(&shop, &goods.sku).await?;
    let made = shop.client().post(&reviews).bearer(&customer.access).json(&said).send().await?.expect(201)?;
    same("author", made.text("/author")?, "Ada")?;
    let answer = shop.client().post(&reviews).bearer(&customer.access).json(&said).send().await?;
    problem(answer, 409, "review-exists")?;
    let own = shop.client().get(format!("{reviews}/mine")).bearer(&customer.access).send().await?.expect(200)?;
    same("id", own.text("/id")?, made.text("/id")?)?;
    let answer = shop.client().get(format!("{reviews}/mine")).bearer(&stranger.access).send().await?;
    problem(answer, 404, "review-not-found")?;
    let listed = shop.client().get(&reviews).send().await?.expect(200)?;
    same("listed", listed.text("/items/0/id")?, made.text("/id")?)?;
    problem(shop.client().get("/v1/products/prd_00000000000000/reviews").send().await?, 404, "product-not-found")?;
    Ok(())
}

async fn rating(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let reviews = format!("/v1/products/{}/reviews", goods.id);
    let mine = format!("{reviews}/mine");
    let (first, second) = (buyer(&shop, &goods.sku).await?, buyer(&shop, &goods.sku).await?);
    let stars = |stars: u8| json!({ "rating": stars });
    let made = shop.client().post(&reviews).bearer(&first.access).json(&stars(5)).send().await?.expect(201)?;
    shop.client().post(&reviews).bearer(&second.access).json(&stars(2)).send().await?.expect(201)?;
    rated(&shop, &goods.id, &json!({ "average": 3.5, "count": 2 })).await?;
    let answer =
        shop.client().put(&mine).bearer(&second.access).header("if-match", "\"v9\"").json(&stars(4)).send().await?;
    problem(answer, 412, "version-mismatch")?;
    shop.client().put(&mine).bearer(&second.access).json(&stars(4)).send().await?.expect(200)?;
    rated(&shop, &goods.id, &json!({ "average": 4.5, "count": 2 })).await?;
    let verdict = format!("/v1/admin{}/{}/moderation", &reviews[3..], made.text("/id")?);
    let hidden = json!({ "hidden": true, "reason": "test" });
    shop.by_staff(Method::PUT, verdict).await?.json(&hidden).send().await?.expect(200)?;
    rated(&shop, &goods.id, &json!({ "average": 4, "count": 1 })).await?;
    let all = shop.by_staff(Method::GET, format!("/v1/admin{}", &reviews[3..])).await?.send().await?.expect(200)?;
    ensure!(all.list("/items")?.len() == 2, "{}", all.wrong("staff sees hidden reviews"));
    shop.client().delete(&mine).bearer(&second.access).send().await?.expect(204)?;
    rated(&shop, &goods.id, &json!({ "average": 0, "count": 0 })).await
}

async fn wrong(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let reviews = format!("/v1/products/{}/reviews", goods.id);
    let customer = shop.customer().await?;
    for (body, pointers) in [
        (json!({}), &["/rating"][..]),
        (json!({ "rating": 0 }), &["/rating"]),
        (json!({ "rating": 6, "stars": 5 }), &["/rating", "/stars"]),
        (json!({ "rating": 4.5 }), &["/rating"]),
        (json!({ "rating": 3, "title": "a\nb" }), &["/title"]),
        (json!({ "rating": 3, "text": "x".repeat(5_001) }), &["/text"]),
    ] {
        let answer = shop.client().post(&reviews).bearer(&customer.access).json(&body).send().await?;
        names_fields(answer, 422, pointers)?;
    }
    let answer = shop.client().put(format!("{reviews}/mine")).bearer(&customer.access).json(&json!({ "rating": 1 }));
    problem(answer.send().await?, 404, "review-not-found")?;
    Ok(())
}
