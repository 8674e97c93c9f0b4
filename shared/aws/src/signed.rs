//! Requests to a service of AWS that the SDK has no client for, or a large one for a small need, signed with the function's
//! credentials: the data plane of `OpenSearch`, and the one request of `CloudFront`. Plain HTTP with Signature Version 4.
//!
//! It owns the signature, time-outs, repeats and the circuit breaker; what is asked and what an answer means is the caller's
//! module. It must never log credentials, and never send anything in the clear except to this machine.

use std::pin::pin;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use futures_util::future::{Either, select};
use kernel::Timestamp;

use crate::Platform;
use crate::breaker::{Guard, State};
use crate::config::{ConfigError, private};
use crate::tls::AMAZON_ROOTS;
use crate::transport::{Lost, Reply, Request, Transport};

/// The first wait before a repeat is at most this long, and each further one at most twice the one before.
const WAIT: Duration = Duration::from_millis(100);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// An answer that took longer speaks against the far end.
const SLOW: Duration = Duration::from_secs(5);

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service(&'static str);

impl Service {
    /// A domain of Amazon `OpenSearch` Service.
    pub const DOMAIN: Self = Self("es");
    /// A collection of `OpenSearch` Serverless.
    pub const SERVERLESS: Self = Self("aoss");
    /// `CloudFront`, which is one for the whole world.
    pub const CLOUDFRONT: Self = Self("cloudfront");

    /// Which of `OpenSearch`'s an address belongs to: a collection is at `<id>.<region>.aoss.amazonaws.com`, everything else is
    /// a domain.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let host = url.split("://").last().unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
        if host.ends_with(".aoss.amazonaws.com") { Self::SERVERLESS } else { Self::DOMAIN }
    }

    /// The region that requests are signed for: what is one for the whole world is signed for us-east-1.
    fn region(self, own: &str) -> &str {
        if self == Self::CLOUDFRONT { "us-east-1" } else { own }
    }
}

/// How long and how often something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// How often at most: once, for what must not be done twice.
    pub most: u32,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long all of it may take, waits between attempts included.
    pub whole: Duration,
}

/// No answer that says anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The far end failed too often just now, and was not asked.
    #[error("left alone after too many failures")]
    Open,
    /// Nothing in time, or nothing but failures.
    #[error("{0}")]
    NoAnswer(String),
}

/// A signed way to one host.
pub struct SignedClient {
    transport: Transport,
    base: String,
    service: Service,
    credentials: Credentials,
    platform: Platform,
    guard: Guard,
}

impl SignedClient {
    /// To a base URL: `https://`, or `http://` on this machine. Nothing is built or sent before the first request.
    pub fn connect(platform: &Platform, base: &str) -> Result<Self, ConfigError> {
        let base = base.trim_end_matches('/');
        Self::over(platform, base, Transport::new(base, AMAZON_ROOTS))
    }

    /// Over another transport to that URL: recorded answers.
    pub fn over(platform: &Platform, base: &str, transport: Transport) -> Result<Self, ConfigError> {
        if !private(base) {
            return Err(ConfigError::one(format!(
                "{base}: must start with https://; http:// is for this machine only"
            )));
        }
        let credentials = platform.config().credentials.clone();
        let credentials = credentials.ok_or_else(|| ConfigError::one("there are no credentials to sign with"))?;
        Ok(Self {
            transport,
            base: base.to_owned(),
            service: Service::of(base),
            credentials,
            guard: Guard::new(platform.clock().clone(), SLOW),
            platform: platform.clone(),
        })
    }

    /// The same, to another service.
    #[must_use]
    pub fn to(self, service: Service) -> Self {
        Self { service, ..self }
    }

    /// Where the breaker stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.guard.state()
    }

    /// Sends a request, again when it was in vain and may be repeated. Any answer but those that say "not now" (429, 502, 503
    /// and 504) is an answer, whatever its status.
    pub async fn send(&self, request: &Request, tries: Tries) -> Result<Reply, Unanswered> {
        let answer = self.guard.call(self.tried(request, tries), Result::is_err).await;
        answer.unwrap_or(Err(Unanswered::Open))
    }

    async fn tried(&self, request: &Request, tries: Tries) -> Result<Reply, Unanswered> {
        let began = self.platform.clock().now();
        let mut number = 1;
        loop {
            let left = tries.whole.saturating_sub(self.platform.clock().now().since(began));
            let why = match self.attempt(request, tries.attempt.min(left)).await {
                Ok(reply) if !matches!(reply.status, 429 | 502..=504) => return Ok(reply),
                Ok(reply) => format!("status {}", reply.status),
                Err(why) => why,
            };
            let wait = self.wait(number);
            let left = tries.whole.saturating_sub(self.platform.clock().now().since(began));
            if number >= tries.most || wait >= left {
                return Err(Unanswered::NoAnswer(format!("{why}, at the attempt number {number}")));
            }
            self.platform.sleep(wait).await;
            number += 1;
        }
    }

    /// Anything between nothing and twice what it was before: who was refused together does not come again together.
    fn wait(&self, number: u32) -> Duration {
        let most = WAIT.saturating_mul(1_u32.checked_shl(number - 1).unwrap_or(u32::MAX)).min(WAIT_MAX);
        let [low, high, ..] = self.platform.random();
        most.saturating_mul(u32::from(u16::from_le_bytes([low, high]))) / u32::from(u16::MAX)
    }

    async fn attempt(&self, request: &Request, limit: Duration) -> Result<Reply, String> {
        let signed = self.sign(request, self.platform.clock().now())?;
        match select(pin!(self.transport.send(signed)), pin!(self.platform.sleep(limit))).await {
            Either::Left((Ok(reply), _)) => Ok(reply),
            Either::Left((Err(Lost::Broken(why)), _)) => Err(why),
            Either::Left((Err(unusable @ Lost::Unusable(_)), _)) => Err(unusable.to_string()),
            Either::Right(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }

    /// The request with the headers of its signature. The body's digest is one of them: collections demand it.
    fn sign(&self, request: &Request, now: Timestamp) -> Result<Request, String> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity: Identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.service.region(&self.platform.config().region))
            .name(self.service.0)
            .time(UNIX_EPOCH + now.since(Timestamp::from_millis(0)))
            .settings(settings)
            .build();
        let params = params.map_err(|error| error.to_string())?.into();
        let url = format!("{}{}", self.base, request.path);
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(request.body.as_bytes());
        let signable = SignableRequest::new(request.method, url, headers, body).map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        let mut signed = request.clone();
        let (headers, _) = instructions.into_parts();
        signed.headers.extend(headers.iter().map(|header| (header.name(), header.value().to_owned())));
        Ok(signed)
    }
}

#[cfg(test)]
mod tests;
