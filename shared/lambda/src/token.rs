//! RS256 access tokens (RFC 7519), verified as API Gateway's JWT authorizer does.
//!
//! In the cloud the authorizer verifies them on routes that need one; functions on routes where a token is optional, and
//! the local gateway, verify them here, with ring, which is in the binary for TLS anyway. Only RS256 is accepted, whatever
//! the header says.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::{Timestamp, UserId};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::call::Caller;

/// Who the tokens are for.
pub const AUDIENCE: &str = "oxcart";
/// Clocks may differ by so many seconds.
const LEEWAY_S: i64 = 30;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it speaks for.
    pub sub: String,
    /// Whom it is meant for.
    pub aud: String,
    /// Issued at, seconds since the epoch.
    pub iat: i64,
    /// Expires at, seconds since the epoch.
    pub exp: i64,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Its own id.
    pub jti: String,
}

impl Claims {
    /// The caller it speaks for; `None` when `sub` is not an account.
    #[must_use]
    pub fn caller(&self) -> Option<Caller> {
        let scopes = self.scope.split_ascii_whitespace().map(str::to_owned).collect();
        Some(Caller { id: UserId::parse(&self.sub)?, scopes })
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is not a JWT, or its algorithm is not RS256.
    Malformed,
    /// The signature is not ours.
    BadSignature,
    /// Of another issuer or for another audience.
    Foreign,
    /// Its time is over, or has not come.
    Expired,
}

/// The part of a token that is signed.
#[must_use]
pub fn signing_input(key_id: &str, claims: &Claims) -> String {
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": key_id });
    let payload = serde_json::to_vec(claims).unwrap_or_default();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload))
}

/// The whole token.
#[must_use]
pub fn assemble(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A public key that tokens are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    pkcs1: Vec<u8>,
    issuer: String,
}

impl Verifier {
    /// From a PEM `PUBLIC KEY` (RFC 7468).
    #[must_use]
    pub fn from_pem(pem: &str, issuer: &str) -> Option<Self> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        Self::from_der(&STANDARD.decode(body).ok()?, issuer)
    }

    /// From the DER of a SubjectPublicKeyInfo.
    #[must_use]
    pub fn from_der(spki: &[u8], issuer: &str) -> Option<Self> {
        Some(Self { pkcs1: public_key(spki)?.to_vec(), issuer: issuer.to_owned() })
    }

    /// The claims of a token that is valid now.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
        let algorithm: Algorithm = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        if algorithm.alg != "RS256" {
            return Err(TokenError::Malformed);
        }
        let signed = &token[..header.len() + 1 + payload.len()];
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| TokenError::BadSignature)?;
        let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
        if claims.iss != self.issuer || claims.aud != AUDIENCE {
            return Err(TokenError::Foreign);
        }
        let seconds = now.seconds();
        if claims.exp + LEEWAY_S < seconds || claims.iat - LEEWAY_S > seconds {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

#[derive(Deserialize)]
struct Algorithm {
    alg: String,
}

/// The RSAPublicKey inside a SubjectPublicKeyInfo: `SEQUENCE { SEQUENCE { OID … }, BIT STRING { key } }`.
fn public_key(spki: &[u8]) -> Option<&[u8]> {
    let (outer, _) = der(0x30, spki)?;
    let (_, rest) = der(0x30, outer)?;
    let (bits, _) = der(0x03, rest)?;
    bits.strip_prefix(&[0])
}

/// The modulus and exponent of an RSA public key, as JWKS wants them (RFC 7518 §6.3.1).
#[must_use]
pub fn modulus_and_exponent(spki: &[u8]) -> Option<(String, String)> {
    let (sequence, _) = der(0x30, public_key(spki)?)?;
    let (modulus, rest) = der(0x02, sequence)?;
    let (exponent, _) = der(0x02, rest)?;
    let unsigned = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes.strip_prefix(&[0]).unwrap_or(bytes));
    Some((unsigned(modulus), unsigned(exponent)))
}

/// One DER element of a tag: its content, and what follows it.
fn der(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (first == tag).then(|| rest.split_at_checked(length))?
}

/// The id of a key: a digest of its public half, so that it changes when the key does.
#[must_use]
pub fn key_id(spki: &[u8]) -> String {
    kernel::id::fingerprint(&[spki])
}
