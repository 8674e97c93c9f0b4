//! The gateway: routes, events, tokens, CORS, time-outs, grants.

use bytes::Bytes;
use http::{Method, header};
use serde_json::json;

use crate::support::{get, send, shop, token};

#[tokio::test]
async fn a_request_reaches_its_function_as_an_event_and_comes_back_as_http() {
    let (shop, _) = shop(1).await;
    let (status, body, response) = get(&shop, "/v1/things/a%20b?tag=x&tag=y%2Cz", &[("x-one", "1")]).await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "id": "a b", "tags": ["x", "y,z"], "x": "1", "caller": null }));
    assert!(response.headers().contains_key(header::ETAG) && response.headers().contains_key("x-request-id"));
    let etag = response.headers()[header::ETAG].to_str().unwrap();
    let (status, _, again) =
        get(&shop, "/v1/things/a%20b?tag=x&tag=y%2Cz", &[("x-one", "1"), ("if-none-match", etag)]).await;
    assert_eq!((status, again.body().len()), (304, 0));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let (shop, _) = shop(2).await;
    let (status, _, response) = send(&shop, Method::HEAD, "/v1/things/1", &[], "").await;
    assert_eq!((status, response.body().len()), (200, 0));
    assert_ne!(response.headers()[header::CONTENT_LENGTH], "0");
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let (shop, _) = shop(3).await;
    let (status, body, response) = get(&shop, "/v1/nothing", &[]).await;
    assert_eq!((status, &body["code"]), (404, &json!("no-route")));
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let (status, body, response) = send(&shop, Method::DELETE, "/v1/things", &[], "").await;
    assert_eq!((status, &body["code"]), (405, &json!("method-not-allowed")));
    assert_eq!(response.headers()[header::ALLOW], "POST");
}

#[tokio::test]
async fn tokens_are_verified_as_the_authorizer_does() {
    let (shop, clock) = shop(4).await;
    let path = "/v1/admin/things/7";
    let (status, body, response) = get(&shop, path, &[]).await;
    assert_eq!((status, &body["code"]), (401, &json!("unauthenticated")));
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");

    let good = token(&shop, |_| {}).await;
    let (status, body, _) = get(&shop, path, &[("authorization", &format!("Bearer {good}"))]).await;
    assert_eq!(status, 200, "{body}");
    assert!(body["caller"].as_str().unwrap().starts_with("usr_"));

    let mut altered = good.clone().into_bytes();
    let middle = good.find('.').unwrap() + 5;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let foreign = token(&shop, |claims| claims.iss = "http://elsewhere".into()).await;
    let audience = token(&shop, |claims| claims.aud = "other".into()).await;
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    for bad in ["x", "", &String::from_utf8(altered).unwrap(), &foreign, &audience, &none] {
        let (status, _, _) = get(&shop, path, &[("authorization", &format!("Bearer {bad}"))]).await;
        assert_eq!(status, 401, "{bad}");
    }
    let customer = token(&shop, |claims| claims.scope = "customer".into()).await;
    let (status, body, _) = get(&shop, path, &[("authorization", &format!("Bearer {customer}"))]).await;
    assert_eq!((status, &body["code"]), (403, &json!("forbidden")));

    clock.advance(std::time::Duration::from_secs(1000));
    let (status, _, _) = get(&shop, path, &[("authorization", &format!("Bearer {good}"))]).await;
    assert_eq!(status, 401, "expired");
}

#[tokio::test]
async fn a_function_gets_what_it_was_granted_and_nothing_more() {
    let (shop, _) = shop(5).await;
    let (status, body, _) = send(&shop, Method::POST, "/v1/things", &[], r#"{"text":"a"}"#).await;
    assert_eq!((status, &body["text"]), (201, &json!("a")));
    let (status, _, _) = get(&shop, "/v1/sneak", &[]).await;
    assert_eq!(status, 500);
    let denied = &shop.denied()["sneak"];
    assert_eq!(denied.iter().map(|grant| grant.action.as_str()).collect::<Vec<_>>(), ["dynamodb:PutItem"]);
    assert!(shop.unused().contains_key("sneak") && !shop.unused().contains_key("say"));
    assert!(!shop.unused().contains_key("work-jobs"), "what AWS itself asks for is not counted");
}

#[tokio::test]
async fn a_stalled_function_is_answered_for() {
    let (shop, _) = shop(6).await;
    let (status, body, _) = get(&shop, "/v1/stall", &[]).await;
    assert!(status >= 500, "{status} {body}");
    assert!(body["type"].as_str().unwrap().starts_with("/problems/"));
}

#[tokio::test]
async fn what_no_gateway_would_pass_on_is_refused() {
    let (shop, _) = shop(7).await;
    let (status, _, _) = get(&shop, "/v1/things/1", &[("host", "a b")]).await;
    assert_eq!(status, 400);
    let big = Bytes::from(vec![b'a'; 7 * 1024 * 1024]);
    let (status, body, _) = send(&shop, Method::POST, "/v1/things", &[], big).await;
    assert_eq!((status, &body["code"]), (413, &json!("body-too-large")));
    let (status, body, _) = send(&shop, Method::POST, "/v1/things", &[], "{").await;
    assert_eq!((status, &body["code"]), (400, &json!("malformed-json")));
}

#[tokio::test]
async fn cors_is_off_unless_it_is_set() {
    use local::{Options, Shop};
    let asking = [("origin", "http://a.test"), ("access-control-request-method", "POST")];
    let (off, _) = shop(8).await;
    assert_eq!(send(&off, Method::OPTIONS, "/v1/things", &asking, "").await.0, 405);
    let options = Options { cors_origins: vec!["http://a.test".into()], ..Options::memory() };
    let shop = Shop::open(options, crate::support::registry()).await.unwrap();
    let (status, _, response) = send(&shop, Method::OPTIONS, "/v1/things", &asking, "").await;
    assert_eq!(
        (status, &response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        (204, &"http://a.test".parse().unwrap())
    );
    let (_, _, response) = get(&shop, "/v1/things/1", &[("origin", "http://a.test")]).await;
    assert!(response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let (_, _, response) = get(&shop, "/v1/things/1", &[("origin", "http://b.test")]).await;
    assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}
