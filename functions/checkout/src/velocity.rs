//! How many payments were refused of late: who tries stolen cards one after the other is stopped before the next one.
//!
//! For each thing that attempts have in common (cart, account, e-mail, address, payment method) one item counts the refusals
//! of a window; an attempt reads them side by side with what it reads anyway, and only a refusal writes. Items are known by
//! digests and go when their window is over. It must never cost a shopper who pays a write or a trip, nor stop one because
//! the counts cannot be read.
//!
//! What a stranger may choose must not lock others out: e-mail and address are the buyer's to type, so they count for guests
//! only, and whoever signs in is counted by the account alone. The id of a cart and the token of a payment method are secrets
//! of whoever has them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::{AttemptLimits, Capability, ConfigError, DataError, Grant, Item, Platform, TableSpec, capability};
use counters::tally::{self, Tally};
use futures_util::future::try_join_all;
use kernel::problem::code;
use kernel::{CartId, Email, OrderId, Problem, Timestamp, UserId};
use lambda::{Alarm, Cx};
use orders::Order;
use orders::order::Address;

/// The table of counts.
pub const TABLE: TableSpec = TableSpec {
    name: "payment-attempts",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: false,
};

/// The metric of attempts that were stopped.
const STOPPED: &str = "TooManyAttempts";
/// Somebody tries cards: more than a few shoppers with bad luck.
pub const ALARM: Alarm = Alarm { metric: STOPPED, threshold: 10, period_s: 300, periods: 1 };
/// The metric of payments that the provider refused.
const DECLINED: &str = "PaymentsDeclined";

/// So long the counts are waited for; the shopper does not wait for them any longer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Refusals that say nothing about the card: the shop's own mistakes.
const NOT_THE_CARD: &[&str] = &["currency_not_supported", "amount_too_small", "amount_too_large"];

capability!(
    /// Reads the counts.
    ReadCounts on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Raises the counts.
    RaiseCounts on TABLE: ["dynamodb:UpdateItem"]
);

/// Stops those who try too often.
#[derive(Clone)]
pub struct Velocity {
    counts: ReadCounts,
    limits: AttemptLimits,
}

/// Counts what the provider refused, whoever learns of it: the call that asked, or the worker that a report or a retry told.
#[derive(Clone)]
pub struct Refusals {
    counts: RaiseCounts,
    limits: AttemptLimits,
}

macro_rules! counts {
    ($name:ident, $counts:ident) => {
        impl Capability for $name {
            fn grants() -> Vec<Grant> {
                $counts::grants()
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                Ok(Self { counts: $counts::connect(platform)?, limits: platform.config().attempts })
            }
        }
    };
}

counts!(Velocity, ReadCounts);
counts!(Refusals, RaiseCounts);

/// What an attempt to pay has in common with others.
pub struct Attempt<'a> {
    /// The cart.
    pub cart: &'a CartId,
    /// The account; none of a guest.
    pub account: Option<&'a UserId>,
    /// The e-mail address.
    pub email: &'a Email,
    /// Where the goods go.
    pub shipping: &'a Address,
    /// Where the bill goes.
    pub billing: Option<&'a Address>,
    /// The token of the payment method.
    pub method: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    /// The attempt that an order is.
    #[must_use]
    pub fn of(order: &'a Order) -> Self {
        Self {
            cart: &order.cart_id,
            account: order.customer.as_ref(),
            email: &order.email,
            shipping: &order.shipping_address,
            billing: order.billing_address.as_ref(),
            method: order.payment.token.as_deref(),
        }
    }
}

/// A token that the provider published for everybody to try with; it tells nobody from anybody.
fn is_public(token: &str) -> bool {
    token.starts_with("pm_card_") || token == "pm_slow"
}

/// An address as one writes it: case, spaces and points make no other one of it, nor does the name on it.
fn place(address: &Address) -> String {
    let parts = [address.line1.as_str(), address.line2.as_deref().unwrap_or(""), address.postal_code.as_str()];
    let plain = |part: &str| part.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let parts: Vec<String> = parts.into_iter().map(plain).collect();
    format!("{}/{}", parts.join("/"), address.country.as_str())
}

/// A mailbox: what stands behind a plus sign leads to the same one.
fn mailbox(email: &Email) -> String {
    let email = email.as_str().to_lowercase();
    let (local, domain) = email.rsplit_once('@').unwrap_or((&email, ""));
    format!("{}@{domain}", local.split('+').next().unwrap_or(local))
}

/// Every count that an attempt falls under, each once. A limit that is off counts nothing.
fn counts(attempt: &Attempt<'_>, limits: &AttemptLimits, now: Timestamp) -> Vec<Tally> {
    let mut all = vec![("cart", attempt.cart.to_string(), limits.cart)];
    match attempt.account {
        Some(account) => all.push(("account", account.to_string(), limits.account)),
        None => {
            all.push(("email", mailbox(attempt.email), limits.email));
            let addresses = [Some(attempt.shipping), attempt.billing].into_iter().flatten();
            all.extend(addresses.map(|address| ("address", place(address), limits.address)));
        }
    }
    all.extend(
        attempt.method.filter(|token| !is_public(token)).map(|token| ("method", token.to_owned(), limits.method)),
    );
    let counts = all.into_iter().filter(|(_, _, limit)| limit.most > 0);
    let unique: BTreeMap<String, Tally> = counts
        .map(|(kind, thing, limit)| Tally::of(kind, &thing, limit, now))
        .map(|count| (count.id.clone(), count))
        .collect();
    unique.into_values().collect()
}

/// What was read for an attempt.
pub struct Seen {
    counts: Vec<Tally>,
    refused: BTreeMap<String, u32>,
}

impl Seen {
    /// Refuses the attempt when too many like it were. The answer does not say which limit it met: that is for the log.
    pub fn allow(&self, cx: &Cx) -> Result<(), Problem> {
        let Some((kinds, until)) = tally::over(&self.counts, &self.refused) else { return Ok(()) };
        cx.count(STOPPED, 1);
        cx.note("attempts_over", kinds);
        let wait = until.since(cx.now()).as_secs().max(1);
        let detail = "too many payments like this one were refused; try again later";
        Err(Problem::new(code::TOO_MANY_ATTEMPTS, detail).retry_after(wait))
    }
}

impl Velocity {
    /// Reads the counts of an attempt. When they cannot be read, nobody is stopped.
    pub async fn look(&self, attempt: &Attempt<'_>, cx: &Cx) -> Seen {
        let counts = counts(attempt, &self.limits, cx.now());
        let refused = match cx.within(PATIENCE, self.counts.read(&counts)).await {
            Some(Ok(refused)) => refused,
            unread => {
                cx.note(
                    "attempts_unread",
                    unread.and_then(Result::err).map_or("in time".into(), |error| error.to_string()),
                );
                BTreeMap::new()
            }
        };
        Seen { counts, refused }
    }
}

impl Refusals {
    /// Counts that the provider refused the money for an order, with this code. The refusal stands whether or not it is
    /// counted.
    pub async fn count(&self, order: &Order, code: &str, cx: &Cx) {
        cx.count(DECLINED, 1);
        if NOT_THE_CARD.contains(&code) {
            return;
        }
        let counts = counts(&Attempt::of(order), &self.limits, cx.now());
        let raised = try_join_all(counts.iter().map(|count| self.counts.raise(count, &order.id)));
        match cx.within(PATIENCE, raised).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => cx.note("attempts_uncounted", error.to_string()),
            None => cx.note("attempts_uncounted", "in time"),
        }
    }
}

impl ReadCounts {
    /// How many refusals each has; those without any are left out. What was counted a moment ago may be missing: an
    /// eventually consistent read costs half.
    async fn read(&self, counts: &[Tally]) -> Result<BTreeMap<String, u32>, DataError> {
        if counts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys: Vec<Item> = counts.iter().map(|count| self.table.key(&count.id)).collect();
        Ok(self.table.get_many(keys, false).await?.iter().filter_map(tally::count).collect())
    }
}

impl RaiseCounts {
    async fn raise(&self, count: &Tally, order: &OrderId) -> Result<(), DataError> {
        tally::add(&self.table, count, order.as_str()).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws::Limit;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_766_400_000);

    fn address(line1: &str) -> Address {
        serde_json::from_value(serde_json::json!({
            "name": "Ada", "line1": line1, "city": "Berlin", "postal_code": "10117", "country": "DE",
        }))
        .unwrap()
    }

    /// The kinds and ids of what is counted.
    fn ids(attempt: &Attempt<'_>, now: Timestamp) -> BTreeSet<(&'static str, String)> {
        let counts = counts(attempt, &AttemptLimits::default(), now);
        counts.into_iter().map(|count| (count.kind, count.id)).collect()
    }

    struct Shopper {
        cart: CartId,
        account: UserId,
        email: Email,
        home: Address,
        office: Address,
    }

    impl Shopper {
        fn new(number: u8) -> Self {
            Self {
                cart: CartId::new([number; 16]),
                account: UserId::new([number; 16]),
                email: Email::parse(&format!("ada{number}@example.com")).unwrap(),
                home: address(&format!("Home {number}")),
                office: address(&format!("Office {number}")),
            }
        }

        fn guest<'a>(&'a self, method: &'a str) -> Attempt<'a> {
            Attempt {
                cart: &self.cart,
                account: None,
                email: &self.email,
                shipping: &self.home,
                billing: Some(&self.office),
                method: Some(method),
            }
        }

        fn customer<'a>(&'a self, method: &'a str) -> Attempt<'a> {
            Attempt { account: Some(&self.account), ..self.guest(method) }
        }
    }

    #[test]
    fn strangers_cannot_lock_out_who_signs_in() {
        let (victim, attacker) = (Shopper::new(1), Shopper::new(2));
        // All that a stranger can know and type: e-mail and addresses.
        let attack = Attempt {
            email: &victim.email,
            shipping: &victim.home,
            billing: Some(&victim.office),
            ..attacker.guest("pm_stolen")
        };
        assert!(ids(&attack, NOW).is_disjoint(&ids(&victim.customer("pm_own"), NOW)));
        let shared = ids(&attack, NOW).intersection(&ids(&victim.guest("pm_own"), NOW)).count();
        assert_eq!(shared, 3, "as a guest the victim must wait, or sign in");
        let kinds: Vec<_> = ids(&victim.customer("pm_own"), NOW).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["account", "cart", "method"]);
    }

    #[test]
    fn the_same_thing_written_otherwise_is_the_same() {
        let shopper = Shopper::new(1);
        let (email, home) = (Email::parse("ada1+shop@example.com").unwrap(), address("HOME  1."));
        let home = Address { name: "Somebody Else".into(), ..home };
        let other = Attempt { email: &email, shipping: &home, billing: None, ..shopper.guest("pm_1") };
        let other = ids(&other, NOW);
        assert!(other.is_subset(&ids(&shopper.guest("pm_1"), NOW)));
        assert_eq!(other.len(), 4);
        let twice = Attempt { billing: Some(&shopper.home), ..shopper.guest("pm_1") };
        assert_eq!(ids(&twice, NOW).len(), 4, "billed where it goes: counted once");
        assert_eq!(ids(&shopper.guest("pm_card_visa"), NOW).len(), 4, "everybody's token is nobody's");
    }

    #[test]
    fn a_limit_is_reached_not_passed_and_ends_with_its_window() {
        let shopper = Shopper::new(1);
        let limits = AttemptLimits::default();
        let all = counts(&shopper.guest("pm_1"), &limits, NOW);
        let cart = all.iter().find(|count| count.kind == "cart").unwrap();
        let refused = |times: u32| BTreeMap::from([(cart.id.clone(), times)]);
        assert_eq!(tally::over(&all, &refused(limits.cart.most - 1)), None);
        assert_eq!(tally::over(&all, &refused(limits.cart.most)), Some((vec!["cart"], cart.until)));
        assert!(cart.until > NOW && cart.until.since(NOW) <= limits.cart.window);
        let last = Timestamp::from_millis(cart.until.millis() - 1);
        let id = |now| Tally::of("cart", shopper.cart.as_str(), limits.cart, now).id;
        assert_eq!((id(last) == cart.id, id(cart.until) == cart.id), (true, false));
    }

    #[test]
    fn a_limit_that_is_off_counts_nothing() {
        let shopper = Shopper::new(1);
        let off = Limit { most: 0, window: Duration::from_secs(60) };
        let limits = AttemptLimits { cart: off, account: off, email: off, address: off, method: off };
        assert!(counts(&shopper.guest("pm_1"), &limits, NOW).is_empty());
    }
}
