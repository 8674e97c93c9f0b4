//! `GET /.well-known/jwks.json`: the keys that access tokens are verified with (RFC 7517): the one that signs, and the one
//! that will or did. Who verifies knows both long before they change places (docs/operations.md).

use aws::keys::{PublicKey, SparePublicKey};
use kernel::Problem;
use lambda::token::{key_id, modulus_and_exponent};
use lambda::{Call, Freshness, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Serialize;

/// A set of keys.
#[derive(Serialize, JsonSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Key>,
}

/// An RSA public key (RFC 7518 §6.3.1).
#[derive(Serialize, JsonSchema)]
pub struct Key {
    /// The kind of key: `RSA`.
    pub kty: &'static str,
    /// What it is for: `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// The algorithm: `RS256`.
    pub alg: &'static str,
    /// Its id, as in the header of tokens.
    pub kid: String,
    /// The modulus, base64url.
    pub n: String,
    /// The exponent, base64url.
    pub e: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-jwks", "/.well-known/jwks.json")
        .summary("The keys that access tokens are verified with.")
        .cache(Freshness::Keys)
        .reply::<KeySet>(200, "The keys.")
        .handle(handle)
}

async fn handle(_: Call, (key, spare): (PublicKey, SparePublicKey)) -> Result<Reply, Problem> {
    let mut keys = vec![jwk(key.der().await?)?];
    if let Some(der) = spare.der().await? {
        keys.push(jwk(der)?);
    }
    // A stage whose keys are the same one has one.
    keys.dedup_by(|a, b| a.kid == b.kid);
    Ok(Reply::ok(&KeySet { keys }))
}

fn jwk(der: &[u8]) -> Result<Key, Problem> {
    let Some((n, e)) = modulus_and_exponent(der) else {
        return Err(Problem::internal("a key of access tokens is not an RSA key"));
    };
    Ok(Key { kty: "RSA", usage: "sig", alg: "RS256", kid: key_id(der), n, e })
}
