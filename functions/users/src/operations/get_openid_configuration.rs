//! `GET /.well-known/openid-configuration`: where API Gateway's JWT authorizer finds the keys.

use kernel::Problem;
use lambda::{Call, Freshness, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::Issuer;
use crate::account::SCOPES;

/// The members that OpenID Connect Discovery 1.0 §3 requires, and what this issuer offers beyond. There is no browser
/// flow, so the authorization endpoint, which is required all the same, is the token endpoint.
#[derive(Serialize, JsonSchema)]
pub struct Discovery {
    /// The `iss` of tokens.
    pub issuer: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Required by the standard; the token endpoint.
    pub authorization_endpoint: String,
    /// Where tokens come from.
    pub token_endpoint: String,
    /// Where sign-ins are ended.
    pub revocation_endpoint: String,
    /// What an authorization endpoint would answer: tokens.
    pub response_types_supported: [&'static str; 1],
    /// What the token endpoint takes.
    pub grant_types_supported: [&'static str; 2],
    /// Everybody sees the same account id.
    pub subject_types_supported: [&'static str; 1],
    /// The algorithm of signatures.
    pub id_token_signing_alg_values_supported: [&'static str; 1],
    /// Clients have no secret of their own.
    pub token_endpoint_auth_methods_supported: [&'static str; 1],
    /// What tokens may allow.
    pub scopes_supported: &'static [&'static str],
    /// What tokens say.
    pub claims_supported: [&'static str; 8],
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-openid-configuration", "/.well-known/openid-configuration")
        .summary("What clients and API Gateway need to know about the issuer of access tokens.")
        .cache(Freshness::Keys)
        .reply::<Discovery>(200, "The issuer.")
        .handle(handle)
}

async fn handle(_: Call, issuer: Issuer) -> Result<Reply, Problem> {
    let token_endpoint = issuer.url("/v1/auth/token");
    Ok(Reply::ok(&Discovery {
        issuer: issuer.as_str().to_owned(),
        jwks_uri: issuer.url("/.well-known/jwks.json"),
        authorization_endpoint: token_endpoint.clone(),
        token_endpoint,
        revocation_endpoint: issuer.url("/v1/auth/logout"),
        response_types_supported: ["token"],
        grant_types_supported: ["password", "refresh_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        token_endpoint_auth_methods_supported: ["none"],
        scopes_supported: SCOPES,
        claims_supported: ["iss", "sub", "aud", "iat", "exp", "scope", "jti", "sid"],
    }))
}
