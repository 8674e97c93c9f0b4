//! Dropping what the CDN keeps: one request to `CloudFront`, or a call to what stands in its place in this process.
//!
//! The crate `aws-sdk-cloudfront` has some 150 operations; this is the one that is needed, over the signed HTTP client that is
//! there for `OpenSearch`. It must never know what a path is about.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::config::ConfigError;
use crate::grants::{Capability, Grant, Resource};
use crate::platform::Platform;
use crate::signed::{Service, SignedClient, Tries};
use crate::table::DataError;
use crate::transport::{Reply, Request};

/// `CloudFront` itself. Partitions other than `aws` have it elsewhere.
const CLOUDFRONT: &str = "https://cloudfront.amazonaws.com";
/// Nobody waits for it. It may be repeated: the request has a name.
const TRIES: Tries = Tries { most: 3, attempt: Duration::from_secs(5), whole: Duration::from_secs(15) };

/// A CDN in this process, as [`Platform::with_adapter`] is given it.
pub type Adapter = Arc<dyn Edge>;

/// What keeps answers at the edge.
pub trait Edge: Send + Sync {
    /// Drops what is kept under these addresses: each is a path with its query, or the beginning of one before a `*` at its end.
    fn drop_paths(&self, paths: &[String]);
}

/// Drops what the CDN of this stage keeps (`OXCART_CDN`).
#[derive(Clone)]
pub struct DropPaths(Way);

#[derive(Clone)]
enum Way {
    Off,
    Here(Adapter),
    CloudFront(Arc<CloudFront>),
}

impl Capability for DropPaths {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["cloudfront:CreateInvalidation"], Resource::Distribution)]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let way = match platform.config().cdn.as_str() {
            "off" => Way::Off,
            "local" => Way::Here(platform.adapter::<Adapter>().ok_or_else(|| {
                ConfigError::one("OXCART_CDN: the local CDN is only in the local shop's own process")
            })?),
            distribution => Way::CloudFront(Arc::new(CloudFront::connect(platform, distribution)?)),
        };
        Ok(Self(way))
    }
}

impl DropPaths {
    /// Whether this stage has no CDN.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self.0, Way::Off)
    }

    /// Drops what is kept under these addresses. The same `name` with the same addresses is one request, however often it is
    /// made. [`DataError::Busy`] when too many are under way: `CloudFront` takes 3,000 addresses at a time, and 15 with a `*`.
    pub async fn drop_paths(&self, name: &str, paths: &[String]) -> Result<(), DataError> {
        match &self.0 {
            Way::Off => Ok(()),
            Way::Here(edge) => {
                edge.drop_paths(paths);
                Ok(())
            }
            Way::CloudFront(cloudfront) => cloudfront.invalidate(name, paths).await,
        }
    }
}

/// A distribution of `CloudFront`.
struct CloudFront {
    client: SignedClient,
    path: String,
}

impl CloudFront {
    fn connect(platform: &Platform, distribution: &str) -> Result<Self, ConfigError> {
        let base = platform.config().endpoint_url.as_deref().unwrap_or(CLOUDFRONT);
        Ok(Self::of(SignedClient::connect(platform, base)?, distribution))
    }

    fn of(client: SignedClient, distribution: &str) -> Self {
        let path = format!("/2020-05-31/distribution/{distribution}/invalidation");
        Self { client: client.to(Service::CLOUDFRONT), path }
    }

    async fn invalidate(&self, name: &str, paths: &[String]) -> Result<(), DataError> {
        let headers = vec![("content-type", "application/xml".to_owned())];
        let request = Request { method: "POST", path: self.path.clone(), headers, body: batch(name, paths) };
        let reply = self.client.send(&request, TRIES).await;
        let reply = reply.map_err(|unanswered| DataError::Busy(unanswered.to_string()))?;
        if reply.status < 300 { Ok(()) } else { Err(refused(&reply)) }
    }
}

/// The body of a request.
fn batch(name: &str, paths: &[String]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths>",
    );
    // Writing to a string does not fail.
    let _ = write!(xml, "<Quantity>{}</Quantity><Items>", paths.len());
    for path in paths {
        let _ = write!(xml, "<Path>{}</Path>", escaped(path));
    }
    let _ = write!(xml, "</Items></Paths><CallerReference>{}</CallerReference></InvalidationBatch>", escaped(name));
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What stands between `<Code>` and its end in a refusal.
fn refused(reply: &Reply) -> DataError {
    let body = String::from_utf8_lossy(&reply.body);
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("unknown", |(code, _)| code);
    let text = format!("CloudFront answered {} {code}", reply.status);
    match code {
        "AccessDenied" => DataError::Denied(text),
        "TooManyInvalidationsInProgress" | "Throttling" => DataError::Busy(text),
        _ if reply.status >= 500 => DataError::Busy(text),
        _ => DataError::Invalid(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::config::Config;
    use crate::transport::Transport;

    /// Answers everything so, and remembers address, authorization and body.
    #[derive(Clone, Debug)]
    struct Far {
        status: u16,
        body: &'static str,
        seen: Arc<Mutex<Vec<(String, String, String)>>>,
    }

    impl HttpConnector for Far {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
            let signed = request.headers().get("authorization").unwrap_or_default().to_owned();
            let address = format!("{} {}", request.method(), request.uri());
            self.seen.lock().unwrap().push((address, signed, body));
            let status = StatusCode::try_from(self.status).unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.body))))
        }
    }

    fn platform(cdn: &str) -> Platform {
        let vars = [
            ("OXCART_STAGE", "test"),
            ("OXCART_PREFIX", "oxcart-test"),
            ("OXCART_QUEUE_BASE", "http://127.0.0.1/"),
            ("OXCART_ISSUER", "http://127.0.0.1"),
            ("OXCART_MAIL_FROM", "shop@example.com"),
            ("OXCART_FUNCTION", "invalidate-cdn"),
            ("OXCART_CDN", cdn),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ];
        let vars: BTreeMap<String, String> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let nobody = http_client_fn(|_, _| unreachable!("nothing else is called"));
        Platform::over(Config::from_vars(&vars).unwrap(), nobody)
    }

    fn cloudfront(status: u16, body: &'static str) -> (DropPaths, Far) {
        let far = Far { status, body, seen: Arc::default() };
        let transport = Transport::over(CLOUDFRONT, SharedHttpConnector::new(far.clone()));
        let client = SignedClient::over(&platform("E2QWRUHAPOMQZL"), CLOUDFRONT, transport).unwrap();
        (DropPaths(Way::CloudFront(Arc::new(CloudFront::of(client, "E2QWRUHAPOMQZL")))), far)
    }

    /// What the API reference gives as the request of `CreateInvalidation` (2020-05-31).
    #[tokio::test]
    async fn it_asks_as_the_reference_says() {
        let (drop, far) = cloudfront(201, "<Invalidation/>");
        let paths = ["/v1/products/tea".to_owned(), "/v1/products/a&b*".to_owned()];
        drop.drop_paths("once", &paths).await.unwrap();
        let seen = far.seen.lock().unwrap();
        let (address, signed, body) = seen.first().unwrap();
        assert_eq!(
            address,
            "POST https://cloudfront.amazonaws.com/2020-05-31/distribution/E2QWRUHAPOMQZL/invalidation"
        );
        assert!(signed.contains("/us-east-1/cloudfront/aws4_request"), "{signed}");
        assert!(
            body.contains("<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">"),
            "{body}"
        );
        assert!(body.contains(
            "<Paths><Quantity>2</Quantity><Items><Path>/v1/products/tea</Path><Path>/v1/products/a&amp;b*</Path></Items></Paths>\
             <CallerReference>once</CallerReference>"
        ));
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>TooManyInvalidationsInProgress</Code></Error></ErrorResponse>";
        let paths = ["/*".to_owned()];
        let asked = |status, body| async move { cloudfront(status, body).0.drop_paths("n", &["/*".to_owned()]).await };
        assert!(matches!(asked(400, error).await, Err(DataError::Busy(_))));
        assert!(matches!(asked(403, "<Code>AccessDenied</Code>").await, Err(DataError::Denied(_))));
        assert!(matches!(asked(404, "<Code>NoSuchDistribution</Code>").await, Err(DataError::Invalid(_))));
        assert!(matches!(asked(500, "").await, Err(DataError::Busy(_))));
        assert!(DropPaths::connect(&platform("off")).unwrap().drop_paths("n", &paths).await.is_ok());
        assert!(DropPaths::connect(&platform("local")).is_err(), "there is none in this process");
        assert!(!DropPaths::connect(&platform("E2QWRUHAPOMQZL")).unwrap().is_off());
    }
}
