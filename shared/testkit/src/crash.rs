//! The crash audit: a storm of checkouts while the shop is killed, and the questions asked after its restart.
//!
//! The storm writes down what each shopper was told, if anything. The audit asks again, with the same key, for whatever
//! was left open, waits until nothing is pending, and then compares: every promise kept, every unit accounted for, no
//! order twice for a key, nothing held for ever. It proves nothing by itself about a shop that was not killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::clock::{Watch, pause};
use crate::http::{Answer, Client, HttpError};
use crate::shop::{Goods, Quote, SETTLES, Shop, Stock, VISA, Wanted, checkout_body, ramp};
use crate::{Outcome, Stop, Target};

/// What was put on the shelf before the storm.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The goods.
    pub goods: Vec<Goods>,
    /// Units of each.
    pub units: u32,
    method: String,
}

/// An answer to a checkout, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The problem's code; empty for an order.
    pub code: String,
    /// The order's id, when one was named.
    pub order: Option<String>,
    /// The guest's token, when one was given.
    pub token: Option<String>,
    /// The order's status, when it was an order.
    pub order_status: String,
}

/// One checkout of the storm.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// What was to be bought.
    pub sku: String,
    /// How many of it.
    pub quantity: u32,
    /// The body that was sent.
    pub body: Value,
    /// The last answer; `None` when the connection was lost.
    pub seen: Option<Seen>,
}

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Checkouts looked at.
    pub records: usize,
    /// Of them, those answered "paid" before the crash.
    pub paid_before: usize,
    /// Those left open by the crash, and asked again.
    pub asked_again: usize,
    /// Orders that are paid in the end.
    pub paid: usize,
    /// Checkouts that ended without a paid order.
    pub refused: usize,
    /// Units in paid orders.
    pub units_sold: i64,
    /// Everything that is not as it must be.
    pub failures: Vec<String>,
}

impl Audit {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, paid_before, asked_again, paid, refused, units_sold, failures } = self;
        writeln!(
            f,
            "{records} checkouts: {paid_before} told paid before the crash, {asked_again} left open and asked again"
        )?;
        writeln!(f, "in the end {paid} paid with {units_sold} units, {refused} refused, {} failures", failures.len())?;
        failures.iter().try_for_each(|failure| writeln!(f, "  {failure}"))
    }
}

impl Seen {
    fn of(answer: &Answer) -> Self {
        let text = |pointer: &str| answer.body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        // A refusal names its own order too; only `checkout-in-progress` names somebody else's.
        let named = text("/order").filter(|_| answer.code() != "checkout-in-progress");
        let order = text("/id").or(named);
        Self {
            status: answer.status,
            code: answer.code().to_owned(),
            order: order.filter(|id| id.starts_with("ord_")),
            token: text("/token"),
            order_status: if answer.status < 300 { text("/status").unwrap_or_default() } else { String::new() },
        }
    }

    /// Whether the shop promised the goods.
    #[must_use]
    pub fn paid(&self) -> bool {
        self.status < 300 && self.order_status == "paid"
    }

    /// Whether nothing more will come of it: paid, declined, or refused for good.
    #[must_use]
    pub fn definite(&self) -> bool {
        match self.status {
            200 | 201 => self.order_status != "pending",
            409 => !matches!(self.code.as_str(), "request-in-flight" | "checkout-in-progress"),
            408 | 425 | 429 => false,
            400..=499 => true,
            _ => false,
        }
    }
}

/// Puts goods on the shelf for a storm.
pub async fn prepare(target: &Target, skus: usize, units: u32) -> Outcome<Shelf> {
    let shop = Shop::open(target)?;
    let mut goods = Vec::with_capacity(skus);
    for _ in 0..skus.max(1) {
        goods.push(shop.product(Wanted { units, name: "Storm lantern".into(), ..Wanted::default() }).await?);
    }
    let cart = shop.filled_cart(&[(&goods[0].sku, 1)]).await?;
    let method = shop.quote(&cart).await?.method;
    Ok(Shelf { goods, units, method })
}

/// Which card a shopper brings: most pay, some are declined, some work at the second try, few are slow.
fn card(index: usize) -> &'static str {
    match index % 50 {
        7 | 17 | 27 => "pm_card_chargeDeclined",
        9 | 29 => "pm_card_processingError",
        49 => "pm_slow",
        _ => VISA,
    }
}

/// Fires `checkouts` checkouts, `at_once` at a time, each with a cart and a connection of its own, and writes down what
/// each was told. `answered` counts the answers, so that whoever kills the shop knows when; once the shop cannot be
/// reached any more, the storm is over. Shoppers who had not sent their checkout by then leave no record.
pub async fn storm(
    target: &Target,
    shelf: &Shelf,
    checkouts: usize,
    at_once: usize,
    answered: &AtomicUsize,
) -> Outcome<Vec<Record>> {
    let shop = Shop::open(target)?;
    let down = AtomicBool::new(false);
    let clients: Vec<Client> = (0..at_once.max(1)).map(|_| shop.client().apart()).collect();
    let shoppers = (0..checkouts).map(|index| {
        let (shop, down, client) = (&shop, &down, &clients[index % clients.len()]);
        async move {
            if down.load(Ordering::Relaxed) {
                return None;
            }
            let record = shopper(shop, client, shelf, index).await;
            match &record {
                Ok(Some(Record { seen: Some(_), .. })) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) if client.get("/v1/products?limit=1").send().await.is_err() => {
                    down.store(true, Ordering::Relaxed)
                }
                Err(_) => {}
            }
            record.ok().flatten()
        }
    });
    let records: Vec<Option<Record>> = stream::iter(shoppers).buffer_unordered(at_once.max(1)).collect().await;
    Ok(records.into_iter().flatten().collect())
}

/// One shopper of the storm; an error when the shop was gone before the checkout was sent.
async fn shopper(shop: &Shop, client: &Client, shelf: &Shelf, index: usize) -> Outcome<Option<Record>> {
    let goods = &shelf.goods[index % shelf.goods.len()];
    let quantity = if index.is_multiple_of(3) { 2 } else { 1 };
    let cart = shop.filled_cart(&[(&goods.sku, quantity)]).await?;
    let answer = shop.ask_quote(&cart, Some(&shelf.method)).await?;
    if answer.status != 200 {
        return Ok(None);
    }
    let quote = Quote { method: shelf.method.clone(), total: answer.at("/totals/total")?.clone() };
    let body = checkout_body(&cart, &shop.email(), &quote, card(index));
    let key = shop.unique("storm");
    let sent = client.post("/v1/checkout").key(&key).json(&body).send().await;
    let seen = sent.ok().map(|answer| Seen::of(&answer));
    Ok(Some(Record { key, sku: goods.sku.clone(), quantity, body, seen }))
}

/// What became of one record after the restart.
struct Settled {
    /// Every order id that was ever named for the key.
    orders: BTreeSet<String>,
    asked_again: bool,
    paid_units: i64,
    failures: Vec<String>,
}

/// Asks the restarted shop about everything that the storm left, and compares.
pub async fn audit(target: &Target, shelf: &Shelf, records: &[Record]) -> Outcome<Audit> {
    let shop = Arc::new(Shop::open(target)?);
    // A clone for each, so that the futures own what they need.
    let work = records.iter().map(|record| {
        let shop = shop.clone();
        async move { (record, settle(&shop, record).await) }
    });
    let settled: Vec<(&Record, Outcome<Settled>)> = stream::iter(work).buffer_unordered(16).collect().await;

    let mut audit = Audit { records: records.len(), ..Audit::default() };
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (record, result) in settled {
        audit.paid_before += usize::from(record.seen.as_ref().is_some_and(Seen::paid));
        let one = match result {
            Ok(one) => one,
            Err(stop) => {
                audit.failures.push(format!("{}: {stop}", record.key));
                continue;
            }
        };
        audit.asked_again += usize::from(one.asked_again);
        audit.paid += usize::from(one.paid_units > 0);
        audit.refused += usize::from(one.paid_units == 0);
        audit.units_sold += one.paid_units;
        *sold.entry(&record.sku).or_default() += one.paid_units;
        audit.failures.extend(one.failures);
        if one.orders.len() > 1 {
            audit.failures.push(format!("{}: more than one order for a key: {:?}", record.key, one.orders));
        }
        for order in one.orders {
            if let Some(other) = owners.insert(order.clone(), &record.key) {
                audit.failures.push(format!("{order} is the order of two keys, {other} and {}", record.key));
            }
        }
    }
    for goods in &shelf.goods {
        let units = sold.get(goods.sku.as_str()).copied().unwrap_or(0);
        audit.failures.extend(shelf_failure(&shop, &goods.sku, shelf.units, units).await?);
    }
    Ok(audit)
}

/// Asks again for what was left open, waits until it is decided, and holds the promise against the order.
async fn settle(shop: &Shop, record: &Record) -> Outcome<Settled> {
    let mut settled = Settled { orders: BTreeSet::new(), asked_again: false, paid_units: 0, failures: Vec::new() };
    settled.orders.extend(record.seen.iter().filter_map(|seen| seen.order.clone()));
    let open = !record.seen.as_ref().is_some_and(Seen::definite);
    let seen = match &record.seen {
        Some(seen) if !open => seen.clone(),
        _ => {
            settled.asked_again = true;
            ask_again(shop, record).await?
        }
    };
    settled.orders.extend(seen.order.clone());
    let promised = record.seen.as_ref().is_some_and(Seen::paid) || seen.paid();
    let status = match (&seen.order, &seen.token) {
        (Some(id), Some(token)) => {
            let order = shop.decided(id, token).await?;
            let status = order.text("/status")?.to_owned();
            if status == "paid" {
                settled.paid_units = units_of(&order, &record.sku)?;
                if settled.paid_units != i64::from(record.quantity) {
                    settled
                        .failures
                        .push(format!("{id} has {} units, {} were ordered", settled.paid_units, record.quantity));
                }
            }
            status
        }
        (None, _) if seen.status < 300 => {
            return Err(Stop::Failed(format!("an answer {} without an order", seen.status)));
        }
        // A refusal leaves no order to look at, or one that is not the guest's to see.
        _ => format!("refused with {} {}", seen.status, seen.code),
    };
    if promised && status != "paid" {
        settled.failures.push(format!("{}: told paid, is {status} now", record.key));
    }
    // The same key once more must be the same order. Not for a refusal that left no order: there the key is still free, and
    // asking again would buy.
    let decided = status == "paid" || seen.status == 402;
    if decided && !settled.orders.is_empty() {
        let again = Seen::of(&shop.checkout(&record.key, &record.body).await?);
        settled.orders.extend(again.order.clone());
        if again.paid() != (status == "paid") {
            settled.failures.push(format!("{}: is {status}, but asked again it answers {again:?}", record.key));
        }
    }
    Ok(settled)
}

/// Sends the same checkout again until the answer is an order or a definite refusal.
async fn ask_again(shop: &Shop, record: &Record) -> Outcome<Seen> {
    let watch = Watch::start();
    let mut last = String::new();
    for attempt in 0_u32.. {
        match shop.checkout(&record.key, &record.body).await {
            Ok(answer) => {
                let seen = Seen::of(&answer);
                if seen.definite() || seen.status == 202 || (seen.status < 300 && seen.order.is_some()) {
                    return Ok(seen);
                }
                last = format!("{} {}", seen.status, seen.code);
            }
            Err(error @ HttpError::BadUrl(_)) => return Err(error.into()),
            Err(error) => last = error.to_string(),
        }
        if watch.elapsed() > SETTLES {
            break;
        }
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed(format!("asked again for {} seconds, the last answer was {last}", SETTLES.as_secs())))
}

fn units_of(order: &Answer, sku: &str) -> Outcome<i64> {
    let lines = order.list("/lines")?.iter().filter(|line| line["sku"] == sku);
    Ok(lines.filter_map(|line| line["quantity"].as_i64()).sum())
}

/// What is wrong with the stock of a SKU of which so many units stand in paid orders.
async fn shelf_failure(shop: &Shop, sku: &str, received: u32, sold: i64) -> Outcome<Option<String>> {
    let received = i64::from(received);
    let expected = Stock { received, available: received - sold, taken: sold, ..Stock::default() };
    let watch = Watch::start();
    loop {
        let stock = match shop.stock(sku).await {
            Ok(stock) => stock,
            Err(stop) => return Ok(Some(stop.to_string())),
        };
        if stock == expected {
            return Ok(None);
        }
        if watch.elapsed() > SETTLES {
            return Ok(Some(format!("{sku}: {sold} units stand in paid orders, the stock is {stock:?}")));
        }
        pause(Duration::from_millis(250)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, code: &str, order_status: &str) -> Seen {
        Seen { status, code: code.into(), order: None, token: None, order_status: order_status.into() }
    }

    #[test]
    fn what_is_open_after_a_crash_is_asked_again() {
        for definite in [
            seen(201, "", "paid"),
            seen(402, "payment-declined", ""),
            seen(409, "out-of-stock", ""),
            seen(409, "all-held", ""),
        ] {
            assert!(definite.definite(), "{definite:?}");
        }
        for open in [
            seen(202, "", "pending"),
            seen(503, "unavailable", ""),
            seen(504, "timed-out", ""),
            seen(409, "request-in-flight", ""),
            seen(500, "internal", ""),
        ] {
            assert!(!open.definite(), "{open:?}");
        }
        assert!(seen(201, "", "paid").paid());
        assert!(!seen(202, "", "pending").paid());
    }

    #[test]
    fn most_shoppers_pay_and_every_other_card_occurs() {
        let cards: BTreeSet<_> = (0..50).map(card).collect();
        assert_eq!(cards.len(), 4);
        assert_eq!((0..50).filter(|index| card(*index) == VISA).count(), 44);
    }
}
