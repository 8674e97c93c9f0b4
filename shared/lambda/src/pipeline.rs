//! What happens around every HTTP handler, in this order: ids and deadline, body size, who calls, idempotency key,
//! preconditions, parsing, the handler itself under its deadline with panics caught, conditional answer, sparse fields,
//! compression, one log line and one metrics document.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{BoxFuture, ConfigError, Platform};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, header};
use kernel::limits::KEY_CHARS;
use kernel::problem::{FieldError, Place, code};
use kernel::{Problem, Timestamp, UserId, card};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, RequestExt as _, Response, service_fn};
use lambda_runtime::{Context, LambdaEvent, Service as _};
use serde_json::Value;

use crate::answer::{self, Answered};
use crate::call::{Caller, Cx, IfMatch, Inner};
use crate::freshness::{Freshness, ORIGIN_HEADER};
use crate::function::{Auth, BoxError, Invoke, Route};
use crate::idempotency::{Asked, Keeper};
use crate::reply::Reply;
use crate::telemetry;
use crate::token::Verifier;

/// Time kept back from the deadline, for the answer itself.
const MARGIN: Duration = Duration::from_millis(150);
/// The same where the answer is to be kept besides.
const KEEPING_MARGIN: Duration = Duration::from_millis(400);

/// The unparsed parts of a request.
pub(crate) struct Raw {
    pub path: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Raw {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Problem> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") && !kind.to_ascii_lowercase().ends_with("+json") {
            let detail = format!("send application/json, not {kind}");
            return Err(Problem::new(code::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        if self.body.is_empty() {
            return Err(Problem::new(code::MALFORMED_JSON, "the body is empty; a JSON object is expected"));
        }
        serde_json::from_slice(&self.body).map_err(|error| Problem::new(code::MALFORMED_JSON, error.to_string()))
    }
}

/// What a handler became: it reads the raw request, and gives the work that is then to be done.
pub(crate) type Endpoint = Arc<dyn Fn(Raw, Cx) -> Result<Work, Problem> + Send + Sync>;

/// A handler about to run.
pub(crate) type Work = BoxFuture<'static, Result<Reply, Problem>>;

/// What one HTTP function needs on every invocation.
struct Served {
    platform: Platform,
    route: Arc<Route>,
    endpoint: Endpoint,
    keeper: Option<Keeper>,
    verifier: Option<Verifier>,
    fields: Vec<String>,
    cold: Mutex<bool>,
}

/// Wraps an endpoint into an invocation: event JSON in, answer JSON out.
pub(crate) fn invoke(
    platform: Platform,
    route: Arc<Route>,
    endpoint: Endpoint,
    keeper: Option<Keeper>,
) -> Result<Invoke, ConfigError> {
    let config = platform.config();
    let verifier = match (&route.auth, &config.jwt_public_key) {
        (Auth::Optional, Some(pem)) => {
            let verifier = Verifier::from_pem(pem, &config.issuer);
            Some(verifier.ok_or_else(|| ConfigError::one("OXCART_JWT_PUBLIC_KEY is not an RSA public key in PEM"))?)
        }
        (Auth::Optional, None) => return Err(ConfigError::one("OXCART_JWT_PUBLIC_KEY is not set")),
        _ => None,
    };
    let fields = answer::field_names(&route.documented);
    let served = Arc::new(Served { platform, route, endpoint, keeper, verifier, fields, cold: Mutex::new(true) });
    Ok(Arc::new(move |event, context| {
        let served = served.clone();
        let work: BoxFuture<'static, Result<String, BoxError>> = Box::pin(async move {
            let request: LambdaRequest = serde_json::from_str(&event)?;
            let service = service_fn(move |request| {
                let served = served.clone();
                async move { Ok::<_, Infallible>(served.answer(request).await) }
            });
            let mut adapter = Adapter::from(service);
            let response = adapter.call(LambdaEvent::new(request, context)).await.map_err(|never| match never {})?;
            Ok::<String, BoxError>(serde_json::to_string(&response)?)
        });
        work
    }))
}

impl Served {
    async fn answer(self: Arc<Self>, request: lambda_http::Request) -> Response<Body> {
        let started = self.platform.clock().now();
        let context = request.lambda_context_ref().cloned().unwrap_or_default();
        let (cx, raw, refused) = self.open(request, &context, started);
        let work = match refused {
            Some(problem) => Err(problem),
            None => (self.endpoint)(raw, cx.clone()),
        };
        let answered = match work {
            Err(problem) => answer::answered(Err(problem), &cx, &self.route),
            Ok(work) => {
                let run: BoxFuture<'static, Answered> = Box::pin(self.clone().run(work, cx.clone()));
                match (&self.keeper, cx.asked().cloned()) {
                    (Some(keeper), Some(asked)) => keeper(asked, cx.clone(), run).await,
                    _ => run.await,
                }
            }
        };
        self.report(&cx, &context, &answered);
        answer::response(answered, &cx)
    }

    /// Takes the request apart and checks what does not depend on the handler.
    fn open(&self, request: lambda_http::Request, context: &Context, started: Timestamp) -> (Cx, Raw, Option<Problem>) {
        let path = request.path_parameters().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let query = request.query_string_parameters().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let (claims, source_ip) = (gateway_claims(&request), source_ip(&request));
        let (parts, body) = request.into_parts();
        let body = match body {
            Body::Text(text) => text.into_bytes(),
            Body::Binary(bytes) => bytes,
            _ => Vec::new(),
        };
        let mut raw = Raw { path, query, headers: parts.headers, body };
        let mut problem = None;
        let mut keep = |result: Result<(), Problem>| {
            if let Err(first) = result {
                problem.get_or_insert(first);
            }
        };
        keep(self.came_through_the_cdn(&mut raw.headers));
        let caller = take(&mut keep, self.caller(claims, &raw.headers, started));
        keep(self.size(&raw));
        let key = take(&mut keep, self.key(&raw.headers));
        let if_match = take(&mut keep, self.if_match(&raw.headers));
        let deadline = match context.deadline {
            // Where Lambda sends a point in time, cargo-lambda sends the span of ten minutes.
            0..=600_000 => started.after(Duration::from_secs(10)),
            millis => Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)),
        };
        let correlation = raw.headers.get("x-correlation-id").and_then(|value| value.to_str().ok());
        let correlation = correlation.filter(|text| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic()));
        let correlation = correlation.filter(|text| !card::found(text));
        let fingerprint = self.fingerprint(&raw);
        let asked = key.as_ref().filter(|_| self.keeper.is_some());
        let asked = asked.map(|key| self.asked(&raw, caller.as_ref(), key, &fingerprint));
        let cx = Cx::new(Inner {
            platform: self.platform.clone(),
            request_id: context.request_id.clone(),
            correlation_id: correlation.unwrap_or(&context.request_id).to_owned(),
            started,
            deadline,
            caller,
            key,
            if_match,
            fingerprint,
            asked,
            headers: raw.headers.clone(),
            source_ip,
            body: if self.route.documented.body.is_none() { raw.body.clone() } else { Vec::new() },
            fields: raw.query.iter().find(|(name, _)| name == "fields").map(|(_, value)| value.clone()),
            parameters: !raw.query.is_empty(),
            notes: Mutex::default(),
        });
        (cx, raw, problem)
    }

    /// The CDN makes itself known by a secret, of which functions know the digest. What tells others how to verify tokens is
    /// read past the CDN too: API Gateway does.
    fn came_through_the_cdn(&self, headers: &mut HeaderMap) -> Result<(), Problem> {
        let said = headers.remove(ORIGIN_HEADER);
        let digests = &self.platform.config().origin_digests;
        if digests.is_empty() || self.route.cache == Freshness::Keys {
            return Ok(());
        }
        // Digests are compared, so how long it takes tells nothing of the secret.
        let digest = said.map(|value| kernel::id::sha256(value.as_bytes()));
        match digest {
            Some(digest) if digests.contains(&digest) => Ok(()),
            _ => Err(Problem::new(code::PAST_THE_CDN, "ask at the address of the shop, not of what stands behind it")),
        }
    }

    fn size(&self, raw: &Raw) -> Result<(), Problem> {
        let limit = self.route.body_bytes;
        if raw.body.len() <= limit {
            return Ok(());
        }
        let detail = format!("the body has {} bytes; at most {limit} are allowed", raw.body.len());
        Err(Problem::new(code::BODY_TOO_LARGE, detail).with("limit", limit))
    }

    fn caller(&self, claims: Option<Claimed>, headers: &HeaderMap, now: Timestamp) -> Result<Option<Caller>, Problem> {
        match self.route.auth {
            Auth::Anyone => Ok(None),
            Auth::Optional => {
                let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
                let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
                let caller = token.zip(self.verifier.as_ref()).and_then(|(token, verifier)| {
                    verifier.verify(token.trim(), now).ok().and_then(|claims| claims.caller())
                });
                caller.map(Some).ok_or_else(|| Problem::new(code::UNAUTHENTICATED, "the access token is not valid"))
            }
            Auth::Scopes(scopes) => {
                let caller = claims.and_then(Claimed::caller);
                let caller = caller.ok_or_else(|| Problem::new(code::UNAUTHENTICATED, "send an access token"))?;
                if !caller.has(scopes) {
                    let detail = format!("this takes one of the scopes {}", scopes.join(", "));
                    return Err(Problem::new(code::FORBIDDEN, detail));
                }
                Ok(Some(caller))
            }
        }
    }

    fn key(&self, headers: &HeaderMap) -> Result<Option<String>, Problem> {
        if !self.route.idempotency.is_honoured() {
            return Ok(None);
        }
        let wrong = |detail: &str| {
            let error = FieldError { place: Place::Header, pointer: "/Idempotency-Key".into(), detail: detail.into() };
            Err(Problem::invalid(vec![error]))
        };
        let Some(value) = headers.get("idempotency-key") else {
            if self.route.idempotency.is_required() {
                let detail =
                    "send an Idempotency-Key header with a fresh random value, and the same one on every retry";
                return Err(Problem::new(code::KEY_MISSING, detail));
            }
            return Ok(None);
        };
        // The draft makes it a structured string, in quotes; most clients send it bare. Both mean the same key.
        let text = value.to_str().unwrap_or_default().trim();
        let text = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text);
        if text.is_empty() || text.len() > KEY_CHARS || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return wrong("must be 1 to 255 printable ASCII characters");
        }
        Ok(Some(text.to_owned()))
    }

    fn if_match(&self, headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
        let Some(value) = headers.get(header::IF_MATCH) else {
            if self.route.if_match_required {
                let detail = "send If-Match with the ETag that you read";
                return Err(Problem::new(code::IF_MATCH_REQUIRED, detail));
            }
            return Ok(None);
        };
        match value.to_str().map(str::trim) {
            Ok("*") => Ok(Some(IfMatch::Any)),
            // A tag that is not one of ours matches nothing: version 0 never stands.
            Ok(tag) => Ok(Some(IfMatch::Version(answer::version_of(tag).unwrap_or(0)))),
            Err(_) => Ok(Some(IfMatch::Version(0))),
        }
    }

    fn fingerprint(&self, raw: &Raw) -> String {
        let body = serde_json::from_slice::<Value>(&raw.body).map(|body| body.to_string().into_bytes());
        let body = body.unwrap_or_else(|_| raw.body.clone());
        let path: Vec<&str> = raw.path.iter().map(|(_, value)| value.as_str()).collect();
        kernel::id::fingerprint(&[self.route.path.as_bytes(), path.join("/").as_bytes(), &body])
    }

    /// What a key is known by. It belongs to the account that sent it. Guests have none: theirs belongs to the path, which
    /// names what they act on (a cart, an order) by an id that others do not know.
    fn asked(&self, raw: &Raw, caller: Option<&Caller>, key: &str, fingerprint: &str) -> Asked {
        let path: Vec<&str> = raw.path.iter().map(|(_, value)| value.as_str()).collect();
        let scope = caller.map_or_else(|| format!("guest/{}", path.join("/")), |caller| caller.id.to_string());
        let function = self.platform.config().function.as_bytes();
        let query: Vec<String> = raw.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let if_match = raw.headers.get(header::IF_MATCH).map(|value| value.as_bytes()).unwrap_or_default();
        Asked {
            id: kernel::id::fingerprint(&[function, scope.as_bytes(), key.as_bytes()]),
            fingerprint: kernel::id::fingerprint(&[fingerprint.as_bytes(), query.join("&").as_bytes(), if_match]),
        }
    }

    async fn run(self: Arc<Self>, work: Work, cx: Cx) -> Answered {
        let margin = if cx.asked().is_some() { KEEPING_MARGIN } else { MARGIN };
        let work = AssertUnwindSafe(work).catch_unwind();
        let result = match cx.within(cx.remaining().saturating_sub(margin), work).await {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(Problem::internal(format!("panic: {}", telemetry::panic_text(panic.as_ref())))),
            None => Err(Problem::new(code::TIMED_OUT, "what was begun is finished or undone by itself; ask again")
                .retry_after(1)),
        };
        let read = self.route.method == Method::GET;
        let result = result.and_then(|reply| answer::shaped(reply, &cx, &self.fields, read));
        answer::answered(result, &cx, &self.route)
    }

    fn report(&self, cx: &Cx, context: &Context, answered: &Answered) {
        let cold = std::mem::take(&mut *self.cold.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let route = format!("{} {}", self.route.method, self.route.path);
        telemetry::report(cx, context, &route, cold, &answered.outcome());
    }
}

fn take<T>(keep: &mut impl FnMut(Result<(), Problem>), result: Result<Option<T>, Problem>) -> Option<T> {
    match result {
        Ok(value) => value,
        Err(problem) => {
            keep(Err(problem));
            None
        }
    }
}

/// What API Gateway's JWT authorizer verified.
struct Claimed {
    subject: String,
    scopes: Vec<String>,
    session: Option<String>,
}

impl Claimed {
    fn caller(self) -> Option<Caller> {
        Some(Caller { id: UserId::parse(&self.subject)?, scopes: self.scopes, session: self.session })
    }
}

fn source_ip(request: &lambda_http::Request) -> Option<String> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { return None };
    context.http.source_ip.clone()
}

fn gateway_claims(request: &lambda_http::Request) -> Option<Claimed> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { return None };
    let jwt = context.authorizer.as_ref()?.jwt.as_ref()?;
    let scope = jwt.claims.get("scope").cloned().unwrap_or_default();
    let scopes = scope.split_ascii_whitespace().map(str::to_owned).collect();
    Some(Claimed { subject: jwt.claims.get("sub")?.clone(), scopes, session: jwt.claims.get("sid").cloned() })
}
