//! Configuration: read once, at start, into one struct; everything that is missing or wrong is reported in one error.
//! Nothing else in the workspace reads the environment (clippy holds it). Secrets are never here: see [`crate::keys`].

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;

use crate::cache::CacheAddress;

/// The payment providers.
const PAYMENTS: [&str; 2] = ["builtin", "stripe"];
/// The search engines; `off` is none.
const SEARCH: [&str; 3] = ["off", "embedded", "opensearch"];
/// The most shards of an index; AWS allows 1,000 for each node.
const SHARDS_MAX: u32 = 100;
/// The present secret of the CDN, and the one before it while it is replaced.
const ORIGIN_DIGESTS: usize = 2;
/// The languages that products are described in.
const LANGUAGES: [&str; 2] = ["en", "de"];
/// Stripe itself.
const STRIPE_URL: &str = "https://api.stripe.com";

/// Whether what is sent to an address cannot be read on the way.
pub(crate) fn private(url: &str) -> bool {
    let host = url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let here = matches!(name, Some("127.0.0.1" | "localhost" | "[::1]"));
    // Before an `@` stands a user's name, and the host behind it.
    !url.contains('@') && (here || url.starts_with("https://"))
}

/// Whether a text is the id of a CloudFront distribution: it stands in the path of requests.
fn is_distribution(text: &str) -> bool {
    (8..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whether a text is a SHA-256 digest in small hexadecimal letters.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// So many within so long; none at all is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: u32,
    /// Within how long.
    pub window: Duration,
}

impl Limit {
    const fn of(most: u32, seconds: u64) -> Self {
        Self { most, window: Duration::from_secs(seconds) }
    }

    /// Reads `5/3600`, five within an hour; `off` is no limit.
    fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self::of(0, 60));
        }
        let (most, seconds) = text.split_once('/')?;
        let (most, seconds) = (most.parse().ok()?, seconds.parse().ok()?);
        ((1..=100_000).contains(&most) && (60..=7 * 86_400).contains(&seconds)).then_some(Self::of(most, seconds))
    }
}

/// How many payments may be refused before the next attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// From one cart.
    pub cart: Limit,
    /// By one account.
    pub account: Limit,
    /// By guests with one e-mail address.
    pub email: Limit,
    /// By guests to one address.
    pub address: Limit,
    /// With one payment method.
    pub method: Limit,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            cart: Limit::of(5, 3600),
            account: Limit::of(10, 3600),
            email: Limit::of(10, 3600),
            address: Limit::of(20, 3600),
            method: Limit::of(3, 86_400),
        }
    }
}

/// How many sign-ins may fail before the next one is refused unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInLimits {
    /// With one address, from one network.
    pub here: Limit,
    /// With one address, from networks that it was never signed in from.
    pub account: Limit,
    /// From one network, with addresses that were never signed in there.
    pub network: Limit,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self { here: Limit::of(10, 900), account: Limit::of(50, 3600), network: Limit::of(200, 3600) }
    }
}

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
    /// The public keys of access tokens in PEM, one after the other; only functions on routes that a guest may use without a token need it.
    pub jwt_public_key: Option<String>,
    /// What KMS knows the key of access tokens by; its alias when it is not said. Policies name keys by ARN, and not
    /// every emulator resolves an alias before it looks at them.
    pub tokens_key: Option<String>,
    /// What KMS knows the other key of access tokens by, whose public half is published beside it; none when it is not said.
    pub tokens_spare: Option<String>,
    /// How mail leaves: `ses` or `folder:PATH`.
    pub mail: String,
    /// The sender of mail.
    pub mail_from: String,
    /// Where mail to staff goes; the sender itself when it is not said.
    pub staff_mail: String,
    /// The payment provider: `builtin` or `stripe`.
    pub payments: String,
    /// The search engine: `opensearch`, `embedded` (in the local shop only), or `off`.
    pub search: String,
    /// The language that products are described in, by its ISO 639-1 code: `en` or `de`.
    pub language: String,
    /// Where OpenSearch is, without a slash at the end.
    pub opensearch_url: Option<String>,
    /// How many shards a new index there has: one for each 20 GB or so, and it takes a reindex to change.
    pub opensearch_shards: u32,
    /// The cache that functions share, if there is one.
    pub cache: Option<CacheAddress>,
    /// The CDN before the shop: `off`, `local` (in the local shop only), or the id of a CloudFront distribution.
    pub cdn: String,
    /// SHA-256, in hexadecimal, of the secrets by which the CDN makes itself known, two at most; without any,
    /// requests are taken from everywhere.
    pub origin_digests: Vec<String>,
    /// Where Stripe's API is, without a slash at the end.
    pub stripe_url: String,
    /// Whether money is only set aside when an order is placed, and taken when its goods are shipped.
    pub capture_later: bool,
    /// How long one attempt at the payment provider may take.
    pub payment_timeout: Duration,
    /// How long stock is held for an order whose payment is under way; at most 15 minutes, what an SQS timer can do.
    pub hold: Duration,
    /// How many marks of finished operations a stock counter carries before it is pruned.
    pub done_marks: usize,
    /// How many payments may be refused before the next attempt is.
    pub attempts: AttemptLimits,
    /// How many sign-ins may fail before the next one is refused unseen.
    pub sign_ins: SignInLimits,
    /// The header in which a CDN says from where a request comes, as `cloudfront-viewer-address`; only where nobody reaches
    /// the API past it. Without one it is the peer that API Gateway saw.
    pub client_ip_header: Option<String>,
    /// The bucket of files that come in and go out.
    pub files: String,
    /// Where others reach that bucket, when it is not in S3 itself: addresses that are handed out begin with it. It ends
    /// with a slash, or the SDK would glue the bucket's name to it.
    pub files_url: Option<String>,
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
            tokens_spare: some("OXCART_TOKENS_SPARE"),
            mail: some("OXCART_MAIL").unwrap_or_else(|| "ses".into()),
            mail_from: need("OXCART_MAIL_FROM"),
            staff_mail: some("OXCART_STAFF_MAIL").or_else(|| some("OXCART_MAIL_FROM")).unwrap_or_default(),
            payments: some("OXCART_PAYMENTS").unwrap_or_else(|| "builtin".into()),
            search: some("OXCART_SEARCH").unwrap_or_else(|| "off".into()),
            language: some("OXCART_LANGUAGE").unwrap_or_else(|| "en".into()),
            opensearch_url: some("OXCART_OPENSEARCH_URL").map(|url| url.trim_end_matches('/').to_owned()),
            opensearch_shards: 1,
            cache: some("OXCART_CACHE_URL").as_deref().and_then(CacheAddress::parse),
            cdn: some("OXCART_CDN").unwrap_or_else(|| "off".into()),
            origin_digests: some("OXCART_ORIGIN_DIGESTS")
                .map(|text| text.split(',').map(|digest| digest.trim().to_owned()).collect())
                .unwrap_or_default(),
            stripe_url: some("OXCART_STRIPE_URL").unwrap_or_else(|| STRIPE_URL.into()),
            capture_later: false,
            payment_timeout: Duration::from_secs(8),
            hold: kernel::limits::HOLD,
            done_marks: kernel::limits::DONE_MARKS,
            attempts: AttemptLimits::default(),
            sign_ins: SignInLimits::default(),
            client_ip_header: some("OXCART_CLIENT_IP_HEADER").map(|name| name.to_ascii_lowercase()),
            files: some("OXCART_FILES")
                .or_else(|| Some(format!("{}-files", some("OXCART_PREFIX")?)))
                .unwrap_or_default(),
            files_url: some("OXCART_FILES_URL"),
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
        let (attempts, sign_ins) = (&mut config.attempts, &mut config.sign_ins);
        for (name, limit) in [
            ("OXCART_ATTEMPTS_CART", &mut attempts.cart),
            ("OXCART_ATTEMPTS_ACCOUNT", &mut attempts.account),
            ("OXCART_ATTEMPTS_EMAIL", &mut attempts.email),
            ("OXCART_ATTEMPTS_ADDRESS", &mut attempts.address),
            ("OXCART_ATTEMPTS_METHOD", &mut attempts.method),
            ("OXCART_SIGN_INS_HERE", &mut sign_ins.here),
            ("OXCART_SIGN_INS_ACCOUNT", &mut sign_ins.account),
            ("OXCART_SIGN_INS_NETWORK", &mut sign_ins.network),
        ] {
            match some(name).map(|text| Limit::parse(&text)) {
                None => {}
                Some(Some(said)) => *limit = said,
                Some(None) => {
                    missing.push(format!(
                        "{name} must be `off` or as in `5/3600`: 1 to 100000 within 60 to 604800 seconds"
                    ));
                }
            }
        }
        if !PAYMENTS.contains(&config.payments.as_str()) {
            let known = PAYMENTS.map(|name| format!("`{name}`")).join(" and ");
            missing
                .push(format!("OXCART_PAYMENTS: there is no provider `{}`; this build has {known}", config.payments));
        }
        for (name, value, known) in
            [("OXCART_SEARCH", &config.search, &SEARCH[..]), ("OXCART_LANGUAGE", &config.language, &LANGUAGES[..])]
        {
            if !known.contains(&value.as_str()) {
                missing.push(format!("{name} must be one of {}, not `{value}`", known.join(", ")));
            }
        }
        if !matches!(config.cdn.as_str(), "off" | "local") && !is_distribution(&config.cdn) {
            missing.push(format!("OXCART_CDN must be `off`, `local` or a distribution's id, not `{}`", config.cdn));
        }
        if config.origin_digests.len() > ORIGIN_DIGESTS || !config.origin_digests.iter().all(|text| is_digest(text)) {
            missing.push(format!(
                "OXCART_ORIGIN_DIGESTS must be up to {ORIGIN_DIGESTS} SHA-256 digests in hexadecimal, separated by commas"
            ));
        }
        if let Some(text) = some("OXCART_OPENSEARCH_SHARDS") {
            match text.parse().ok().filter(|shards| (1..=SHARDS_MAX).contains(shards)) {
                Some(shards) => config.opensearch_shards = shards,
                None => missing.push(format!("OXCART_OPENSEARCH_SHARDS must be 1 to {SHARDS_MAX}")),
            }
        }
        match config.opensearch_url.as_deref() {
            Some(url) if !private(url) => {
                missing.push("OXCART_OPENSEARCH_URL must start with https://; http:// is for this machine only".into());
            }
            None if config.search == "opensearch" => missing.push("OXCART_OPENSEARCH_URL is not set".into()),
            _ => {}
        }
        if config.cache.is_none() && some("OXCART_CACHE_URL").is_some() {
            missing.push(
                "OXCART_CACHE_URL must be rediss://HOST:PORT without a user; redis:// is for this machine only".into(),
            );
        }
        config.stripe_url.truncate(config.stripe_url.trim_end_matches('/').len());
        if !private(&config.stripe_url) {
            missing.push("OXCART_STRIPE_URL must start with https://; http:// is for this machine only".into());
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

    #[test]
    fn limits_are_read_or_refused() {
        assert_eq!(Limit::parse("5/3600"), Some(Limit::of(5, 3600)));
        assert_eq!(Limit::parse("off").map(|limit| limit.most), Some(0));
        for bad in ["", "5", "0/3600", "5/59", "5/604801", "-1/60", "5/60/7", "five/60", "100001/60"] {
            assert_eq!(Limit::parse(bad), None, "{bad}");
        }
        let vars = |text: &str| BTreeMap::from([("OXCART_ATTEMPTS_CART".to_owned(), text.to_owned())]);
        assert!(Config::from_vars(&vars("5")).unwrap_err().to_string().contains("OXCART_ATTEMPTS_CART must"));
        assert!(!Config::from_vars(&vars("off")).unwrap_err().to_string().contains("ATTEMPTS"));
    }

    #[test]
    fn opensearch_is_somewhere_and_not_in_the_clear() {
        let said = |pairs: &[(&str, &str)]| {
            let vars = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Config::from_vars(&vars).unwrap_err().to_string()
        };
        let url = ("OXCART_OPENSEARCH_URL", "https://search.example.com/");
        assert!(said(&[("OXCART_SEARCH", "opensearch")]).contains("OXCART_OPENSEARCH_URL is not set"));
        assert!(!said(&[("OXCART_SEARCH", "opensearch"), url]).contains("OPENSEARCH"));
        assert!(said(&[("OXCART_OPENSEARCH_URL", "http://search.example.com")]).contains("OXCART_OPENSEARCH_URL must"));
        for bad in ["0", "101", "-1", "x"] {
            assert!(said(&[("OXCART_OPENSEARCH_SHARDS", bad)]).contains("OXCART_OPENSEARCH_SHARDS must"), "{bad}");
        }
    }

    #[test]
    fn a_cache_is_not_asked_in_the_clear() {
        let said = |url: &str| {
            let vars = BTreeMap::from([("OXCART_CACHE_URL".to_owned(), url.to_owned())]);
            Config::from_vars(&vars).unwrap_err().to_string().contains("OXCART_CACHE_URL must")
        };
        assert!(!said("") && !said("redis://127.0.0.1:6379") && !said("rediss://cache.example.com"));
        assert!(said("redis://cache.example.com") && said("rediss://:secret@cache.example.com"));
    }

    #[test]
    fn a_cdn_is_a_distribution_and_its_secrets_are_told_as_digests() {
        let said = |name: &str, value: &str| {
            let vars = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            Config::from_vars(&vars).unwrap_err().to_string().contains(name)
        };
        for (good, bad) in [("off", "on"), ("local", "E1/x"), ("E2QWRUHAPOMQZL", "e2qwruhapomqzl")] {
            assert!(!said("OXCART_CDN", good) && said("OXCART_CDN", bad), "{good} {bad}");
        }
        let digest = "0123456789abcdef".repeat(4);
        assert!(!said("OXCART_ORIGIN_DIGESTS", &digest));
        assert!(!said("OXCART_ORIGIN_DIGESTS", &format!("{digest}, {digest}")));
        for bad in ["secret".to_owned(), digest.to_uppercase(), format!("{digest},{digest},{digest}"), ",".into()] {
            assert!(said("OXCART_ORIGIN_DIGESTS", &bad), "{bad}");
        }
    }

    #[test]
    fn a_key_is_not_sent_in_the_clear() {
        for good in ["https://api.stripe.com", "http://127.0.0.1:8420", "http://localhost", "http://[::1]:9/x"] {
            assert!(private(good), "{good}");
        }
        for bad in
            ["http://api.stripe.com", "http://127.0.0.1.example.com", "http://127.0.0.1:1@example.com", "", "ftp://x"]
        {
            assert!(!private(bad), "{bad}");
        }
        let vars = |url: &str, payments: &str| {
            BTreeMap::from([
                ("OXCART_STRIPE_URL".to_owned(), url.to_owned()),
                ("OXCART_PAYMENTS".into(), payments.into()),
            ])
        };
        let message = Config::from_vars(&vars("http://api.stripe.com", "cash")).unwrap_err().to_string();
        assert!(message.contains("OXCART_STRIPE_URL must") && message.contains("no provider `cash`"), "{message}");
        let message = Config::from_vars(&vars("https://api.stripe.com/", "stripe")).unwrap_err().to_string();
        assert!(!message.contains("STRIPE") && !message.contains("PAYMENTS"), "{message}");
    }
}
