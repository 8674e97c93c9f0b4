//! Functions over the embedded engine, each behind its own grants, invoked with the events that API Gateway sends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws::{Clock as _, LogSink, Platform, Resource, TableSpec};
use engine::{Engine, Grant, Guard};
use lambda::{Function, event_context};
use serde_json::{Map, Value, json};
use testkit::data::{self, Data};

/// Some functions and their tables.
pub struct Stage {
    pub data: Data,
    functions: HashMap<&'static str, Served>,
    requests: AtomicU32,
}

struct Served {
    function: Function,
    running: lambda::Running,
    guard: Arc<Guard>,
}

/// A request under construction.
pub struct Request<'a> {
    stage: &'a Stage,
    name: &'a str,
    path: Map<String, Value>,
    query: Vec<(String, String)>,
    headers: Map<String, Value>,
    scope: Option<&'a str>,
    body: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u64,
    pub headers: Value,
    pub body: Value,
}

struct Quiet;

impl LogSink for Quiet {
    fn line(&self, _: &str) {}
}

/// Opens fresh tables with functions over them; `None` against DynamoDB Local, which has neither guard nor secrets.
pub async fn open(tables: &[&TableSpec], functions: Vec<Function>) -> Option<Stage> {
    let data = data::open(tables).await;
    let engine = data.engine.clone()?;
    let serve = |function: Function| (function.name, served(&data.platform, &engine, function));
    let functions = functions.into_iter().map(serve).collect();
    Some(Stage { data, functions, requests: AtomicU32::new(0) })
}

fn served(platform: &Platform, engine: &Engine, function: Function) -> Served {
    let guard = Arc::new(Guard::new(function.grants.iter().flat_map(|grant| named(platform, grant))));
    let http = engine.http_client(vec![guard.clone()]);
    let running = function.start(&platform.with_http(http).with_log(Arc::new(Quiet))).unwrap();
    Served { function, running, guard }
}

fn named(platform: &Platform, grant: &aws::Grant) -> Vec<Grant> {
    let prefix = &platform.config().prefix;
    let resource = match grant.resource {
        Resource::Table { name } => format!("{prefix}-{name}"),
        Resource::Index { table, name } => format!("{prefix}-{table}/index/{name}"),
        Resource::Secret { name } => format!("secret/{prefix}/{name}"),
        // What Lambda itself does for a queue does not go through the function.
        _ => return Vec::new(),
    };
    grant.actions.iter().map(|action| Grant::new(*action, resource.clone())).collect()
}

impl Stage {
    /// A request to a function.
    pub fn to<'a>(&'a self, name: &'a str) -> Request<'a> {
        let (path, headers) = (Map::new(), Map::new());
        Request { stage: self, name, path, query: Vec::new(), headers, scope: None, body: None }
    }

    /// Any event to a function.
    pub async fn invoke(&self, name: &str, event: &Value) -> Value {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let deadline = self.data.clock.now().after(Duration::from_secs(10));
        let context = event_context(&format!("request-{number}"), deadline);
        let answer = self.functions[name].running.invoke(event.to_string(), context).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Fails unless every function used all of its grants, and needed no other.
    pub fn assert_grants(&self) {
        for (name, served) in &self.functions {
            assert!(served.guard.denied().is_empty(), "{name} needs {:?}", served.guard.denied());
            assert!(served.guard.unused().is_empty(), "{name} never used {:?}", served.guard.unused());
        }
    }
}

impl<'a> Request<'a> {
    pub fn path(mut self, name: &str, value: &str) -> Self {
        self.path.insert(name.into(), value.into());
        self
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = Some(scope);
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("content-type", "application/json")
    }

    pub async fn send(self) -> Answer {
        let route = self.stage.functions[self.name].function.route().unwrap().clone();
        let route_key = format!("{} {}", route.method, route.path);
        let raw_query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let query: Map<String, Value> = self.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut event = json!({
            "version": "2.0", "routeKey": route_key, "rawPath": route.path, "rawQueryString": raw_query.join("&"),
            "headers": self.headers, "queryStringParameters": query, "pathParameters": self.path, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "000000000000", "apiId": "test", "domainName": "test", "domainPrefix": "test",
                "http": { "method": route.method.as_str(), "path": route.path, "protocol": "HTTP/1.1", "sourceIp": "::1", "userAgent": "test" },
                "requestId": "test", "routeKey": route_key, "stage": "$default",
                "time": "27/Nov/2026:08:00:00 +0000", "timeEpoch": 1_795_766_400_000_i64,
            },
        });
        if let Some(scope) = self.scope {
            let claims = json!({ "sub": "usr_0123456789abcdef", "scope": scope });
            event["requestContext"]["authorizer"] = json!({ "jwt": { "claims": claims, "scopes": null } });
        }
        if let Some(body) = self.body {
            event["body"] = json!(body);
        }
        let answer = self.stage.invoke(self.name, &event).await;
        let body = answer["body"].as_str().filter(|body| !body.is_empty());
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["headers"].clone(),
            body: body.map_or(Value::Null, |body| serde_json::from_str(body).unwrap()),
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Answer {
    /// The answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u64) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The problem, when it is this one.
    #[track_caller]
    pub fn problem(self, status: u64, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["code"], code, "{}", answer.body);
        answer
    }

    /// The pointers of all field errors, sorted.
    pub fn pointers(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let mut pointers: Vec<String> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
        pointers.sort_unstable();
        pointers
    }
}
