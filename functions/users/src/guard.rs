//! Who guesses passwords is slowed down, and the owner is not locked out.
//!
//! Failed sign-ins are counted ([`counters::tally`]): with one address from one network, with one address from anywhere, and
//! from one network with any address. What a stranger can bring about must not stop the owner: where an account was signed
//! in before, only the failures with that address from that network count, so a flood from elsewhere stops everybody but the
//! owner. Addresses without an account are counted just so, and the answer tells nothing of them.
//!
//! Addresses and networks are stored as digests. It must never stop anybody because the counts cannot be read.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::table::n;
use aws::{Capability, ConfigError, DataError, Grant, Item, Platform, SignInLimits, TableSpec, capability};
use counters::tally::{self, Tally};
use futures_util::future::try_join_all;
use kernel::problem::code;
use kernel::{Email, Problem, Timestamp};
use lambda::{Alarm, Cx};

/// The table of counts, and of where accounts were signed in.
pub const TABLE: TableSpec = TableSpec {
    name: "sign-in-attempts",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: false,
};

/// The metric of sign-ins that were refused unseen.
const STOPPED: &str = "TooManySignIns";
/// Somebody guesses passwords.
pub const ALARM: Alarm = Alarm { metric: STOPPED, threshold: 50, period_s: 300, periods: 1 };
/// So long the counts are waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// So long a network is known after a sign-in.
const KNOWN: Duration = Duration::from_secs(180 * 24 * 3600);
/// It is written down again when less than this of it is left: most sign-ins write nothing.
const RENEWED: Duration = Duration::from_secs(150 * 24 * 3600);

capability!(
    /// Reads the counts.
    ReadAttempts on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Raises the counts, and notes where an account was signed in.
    NoteAttempts on TABLE: ["dynamodb:UpdateItem"]
);

/// Looks before a password is checked, and takes note of what came of it.
#[derive(Clone)]
pub struct SignInGuard {
    read: ReadAttempts,
    note: NoteAttempts,
    limits: SignInLimits,
}

impl Capability for SignInGuard {
    fn grants() -> Vec<Grant> {
        <(ReadAttempts, NoteAttempts)>::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (read, note) = Capability::connect(platform)?;
        Ok(Self { read, note, limits: platform.config().sign_ins })
    }
}

/// What was read for an attempt.
pub struct Seen {
    here: Tally,
    elsewhere: [Tally; 2],
    counted: BTreeMap<String, u32>,
    /// The key of the mark that the address was signed in from this network.
    mark: String,
    /// Until when it is known, in seconds since the epoch.
    known: Option<i64>,
}

impl Seen {
    /// Refuses the attempt when too many like it failed. It does not say which limit was met: that is for the log.
    pub fn allow(&self, cx: &Cx) -> Result<(), Problem> {
        let everywhere = self.elsewhere.iter().filter(|_| self.known.is_none());
        let counts = std::iter::once(&self.here).chain(everywhere).filter(|tally| tally.most > 0);
        let Some((kinds, until)) = tally::over(counts, &self.counted) else { return Ok(()) };
        cx.count(STOPPED, 1);
        cx.note("sign_ins_over", kinds);
        let detail = "too many sign-ins like this one failed; try again later, or set another password by mail";
        let wait = until.since(cx.now()).as_secs().max(1);
        Err(Problem::new(code::TOO_MANY_SIGN_INS, detail).retry_after(wait))
    }
}

impl SignInGuard {
    fn blank(&self, email: &Email, network: &str, now: Timestamp) -> Seen {
        let mailbox = email.as_str();
        let (here, account) = (format!("{mailbox} {network}"), mailbox);
        Seen {
            here: Tally::of("here", &here, self.limits.here, now),
            elsewhere: [
                Tally::of("account", account, self.limits.account, now),
                Tally::of("network", network, self.limits.network, now),
            ],
            counted: BTreeMap::new(),
            mark: kernel::id::fingerprint(&[b"signed in", here.as_bytes()]),
            known: None,
        }
    }

    /// Reads what is known of an attempt with this address. When it cannot be read, nobody is stopped.
    pub async fn look(&self, email: &Email, cx: &Cx) -> Seen {
        let mut seen = self.blank(email, &cx.network(), cx.now());
        match cx.within(PATIENCE, self.read.read(&seen)).await {
            Some(Ok(items)) => {
                for item in &items {
                    seen.counted.extend(tally::count(item));
                    let is_mark = item.get("pk").and_then(|pk| pk.as_s().ok()) == Some(&seen.mark);
                    let until = item.get("expires").and_then(|expires| expires.as_n().ok()?.parse().ok());
                    if is_mark {
                        seen.known = until.filter(|until| *until > cx.now().seconds());
                    }
                }
            }
            unread => {
                let reason = unread.and_then(Result::err).map_or("in time".into(), |error| error.to_string());
                cx.note("sign_ins_unread", reason);
            }
        }
        seen
    }

    /// Counts that the password was wrong.
    pub async fn failed(&self, seen: &Seen, cx: &Cx) {
        // Short, for it is stored; the same when the SDK repeats the write.
        let event = kernel::id::fingerprint(&[&cx.random()]);
        let counts = std::iter::once(&seen.here).chain(&seen.elsewhere).filter(|tally| tally.most > 0);
        let raised = try_join_all(counts.map(|tally| tally::add(&self.note.table, tally, &event[..8])));
        noted(cx, cx.within(PATIENCE, raised).await.map(|done| done.map(|_| ())));
    }

    /// Notes that the account was signed in from this network.
    pub async fn succeeded(&self, seen: &Seen, cx: &Cx) {
        let now = cx.now();
        if seen.known.is_none_or(|until| until < now.after(RENEWED).seconds()) {
            noted(cx, cx.within(PATIENCE, self.note.remember(&seen.mark, now)).await);
        }
    }
}

/// What could not be noted stops nobody.
fn noted(cx: &Cx, done: Option<Result<(), DataError>>) {
    match done {
        Some(Ok(())) => {}
        Some(Err(error)) => cx.note("sign_in_unnoted", error.to_string()),
        None => cx.note("sign_in_unnoted", "in time"),
    }
}

impl ReadAttempts {
    /// What was counted a moment ago may be missing: an eventually consistent read costs half.
    async fn read(&self, seen: &Seen) -> Result<Vec<Item>, DataError> {
        let ids = std::iter::once(&seen.here).chain(&seen.elsewhere).map(|tally| &tally.id);
        self.table.get_many(ids.chain([&seen.mark]).map(|id| self.table.key(id)).collect(), false).await
    }
}

impl NoteAttempts {
    async fn remember(&self, mark: &str, now: Timestamp) -> Result<(), DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(self.table.key(mark)))
            .update_expression("SET expires = :until")
            .expression_attribute_values(":until", n(now.after(KNOWN).seconds()));
        update.send().await?;
        Ok(())
    }
}
