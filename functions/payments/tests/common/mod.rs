//! A platform whose one secret is Stripe's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws::{Config, Platform};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// Secrets Manager with the one secret. `None` refuses.
#[derive(Clone, Debug)]
pub struct Keeper(pub Arc<Mutex<Option<String>>>);

impl HttpConnector for Keeper {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        assert_eq!(asked["SecretId"], "oxcart-test/stripe");
        let (status, body) = match &*self.0.lock().unwrap() {
            Some(text) => (200, serde_json::json!({ "SecretString": text })),
            None => (400, serde_json::json!({ "__type": "AccessDeniedException", "message": "no" })),
        };
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body.to_string()))))
    }
}

impl Keeper {
    /// It keeps one API key and one webhook secret.
    pub fn with(api_key: &str, webhook_secret: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(account(api_key, &[webhook_secret])))))
    }
}

/// The secret's text.
pub fn account(api_key: &str, secrets: &[&str]) -> String {
    serde_json::json!({ "api_key": api_key, "webhook_secrets": secrets }).to_string()
}

/// A platform over it, with these further variables.
pub fn platform(keeper: &Keeper, further: &[(&str, &str)]) -> Platform {
    let vars = [
        ("OXCART_STAGE", "test"),
        ("OXCART_PREFIX", "oxcart-test"),
        ("OXCART_QUEUE_BASE", "http://127.0.0.1/"),
        ("OXCART_ISSUER", "http://127.0.0.1"),
        ("OXCART_MAIL_FROM", "shop@example.com"),
        ("OXCART_FUNCTION", "place-order"),
        ("OXCART_PAYMENTS", "stripe"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let vars = vars.iter().chain(further).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let vars: BTreeMap<String, String> = vars.collect();
    let secrets = SharedHttpConnector::new(keeper.clone());
    Platform::over(Config::from_vars(&vars).unwrap(), http_client_fn(move |_, _| secrets.clone()))
}
