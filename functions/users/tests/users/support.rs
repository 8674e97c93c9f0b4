//! The service over fresh tables: every function behind its own guard, and a place to lose answers at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{Capability as _, Clock as _, Limit, Platform, Resource, SignInLimits, SigningSecret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::{BoxFuture, Call, ConnectorFailure, Guard, Layer, Next, Reply};
use lambda::{Function, Running, event_context};
use serde_json::{Value, json};
use testkit::data::{self, Data};
use users::Account;
use users::mailed::Purpose;
use users::table::FindAccount;

/// Loses the answer of the next call of an operation: the call takes effect, and the SDK, not knowing, repeats it.
#[derive(Default)]
pub struct Faults {
    seen: Mutex<Vec<String>>,
    lost: Mutex<Option<&'static str>>,
    refused: Mutex<Option<&'static str>>,
}

impl Faults {
    pub fn lose_answer_of(&self, operation: &'static str) {
        *self.lost.lock().unwrap() = Some(operation);
    }

    /// The operations that were called since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Every call of an operation fails until this is called with `None`.
    pub fn refuse(&self, operation: Option<&'static str>) {
        *self.refused.lock().unwrap() = operation;
    }
}

impl Layer for Faults {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        if self.refused.lock().unwrap().is_some_and(|operation| operation == call.operation) {
            return Box::pin(async { Err(ConnectorFailure::NotSent("refused by the test".into())) });
        }
        self.seen.lock().unwrap().push(call.operation.to_string());
        let lose = self.lost.lock().unwrap().take_if(|operation| **operation == *call.operation).is_some();
        Box::pin(async move {
            let reply = next.run(call).await?;
            if lose { Err(ConnectorFailure::Timeout("lost by the test".into())) } else { Ok(reply) }
        })
    }
}

pub struct Users {
    pub data: Data,
    pub platform: Platform,
    pub faults: Arc<Faults>,
    /// Where calls come from.
    pub address: Mutex<&'static str>,
    functions: HashMap<&'static str, (Function, Running, Arc<Guard>)>,
}

/// `None` when the tests run against DynamoDB Local: there is no KMS beside it.
pub async fn users() -> Option<Users> {
    let data = data::open(&[&users::table::USERS, &users::guard::TABLE, &lambda::ANSWERS]).await;
    let engine = data.engine.clone()?;
    let faults = Arc::new(Faults::default());
    let mut functions = HashMap::new();
    let mut config = data.platform.config().clone();
    let limit = |most| Limit { most, window: Duration::from_secs(900) };
    config.sign_ins = SignInLimits { here: limit(HERE), account: limit(ACCOUNT), network: limit(NETWORK) };
    for function in users::functions() {
        let guard = Arc::new(Guard::new(grants(&function, &data.platform.config().prefix)));
        let layers: Vec<Arc<dyn Layer>> = vec![guard.clone(), faults.clone()];
        let own = Platform::over(config.clone(), engine.http_client(layers)).with_clock(data.clock.clone());
        let running = function.start(&own).unwrap();
        functions.insert(function.name, (function, running, guard));
    }
    Some(Users { platform: data.platform.clone(), data, faults, address: Mutex::new("192.0.2.1"), functions })
}

fn grants(function: &Function, prefix: &str) -> Vec<engine::Grant> {
    let named = |grant: &aws::Grant| {
        let resource = match grant.resource {
            Resource::Table { name } => format!("{prefix}-{name}"),
            Resource::Key { name } => format!("key/{prefix}-{name}"),
            Resource::Secret { name } => format!("secret/{prefix}/{name}"),
            ref other => panic!("the tests do not know {other:?}"),
        };
        grant.actions.iter().map(move |action| engine::Grant::new(*action, resource.clone())).collect::<Vec<_>>()
    };
    function.grants.iter().flat_map(named).collect()
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Value,
    pub body: Value,
}

impl Answer {
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
    }

    /// The status and the code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        (self.status, self.text("/code"))
    }

    /// The pointers of a problem's errors.
    pub fn pointers(&self) -> Vec<&str> {
        self.body["errors"].as_array().into_iter().flatten().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}

impl Users {
    pub async fn call(&self, name: &str, headers: Value, body: Option<Value>) -> Answer {
        self.send(name, headers, body, None, &[]).await
    }

    /// A call with the claims of an access token, as API Gateway passes them on, and with parameters in its path.
    pub async fn send(
        &self,
        name: &str,
        headers: Value,
        body: Option<Value>,
        access: Option<&str>,
        path: &[(&str, &str)],
    ) -> Answer {
        let (function, running, _) = &self.functions[name];
        let route = function.route().unwrap();
        let now = self.data.clock.now();
        let key = format!("{} {}", route.method, route.path);
        let mut all = json!({ "host": "shop.example", "content-type": "application/json" });
        all.as_object_mut().unwrap().extend(headers.as_object().unwrap().clone());
        let event = json!({
            "version": "2.0",
            "routeKey": key,
            "rawPath": route.path,
            "rawQueryString": "",
            "headers": all,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "domainName": "shop.example",
                "domainPrefix": "shop",
                "http": {
                    "method": route.method.as_str(),
                    "path": route.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": *self.address.lock().unwrap(),
                    "userAgent": "test",
                },
                "requestId": "request-1",
                "routeKey": key,
                "stage": "$default",
                "time": "27/Nov/2026:08:00:00 +0000",
                "timeEpoch": now.millis(),
            },
            "body": body.map(|body| body.to_string()),
            "isBase64Encoded": false,
        });
        let mut event = event;
        if let Some(access) = access {
            let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let claims: HashMap<String, String> =
                claims.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
            event["requestContext"]["authorizer"] = json!({ "jwt": { "claims": claims, "scopes": [] } });
        }
        if !path.is_empty() {
            event["pathParameters"] = path.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        }
        let context = event_context("request-1", now.after(Duration::from_secs(10)));
        let answer: Value = serde_json::from_str(&running.invoke(event.to_string(), context).await.unwrap()).unwrap();
        let body = answer["body"].as_str().unwrap_or_default();
        Answer {
            status: u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap(),
            headers: answer["headers"].clone(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    pub async fn post(&self, name: &str, body: Value) -> Answer {
        self.call(name, json!({}), Some(body)).await
    }

    pub async fn get(&self, name: &str) -> Answer {
        self.call(name, json!({}), None).await
    }

    pub async fn register(&self, email: &str) -> Answer {
        self.post("register", json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace" })).await
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("issue-token", json!({ "grant_type": "password", "email": email, "password": password })).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("issue-token", json!({ "grant_type": "refresh_token", "refresh_token": token })).await
    }

    /// A call of somebody who signed in.
    pub async fn call_as(&self, access: &str, name: &str, body: Value) -> Answer {
        self.send(name, json!({}), Some(body).filter(|body| !body.is_null()), Some(access), &[]).await
    }

    /// The account with an address, as it is stored.
    pub async fn account(&self, email: &str) -> Account {
        let find = FindAccount::connect(&self.platform).unwrap();
        find.by_email(&kernel::Email::parse(email).unwrap()).await.unwrap().unwrap()
    }

    /// The token that a mail about an account would carry.
    pub async fn mailed(&self, account: &Account, purpose: Purpose) -> String {
        let secret = SigningSecret::connect(&self.platform).unwrap();
        let ticket = match purpose {
            Purpose::PasswordReset => account.reset.as_ref(),
            Purpose::EmailChange => account.email_change.as_ref().map(|change| &change.ticket),
        };
        purpose.token(secret.key().await.unwrap(), &account.id, ticket.unwrap())
    }

    /// No function asked for what it was not granted.
    pub fn assert_granted(&self) {
        for (name, (_, _, guard)) in &self.functions {
            assert!(guard.denied().is_empty(), "{name} lacks {:?}", guard.denied());
        }
    }

    /// Grants that no call needed, by function.
    pub fn unused(&self) -> Vec<(&str, engine::Grant)> {
        let of = |(name, (_, _, guard)): (&&'static str, &(Function, Running, Arc<Guard>))| {
            guard.unused().into_iter().map(|grant| (*name, grant)).collect::<Vec<_>>()
        };
        self.functions.iter().flat_map(of).collect()
    }
}

/// How many sign-ins may fail here: hashing takes its time.
pub const HERE: u32 = 3;
pub const ACCOUNT: u32 = 9;
pub const NETWORK: u32 = 8;

pub const PASSWORD: &str = "plum-tractor-9";
