//! Exchanges with a server, recorded and played.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request, and what came back. Bodies that are lines of JSON (bulks) are lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    request: Asked,
    status: u16,
    answer: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    path: String,
    body: Value,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let headers = request.headers();
        let signed = headers.get("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "));
        assert!(signed && headers.get("x-amz-content-sha256").is_some(), "every request is signed");
        let uri = request.uri();
        let path = uri.split_once("://").unwrap().1;
        let text = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let bulk = headers.get("content-type") == Some("application/x-ndjson");
        let body = if bulk { Value::Array(lines) } else { lines.pop().unwrap_or_default() };
        Self { method: request.method().to_owned(), path: path[path.find('/').unwrap()..].to_owned(), body }
    }
}

impl Exchange {
    /// The IAM action that the request takes, and the path it takes it on, without its first slash.
    pub fn right(&self) -> (String, String) {
        let Asked { method, path, .. } = &self.request;
        let action = format!("es:ESHttp{}{}", &method[..1], method[1..].to_lowercase());
        (action, path[1..].split('?').next().unwrap().to_owned())
    }
}

/// A server that is recorded, or its recording.
#[derive(Clone, Debug)]
pub enum Tape {
    Records(SharedHttpConnector, Arc<Mutex<Vec<Exchange>>>),
    Plays(Arc<Mutex<VecDeque<Exchange>>>),
}

impl HttpConnector for Tape {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = Asked::of(&request);
        match self {
            Self::Plays(left) => {
                let next = left.lock().unwrap().pop_front();
                let next = next.unwrap_or_else(|| panic!("one request too many: {asked:?}"));
                assert_eq!(asked, next.request);
                let status = StatusCode::try_from(next.status).unwrap();
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(next.answer.to_string()))))
            }
            Self::Records(server, tape) => {
                let (server, tape) = (server.clone(), tape.clone());
                HttpConnectorFuture::new(async move {
                    let response = server.call(request).await?;
                    let status = response.status();
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    let answer = serde_json::from_slice(&body).unwrap_or_default();
                    tape.lock().unwrap().push(Exchange { request: asked, status: status.as_u16(), answer });
                    Ok(HttpResponse::new(status, SdkBody::from(body.to_vec())))
                })
            }
        }
    }
}
