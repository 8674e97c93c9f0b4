//! `POST /v1/auth/logout`: ends the sign-in that a refresh token belongs to. Access tokens run out by themselves.

use kernel::Problem;
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::session::RefreshToken;
use crate::table::RevokeFamily;

/// Which sign-in to end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// Any refresh token of it.
    #[schemars(length(min = 1, max = 200))]
    pub refresh_token: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("revoke-token", "/v1/auth/logout")
        .summary("Ends a sign-in.")
        .throttle(Throttle::Auth)
        .idempotency(Idempotency::Inherent)
        .reply_empty(204, "It is over, or there was none.")
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, Logout>, sessions: RevokeFamily) -> Result<Reply, Problem> {
    // A token that is not valid is not an error: what the caller wants is already so (RFC 7009 §2.2).
    if let Some(token) = RefreshToken::parse(&call.body.refresh_token) {
        sessions.revoke(&token).await?;
    }
    Ok(Reply::empty())
}
