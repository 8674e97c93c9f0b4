//! CORS as `infra/modules/http-api` configures it: the gateway answers preflights, and names the allowed origin on answers.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// Who may call from a browser, and with what.
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// What `access-control-allow-origin` says to an origin; `None` when it may not call.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.origins.iter().any(|known| known == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let known = self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    /// The answer to a preflight; `None` when this is none, or CORS is off.
    pub fn preflight(&self, parts: &Parts) -> Option<Response<Bytes>> {
        let asks = parts.method == Method::OPTIONS && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let origin = parts.headers.get(header::ORIGIN).filter(|_| asks && !self.origins.is_empty())?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        // An origin that may not call gets an answer without the headers, as from API Gateway; the browser refuses then.
        let Some(allowed) = self.allowed(origin) else { return Some(response) };
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let fixed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST,PUT,PATCH,DELETE"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization,content-type,idempotency-key,if-match,if-none-match,x-correlation-id",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "3600"),
            (header::VARY, "origin"),
        ];
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        Some(response)
    }

    /// Marks an answer for an origin that may call.
    pub fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = "etag,idempotency-replayed,last-modified,location,retry-after,x-request-id";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
