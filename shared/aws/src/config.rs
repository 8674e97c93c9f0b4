//! Configuration: read once, at start, into one struct; everything that is missing or wrong is reported in one error.
//! Nothing else in the workspace reads the environment (clippy holds it). Secrets are never here: see [`crate::keys`].

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;

/// Everything a function is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// The stage, as in `prod`; it stands in logs and metrics.
    pub stage: String,
    /// What every resource name starts with, as in `oxcart-prod`.
    pub prefix: String,
    /// The AWS region.
    pub region: String,
    /// What every queue URL starts with, up to and including `<prefix>-`.
    pub queue_base: String,
    /// The `iss` of access tokens: the public base URL of the API.
    pub issuer: String,
    /// The public key of access tokens in PEM; only functions on routes that a guest may use without a token need it.
    pub jwt_public_key: Option<String>,
    /// What KMS knows the key of access tokens by; its alias when it is not said. Policies name keys by ARN, and not
    /// every emulator resolves an alias before it looks at them.
    pub tokens_key: Option<String>,
    /// How mail leaves: `ses` or `folder:PATH`.
    pub mail: String,
    /// The sender of mail.
    pub mail_from: String,
    /// Where mail to staff goes; the sender itself when it is not said.
    pub staff_mail: String,
    /// The payment provider: `builtin`.
    pub payments: String,
    /// Whether money is only set aside when an order is placed, and taken when its goods are shipped.
    pub capture_later: bool,
    /// How long one attempt at the payment provider may take.
    pub payment_timeout: Duration,
    /// How long stock is held for an order whose payment is under way; at most 15 minutes, what an SQS timer can do.
    pub hold: Duration,
    /// How many marks of finished operations a stock counter carries before it is pruned.
    pub done_marks: usize,
    /// The function's own name.
    pub function: String,
    /// Where AWS is, when it is not AWS (an emulator, or the embedded engine of another process).
    pub endpoint_url: Option<String>,
    /// Credentials of the sandbox; Lambda sets them once for its whole life.
    pub credentials: Option<Credentials>,
}

/// All that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    /// One complaint.
    #[must_use]
    pub fn one(complaint: impl Into<String>) -> Self {
        Self(vec![complaint.into()])
    }
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        Self::from_vars(&std::env::vars().collect())
    }

    /// Reads variables by name.
    pub fn from_vars(vars: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut missing = Vec::new();
        let some = |name: &str| vars.get(name).filter(|value| !value.is_empty()).cloned();
        let mut need = |name: &str| {
            some(name).unwrap_or_else(|| {
                missing.push(format!("{name} is not set"));
                String::new()
            })
        };
        let mut config = Self {
            stage: need("OXCART_STAGE"),
            prefix: need("OXCART_PREFIX"),
            region: need("AWS_REGION"),
            queue_base: need("OXCART_QUEUE_BASE"),
            issuer: need("OXCART_ISSUER"),
            jwt_public_key: some("OXCART_JWT_PUBLIC_KEY"),
            tokens_key: some("OXCART_TOKENS_KEY"),
            mail: some("OXCART_MAIL").unwrap_or_else(|| "ses".into()),
            mail_from: need("OXCART_MAIL_FROM"),
            staff_mail: some("OXCART_STAFF_MAIL").or_else(|| some("OXCART_MAIL_FROM")).unwrap_or_default(),
            payments: some("OXCART_PAYMENTS").unwrap_or_else(|| "builtin".into()),
            capture_later: false,
            payment_timeout: Duration::from_secs(8),
            hold: kernel::limits::HOLD,
            done_marks: kernel::limits::DONE_MARKS,
            function: need("OXCART_FUNCTION"),
            endpoint_url: some("AWS_ENDPOINT_URL"),
            credentials: None,
        };
        let mut number = |name: &str, range: std::ops::RangeInclusive<u64>| {
            let text = some(name)?;
            let value = text.parse().ok().filter(|value| range.contains(value));
            if value.is_none() {
                missing.push(format!("{name} must be {} to {}", range.start(), range.end()));
            }
            value
        };
        if let Some(millis) = number("OXCART_PAYMENT_TIMEOUT_MS", 50..=20_000) {
            config.payment_timeout = Duration::from_millis(millis);
        }
        if let Some(seconds) = number("OXCART_HOLD_SECONDS", 10..=900) {
            config.hold = Duration::from_secs(seconds);
        }
        if let Some(marks) = number("OXCART_DONE_MARKS", 1..=1000) {
            config.done_marks = usize::try_from(marks).unwrap_or(kernel::limits::DONE_MARKS);
        }
        if config.payments != "builtin" {
            missing
                .push(format!("OXCART_PAYMENTS: there is no provider `{}`; this build has `builtin`", config.payments));
        }
        match some("OXCART_CAPTURE").as_deref() {
            None | Some("now") => {}
            Some("shipment") => config.capture_later = true,
            Some(_) => missing.push("OXCART_CAPTURE must be `now` or `shipment`".into()),
        }
        if config.mail != "ses" && !config.mail.starts_with("folder:") {
            missing.push("OXCART_MAIL must be `ses` or `folder:PATH`".into());
        }
        match (some("AWS_ACCESS_KEY_ID"), some("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                config.credentials = Some(Credentials::new(id, secret, some("AWS_SESSION_TOKEN"), None, "environment"));
            }
            _ => missing.push("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".into()),
        }
        if missing.is_empty() { Ok(config) } else { Err(ConfigError(missing)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_said_at_once() {
        let vars =
            BTreeMap::from([("OXCART_STAGE".to_owned(), "dev".to_owned()), ("OXCART_MAIL".into(), "pigeon".into())]);
        let message = Config::from_vars(&vars).unwrap_err().to_string();
        for name in [
            "OXCART_PREFIX",
            "AWS_REGION",
            "OXCART_QUEUE_BASE",
            "OXCART_ISSUER",
            "OXCART_FUNCTION",
            "OXCART_MAIL must",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert!(message.contains(name), "{name} in {message}");
        }
        assert!(!message.contains("OXCART_STAGE"));
    }
}
