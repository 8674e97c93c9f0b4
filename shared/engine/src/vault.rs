//! KMS and Secrets Manager: RSA keys by alias and random secrets by name, made at first use.
//!
//! Owns the files `keys/*.pem` and `secrets/*` of a folder (mode 0600; an operator may replace them). It must never
//! log or answer a private key. In memory the keys belong to the process, because making one takes a debug build
//! seconds; they guard nothing there.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand_core::{OsRng, RngCore};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::sha2::{Digest, Sha256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::Call;
use crate::engine::{EngineError, Entropy, Place};
use crate::wire::{Refusal, Reply, Service};
use crate::{ACCOUNT, REGION};

const KEY_BITS: usize = 2048;
const ALGORITHM: &str = "RSASSA_PKCS1_V1_5_SHA_256";
/// KMS's limit for a RAW message.
const MOST_RAW_BYTES: usize = 4096;

/// The keys of every engine in memory.
static PROCESS_KEYS: Mutex<BTreeMap<String, Arc<RsaPrivateKey>>> = Mutex::new(BTreeMap::new());

pub(crate) struct Vault {
    folder: Option<PathBuf>,
    keys: BTreeMap<String, Arc<RsaPrivateKey>>,
    secrets: BTreeMap<String, String>,
    entropy: Option<Entropy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignRequest {
    key_id: String,
    message: String,
    message_type: Option<String>,
    signing_algorithm: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretRequest {
    secret_id: String,
}

impl Vault {
    pub(crate) fn open(place: &Place, entropy: Option<Entropy>) -> Result<Self, EngineError> {
        let folder = match place {
            Place::Memory => None,
            Place::Folder(folder) => {
                for name in ["keys", "secrets"] {
                    let path = folder.join(name);
                    fs::create_dir_all(&path).map_err(EngineError::file(&path))?;
                }
                Some(folder.clone())
            }
        };
        Ok(Self { folder, keys: BTreeMap::new(), secrets: BTreeMap::new(), entropy })
    }

    pub(crate) fn answer_kms(&mut self, call: &Call) -> Reply {
        let answer = match call.operation.as_str() {
            "Sign" => self.sign(call.body()),
            "GetPublicKey" => self.public_key(call.body()),
            _ => return Reply::unknown_operation(Service::Kms),
        };
        reply(Service::Kms, answer)
    }

    pub(crate) fn answer_secrets(&mut self, call: &Call) -> Reply {
        match call.operation.as_str() {
            "GetSecretValue" => reply(Service::SecretsManager, self.secret_value(call.body())),
            _ => Reply::unknown_operation(Service::SecretsManager),
        }
    }

    fn sign(&mut self, body: &[u8]) -> Result<Value, Refusal> {
        let request: SignRequest = decode(body)?;
        if request.signing_algorithm != ALGORITHM {
            return Err(Refusal::new("ValidationException", format!("the key signs with {ALGORITHM} only")));
        }
        let message = BASE64.decode(&request.message).map_err(|_| invalid("Message is not base64"))?;
        let digest = match request.message_type.as_deref().unwrap_or("RAW") {
            "RAW" if message.len() <= MOST_RAW_BYTES => Sha256::digest(&message).to_vec(),
            "RAW" => return Err(invalid("a RAW message has at most 4096 bytes")),
            "DIGEST" if message.len() == Sha256::output_size() => message,
            "DIGEST" => return Err(invalid("Digest is invalid length for algorithm RSASSA_PKCS1_V1_5_SHA_256.")),
            _ => return Err(invalid("MessageType must be RAW or DIGEST")),
        };
        let name = key_name(&request.key_id)?;
        let signature = self.key(&name)?.sign(Pkcs1v15Sign::new::<Sha256>(), &digest).map_err(broken)?;
        Ok(json!({ "KeyId": key_arn(&name), "Signature": BASE64.encode(signature), "SigningAlgorithm": ALGORITHM }))
    }

    fn public_key(&mut self, body: &[u8]) -> Result<Value, Refusal> {
        let request: KeyRequest = decode(body)?;
        let name = key_name(&request.key_id)?;
        let der = self.key(&name)?.to_public_key().to_public_key_der().map_err(broken)?;
        Ok(json!({
            "KeyId": key_arn(&name),
            "PublicKey": BASE64.encode(der.as_bytes()),
            "CustomerMasterKeySpec": "RSA_2048",
            "KeySpec": "RSA_2048",
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": [ALGORITHM],
        }))
    }

    fn key(&mut self, name: &str) -> Result<Arc<RsaPrivateKey>, Refusal> {
        if let Some(key) = self.keys.get(name) {
            return Ok(Arc::clone(key));
        }
        let key = match &self.folder {
            Some(folder) => Arc::new(key_in_file(&folder.join("keys").join(format!("{name}.pem")))?),
            None => process_key(name)?,
        };
        self.keys.insert(name.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    fn secret_value(&mut self, body: &[u8]) -> Result<Value, Refusal> {
        let request: SecretRequest = decode(body)?;
        let name = secret_name(&request.secret_id)?;
        let secret = self.secret(&name)?;
        let digest = format!("{:x}", md5::compute(format!("{name}={secret}")));
        Ok(json!({
            "ARN": format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"),
            "Name": name,
            "SecretString": secret,
            "VersionId": digest,
            "VersionStages": ["AWSCURRENT"],
        }))
    }

    fn secret(&mut self, name: &str) -> Result<String, Refusal> {
        if let Some(secret) = self.secrets.get(name) {
            return Ok(secret.clone());
        }
        let mut bytes = [0; 32];
        match &self.entropy {
            Some(entropy) => entropy(&mut bytes),
            None => OsRng.fill_bytes(&mut bytes),
        }
        let fresh: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = match &self.folder {
            Some(folder) => {
                let path = folder.join("secrets").join(name.replace('/', "%2F"));
                read_or_write(&path, || Ok(fresh))?.trim_end().to_owned()
            }
            None => fresh,
        };
        self.secrets.insert(name.to_owned(), secret.clone());
        Ok(secret)
    }
}

fn reply(service: Service, answer: Result<Value, Refusal>) -> Reply {
    match answer {
        Ok(body) => Reply::ok(service, &body),
        Err(refusal) if refusal.code == BROKEN => Reply::internal(service, &refusal.message),
        Err(refusal) => Reply::error(service, 400, refusal.code, &refusal.message),
    }
}

/// Marks a refusal that is the engine's fault.
const BROKEN: &str = "Broken";

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(BROKEN, error.to_string())
}

fn invalid(message: &str) -> Refusal {
    Refusal::new("ValidationException", message)
}

fn decode<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new("ValidationException", error.to_string()))
}

/// The name in `alias/tokens`, `key/tokens`, an ARN that ends in either, or `tokens`.
fn key_name(id: &str) -> Result<String, Refusal> {
    let id = id.rsplit(':').next().unwrap_or(id);
    let name = id.strip_prefix("alias/").or_else(|| id.strip_prefix("key/")).unwrap_or(id);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 200 || !name.chars().all(allowed) {
        return Err(Refusal::new("NotFoundException", format!("Invalid keyId '{id}'")));
    }
    Ok(name.to_owned())
}

fn key_arn(name: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}")
}

fn secret_name(id: &str) -> Result<String, Refusal> {
    let name = id.rsplit(':').next().unwrap_or(id);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    // A name of dots alone would leave the folder.
    if !name.chars().all(allowed) || name.len() > 200 || name.chars().all(|c| c == '.') {
        return Err(Refusal::new("InvalidParameterException", format!("Invalid name: {id}")));
    }
    Ok(name.to_owned())
}

fn new_key() -> Result<RsaPrivateKey, Refusal> {
    RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(broken)
}

fn process_key(name: &str) -> Result<Arc<RsaPrivateKey>, Refusal> {
    let mut keys = PROCESS_KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = keys.get(name) {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(new_key()?);
    keys.insert(name.to_owned(), Arc::clone(&key));
    Ok(key)
}

fn key_in_file(path: &Path) -> Result<RsaPrivateKey, Refusal> {
    let pem = read_or_write(path, || {
        let pem = new_key()?.to_pkcs8_pem(LineEnding::LF).map_err(broken)?;
        Ok(pem.to_string())
    })?;
    RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|error| broken(format!("{}: {error}", path.display())))
}

/// The text of a file that only its owner may read; made, and on disk, before it is first answered.
fn read_or_write(path: &Path, make: impl FnOnce() -> Result<String, Refusal>) -> Result<String, Refusal> {
    let failed = |error: std::io::Error| broken(format!("{}: {error}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let text = make()?;
    // Written beside and renamed: a process that dies half-way leaves no half key.
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    Ok(text)
}
