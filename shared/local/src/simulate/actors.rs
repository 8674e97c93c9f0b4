//! Who moves stock in a simulation. Each draws what it does from the seed and its own number; each bears what a client of
//! the real shop bears: time-outs, refusals, answers that never come. None of them checks anything.

use std::sync::PoisonError;
use std::time::Duration;

use http::Method;
use payments::builtin::Builtin;
use serde_json::{Value, json};
use testkit::virtual_time::Random;

use super::world::{ITEMS, World};
use crate::provider::Menu;

/// How often somebody asks before going home.
const TRIES: u64 = 6;
const TOKENS: [&str; 8] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_processingError",
    "pm_slow",
];

/// The generator of an actor.
fn draws(seed: u64, who: &str, number: u64) -> Random {
    Random::stream(seed, &format!("{who} {number}"))
}

async fn pause(draw: &mut Random, most_millis: u64) {
    tokio::time::sleep(Duration::from_millis(draw.below(most_millis))).await;
}

fn quantity(draw: &mut Random, most: u64) -> u32 {
    u32::try_from(draw.below(most) + 1).unwrap_or(1)
}

/// One or two different items, in any order.
fn lines(draw: &mut Random) -> Vec<(usize, u32)> {
    let first = index(draw, ITEMS.len());
    let mut lines = vec![(first, quantity(draw, 3))];
    if draw.below(2) == 0 {
        lines.push(((first + 1 + index(draw, ITEMS.len() - 1)) % ITEMS.len(), quantity(draw, 2)));
    }
    lines
}

fn index(draw: &mut Random, count: usize) -> usize {
    usize::try_from(draw.below(u64::try_from(count).unwrap_or(1))).unwrap_or(0)
}

/// Somebody with a cart.
pub(super) struct Shopper {
    world: World,
    draw: Random,
    number: u64,
}

impl Shopper {
    pub fn new(world: &World, seed: u64, number: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "shopper", number), number }
    }

    pub async fn run(mut self) {
        pause(&mut self.draw, 3000).await;
        let lines = if self.world.crowded { vec![(0, 1)] } else { lines(&mut self.draw) };
        let (coupon, card) = (self.draw.below(3) == 0, self.draw.below(3) == 0);
        let Ok(cart) = self.world.cart(&lines, coupon).await else { return };
        let country = if self.draw.below(2) == 0 { "DE" } else { "FR" };
        let token = TOKENS[index(&mut self.draw, TOKENS.len())];
        let mut body = World::checkout(&cart, &lines, (coupon, card), token, country);
        let mut attempt = 0;
        for _ in 0..TRIES {
            let key = format!("shopper {} {attempt}", self.number);
            let twice = self.draw.below(3) == 0;
            let since = self.world.gate.now();
            let asked = self.world.send(Method::POST, "/v1/checkout", &key, &body);
            let (status, answer) = if twice {
                // A client whose first request hangs sends it again beside it.
                let again = self.world.send(Method::POST, "/v1/checkout", &key, &body);
                futures_util::future::join(asked, again).await.1
            } else {
                asked.await
            };
            if let Some(id) = answer["id"].as_str().filter(|_| status < 300) {
                self.world.orders.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
            }
            if let Some(secret) = answer["payment"]["client_secret"].as_str() {
                self.at_the_bank(secret).await;
            }
            if self.draw.below(6) == 0 {
                return;
            }
            match (status, answer["code"].as_str().unwrap_or_default()) {
                (201, _) => return,
                (402, _) => {
                    body["payment_token"] = json!("pm_card_visa");
                    attempt += 1;
                }
                (409, "out-of-stock") => return self.world.gate.told_sold_out(since, &answer).await,
                (409, "all-held" | "order-decided" | "checkout-in-progress") => attempt += 1,
                _ => {}
            }
            pause(&mut self.draw, 40_000).await;
        }
    }
}

impl Shopper {
    /// Some confirm at once, some late, some refuse (and confirm after all), and some never open the bank's page.
    async fn at_the_bank(&mut self, secret: &str) {
        if self.draw.below(4) == 0 {
            return;
        }
        pause(&mut self.draw, 120_000).await;
        let Ok(bank) = Builtin::connect(self.world.shop.platform()) else { return };
        // What it answers is the bank's business.
        if self.draw.below(4) == 0 {
            drop(bank.confirm(secret, false).await);
            pause(&mut self.draw, 5000).await;
            if self.draw.below(2) == 0 {
                return;
            }
        }
        drop(bank.confirm(secret, true).await);
    }
}

/// Somebody who captures and refunds, more than there is if need be, and sends what was not answered again.
pub(super) struct Clerk {
    world: World,
    draw: Random,
    number: u64,
}

impl Clerk {
    pub fn new(world: &World, seed: u64, number: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "clerk", number), number }
    }

    pub async fn run(mut self) {
        for job in 0..4 {
            pause(&mut self.draw, 60_000).await;
            let orders = self.world.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if orders.is_empty() {
                continue;
            }
            let order = &orders[index(&mut self.draw, orders.len())];
            let amount = 1 + i64::try_from(self.draw.below(2500)).unwrap_or(0);
            let (what, body) = match self.draw.below(4) {
                0 => ("captures", json!({})),
                1 => ("captures", json!({ "amount": { "amount": amount, "currency": "EUR" } })),
                2 => {
                    let lines = json!([{ "sku": ITEMS[index(&mut self.draw, ITEMS.len())], "quantity": 1 }]);
                    ("refunds", json!({ "lines": lines, "reason": "broken" }))
                }
                _ => ("refunds", json!({ "amount": { "amount": amount, "currency": "EUR" }, "reason": "late" })),
            };
            let (path, key) = (format!("/v1/admin/orders/{order}/{what}"), format!("clerk {} {job}", self.number));
            for _ in 0..TRIES {
                let (status, _) = self.world.send(Method::POST, &path, &key, &body).await;
                // Now and then what was answered is sent once more.
                if (200..500).contains(&status) && self.draw.below(4) > 0 {
                    break;
                }
                pause(&mut self.draw, 10_000).await;
            }
        }
    }
}

/// The weather at the provider: slow, forgetful, away, well again.
pub(super) struct Weather {
    world: World,
    draw: Random,
}

impl Weather {
    pub fn new(world: &World, seed: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "weather", 0) }
    }

    pub async fn run(mut self) {
        loop {
            let draw = &mut self.draw;
            let fair = draw.below(3) == 0;
            self.world.shop.bank().behave(Menu {
                down: !fair && draw.below(4) == 0,
                slow_ms: if fair || draw.below(2) == 0 { 0 } else { draw.below(4000) },
                lost_percent: if fair { 0 } else { draw.below(50) },
                repeat_percent: if fair { 0 } else { 50 },
                reorder_percent: if fair { 0 } else { 50 },
            });
            pause(draw, 60_000).await;
        }
    }
}

/// A till or a marketplace.
pub(super) struct Channel {
    world: World,
    draw: Random,
    number: u64,
}

impl Channel {
    pub fn new(world: &World, seed: u64, number: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "channel", number), number }
    }

    pub async fn run(mut self) {
        pause(&mut self.draw, 6000).await;
        let lines: Vec<Value> = lines(&mut self.draw)
            .into_iter()
            .map(|(item, quantity)| json!({ "sku": ITEMS[item], "quantity": quantity }))
            .collect();
        let mut body = json!({ "channel": "pos", "lines": lines, "hold_seconds": 1 + self.draw.below(300) });
        if self.draw.below(4) == 0 {
            body["warehouse"] = json!("berlin");
        }
        let key = format!("channel {}", self.number);
        let mut id = None;
        for _ in 0..TRIES {
            let hasty = (self.draw.below(3) == 0).then(|| Duration::from_millis(self.draw.below(300)));
            let asked = self.world.send(Method::POST, "/v1/reservations", &key, &body);
            let ((status, answer), ()) = futures_util::future::join(asked, self.commit_early(hasty)).await;
            if status == 201 {
                id = answer["id"].as_str().map(str::to_owned);
                break;
            }
            if status == 409 || self.draw.below(6) == 0 {
                return;
            }
            pause(&mut self.draw, 20_000).await;
        }
        let Some(id) = id else { return };
        pause(&mut self.draw, 60_000).await;
        // Some change their mind, some do both, and some never come back.
        let ends: &[&str] = [&["commit"][..], &["release"], &["commit", "release"], &["release", "commit"], &[]]
            [index(&mut self.draw, 5)];
        for end in ends {
            for _ in 0..TRIES {
                let path = format!("/v1/reservations/{id}/{end}");
                let (status, _) = self.world.send(Method::POST, &path, "", &Value::Null).await;
                if status == 200 || status == 409 {
                    break;
                }
                pause(&mut self.draw, 10_000).await;
            }
        }
    }
}

impl Channel {
    /// Commits a reservation of which not all is held yet: no answer names it, but whoever sees the table can.
    async fn commit_early(&self, after: Option<Duration>) {
        let Some(after) = after else { return };
        tokio::time::sleep(after).await;
        let Some(id) = self.world.pending_reservation().await else { return };
        self.world.send(Method::POST, &format!("/v1/reservations/{id}/commit"), "", &Value::Null).await;
    }
}

/// Somebody who moves stock.
pub(super) struct Staff {
    world: World,
    draw: Random,
    number: u64,
}

impl Staff {
    pub fn new(world: &World, seed: u64, number: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "staff", number), number }
    }

    pub async fn run(mut self) {
        for job in 0..2 {
            pause(&mut self.draw, 20_000).await;
            let (method, path, body) = self.job();
            let key = format!("staff {} {job}", self.number);
            for _ in 0..TRIES {
                let (status, answer) = self.world.send(method.clone(), &path, &key, &body).await;
                if answer["status"] == "in_transit" {
                    let path = format!("/v1/admin/inventory/transfers/{}/arrival", answer["id"].as_str().unwrap_or(""));
                    pause(&mut self.draw, 30_000).await;
                    self.world.send(Method::POST, &path, "", &Value::Null).await;
                    break;
                }
                if status < 500 {
                    break;
                }
                pause(&mut self.draw, 10_000).await;
            }
        }
    }

    fn job(&mut self) -> (Method, String, Value) {
        let draw = &mut self.draw;
        let sku = ITEMS[index(draw, ITEMS.len())];
        let at = |what: &str| format!("/v1/admin/inventory/{sku}/{what}");
        let warehouse = if sku == "APART" && draw.below(2) == 0 { "berlin" } else { "main" };
        match draw.below(7) {
            0 | 1 => {
                let body = json!({ "warehouse": warehouse, "quantity": quantity(draw, 3), "reference": "delivery" });
                (Method::POST, at("receipts"), body)
            }
            2 => {
                let units = i64::from(quantity(draw, 2)) * if draw.below(2) == 0 { 1 } else { -1 };
                let body = json!({ "warehouse": warehouse, "quantity": units, "reason": "count" });
                (Method::POST, at("adjustments"), body)
            }
            3 => {
                let body = json!({ "warehouse": "main", "shards": 1 + draw.below(5) });
                (Method::PUT, "/v1/admin/inventory/SPLIT/shards".into(), body)
            }
            4 | 5 => {
                let (from, to) = if draw.below(2) == 0 { ("main", "berlin") } else { ("berlin", "main") };
                let arrival = if draw.below(2) == 0 { "now" } else { "later" };
                let body =
                    json!({ "sku": sku, "from": from, "to": to, "quantity": quantity(draw, 2), "arrival": arrival });
                (Method::POST, "/v1/admin/inventory/transfers".into(), body)
            }
            _ => {
                let tracking = match draw.below(3) {
                    0 => json!({ "policy": "track" }),
                    limit => json!({ "policy": "backorder", "limit": limit }),
                };
                (Method::PUT, at("settings"), json!({ "tracking": tracking, "safety": { "web": draw.below(2) } }))
            }
        }
    }
}

/// What runs between the functions: streams and queues, in any order, at any pace.
pub(super) struct Pumper {
    world: World,
    draw: Random,
}

impl Pumper {
    pub fn new(world: &World, seed: u64, number: u64) -> Self {
        Self { world: world.clone(), draw: draws(seed, "pumper", number) }
    }

    pub async fn run(mut self) {
        let work = &self.world.shop.0.work;
        loop {
            let choice = index(&mut self.draw, work.streams.len() + work.queues.len());
            match choice.checked_sub(work.streams.len()) {
                None => drop(self.world.shop.read_stream(&work.streams[choice]).await),
                Some(queue) => drop(self.world.shop.poll_queue(&work.queues[queue]).await),
            }
            let pace = if self.draw.below(20) == 0 { 60_000 } else { 1500 };
            pause(&mut self.draw, pace).await;
        }
    }
}
