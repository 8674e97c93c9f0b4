//! A small HTTP/1.1 client: keep-alive, JSON, a time-out on every call, nothing clever.
//!
//! The base URL may carry a path (an emulator's `/_aws/execute-api/<id>/$default`). Certificates of `https` hosts are
//! checked against the system's roots. It never follows a redirect, never repeats a request, and asks for compression
//! only when told to, so that what a case sees is what the shop sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::clock::Watch;
use crate::{Outcome, Stop};

/// What may stand bare in a path segment or a query value (RFC 3986 §2.3); everything else is percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How long one call may take: above the gateway's own limit of 30 seconds.
const CALL_LIMIT: Duration = Duration::from_secs(40);
/// An idle connection is dropped early: servers drop theirs after a few seconds, and must not do it under a request.
const IDLE_LIMIT: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// So much of a body stands in a failure's message.
const SHOWN: usize = 2_000;

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The address is not one.
    BadUrl(String),
    /// Nobody listens there: the request was certainly not carried out.
    Unreachable(String),
    /// The connection broke: nobody knows whether the request was carried out.
    Lost(String),
    /// No answer in time: nobody knows whether the request was carried out.
    TimedOut,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl(why) => write!(f, "not a usable address: {why}"),
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
            Self::Lost(why) => write!(f, "the connection was lost: {why}"),
            Self::TimedOut => write!(f, "no answer within {} seconds", CALL_LIMIT.as_secs()),
        }
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for Stop {
    fn from(error: HttpError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[derive(Clone)]
enum Pool {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Tls(HttpsConnector<HttpConnector>, legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A client of one shop. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    pool: Pool,
    /// The secret of the CDN, sent with every request.
    secret: Option<HeaderValue>,
}

/// The header by which the CDN makes itself known.
const ORIGIN: HeaderName = HeaderName::from_static("x-oxcart-origin");

fn builder() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LIMIT);
    builder
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    connector
}

fn tls() -> Result<HttpsConnector<HttpConnector>, HttpError> {
    let mut connector = plain();
    connector.enforce_http(false);
    let roots = HttpsConnectorBuilder::new().with_provider_and_native_roots(rustls::crypto::ring::default_provider());
    let roots = roots.map_err(|error| HttpError::BadUrl(format!("no certificate roots on this system: {error}")))?;
    Ok(roots.https_only().enable_http1().wrap_connector(connector))
}

/// The base without its last slash; it must have a scheme and a host, and no query.
fn read_base(text: &str) -> Result<(String, bool), HttpError> {
    let bad = |why: &str| HttpError::BadUrl(format!("{text}: {why}"));
    let uri: Uri = text.trim().parse().map_err(|_| bad("not a URL"))?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(bad("must start with http:// or https://")),
    };
    if uri.query().is_some() {
        return Err(bad("must not have a query"));
    }
    Ok((text.trim().trim_end_matches('/').to_owned(), secure))
}

/// A path segment or a query value, percent-encoded.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl Client {
    /// A client of the shop at a base URL.
    pub fn new(base_url: &str) -> Result<Self, HttpError> {
        let (base, secure) = read_base(base_url)?;
        let pool = if secure {
            let connector = tls()?;
            Pool::Tls(connector.clone(), builder().build(connector))
        } else {
            Pool::Plain(builder().build(plain()))
        };
        Ok(Self { base, pool, secret: None })
    }

    /// The same, standing behind the CDN that has this secret; empty is nowhere in particular.
    pub fn behind(self, secret: &str) -> Result<Self, HttpError> {
        let value = HeaderValue::from_str(secret).map_err(|_| HttpError::BadUrl("not a secret of a CDN".into()))?;
        Ok(Self { secret: Some(value).filter(|value| !value.is_empty()), ..self })
    }

    /// Puts a body of any size at an address, as it comes; gives the status. Each piece may take its time.
    pub async fn upload(
        url: &str,
        length: u64,
        pieces: impl Iterator<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<u16, HttpError> {
        let frames = futures_util::stream::iter(pieces.map(|piece| piece.map(Frame::data)));
        let body = StreamBody::new(frames);
        let request = http::Request::put(url).header(header::CONTENT_LENGTH, length).body(body);
        let request = request.map_err(|error| HttpError::BadUrl(format!("{url}: {error}")))?;
        let response = if url.starts_with("https://") {
            builder().build(tls()?).request(request).await
        } else {
            builder().build(plain()).request(request).await
        };
        let response = response.map_err(|error| HttpError::Lost(chain(&error)))?;
        Ok(response.status().as_u16())
    }

    /// A client of the same shop with connections of its own.
    #[must_use]
    pub fn apart(&self) -> Self {
        let pool = match &self.pool {
            Pool::Plain(_) => Pool::Plain(builder().build(plain())),
            Pool::Tls(connector, _) => Pool::Tls(connector.clone(), builder().build(connector.clone())),
        };
        Self { base: self.base.clone(), pool, secret: self.secret.clone() }
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request; the path starts with a slash and may carry a query, both encoded already.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        Request { client: self, method, path: path.into(), headers: HeaderMap::new(), body: Bytes::new(), wrong: None }
    }

    /// A GET.
    pub fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// A PUT.
    pub fn put(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// A PATCH.
    pub fn patch(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    /// A DELETE.
    pub fn delete(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::DELETE, path)
    }
}

/// A request on its way out.
#[must_use]
pub struct Request<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    wrong: Option<String>,
}

impl Request<'_> {
    /// With a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => self.wrong = Some(format!("header {name} cannot carry {value:?}")),
        }
        self
    }

    /// With an access token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With an `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// With a body of any type.
    pub fn raw(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Result<Answer, HttpError> {
        if let Some(wrong) = self.wrong {
            return Err(HttpError::BadUrl(wrong));
        }
        let asked = format!("{} {}", self.method, self.path);
        let uri = format!("{}{}", self.client.base, self.path);
        let mut request = http::Request::builder().method(self.method).uri(&uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers);
            headers.extend(self.client.secret.clone().map(|secret| (ORIGIN, secret)));
        }
        let request =
            request.body(Full::new(self.body)).map_err(|error| HttpError::BadUrl(format!("{uri}: {error}")))?;
        let watch = Watch::start();
        let work = exchange(&self.client.pool, request);
        let (status, headers, bytes) =
            tokio::time::timeout(CALL_LIMIT, work).await.map_err(|_| HttpError::TimedOut)??;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { asked, status, headers, bytes, body, took: watch.elapsed() })
    }
}

async fn exchange(pool: &Pool, request: http::Request<Full<Bytes>>) -> Result<(u16, HeaderMap, Bytes), HttpError> {
    let response = match pool {
        Pool::Plain(client) => client.request(request).await,
        Pool::Tls(_, client) => client.request(request).await,
    };
    let response = response.map_err(|error| {
        if error.is_connect() { HttpError::Unreachable(chain(&error)) } else { HttpError::Lost(chain(&error)) }
    })?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| HttpError::Lost(chain(&error)))?.to_bytes();
    Ok((parts.status.as_u16(), parts.headers, bytes))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Method and path of the request.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Bytes,
    /// The body as JSON; null when it is not JSON.
    pub body: Value,
    /// From sending to the last byte.
    pub took: Duration,
}

impl Answer {
    /// A failure that shows the whole exchange.
    #[must_use]
    pub fn wrong(&self, what: impl fmt::Display) -> Stop {
        let text = String::from_utf8_lossy(&self.bytes);
        let shown: String = text.chars().take(SHOWN).collect();
        let id = self.header("x-request-id").unwrap_or("-");
        Stop::Failed(format!("{}: {what}; answered {} {shown} [request {id}]", self.asked, self.status))
    }

    /// The answer, when it has this status.
    pub fn expect(self, status: u16) -> Outcome<Self> {
        self.expect_any(&[status])
    }

    /// The answer, when it has one of these statuses.
    pub fn expect_any(self, allowed: &[u16]) -> Outcome<Self> {
        if allowed.contains(&self.status) {
            return Ok(self);
        }
        let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Err(self.wrong(format!("expected {}", names.join(" or "))))
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value that a JSON pointer names.
    pub fn at(&self, pointer: &str) -> Outcome<&Value> {
        self.body.pointer(pointer).ok_or_else(|| self.wrong(format!("{pointer} is missing")))
    }

    /// The text that a JSON pointer names.
    pub fn text(&self, pointer: &str) -> Outcome<&str> {
        self.at(pointer)?.as_str().ok_or_else(|| self.wrong(format!("{pointer} is not a text")))
    }

    /// The integer that a JSON pointer names.
    pub fn integer(&self, pointer: &str) -> Outcome<i64> {
        self.at(pointer)?.as_i64().ok_or_else(|| self.wrong(format!("{pointer} is not an integer")))
    }

    /// The list that a JSON pointer names.
    pub fn list(&self, pointer: &str) -> Outcome<&[Value]> {
        let list = self.at(pointer)?.as_array().ok_or_else(|| self.wrong(format!("{pointer} is not a list")))?;
        Ok(list)
    }

    /// The `code` of a problem; empty when the body is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// `Retry-After`, when it names seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_keeps_its_path_and_loses_its_last_slash() {
        let emulator = "http://127.0.0.1:4566/_aws/execute-api/abc123/$default";
        assert_eq!(read_base(emulator).unwrap(), (emulator.to_owned(), false));
        assert_eq!(read_base("https://shop.example.com/").unwrap(), ("https://shop.example.com".to_owned(), true));
        assert_eq!(read_base(" http://localhost:8080 ").unwrap().0, "http://localhost:8080");
        for bad in ["", "localhost:8080", "ftp://example.com", "/v1", "http://example.com/?a=b"] {
            assert!(matches!(read_base(bad), Err(HttpError::BadUrl(_))), "{bad}");
        }
        let client = Client::new(&format!("{emulator}/")).unwrap();
        assert_eq!(format!("{}{}", client.base(), "/v1/products"), format!("{emulator}/v1/products"));
    }

    #[test]
    fn values_are_encoded_and_unreserved_ones_stay() {
        assert_eq!(encoded("a/b c&d=é"), "a%2Fb%20c%26d%3D%C3%A9");
        assert_eq!(encoded("SKU-1_a.b~"), "SKU-1_a.b~");
    }

    /// A server that reads one request and answers with these bytes, then closes.
    async fn serve_once(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/stage/$default", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            socket.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (base, server)
    }

    #[tokio::test]
    async fn a_request_goes_under_the_base_with_its_headers_and_comes_back_whole() {
        let answer = b"HTTP/1.1 409 Conflict\r\nretry-after: 3\r\ncontent-length: 20\r\n\r\n{\"code\": \"all-held\"}";
        let (base, server) = serve_once(answer).await;
        let client = Client::new(&base).unwrap();
        let answer = client
            .put("/v1/carts/c?x=1")
            .key("k")
            .bearer("t")
            .json(&serde_json::json!({ "a": 1 }))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.code(), answer.retry_after()),
            (409, "all-held", Some(Duration::from_secs(3)))
        );
        assert!(
            answer.wrong("no").to_string().contains("PUT /v1/carts/c?x=1: no; answered 409 {\"code\": \"all-held\"}")
        );
        let request = server.await.unwrap().to_ascii_lowercase();
        assert!(request.starts_with("put /stage/$default/v1/carts/c?x=1 http/1.1\r\n"), "{request}");
        for part in ["idempotency-key: k", "authorization: bearer t", "content-type: application/json", "{\"a\":1}"] {
            assert!(request.contains(part), "{part} in {request}");
        }
        assert!(!request.contains("accept-encoding"), "{request}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_under_a_request_is_lost_and_not_repeated() {
        for cut in [&b""[..], b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"id\":"] {
            let (base, server) = serve_once(cut).await;
            let error = Client::new(&base).unwrap().post("/v1/checkout").send().await.unwrap_err();
            assert!(matches!(error, HttpError::Lost(_)), "{error:?}");
            server.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_unreachable() {
        let client = Client::new("http://127.0.0.1:9").unwrap();
        let error = client.get("/v1/products").send().await.unwrap_err();
        assert!(matches!(error, HttpError::Unreachable(_)), "{error:?}");
        let error = client.get("/").header("x-test", "line\nbreak").send().await.unwrap_err();
        assert!(matches!(error, HttpError::BadUrl(_)), "{error:?}");
    }
}
