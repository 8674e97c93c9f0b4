//! People: their account, their addresses, passwords set anew by mail, roles, carts and orders that come along at sign-in.

use http::Method;
use serde_json::{Value, json};

use super::check::{gateway_problem, names_fields, problem, quantity_in, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{Customer, SETTLES, Shop, VISA, Wanted, address, product_body, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("people.one's own account is seen and changed", profile),
        case("people.another password takes the present one and ends other sign-ins", new_password),
        case("people.a password is set anew by mail, once", reset),
        case("people.nobody learns whether an address has an account", silent_reset),
        case("people.another e-mail address counts once it is confirmed", new_email),
        case("people.tokens that no mail carried are refused", bad_tokens),
        case("people.an address book is its owner's alone", addresses),
        case("people.who guesses a password is stopped for a while", guesses),
        case("people.roles open what they are for and nothing else", roles),
        case("people.roles that cannot be given are refused", bad_roles),
        case("people.a guest's cart comes along once", merge),
        case("people.a cart that is being paid for, or is none, does not come along", bad_merge),
        case("people.a guest's order is claimed by whoever has its token", claim),
        case("people.other people's orders cannot be claimed", bad_claim),
    ]
}

/// The token of the newest mail to an address, which must come.
async fn mailed(shop: &Shop, to: &str) -> Outcome<String> {
    if !shop.target().local {
        return Err(Stop::Skipped("only a local shop keeps an outbox that can be read".into()));
    }
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let outbox = shop.client().get("/dev/outbox").send().await?.expect(200)?;
        let page = String::from_utf8_lossy(&outbox.bytes);
        for row in page.split("<tr>").filter(|row| row.contains(to)) {
            let Some(path) = row.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
            let mail = shop.client().get(path).send().await?.expect(200)?;
            let mail = String::from_utf8_lossy(&mail.bytes).into_owned();
            let token = mail.split("&lt;code&gt;").nth(1).and_then(|rest| rest.split("&lt;").next());
            if let Some(token) = token {
                return Ok(token.to_owned());
            }
        }
        ensure!(watch.elapsed() < SETTLES, "no mail with a token to {to} in the outbox");
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("no mail".into()))
}

async fn patch(shop: &Shop, customer: &Customer, body: Value) -> Outcome<Answer> {
    Ok(shop.client().patch("/v1/me").bearer(&customer.access).json(&body).send().await?)
}

async fn post(shop: &Shop, path: &str, body: Value) -> Outcome<Answer> {
    Ok(shop.client().post(path).json(&body).send().await?)
}

async fn renewed(shop: &Shop, refresh: &str) -> Outcome<Answer> {
    post(shop, "/v1/auth/token", json!({ "grant_type": "refresh_token", "refresh_token": refresh })).await
}

async fn profile(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let me = shop.client().get("/v1/me").bearer(&customer.access).send().await?.expect(200)?;
    same("email", me.text("/email")?, customer.email.as_str())?;
    same("scopes", me.at("/scopes")?, &json!(["customer"]))?;
    let tag = me.header("etag").unwrap_or_default().to_owned();
    let changed = patch(&shop, &customer, json!({ "name": " Ada King " })).await?.expect(200)?;
    same("name", changed.text("/name")?, "Ada King")?;
    let stale = shop.client().patch("/v1/me").bearer(&customer.access).header("if-match", &tag);
    problem(stale.json(&json!({ "name": "Eve" })).send().await?, 412, "version-mismatch")?;
    names_fields(
        patch(&shop, &customer, json!({ "name": null, "scopes": ["admin"] })).await?,
        422,
        &["/name", "/scopes"],
    )?;
    let bare = shop.client().get("/v1/me").send().await?;
    gateway_problem(&shop, bare, 401, "unauthenticated")?;
    Ok(())
}

async fn new_password(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let other = shop.sign_in(&customer.email, &customer.password).await?.expect(200)?;
    let fresh = shop.unique("Fresh");
    let alone = patch(&shop, &customer, json!({ "password": fresh })).await?;
    names_fields(alone, 422, &["/current_password"])?;
    let wrong = json!({ "password": fresh, "current_password": shop.unique("Wrong") });
    names_fields(patch(&shop, &customer, wrong).await?, 422, &["/current_password"])?;
    let weak = json!({ "password": "password1234", "current_password": customer.password });
    names_fields(patch(&shop, &customer, weak).await?, 422, &["/password"])?;
    shop.sign_in(&customer.email, &customer.password).await?.expect(200)?;
    let right = json!({ "password": fresh, "current_password": customer.password });
    patch(&shop, &customer, right).await?.expect(200)?;
    renewed(&shop, other.text("/refresh_token")?).await?.expect(401)?;
    renewed(&shop, &customer.refresh).await?.expect(200)?;
    shop.sign_in(&customer.email, &customer.password).await?.expect(401)?;
    shop.sign_in(&customer.email, &fresh).await?.expect(200)?;
    Ok(())
}

async fn reset(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    post(&shop, "/v1/auth/password-reset", json!({ "email": customer.email })).await?.expect(202)?;
    let token = mailed(&shop, &customer.email).await?;
    let path = "/v1/auth/password-reset/confirm";
    let weak = post(&shop, path, json!({ "token": token, "password": customer.email })).await?;
    names_fields(weak, 422, &["/password"])?;
    let fresh = shop.unique("Fresh");
    for _ in 0..2 {
        post(&shop, path, json!({ "token": token, "password": fresh })).await?.expect(204)?;
    }
    let again = post(&shop, path, json!({ "token": token, "password": shop.unique("Other") })).await?;
    problem(again, 400, "mailed-token-invalid")?;
    renewed(&shop, &customer.refresh).await?.expect(401)?;
    shop.sign_in(&customer.email, &customer.password).await?.expect(401)?;
    shop.sign_in(&customer.email, &fresh).await?.expect(200)?;
    Ok(())
}

async fn silent_reset(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let known = post(&shop, "/v1/auth/password-reset", json!({ "email": customer.email })).await?.expect(202)?;
    let unknown = post(&shop, "/v1/auth/password-reset", json!({ "email": shop.email() })).await?.expect(202)?;
    same("what is told", &known.body, &unknown.body)?;
    for email in ["nobody", "a@b", "a b@example.com", "a@example..com", "<a@example.com>"] {
        let answer = post(&shop, "/v1/auth/password-reset", json!({ "email": email })).await?;
        names_fields(answer, 422, &["/email"])?;
    }
    // Whoever asks alone changes nothing.
    shop.sign_in(&customer.email, &customer.password).await?.expect(200)?;
    Ok(())
}

async fn new_email(shop: Shop) -> Outcome {
    let (customer, other) = (shop.customer().await?, shop.customer().await?);
    let taken = json!({ "email": other.email, "current_password": customer.password });
    problem(patch(&shop, &customer, taken).await?, 409, "email-taken")?;
    let fresh = shop.email();
    names_fields(patch(&shop, &customer, json!({ "email": fresh })).await?, 422, &["/current_password"])?;
    let asked = json!({ "email": fresh, "current_password": customer.password });
    let asked = patch(&shop, &customer, asked).await?.expect(200)?;
    same("the address until then", asked.text("/email")?, customer.email.as_str())?;
    same("the address to come", asked.text("/pending_email")?, fresh.as_str())?;
    shop.sign_in(&fresh, &customer.password).await?.expect(401)?;
    let token = mailed(&shop, &fresh).await?;
    for _ in 0..2 {
        post(&shop, "/v1/auth/email-change/confirm", json!({ "token": token })).await?.expect(204)?;
    }
    shop.sign_in(&customer.email, &customer.password).await?.expect(401)?;
    shop.sign_in(&fresh, &customer.password).await?.expect(200)?;
    Ok(())
}

async fn bad_tokens(shop: Shop) -> Outcome {
    for token in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "../../etc/passwd", "ey.J.x"] {
        let confirm = post(&shop, "/v1/auth/email-change/confirm", json!({ "token": token })).await?;
        problem(confirm, 400, "mailed-token-invalid")?;
        let body = json!({ "token": token, "password": shop.unique("Fresh") });
        problem(post(&shop, "/v1/auth/password-reset/confirm", body).await?, 400, "mailed-token-invalid")?;
    }
    let empty = post(&shop, "/v1/auth/password-reset/confirm", json!({ "token": "", "password": "short" })).await?;
    names_fields(empty, 422, &["/token", "/password"])?;
    Ok(())
}

async fn addresses(shop: Shop) -> Outcome {
    let (ada, eve) = (shop.customer().await?, shop.customer().await?);
    let key = shop.unique("key");
    let add = || shop.client().post("/v1/me/addresses").bearer(&ada.access).key(&key).json(&address()).send();
    let first = add().await?.expect(201)?;
    let again = add().await?.expect(201)?;
    same("a repeated call", &first.body, &again.body)?;
    let path = format!("/v1/me/addresses/{}", first.text("/id")?);
    same("location", first.header("location"), Some(path.as_str()))?;
    let mut moved = address();
    moved["line1"] = "Elsewhere 2".into();
    let theirs = shop.client().put(&path).bearer(&eve.access).json(&moved).send().await?;
    problem(theirs, 404, "address-not-found")?;
    let replaced = shop.client().put(&path).bearer(&ada.access).json(&moved).send().await?.expect(200)?;
    same("line1", replaced.text("/address/line1")?, "Elsewhere 2")?;
    let wrong = json!({ "name": "", "line1": "x", "city": "Berlin", "postal_code": "10117", "country": "XX", "no": 1 });
    let wrong = shop.client().post("/v1/me/addresses").bearer(&ada.access).json(&wrong).send().await?;
    names_fields(wrong, 422, &["/name", "/country", "/no"])?;
    shop.client().delete(&path).bearer(&eve.access).send().await?.expect(204)?;
    let listed = shop.client().get("/v1/me/addresses").bearer(&ada.access).send().await?.expect(200)?;
    same("addresses", listed.list("/items")?.len(), 1)?;
    shop.client().delete(&path).bearer(&ada.access).send().await?.expect(204)?;
    let listed = shop.client().get("/v1/me/addresses").bearer(&ada.access).send().await?.expect(200)?;
    same("addresses", listed.list("/items")?.len(), 0)?;
    Ok(())
}

async fn guesses(shop: Shop) -> Outcome {
    // Nobody has this address, and nobody could tell.
    let email = shop.email();
    for _ in 0..30 {
        let answer = shop.sign_in(&email, &shop.unique("Wrong")).await?.expect_any(&[401, 429])?;
        if answer.status == 429 {
            let answer = problem(answer, 429, "too-many-sign-ins")?;
            ensure!(answer.retry_after().is_some(), "{}", answer.wrong("no Retry-After"));
            return Ok(());
        }
    }
    Err(Stop::Failed("thirty wrong passwords were heard".into()))
}

async fn give(shop: &Shop, id: &str, roles: Value) -> Outcome<Answer> {
    let path = format!("/v1/admin/users/{id}/roles");
    Ok(shop.by_staff(Method::PUT, path).await?.json(&json!({ "roles": roles })).send().await?)
}

async fn id_of(shop: &Shop, customer: &Customer) -> Outcome<String> {
    let me = shop.client().get("/v1/me").bearer(&customer.access).send().await?.expect(200)?;
    Ok(me.text("/id")?.to_owned())
}

/// Makes somebody of each kind of staff, and lets each try what each other is for.
async fn roles(shop: Shop) -> Outcome {
    let sku = shop.unique("SKU");
    for role in ["staff:catalog", "staff:inventory", "staff:orders", "channel"] {
        let person = shop.customer().await?;
        let id = id_of(&shop, &person).await?;
        let given = give(&shop, &id, json!([role])).await?.expect(200)?;
        same("roles", given.at("/roles")?, &json!(["customer", role]))?;
        let access = renewed(&shop, &person.refresh).await?.expect(200)?;
        let (access, refresh) = (access.text("/access_token")?.to_owned(), access.text("/refresh_token")?.to_owned());
        let client = shop.client();
        let tries = [
            ("staff:catalog", client.post("/v1/admin/products").json(&product_body(&Wanted::default(), "x", ""))),
            ("staff:inventory", client.post(format!("/v1/admin/inventory/{sku}/receipts")).json(&json!({}))),
            ("staff:orders", client.post("/v1/admin/orders/ord_00000000000/refunds").key("k").json(&json!({}))),
            ("channel", client.post("/v1/reservations").json(&json!({}))),
        ];
        for (what, request) in tries {
            let answer = request.bearer(&access).send().await?;
            if what == role {
                // Let in, and told that the body is none.
                answer.expect(422)?;
            } else {
                gateway_problem(&shop, answer, 403, "forbidden")?;
            }
        }
        let roles = client.put(format!("/v1/admin/users/{id}/roles")).bearer(&access);
        gateway_problem(&shop, roles.json(&json!({ "roles": ["admin"] })).send().await?, 403, "forbidden")?;
        give(&shop, &id, json!([])).await?.expect(200)?;
        renewed(&shop, &refresh).await?.expect(401)?;
    }
    Ok(())
}

async fn bad_roles(shop: Shop) -> Outcome {
    let person = shop.customer().await?;
    let id = id_of(&shop, &person).await?;
    names_fields(give(&shop, &id, json!(["root", "customer", ""])).await?, 422, &["/roles/0", "/roles/2"])?;
    problem(give(&shop, "usr_0000000000000000", json!([])).await?, 404, "user-not-found")?;
    problem(give(&shop, "nobody", json!([])).await?, 404, "user-not-found")?;
    // An administrator may go when there is another one: made one, this person gives the role back.
    give(&shop, &id, json!(["admin"])).await?.expect(200)?;
    let access = renewed(&shop, &person.refresh).await?.expect(200)?.text("/access_token")?.to_owned();
    let own = || shop.client().put(format!("/v1/admin/users/{id}/roles")).bearer(&access);
    let stale = own().header("if-match", "\"v999\"").json(&json!({ "roles": [] })).send().await?;
    problem(stale, 412, "version-mismatch")?;
    own().json(&json!({ "roles": [] })).send().await?.expect(200)?;
    // The token says admin for some minutes more; that is not enough for this.
    problem(own().json(&json!({ "roles": ["admin"] })).send().await?, 403, "forbidden")?;
    Ok(())
}

async fn merge(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let (one, two) = (shop.product(Wanted::units(9)).await?, shop.product(Wanted::units(9)).await?);
    let mine = shop.filled_cart(&[(&one.sku, 1)]).await?;
    let guest = shop.filled_cart(&[(&one.sku, 2), (&two.sku, 3)]).await?;
    let code = shop.unique("C").to_uppercase();
    let terms = json!({ "code": code, "percent": 10 });
    shop.by_staff(Method::POST, "/v1/admin/coupons").await?.json(&terms).send().await?.expect(201)?;
    let coupon = shop.client().put(format!("/v1/carts/{guest}/coupon")).json(&json!({ "code": code }));
    coupon.send().await?.expect(200)?;
    let path = format!("/v1/carts/{mine}/merge");
    let body = json!({ "from": guest });
    let bare = shop.client().post(&path).json(&body).send().await?;
    gateway_problem(&shop, bare, 401, "unauthenticated")?;
    for _ in 0..2 {
        let merged = shop.client().post(&path).bearer(&customer.access).json(&body).send().await?.expect(200)?;
        same("of the one", quantity_in(&merged, &one.sku)?, 3)?;
        same("of the other", quantity_in(&merged, &two.sku)?, 3)?;
        same("coupon", merged.text("/coupon/code")?, code.as_str())?;
    }
    same("left", shop.read_cart(&guest).await?.list("/lines")?.len(), 0)?;
    Ok(())
}

async fn bad_merge(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let goods = shop.product(Wanted::units(9)).await?;
    let mine = shop.cart().await?;
    let (guest, checkout) = shop.ready(&goods.sku, 1, "pm_card_authenticationRequired").await?;
    shop.checkout(&shop.unique("key"), &checkout).await?.expect(202)?;
    let merge = |into: &str, from: &str| {
        let request = shop.client().post(format!("/v1/carts/{into}/merge")).bearer(&customer.access);
        request.json(&json!({ "from": from })).send()
    };
    problem(merge(&mine, &guest).await?, 409, "checkout-in-progress")?;
    problem(merge(&mine, "crt_0000000000000000000000").await?, 404, "cart-not-found")?;
    problem(merge("crt_0000000000000000000000", &mine).await?, 404, "cart-not-found")?;
    names_fields(merge(&mine, &mine).await?, 422, &["/from"])?;
    names_fields(merge(&mine, "").await?, 422, &["/from"])?;
    same("still there", quantity_in(&shop.read_cart(&guest).await?, &goods.sku)?, 1)?;
    Ok(())
}

async fn ordered(shop: &Shop) -> Outcome<Answer> {
    let goods = shop.product(Wanted::units(2)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)
}

async fn claim(shop: Shop) -> Outcome {
    let (order, customer) = (ordered(&shop).await?, shop.customer().await?);
    let body = json!({ "order_id": order.text("/id")?, "token": order.text("/token")? });
    for _ in 0..2 {
        let request = shop.client().post("/v1/me/orders").bearer(&customer.access).json(&body);
        let claimed = request.send().await?.expect(200)?;
        same("order", claimed.text("/id")?, order.text("/id")?)?;
    }
    let listed = shop.client().get("/v1/orders").bearer(&customer.access).send().await?.expect(200)?;
    same("orders", listed.list("/items")?.len(), 1)?;
    let path = format!("/v1/orders/{}", order.text("/id")?);
    shop.client().get(path).bearer(&customer.access).send().await?.expect(200)?;
    let other = shop.customer().await?;
    let late = shop.client().post("/v1/me/orders").bearer(&other.access).json(&body).send().await?;
    problem(late, 404, "order-not-found")?;
    Ok(())
}

async fn bad_claim(shop: Shop) -> Outcome {
    let (mine, theirs, customer) = (ordered(&shop).await?, ordered(&shop).await?, shop.customer().await?);
    for (id, token) in [
        (theirs.text("/id")?, mine.text("/token")?),
        (theirs.text("/id")?, "rubbish"),
        ("ord_00000000000", mine.text("/token")?),
        ("rubbish", mine.text("/token")?),
    ] {
        let body = json!({ "order_id": id, "token": token });
        let answer = shop.client().post("/v1/me/orders").bearer(&customer.access).json(&body).send().await?;
        problem(answer, 404, "order-not-found")?;
    }
    let body = json!({ "order_id": "", "token": "" });
    let answer = shop.client().post("/v1/me/orders").bearer(&customer.access).json(&body).send().await?;
    names_fields(answer, 422, &["/order_id", "/token"])?;
    let bare = shop.client().post("/v1/me/orders").json(&json!({})).send().await?;
    gateway_problem(&shop, bare, 401, "unauthenticated")?;
    Ok(())
}
