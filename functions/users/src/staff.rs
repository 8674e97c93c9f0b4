//! The first administrator: accounts that are made from outside the API.
//!
//! Used by the local shop and the command line, with their own rights; no function has them. The password is the
//! operator's own choice, so only its length is held to what the sign-in accepts.

use aws::{Capability, Platform};
use kernel::limits::PASSWORD_MAX;
use kernel::{Email, Problem, UserId};

use crate::account::{self, ADMIN, Account};
use crate::password;
use crate::table::{ChangeAccount, CreateAccount, Created, FindAccount};

/// Makes an account with these scopes and `customer`, or sets password and scopes of the one that has the address.
/// Repeating it changes nothing.
pub async fn ensure_staff(
    platform: &Platform,
    email: &Email,
    password: &str,
    scopes: &[&str],
) -> Result<UserId, Problem> {
    let scopes =
        account::scopes(scopes).map_err(|name| Problem::field("/scopes", format!("there is no scope `{name}`")))?;
    if !(1..=PASSWORD_MAX).contains(&password.chars().count()) {
        return Err(Problem::field("/password", format!("must have 1 to {PASSWORD_MAX} characters")));
    }
    let (find, create, change): (FindAccount, CreateAccount, ChangeAccount) =
        Capability::connect(platform).map_err(Problem::internal)?;
    let admin = scopes.iter().any(|scope| scope == ADMIN);
    let hash = || password::hash(password, platform.random()).map_err(Problem::internal);
    if let Some(known) = find.by_email(email).await? {
        return settle(&change, known, password, hash, &scopes, admin).await;
    }
    let (id, now) = (UserId::new(platform.random()), platform.clock().now());
    let account = Account::new(id, email.clone(), "Staff".into(), hash()?, scopes, now);
    match create.create(&account).await? {
        Created::Yes if admin => {
            change.enlist(&account.id, true).await?;
            Ok(account.id)
        }
        Created::Yes => Ok(account.id),
        // Another process made it between the look and the write.
        Created::EmailTaken | Created::IdTaken(_) => match find.by_email(email).await? {
            Some(known) => settle(&change, known, password, hash, &account.scopes, admin).await,
            None => Err(Problem::internal("the address is taken by an account that is not there")),
        },
    }
}

/// Brings an account that exists to the password and the scopes.
async fn settle(
    change: &ChangeAccount,
    known: Account,
    password: &str,
    hash: impl FnOnce() -> Result<String, Problem>,
    scopes: &[String],
    admin: bool,
) -> Result<UserId, Problem> {
    if !admin {
        change.enlist(&known.id, false).await?;
    }
    let settled = known.scopes == scopes && password::verify(password, Some(&known.password));
    if settled || change.set(&known.id, &hash()?, scopes).await? {
        if admin {
            change.enlist(&known.id, true).await?;
        }
        return Ok(known.id);
    }
    Err(Problem::internal("the account vanished while it was changed"))
}
