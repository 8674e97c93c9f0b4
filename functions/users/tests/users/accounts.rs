//! Registering, signing in, the first administrator, and what is published.

use aws::keys::PublicKey;
use aws::{Capability as _, Clock as _};
use kernel::Email;
use lambda::token::Verifier;
use serde_json::json;

use crate::support::{PASSWORD, users};

#[tokio::test]
async fn registering_makes_an_account_once() {
    let Some(users) = users().await else { return };
    let made = users.register("Ada@Example.com").await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.text("/id").to_owned();
    assert!(id.starts_with("usr_"));
    assert_eq!(
        made.body,
        json!({ "id": id, "email": "ada@example.com", "name": "Ada Lovelace", "scopes": ["customer"] })
    );
    assert_eq!(made.headers["location"], "/v1/me");
    assert_eq!(made.headers["cache-control"], "no-store");
    assert_eq!(users.register("ada@example.com").await.problem(), (409, "email-taken"));
    assert_eq!(users.sign_in("ADA@example.com", PASSWORD).await.status, 200);
    users.assert_granted();
}

#[tokio::test]
async fn a_repeated_registration_with_a_key_is_the_same_one() {
    let Some(users) = users().await else { return };
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada" });
    let key = json!({ "idempotency-key": "k-1" });
    let first = users.call("register", key.clone(), Some(body.clone())).await;
    let second = users.call("register", key.clone(), Some(body.clone())).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    for (field, other) in [("email", "eve@example.com"), ("password", "another-plum-8"), ("name", "Eve")] {
        let mut changed = body.clone();
        changed[field] = json!(other);
        let answer = users.call("register", key.clone(), Some(changed)).await;
        assert_eq!(answer.problem(), (422, "idempotency-key-reused"), "{field}");
    }
    assert_eq!(users.sign_in("eve@example.com", PASSWORD).await.status, 401, "nothing was half done");
    let another = users.call("register", json!({ "idempotency-key": "k-2" }), Some(body)).await;
    assert_eq!(another.problem(), (409, "email-taken"));
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_not_made_twice() {
    let Some(users) = users().await else { return };
    users.faults.lose_answer_of("TransactWriteItems");
    let made = users.register("ada@example.com").await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(users.sign_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_bad_registration_names_every_wrong_field_and_leaves_nothing() {
    let Some(users) = users().await else { return };
    let bad =
        users.post("register", json!({ "email": "nobody", "password": "short", "name": "", "admin": true })).await;
    let mut pointers = bad.pointers();
    pointers.sort_unstable();
    assert_eq!((bad.status, pointers), (422, vec!["/admin", "/email", "/name", "/password"]));
    let both = json!({ "email": "ada@example.com", "password": "Ada@Example.com", "name": "Ada\r\nBcc: x" });
    let bad = users.post("register", both).await;
    assert_eq!((bad.status, bad.pointers()), (422, vec!["/name", "/password"]));
    assert!(!bad.body.to_string().contains("Ada@Example"), "the password is not repeated");
    assert_eq!(users.register("ada@example.com").await.status, 201);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let Some(users) = users().await else { return };
    users.register("ada@example.com").await;
    let wrong = users.sign_in("ada@example.com", "not-her-password").await;
    let nobody = users.sign_in("eve@example.com", PASSWORD).await;
    assert_eq!(wrong.problem(), (401, "bad-credentials"));
    assert_eq!(wrong.body, nobody.body);
    assert_eq!(users.post("issue-token", json!({ "grant_type": "magic" })).await.problem(), (422, "invalid-body"));
}

#[tokio::test]
async fn an_access_token_is_what_the_published_key_says() {
    let Some(users) = users().await else { return };
    let account = users.register("ada@example.com").await;
    let token = users.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!((token.status, token.text("/token_type")), (200, "Bearer"));
    assert_eq!(token.body["expires_in"], 900);
    assert_eq!(token.headers["cache-control"], "no-store");
    let key = PublicKey::connect(&users.platform).unwrap();
    let issuer = &users.platform.config().issuer;
    let verifier = Verifier::from_der(key.der().await.unwrap(), issuer).unwrap();
    let claims = verifier.verify(token.text("/access_token"), users.data.clock.now()).unwrap();
    assert_eq!((claims.sub.as_str(), claims.scope.as_str()), (account.text("/id"), "customer"));

    let discovery = users.get("get-openid-configuration").await;
    assert_eq!((discovery.status, discovery.text("/issuer")), (200, issuer.as_str()));
    assert_eq!(discovery.text("/jwks_uri"), format!("{issuer}/.well-known/jwks.json"));
    for required in [
        "authorization_endpoint",
        "token_endpoint",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!discovery.body[required].is_null(), "{required}");
    }
    let keys = users.get("get-jwks").await;
    let header: serde_json::Value = {
        use base64::Engine as _;
        let part = token.text("/access_token").split('.').next().unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(keys.body["keys"][0]["kid"], header["kid"]);
    assert_eq!((keys.text("/keys/0/kty"), keys.text("/keys/0/use"), keys.text("/keys/0/alg")), ("RSA", "sig", "RS256"));
    assert_eq!(keys.headers["cache-control"], lambda::Freshness::Keys.header());
    users.assert_granted();
}

#[tokio::test]
async fn the_first_administrator_is_made_once_and_set_right_again() {
    let Some(users) = users().await else { return };
    let email = Email::parse("admin@example.com").unwrap();
    let scopes = ["admin", "staff:catalog"];
    let id = users::ensure_staff(&users.platform, &email, "secret", &scopes).await.unwrap();
    for password in ["secret", "changed", "changed"] {
        assert_eq!(users::ensure_staff(&users.platform, &email, password, &scopes).await.unwrap(), id);
    }
    assert_eq!(users.sign_in("admin@example.com", "secret").await.status, 401);
    assert_eq!(users.sign_in("admin@example.com", "changed").await.status, 200);
    let found = users::table::FindAccount::connect(&users.platform).unwrap().by_id(&id).await.unwrap().unwrap();
    assert_eq!((found.version, found.scopes.join(" ")), (2, "customer staff:catalog admin".to_owned()));

    let refused = users::ensure_staff(&users.platform, &email, "x", &["root"]).await.unwrap_err();
    assert_eq!(refused.code.status, 422);
    assert!(users::ensure_staff(&users.platform, &email, "", &[]).await.is_err());

    // A customer who becomes staff keeps the account.
    let customer = users.register("ada@example.com").await;
    let ada = Email::parse("ada@example.com").unwrap();
    let same = users::ensure_staff(&users.platform, &ada, PASSWORD, &["staff:orders"]).await.unwrap();
    assert_eq!(same.as_str(), customer.text("/id"));
}

#[tokio::test]
async fn two_who_make_the_first_administrator_at_once_make_one() {
    let Some(users) = users().await else { return };
    let email = Email::parse("admin@example.com").unwrap();
    let ensure = || users::ensure_staff(&users.platform, &email, "secret", &["admin"]);
    let (a, b) = futures_util::future::join(Box::pin(ensure()), Box::pin(ensure())).await;
    assert_eq!(a.unwrap(), b.unwrap());
}
