//! A good answer, before it becomes HTTP.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use kernel::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// What a handler answers.
#[derive(Debug)]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Value>,
    pub(crate) version: Option<u64>,
    pub(crate) tag_body: bool,
}

impl Reply {
    fn with(status: StatusCode, body: Option<Value>) -> Self {
        Self { status, headers: HeaderMap::new(), body, version: None, tag_body: false }
    }

    fn json(status: StatusCode, value: &impl Serialize) -> Self {
        Self::with(status, Some(serde_json::to_value(value).unwrap_or(Value::Null)))
    }

    /// 200 with a body.
    #[must_use]
    pub fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with a body, and where the new thing is.
    #[must_use]
    pub fn created(value: &impl Serialize, location: &str) -> Self {
        Self::json(StatusCode::CREATED, value).header(header::LOCATION, location)
    }

    /// 202 with a body, and where to look.
    #[must_use]
    pub fn accepted(value: &impl Serialize, location: &str) -> Self {
        Self::json(StatusCode::ACCEPTED, value).header(header::LOCATION, location)
    }

    /// 202 without a body: it will be done, and there is nothing to look at.
    #[must_use]
    pub fn noted() -> Self {
        Self::with(StatusCode::ACCEPTED, None)
    }

    /// 301: it is elsewhere now, and stays there.
    #[must_use]
    pub fn moved(location: &str) -> Self {
        Self::with(StatusCode::MOVED_PERMANENTLY, None).header(header::LOCATION, location)
    }

    /// 204.
    #[must_use]
    pub fn empty() -> Self {
        Self::with(StatusCode::NO_CONTENT, None)
    }

    /// With the version of the thing: its `ETag`.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// With an `ETag` that covers the body besides the version: for an answer that also shows what changes without the
    /// version, as a cart shows prices. `If-Match` still reads the version from it.
    #[must_use]
    pub fn tag_body(mut self) -> Self {
        self.tag_body = true;
        self
    }

    /// With when the thing was changed last.
    #[must_use]
    pub fn last_modified(self, at: Timestamp) -> Self {
        let seconds = u64::try_from(at.seconds()).unwrap_or_default();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        self.header(header::LAST_MODIFIED, &httpdate::fmt_http_date(time))
    }

    /// With a header; a value that HTTP does not allow is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}
