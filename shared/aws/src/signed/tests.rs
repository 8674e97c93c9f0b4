use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::*;
use crate::config::Config;
use crate::{Clock as _, ManualClock};

/// What the far end does at one attempt.
#[derive(Clone, Copy, Debug)]
enum Far {
    Answers(u16),
    Breaks,
    Hangs,
}

/// A far end that does these things in turn, and the time at which each request came.
#[derive(Clone, Debug)]
struct Script {
    acts: Arc<Mutex<VecDeque<Far>>>,
    seen: Arc<Mutex<Vec<(Timestamp, HttpHeaders)>>>,
    clock: Arc<ManualClock>,
}

type HttpHeaders = BTreeMap<String, String>;

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.seen.lock().unwrap().push((self.clock.now(), headers));
        match self.acts.lock().unwrap().pop_front().expect("one request too many") {
            Far::Answers(status) => {
                let status = StatusCode::try_from(status).unwrap();
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from("{}"))))
            }
            Far::Breaks => HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset".into()))),
            Far::Hangs => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

/// Sleeping takes no time, and moves the clock.
#[derive(Debug)]
struct Moves(Arc<ManualClock>);

impl AsyncSleep for Moves {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move { clock.advance(duration) })
    }
}

const TRIES: Tries = Tries { most: 3, attempt: Duration::from_secs(1), whole: Duration::from_secs(4) };

fn platform(region: &str, token: &str, clock: &Arc<ManualClock>) -> Platform {
    let vars = [
        ("OXCART_STAGE", "test"),
        ("OXCART_PREFIX", "oxcart-test"),
        ("OXCART_QUEUE_BASE", "http://127.0.0.1/"),
        ("OXCART_ISSUER", "http://127.0.0.1"),
        ("OXCART_MAIL_FROM", "shop@example.com"),
        ("OXCART_FUNCTION", "search-products"),
        ("AWS_REGION", region),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", token),
    ];
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let nobody = http_client_fn(|_, _| unreachable!("nothing else is called"));
    Platform::over(Config::from_vars(&vars).unwrap(), nobody)
        .with_clock(clock.clone())
        .with_sleep(SharedAsyncSleep::new(Moves(clock.clone())))
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-24T17:00:00Z").unwrap()))
}

fn client(acts: &[Far]) -> (SignedClient, Script) {
    let clock = clock();
    let script = Script {
        acts: Arc::new(Mutex::new(acts.iter().copied().collect())),
        seen: Arc::default(),
        clock: clock.clone(),
    };
    let transport = Transport::over("http://127.0.0.1:9200", SharedHttpConnector::new(script.clone()));
    let client = SignedClient::over(&platform("eu-central-1", "", &clock), "http://127.0.0.1:9200", transport).unwrap();
    (client, script)
}

fn get() -> Request {
    Request { method: "GET", path: "/".into(), headers: Vec::new(), body: String::new() }
}

fn signature(request: &Request) -> &str {
    let (_, value) = request.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
    value.split_once("Signature=").unwrap().1
}

/// AWS's own vectors for Signature Version 4 (`post-x-www-form-urlencoded` and `…-parameters`: those with a signed body).
#[test]
fn it_signs_as_awss_published_vectors_say() {
    let vectors = [
        ("application/x-www-form-urlencoded", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ),
    ];
    for (kind, expected) in vectors {
        let clock = clock();
        let mut client =
            SignedClient::connect(&platform("us-east-1", "", &clock), "https://example.amazonaws.com/").unwrap();
        client.service = Service("service");
        let headers = vec![("content-type", kind.to_owned()), ("content-length", "13".to_owned())];
        let request = Request { method: "POST", path: "/".into(), headers, body: "Param1=value1".into() };
        let signed = client.sign(&request, Timestamp::parse("2015-08-30T12:36:00Z").unwrap()).unwrap();
        assert_eq!(signature(&signed), expected);
    }
}

/// What botocore's `SigV4Auth` signs the same requests with: a session's token, an escaped path, a query, no body.
#[test]
fn it_signs_for_domains_and_collections_as_botocore_does() {
    let domain = "https://search-oxcart.eu-central-1.es.amazonaws.com";
    let collection = "https://abc.eu-central-1.aoss.amazonaws.com";
    let search = "/oxcart-prod-products/_search";
    let cases = [
        (
            domain,
            "POST",
            &*format!("{search}?preference=_local&filter_path=hits%2Ctook"),
            r#"{"size":1}"#,
            "0712a77559e078f76efe57fff685da7c36c5aff1f1b4138f26de2d18dd18511c",
        ),
        (
            domain,
            "PUT",
            "/oxcart-prod-products/_doc/prd_%C3%A9%20x",
            r#"{"a":"é"}"#,
            "18ba722771092fdc41670db4b945810b39684f43e08d00c0f65cf10a19e5af84",
        ),
        (collection, "POST", search, "", "d6ec4081bdd2e5e6ae605d2ac6831ebdfd7be13cbee43e7ebaa5bc58481c58a9"),
    ];
    let clock = clock();
    let platform = platform("eu-central-1", "session/token+of==a-sandbox", &clock);
    for (base, method, path, body, expected) in cases {
        let client = SignedClient::connect(&platform, base).unwrap();
        let headers = vec![("content-type", "application/json".to_owned())];
        let request = Request { method, path: path.into(), headers, body: body.into() };
        let signed = client.sign(&request, clock.now()).unwrap();
        assert_eq!(signature(&signed), expected, "{path}");
        for name in ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
            assert!(signed.headers.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}

#[test]
fn nothing_goes_in_the_clear_to_another_machine() {
    let platform = platform("eu-central-1", "", &clock());
    for bad in ["http://search.example.com", "http://127.0.0.1@example.com", "ftp://x", ""] {
        assert!(SignedClient::connect(&platform, bad).is_err(), "{bad}");
    }
    for good in ["https://search.example.com", "http://127.0.0.1:9200", "http://localhost:9200/"] {
        assert!(SignedClient::connect(&platform, good).is_ok(), "{good}");
    }
}

#[tokio::test]
async fn what_was_in_vain_is_repeated_and_signed_anew() {
    let (client, script) = client(&[Far::Hangs, Far::Answers(503), Far::Answers(200)]);
    assert_eq!(client.send(&get(), TRIES).await.unwrap().status, 200);
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen[1].0.since(seen[0].0) >= TRIES.attempt, "it waited for an answer first");
    assert_ne!(seen[0].1["x-amz-date"], seen[1].1["x-amz-date"]);
    assert_ne!(seen[0].1["authorization"], seen[1].1["authorization"]);
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not() {
    let (client, script) = client(&[Far::Breaks]);
    let lost = client.send(&get(), Tries { most: 1, ..TRIES }).await;
    assert!(matches!(lost, Err(Unanswered::NoAnswer(_))), "{:?}", lost.err());
    assert_eq!(script.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let (client, _) = client(&[Far::Answers(400), Far::Answers(404), Far::Answers(409), Far::Answers(500)]);
    for status in [400, 404, 409, 500] {
        assert_eq!(client.send(&get(), TRIES).await.unwrap().status, status);
    }
    assert_eq!(client.state(), State::Closed);
}

#[tokio::test]
async fn attempts_end_with_the_time_that_is_left() {
    let tries = Tries { most: 9, attempt: Duration::from_secs(3), whole: Duration::from_secs(4) };
    let (client, script) = client(&[Far::Hangs, Far::Hangs, Far::Hangs]);
    let began = script.clock.now();
    assert!(client.send(&get(), tries).await.is_err());
    assert!(script.clock.now().since(began) <= tries.whole, "{:?}", script.clock.now().since(began));
}

#[tokio::test]
async fn a_dead_far_end_is_left_alone_and_tried_again() {
    let tries = Tries { most: 1, ..TRIES };
    let (client, script) = client(&[Far::Answers(503), Far::Breaks, Far::Hangs, Far::Answers(200)]);
    for _ in 0..3 {
        assert!(matches!(client.send(&get(), tries).await, Err(Unanswered::NoAnswer(_))));
    }
    assert_eq!(client.send(&get(), tries).await.err(), Some(Unanswered::Open));
    assert_eq!(script.seen.lock().unwrap().len(), 3);
    script.clock.advance(Duration::from_secs(5));
    assert_eq!(client.send(&get(), tries).await.unwrap().status, 200);
    assert_eq!(client.state(), State::Closed);
}
