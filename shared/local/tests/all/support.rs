//! A small shop: a few functions that show what reached them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::keys::{PublicKey, Signer};
use aws::table::s;
use aws::{Capability as _, ManualClock, Message, QueueSpec, TableSpec};
use bytes::Bytes;
use http::{Method, Request, Response};
use kernel::{Problem, Timestamp, UserId};
use lambda::token::{AUDIENCE, Claims};
use lambda::{
    Auth, Call, Change, Consumer, Cx, Delivery, Fault, Function, Http, Idempotency, Nothing, Reply, StreamFailure,
};
use local::{Options, Registry, Shop};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const ISSUER: &str = "http://shop.test";
pub static THINGS: TableSpec =
    TableSpec { name: "things", partition_key: "pk", sort_key: None, indexes: &[], ttl: Some("expires"), stream: true };
pub static OTHERS: TableSpec = TableSpec { name: "others", ..THINGS };
pub static JOBS: QueueSpec =
    QueueSpec { name: "jobs", fifo: false, visibility_s: 30, max_receives: 3, max_age_alarm_s: 60 };
pub static LANES: QueueSpec = QueueSpec { name: "lanes", fifo: true, ..JOBS };

aws::capability!(
    /// Writes things.
    PutThing on THINGS: ["dynamodb:PutItem"]
);
aws::capability!(
    /// Says that it reads things, and has no grant to write them.
    ReadThing on THINGS: ["dynamodb:GetItem"]
);

impl PutThing {
    async fn put(&self, id: &str) -> Result<(), aws::DataError> {
        self.table.client().put_item().table_name(self.table.name()).set_item(Some(self.table.key(id))).send().await?;
        Ok(())
    }
}

impl ReadThing {
    async fn put_all_the_same(&self) -> Result<(), aws::DataError> {
        self.table.client().put_item().table_name(self.table.name()).item("pk", s("x")).send().await?;
        Ok(())
    }
}

#[derive(Deserialize, JsonSchema)]
struct ThingPath {
    id: String,
}

#[derive(Deserialize, JsonSchema)]
struct Tags {
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Body {
    text: String,
}

async fn echo(call: Call<ThingPath, Tags, Nothing>, (): ()) -> Result<Reply, Problem> {
    let caller = call.cx.caller().map(|caller| caller.id.to_string());
    Ok(Reply::ok(
        &json!({ "id": call.path.id, "tags": call.query.tag, "x": call.cx.header("x-one"), "caller": caller }),
    ))
}

async fn say(call: Call<Nothing, Nothing, Body>, put: PutThing) -> Result<Reply, Problem> {
    put.put(&call.body.text).await?;
    Ok(Reply::created(&call.body, "/v1/things/1"))
}

async fn sneak(_: Call, read: ReadThing) -> Result<Reply, Problem> {
    read.put_all_the_same().await?;
    Ok(Reply::empty())
}

async fn stall(call: Call, (): ()) -> Result<Reply, Problem> {
    call.cx.sleep(Duration::from_secs(3600)).await;
    Ok(Reply::empty())
}

/// What the consumers of one shop saw, and what they are told to do; found by a note in the shop's clock's start.
#[derive(Default)]
pub struct Seen {
    pub batches: Vec<Vec<String>>,
    pub messages: Vec<(String, u32)>,
    pub fail_at: Option<String>,
}

static SEEN: Mutex<Option<HashMap<i64, Arc<Mutex<Seen>>>>> = Mutex::new(None);

/// The notes of the shop whose clock started at a moment. Each test takes a day of its own.
pub fn seen(day: i64) -> Arc<Mutex<Seen>> {
    SEEN.lock().unwrap().get_or_insert_default().entry(day).or_default().clone()
}

fn seen_by(cx: &Cx) -> Arc<Mutex<Seen>> {
    seen(cx.now().millis() / 86_400_000)
}

#[derive(Deserialize)]
struct Thing {
    pk: String,
}

async fn watch(changes: Vec<Change>, cx: Cx, (): ()) -> Result<(), StreamFailure> {
    let ids: Vec<String> = changes.iter().filter_map(|change| change.after::<Thing>()).map(|thing| thing.pk).collect();
    let seen = seen_by(&cx);
    let mut seen = seen.lock().unwrap();
    let at = seen.fail_at.as_ref().and_then(|bad| ids.iter().position(|id| id == bad));
    seen.batches.push(ids[..at.unwrap_or(ids.len())].to_vec());
    assert!(seen.fail_at.as_deref() != Some("panic"), "as it was told");
    match at {
        None => Ok(()),
        Some(at) => Err(StreamFailure { at, reason: "told so".into() }),
    }
}

async fn work(delivery: Delivery<Body>, (): ()) -> Result<(), Fault> {
    let text = delivery.event.data.text;
    seen_by(&delivery.cx).lock().unwrap().messages.push((text.clone(), delivery.receives));
    match text.split(' ').next() {
        Some("retry") => Err(Fault::Retry(Duration::from_secs(5), "told so".into())),
        Some("fail") => Err(Fault::Retry(Duration::from_secs(60), "told so".into())),
        Some("poison") => Err(Fault::Poison("told so".into())),
        _ => Ok(()),
    }
}

pub fn registry() -> Registry {
    let functions: Vec<Function> = vec![
        Http::get("echo", "/v1/things/{id}").handle(echo),
        Http::get("echo-staff", "/v1/admin/things/{id}").auth(Auth::Scopes(&["staff:things"])).handle(echo),
        Http::post("say", "/v1/things").idempotency(Idempotency::Inherent).reply::<Body>(201, "said").handle(say),
        Http::get("sneak", "/v1/sneak").handle(sneak),
        Http::get("stall", "/v1/stall").handle(stall).timeout(1),
        Consumer::new("watch-things").batch(3).stream(&THINGS, watch),
        Consumer::new("watch-others").batch(10).stream(&OTHERS, watch),
        Consumer::new("work-jobs").queue(&JOBS, work),
        Consumer::new("work-lanes").queue(&LANES, work),
    ];
    Registry { functions, tables: vec![THINGS, OTHERS], queues: vec![JOBS, LANES] }
}

/// A shop in memory whose clock stands at the start of a day.
pub async fn shop(day: i64) -> (Shop, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(day * 86_400_000)));
    let options = Options { clock: clock.clone(), base_url: ISSUER.into(), ..Options::memory() };
    (Shop::open(options, registry()).await.unwrap(), clock)
}

pub async fn get(shop: &Shop, path: &str, headers: &[(&str, &str)]) -> (u16, Value, Response<Bytes>) {
    send(shop, Method::GET, path, headers, Bytes::new()).await
}

pub async fn send(
    shop: &Shop,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> (u16, Value, Response<Bytes>) {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "shop.test");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = shop.request(request.body(body.into()).unwrap()).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default(), response)
}

/// A token that the shop's own key signed.
pub async fn token(shop: &Shop, change: impl FnOnce(&mut Claims)) -> String {
    let now = shop.platform().clock().now().seconds();
    let mut claims = Claims {
        iss: ISSUER.into(),
        sub: UserId::new([1; 16]).to_string(),
        aud: AUDIENCE.into(),
        iat: now,
        exp: now + 900,
        scope: "customer staff:things".into(),
        jti: "1".into(),
        sid: String::new(),
    };
    change(&mut claims);
    let key = PublicKey::connect(shop.platform()).unwrap();
    let input = lambda::token::signing_input(&lambda::token::key_id(key.der().await.unwrap()), &claims);
    let signature = Signer::connect(shop.platform()).unwrap().sign(input.as_bytes()).await.unwrap();
    lambda::token::assemble(&input, &signature)
}

pub async fn put(shop: &Shop, table: &TableSpec, ids: &[&str]) {
    let table = shop.platform().table(table);
    for id in ids {
        table.client().put_item().table_name(table.name()).set_item(Some(table.key(*id))).send().await.unwrap();
    }
}

pub async fn post(shop: &Shop, queue: &QueueSpec, group: Option<&str>, texts: &[&str]) {
    let messages: Vec<Message> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let id = kernel::EventId::derive(&[text.as_bytes()]);
            let body = json!({ "id": id, "type": "t.v1", "time": Timestamp::from_millis(0), "data": { "text": text } });
            Message {
                body: body.to_string(),
                delay: if text.starts_with("later") { Duration::from_secs(60) } else { Duration::ZERO },
                group: group.map(str::to_owned),
                id: format!("{index}-{text}").replace(' ', "-"),
            }
        })
        .collect();
    shop.platform().queue(queue).send(&messages).await.unwrap();
}
