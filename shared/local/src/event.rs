//! HTTP to Lambda and back: a request becomes the event that API Gateway's HTTP APIs send (payload format 2.0), and the
//! function's answer becomes a response. It must never decide anything: routing and tokens are done before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use kernel::Timestamp;
use lambda::token::Claims;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The account and the API that events name.
const API: &str = "local";

/// What routing and the authorizer found out about a request.
pub(crate) struct Routed<'a> {
    /// As in `GET /v1/products/{id}`.
    pub route_key: String,
    /// The decoded path parameters.
    pub parameters: &'a [(&'static str, String)],
    /// What the token says, on a route that needs one.
    pub claims: Option<&'a Claims>,
    /// The id of the request at the gateway.
    pub request_id: &'a str,
    /// When it came in.
    pub time: Timestamp,
    /// Where it came from.
    pub source_ip: &'a str,
}

/// The event's JSON.
pub(crate) fn of_request(parts: &Parts, body: &Bytes, routed: &Routed<'_>) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let headers = joined_headers(&parts.headers);
    let mut event = json!({
        "version": "2.0",
        "routeKey": routed.route_key,
        "rawPath": parts.uri.path(),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context(parts, &headers, routed),
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = Value::Object(joined(form_urlencoded::parse(query.as_bytes())));
    }
    if !routed.parameters.is_empty() {
        event["pathParameters"] = Value::Object(joined(routed.parameters.iter().map(|(n, v)| (*n, v.as_str()))));
    }
    if !body.is_empty() {
        match text(parts, body) {
            Some(text) => event["body"] = json!(text),
            None => {
                event["body"] = json!(STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event.to_string()
}

fn context(parts: &Parts, headers: &Map<String, Value>, routed: &Routed<'_>) -> Value {
    let host = headers.get("host").and_then(Value::as_str).unwrap_or_default();
    let mut context = json!({
        "accountId": engine::ACCOUNT,
        "apiId": API,
        "domainName": host,
        "domainPrefix": host.split('.').next(),
        "http": {
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "protocol": format!("{:?}", parts.version),
            "sourceIp": routed.source_ip,
            "userAgent": headers.get("user-agent").cloned().unwrap_or_else(|| json!("")),
        },
        "requestId": routed.request_id,
        "routeKey": routed.route_key,
        "stage": "$default",
        "time": log_time(routed.time),
        "timeEpoch": routed.time.millis(),
    });
    if let Some(claims) = routed.claims {
        let scopes: Vec<&str> = claims.scope.split_ascii_whitespace().collect();
        context["authorizer"] = json!({ "jwt": { "claims": texts(claims), "scopes": scopes } });
    }
    context
}

/// The authorizer passes every claim as text.
fn texts(claims: &Claims) -> Value {
    let all = serde_json::to_value(claims).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    all.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), json!(text(value)))).collect()
}

/// Headers in lower case, repeated ones joined by commas; cookies stand elsewhere. A value that is not visible ASCII has no
/// place in an event: no function here reads such a header.
fn joined_headers(headers: &HeaderMap) -> Map<String, Value> {
    let named = headers.iter().filter(|(name, _)| *name != header::COOKIE);
    joined(named.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))))
}

fn joined<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        match all.get_mut(name.as_ref()) {
            Some(Value::String(before)) => {
                before.push(',');
                before.push_str(value.as_ref());
            }
            _ => {
                all.insert(name.as_ref().to_owned(), json!(value.as_ref()));
            }
        }
    }
    all
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

/// The body as text, where API Gateway passes it so: of a text type, not compressed, and UTF-8.
fn text<'a>(parts: &Parts, body: &'a Bytes) -> Option<&'a str> {
    let named = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if named(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return None;
    }
    let kind = named(header::CONTENT_TYPE).unwrap_or("text/plain").split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let textual = kind.starts_with("text/")
        || matches!(kind.as_str(), "application/json" | "application/javascript" | "application/xml");
    if textual { std::str::from_utf8(body).ok() } else { None }
}

/// The time of an access log, as in `12/Mar/2020:19:03:58 +0000`.
fn log_time(time: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = time.to_string();
    let (day, clock) = text.split_once('T').unwrap_or_default();
    let mut pieces = day.split('-');
    let (year, month, day) = (pieces.next(), pieces.next(), pieces.next());
    let month = month.and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let clock = clock.get(..8).unwrap_or_default();
    format!("{}/{}/{}:{clock} +0000", day.unwrap_or_default(), month.unwrap_or(&""), year.unwrap_or_default())
}

/// A function's answer in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    multi_value_headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The HTTP response of a function's answer; `None` when API Gateway could not read it either (it answers 500 then).
pub(crate) fn to_response(answer: &str) -> Option<Response<Bytes>> {
    let answer: Answer = serde_json::from_str(answer).ok()?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { Bytes::from(STANDARD.decode(body).ok()?) } else { Bytes::from(body) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.iter().chain(&answer.multi_value_headers) {
        let name = HeaderName::try_from(name).ok()?;
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values.iter().filter_map(Value::as_str) {
            headers.append(name.clone(), HeaderValue::from_str(value).ok()?);
        }
    }
    for cookie in &answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_time_is_the_one_of_access_logs() {
        assert_eq!(log_time(Timestamp::from_millis(1_583_348_638_390)), "04/Mar/2020:19:03:58 +0000");
    }

    /// The example of AWS's developer guide, "Working with AWS Lambda proxy integrations for HTTP APIs", payload 2.0;
    /// without what only mutual TLS and stage variables bring.
    const DOCUMENTED: &str = r#"{
        "version": "2.0", "routeKey": "$default", "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "headers": { "header1": "value1", "header2": "value1,value2" },
        "queryStringParameters": { "parameter1": "value1,value2", "parameter2": "value" },
        "requestContext": {
            "accountId": "123456789012", "apiId": "api-id",
            "authorizer": { "jwt": { "claims": { "claim1": "value1" }, "scopes": ["scope1", "scope2"] } },
            "domainName": "id.execute-api.us-east-1.amazonaws.com", "domainPrefix": "id",
            "http": { "method": "POST", "path": "/my/path", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent" },
            "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390
        },
        "body": "Hello from Lambda", "pathParameters": { "parameter1": "value1" }, "isBase64Encoded": false
    }"#;

    fn made(body: &'static [u8], change: impl FnOnce(&mut Parts)) -> Value {
        let request = http::Request::post("/my/path?parameter1=value1&parameter1=value2&parameter2=value")
            .header("Host", "id.execute-api.us-east-1.amazonaws.com")
            .header("Header1", "value1")
            .header("Header2", "value1")
            .header("Header2", "value2")
            .header("Cookie", "cookie1; cookie2")
            .header("User-Agent", "agent")
            .body(());
        let (mut parts, ()) = request.unwrap().into_parts();
        change(&mut parts);
        let claims = Claims {
            iss: "i".into(),
            sub: "usr_1".into(),
            aud: "oxcart".into(),
            iat: 1,
            exp: 2,
            scope: "scope1 scope2".into(),
            jti: "j".into(),
            sid: String::new(),
        };
        let routed = Routed {
            route_key: "POST /my/{parameter1}".into(),
            parameters: &[("parameter1", "value1".into())],
            claims: Some(&claims),
            request_id: "id",
            time: Timestamp::from_millis(1_583_348_638_390),
            source_ip: "192.0.2.1",
        };
        serde_json::from_str(&of_request(&parts, &Bytes::from_static(body), &routed)).unwrap()
    }

    fn keys(value: &Value, at: &str) -> Vec<String> {
        value.pointer(at).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_event_has_the_documented_shape() {
        let documented: Value = serde_json::from_str(DOCUMENTED).unwrap();
        let event = made(b"Hello from Lambda", |_| {});
        for at in ["", "/requestContext", "/requestContext/http", "/requestContext/authorizer/jwt"] {
            assert_eq!(keys(&event, at), keys(&documented, at), "{at}");
        }
        for same in [
            "/version",
            "/rawPath",
            "/rawQueryString",
            "/cookies",
            "/queryStringParameters",
            "/headers/header2",
            "/body",
            "/isBase64Encoded",
            "/pathParameters",
            "/requestContext/http",
            "/requestContext/domainName",
            "/requestContext/domainPrefix",
            "/requestContext/authorizer/jwt/scopes",
            "/requestContext/timeEpoch",
        ] {
            assert_eq!(event.pointer(same), documented.pointer(same), "{same}");
        }
        assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["exp"], "2", "claims are texts");
        assert!(event["headers"].get("cookie").is_none());
        let read: aws_lambda_events::apigw::ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();
        assert_eq!(read.request_context.authorizer.unwrap().jwt.unwrap().claims["sub"], "usr_1");
    }

    #[test]
    fn bytes_that_are_no_text_travel_in_base64() {
        let header = |name: &'static str, value: &'static str| {
            move |parts: &mut Parts| {
                parts.headers.insert(name, HeaderValue::from_static(value));
            }
        };
        assert_eq!(made(b"\xff\xfe", |_| {})["body"], "//4=");
        let compressed = made(b"{}", header("content-encoding", "gzip"));
        assert_eq!((&compressed["body"], &compressed["isBase64Encoded"]), (&json!("e30="), &json!(true)));
        assert_eq!(made(b"{}", header("content-type", "application/merge-patch+json"))["isBase64Encoded"], true);
        assert_eq!(made(b"{}", header("content-type", "application/json; charset=utf-8"))["body"], "{}");
        assert!(made(b"", |_| {}).get("body").is_none());
    }

    #[test]
    fn an_answer_becomes_a_response_with_cookies_and_bytes() {
        let answer = r#"{"statusCode":200,"headers":{"etag":"\"a\""},"cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true}"#;
        let response = to_response(answer).unwrap();
        assert_eq!(response.body().as_ref(), b"hi");
        assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().count(), 2);
        assert!(to_response("null").is_none() && to_response("{\"statusCode\":20}").is_none());
    }
}
