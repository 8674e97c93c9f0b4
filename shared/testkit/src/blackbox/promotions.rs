//! Coupons and gift cards: what they take off, why they do not, and that none is used once too often.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::check::{cart_becomes, mentions, names_fields, problem, same, untouched};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{SETTLES, Shop, Stock, VISA, Wanted, address, checkout_body, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("promotions.a coupon is made once and read by staff", made_once),
        case("promotions.every wrong field of a coupon is named", wrong_coupon),
        case("promotions.a coupon counts in cart, quote and order alike", counts_alike),
        case("promotions.an amount is shared and never more than the goods", amount),
        case("promotions.free shipping is what shipping costs", free_shipping),
        case("promotions.a coupon that may not be used says why", says_why),
        case("promotions.a coupon for categories is for those alone", categories),
        case("promotions.one customer uses a coupon once", one_customer),
        case("promotions.a declined payment gives the coupon back", declined),
        case("promotions.a coupon that ran out at the last moment keeps cart and stock whole", ran_out),
        case("promotions.fifty checkouts race for five uses", fifty),
        case("promotions.a gift card pays and what is left is charged", gift_card),
        case("promotions.a gift card that pays for all needs no payment", all_by_card),
        case("promotions.a refund goes back the way it was paid", back_to_card),
        case("promotions.a gift card that does not pay says why", card_says_why),
        case("promotions.ten checkouts race for one gift card", ten_for_a_card),
        case("promotions.staff puts money on a gift card and takes it off", adjusted),
        case("promotions.guests make neither coupons nor gift cards", guests),
    ]
}

const FAR_AWAY: &str = "2099-01-01T00:00:00.000Z";

/// Makes a coupon under a code of this run.
async fn coupon(shop: &Shop, terms: Value) -> Outcome<String> {
    let code = shop.unique("C").to_uppercase();
    let answer = make_coupon(shop, &code, terms).await?.expect(201)?;
    same("code", answer.text("/code")?, &code)?;
    Ok(code)
}

async fn make_coupon(shop: &Shop, code: &str, mut terms: Value) -> Outcome<Answer> {
    terms["code"] = json!(code);
    Ok(shop.by_staff(Method::POST, "/v1/admin/coupons").await?.json(&terms).send().await?)
}

async fn read_coupon(shop: &Shop, code: &str) -> Outcome<Answer> {
    Ok(shop.by_staff(Method::GET, format!("/v1/admin/coupons/{code}")).await?.send().await?)
}

/// Waits until so many uses are used and none is held.
async fn uses_become(shop: &Shop, code: &str, used: i64) -> Outcome {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let seen = read_coupon(shop, code).await?.expect(200)?;
        let number = |field: &str| seen.integer(&format!("/uses/{field}"));
        let (total, available, held) = (number("total")?, number("available")?, number("held")?);
        ensure!(available + held + number("used")? == total, "{}", seen.wrong("the books do not balance"));
        if (number("used")?, held) == (used, 0) {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "{}", seen.wrong(format!("expected {used} used and none held")));
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("the coupon never settled".into()))
}

async fn apply(shop: &Shop, cart: &str, code: &str) -> Outcome<Answer> {
    Ok(shop.client().put(format!("/v1/carts/{cart}/coupon")).json(&json!({ "code": code })).send().await?)
}

/// A cart of one line with a coupon on it, and the body of its checkout.
async fn ready(shop: &Shop, sku: &str, quantity: u32, code: &str) -> Outcome<(String, Value)> {
    let cart = shop.filled_cart(&[(sku, quantity)]).await?;
    apply(shop, &cart, code).await?.expect(200)?;
    let quote = shop.quote(&cart).await?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    Ok((cart, body))
}

/// Makes a gift card; gives its id and its code.
async fn card(shop: &Shop, amount: i64) -> Outcome<(String, String)> {
    let body = json!({ "amount": { "amount": amount, "currency": "EUR" } });
    let request = shop.by_staff(Method::POST, "/v1/admin/gift-cards").await?.key(&shop.unique("card"));
    let made = request.json(&body).send().await?.expect(201)?;
    Ok((made.text("/id")?.to_owned(), made.text("/code")?.to_owned()))
}

/// Waits until so much of a card is spent and nothing is held.
async fn spent_becomes(shop: &Shop, id: &str, spent: i64) -> Outcome {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let path = format!("/v1/admin/gift-cards/{id}");
        let seen = shop.by_staff(Method::GET, path).await?.send().await?.expect(200)?;
        ensure!(seen.body.get("code").is_none(), "{}", seen.wrong("the code is told again"));
        let cents = |field: &str| seen.integer(&format!("/{field}/amount"));
        let sum = cents("balance")? + cents("held")? + cents("spent")?;
        ensure!(sum == cents("issued")? && cents("balance")? >= 0, "{}", seen.wrong("the books do not balance"));
        if (cents("spent")?, cents("held")?) == (spent, 0) {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "{}", seen.wrong(format!("expected {spent} spent and nothing held")));
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("the card never settled".into()))
}

async fn made_once(shop: Shop) -> Outcome {
    let terms = json!({ "percent": 20, "uses": 7, "uses_per_customer": 1, "categories": ["testkit"] });
    let code = coupon(&shop, terms.clone()).await?;
    let again = make_coupon(&shop, &code.to_lowercase(), terms.clone()).await?;
    // The same code in another case is another request for the same coupon.
    problem(again, 409, "coupon-exists")?;
    make_coupon(&shop, &code, terms).await?.expect(201)?;
    problem(make_coupon(&shop, &code, json!({ "percent": 30 })).await?, 409, "coupon-exists")?;
    let seen = read_coupon(&shop, &code.to_lowercase()).await?.expect(200)?;
    same("percent", seen.integer("/percent")?, 20)?;
    same("uses", seen.at("/uses")?, &json!({ "total": 7, "available": 7, "held": 0, "used": 0 }))?;
    problem(read_coupon(&shop, "NO-SUCH-CODE").await?, 404, "coupon-not-found")?;
    let unlimited = coupon(&shop, json!({ "free_shipping": true })).await?;
    let seen = read_coupon(&shop, &unlimited).await?.expect(200)?;
    ensure!(seen.body.get("uses").is_none(), "{}", seen.wrong("what is not limited is not counted"));
    Ok(())
}

async fn wrong_coupon(shop: Shop) -> Outcome {
    let code = shop.unique("C").to_uppercase();
    let terms = json!({ "percent": 0, "uses": 0, "categories": ["Not A Path"], "starts_at": "soon", "colour": 1 });
    let answer = make_coupon(&shop, &code, terms).await?;
    names_fields(answer, 422, &["/percent", "/uses", "/categories/0", "/starts_at", "/colour"])?;
    let both = json!({ "percent": 5, "free_shipping": true, "uses": 1, "uses_per_customer": 2, "ends_at": "2020-01-01T00:00:00Z" });
    names_fields(make_coupon(&shop, &code, both).await?, 422, &["", "/uses_per_customer", "/ends_at"])?;
    names_fields(make_coupon(&shop, &code, json!({})).await?, 422, &[""])?;
    names_fields(make_coupon(&shop, "no code", json!({ "percent": 5 })).await?, 422, &["/code"])?;
    problem(read_coupon(&shop, &code).await?, 404, "coupon-not-found")?;
    Ok(())
}

async fn counts_alike(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 1_001, ..Wanted::default() }).await?;
    let code = coupon(&shop, json!({ "percent": 15, "uses": 3 })).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 3)]).await?;
    let shown = apply(&shop, &cart, &code.to_lowercase()).await?.expect(200)?;
    // 30.03 less 15 %: 4.5045, rounded half up, once.
    same("coupon", shown.text("/coupon/code")?, &code)?;
    same("applies", shown.at("/coupon/applies")?, &json!(true))?;
    same("discount", shown.integer("/totals/discount/amount")?, 450)?;
    same("total", shown.integer("/totals/total/amount")?, 2_553)?;
    let (before, after) = (shown.integer("/version")?, apply(&shop, &cart, &code).await?.expect(200)?);
    same("the version after the same coupon again", after.integer("/version")?, before)?;
    let quote = shop.ask_quote(&cart, Some("standard")).await?.expect(200)?;
    same("coupon of the quote", quote.text("/coupon")?, &code)?;
    same("discount of the quote", quote.integer("/totals/discount/amount")?, 450)?;
    same("to pay", quote.at("/to_pay")?, quote.at("/totals/total")?)?;
    let body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("totals of the order", order.at("/totals")?, quote.at("/totals")?)?;
    same("coupon of the order", order.text("/coupon/code")?, &code)?;
    same("discount of the line", order.integer("/lines/0/discount/amount")?, 450)?;
    uses_become(&shop, &code, 1).await?;
    // What was bought leaves the cart, and so does the coupon.
    cart_becomes(&shop, &cart, &goods.sku, 0).await?;
    let left = shop.read_cart(&cart).await?;
    ensure!(left.body.get("coupon").is_none(), "{}", left.wrong("the coupon was used"));
    Ok(())
}

async fn amount(shop: Shop) -> Outcome {
    let dear = shop.product(Wanted { units: 5, price: 2_000, ..Wanted::default() }).await?;
    let cheap = shop.product(Wanted { units: 5, price: 1_000, ..Wanted::default() }).await?;
    let code = coupon(&shop, json!({ "amount": { "amount": 1_000, "currency": "EUR" } })).await?;
    let cart = shop.filled_cart(&[(&dear.sku, 1), (&cheap.sku, 1)]).await?;
    apply(&shop, &cart, &code).await?.expect(200)?;
    let body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let mut shares = Vec::new();
    let mut taxes = order.integer("/shipping_tax/amount")?;
    for index in 0..order.list("/lines")?.len() {
        shares.push(order.integer(&format!("/lines/{index}/discount/amount"))?);
        taxes += order.integer(&format!("/lines/{index}/tax/amount"))?;
    }
    shares.sort_unstable();
    same("shares of the discount", shares, vec![333, 667])?;
    same("taxes of lines and shipping", taxes, order.integer("/totals/tax/amount")?)?;
    // More than the goods cost: shipping is still paid.
    let code = coupon(&shop, json!({ "amount": { "amount": 9_999, "currency": "EUR" } })).await?;
    let cart = shop.filled_cart(&[(&cheap.sku, 1)]).await?;
    apply(&shop, &cart, &code).await?.expect(200)?;
    let quote = shop.ask_quote(&cart, Some("standard")).await?.expect(200)?;
    same("discount", quote.integer("/totals/discount/amount")?, 1_000)?;
    same("total", quote.at("/totals/total")?, quote.at("/totals/shipping")?)
}

async fn free_shipping(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 1_000, ..Wanted::default() }).await?;
    let code = coupon(&shop, json!({ "free_shipping": true, "uses_per_customer": 1 })).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let without = shop.ask_quote(&cart, Some("express")).await?.expect(200)?;
    ensure!(without.integer("/totals/shipping/amount")? > 0, "{}", without.wrong("express costs nothing"));
    let shown = apply(&shop, &cart, &code).await?.expect(200)?;
    same("free shipping", shown.at("/coupon/free_shipping")?, &json!(true))?;
    let with = shop.ask_quote(&cart, Some("express")).await?.expect(200)?;
    same("shipping", with.integer("/totals/shipping/amount")?, 0)?;
    same("total", with.integer("/totals/total/amount")?, 1_000)?;
    let removed = shop.client().delete(format!("/v1/carts/{cart}/coupon")).send().await?.expect(200)?;
    ensure!(removed.body.get("coupon").is_none(), "{}", removed.wrong("it was taken off"));
    let again = shop.ask_quote(&cart, Some("express")).await?.expect(200)?;
    same("totals without it", again.at("/totals")?, without.at("/totals")?)
}

async fn says_why(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 1_000, ..Wanted::default() }).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    for unknown in ["NO-SUCH-CODE", "?!", "a"] {
        problem(apply(&shop, &cart, unknown).await?, 422, "coupon-unknown")?;
    }
    let early = coupon(&shop, json!({ "percent": 5, "starts_at": FAR_AWAY })).await?;
    mentions(problem(apply(&shop, &cart, &early).await?, 409, "coupon-not-yet-valid")?, FAR_AWAY)?;
    let minimum = json!({ "amount": 1_001, "currency": "EUR" });
    let dear = coupon(&shop, json!({ "percent": 5, "minimum": minimum })).await?;
    let refused = problem(apply(&shop, &cart, &dear).await?, 409, "coupon-below-minimum")?;
    same("minimum", refused.at("/minimum")?, &minimum)?;
    let dollars = coupon(&shop, json!({ "amount": { "amount": 5, "currency": "USD" } })).await?;
    problem(apply(&shop, &cart, &dollars).await?, 409, "coupon-not-applicable")?;
    problem(apply(&shop, "crt_0000000000000000000000", &dear).await?, 404, "cart-not-found")?;

    // Good enough when it was put on the cart, and not any more.
    shop.line(&cart, &goods.sku, &json!(2)).send().await?.expect(200)?;
    apply(&shop, &cart, &dear).await?.expect(200)?;
    shop.line(&cart, &goods.sku, &json!(1)).send().await?.expect(200)?;
    let shown = shop.read_cart(&cart).await?;
    same("applies", shown.at("/coupon/applies")?, &json!(false))?;
    same("why", shown.text("/coupon/problem")?, "coupon-below-minimum")?;
    same("discount", shown.integer("/totals/discount/amount")?, 0)?;
    problem(shop.ask_quote(&cart, None).await?, 409, "coupon-below-minimum")?;

    let end = shop.time().await?.after(Duration::from_secs(3));
    let short = coupon(&shop, json!({ "percent": 50, "ends_at": end })).await?;
    let (cart, body) = ready(&shop, &goods.sku, 1, &short).await?;
    let watch = Watch::start();
    while shop.time().await? <= end {
        ensure!(watch.elapsed() < SETTLES, "the shop's clock stands still");
        pause(Duration::from_millis(200)).await;
    }
    problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "coupon-expired")?;
    problem(apply(&shop, &cart, &short).await?, 409, "coupon-expired")?;
    untouched(&shop, &goods.sku, 5, &cart, 1).await
}

async fn categories(shop: Shop) -> Outcome {
    let book = Wanted { units: 5, price: 1_000, category: "testkit-books/novels".into(), ..Wanted::default() };
    let (book, other) = (shop.product(book).await?, shop.product(Wanted::units(5)).await?);
    let code = coupon(&shop, json!({ "percent": 50, "categories": ["testkit-books"] })).await?;
    let cart = shop.filled_cart(&[(&other.sku, 1)]).await?;
    problem(apply(&shop, &cart, &code).await?, 409, "coupon-not-applicable")?;
    shop.line(&cart, &book.sku, &json!(2)).send().await?.expect(200)?;
    let shown = apply(&shop, &cart, &code).await?.expect(200)?;
    same("discount", shown.integer("/totals/discount/amount")?, 1_000)?;
    let path = format!("/v1/carts/{cart}/lines/{}", other.sku);
    let shown = shop.client().delete(path).send().await?.expect(200)?;
    same("discount without the other", shown.integer("/totals/discount/amount")?, 1_000)
}

async fn one_customer(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let code = coupon(&shop, json!({ "percent": 10, "uses": 5, "uses_per_customer": 1 })).await?;
    let (_, first) = ready(&shop, &goods.sku, 1, &code).await?;
    shop.checkout(&shop.unique("key"), &first).await?.expect(201)?;
    let email = first["email"].as_str().unwrap_or_default();
    let (local, domain) = email.split_once('@').unwrap_or_default();
    for same_person in [email.to_owned(), email.to_uppercase(), format!("{local}+again@{domain}")] {
        let (cart, mut body) = ready(&shop, &goods.sku, 1, &code).await?;
        body["email"] = json!(same_person);
        problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "coupon-used-before")?;
        let shown = shop.read_cart(&cart).await?;
        same("the coupon is still on the cart", shown.text("/coupon/code")?, &code)?;
    }
    let (_, other) = ready(&shop, &goods.sku, 1, &code).await?;
    shop.checkout(&shop.unique("key"), &other).await?.expect(201)?;
    uses_become(&shop, &code, 2).await?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await
}

async fn declined(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let code = coupon(&shop, json!({ "percent": 10, "uses": 1, "uses_per_customer": 1 })).await?;
    let (_, mut body) = ready(&shop, &goods.sku, 1, &code).await?;
    body["payment_token"] = json!("pm_card_chargeDeclined");
    problem(shop.checkout(&shop.unique("key"), &body).await?, 402, "payment-declined")?;
    uses_become(&shop, &code, 0).await?;
    body["payment_token"] = json!(VISA);
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    uses_become(&shop, &code, 1).await
}

async fn ran_out(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let code = coupon(&shop, json!({ "percent": 10, "uses": 1 })).await?;
    let (_, first) = ready(&shop, &goods.sku, 1, &code).await?;
    let (cart, second) = ready(&shop, &goods.sku, 2, &code).await?;
    shop.checkout(&shop.unique("key"), &first).await?.expect(201)?;
    problem(shop.checkout(&shop.unique("key"), &second).await?, 409, "coupon-used-up")?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 2).await?;
    // Without it the shopper buys at the full price.
    shop.client().delete(format!("/v1/carts/{cart}/coupon")).send().await?.expect(200)?;
    let body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 3)).await?;
    uses_become(&shop, &code, 1).await
}

/// Sends all these checkouts at once, each over a connection of its own.
async fn at_once(shop: &Shop, bodies: &[Value]) -> Outcome<Vec<Answer>> {
    let tries = bodies.iter().map(|body| {
        let (client, key) = (shop.client().apart(), shop.unique("key"));
        async move { client.post("/v1/checkout").key(&key).json(body).send().await }
    });
    let mut answers = Vec::new();
    for answer in join_all(tries).await {
        answers.push(answer?);
    }
    Ok(answers)
}

async fn fifty(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(60)).await?;
    let code = coupon(&shop, json!({ "percent": 10, "uses": 5, "uses_per_customer": 1 })).await?;
    let mut bodies = Vec::new();
    for _ in 0..50 {
        bodies.push(ready(&shop, &goods.sku, 1, &code).await?.1);
    }
    let mut used: u32 = 0;
    for answer in at_once(&shop, &bodies).await? {
        if answer.status == 201 {
            same("coupon of the order", answer.text("/coupon/code")?, &code)?;
            used += 1;
        } else {
            problem(answer, 409, "coupon-used-up")?;
        }
    }
    same("orders with the coupon", used, 5)?;
    uses_become(&shop, &code, 5).await?;
    shop.stock_becomes(&goods.sku, Stock::sold(60, 5)).await
}

async fn gift_card(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 3_000, ..Wanted::default() }).await?;
    let (id, code) = card(&shop, 1_000).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let typed = code.to_lowercase().replace('-', " ");
    let ask =
        json!({ "cart_id": cart, "shipping_address": address(), "shipping_method": "standard", "gift_cards": [typed] });
    let quote = shop.client().post("/v1/checkout/quote").json(&ask).send().await?.expect(200)?;
    let total = quote.integer("/totals/total/amount")?;
    same("to pay", quote.integer("/to_pay/amount")?, total - 1_000)?;
    spent_becomes(&shop, &id, 0).await?;
    let mut body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, "pm_card_chargeDeclined");
    body["gift_cards"] = json!([code]);
    body["expected_to_pay"] = json!({ "amount": total, "currency": "EUR" });
    let changed = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "price-changed")?;
    same("to pay", changed.at("/to_pay")?, quote.at("/to_pay")?)?;
    body["expected_to_pay"] = quote.at("/to_pay")?.clone();
    problem(shop.checkout(&shop.unique("key"), &body).await?, 402, "payment-declined")?;
    spent_becomes(&shop, &id, 0).await?;
    body["payment_token"] = json!(VISA);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("totals", order.at("/totals")?, quote.at("/totals")?)?;
    same("to pay", order.at("/to_pay")?, quote.at("/to_pay")?)?;
    same("card", order.text("/gift_cards/0/id")?, &id)?;
    ensure!(!order.body.to_string().contains(&code), "{}", order.wrong("the code of the card is told"));
    spent_becomes(&shop, &id, 1_000).await
}

async fn all_by_card(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 3_000, ..Wanted::default() }).await?;
    let ((first, one), (second, two)) = (card(&shop, 500).await?, card(&shop, 10_000).await?);
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let quote = shop.quote(&cart).await?;
    // A token that no provider knows: it is not asked.
    let mut body = checkout_body(&cart, &shop.email(), &quote, "none");
    body["gift_cards"] = json!([one, two]);
    body["expected_to_pay"] = json!({ "amount": 0, "currency": "EUR" });
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("status", order.text("/status")?, "paid")?;
    same("to pay", order.integer("/to_pay/amount")?, 0)?;
    let total = order.integer("/totals/total/amount")?;
    spent_becomes(&shop, &first, 500).await?;
    spent_becomes(&shop, &second, total - 500).await?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await
}

async fn back_to_card(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 3_000, ..Wanted::default() }).await?;
    let (id, code) = card(&shop, 1_000).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let mut body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    body["gift_cards"] = json!([code]);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let total = order.integer("/totals/total/amount")?;
    spent_becomes(&shop, &id, 1_000).await?;
    let path = format!("/v1/admin/orders/{}/refunds", order.text("/id")?);
    let refund = async |amount: i64| -> Outcome<Answer> {
        let body = json!({ "amount": { "amount": amount, "currency": "EUR" }, "reason": "broken" });
        let request = shop.by_staff(Method::POST, path.as_str()).await?.key(&shop.unique("refund"));
        request.json(&body).send().await?.expect(201)
    };
    let first = refund(total - 1_200).await?;
    ensure!(first.body.get("gift_cards").is_none(), "{}", first.wrong("the provider gives back first"));
    let second = refund(500).await?;
    same("to the card", second.integer("/gift_cards/0/amount/amount")?, 300)?;
    same("which card", second.text("/gift_cards/0/id")?, &id)?;
    refund(700).await?;
    let seen = shop.by_staff(Method::GET, format!("/v1/admin/gift-cards/{id}")).await?.send().await?.expect(200)?;
    same("on the card again", seen.integer("/balance/amount")?, 1_000)?;
    same("status", shop.order(order.text("/id")?, order.text("/token")?).await?.text("/status")?, "refunded")
}

async fn card_says_why(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 3_000, ..Wanted::default() }).await?;
    let (_, good) = card(&shop, 100).await?;
    let (cart, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    for unknown in ["0000-0000-0000-0000", "no code"] {
        body["gift_cards"] = json!([good, unknown]);
        let refused = problem(shop.checkout(&shop.unique("key"), &body).await?, 422, "gift-card-unknown")?;
        same("which", refused.integer("/gift_card")?, 1)?;
        ensure!(!refused.body.to_string().contains(&good), "{}", refused.wrong("the code of a card is told"));
    }
    body["gift_cards"] = json!(["1", "2", "3", "4", "5", "6"]);
    names_fields(shop.checkout(&shop.unique("key"), &body).await?, 422, &["/gift_cards"])?;
    let dollars = json!({ "amount": { "amount": 500, "currency": "USD" } });
    let request = shop.by_staff(Method::POST, "/v1/admin/gift-cards").await?.key(&shop.unique("card"));
    let dollars = request.json(&dollars).send().await?.expect(201)?;
    body["gift_cards"] = json!([dollars.text("/code")?]);
    problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "currency-mismatch")?;
    untouched(&shop, &goods.sku, 5, &cart, 1).await?;
    body["gift_cards"] = json!([good]);
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let (_, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    body["gift_cards"] = json!([good]);
    problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "gift-card-empty")?;
    Ok(())
}

async fn ten_for_a_card(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 20, price: 3_000, ..Wanted::default() }).await?;
    let mut bodies = Vec::new();
    for _ in 0..10 {
        bodies.push(shop.ready(&goods.sku, 1, VISA).await?.1);
    }
    let total = bodies[0]["expected_total"]["amount"].as_i64().unwrap_or_default();
    // Enough for three of them.
    let (id, code) = card(&shop, 3 * total).await?;
    for body in &mut bodies {
        body["gift_cards"] = json!([code]);
        body["expected_to_pay"] = json!({ "amount": 0, "currency": "EUR" });
    }
    let mut paid: u32 = 0;
    for answer in at_once(&shop, &bodies).await? {
        let answer = answer.expect_any(&[201, 409])?;
        let told = answer.code().to_owned();
        match answer.status {
            201 => paid += 1,
            _ => ensure!(
                ["gift-card-empty", "price-changed"].contains(&told.as_str()),
                "{}",
                answer.wrong("another refusal")
            ),
        }
    }
    same("orders paid by the card", paid, 3)?;
    spent_becomes(&shop, &id, 3 * total).await?;
    shop.stock_becomes(&goods.sku, Stock::sold(20, 3)).await
}

async fn adjusted(shop: Shop) -> Outcome {
    let key = shop.unique("card");
    let body = json!({ "amount": { "amount": 1_000, "currency": "EUR" } });
    let make = async |body: &Value| -> Outcome<Answer> {
        Ok(shop.by_staff(Method::POST, "/v1/admin/gift-cards").await?.key(&key).json(body).send().await?)
    };
    let made = make(&body).await?.expect(201)?;
    let again = make(&body).await?.expect(201)?;
    // Who lost the answer reads the code by asking again; nobody else ever does.
    same("the card of the same request", again.at("/code")?, made.at("/code")?)?;
    problem(make(&json!({ "amount": { "amount": 2_000, "currency": "EUR" } })).await?, 422, "idempotency-key-reused")?;
    let id = made.text("/id")?;
    let adjust = async |amount: i64, key: &str| -> Outcome<Answer> {
        let path = format!("/v1/admin/gift-cards/{id}/adjustments");
        let body = json!({ "amount": amount, "reason": "testkit" });
        Ok(shop.by_staff(Method::POST, path).await?.key(key).json(&body).send().await?)
    };
    let key = shop.unique("adjust");
    for _ in 0..2 {
        let after = adjust(-400, &key).await?.expect(200)?;
        same("balance", after.integer("/balance/amount")?, 600)?;
    }
    problem(adjust(-300, &key).await?, 422, "idempotency-key-reused")?;
    problem(adjust(-601, &shop.unique("adjust")).await?, 409, "gift-card-empty")?;
    let after = adjust(250, &shop.unique("adjust")).await?.expect(200)?;
    same("balance", after.integer("/balance/amount")?, 850)?;
    let missing = "/v1/admin/gift-cards/gft_0000000000000000000000";
    problem(shop.by_staff(Method::GET, missing).await?.send().await?, 404, "gift-card-not-found")?;
    let too_much = json!({ "amount": { "amount": 100_000_001, "currency": "EUR" } });
    let request = shop.by_staff(Method::POST, "/v1/admin/gift-cards").await?.key(&shop.unique("card"));
    names_fields(request.json(&too_much).send().await?, 422, &["/amount/amount"])?;
    let request = shop.by_staff(Method::POST, "/v1/admin/gift-cards").await?;
    problem(request.json(&body).send().await?, 400, "idempotency-key-missing")?;
    Ok(())
}

async fn guests(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    for (path, body) in [
        ("/v1/admin/coupons", json!({ "code": "FREE", "percent": 100 })),
        ("/v1/admin/gift-cards", json!({ "amount": { "amount": 1, "currency": "EUR" } })),
    ] {
        let key = shop.unique("key");
        shop.client().post(path).key(&key).json(&body).send().await?.expect(401)?;
        shop.client().post(path).key(&key).bearer(&customer.access).json(&body).send().await?.expect(403)?;
    }
    Ok(())
}
