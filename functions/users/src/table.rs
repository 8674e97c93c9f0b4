//! The table `users`: keys, items and expressions. Nothing else knows them.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | user id | `account` | an [`Account`] |
//! | `email#<address>` | `email` | whose address it is: one account an address |
//! | `family#<id>` | `family` | a [`Family`] of refresh tokens; dropped by TTL |
//!
//! Making an account is the one command that spans items (account and e-mail lock), so it is a transaction; everything
//! else is one conditional write on one item. Nobody listens to this table: it has no stream.

use aws::table::{Written, attribute, cancelled, from_item, n, s, to_item, written};
use aws::{DataError, Item, Table, TableSpec, capability};
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem};
use kernel::{Email, Timestamp, UserId};
use serde::Deserialize;

use crate::account::Account;
use crate::session::{Family, RefreshToken, expiry};

/// The table.
pub const USERS: TableSpec = TableSpec {
    name: "users",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[],
    ttl: Some("expires"),
    stream: false,
};

const ACCOUNT: &str = "account";
const EMAIL: &str = "email";
const FAMILY: &str = "family";

capability!(
    /// Makes accounts.
    CreateAccount on USERS: ["dynamodb:PutItem"]
);

capability!(
    /// Finds accounts by address or id.
    FindAccount on USERS: ["dynamodb:GetItem"]
);

capability!(
    /// Sets what an account may do and its password: only the command line and the local shop are given it.
    ChangeAccount on USERS: ["dynamodb:UpdateItem"]
);

capability!(
    /// Begins families of refresh tokens.
    BeginFamily on USERS: ["dynamodb:PutItem"]
);

capability!(
    /// Reads families, and replaces their valid token by the next.
    RotateFamily on USERS: ["dynamodb:GetItem", "dynamodb:UpdateItem"]
);

capability!(
    /// Ends families.
    RevokeFamily on USERS: ["dynamodb:UpdateItem"]
);

/// What became of making an account.
pub enum Created {
    /// It is there.
    Yes,
    /// An account of this id was there: the same call was made before, or its key was used for another one.
    IdTaken(Box<Account>),
    /// Another account has the address.
    EmailTaken,
}

/// What became of a rotation.
pub enum Rotation {
    /// The next token is the valid one.
    Done,
    /// The presented token was not the valid one any more, or the family is over or gone (`None`).
    Refused(Option<Family>),
}

/// The item that reserves an address.
#[derive(Deserialize)]
struct EmailLock {
    user: UserId,
}

fn email_key(table: &Table, email: &Email) -> Item {
    table.key2(format!("email#{email}"), EMAIL)
}

fn family_key(table: &Table, token: &RefreshToken) -> Item {
    table.key2(format!("family#{}", token.family()), FAMILY)
}

/// A put that must not replace anything.
fn fresh(table: &Table, item: Item) -> Result<TransactWriteItem, DataError> {
    let put =
        Put::builder().table_name(table.name()).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
    let put = put.return_values_on_condition_check_failure(OnFailure::AllOld).build();
    let put = put.map_err(|error| DataError::Invalid(error.to_string()))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

impl CreateAccount {
    /// Makes an account and reserves its address: both or neither.
    pub async fn create(&self, account: &Account) -> Result<Created, DataError> {
        let mut item = to_item(account)?;
        item.insert("sk".into(), s(ACCOUNT));
        let mut lock = email_key(&self.table, &account.email);
        lock.insert("user".into(), s(account.id.as_str()));
        let actions = [fresh(&self.table, item)?, fresh(&self.table, lock)?];
        let sent = self.table.client().transact_write_items().set_transact_items(Some(actions.to_vec())).send().await;
        let Err(error) = sent else { return Ok(Created::Yes) };
        match cancelled(&error).unwrap_or_default().into_iter().next() {
            None => Err(error.into()),
            Some(Some(Some(there))) => Ok(Created::IdTaken(Box::new(from_item(there)?))),
            Some(Some(None)) => Err(DataError::Corrupt("the account in the way was not shown".into())),
            // One of the two conditions failed, and it was not the account's.
            Some(None) => Ok(Created::EmailTaken),
        }
    }
}

impl FindAccount {
    /// The account with an address. An unknown address takes as many reads as a known one.
    pub async fn by_email(&self, email: &Email) -> Result<Option<Account>, DataError> {
        let lock = self.table.get(email_key(&self.table, email), true).await?;
        let lock: Option<EmailLock> = lock.map(from_item).transpose()?;
        let nobody = || UserId::derive(&[b"nobody"]);
        self.by_id(&lock.map_or_else(nobody, |lock| lock.user)).await
    }

    /// The account with an id.
    pub async fn by_id(&self, id: &UserId) -> Result<Option<Account>, DataError> {
        let item = self.table.get(self.table.key2(id.as_str(), ACCOUNT), true).await?;
        item.map(from_item).transpose()
    }
}

impl ChangeAccount {
    /// Sets password and scopes of an account that exists; `false` when it does not.
    pub async fn set(&self, id: &UserId, password: &str, scopes: &[String]) -> Result<bool, DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(self.table.key2(id.as_str(), ACCOUNT)))
            .update_expression("SET #password = :password, #scopes = :scopes, #version = #version + :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#password", "password")
            .expression_attribute_names("#scopes", "scopes")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":password", s(password))
            .expression_attribute_values(":scopes", attribute(&scopes)?)
            .expression_attribute_values(":one", n(1));
        Ok(matches!(written(update.send().await)?, Written::Yes(_)))
    }
}

impl BeginFamily {
    /// Stores the family that begins with a token. Its id is random: one that exists is a fault of the randomness.
    pub async fn begin(&self, token: &RefreshToken, family: &Family) -> Result<(), DataError> {
        let mut item = to_item(family)?;
        item.extend(family_key(&self.table, token));
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
        // The SDK may repeat a put whose answer was lost; finding its own token there is success.
        let put = put
            .condition_expression("attribute_not_exists(pk) OR #current = :current")
            .expression_attribute_names("#current", "current")
            .expression_attribute_values(":current", s(&family.current));
        match written(put.send().await)? {
            Written::Yes(_) => Ok(()),
            Written::No(_) => Err(DataError::Corrupt("two families met on one id".into())),
        }
    }
}

impl RotateFamily {
    /// The family of a token.
    pub async fn load(&self, token: &RefreshToken) -> Result<Option<Family>, DataError> {
        let item = self.table.get(family_key(&self.table, token), true).await?;
        item.map(from_item).transpose()
    }

    /// Makes `next` the valid token if `presented` is it now.
    pub async fn rotate(
        &self,
        presented: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Rotation, DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(family_key(&self.table, presented)))
            .update_expression("SET #current = :next, #generation = :generation, #expires = :expires")
            .condition_expression("#current = :presented AND attribute_not_exists(#revoked) AND #expires > :now")
            .expression_attribute_names("#current", "current")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#revoked", "revoked")
            .expression_attribute_values(":presented", s(presented.digest()))
            .expression_attribute_values(":next", s(next.digest()))
            .expression_attribute_values(":generation", attribute(&next.generation())?)
            .expression_attribute_values(":expires", n(expiry(now)))
            .expression_attribute_values(":now", n(now.seconds()))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let there: Option<Family> = match written(update.send().await)? {
            Written::Yes(_) => return Ok(Rotation::Done),
            Written::No(item) => item.map(from_item).transpose()?,
        };
        match there {
            // The SDK repeated an update whose answer was lost: nobody else can have written our random token.
            Some(family) if family.current == next.digest() && !family.revoked => Ok(Rotation::Done),
            family => Ok(Rotation::Refused(family)),
        }
    }
}

impl RevokeFamily {
    /// Ends the family of a token, if it is the valid one or an older one; `false` when it is neither.
    pub async fn revoke(&self, token: &RefreshToken) -> Result<bool, DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(family_key(&self.table, token)))
            .update_expression("SET #revoked = :yes")
            .condition_expression("#current = :presented OR #generation > :generation")
            .expression_attribute_names("#revoked", "revoked")
            .expression_attribute_names("#current", "current")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_values(":yes", attribute(&true)?)
            .expression_attribute_values(":presented", s(token.digest()))
            .expression_attribute_values(":generation", attribute(&token.generation())?);
        Ok(matches!(written(update.send().await)?, Written::Yes(_)))
    }
}
