//! People over the whole shop: tokens that travel by mail, carts that are merged and orders that are claimed, with the
//! function killed between any two of its calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws::LogSink;
use aws::table::from_item;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cart::Cart;
use http::{Method, Request};
use kernel::UserId;
use lambda::token::Claims;
use local::{Options, Search, Shop, registry};
use serde_json::{Value, json};

use crate::saga::World;

/// The most calls that any of these functions makes, with room for one more.
const CALLS: i64 = 9;

#[derive(Default)]
struct Log(Mutex<String>);

impl LogSink for Log {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push_str(line);
    }
}

async fn send(shop: &Shop, method: Method, path: &str, access: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = if access.is_empty() { request } else { request.header("authorization", format!("Bearer {access}")) };
    let response = shop.request(request.body(Bytes::from(body.to_string())).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

fn claims(who: &UserId) -> Claims {
    local::shop::verified(&who.to_string(), "customer")
}

async fn call(world: &World, who: &UserId, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let response = world.shop.request_of(&claims(who), request.body(Bytes::from(body.to_string())).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

/// The texts of all mails to an address.
fn mails(shop: &Shop, to: &str) -> Vec<String> {
    let files = std::fs::read_dir(shop.outbox()).into_iter().flatten();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    // Quoted-printable: soft breaks are taken out, and nothing else of a token is coded.
    texts.filter(|text| text.contains(&format!("<{to}>"))).map(|text| text.replace("=\r\n", "")).collect()
}

/// The token in a mail: the one line that is indented.
fn token(mail: &str) -> String {
    let line = mail.lines().find(|line| line.starts_with("    ")).unwrap_or_else(|| panic!("no token in {mail}"));
    line.trim().to_owned()
}

#[tokio::test]
async fn a_password_is_set_anew_by_mail_and_the_token_stands_nowhere_else() {
    let log = Arc::new(Log::default());
    let shop = Shop::open(Options { log: log.clone(), ..Options::memory() }, registry::registry()).await.unwrap();
    let account = json!({ "email": "ada@example.com", "password": "plum-tractor-9", "name": "Ada" });
    assert_eq!(send(&shop, Method::POST, "/v1/auth/register", "", &account).await.0, 201);
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        answers.push(send(&shop, Method::POST, "/v1/auth/password-reset", "", &json!({ "email": email })).await);
    }
    assert_eq!((answers[0].0, &answers[0]), (202, &answers[1]));
    shop.drain().await;
    assert!(mails(&shop, "nobody@example.com").is_empty());
    let sent = mails(&shop, "ada@example.com");
    assert_eq!(sent.len(), 1, "{sent:?}");
    let token = token(&sent[0]);
    let table = shop.platform().table(&users::table::USERS);
    let stored = table.client().scan().table_name(table.name()).send().await.unwrap();
    assert!(!format!("{stored:?}").contains(&token));
    let confirm = json!({ "token": token, "password": "another-plum-tractor" });
    assert_eq!(send(&shop, Method::POST, "/v1/auth/password-reset/confirm", "", &confirm).await.0, 204);
    shop.drain().await;
    let sign_in = json!({ "grant_type": "password", "email": "ada@example.com", "password": "another-plum-tractor" });
    let (status, signed) = send(&shop, Method::POST, "/v1/auth/token", "", &sign_in).await;
    assert_eq!(status, 200);

    let access = signed["access_token"].as_str().unwrap();
    let change = json!({ "email": "ada@new.example", "current_password": "another-plum-tractor" });
    assert_eq!(send(&shop, Method::PATCH, "/v1/me", access, &change).await.0, 200);
    shop.drain().await;
    let (old, new) = (mails(&shop, "ada@example.com"), mails(&shop, "ada@new.example"));
    assert_eq!((old.len(), new.len()), (2, 1), "the old address is told");
    let moved = self::token(&new[0]);
    assert!(!old.iter().any(|mail| mail.contains(&moved)), "and cannot confirm it");
    let confirm = json!({ "token": moved });
    assert_eq!(send(&shop, Method::POST, "/v1/auth/email-change/confirm", "", &confirm).await.0, 204);
    assert_eq!(send(&shop, Method::GET, "/v1/me", access, &json!({})).await.1["email"], "ada@new.example");
    shop.drain().await;
    let log = log.0.lock().unwrap();
    assert!(log.contains("start-password-reset") && log.contains("send-email"));
    for secret in [&token, &moved, "plum-tractor", "ada@"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    assert!(shop.denied().is_empty(), "{:?}", shop.denied());
}

async fn units(world: &World, cart: &str) -> u32 {
    let items = world.items(&cart::table::TABLE).await;
    let carts = items.into_iter().map(|item| from_item::<Cart>(item).unwrap());
    carts
        .filter(|found| found.id.as_str() == cart)
        .flat_map(|found| found.lines.into_values())
        .map(|line| line.quantity)
        .sum()
}

#[tokio::test(start_paused = true)]
async fn a_merge_that_is_killed_anywhere_loses_nothing_and_is_finished_by_asking_again() {
    let customer = UserId::new([1; 16]);
    for at in 1..=CALLS {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = World::with("merge-cart", BTreeMap::new()).await;
            let (mine, guest) = (world.cart(1).await, world.cart(2).await);
            let path = format!("/v1/carts/{mine}/merge");
            world.killer.arm(at, answer_only);
            call(&world, &customer, Method::POST, &path, &json!({ "from": guest })).await;
            world.killer.disarm();
            let after = (units(&world, &mine).await, units(&world, &guest).await);
            assert!([(1, 2), (3, 0)].contains(&after), "{what}: {after:?}");
            for _ in 0..2 {
                let (status, merged) = call(&world, &customer, Method::POST, &path, &json!({ "from": guest })).await;
                assert_eq!(status, 200, "{what}: {merged}");
            }
            assert_eq!((units(&world, &mine).await, units(&world, &guest).await), (3, 0), "{what}");
        }
    }
}

#[tokio::test]
async fn merges_at_once_and_changes_meanwhile_lose_nothing() {
    let customer = UserId::new([1; 16]);
    let world = World::with("nobody", BTreeMap::new()).await;
    let (mine, guest) = (world.cart(1).await, world.cart(2).await);
    let path = format!("/v1/carts/{mine}/merge");
    let body = json!({ "from": guest });
    let merges = (0..6).map(|_| call(&world, &customer, Method::POST, &path, &body));
    let answers = futures_util::future::join_all(merges).await;
    assert!(answers.iter().all(|(status, _)| [200, 503].contains(status)), "{answers:?}");
    assert_eq!((units(&world, &mine).await, units(&world, &guest).await), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_claimed_once_wherever_the_call_is_killed() {
    let (customer, other) = (UserId::new([1; 16]), UserId::new([2; 16]));
    for at in 1..=3 {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = World::with("claim-order", BTreeMap::new()).await;
            let cart = world.cart(1).await;
            let (status, placed) = world.pay(&cart, 1, "order", "pm_card_visa").await;
            assert_eq!(status, 201, "{placed}");
            let body = json!({ "order_id": placed["id"], "token": placed["token"] });
            world.killer.arm(at, answer_only);
            call(&world, &customer, Method::POST, "/v1/me/orders", &body).await;
            world.killer.disarm();
            for _ in 0..2 {
                let (status, claimed) = call(&world, &customer, Method::POST, "/v1/me/orders", &body).await;
                assert_eq!((status, &claimed["id"]), (200, &placed["id"]), "{what}");
            }
            let (status, refused) = call(&world, &other, Method::POST, "/v1/me/orders", &body).await;
            assert_eq!((status, &refused["code"]), (404, &json!("order-not-found")), "{what}");
            let (_, listed) = call(&world, &customer, Method::GET, "/v1/orders", &json!({})).await;
            assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{what}");
            let kinds =
                listed["items"][0]["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "claimed");
            assert_eq!(kinds.count(), 1, "{what}");
            world.settle().await;
            assert_eq!(world.counter().await.taken, 1, "{what}");
        }
    }
}

#[tokio::test]
async fn an_order_whose_payment_is_under_way_is_not_claimed_yet() {
    let world = World::with("nobody", BTreeMap::new()).await;
    let cart = world.cart(1).await;
    let (status, placed) = world.pay(&cart, 1, "order", "pm_card_authenticationRequired").await;
    assert_eq!(status, 202, "{placed}");
    let customer = UserId::new([1; 16]);
    let body = json!({ "order_id": placed["id"], "token": placed["token"] });
    let (status, answer) = call(&world, &customer, Method::POST, "/v1/me/orders", &body).await;
    assert_eq!((status, &answer["code"]), (409, &json!("order-pending")));
    for token in [json!("rubbish"), json!(format!("{}A", placed["token"].as_str().unwrap()))] {
        let body = json!({ "order_id": placed["id"], "token": token });
        assert_eq!(call(&world, &customer, Method::POST, "/v1/me/orders", &body).await.0, 404);
    }
}

/// What the header of a token says of its key.
fn key_of(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

#[tokio::test]
async fn the_key_of_tokens_is_rolled_and_nobody_is_signed_out() {
    let folder = std::env::temp_dir().join(format!("oxcart-roll-{}", std::process::id()));
    let keys = folder.join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    let name = |part: &str| keys.join(format!("oxcart-local-{part}.pem"));
    // Making keys takes a debug build seconds; these were made for tests, and open nothing.
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../lambda/testdata");
    std::fs::copy(format!("{made}/token-key.pem"), name("tokens")).unwrap();
    std::fs::copy(format!("{made}/other-key.pem"), name("tokens-spare")).unwrap();
    let open = async |spare: bool| {
        let variables = spare.then(|| ("OXCART_TOKENS_SPARE".to_owned(), "alias/oxcart-local-tokens-spare".to_owned()));
        let options = Options {
            offload: false,
            search: Search::Off,
            variables: variables.into_iter().collect(),
            ..Options::folder(&folder)
        };
        Shop::open(options, registry::registry()).await.unwrap()
    };
    let sign_in = json!({ "grant_type": "password", "email": "ada@example.com", "password": "plum-tractor-9" });
    let published = async |shop: &Shop| {
        let (_, keys) = send(shop, Method::GET, "/.well-known/jwks.json", "", &Value::Null).await;
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let reads = async |shop: &Shop, token: &str| {
        // One route that the gateway verifies, and one that its function verifies.
        let gateway = send(shop, Method::GET, "/v1/orders", token, &Value::Null).await.0;
        (gateway, send(shop, Method::GET, "/v1/orders/ord_00000000000", token, &Value::Null).await.0)
    };

    let shop = open(true).await;
    let account = json!({ "email": "ada@example.com", "password": "plum-tractor-9", "name": "Ada" });
    assert_eq!(send(&shop, Method::POST, "/v1/auth/register", "", &account).await.0, 201);
    let signed = send(&shop, Method::POST, "/v1/auth/token", "", &sign_in).await.1;
    let old = signed["access_token"].as_str().unwrap().to_owned();
    let before = published(&shop).await;
    assert_eq!((before.len(), &before[0]), (2, &key_of(&old)), "the next key is published before it signs");
    drop(shop);

    // The two change places.
    std::fs::rename(name("tokens"), name("x")).unwrap();
    std::fs::rename(name("tokens-spare"), name("tokens")).unwrap();
    std::fs::rename(name("x"), name("tokens-spare")).unwrap();
    let shop = open(true).await;
    assert_eq!(published(&shop).await, [before[1].clone(), before[0].clone()]);
    assert_eq!(reads(&shop, &old).await, (200, 404), "an old token is good until it runs out");
    let refresh = json!({ "grant_type": "refresh_token", "refresh_token": signed["refresh_token"] });
    let (status, renewed) = send(&shop, Method::POST, "/v1/auth/token", "", &refresh).await;
    assert_eq!(status, 200);
    let new = renewed["access_token"].as_str().unwrap();
    assert_eq!((key_of(new), reads(&shop, new).await), (before[1].clone(), (200, 404)));
    drop(shop);

    // Once no token of the old one is left, it may go.
    let shop = open(false).await;
    assert_eq!(published(&shop).await, [before[1].clone()]);
    assert_eq!((reads(&shop, new).await, reads(&shop, &old).await), ((200, 404), (401, 401)));
    drop(shop);
    std::fs::remove_dir_all(&folder).unwrap();
}
