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
    /// Which sign-in it comes from: tells one from another, and is no use to anybody. Empty when the token does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sid: String,
}

impl Claims {
    /// The caller it speaks for; `None` when `sub` is not an account.
    #[must_use]
    pub fn caller(&self) -> Option<Caller> {
        let scopes = self.scope.split_ascii_whitespace().map(str::to_owned).collect();
        let session = Some(self.sid.clone()).filter(|sid| !sid.is_empty());
        Some(Caller { id: UserId::parse(&self.sub)?, scopes, session })
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

/// The public keys that tokens are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    keys: Vec<PublishedKey>,
    issuer: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PublishedKey {
    id: String,
    pkcs1: Vec<u8>,
}

impl Verifier {
    /// From PEM `PUBLIC KEY`s (RFC 7468), one or several one after the other; `None` when one of them is none.
    #[must_use]
    pub fn from_pem(pem: &str, issuer: &str) -> Option<Self> {
        let blocks = pem.split("-----END PUBLIC KEY-----").filter(|block| !block.trim().is_empty());
        let ders = blocks.map(|block| {
            let body: String = block.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
            STANDARD.decode(body).ok()
        });
        let ders: Vec<Vec<u8>> = ders.collect::<Option<_>>()?;
        Self::of(ders.iter().map(Vec::as_slice), issuer)
    }

    /// From the DER of a SubjectPublicKeyInfo.
    #[must_use]
    pub fn from_der(spki: &[u8], issuer: &str) -> Option<Self> {
        Self::of([spki], issuer)
    }

    fn of<'a>(ders: impl IntoIterator<Item = &'a [u8]>, issuer: &str) -> Option<Self> {
        let key = |der: &[u8]| Some(PublishedKey { id: key_id(der), pkcs1: public_key(der)?.to_vec() });
        let keys: Vec<PublishedKey> = ders.into_iter().map(key).collect::<Option<_>>()?;
        (!keys.is_empty()).then(|| Self { keys, issuer: issuer.to_owned() })
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
        let header_read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        if header_read.alg != "RS256" {
            return Err(TokenError::Malformed);
        }
        let signed = &token[..header.len() + 1 + payload.len()];
        let signature = decode(signature)?;
        // The header names the key; it is one of ours or none.
        let named = |key: &&PublishedKey| header_read.kid.as_ref().is_none_or(|kid| *kid == key.id);
        let verifies = |key: &PublishedKey| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.pkcs1);
            key.verify(signed.as_bytes(), &signature).is_ok()
        };
        if !self.keys.iter().filter(named).any(verifies) {
            return Err(TokenError::BadSignature);
        }
        let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
        if claims.iss != self.issuer || claims.aud != AUDIENCE {
            return Err(TokenError::Foreign);
        }
        let seconds = now.seconds();
        if claims.exp.saturating_add(LEEWAY_S) < seconds || claims.iat.saturating_sub(LEEWAY_S) > seconds {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
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

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    use serde_json::{Value, json};

    use super::*;

    /// Keys made for these tests with openssl; they open nothing.
    const PRIVATE: &str = include_str!("../testdata/token-key.pem");
    const PUBLIC: &str = include_str!("../testdata/token-key.pub.pem");
    const FOREIGN: &str = include_str!("../testdata/other-key.pem");
    const ISSUER: &str = "https://shop.example";

    fn der_of(pem: &str) -> Vec<u8> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        STANDARD.decode(body).unwrap()
    }

    fn signature(pem: &str, input: &str) -> Vec<u8> {
        let pair = RsaKeyPair::from_pkcs8(&der_of(pem)).unwrap();
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        signature
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            sub: UserId::new([1; 16]).to_string(),
            aud: AUDIENCE.into(),
            iat: 1_795_000_000,
            exp: 1_795_000_900,
            scope: "customer admin".into(),
            jti: "j1".into(),
            sid: "s1".into(),
        }
    }

    fn token(claims: &Claims) -> String {
        let input = signing_input(&key_id(&der_of(PUBLIC)), claims);
        assemble(&input, &signature(PRIVATE, &input))
    }

    /// A token whose header says what we want, signed with our key all the same.
    fn with_header(header: &Value) -> String {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));
        assemble(&input, &signature(PRIVATE, &input))
    }

    fn verify_at(token: &str, seconds: i64) -> Result<Claims, TokenError> {
        Verifier::from_pem(PUBLIC, ISSUER).unwrap().verify(token, Timestamp::from_millis(seconds * 1000))
    }

    fn verify(token: &str) -> Result<Claims, TokenError> {
        verify_at(token, 1_795_000_100)
    }

    #[test]
    fn a_token_says_who_and_what_for() {
        let read = verify(&token(&claims())).unwrap();
        assert_eq!(read, claims());
        let caller = read.caller().unwrap();
        assert_eq!(caller.id, UserId::new([1; 16]));
        assert!(caller.has(&["admin"]) && !caller.has(&["channel"]));
    }

    #[test]
    fn pem_and_der_are_the_same_key_and_other_things_are_none() {
        let der = der_of(PUBLIC);
        assert_eq!(Verifier::from_pem(PUBLIC, ISSUER), Verifier::from_der(&der, ISSUER));
        assert_eq!(Verifier::from_pem("", ISSUER), None);
        assert_eq!(Verifier::from_pem("-----BEGIN PUBLIC KEY-----\n!\n", ISSUER), None);
        for end in 0..40 {
            assert_eq!(Verifier::from_der(&der[..end], ISSUER), None, "{end} bytes");
        }
    }

    #[test]
    fn a_token_of_either_key_is_good_while_both_are_published_and_names_its_own() {
        let other = RsaKeyPair::from_pkcs8(&der_of(FOREIGN)).unwrap();
        // SubjectPublicKeyInfo of a 2048-bit RSA key: a fixed head before the PKCS #1 key.
        let head = &der_of(PUBLIC)[..24];
        let spki = [head, other.public().as_ref()].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
        let both = Verifier::from_pem(&format!("{PUBLIC}{pem}"), ISSUER).unwrap();
        let now = Timestamp::from_millis(1_795_000_100_000);
        let input = signing_input(&key_id(&spki), &claims());
        let next = assemble(&input, &signature(FOREIGN, &input));
        assert!(both.verify(&next, now).is_ok() && both.verify(&token(&claims()), now).is_ok());
        assert_eq!(verify(&next), Err(TokenError::BadSignature), "before it is published");
        let liar = signing_input(&key_id(&der_of(PUBLIC)), &claims());
        let liar = assemble(&liar, &signature(FOREIGN, &liar));
        assert_eq!(both.verify(&liar, now), Err(TokenError::BadSignature), "it names the other key");
        assert_eq!(Verifier::from_pem(&format!("{PUBLIC}-----BEGIN PUBLIC KEY-----\nrubbish"), ISSUER), None);
    }

    #[test]
    fn the_jwk_is_the_key() {
        let (modulus, exponent) = modulus_and_exponent(&der_of(PUBLIC)).unwrap();
        assert_eq!(exponent, "AQAB");
        let pair = RsaKeyPair::from_pkcs8(&der_of(PRIVATE)).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap();
        assert_eq!((bytes.len(), bytes[0] >= 0x80), (pair.public().modulus_len(), true), "no sign byte in front");
        assert_eq!(key_id(&der_of(PUBLIC)), key_id(&der_of(PUBLIC)));
    }

    #[test]
    fn only_rs256_is_accepted_whatever_the_header_says() {
        assert!(verify(&with_header(&json!({ "alg": "RS256" }))).is_ok());
        for alg in ["none", "None", "HS256", "RS384", "RS512", "ES256", "PS256", "rs256", ""] {
            assert_eq!(verify(&with_header(&json!({ "alg": alg }))), Err(TokenError::Malformed), "{alg}");
        }
        assert_eq!(verify(&with_header(&json!({ "typ": "JWT" }))), Err(TokenError::Malformed));
        let [header, payload] =
            [json!({ "alg": "none" }), json!(claims())].map(|v| URL_SAFE_NO_PAD.encode(v.to_string()));
        assert_eq!(verify(&format!("{header}.{payload}.")), Err(TokenError::Malformed));
        assert_eq!(verify(&format!("{header}.{payload}")), Err(TokenError::Malformed));
    }

    #[test]
    fn an_hmac_under_the_public_key_is_refused() {
        for header in [json!({ "alg": "HS256" }), json!({ "alg": "RS256" })] {
            let [header, payload] = [header, json!(claims())].map(|v| URL_SAFE_NO_PAD.encode(v.to_string()));
            let input = format!("{header}.{payload}");
            for secret in [PUBLIC.as_bytes().to_vec(), der_of(PUBLIC)] {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
                assert!(verify(&assemble(&input, ring::hmac::sign(&key, input.as_bytes()).as_ref())).is_err());
            }
        }
    }

    #[test]
    fn another_key_another_issuer_and_another_audience_are_refused() {
        let input = signing_input("k", &claims());
        assert_eq!(verify(&assemble(&input, &signature(FOREIGN, &input))), Err(TokenError::BadSignature));
        let iss = format!("{ISSUER}/");
        assert_eq!(verify(&token(&Claims { iss, ..claims() })), Err(TokenError::Foreign));
        assert_eq!(verify(&token(&Claims { aud: "other".into(), ..claims() })), Err(TokenError::Foreign));
        assert_eq!(verify(&token(&Claims { sub: "somebody".into(), ..claims() })).unwrap().caller(), None);
    }

    #[test]
    fn a_token_is_valid_from_its_issue_to_its_expiry() {
        let token = token(&claims());
        assert_eq!(verify_at(&token, 1_795_000_000 - LEEWAY_S - 1), Err(TokenError::Expired));
        assert!(verify_at(&token, 1_795_000_000 - LEEWAY_S).is_ok());
        assert!(verify_at(&token, 1_795_000_900 + LEEWAY_S).is_ok());
        assert_eq!(verify_at(&token, 1_795_000_900 + LEEWAY_S + 1), Err(TokenError::Expired));
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        assert!(verify(&token(&Claims { exp: i64::MAX, ..claims() })).is_ok());
        assert_eq!(verify(&token(&Claims { iat: i64::MIN, exp: i64::MIN, ..claims() })), Err(TokenError::Expired));
    }

    #[test]
    fn any_altered_character_is_refused() {
        let good = token(&claims());
        for index in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert!(verify(std::str::from_utf8(&bytes).unwrap()).is_err(), "character {index}");
        }
        let more = [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            format!("{good}."),
            format!("{good}="),
            good[1..].into(),
        ];
        for bad in more {
            assert!(verify(&bad).is_err(), "{bad}");
        }
    }
}
