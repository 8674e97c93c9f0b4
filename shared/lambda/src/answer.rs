//! From a reply or a problem to HTTP: sparse fields, `ETag` and 304, compression, headers.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use kernel::Code;
use kernel::problem::{Internal, Problem};
use lambda_http::Body;
use serde_json::{Map, Value};

use crate::call::Cx;
use crate::freshness::Freshness;
use crate::function::{Documented, Route};
use crate::reply::Reply;
use crate::telemetry::Outcome;

/// An answer but for what belongs to the one request: ids, compression.
pub(crate) struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Option<String>,
    /// The kind of problem, when it is one.
    pub refused: Option<&'static Code>,
    /// What only the log may read.
    pub internal: Option<Internal>,
}

impl Answered {
    pub fn outcome(&self) -> Outcome {
        Outcome {
            status: self.status.as_u16(),
            code: self.refused.map(|code| code.name),
            internal: self.internal.as_ref().map(|internal| internal.for_log().to_owned()),
        }
    }
}

/// A body smaller than this is not worth compressing.
const COMPRESS_BYTES: usize = 1024;

/// The names that `?fields=` may ask for: those of the first documented answer, or of its items when it is a page.
pub(crate) fn field_names(documented: &Documented) -> Vec<String> {
    let Some(schema) = documented.replies.iter().find_map(|(_, _, schema)| schema.as_ref()) else { return Vec::new() };
    let resolve = |part: &Value| {
        let path = part.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| schema.pointer(path)).cloned().unwrap_or_else(|| part.clone())
    };
    let item = schema.pointer("/properties/items/items").map(resolve).unwrap_or_else(|| schema.clone());
    let properties = item.get("properties").and_then(Value::as_object);
    properties.map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// Applies `?fields=` and `If-None-Match` to a good answer.
pub(crate) fn shaped(mut reply: Reply, cx: &Cx, known: &[String], read: bool) -> Result<Reply, Problem> {
    let mut suffix = String::new();
    if let (true, Some(asked)) = (read, cx.fields()) {
        let names: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.iter().any(|field| field == **name)) {
            let detail = format!("`{unknown}` is not a field; known are {}", known.join(", "));
            return Err(Problem::parameter("fields", detail).with("allowed", known));
        }
        reply.body = reply.body.map(|body| sparse(body, &names));
        suffix = format!("-{}", &kernel::id::fingerprint(&[names.join(",").as_bytes()])[..8]);
    }
    if let (true, true, Some(body)) = (read, reply.tag_body, &reply.body) {
        suffix.push('-');
        suffix.push_str(&kernel::id::fingerprint(&[body.to_string().as_bytes()])[..8]);
    }
    if !read || !reply.status.is_success() {
        if let Some(version) = reply.version {
            reply = reply.header(header::ETAG, &format!("\"v{version}\""));
        }
        return Ok(reply);
    }
    let tag = match (reply.version, &reply.body) {
        (Some(version), _) => format!("\"v{version}{suffix}\""),
        (None, Some(body)) => format!("\"h{}\"", kernel::id::fingerprint(&[body.to_string().as_bytes()])),
        (None, None) => return Ok(reply),
    };
    let known_already = cx.header("if-none-match").is_some_and(|seen| matches(seen, &tag));
    let mut reply = reply.header(header::ETAG, &tag);
    if known_already {
        reply.status = StatusCode::NOT_MODIFIED;
        reply.body = None;
    }
    Ok(reply)
}

/// Weak comparison with a list of tags, or `*` (RFC 9110 §13.1.2).
fn matches(seen: &str, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    seen.trim() == "*" || seen.split(',').any(|one| bare(one) == tag)
}

/// The version in one of our tags: `"v3"`, `W/"v3"`, `"v3-…"`.
pub(crate) fn version_of(tag: &str) -> Option<u64> {
    let inner = tag.trim().trim_start_matches("W/").trim_matches('"');
    inner.strip_prefix('v')?.split('-').next()?.parse().ok()
}

fn sparse(body: Value, names: &[&str]) -> Value {
    let pick = |object: Map<String, Value>| -> Map<String, Value> {
        object.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
    };
    match body {
        Value::Object(mut page) if page.get("items").is_some_and(Value::is_array) => {
            if let Some(Value::Array(items)) = page.get_mut("items") {
                for item in items {
                    if let Value::Object(object) = item {
                        *object = pick(std::mem::take(object));
                    }
                }
            }
            Value::Object(page)
        }
        Value::Object(object) => Value::Object(pick(object)),
        other => other,
    }
}

/// A reply or a problem as status, headers and text.
pub(crate) fn answered(result: Result<Reply, Problem>, cx: &Cx, route: &Route) -> Answered {
    let mut headers = HeaderMap::new();
    match result {
        Ok(reply) => {
            headers.extend(reply.headers);
            headers
                .entry(header::CACHE_CONTROL)
                .or_insert_with(|| value(&route.cache.asked(cx.has_parameters()).header()));
            if reply.body.is_some() {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            }
            let body = reply.body.map(|body| body.to_string());
            Answered { status: reply.status, headers, body, refused: None, internal: None }
        }
        Err(problem) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            headers.insert(header::CACHE_CONTROL, value(&Freshness::NoStore.header()));
            if let Some(seconds) = problem.retry_after {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            if problem.code.status == 401 {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            let status = StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = Some(problem.document(cx.request_id()).to_string());
            Answered { status, headers, body, refused: Some(problem.code), internal: problem.internal }
        }
    }
}

/// The HTTP answer.
pub(crate) fn response(answered: Answered, cx: &Cx) -> Response<Body> {
    let Answered { status, mut headers, body, .. } = answered;
    headers.insert("x-request-id", value(cx.request_id()));
    // The id that this caller chose is nothing for the others, who may get the same answer from a cache.
    let shared = headers.get(header::CACHE_CONTROL).is_some_and(|value| value.as_bytes().starts_with(b"public"));
    if !shared {
        headers.insert("x-correlation-id", value(cx.correlation_id()));
    }
    let body = match body {
        Some(text) if text.len() >= COMPRESS_BYTES && accepts_gzip(cx) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::Binary(gzip(text.as_bytes()))
        }
        Some(text) => Body::Text(text),
        None => Body::Empty,
    };
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn accepts_gzip(cx: &Cx) -> bool {
    let accepted = cx.header("accept-encoding").unwrap_or_default();
    accepted.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let coding = pieces.next().unwrap_or_default();
        let refused = pieces.any(|piece| matches!(piece, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && !refused
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Writing to memory does not fail.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::fast());
    let written = encoder.write_all(bytes);
    debug_assert!(written.is_ok());
    encoder.finish().unwrap_or_default()
}
