//! The second act of the demo: many checkouts while the payment provider is slow, loses answers, and repeats and mixes up
//! its reports. When it is well again, every order must end paid or cancelled, and the money must match.
//!
//! It owns the shoppers and the reckoning; the reckoning reads the shop's and the provider's tables and believes nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws::TableSpec;
use aws::table::from_item;
use orders::{Order, Status};
use payments::builtin::Stored;
use serde_json::json;
use testkit::clock::{Watch, pause};
use testkit::http::encoded;
use testkit::shop::{Shop as Client, VISA, Wanted, address, checkout_body};
use testkit::stats::{millis, percentile};
use testkit::{Stop, Target};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::provider::Menu;
use crate::shop::Shop;

/// How long after the provider is well again everything may take to settle.
const SETTLES: Duration = Duration::from_secs(180);
/// How often a shopper sends a request again that was not answered, or was answered that it may be sent again.
const TRIES: u32 = 40;

/// How the provider behaves during the act.
#[must_use]
pub fn bad_day() -> Menu {
    Menu { down: false, slow_ms: 150, lost_percent: 20, repeat_percent: 50, reorder_percent: 50 }
}

/// What the act came to.
#[derive(Clone, Debug, Default)]
pub struct Reckoning {
    /// How many checkouts there were.
    pub checkouts: usize,
    /// What shoppers were answered, by status.
    pub answers: BTreeMap<u16, usize>,
    /// How many orders stand where.
    pub orders: BTreeMap<String, usize>,
    /// Orders that the provider took money for and kept it.
    pub charged: usize,
    /// Orders that are paid.
    pub paid: usize,
    /// Orders that are not decided.
    pub undecided: usize,
    /// Orders for which the provider keeps other money than the order says, or an order is paid without.
    pub wrong: Vec<String>,
    /// What the provider keeps, in minor units.
    pub kept: i64,
    /// What the paid orders cost, in minor units.
    pub owed: i64,
    /// Units that are held for nobody.
    pub held: i64,
    /// Reports of the provider that were kept.
    pub reports: usize,
    /// The time of each checkout call.
    pub times: Vec<Duration>,
    /// From the first call until all was settled.
    pub took: Duration,
}

impl Reckoning {
    /// Whether every order is decided, and the money is right.
    #[must_use]
    pub fn success(&self) -> bool {
        self.undecided == 0
            && self.held == 0
            && self.wrong.is_empty()
            && self.charged == self.paid
            && self.kept == self.owed
    }
}

impl fmt::Display for Reckoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let menu = bad_day();
        writeln!(
            f,
            "{} checkouts while the provider takes {} ms, loses {} % of its answers, repeats {} % of its reports and sends {} % late; {}",
            self.checkouts,
            menu.slow_ms,
            menu.lost_percent,
            menu.repeat_percent,
            menu.reorder_percent,
            millis(self.took)
        )?;
        writeln!(f)?;
        for (status, count) in &self.answers {
            writeln!(f, "  answered {status:<13}{count:>10}")?;
        }
        for (status, count) in &self.orders {
            writeln!(f, "  order {status:<16}{count:>10}")?;
        }
        let numbers = [("charged", self.charged), ("paid orders", self.paid), ("undecided", self.undecided)];
        for (name, count) in numbers {
            writeln!(f, "  {name:<22}{count:>10}")?;
        }
        writeln!(f, "  {:<22}{:>10}", "money out of thin air", self.kept - self.owed)?;
        writeln!(f, "  {:<22}{:>10}", "units held for nobody", self.held)?;
        writeln!(f, "  {:<22}{:>10}", "reports kept", self.reports)?;
        let (p50, p99) = (millis(percentile(&self.times, 50)), millis(percentile(&self.times, 99)));
        writeln!(f, "  {:<22}{p50:>12} p50{p99:>12} p99", "checkout")?;
        for wrong in &self.wrong {
            writeln!(f, "  WRONG: {wrong}")?;
        }
        Ok(())
    }
}

/// One shopper: fills a cart and pays, and asks again with the same key until there is an answer that is definite, or says
/// where to look.
async fn checkout(client: Client, sku: String, method: String, number: usize) -> (Option<u16>, Vec<Duration>) {
    // One of ten cards is refused, one of ten needs the bank's page, which one of two shoppers never opens.
    let token = match number % 10 {
        3 => "pm_card_chargeDeclined",
        6 => "pm_card_authenticationRequired",
        _ => VISA,
    };
    let mut times = Vec::new();
    let way = async {
        let cart = client.client().post("/v1/carts").json(&json!({})).send().await?;
        let cart = cart.text("/id").map_err(|stop| Stop::Failed(stop.to_string()))?.to_owned();
        let line = format!("/v1/carts/{cart}/lines/{}", encoded(&sku));
        client.client().put(line).json(&json!({ "quantity": 1 + number % 3 })).send().await?;
        let ask = json!({ "cart_id": cart, "shipping_address": address(), "shipping_method": method });
        client.client().post("/v1/checkout/quote").json(&ask).send().await?;
        let quote = client.quote(&cart).await?;
        let body = checkout_body(&cart, &client.email(), &quote, token);
        let key = client.unique("storm");
        for attempt in 0..TRIES {
            match client.client().post("/v1/checkout").key(&key).json(&body).send().await {
                Ok(answer)
                    if !matches!(
                        (answer.status, answer.code()),
                        (409, "request-in-flight" | "all-held") | (429 | 500.., _)
                    ) =>
                {
                    times.push(answer.took);
                    let secret = answer.body["payment"]["client_secret"].as_str();
                    if let Some(secret) = secret.filter(|_| number % 20 < 10) {
                        let confirmation = json!({ "client_secret": secret });
                        // A page that does not answer is opened again.
                        for _ in 0..TRIES {
                            let page = client.client().post("/dev/provider/confirmations").json(&confirmation);
                            if page.send().await.is_ok_and(|page| page.status == 200) {
                                break;
                            }
                            pause(Duration::from_millis(200)).await;
                        }
                    }
                    return Ok::<_, Stop>(Some(answer.status));
                }
                _ => pause(Duration::from_millis(u64::from(attempt.min(9) + 1) * 50)).await,
            }
        }
        Ok(None)
    };
    let status = way.await.ok().flatten();
    (status, times)
}

/// Runs the act on a shop that is served at the target.
pub async fn storm(shop: &Shop, target: &Target, checkouts: usize, sockets: usize) -> Result<Reckoning, Stop> {
    let client = Client::open(target)?;
    let units = u32::try_from(checkouts.saturating_mul(3)).unwrap_or(u32::MAX);
    let goods = client.product(Wanted { units, name: "Storm lantern".into(), ..Wanted::default() }).await?;
    let scout = client.filled_cart(&[(&goods.sku, 1)]).await?;
    let method = client.quote(&scout).await?.method;
    shop.bank().behave(bad_day());
    let began = Watch::start();
    let door = Arc::new(Semaphore::new(sockets.max(1)));
    let mut crowd = JoinSet::new();
    for number in 0..checkouts {
        let (client, sku, method, door) = (client.clone(), goods.sku.clone(), method.clone(), door.clone());
        crowd.spawn(async move {
            let _permit = door.acquire_owned().await;
            checkout(client, sku, method, number).await
        });
    }
    let mut reckoning = Reckoning { checkouts, ..Reckoning::default() };
    while let Some(answer) = crowd.join_next().await {
        let (status, times) = answer.map_err(|error| Stop::Failed(format!("a shopper fell over: {error}")))?;
        *reckoning.answers.entry(status.unwrap_or(0)).or_default() += 1;
        reckoning.times.extend(times);
    }
    shop.bank().behave(Menu::default());
    let settling = Watch::start();
    loop {
        let now = reckon(shop, reckoning.clone()).await.map_err(Stop::Failed)?;
        if now.success() || settling.elapsed() > SETTLES {
            return Ok(Reckoning { took: began.elapsed(), ..now });
        }
        pause(Duration::from_millis(500)).await;
    }
}

async fn items(shop: &Shop, spec: &TableSpec) -> Result<Vec<aws::Item>, String> {
    let table = shop.platform().table(spec);
    let mut all = Vec::new();
    let mut from = None;
    loop {
        let page = table.client().scan().table_name(table.name()).set_exclusive_start_key(from).send().await;
        let page = page.map_err(|error| error.to_string())?;
        all.extend(page.items.unwrap_or_default());
        match page.last_evaluated_key {
            Some(key) => from = Some(key),
            None => return Ok(all),
        }
    }
}

async fn reckon(shop: &Shop, mut reckoning: Reckoning) -> Result<Reckoning, String> {
    let read = |error: aws::DataError| error.to_string();
    let orders = items(shop, &orders::table::TABLE).await?.into_iter().filter(|item| !item.contains_key("tombstone"));
    let orders = orders.map(from_item).collect::<Result<Vec<Order>, _>>().map_err(read)?;
    let intents = items(shop, &payments::builtin::TABLE).await?.into_iter().map(from_item);
    let intents = intents.collect::<Result<Vec<Stored>, _>>().map_err(read)?;
    let kept: BTreeMap<_, i64> =
        intents.iter().map(|stored| (&stored.order, stored.captured - stored.refunded)).collect();
    for order in &orders {
        *reckoning.orders.entry(order.status.to_string()).or_default() += 1;
        let kept = kept.get(&order.id).copied().unwrap_or_default();
        let owed = if order.status.is_committed() { order.charged().amount } else { 0 };
        reckoning.owed += owed;
        reckoning.paid += usize::from(order.status.is_committed());
        reckoning.undecided += usize::from(order.status == Status::Pending);
        if kept != owed && order.status != Status::Pending {
            reckoning.wrong.push(format!("{} is {} and the provider keeps {kept} of {owed}", order.id, order.status));
        }
    }
    reckoning.kept = kept.values().sum();
    reckoning.charged = kept.values().filter(|kept| **kept > 0).count();
    reckoning.reports = items(shop, &checkout::reports::TABLE).await?.len();
    for item in items(shop, &inventory::table::TABLE).await? {
        if let Ok(counter) = from_item::<inventory::ledger::CounterItem>(item) {
            reckoning.held += counter.counter.held();
        }
    }
    Ok(reckoning)
}
