//! Stripe's adapter, whole and over HTTP, against localstripe: `make test-stripe`.
//!
//! localstripe 1.15.10 is a fake with a memory; `infra/scripts/stripe_server.py` starts it and adds what it lacks and a caller
//! relies on (idempotency keys, a payment method at confirmation, parameters of the API's present version). What it lacks
//! beyond that is tested over recorded exchanges only (`stripe.rs`): decline codes (every refusal is a plain
//! `card_declined`), refusing a refund of more than the rest or of nothing, `processing`, failures in passing, rate limits, amounts
//! that are too small, `charge.*` and `refund.*` events, and events of a payment that is called off. Its cards for 3-D Secure
//! have no token, so a payment method is made from one of Stripe's published test numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aws::Platform;
use aws::transport::{Request, Transport};
use kernel::id::fingerprint;
use kernel::{Currency, Money, OrderId};
use payments::stripe::Stripe;
use payments::{Answer, Capture, EventKind, Intent, Outcome, Provider, Refund, RefundOutcome};
use serde_json::Value;

use crate::common::{Keeper, platform};

mod common;

const API_KEY: &str = "sk_test_localstripe";
const WEBHOOK_SECRET: &str = "whsec_localstripe_localstripe";
const GOOD: &str = "pm_card_visa";
const BAD: &str = "pm_card_chargeCustomerFail";

fn url() -> String {
    #[expect(clippy::disallowed_methods, reason = "a test that is told where its server is")]
    let url = std::env::var("OXCART_STRIPE_URL");
    url.expect("OXCART_STRIPE_URL names a localstripe: make test-stripe")
}

/// A call of the fake that the adapter does not make: what a browser, or the dashboard, would do.
async fn ask(path: &str, form: &[(&str, &str)]) -> Value {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = vec![
        ("authorization", format!("Bearer {API_KEY}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let request = Request { method: "POST", path: path.to_owned(), headers, body };
    let reply = Transport::new(&url(), b"").send(request).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

fn stage() -> (Platform, Stripe) {
    let platform = platform(&Keeper::with(API_KEY, WEBHOOK_SECRET), &[("OXCART_STRIPE_URL", &url())]);
    let stripe = Stripe::connect(&platform);
    (platform, stripe)
}

/// The payment of an order that nobody else has.
fn fresh(platform: &Platform, capture: Capture) -> Intent {
    Intent { order: OrderId::new(platform.random()), amount: Money::new(1299, Currency::EUR), capture, id: None }
}

fn known(intent: &Intent, answer: &Answer) -> Intent {
    Intent { id: Some(answer.intent.clone()), ..intent.clone() }
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn a_good_card_pays_once_however_often_it_is_asked() {
    let (platform, stripe) = stage();
    let intent = fresh(&platform, Capture::Now);
    assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, Outcome::Missing);
    let paid = stripe.charge(&intent, GOOD).await.unwrap();
    assert_eq!(paid.outcome, Outcome::Succeeded);
    for again in [intent.clone(), known(&intent, &paid)] {
        assert_eq!(stripe.charge(&again, GOOD).await.unwrap(), paid);
        assert_eq!(stripe.charge(&again, BAD).await.unwrap(), paid, "another card does not pay it again");
        assert_eq!(stripe.retrieve(&again).await.unwrap(), paid);
        assert_eq!(stripe.cancel(&again).await.unwrap(), paid, "too late");
    }
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn a_bad_card_is_declined_and_another_may_pay() {
    let (platform, stripe) = stage();
    let intent = fresh(&platform, Capture::Now);
    let declined = Outcome::Declined { code: "card_declined".into() };
    assert_eq!(stripe.charge(&intent, BAD).await.unwrap().outcome, declined);
    assert_eq!(stripe.charge(&intent, BAD).await.unwrap().outcome, declined);
    assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, declined);
    let nobody = Outcome::Declined { code: "unknown_payment_method".into() };
    assert_eq!(stripe.charge(&intent, "pm_nobody").await.unwrap().outcome, nobody);
    assert_eq!(stripe.charge(&intent, GOOD).await.unwrap().outcome, Outcome::Succeeded);
    // A late repetition of the first call finds what stands now.
    assert_eq!(stripe.charge(&intent, BAD).await.unwrap().outcome, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn three_d_secure_is_confirmed_in_the_browser() {
    let (platform, stripe) = stage();
    let card = [("type", "card"), ("card[number]", "4000002500003155"), ("card[exp_month]", "12")];
    let card: Vec<_> = card.into_iter().chain([("card[exp_year]", "2034"), ("card[cvc]", "123")]).collect();
    for (success, end) in
        [("true", Outcome::Succeeded), ("false", Outcome::Declined { code: "authentication_failed".into() })]
    {
        let method = ask("/v1/payment_methods", &card).await;
        let (token, intent) = (method["id"].as_str().unwrap(), fresh(&platform, Capture::Now));
        let answer = stripe.charge(&intent, token).await.unwrap();
        let Outcome::RequiresAction { client_secret } = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!(stripe.retrieve(&intent).await.unwrap(), answer);
        let path = format!("/v1/payment_intents/{}/_authenticate", answer.intent);
        ask(&path, &[("client_secret", client_secret), ("success", success)]).await;
        assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, end);
        if end == Outcome::Succeeded {
            assert_eq!(
                stripe.charge(&intent, token).await.unwrap().outcome,
                end,
                "the stored answer is not the last word"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn what_was_called_off_takes_nothing_any_more() {
    let (platform, stripe) = stage();
    // Before anybody asked, and while the money is set aside.
    let (early, late) = (fresh(&platform, Capture::Now), fresh(&platform, Capture::Later));
    assert_eq!(stripe.charge(&late, GOOD).await.unwrap().outcome, Outcome::Authorized);
    for intent in [early, late] {
        assert_eq!(stripe.cancel(&intent).await.unwrap().outcome, Outcome::Canceled);
        assert_eq!(stripe.charge(&intent, GOOD).await.unwrap().outcome, Outcome::Canceled);
        assert_eq!(stripe.cancel(&intent).await.unwrap().outcome, Outcome::Canceled);
        assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, Outcome::Canceled);
    }
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn money_set_aside_is_taken_once() {
    let (platform, stripe) = stage();
    let intent = fresh(&platform, Capture::Later);
    assert_eq!(stripe.charge(&intent, GOOD).await.unwrap().outcome, Outcome::Authorized);
    let part = Money::new(1000, Currency::EUR);
    for _ in 0..2 {
        assert_eq!(stripe.capture(&intent, part).await.unwrap().outcome, Outcome::Succeeded);
    }
    assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn money_goes_back_in_parts_each_once() {
    let (platform, stripe) = stage();
    let intent = fresh(&platform, Capture::Now);
    let refund = |key: &str, amount| Refund { key: key.to_owned(), amount: Money::new(amount, Currency::EUR) };
    let paid = stripe.charge(&intent, GOOD).await.unwrap();
    for _ in 0..3 {
        assert_eq!(stripe.refund(&intent, &refund("ref_1", 299)).await.unwrap(), RefundOutcome::Succeeded);
    }
    assert_eq!(stripe.retrieve(&intent).await.unwrap(), paid, "three times the same is 299, not 897");
    assert_eq!(stripe.refund(&known(&intent, &paid), &refund("ref_2", 1000)).await.unwrap(), RefundOutcome::Succeeded);
    assert_eq!(stripe.retrieve(&intent).await.unwrap().outcome, Outcome::Refunded);
}

#[tokio::test]
#[ignore = "needs localstripe: make test-stripe"]
async fn a_stored_500_does_not_hide_that_the_money_was_taken() {
    let (platform, stripe) = stage();
    let intent = fresh(&platform, Capture::Now);
    let paid = stripe.charge(&intent, GOOD).await.unwrap();
    let confirm = format!("oxcart-confirm-{}-{}", intent.order.as_str(), fingerprint(&[GOOD.as_bytes()]));
    let create = format!("oxcart-create-{}", intent.order.as_str());
    ask(&format!("/_config/fail/{confirm}"), &[]).await;
    assert_eq!(stripe.charge(&intent, GOOD).await.unwrap(), paid);
    // Making the intent failed as well: the next key makes another, and the order is asked for again. Stripe's own answer in
    // that case was a failure, so nobody can have confirmed the first one.
    let other = fresh(&platform, Capture::Now);
    let first = stripe.retrieve(&other).await.unwrap();
    ask(&format!("/_config/fail/{}", create.replace(intent.order.as_str(), other.order.as_str())), &[]).await;
    let second = stripe.charge(&other, GOOD).await.unwrap();
    assert_eq!(second.outcome, Outcome::Succeeded);
    assert_ne!(first.intent, second.intent);
    assert_eq!(stripe.charge(&other, GOOD).await.unwrap(), second);
}

/// A server that takes webhooks: what header and body each came with.
fn webhooks() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut chunk = [0; 4096];
            let (head, length) = loop {
                let read = stream.read(&mut chunk).unwrap();
                bytes.extend_from_slice(&chunk[..read]);
                let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = header(&head, "content-length").unwrap().parse::<usize>().unwrap();
                if bytes.len() >= end + 4 + length {
                    break (head, end + 4);
                }
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if sender.send((header(&head, "stripe-signature").unwrap(), bytes[length..].to_vec())).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs localstripe: make test-stripe"]
async fn a_webhook_is_believed_and_read() {
    let (platform, stripe) = stage();
    let (address, received) = webhooks();
    ask("/_config/webhooks/oxcart", &[("url", &address), ("secret", WEBHOOK_SECRET)]).await;
    let (paid, declined) = (fresh(&platform, Capture::Now), fresh(&platform, Capture::Now));
    let answer = stripe.charge(&paid, GOOD).await.unwrap();
    stripe.charge(&declined, BAD).await.unwrap();
    let mut kinds = Vec::new();
    // Other tests' payments are reported here as well.
    while kinds.len() < 2 {
        let (signature, body) = received.recv_timeout(Duration::from_secs(10)).unwrap();
        let now = platform.clock().now();
        let event = stripe.event(&signature, &body, now).await.unwrap();
        assert!(stripe.event(&signature, &[&body[..], b" "].concat(), now).await.is_err());
        assert!(stripe.event(&signature, &body, now.after(Duration::from_secs(400))).await.is_err());
        let ours = [&paid.order, &declined.order].into_iter().any(|order| event.order.as_ref() == Some(order));
        if ours {
            kinds.push((event.order, event.kind));
        }
    }
    kinds.sort_by_key(|(_, kind)| *kind == EventKind::Changed);
    let amount = Money::new(1299, Currency::EUR);
    let succeeded = EventKind::Succeeded { intent: answer.intent, amount };
    assert_eq!(kinds, [(Some(paid.order), succeeded), (Some(declined.order), EventKind::Changed)]);
}
