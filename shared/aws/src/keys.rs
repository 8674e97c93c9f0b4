//! Keys and secrets. The private key of access tokens never leaves KMS; other secrets come from Secrets Manager and have
//! neither `Debug` nor `Display`. The one we drew ourselves is kept for the life of the sandbox; what somebody else may
//! change at any time is read again every few minutes ([`LiveSecret`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use kernel::Timestamp;
use kernel::cursor::SigningKey;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::config::ConfigError;
use crate::grants::{Capability, Grant, Resource};
use crate::platform::Platform;
use crate::table::DataError;

/// An asymmetric RSA-2048 key pair for signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Its name; the alias is `alias/<prefix>-<name>`.
    pub name: &'static str,
}

/// A secret: 64 random characters that Terraform draws, unless it is one of [`BROUGHT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// Its name; the secret's id is `<prefix>/<name>`.
    pub name: &'static str,
}

/// The key pair of access tokens.
pub const TOKENS: KeySpec = KeySpec { name: "tokens" };
/// The other key pair of access tokens: the one that signs next, or signed before. Its public half is published too.
pub const TOKENS_SPARE: KeySpec = KeySpec { name: "tokens-spare" };
/// The secret under cursors and guest tokens.
pub const CURSORS: SecretSpec = SecretSpec { name: "cursors" };
/// What Stripe gave: its API key, and the secrets of its webhooks.
pub const STRIPE: SecretSpec = SecretSpec { name: "stripe" };
/// The secrets whose value is brought by whoever runs the stage. Terraform makes the place for it and never writes there.
pub const BROUGHT: &[SecretSpec] = &[STRIPE];

/// Signs access tokens.
#[derive(Clone)]
pub struct Signer {
    client: aws_sdk_kms::Client,
    key_id: String,
}

impl Capability for Signer {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["kms:Sign"], Resource::Key { name: TOKENS.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { client: platform.kms(), key_id: platform.key_id(&TOKENS) })
    }
}

impl Signer {
    /// An RS256 signature (RSASSA-PKCS1-v1_5 with SHA-256) of at most 4,096 bytes.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, DataError> {
        let request =
            self.client.sign().key_id(&self.key_id).message(Blob::new(message)).message_type(MessageType::Raw);
        let answer = request.signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256).send().await?;
        answer
            .signature
            .map(Blob::into_inner)
            .ok_or_else(|| DataError::Corrupt("KMS answered without a signature".into()))
    }
}

/// Reads the public half of the key of access tokens.
#[derive(Clone)]
pub struct PublicKey {
    client: aws_sdk_kms::Client,
    key_id: String,
    known: Arc<OnceCell<Vec<u8>>>,
}

impl Capability for PublicKey {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["kms:GetPublicKey"], Resource::Key { name: TOKENS.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { client: platform.kms(), key_id: platform.key_id(&TOKENS), known: Arc::default() })
    }
}

impl PublicKey {
    /// The DER of its SubjectPublicKeyInfo (RFC 5280), read once in the sandbox's life.
    pub async fn der(&self) -> Result<&[u8], DataError> {
        let read = || async {
            let answer = self.client.get_public_key().key_id(&self.key_id).send().await?;
            let key = answer.public_key.map(Blob::into_inner);
            key.ok_or_else(|| DataError::Corrupt("KMS answered without a key".into()))
        };
        self.known.get_or_try_init(read).await.map(Vec::as_slice)
    }
}

/// Reads the public half of the other key of access tokens, where the stage has one.
#[derive(Clone)]
pub struct SparePublicKey {
    key: Option<PublicKey>,
}

impl Capability for SparePublicKey {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["kms:GetPublicKey"], Resource::Key { name: TOKENS_SPARE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let key_id = platform.config().tokens_spare.clone();
        let key = key_id.map(|key_id| PublicKey { client: platform.kms(), key_id, known: Arc::default() });
        Ok(Self { key })
    }
}

impl SparePublicKey {
    /// The DER of its SubjectPublicKeyInfo, read once in the sandbox's life; `None` where there is no such key.
    pub async fn der(&self) -> Result<Option<&[u8]>, DataError> {
        match &self.key {
            Some(key) => key.der().await.map(Some),
            None => Ok(None),
        }
    }
}

/// The secret that signs cursors and guest tokens.
#[derive(Clone)]
pub struct SigningSecret {
    client: aws_sdk_secretsmanager::Client,
    id: String,
    known: Arc<OnceCell<SigningKey>>,
}

impl Capability for SigningSecret {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["secretsmanager:GetSecretValue"], Resource::Secret { name: CURSORS.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { client: platform.secrets(), id: platform.secret_id(&CURSORS), known: Arc::default() })
    }
}

impl SigningSecret {
    /// The key, read once in the sandbox's life.
    pub async fn key(&self) -> Result<&SigningKey, DataError> {
        let read = || async {
            let answer = self.client.get_secret_value().secret_id(&self.id).send().await?;
            let text = answer.secret_string.unwrap_or_default();
            if text.len() < 32 {
                return Err(DataError::Corrupt(format!("the secret {} is shorter than 32 characters", self.id)));
            }
            Ok(SigningKey::new(text.into_bytes()))
        };
        self.known.get_or_try_init(read).await
    }
}

/// How long a secret is good before it is read again: a new one is in use everywhere after that.
const FRESH: Duration = Duration::from_secs(300);
/// How soon after a reading the next one may be asked for, whatever became of the first.
const PAUSE: Duration = Duration::from_secs(30);

/// A secret that may change while functions run. It is read again every five minutes, by one caller while the others go on
/// with what is known; when it cannot be read, what was known stays in use. It has neither `Debug` nor `Display`.
pub struct LiveSecret<T> {
    inner: Arc<Live<T>>,
}

struct Live<T> {
    client: aws_sdk_secretsmanager::Client,
    id: String,
    clock: Arc<dyn Clock>,
    /// What the text means; `None` when it cannot be read.
    read: fn(&str) -> Option<T>,
    known: Mutex<Option<Known<T>>>,
    turn: tokio::sync::Mutex<()>,
}

struct Known<T> {
    value: Arc<T>,
    tried: Timestamp,
    due: Timestamp,
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), tried: self.tried, due: self.due }
    }
}

impl<T> Clone for LiveSecret<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T: PartialEq + Send + Sync> LiveSecret<T> {
    /// A secret of this stage, and how its text is read. Nothing is sent yet.
    #[must_use]
    pub fn connect(platform: &Platform, spec: &SecretSpec, read: fn(&str) -> Option<T>) -> Self {
        let (client, id, clock) = (platform.secrets(), platform.secret_id(spec), platform.clock().clone());
        let (known, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Live { client, id, clock, read, known, turn }) }
    }

    /// What using one takes.
    #[must_use]
    pub fn grant(spec: &SecretSpec) -> Grant {
        Grant::new(&["secretsmanager:GetSecretValue"], Resource::Secret { name: spec.name })
    }

    fn known(&self) -> MutexGuard<'_, Option<Known<T>>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret. An error only when it was never read.
    pub async fn get(&self) -> Result<Arc<T>, DataError> {
        let known = self.known().clone();
        let stale = match known {
            Some(known) if self.inner.clock.now() < known.due => return Ok(known.value),
            stale => stale,
        };
        let _turn = match (stale, self.inner.turn.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(stale), Err(_)) => return Ok(stale.value),
            (None, Err(_)) => self.inner.turn.lock().await,
        };
        // Whoever had the turn before may have read it.
        let known = self.known().clone();
        match known {
            Some(known) if self.inner.clock.now() < known.due => Ok(known.value),
            _ => self.fetch().await,
        }
    }

    /// The secret, read again because this one was refused; the same one when there is no newer, or when it was read less
    /// than half a minute ago.
    pub async fn renew(&self, refused: &Arc<T>) -> Result<Arc<T>, DataError> {
        let _turn = self.inner.turn.lock().await;
        let known = self.known().clone();
        match known {
            Some(known) if !Arc::ptr_eq(&known.value, refused) => Ok(known.value),
            Some(known) if self.inner.clock.now().since(known.tried) < PAUSE => Ok(known.value),
            _ => self.fetch().await,
        }
    }

    async fn fetch(&self) -> Result<Arc<T>, DataError> {
        let fetched = self.read().await;
        let now = self.inner.clock.now();
        let mut known = self.known();
        let (value, keeps) = match (fetched, known.take()) {
            (Ok(value), Some(old)) if value == *old.value => (old.value, FRESH),
            (Ok(value), _) => (Arc::new(value), FRESH),
            (Err(_), Some(old)) => (old.value, PAUSE),
            (Err(error), None) => return Err(error),
        };
        let next = Known { value, tried: now, due: now.after(keeps) };
        let value = next.value.clone();
        *known = Some(next);
        Ok(value)
    }

    async fn read(&self) -> Result<T, DataError> {
        let answer = self.inner.client.get_secret_value().secret_id(&self.inner.id).send().await?;
        let text = answer.secret_string.unwrap_or_default();
        (self.inner.read)(&text)
            .ok_or_else(|| DataError::Corrupt(format!("the secret {} is not of its form", self.inner.id)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::clock::ManualClock;
    use crate::config::Config;

    /// Secrets Manager with one secret: `Some(text)`, or a refusal.
    #[derive(Clone, Debug, Default)]
    struct Keeper(Arc<Mutex<(Option<&'static str>, usize)>>);

    impl Keeper {
        fn set(&self, text: Option<&'static str>) {
            self.0.lock().unwrap().0 = text;
        }

        fn asked(&self) -> usize {
            self.0.lock().unwrap().1
        }
    }

    impl HttpConnector for Keeper {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            let (status, body) = match state.0 {
                Some(text) => (200, serde_json::json!({ "SecretString": text })),
                None => (400, serde_json::json!({ "__type": "AccessDeniedException", "message": "no" })),
            };
            let status = StatusCode::try_from(status).unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body.to_string()))))
        }
    }

    fn secret(keeper: &Keeper, clock: &Arc<ManualClock>) -> LiveSecret<String> {
        let names = ["OXCART_STAGE", "OXCART_PREFIX", "OXCART_QUEUE_BASE", "OXCART_ISSUER", "OXCART_MAIL_FROM"];
        let more = ["OXCART_FUNCTION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let vars: BTreeMap<String, String> =
            names.into_iter().chain(more).map(|name| (name.to_owned(), "x".to_owned())).collect();
        let connector = SharedHttpConnector::new(keeper.clone());
        let http = http_client_fn(move |_, _| connector.clone());
        let platform = Platform::over(Config::from_vars(&vars).unwrap(), http).with_clock(clock.clone());
        LiveSecret::connect(&platform, &STRIPE, |text| text.strip_prefix("good ").map(str::to_owned))
    }

    #[tokio::test]
    async fn it_is_read_again_after_five_minutes_and_stays_when_it_cannot_be() {
        let (keeper, clock) = (Keeper::default(), Arc::new(ManualClock::at(Timestamp::from_millis(0))));
        let secret = secret(&keeper, &clock);
        assert!(matches!(secret.get().await, Err(DataError::Denied(_))));
        keeper.set(Some("bad"));
        assert!(matches!(secret.get().await, Err(DataError::Corrupt(_))));
        keeper.set(Some("good one"));
        assert_eq!(*secret.get().await.unwrap(), "one");
        keeper.set(Some("good two"));
        clock.advance(FRESH - Duration::from_millis(1));
        assert_eq!(*secret.get().await.unwrap(), "one");
        clock.advance(Duration::from_millis(1));
        assert_eq!(*secret.get().await.unwrap(), "two");
        // Neither a refusal nor a text that makes no sense takes away what is known, and neither is asked for at once again.
        for broken in [None, Some("bad")] {
            keeper.set(broken);
            clock.advance(FRESH);
            let asked = keeper.asked();
            assert_eq!(*secret.get().await.unwrap(), "two");
            assert_eq!(*secret.get().await.unwrap(), "two");
            assert_eq!(keeper.asked(), asked + 1);
        }
        keeper.set(Some("good three"));
        clock.advance(PAUSE);
        assert_eq!(*secret.get().await.unwrap(), "three");
    }

    #[tokio::test]
    async fn a_refused_one_is_renewed_at_most_every_half_minute() {
        let (keeper, clock) = (Keeper::default(), Arc::new(ManualClock::at(Timestamp::from_millis(0))));
        let secret = secret(&keeper, &clock);
        keeper.set(Some("good one"));
        let refused = secret.get().await.unwrap();
        keeper.set(Some("good two"));
        assert!(Arc::ptr_eq(&secret.renew(&refused).await.unwrap(), &refused), "too soon");
        clock.advance(PAUSE);
        let renewed = secret.renew(&refused).await.unwrap();
        assert_eq!(*renewed, "two");
        // Somebody who was refused with the old one finds the new one without a call.
        let asked = keeper.asked();
        assert_eq!(*secret.renew(&refused).await.unwrap(), "two");
        assert_eq!(keeper.asked(), asked);
        clock.advance(PAUSE);
        assert!(Arc::ptr_eq(&secret.renew(&renewed).await.unwrap(), &renewed), "there is no newer");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_read_it_once() {
        let (keeper, clock) = (Keeper::default(), Arc::new(ManualClock::at(Timestamp::from_millis(0))));
        let secret = secret(&keeper, &clock);
        keeper.set(Some("good one"));
        let askers: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let secret = secret.clone();
                    async move { secret.get().await }
                })
            })
            .collect();
        for asker in askers {
            assert_eq!(*asker.await.unwrap().unwrap(), "one");
        }
        assert_eq!(keeper.asked(), 1);
    }
}
