//! The shop's bucket from outside: what S3 does for whoever has a signed address. Files of any size come in as they are
//! sent, piece by piece.
//!
//! As everywhere here the engine looks at no signature; an address that has none, or whose time is over, leads nowhere.

use bytes::Bytes;
use engine::{Engine, Incoming};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use kernel::Timestamp;

/// What every such address begins with.
pub(crate) const PREFIX: &str = "/files";
/// How much of an object is read at once.
const PIECE: u64 = 16 * 1024 * 1024;

/// The object that an address is about, when it is one of these.
fn object(parts: &Parts) -> Option<&str> {
    parts.uri.path().strip_prefix(PREFIX)?.strip_prefix('/')
}

fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Whether an address is signed and its time is not over.
fn is_good(parts: &Parts, now: Timestamp) -> bool {
    let signed = parameter(parts, "X-Amz-Signature").is_some_and(|text| !text.is_empty());
    let date = parameter(parts, "X-Amz-Date").and_then(|text| {
        let part = |from: usize, to: usize| text.get(from..to);
        let day = format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?);
        Timestamp::parse(&format!("{day}T{}:{}:{}Z", part(9, 11)?, part(11, 13)?, part(13, 15)?))
    });
    let life = parameter(parts, "X-Amz-Expires").and_then(|text| text.parse().ok()).map(std::time::Duration::from_secs);
    signed && date.zip(life).is_some_and(|(date, life)| now <= date.after(life))
}

/// Begins to take a file in, when that is what a request is.
pub(crate) fn incoming(engine: &Engine, parts: &Parts, now: Timestamp) -> Option<Result<Incoming, Response<Bytes>>> {
    let object = object(parts).filter(|_| parts.method == Method::PUT)?;
    if !is_good(parts, now) {
        return Some(Err(plain(StatusCode::FORBIDDEN)));
    }
    Some(engine.incoming_object(object).map_err(|_| plain(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// Ends it.
pub(crate) fn received(engine: &Engine, incoming: Incoming) -> Response<Bytes> {
    match engine.finish_object(incoming) {
        Ok(()) => plain(StatusCode::OK),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A whole file, when that is what a request asks for.
pub(crate) async fn read(engine: &Engine, parts: &Parts, now: Timestamp) -> Option<Response<Bytes>> {
    let object = object(parts)?;
    if parts.method != Method::GET {
        return Some(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !is_good(parts, now) {
        return Some(plain(StatusCode::FORBIDDEN));
    }
    let address = format!("/{object}");
    let mut all = Vec::new();
    loop {
        let from = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let range = format!("bytes={from}-{}", from + PIECE - 1);
        let reply = engine.handle_object("GET", &address, Some(&range), Bytes::new()).await;
        match reply.status {
            206 => all.extend_from_slice(&reply.body),
            // Behind the last byte.
            416 => break,
            status => return Some(plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))),
        }
        if u64::try_from(reply.body.len()).unwrap_or(0) < PIECE {
            break;
        }
    }
    let mut response = Response::new(Bytes::from(all));
    if let Some(value) =
        parameter(parts, "response-content-disposition").and_then(|text| HeaderValue::from_str(&text).ok())
    {
        response.headers_mut().insert(http::header::CONTENT_DISPOSITION, value);
    }
    let sniff = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(sniff, HeaderValue::from_static("nosniff"));
    Some(response)
}

fn plain(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
