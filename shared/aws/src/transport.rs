//! One HTTP exchange with a host that the SDK has no client for: a payment provider, a search domain. It owns the connection
//! and nothing else: what is asked and what an answer means is the caller's module. Nothing here has `Debug`: requests carry
//! API keys and tokens.

use std::error::Error;
use std::sync::OnceLock;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};

/// An answer longer than this is not read: a page of a hundred found products is a tenth of it.
const ANSWER_BYTES: usize = 4 << 20;
/// How much of an error's text is kept.
const ERROR_CHARS: usize = 300;

/// What is sent.
#[derive(Clone)]
pub struct Request {
    /// As in `POST`.
    pub method: &'static str,
    /// Path and query, from the slash on.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// What came back.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name, which is in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// No answer: whether the request arrived is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Broken(String),
    /// The request could not be made, and was not sent.
    #[error("the request cannot be sent: {0}")]
    Unusable(&'static str),
}

/// The way to one host.
pub struct Transport {
    base: String,
    roots: &'static [u8],
    /// Built at the first request: reading certificates takes time, and most calls of a function never come here.
    connector: OnceLock<Result<SharedHttpConnector, String>>,
}

impl Transport {
    /// To a base URL without a slash at its end, over TLS that trusts these roots (PEM) and no others. Nothing is built yet.
    #[must_use]
    pub fn new(base: &str, roots: &'static [u8]) -> Self {
        Self { base: base.to_owned(), roots, connector: OnceLock::new() }
    }

    /// Over another connector: recorded answers.
    #[must_use]
    pub fn over(base: &str, connector: SharedHttpConnector) -> Self {
        Self { base: base.to_owned(), roots: &[], connector: OnceLock::from(Ok(connector)) }
    }

    /// Sends a request and reads the whole answer, whatever its status. It waits for as long as it takes.
    pub async fn send(&self, request: Request) -> Result<Reply, Lost> {
        let connector =
            self.connector.get_or_init(|| crate::tls::connector(self.roots).map_err(|error| error.to_string()));
        let connector = connector.as_ref().map_err(|error| Lost::Broken(error.clone()))?;
        let response = connector.call(self.http(request)?).await.map_err(|error| broken(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().iter().map(own).collect());
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body =
            body.map_err(|error| Lost::Broken(format!("the answer broke off: {}", short(&error.to_string()))))?;
        Ok(Reply { status, headers, body: body.to_bytes().to_vec() })
    }

    fn http(&self, request: Request) -> Result<HttpRequest, Lost> {
        let mut http = HttpRequest::new(SdkBody::from(request.body));
        http.set_method(request.method).map_err(|_| Lost::Unusable("its method"))?;
        http.set_uri(format!("{}{}", self.base, request.path)).map_err(|_| Lost::Unusable("its address"))?;
        for (name, value) in request.headers {
            // The error would quote the value.
            http.headers_mut().try_insert(name, value).map_err(|_| Lost::Unusable("a header"))?;
        }
        Ok(http)
    }
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_ascii_lowercase(), value.to_owned())
}

fn broken(error: &ConnectorError) -> Lost {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    Lost::Broken(short(&text))
}

fn short(text: &str) -> String {
    text.chars().take(ERROR_CHARS).collect()
}
