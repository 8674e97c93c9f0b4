//! Other sales channels: they hold, commit and release under the same guarantees as the shop's own checkout.

use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};

use super::check::{gateway_problem, names_fields, problem, same};
use super::stockroom::{CHANNEL, reservation};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{SETTLES, Shop, Stock, VISA, Wanted, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("reservations.held units are sold by a commit", commit),
        case("reservations.held units go back by a release", release),
        case("reservations.the same key is the same reservation", same_key),
        case("reservations.five calls of one key at once hold once", five_at_once),
        case("reservations.too much is refused and nothing is held", too_much),
        case("reservations.lines of one item are summed", summed),
        case("reservations.one that nobody commits expires by itself", expires),
        case("reservations.who finds an overdue one takes its units", overdue),
        case("reservations.a till and a shopper race for the last unit", race),
        case("reservations.they are for sales channels only", strangers),
        case("reservations.every wrong field is named at once and nothing is held", wrong),
    ]
}

async fn read(shop: &Shop, id: &str) -> Outcome<Answer> {
    Ok(shop.by_staff(Method::GET, format!("/v1/reservations/{id}")).await?.send().await?)
}

/// A decided reservation refuses to be decided otherwise, and says how it was decided.
async fn stays(shop: &Shop, id: &str, how: &str, status: &str) -> Outcome {
    let answer = problem(shop.settle(id, how).await?, 409, "reservation-decided")?;
    same("reservation", answer.text("/reservation")?, id)?;
    same("reservation_status", answer.text("/reservation_status")?, status)?;
    same("status", read(shop, id).await?.expect(200)?.text("/status")?, status)
}

async fn commit(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let made = shop.reserve(&goods.sku, 2, 600).await?.expect(201)?;
    same("status", made.text("/status")?, "held")?;
    same("channel", made.text("/channel")?, CHANNEL)?;
    same("lines", made.at("/lines")?, &json!([{ "sku": goods.sku, "quantity": 2 }]))?;
    same("parts", made.at("/parts")?, &json!([{ "sku": goods.sku, "warehouse": "main", "quantity": 2 }]))?;
    ensure!(made.text("/expires_at")? > made.text("/created_at")?, "{}", made.wrong("it expires after it was made"));
    let id = made.text("/id")?;
    let place = made.header("location").unwrap_or_default();
    ensure!(place.ends_with(&format!("/v1/reservations/{id}")), "{}", made.wrong("Location"));
    same("what is read", &read(&shop, id).await?.expect(200)?.body, &made.body)?;
    same("held", shop.stock(&goods.sku).await?, Stock::holding(5, 2))?;
    for _ in 0..2 {
        same("status", shop.settle(id, "commit").await?.expect(200)?.text("/status")?, "committed")?;
    }
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await?;
    stays(&shop, id, "release", "committed").await?;
    same("sold once", shop.stock(&goods.sku).await?, Stock::sold(5, 2))
}

async fn release(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let id = shop.held(&goods.sku, 2).await?;
    same("held out", shop.availability(&goods.sku).await?, ("all_held".to_owned(), 0))?;
    for _ in 0..2 {
        same("status", shop.settle(&id, "release").await?.expect(200)?.text("/status")?, "released")?;
    }
    shop.stock_becomes(&goods.sku, Stock::sold(2, 0)).await?;
    stays(&shop, &id, "commit", "released").await?;
    same("back on the shelf", shop.stock(&goods.sku).await?, Stock::sold(2, 0))?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(2, 2)).await
}

async fn same_key(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(6)).await?;
    let (key, body) = (shop.unique("reserve"), reservation(&[(&goods.sku, 2)], 600));
    let first = shop.ask_reservation(&key, &body).await?.expect(201)?;
    let again = shop.ask_reservation(&key, &body).await?.expect(201)?;
    same("the same answer", &again.body, &first.body)?;
    let mut longer = body.clone();
    longer["hold_seconds"] = json!(601);
    for other in [reservation(&[(&goods.sku, 3)], 600), longer] {
        problem(shop.ask_reservation(&key, &other).await?, 422, "idempotency-key-reused")?;
    }
    same("held once", shop.stock(&goods.sku).await?, Stock::holding(6, 2))?;
    let id = first.text("/id")?;
    shop.settle(id, "commit").await?.expect(200)?;
    let late = shop.ask_reservation(&key, &body).await?.expect(201)?;
    same("the reservation later", late.text("/id")?, id)?;
    same("its status", late.text("/status")?, "committed")?;
    shop.stock_becomes(&goods.sku, Stock::sold(6, 2)).await?;

    let (key, body) = (shop.unique("reserve"), reservation(&[(&goods.sku, 1)], 600));
    let second = shop.ask_reservation(&key, &body).await?.expect(201)?;
    shop.settle(second.text("/id")?, "release").await?.expect(200)?;
    let answer = problem(shop.ask_reservation(&key, &body).await?, 409, "reservation-decided")?;
    same("reservation_status", answer.text("/reservation_status")?, "released")?;
    shop.stock_becomes(&goods.sku, Stock::sold(6, 2)).await
}

async fn five_at_once(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(6)).await?;
    shop.split(&goods.sku, 4).await?.expect(200)?;
    let (staff, key, body) = (shop.staff().await?, shop.unique("reserve"), reservation(&[(&goods.sku, 3)], 600));
    let calls = (0..5).map(|_| {
        let (client, staff, key, body) = (shop.client().apart(), staff.clone(), key.clone(), body.clone());
        async move { client.post("/v1/reservations").bearer(&staff).key(&key).json(&body).send().await }
    });
    let mut ids = Vec::new();
    for answer in join_all(calls).await {
        ids.push(answer?.expect(201)?.text("/id")?.to_owned());
    }
    ids.dedup();
    same("reservations of one key", ids.len(), 1)?;
    // Calls that split the quantity in different ways leave holds that nobody names: they go when it is decided.
    shop.settle(&ids[0], "commit").await?.expect(200)?;
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let stock = shop.stock(&goods.sku).await?;
        same("sold no more than once", stock.taken <= 3, true)?;
        if stock == Stock::sold(6, 3) || watch.elapsed() > SETTLES {
            break;
        }
        pause(ramp(attempt)).await;
    }
    same("sold once", shop.stock(&goods.sku).await?.taken, 3)
}

async fn too_much(shop: Shop) -> Outcome {
    let (plenty, short) = (shop.product(Wanted::units(9)).await?, shop.product(Wanted::units(1)).await?);
    let body = reservation(&[(&plenty.sku, 4), (&short.sku, 2)], 600);
    let key = shop.unique("reserve");
    let answer = problem(shop.ask_reservation(&key, &body).await?, 409, "out-of-stock")?;
    same(
        "the line that is short",
        answer.at("/lines")?,
        &json!([{ "sku": short.sku, "requested": 2, "available": 1 }]),
    )?;
    shop.stock_becomes(&plenty.sku, Stock::sold(9, 0)).await?;
    shop.stock_becomes(&short.sku, Stock::sold(1, 0)).await?;
    let id = shop.held(&short.sku, 1).await?;
    let answer = problem(shop.reserve(&short.sku, 1, 600).await?, 409, "all-held")?;
    let wait = answer.retry_after().ok_or_else(|| answer.wrong("it must say when to try again"))?;
    ensure!((1..=600).contains(&wait.as_secs()), "{}", answer.wrong("Retry-After is not within the time of the hold"));
    same("after the refusal", shop.stock(&short.sku).await?, Stock::holding(1, 1))?;
    shop.settle(&id, "commit").await?.expect(200)?;
    shop.stock_becomes(&short.sku, Stock::sold(1, 1)).await?;
    problem(shop.reserve(&short.sku, 1, 600).await?, 409, "out-of-stock")?;
    let ghost = shop.unique("NO-SUCH-SKU");
    problem(shop.reserve(&ghost, 1, 600).await?, 409, "out-of-stock")?;
    // What was refused for want of units is tried anew when some have come in: no record was made of it.
    shop.receive(&short.sku, 5, &shop.unique("receipt")).await?.expect(200)?;
    shop.ask_reservation(&key, &body).await?.expect(201)?;
    same("held now", shop.stock(&plenty.sku).await?, Stock::holding(9, 4))
}

async fn summed(shop: Shop) -> Outcome {
    let (goods, other) = (shop.product(Wanted::units(5)).await?, shop.product(Wanted::units(5)).await?);
    let twice =
        |first: u32, second: u32| reservation(&[(&goods.sku, first), (&other.sku, 1), (&goods.sku, second)], 600);
    let answer = problem(shop.ask_reservation(&shop.unique("reserve"), &twice(3, 3)).await?, 409, "out-of-stock")?;
    same("asked for", answer.integer("/lines/0/requested")?, 6)?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(5, 0))?;
    let made = shop.ask_reservation(&shop.unique("reserve"), &twice(3, 2)).await?.expect(201)?;
    let lines = json!([{ "sku": goods.sku, "quantity": 5 }, { "sku": other.sku, "quantity": 1 }]);
    same("lines", made.at("/lines")?, &lines)?;
    shop.settle(made.text("/id")?, "commit").await?.expect(200)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 5)).await?;
    shop.stock_becomes(&other.sku, Stock::sold(5, 1)).await
}

async fn expires(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let made = shop.reserve(&goods.sku, 2, 1).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(2, 0)).await?;
    let id = made.text("/id")?;
    stays(&shop, id, "commit", "expired").await?;
    stays(&shop, id, "release", "expired").await?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(2, 2)).await
}

/// Asks again and again until it is granted; until then the answer may only be that others hold the units.
async fn in_the_end<F: Future<Output = Outcome<Answer>>>(ask: impl Fn() -> F) -> Outcome<Answer> {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = ask().await?;
        if answer.status == 201 {
            return Ok(answer);
        }
        let answer = problem(answer, 409, "all-held")?;
        ensure!(watch.elapsed() < SETTLES, "{}", answer.wrong("the units of an overdue reservation stay held"));
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("it was never granted".into()))
}

async fn overdue(shop: Shop) -> Outcome {
    let (bought, reserved) = (shop.product(Wanted::units(1)).await?, shop.product(Wanted::units(1)).await?);
    let (_, body) = shop.ready(&bought.sku, 1, VISA).await?;
    let mut ids = Vec::new();
    for goods in [&bought, &reserved] {
        ids.push(shop.reserve(&goods.sku, 1, 1).await?.expect(201)?.text("/id")?.to_owned());
    }
    let checkout = in_the_end(async || Ok(shop.checkout(&shop.unique("key"), &body).await?));
    let till = in_the_end(async || shop.reserve(&reserved.sku, 1, 600).await);
    let (checkout, till) = join(checkout, till).await;
    same("the order", checkout?.text("/status")?, "paid")?;
    shop.stock_becomes(&bought.sku, Stock::sold(1, 1)).await?;
    same("the reservation", till?.text("/status")?, "held")?;
    same("held once", shop.stock(&reserved.sku).await?, Stock::holding(1, 1))?;
    for id in &ids {
        stays(&shop, id, "commit", "expired").await?;
    }
    Ok(())
}

async fn race(shop: Shop) -> Outcome {
    for round in 0..10 {
        let goods = shop.product(Wanted::units(1)).await?;
        let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
        let (staff, keys) = (shop.staff().await?, [shop.unique("key"), shop.unique("reserve")]);
        let (web, till) = (shop.client().apart(), shop.client().apart());
        let reserved = reservation(&[(&goods.sku, 1)], 600);
        let checkout = web.post("/v1/checkout").key(&keys[0]).json(&body).send();
        let reserve = till.post("/v1/reservations").bearer(&staff).key(&keys[1]).json(&reserved).send();
        let (checkout, reserve) = join(checkout, reserve).await;
        let (checkout, reserve) = (checkout?.expect_any(&[201, 409])?, reserve?.expect_any(&[201, 409])?);
        same(&format!("winners of round {round}"), [checkout.status, reserve.status].contains(&409), true)?;
        let (loser, left) = match (checkout.status, reserve.status) {
            (201, _) => (reserve, Stock::sold(1, 1)),
            (_, 201) => (checkout, Stock::holding(1, 1)),
            _ => return Err(checkout.wrong(format!("nobody won round {round}"))),
        };
        ensure!(["all-held", "out-of-stock"].contains(&loser.code()), "{}", loser.wrong("another refusal"));
        shop.stock_becomes(&goods.sku, left).await?;
    }
    Ok(())
}

async fn strangers(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let id = shop.held(&goods.sku, 1).await?;
    let customer = shop.customer().await?;
    let paths = [
        (Method::POST, "/v1/reservations".to_owned()),
        (Method::GET, format!("/v1/reservations/{id}")),
        (Method::POST, format!("/v1/reservations/{id}/commit")),
        (Method::POST, format!("/v1/reservations/{id}/release")),
    ];
    for (method, path) in paths {
        let ask = || {
            let request = shop.client().request(method.clone(), &path);
            if path.ends_with("reservations") { request.json(&reservation(&[(&goods.sku, 1)], 60)) } else { request }
        };
        gateway_problem(&shop, ask().send().await?, 401, "unauthenticated")?;
        gateway_problem(&shop, ask().bearer(&customer.access).send().await?, 403, "forbidden")?;
    }
    same("after all refusals", read(&shop, &id).await?.expect(200)?.text("/status")?, "held")?;
    same("after all refusals", shop.stock(&goods.sku).await?, Stock::holding(1, 1))?;
    for ghost in ["rsv_0000000000000000000000", "nothing"] {
        problem(read(&shop, ghost).await?, 404, "reservation-not-found")?;
        for how in ["commit", "release"] {
            problem(shop.settle(ghost, how).await?, 404, "reservation-not-found")?;
        }
    }
    Ok(())
}

async fn wrong(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let ask = async |body: Value| shop.ask_reservation(&shop.unique("reserve"), &body).await;
    names_fields(ask(json!({})).await?, 422, &["/channel", "/lines", "/hold_seconds"])?;
    let body = json!({
        "channel": "Point Of Sale",
        "lines": [{ "sku": "not a sku", "quantity": 0 }, { "sku": goods.sku, "quantity": 1_000, "price": 1 }, {}],
        "hold_seconds": 0,
        "country": "Germany",
        "warehouse": "Big Shed",
        "colour": "green",
    });
    let lines =
        ["0/sku", "0/quantity", "1/quantity", "1/price", "2/sku", "2/quantity"].map(|at| format!("/lines/{at}"));
    let mut places: Vec<&str> = lines.iter().map(String::as_str).collect();
    places.extend(["/channel", "/hold_seconds", "/country", "/warehouse", "/colour"]);
    names_fields(ask(body).await?, 422, &places)?;
    let none = json!({ "channel": CHANNEL, "lines": [], "hold_seconds": 86_401 });
    names_fields(ask(none).await?, 422, &["/lines", "/hold_seconds"])?;
    names_fields(ask(reservation(&[(goods.sku.as_str(), 1); 51], 60)).await?, 422, &["/lines"])?;
    names_fields(ask(reservation(&[(goods.sku.as_str(), 500); 2], 60)).await?, 422, &["/lines"])?;
    let mut web = reservation(&[(&goods.sku, 1)], 60);
    web["channel"] = json!("web");
    names_fields(ask(web).await?, 422, &["/channel"])?;
    same("stock after all refusals", shop.stock(&goods.sku).await?, Stock::sold(3, 0))
}
