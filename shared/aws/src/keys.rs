//! Keys and secrets. The private key of access tokens never leaves KMS; symmetric secrets come from Secrets Manager, are
//! kept for the life of the sandbox, and have neither `Debug` nor `Display`.

use std::sync::Arc;

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use kernel::cursor::SigningKey;
use tokio::sync::OnceCell;

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

/// A symmetric secret of at least 32 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// Its name; the secret's id is `<prefix>/<name>`.
    pub name: &'static str,
}

/// The key pair of access tokens.
pub const TOKENS: KeySpec = KeySpec { name: "tokens" };
/// The secret under cursors and guest tokens.
pub const CURSORS: SecretSpec = SecretSpec { name: "cursors" };

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
