//! The demo: a product with few units, many shoppers, all at once, over HTTP, each the whole way from cart to payment.
//!
//! A shopper keeps asking as long as the shop says that units may come back, and stops at the first definite answer: an
//! order that is paid, or sold out. What the shoppers were told is then held against the shop's own stock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::clock::{Watch, pause};
use crate::http::{Answer, Client, HttpError, encoded};
use crate::shop::{Quote, Shop, Stock, VISA, Wanted, address, checkout_body};
use crate::stats::{Rate, millis, percentile};
use crate::{Outcome, Stop, Target};

/// How often a shopper asks before giving up: with pauses of a quarter of a second, about a minute.
const TRIES: u32 = 240;
/// The longest and shortest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(250);
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// What a race came to.
#[derive(Clone, Debug)]
pub struct Finish {
    /// How many shoppers there were.
    pub shoppers: usize,
    /// How many units there were.
    pub units: u32,
    /// Over how many shards they were split.
    pub shards: u32,
    /// Shoppers with a paid order.
    pub paid: usize,
    /// Shoppers who were told that it is sold out.
    pub sold_out: usize,
    /// Shoppers who were told anything else.
    pub other: usize,
    /// What the others were told, and how many of them.
    pub others: BTreeMap<String, usize>,
    /// Units promised beyond those there were, by the answers or by the stock.
    pub oversold: u64,
    /// The stock when it had settled.
    pub stock: Stock,
    /// Tries beyond the first, over all shoppers.
    pub retries: u64,
    /// The time of each checkout call.
    pub checkout_times: Vec<Duration>,
    /// The time of each whole walk.
    pub walk_times: Vec<Duration>,
    /// From the start to the last definite answer.
    pub took: Duration,
    /// Paid orders a second, from the start to the last of them.
    pub orders_per_second: Rate,
    /// Shoppers answered a second.
    pub shoppers_per_second: Rate,
}

impl Finish {
    /// Whether every unit found its buyer, nobody else was promised one, and everybody got a definite answer.
    #[must_use]
    pub fn success(&self) -> bool {
        let units = usize::try_from(self.units).unwrap_or(usize::MAX);
        let buyers = units.min(self.shoppers);
        let taken = i64::try_from(buyers).unwrap_or(i64::MAX);
        self.paid == buyers
            && self.sold_out == self.shoppers - buyers
            && self.other == 0
            && self.oversold == 0
            && (self.stock.taken, self.stock.held) == (taken, 0)
            && self.stock.balanced()
    }
}

impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = if self.shards == 1 { "1 shard".to_owned() } else { format!("{} shards", self.shards) };
        writeln!(f, "{} shoppers, {} units, {shards}, {}", self.shoppers, self.units, millis(self.took))?;
        writeln!(f)?;
        for (name, count) in [("paid", self.paid), ("told sold out", self.sold_out), ("other", self.other)] {
            writeln!(f, "  {name:<22}{count:>10}")?;
        }
        writeln!(f, "  {:<22}{:>10}", "oversold", self.oversold)?;
        writeln!(f)?;
        let times = [("checkout", &self.checkout_times), ("cart to answer", &self.walk_times)];
        for (name, values) in times {
            let (p50, p99) = (millis(percentile(values, 50)), millis(percentile(values, 99)));
            writeln!(f, "  {name:<22}{:>12} p50{:>12} p99", p50, p99)?;
        }
        writeln!(f, "  {:<22}{:>10}", "paid orders a second", self.orders_per_second)?;
        writeln!(f, "  {:<22}{:>10}", "shoppers a second", self.shoppers_per_second)?;
        writeln!(f, "  {:<22}{:>10}", "tries beyond the first", self.retries)?;
        let Stock { received, available, held, taken, .. } = self.stock;
        writeln!(f, "  stock: received {received} = available {available} + held {held} + taken {taken}")?;
        for (told, count) in &self.others {
            writeln!(f, "  other: {count} × {told}")?;
        }
        Ok(())
    }
}

/// What a shopper was told in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Paid,
    SoldOut,
    Other(String),
}

/// What a shopper does about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// It is decided.
    End(Fate),
    /// Ask again after a pause: as a new attempt, or as the same one whose outcome is not known.
    Again { new_attempt: bool, pause: Duration },
    /// The order is there and its payment is not decided yet: look at it.
    Watch,
}

/// The pause before another try: what the shop asks for, within bounds, growing with the tries.
fn pause_before(attempt: u32, retry_after: Option<Duration>) -> Duration {
    let grown = (PAUSE_MIN * (attempt.min(4) + 1)).min(PAUSE_MAX);
    retry_after.map_or(grown, |asked| asked.min(grown).max(PAUSE_MIN))
}

/// What follows from an answer of the checkout, or of a step before it.
fn next(status: u16, code: &str, attempt: u32, retry_after: Option<Duration>) -> Next {
    let pause = pause_before(attempt, retry_after);
    match (status, code) {
        (201, _) => Next::End(Fate::Paid),
        (202, _) => Next::Watch,
        (409, "out-of-stock") => Next::End(Fate::SoldOut),
        (409, "all-held" | "checkout-in-progress" | "order-decided") => Next::Again { new_attempt: true, pause },
        (409, "request-in-flight") | (429 | 502 | 503 | 504, _) => Next::Again { new_attempt: false, pause },
        _ => Next::End(Fate::Other(format!("{status} {code}"))),
    }
}

struct Walk {
    fate: Fate,
    retries: u64,
    checkouts: Vec<Duration>,
    took: Duration,
    ended: Duration,
}

/// One shopper.
struct Shopper {
    shop: Shop,
    client: Client,
    sku: String,
    method: String,
    retries: u64,
    checkouts: Vec<Duration>,
}

impl Shopper {
    async fn walk(mut self, start: Watch) -> Walk {
        let own = Watch::start();
        let fate = match self.way().await {
            Ok(fate) => fate,
            Err(fate) => fate,
        };
        Walk { fate, retries: self.retries, checkouts: self.checkouts, took: own.elapsed(), ended: start.elapsed() }
    }

    /// The whole way; both arms say how it ended.
    async fn way(&mut self) -> Result<Fate, Fate> {
        let made = self.step(|s| s.client.post("/v1/carts").json(&json!({}))).await?;
        let cart = text(&made, "/id")?;
        let path = format!("/v1/carts/{cart}/lines/{}", encoded(&self.sku));
        self.step(|s| s.client.put(path.clone()).json(&json!({ "quantity": 1 }))).await?;
        let ask = json!({ "cart_id": cart, "shipping_address": address(), "shipping_method": self.method });
        let quoted = self.step(|s| s.client.post("/v1/checkout/quote").json(&ask)).await?;
        let total = quoted.body.pointer("/totals/total").cloned().unwrap_or(Value::Null);
        let quote = Quote { method: self.method.clone(), total };
        let body = checkout_body(&cart, &self.shop.email(), &quote, VISA);
        self.checkout(&body).await
    }

    /// A step before the checkout: repeated while the shop is busy, ended by anything else that is not a success.
    async fn step(&mut self, request: impl Fn(&Self) -> crate::http::Request<'_>) -> Result<Answer, Fate> {
        for attempt in 0..TRIES {
            let answer = request(self).send().await;
            match answer {
                Ok(answer) if answer.status < 300 => return Ok(answer),
                Ok(answer) => match next(answer.status, answer.code(), attempt, answer.retry_after()) {
                    Next::Again { pause: time, .. } => pause(time).await,
                    Next::End(Fate::Other(told)) => {
                        return Err(Fate::Other(format!("{told} on {}", step_name(&answer))));
                    }
                    Next::End(fate) => return Err(fate),
                    Next::Watch => return Err(Fate::Other(format!("202 on {}", step_name(&answer)))),
                },
                Err(error) => self.lost(&error, attempt).await?,
            }
            self.retries += 1;
        }
        Err(Fate::Other("gave up".into()))
    }

    /// A broken connection is tried again; an address that is none is not.
    async fn lost(&self, error: &HttpError, attempt: u32) -> Result<(), Fate> {
        if matches!(error, HttpError::BadUrl(_)) || attempt >= 20 {
            return Err(Fate::Other(error.to_string()));
        }
        pause(pause_before(attempt, None)).await;
        Ok(())
    }

    async fn checkout(&mut self, body: &Value) -> Result<Fate, Fate> {
        let mut key = self.shop.unique("race");
        for attempt in 0..TRIES {
            let answer = match self.client.post("/v1/checkout").key(&key).json(body).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    self.lost(&error, attempt).await?;
                    self.retries += 1;
                    continue;
                }
            };
            self.checkouts.push(answer.took);
            match next(answer.status, answer.code(), attempt, answer.retry_after()) {
                Next::End(Fate::Paid) => return paid(&answer, &self.sku),
                Next::End(fate) => return Ok(fate),
                Next::Watch => return self.watch(&answer).await,
                Next::Again { new_attempt, pause: time } => {
                    if new_attempt {
                        key = self.shop.unique("race");
                    }
                    pause(time).await;
                }
            }
            self.retries += 1;
        }
        Err(Fate::Other("gave up".into()))
    }

    async fn watch(&self, answer: &Answer) -> Result<Fate, Fate> {
        let (id, token) = (text(answer, "/id")?, text(answer, "/token")?);
        match self.shop.decided(&id, &token).await {
            Ok(order) if order.body["status"] == "paid" => Ok(Fate::Paid),
            Ok(order) => Ok(Fate::Other(format!("an order that became {}", order.body["status"]))),
            Err(stop) => Err(Fate::Other(stop.to_string())),
        }
    }
}

/// The path without what differs between shoppers.
fn step_name(answer: &Answer) -> &'static str {
    if answer.asked.contains("/lines/") {
        "the line"
    } else if answer.asked.contains("/quote") {
        "the quote"
    } else {
        "the cart"
    }
}

fn text(answer: &Answer, pointer: &str) -> Result<String, Fate> {
    answer.text(pointer).map(str::to_owned).map_err(|stop| Fate::Other(stop.to_string()))
}

/// A 201 must be an order that is paid and has the unit in it.
fn paid(answer: &Answer, sku: &str) -> Result<Fate, Fate> {
    let right = answer.body["status"] == "paid"
        && answer.body.pointer("/lines/0/sku").and_then(Value::as_str) == Some(sku)
        && answer.body.pointer("/lines/0/quantity").and_then(Value::as_i64) == Some(1);
    if right { Ok(Fate::Paid) } else { Err(Fate::Other(format!("a 201 that is no paid order: {}", answer.body))) }
}

/// Runs a race: `shoppers` at once, at most `sockets` of them at a time, for `units` units that are split over `shards`.
pub async fn race(target: &Target, shoppers: usize, units: u32, sockets: usize, shards: u32) -> Outcome<Finish> {
    let shop = Shop::open(target)?;
    let goods = shop.product(Wanted { units, name: "Race trophy".into(), ..Wanted::default() }).await?;
    if shards > 1 {
        shop.split(&goods.sku, shards).await?.expect(200)?;
    }
    let scout = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let method = shop.quote(&scout).await?.method;

    // Everybody is at the door before it opens.
    let door = Arc::new(Semaphore::new(0));
    let mut crowd = JoinSet::new();
    let start = Watch::start();
    for _ in 0..shoppers {
        let shopper = Shopper {
            shop: shop.clone(),
            client: shop.client().apart(),
            sku: goods.sku.clone(),
            method: method.clone(),
            retries: 0,
            checkouts: Vec::new(),
        };
        let door = door.clone();
        crowd.spawn(async move {
            let permit = door.acquire_owned().await;
            let walk = shopper.walk(start).await;
            drop(permit);
            walk
        });
    }
    let opened = start.elapsed();
    door.add_permits(sockets.max(1));
    let mut walks = Vec::with_capacity(shoppers);
    while let Some(walk) = crowd.join_next().await {
        walks.push(walk.map_err(|error| Stop::Failed(format!("a shopper fell over: {error}")))?);
    }
    let stock = settled(&shop, &goods.sku).await?;
    Ok(count(shoppers, (units, shards), walks, stock, opened))
}

/// The stock when nothing is held any more, or as it is when that does not happen in time.
async fn settled(shop: &Shop, sku: &str) -> Outcome<Stock> {
    let watch = Watch::start();
    loop {
        let stock = shop.stock(sku).await?;
        if stock.held == 0 || watch.elapsed() > crate::shop::SETTLES {
            return Ok(stock);
        }
        pause(PAUSE_MAX).await;
    }
}

fn count(shoppers: usize, (units, shards): (u32, u32), walks: Vec<Walk>, stock: Stock, opened: Duration) -> Finish {
    let of = |fate: &Fate| walks.iter().filter(|walk| walk.fate == *fate).count();
    let (paid, sold_out) = (of(&Fate::Paid), of(&Fate::SoldOut));
    let mut others = BTreeMap::new();
    for walk in &walks {
        if let Fate::Other(told) = &walk.fate {
            *others.entry(told.clone()).or_insert(0) += 1;
        }
    }
    let last = |only_paid: bool| {
        let ends = walks.iter().filter(|walk| !only_paid || walk.fate == Fate::Paid).map(|walk| walk.ended);
        ends.max().unwrap_or_default().saturating_sub(opened)
    };
    let beyond = |promised: i64| u64::try_from(promised - i64::from(units)).unwrap_or(0);
    let promised = i64::try_from(paid).unwrap_or(i64::MAX);
    Finish {
        shoppers,
        units,
        shards,
        paid,
        sold_out,
        other: walks.len() - paid - sold_out,
        others,
        oversold: beyond(promised).max(beyond(stock.taken)),
        stock,
        retries: walks.iter().map(|walk| walk.retries).sum(),
        checkout_times: walks.iter().flat_map(|walk| walk.checkouts.iter().copied()).collect(),
        walk_times: walks.iter().map(|walk| walk.took).collect(),
        took: last(false),
        orders_per_second: Rate::of(paid, last(true)),
        shoppers_per_second: Rate::of(walks.len(), last(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_answers_end_it_and_others_do_not() {
        assert_eq!(next(201, "", 0, None), Next::End(Fate::Paid));
        assert_eq!(next(409, "out-of-stock", 0, None), Next::End(Fate::SoldOut));
        assert_eq!(next(202, "", 0, None), Next::Watch);
        assert_eq!(next(500, "internal", 0, None), Next::End(Fate::Other("500 internal".into())));
        assert_eq!(next(402, "payment-declined", 0, None), Next::End(Fate::Other("402 payment-declined".into())));
    }

    #[test]
    fn a_refused_attempt_gets_a_new_key_and_an_unknown_one_keeps_its_own() {
        let key = |status, code| match next(status, code, 0, None) {
            Next::Again { new_attempt, .. } => Some(new_attempt),
            _ => None,
        };
        assert_eq!(key(409, "all-held"), Some(true));
        assert_eq!(key(409, "checkout-in-progress"), Some(true));
        assert_eq!(key(409, "request-in-flight"), Some(false));
        assert_eq!(key(503, "unavailable"), Some(false));
        assert_eq!(key(504, ""), Some(false));
    }

    #[test]
    fn pauses_grow_and_never_wait_longer_than_the_shop_asks() {
        let ms = Duration::from_millis;
        let grown: Vec<_> = (0..6).map(|attempt| pause_before(attempt, None)).collect();
        assert_eq!(grown, [ms(50), ms(100), ms(150), ms(200), ms(250), ms(250)]);
        assert_eq!(pause_before(9, Some(ms(120))), ms(120));
        assert_eq!(pause_before(0, Some(Duration::from_secs(600))), ms(50));
        assert_eq!(pause_before(9, Some(Duration::ZERO)), ms(50));
    }

    fn walk(fate: Fate) -> Walk {
        Walk {
            fate,
            retries: 1,
            checkouts: vec![Duration::from_millis(3)],
            took: Duration::from_millis(9),
            ended: Duration::from_secs(2),
        }
    }

    #[test]
    fn only_a_clean_finish_is_a_success() {
        let walks = |paid: usize, sold_out: usize, other: usize| {
            let fates = [(Fate::Paid, paid), (Fate::SoldOut, sold_out), (Fate::Other("500".into()), other)];
            fates.into_iter().flat_map(|(fate, n)| std::iter::repeat_n(fate, n)).map(walk).collect::<Vec<_>>()
        };
        let run = |paid, sold_out, other, stock| {
            count(paid + sold_out + other, (2, 8), walks(paid, sold_out, other), stock, Duration::ZERO)
        };
        assert!(run(2, 3, 0, Stock::sold(2, 2)).success());
        assert!(!run(1, 4, 0, Stock::sold(2, 1)).success(), "a unit was left");
        assert!(!run(2, 2, 1, Stock::sold(2, 2)).success(), "somebody got no answer");
        assert!(!run(2, 3, 0, Stock { available: 0, held: 1, ..Stock::sold(2, 1) }).success(), "still held");
        let over = run(3, 2, 0, Stock::sold(2, 2));
        assert_eq!((over.oversold, over.success()), (1, false));
        assert_eq!(over.orders_per_second.to_string(), "1.50");
        assert!(run(1, 0, 0, Stock::sold(2, 1)).success(), "fewer shoppers than units");
        assert!(over.to_string().contains("oversold"));
        assert!(over.to_string().starts_with("5 shoppers, 2 units, 8 shards, "));
    }
}
