//! The table `users`: keys, items and expressions. Nothing else knows them.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | user id | `account` | an [`Account`] |
//! | user id | `addresses` | its address book: one attribute an address |
//! | `admins` | `roster` | who is an administrator: a set of account ids |
//! | `email#<address>` | `email` | whose address it is: one account an address |
//! | `family#<id>` | `family` | a [`Family`] of refresh tokens; dropped by TTL |
//!
//! Making an account, moving it to another address and giving it roles span items (account and e-mail locks, account and
//! roster), so they are transactions; everything else is one conditional write on one item. Mail follows from the stream: an account that got a ticket is sent
//! a token ([`crate::mailed`]).

use aws::table::{Written, attribute, cancelled, from_item, n, s, to_item, was_cancelled, written};
use aws::{DataError, Item, Table, TableSpec, capability};
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
    Update,
};
use kernel::limits::{ADDRESSES, ADMINS};
use kernel::{AddressId, Email, Timestamp, UserId};
use serde::Deserialize;

use crate::account::{ADMIN, Account, EmailChange};
use crate::book::{Entry, StoredEntry};
use crate::mailed::Ticket;
use crate::session::{Family, RefreshToken, expiry};

/// The table.
pub const USERS: TableSpec = TableSpec {
    name: "users",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[],
    ttl: Some("expires"),
    stream: true,
};

const ACCOUNT: &str = "account";
const ADDRESS_BOOK: &str = "addresses";
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
    /// Changes what an account's owner may change: name, password, the address that waits to be confirmed.
    ChangeProfile on USERS: ["dynamodb:UpdateItem"]
);

capability!(
    /// Notes that a password reset was asked for.
    AskReset on USERS: ["dynamodb:UpdateItem"]
);

capability!(
    /// Carries out a password reset.
    ConfirmReset on USERS: ["dynamodb:UpdateItem"]
);

capability!(
    /// Moves an account to the address that was confirmed.
    ConfirmEmail on USERS: ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
);

capability!(
    /// Reads an address book.
    ReadBook on USERS: ["dynamodb:GetItem"]
);

capability!(
    /// Changes an address book.
    ChangeBook on USERS: ["dynamodb:UpdateItem"]
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

capability!(
    /// Gives accounts roles, and keeps the roster of administrators with it.
    GiveRoles on USERS: ["dynamodb:UpdateItem"]
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

    /// Whether an account has this address.
    pub async fn is_taken(&self, email: &Email) -> Result<bool, DataError> {
        Ok(self.table.get(email_key(&self.table, email), true).await?.is_some())
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

impl ChangeProfile {
    /// Makes `before` into `after`, in what its owner may change; `false` when it was changed since it was read.
    pub async fn replace(&self, before: &Account, after: &Account) -> Result<bool, DataError> {
        let mut update =
            "SET #name = :name, #password = :password, #epoch = :epoch, #version = :version, #at = :at".to_owned();
        let mut request = self.table.client().update_item().table_name(self.table.name());
        let mut gone = Vec::new();
        match &after.spared {
            Some(session) => {
                update.push_str(", #spared = :spared");
                request = request.expression_attribute_values(":spared", s(session));
            }
            None => gone.push("#spared"),
        }
        match &after.email_change {
            Some(change) => {
                update.push_str(", #change = :change");
                request = request.expression_attribute_values(":change", attribute::<EmailChange>(change)?);
            }
            None => gone.push("#change"),
        }
        // Whoever knows the password needs no reset; one that is under way might be somebody else's.
        if before.password != after.password {
            gone.push("#reset");
            request = request.expression_attribute_names("#reset", "reset");
        }
        if !gone.is_empty() {
            update.push_str(&format!(" REMOVE {}", gone.join(", ")));
        }
        let request = request
            .set_key(Some(self.table.key2(before.id.as_str(), ACCOUNT)))
            .update_expression(update)
            .condition_expression("#version = :read")
            .expression_attribute_names("#name", "name")
            .expression_attribute_names("#password", "password")
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#at", "updated_at")
            .expression_attribute_names("#spared", "spared")
            .expression_attribute_names("#change", "email_change")
            .expression_attribute_values(":name", s(&after.name))
            .expression_attribute_values(":password", s(&after.password))
            .expression_attribute_values(":epoch", attribute(&after.epoch)?)
            .expression_attribute_values(":version", attribute(&after.version)?)
            .expression_attribute_values(":at", attribute(&after.updated_at)?)
            .expression_attribute_values(":read", attribute(&before.version)?)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match written(request.send().await)? {
            Written::Yes(_) => Ok(true),
            Written::No(None) => Ok(false),
            // The SDK repeated an update whose answer was lost.
            Written::No(Some(there)) => Ok(same_profile(&from_item(there)?, after)),
        }
    }
}

/// Whether an account is as it was written, in what its owner may change. A password's hash has a random salt, and a
/// ticket's nonce is random: nobody else wrote the same ones.
fn same_profile(there: &Account, written: &Account) -> bool {
    let seen = |account: &Account| (account.version, account.updated_at, account.password.clone());
    seen(there) == seen(written) && there.name == written.name && there.email_change == written.email_change
}

impl AskReset {
    /// Gives an account a ticket in place of the one that was read. When somebody else did so at the same time, a mail is
    /// under way already; when there is no such account, the call fails in the same way and takes as long.
    pub async fn ask(&self, id: &UserId, present: Option<&Ticket>, next: &Ticket) -> Result<bool, DataError> {
        let mut request = self.table.client().update_item().table_name(self.table.name());
        let mut condition = "attribute_exists(pk) AND ".to_owned();
        match present {
            None => condition.push_str("attribute_not_exists(#reset)"),
            Some(ticket) => {
                condition.push_str("#reset = :present");
                request = request.expression_attribute_values(":present", attribute(ticket)?);
            }
        }
        let request = request
            .set_key(Some(self.table.key2(id.as_str(), ACCOUNT)))
            .update_expression("SET #reset = :next")
            .condition_expression(condition)
            .expression_attribute_names("#reset", "reset")
            .expression_attribute_values(":next", attribute(next)?);
        Ok(matches!(written(request.send().await)?, Written::Yes(_)))
    }
}

/// What became of a token from a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed<T = ()> {
    /// It did what it is for.
    Yes,
    /// It does not count any more: it was used, or its time is over. This is what stands.
    No(T),
}

impl ConfirmReset {
    /// Sets the password and ends every sign-in, if the reset of this nonce is under way. What was asked for with the old
    /// password (another address) goes with it.
    pub async fn confirm(
        &self,
        id: &UserId,
        nonce: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Redeemed<Option<Box<Account>>>, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let request = request
            .set_key(Some(self.table.key2(id.as_str(), ACCOUNT)))
            .update_expression(
                "SET #password = :password, #epoch = if_not_exists(#epoch, :zero) + :one, #version = #version + :one, \
                 #by = :nonce, #at = :now REMOVE #reset, #spared, #change",
            )
            .condition_expression("#reset.#nonce = :nonce AND #reset.#expires > :now")
            .expression_attribute_names("#password", "password")
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#by", "reset_by")
            .expression_attribute_names("#at", "updated_at")
            .expression_attribute_names("#reset", "reset")
            .expression_attribute_names("#spared", "spared")
            .expression_attribute_names("#change", "email_change")
            .expression_attribute_names("#nonce", "nonce")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":password", s(password))
            .expression_attribute_values(":nonce", s(nonce))
            .expression_attribute_values(":now", attribute(&now)?)
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":one", n(1))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match written(request.send().await)? {
            Written::Yes(_) => Ok(Redeemed::Yes),
            Written::No(there) => Ok(Redeemed::No(there.map(from_item).transpose()?.map(Box::new))),
        }
    }
}

/// What became of moving an account to another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovedTo {
    /// It is the account's.
    Yes,
    /// The change is not under way any more.
    Over,
    /// Another account has the address by now.
    Taken,
}

impl ConfirmEmail {
    /// Moves an account to the address of its pending change: account, new lock and old lock, all or nothing. A reset that is
    /// under way ends, for its mail went to the old address.
    pub async fn confirm(&self, account: &Account, change: &EmailChange, now: Timestamp) -> Result<MovedTo, DataError> {
        let update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(self.table.key2(account.id.as_str(), ACCOUNT)))
            .update_expression(
                "SET #email = :to, #version = #version + :one, #by = :nonce, #at = :now REMOVE #change, #reset",
            )
            .condition_expression(
                "#email = :from AND #change.#ticket.#nonce = :nonce AND #change.#to = :to AND #change.#ticket.#expires > :now",
            )
            .expression_attribute_names("#email", "email")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#by", "confirmed_by")
            .expression_attribute_names("#at", "updated_at")
            .expression_attribute_names("#change", "email_change")
            .expression_attribute_names("#reset", "reset")
            .expression_attribute_names("#ticket", "ticket")
            .expression_attribute_names("#nonce", "nonce")
            .expression_attribute_names("#to", "to")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":to", s(change.to.as_str()))
            .expression_attribute_values(":from", s(account.email.as_str()))
            .expression_attribute_values(":nonce", s(&change.ticket.nonce))
            .expression_attribute_values(":now", attribute(&now)?)
            .expression_attribute_values(":one", n(1))
            .build();
        let delete = Delete::builder()
            .table_name(self.table.name())
            .set_key(Some(email_key(&self.table, &account.email)))
            .condition_expression("#user = :me")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":me", s(account.id.as_str()))
            .build();
        let mut lock = email_key(&self.table, &change.to);
        lock.insert("user".into(), s(account.id.as_str()));
        let invalid = |error: aws_sdk_dynamodb::error::BuildError| DataError::Invalid(error.to_string());
        let actions = vec![
            TransactWriteItem::builder().update(update.map_err(invalid)?).build(),
            fresh(&self.table, lock)?,
            TransactWriteItem::builder().delete(delete.map_err(invalid)?).build(),
        ];
        let sent = self.table.client().transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(MovedTo::Yes) };
        match cancelled(&error).as_deref() {
            Some([None, Some(_), ..]) => Ok(MovedTo::Taken),
            Some(reasons) if reasons.iter().any(Option::is_some) => Ok(MovedTo::Over),
            _ => Err(error.into()),
        }
    }
}

/// What became of a change of an address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booked {
    /// The address stands so.
    Yes(Box<Entry>),
    /// There is no such address.
    Missing,
    /// There is no room for another one.
    Full,
}

impl ReadBook {
    /// All addresses of an account, oldest first.
    pub async fn all(&self, user: &UserId) -> Result<Vec<Entry>, DataError> {
        let item = self.table.get(self.table.key2(user.as_str(), ADDRESS_BOOK), true).await?;
        let mut entries = Vec::new();
        for (name, value) in item.unwrap_or_default() {
            let Some(id) = AddressId::parse(&name) else { continue };
            entries.push(entry(id, value)?);
        }
        entries.sort_by(|a, b| (a.added_at, &a.id).cmp(&(b.added_at, &b.id)));
        Ok(entries)
    }
}

fn entry(id: AddressId, value: AttributeValue) -> Result<Entry, DataError> {
    let stored: StoredEntry = from_item(Item::from([("entry".to_owned(), value)])).map(|Kept { entry }| entry)?;
    Ok(stored.under(id))
}

#[derive(Deserialize)]
struct Kept {
    entry: StoredEntry,
}

impl ChangeBook {
    /// Puts an address into the book. One whose id is there was put by an earlier try of the same call.
    pub async fn add(&self, user: &UserId, entry: &Entry) -> Result<Booked, DataError> {
        let request = self
            .begin(user, &entry.id)
            .update_expression("SET #entry = :entry, #count = if_not_exists(#count, :zero) + :one")
            .condition_expression("attribute_not_exists(#entry) AND (attribute_not_exists(#count) OR #count < :most)")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":entry", attribute(&StoredEntry::from(entry.clone()))?)
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(i64::from(ADDRESSES)))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match written(request.send().await)? {
            Written::Yes(_) => Ok(Booked::Yes(Box::new(entry.clone()))),
            Written::No(there) => match there.unwrap_or_default().remove(entry.id.as_str()) {
                Some(value) => Ok(Booked::Yes(Box::new(self::entry(entry.id.clone(), value)?))),
                None => Ok(Booked::Full),
            },
        }
    }

    /// Writes another address under an id that is there.
    pub async fn replace(&self, user: &UserId, entry: &Entry) -> Result<Booked, DataError> {
        let request = self
            .begin(user, &entry.id)
            .update_expression("SET #entry.#address = :address")
            .condition_expression("attribute_exists(#entry)")
            .expression_attribute_names("#address", "address")
            .expression_attribute_values(":address", attribute(&entry.address)?)
            .return_values(ReturnValue::AllNew);
        match written(request.send().await)? {
            Written::No(_) => Ok(Booked::Missing),
            Written::Yes(output) => match output.attributes.unwrap_or_default().remove(entry.id.as_str()) {
                Some(value) => Ok(Booked::Yes(Box::new(self::entry(entry.id.clone(), value)?))),
                None => Err(DataError::Corrupt("the address that was written is not there".into())),
            },
        }
    }

    /// Takes an address out of the book; of one that is not there nothing changes.
    pub async fn remove(&self, user: &UserId, id: &AddressId) -> Result<(), DataError> {
        let request = self
            .begin(user, id)
            .update_expression("SET #count = #count - :one REMOVE #entry")
            .condition_expression("attribute_exists(#entry)")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", n(1));
        written(request.send().await).map(|_| ())
    }

    fn begin(
        &self,
        user: &UserId,
        id: &AddressId,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let request = self.table.client().update_item().table_name(self.table.name());
        request
            .set_key(Some(self.table.key2(user.as_str(), ADDRESS_BOOK)))
            .expression_attribute_names("#entry", id.as_str())
    }
}

/// What became of giving an account roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It has them.
    Yes,
    /// The account was changed since it was read, or somebody gives roles at the same moment.
    Changed,
    /// Who gives them is no administrator (any more).
    NoAdmin,
    /// Nobody would be an administrator any more.
    LastAdmin,
    /// The roster is full.
    TooMany,
}

impl GiveRoles {
    /// Gives an account these scopes: account and roster, both or neither. The roster decides who is an administrator at
    /// that moment, so of two who take the role from each other one is late, and the last one keeps it. Scopes that are
    /// taken away end the account's sign-ins.
    pub async fn give(
        &self,
        account: &Account,
        scopes: &[String],
        actor: &UserId,
        now: Timestamp,
    ) -> Result<Given, DataError> {
        let becomes = scopes.iter().any(|scope| scope == ADMIN);
        let actions = vec![
            TransactWriteItem::builder().update(self.scopes(account, scopes, now)?).build(),
            TransactWriteItem::builder().update(self.roster(account, becomes, actor, now)?).build(),
        ];
        let sent = self.table.client().transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(Given::Yes) };
        match cancelled(&error).as_deref() {
            Some([_, Some(roster)]) => {
                let members = roster.as_ref().and_then(|item| item.get("members")).and_then(|set| set.as_ss().ok());
                let members = members.map(Vec::as_slice).unwrap_or_default();
                Ok(match members.iter().any(|member| member == actor.as_str()) {
                    false => Given::NoAdmin,
                    true if becomes => Given::TooMany,
                    true => Given::LastAdmin,
                })
            }
            Some([Some(_), _]) => Ok(Given::Changed),
            _ if was_cancelled(&error) => Ok(Given::Changed),
            _ => Err(error.into()),
        }
    }

    fn scopes(&self, account: &Account, scopes: &[String], now: Timestamp) -> Result<Update, DataError> {
        let taken = account.scopes.iter().any(|scope| !scopes.contains(scope));
        let mut update = "SET #scopes = :scopes, #version = #version + :one, #at = :now".to_owned();
        let mut builder = Update::builder();
        if taken {
            update.push_str(", #epoch = if_not_exists(#epoch, :zero) + :one REMOVE #spared");
            builder = builder
                .expression_attribute_names("#epoch", "epoch")
                .expression_attribute_names("#spared", "spared")
                .expression_attribute_values(":zero", n(0));
        }
        builder
            .table_name(self.table.name())
            .set_key(Some(self.table.key2(account.id.as_str(), ACCOUNT)))
            .update_expression(update)
            .condition_expression("#version = :read")
            .expression_attribute_names("#scopes", "scopes")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#at", "updated_at")
            .expression_attribute_values(":scopes", attribute(&scopes)?)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", attribute(&now)?)
            .expression_attribute_values(":read", attribute(&account.version)?)
            .build()
            .map_err(|error| DataError::Invalid(error.to_string()))
    }

    fn roster(&self, account: &Account, becomes: bool, actor: &UserId, now: Timestamp) -> Result<Update, DataError> {
        let (update, condition) = if becomes {
            ("SET #at = :now ADD #members :them", "contains(#members, :them_id) OR size(#members) < :bound")
        } else {
            ("SET #at = :now DELETE #members :them", "NOT contains(#members, :them_id) OR size(#members) > :bound")
        };
        let bound = if becomes { i64::try_from(ADMINS).unwrap_or(i64::MAX) } else { 1 };
        Update::builder()
            .table_name(self.table.name())
            .set_key(Some(roster_key(&self.table)))
            .update_expression(update)
            .condition_expression(format!("contains(#members, :actor) AND ({condition})"))
            .expression_attribute_names("#members", "members")
            .expression_attribute_names("#at", "updated_at")
            .expression_attribute_values(":now", attribute(&now)?)
            .expression_attribute_values(":them", AttributeValue::Ss(vec![account.id.to_string()]))
            .expression_attribute_values(":them_id", s(account.id.as_str()))
            .expression_attribute_values(":actor", s(actor.as_str()))
            .expression_attribute_values(":bound", n(bound))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .map_err(|error| DataError::Invalid(error.to_string()))
    }
}

impl ChangeAccount {
    /// Puts an account on the roster of administrators, or takes it off, whoever is left: the command line's and the local
    /// shop's way to a first one. The roster must never name somebody whose account is none: it is written after the
    /// account when somebody is appointed, and before it when somebody is not.
    pub async fn enlist(&self, id: &UserId, admin: bool) -> Result<(), DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(roster_key(&self.table)))
            .update_expression(if admin { "ADD #members :them" } else { "DELETE #members :them" })
            .expression_attribute_names("#members", "members")
            .expression_attribute_values(":them", AttributeValue::Ss(vec![id.to_string()]));
        update.send().await?;
        Ok(())
    }
}

fn roster_key(table: &Table) -> Item {
    table.key2("admins", "roster")
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
