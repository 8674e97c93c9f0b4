//! `GET /v1/me`: the caller's own account.

use kernel::Problem;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::account::Profile;
use crate::operations::gone;
use crate::table::FindAccount;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-me", "/v1/me")
        .summary("The caller's own account")
        .auth(Auth::CUSTOMER)
        .reply::<Profile>(200, "The account")
        .handle(handle)
}

async fn handle(call: Call, accounts: FindAccount) -> Result<Reply, Problem> {
    let account = accounts.by_id(&call.cx.signed_in()?.id).await?.ok_or_else(gone)?;
    let (version, changed) = (account.version, account.changed_at());
    Ok(Reply::ok(&Profile::of(account, call.cx.now())).version(version).last_modified(changed))
}
