//! Accounts and tokens: who gets in, who does not, and what a token is worth.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::check::{gateway_problem, names_fields, problem, same};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Wanted, product_body};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("users.a customer registers and signs in", registers),
        case("users.an address that is taken is refused", taken),
        case("users.wrong registrations are refused with every field", wrong_registration),
        case("users.wrong credentials say no more than that", wrong_credentials),
        case("users.a refresh token works once and its reuse ends the family", refresh),
        case("users.signing out ends the refresh token", sign_out),
        case("users.the public key is published", public_key),
        case("users.no token or a bad one is refused", bad_tokens),
        case("users.a customer cannot do what staff does", customer_is_no_staff),
    ]
}

async fn token(shop: &Shop, body: Value) -> Outcome<Answer> {
    Ok(shop.client().post("/v1/auth/token").json(&body).send().await?)
}

async fn renew(shop: &Shop, refresh: &str) -> Outcome<Answer> {
    token(shop, json!({ "grant_type": "refresh_token", "refresh_token": refresh })).await
}

/// A part of a JWT as JSON: 0 is the header, 1 the claims.
fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap_or_default();
    URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
}

async fn registers(shop: Shop) -> Outcome {
    let (email, password) = (shop.email(), shop.unique("Secret"));
    let body = json!({ "email": email.to_uppercase(), "password": password, "name": "Grace Hopper" });
    let made = shop.client().post("/v1/auth/register").json(&body).send().await?.expect(201)?;
    same("email, in lower case", made.text("/email")?, &email)?;
    same("name", made.text("/name")?, "Grace Hopper")?;
    ensure!(made.text("/id")?.starts_with("usr_"), "{}", made.wrong("the id"));
    ensure!(!String::from_utf8_lossy(&made.bytes).contains(&password), "the password came back");

    let signed = shop.sign_in(&email, &password).await?.expect(200)?;
    same("type", signed.text("/token_type")?, "Bearer")?;
    let life = signed.integer("/expires_in")?;
    ensure!((60..=3_600).contains(&life), "{}", signed.wrong("an access token lives minutes"));
    same("cache", signed.header("cache-control"), Some("no-store"))?;
    let access = signed.text("/access_token")?;
    let claims = part(access, 1);
    same("alg", &part(access, 0)["alg"], &json!("RS256"))?;
    same("sub", &claims["sub"], made.at("/id")?)?;
    same("scope", &claims["scope"], &json!("customer"))?;
    same("life", claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0), life)?;
    shop.client().get("/v1/orders").bearer(access).send().await?.expect(200)?;
    Ok(())
}

async fn taken(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let other = shop.unique("Other");
    for email in [customer.email.clone(), customer.email.to_uppercase()] {
        let body = json!({ "email": email, "password": other, "name": "Somebody Else" });
        problem(shop.client().post("/v1/auth/register").json(&body).send().await?, 409, "email-taken")?;
    }
    problem(shop.sign_in(&customer.email, &other).await?, 401, "bad-credentials")?;
    shop.sign_in(&customer.email, &customer.password).await?.expect(200)?;
    Ok(())
}

async fn wrong_registration(shop: Shop) -> Outcome {
    let register = |body: Value| {
        let shop = shop.clone();
        async move { shop.client().post("/v1/auth/register").json(&body).send().await }
    };
    let all = register(json!({ "email": "nobody", "password": "short", "name": "", "admin": true })).await?;
    names_fields(all, 422, &["/email", "/password", "/name", "/admin"])?;
    let none = register(json!({})).await?;
    names_fields(none, 422, &["/email", "/password", "/name"])?;
    let email = shop.email();
    let long = register(json!({ "email": email, "password": "x".repeat(129), "name": "Ada" })).await?;
    names_fields(long, 422, &["/password"])?;
    // A password that is one's own address is no secret.
    let obvious = register(json!({ "email": email, "password": email, "name": "Ada" })).await?;
    names_fields(obvious, 422, &["/password"])?;
    problem(shop.sign_in(&email, &email).await?, 401, "bad-credentials")?;
    Ok(())
}

async fn wrong_credentials(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let wrong = problem(shop.sign_in(&customer.email, &shop.unique("Wrong")).await?, 401, "bad-credentials")?;
    let nobody = problem(shop.sign_in(&shop.email(), &customer.password).await?, 401, "bad-credentials")?;
    same("what is told", wrong.text("/detail")?, nobody.text("/detail")?)?;
    let answer = token(&shop, json!({ "grant_type": "magic" })).await?;
    problem(answer, 422, "invalid-body")?;
    let answer = token(&shop, json!({ "grant_type": "password", "email": customer.email })).await?;
    names_fields(answer, 422, &["/password"])?;
    Ok(())
}

async fn refresh(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let second = renew(&shop, &customer.refresh).await?.expect(200)?;
    let new = second.text("/refresh_token")?;
    ensure!(new != customer.refresh, "{}", second.wrong("the refresh token must rotate"));
    shop.client().get("/v1/orders").bearer(second.text("/access_token")?).send().await?.expect(200)?;
    let third = renew(&shop, new).await?.expect(200)?;
    let newest = third.text("/refresh_token")?;
    // Somebody uses the first one again: either he or its owner is a thief, so nobody gets on with it.
    renew(&shop, &customer.refresh).await?.expect(401)?;
    renew(&shop, newest).await?.expect(401)?;
    renew(&shop, "not-a-token").await?.expect_any(&[401, 422])?;
    shop.sign_in(&customer.email, &customer.password).await?.expect(200)?;
    Ok(())
}

async fn sign_out(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let body = json!({ "refresh_token": customer.refresh });
    shop.client().post("/v1/auth/logout").json(&body).send().await?.expect_any(&[200, 204])?;
    renew(&shop, &customer.refresh).await?.expect(401)?;
    shop.client().post("/v1/auth/logout").json(&body).send().await?.expect_any(&[200, 204])?;
    Ok(())
}

async fn public_key(shop: Shop) -> Outcome {
    let discovery = shop.client().get("/.well-known/openid-configuration").send().await?.expect(200)?;
    ensure!(discovery.text("/jwks_uri")?.ends_with("/.well-known/jwks.json"), "{}", discovery.wrong("jwks_uri"));
    let customer = shop.customer().await?;
    same("iss", &part(&customer.access, 1)["iss"], discovery.at("/issuer")?)?;
    let keys = shop.client().get("/.well-known/jwks.json").send().await?.expect(200)?;
    let id = part(&customer.access, 0)["kid"].clone();
    let key = keys.list("/keys")?.iter().find(|key| key["kid"] == id);
    let key = key.ok_or_else(|| keys.wrong(format!("no key {id}")))?;
    same("kind of key", [&key["kty"], &key["use"], &key["alg"]], [&json!("RSA"), &json!("sig"), &json!("RS256")])?;
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap_or_default()).unwrap_or_default();
    ensure!(modulus.len() >= 256, "{}", keys.wrong("a modulus of 2048 bits or more"));
    ensure!(key.get("d").is_none(), "the private key is published");
    Ok(())
}

async fn bad_tokens(shop: Shop) -> Outcome {
    let bare = shop.client().get("/v1/orders").send().await?;
    gateway_problem(&shop, bare, 401, "unauthenticated")?;
    let customer = shop.customer().await?;
    let pieces: Vec<&str> = customer.access.split('.').collect();
    let [header, claims, signature] = pieces.as_slice() else { return Err(crate::Stop::Failed("no JWT".into())) };
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut raised = part(&customer.access, 1);
    raised["scope"] = json!("customer admin staff:catalog");
    let raised = encode(&raised);
    let none = encode(&json!({ "alg": "none", "typ": "JWT" }));
    let hmac = encode(&json!({ "alg": "HS256", "typ": "JWT", "kid": part(&customer.access, 0)["kid"] }));
    let forged = [
        "rubbish".to_owned(),
        format!("{header}.{raised}.{signature}"),
        format!("{none}.{raised}."),
        format!("{none}.{claims}."),
        format!("{hmac}.{claims}.{signature}"),
        format!("{header}.{claims}."),
        customer.refresh.clone(),
    ];
    for token in forged {
        let orders = shop.client().get("/v1/orders").bearer(&token).send().await?;
        gateway_problem(&shop, orders, 401, "unauthenticated")?;
        let body = product_body(&Wanted::default(), "Forged", &shop.unique("SKU"));
        let create = shop.client().post("/v1/admin/products").bearer(&token).json(&body).send().await?;
        gateway_problem(&shop, create, 401, "unauthenticated")?;
    }
    let basic = shop.client().get("/v1/orders").header("authorization", "Basic YTpi").send().await?;
    gateway_problem(&shop, basic, 401, "unauthenticated")?;
    Ok(())
}

async fn customer_is_no_staff(shop: Shop) -> Outcome {
    let customer = shop.customer().await?;
    let sku = shop.unique("SKU");
    let body = product_body(&Wanted::default(), "Not theirs", &sku);
    let receipt = json!({ "warehouse": "main", "quantity": 1, "reference": "x" });
    let client = shop.client();
    let requests = [
        client.post("/v1/admin/products").json(&body),
        client.patch("/v1/admin/products/prd_00000000000000").header("if-match", "*").json(&json!({ "name": "x" })),
        client.delete("/v1/admin/products/prd_00000000000000"),
        client.get(format!("/v1/admin/inventory/{sku}")),
        client.post(format!("/v1/admin/inventory/{sku}/receipts")).json(&receipt),
        client.post(format!("/v1/admin/inventory/{sku}/adjustments")).json(&receipt),
    ];
    for request in requests {
        let answer = request.bearer(&customer.access).send().await?;
        gateway_problem(&shop, answer, 403, "forbidden")?;
    }
    let line = shop.line(&shop.cart().await?, &sku, &json!(1)).send().await?;
    problem(line, 404, "sku-not-found")?;
    Ok(())
}
