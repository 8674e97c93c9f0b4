//! `POST /v1/auth/token`: signs in by password, or takes a refresh token and gives the next pair.

use futures_util::future::{join, try_join};
use kernel::limits::PASSWORD_MAX;
use kernel::problem::code;
use kernel::{Email, Problem};
use lambda::{Call, Cx, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::{Token, TokenMint};
use crate::guard::{ALARM, SignInGuard};
use crate::password;
use crate::session::{Family, RefreshToken, Verdict};
use crate::table::{BeginFamily, FindAccount, RevokeFamily, RotateFamily, Rotation};

/// What a token is asked for with.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "grant_type", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenRequest {
    /// By password.
    Password {
        /// The address the account was registered with.
        email: Email,
        /// The password.
        #[schemars(length(min = 1, max = PASSWORD_MAX))]
        password: String,
    },
    /// By the refresh token of the last answer.
    RefreshToken {
        /// It is valid once.
        #[schemars(length(min = 1, max = 200))]
        refresh_token: String,
    },
}

type Capabilities = (SignInGuard, FindAccount, BeginFamily, RotateFamily, RevokeFamily, TokenMint);

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("issue-token", "/v1/auth/token")
        .summary("Signs in, or refreshes a sign-in.")
        .throttle(Throttle::Auth)
        // A key chosen by the caller must not lead to a token, so two calls are always two.
        .idempotency(Idempotency::Inherent)
        .reply::<Token>(200, "An access token for 15 minutes and a refresh token for 30 days.")
        .problems(&[code::BAD_CREDENTIALS, code::TOO_MANY_SIGN_INS])
        .handle(handle)
        .alarm(ALARM)
}

async fn handle(call: Call<Nothing, Nothing, TokenRequest>, with: Capabilities) -> Result<Reply, Problem> {
    let token = match call.body {
        TokenRequest::Password { email, password } => Box::pin(by_password(&call.cx, &email, &password, &with)).await?,
        TokenRequest::RefreshToken { refresh_token } => by_refresh_token(&call.cx, &refresh_token, &with).await?,
    };
    Ok(Reply::ok(&token))
}

async fn by_password(cx: &Cx, email: &Email, password: &str, with: &Capabilities) -> Result<Token, Problem> {
    let (guard, accounts, begin, _, _, mint) = with;
    let (seen, account) = join(Box::pin(guard.look(email, cx)), Box::pin(accounts.by_email(email))).await;
    seen.allow(cx)?;
    let account = account?;
    let matches = password::verify(password, account.as_ref().map(|account| account.password.as_str()));
    let Some(account) = account.filter(|_| matches) else {
        cx.count("RefusedSignIns", 1);
        guard.failed(&seen, cx).await;
        return Err(refused("the e-mail address or the password is wrong"));
    };
    let now = cx.now();
    let refresh = RefreshToken::first(cx.random(), cx.random());
    let family = Family::begin(&refresh, &account, now);
    let access = mint.access_token(&account, &refresh, cx.random(), now);
    let begun = try_join(access, begin.begin(&refresh, &family));
    let (begun, ()) = join(Box::pin(begun), Box::pin(guard.succeeded(&seen, cx))).await;
    let (access, ()) = begun?;
    Ok(Token::new(access, &refresh))
}

async fn by_refresh_token(cx: &Cx, text: &str, with: &Capabilities) -> Result<Token, Problem> {
    let (_, accounts, _, rotate, revoke, mint) = with;
    let now = cx.now();
    let Some(presented) = RefreshToken::parse(text) else { return Err(over()) };
    let family = rotate.load(&presented).await?;
    let family = current(cx, revoke, &presented, family).await?;
    let Some(account) = accounts.by_id(&family.user).await? else { return Err(over()) };
    if !account.admits(&family, &presented.session()) {
        return Err(over());
    }
    let access = mint.access_token(&account, &presented, cx.random(), now).await?;
    // The token is spent last: whatever failed before, it still works.
    let next = presented.next(cx.random());
    match rotate.rotate(&presented, &next, now).await? {
        Rotation::Done => Ok(Token::new(access, &next)),
        Rotation::Refused(family) => {
            current(cx, revoke, &presented, family).await?;
            Err(over())
        }
    }
}

/// The family, if the token is its valid one; a token that was used before ends it.
async fn current(
    cx: &Cx,
    revoke: &RevokeFamily,
    presented: &RefreshToken,
    family: Option<Family>,
) -> Result<Family, Problem> {
    let Some(family) = family else { return Err(over()) };
    match family.judge(presented, cx.now()) {
        Verdict::Current => Ok(family),
        Verdict::Invalid => Err(over()),
        Verdict::Spent => {
            revoke.revoke(presented).await?;
            cx.count("RefreshTokensReused", 1);
            cx.note("reused_by", family.user);
            Err(refused("the refresh token was used before, so its sign-in was ended; sign in again"))
        }
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(code::BAD_CREDENTIALS, detail)
}

fn over() -> Problem {
    refused("the refresh token is not valid; sign in again")
}
