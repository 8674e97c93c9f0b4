//! What each flow costs at the database: sequential round trips, read units and write units, counted by the connector while
//! the real functions run on a shop in memory. `make costs` writes the table in `docs/cost.md`, and a test holds the two
//! together: a flow that gets dearer fails until somebody changes the file on purpose.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::{Capability as _, Clock as _, ManualClock};
use bytes::Bytes;
use catalog::table::CreateProducts;
use engine::{Cost, Meter};
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{Movement, ReceiveStock, SplitStock};
use kernel::Sku;
use serde_json::{Value, json};
use testkit::data::START;

use crate::shop::{Options, Shop};

type Failure = Box<dyn std::error::Error>;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What happens.
    pub name: &'static str,
    /// What it cost, by function.
    pub costs: BTreeMap<String, Cost>,
}

/// A shop whose functions are metered, each by its own meter.
struct Metered {
    shop: Shop,
    clock: Arc<ManualClock>,
    meters: Arc<Mutex<BTreeMap<String, Meter>>>,
}

/// Counts all flows.
pub async fn count() -> Result<Vec<Flow>, Failure> {
    for seed in 1..=SEEDS {
        if let Some(flows) = count_from(seed).await? {
            return Ok(flows);
        }
    }
    Err("with every seed the last unit lies where its order begins to look".into())
}

/// Counts all flows; `None` when with these ids the last unit of a split item lies where its order begins to look.
async fn count_from(seed: u64) -> Result<Option<Vec<Flow>>, Failure> {
    let metered = Metered::open(seed).await?;
    metered.stock("ONE", 100).await?;
    for index in 0..5 {
        metered.stock(&format!("FIVE-{index}"), 100).await?;
    }
    let product = metered.stock("NONE", 1).await?;
    metered.pump().await;
    // The first call of a function also reads its secret; what follows is the warm function.
    metered.checkout(&["ONE"], "pm_card_visa", None, &mut Vec::new()).await?;
    metered.flow("", Method::GET, "/v1/products?limit=1", None, None).await?;
    metered.pump().await;
    let mut flows = Vec::new();
    let path = format!("/v1/products/{product}");
    flows.push(metered.flow("product page", Method::GET, &path, None, None).await?.1);
    flows.push(metered.flow("list of 24 products", Method::GET, "/v1/products", None, None).await?.1);
    flows.push(metered.flow("create a cart", Method::POST, "/v1/carts", Some(json!({})), None).await?.1);
    metered
        .checkout(
            &["ONE"],
            "pm_card_visa",
            Some(("add to cart, 1 line", "quote, 1 line", "checkout, 1 line, paid")),
            &mut flows,
        )
        .await?;
    flows.push(metered.after("… and its workers, after the answer").await);
    let five = ["FIVE-0", "FIVE-1", "FIVE-2", "FIVE-3", "FIVE-4"];
    metered.checkout(&five, "pm_card_visa", Some(("", "", "checkout, 5 lines, paid")), &mut flows).await?;
    flows.push(metered.after("… and its workers, after the answer").await);
    metered
        .checkout(&["ONE"], "pm_card_chargeDeclined", Some(("", "", "checkout, 1 line, declined")), &mut flows)
        .await?;
    flows.push(metered.after("… and its workers, after the answer").await);
    metered.checkout(&["NONE"], "pm_card_visa", None, &mut flows).await?;
    metered.pump().await;
    metered.checkout(&["NONE"], "pm_card_visa", Some(("", "", "checkout refused: sold out")), &mut flows).await?;
    if !metered.hot(&mut flows).await? {
        return Ok(None);
    }
    metered.expiry(&mut flows).await?;
    let row = format!("{path}/recommendations");
    flows.push(metered.flow("recommendations of a product, without search", Method::GET, &row, None, None).await?.1);
    Ok(Some(flows))
}

/// What a million units cost on demand in us-east-1, in thousandths of a dollar: 0.625 $ to write, 0.125 $ to read.
const MILLION_WRITES: u64 = 625;
const MILLION_READS: u64 = 125;

/// Dollars and cents for a million of these: half units at half the price.
fn dollars(cost: &Cost) -> String {
    let halves = cost.writes.in_halves() * MILLION_WRITES + cost.reads.in_halves() * MILLION_READS;
    let thousandths = halves.div_ceil(2);
    format!("{}.{:02}", thousandths / 1000, thousandths % 1000 / 10)
}

/// The table in Markdown.
#[must_use]
pub fn table(flows: &[Flow]) -> String {
    let mut text = String::from(
        "| flow | function | calls | round trips | read units | write units | $ per million |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for flow in flows {
        for (function, cost) in &flow.costs {
            let (reads, writes) = (&cost.reads, &cost.writes);
            let _ = writeln!(
                text,
                "| {} | `{function}` | {} | {} | {reads} | {writes} | {} |",
                flow.name,
                cost.calls,
                cost.round_trips,
                dollars(cost)
            );
        }
    }
    text
}

/// Where the order that buys the last unit begins to look hangs on its id: of so many seeds the first is taken with which it
/// begins elsewhere.
const SEEDS: u64 = 20;

/// What stands around the table in its file.
const BEGIN: &str = "<!-- generated: costs -->\n\n";
const END: &str = "\n<!-- end of generated -->";

/// A document with this table in it; `None` when it has no place for one.
#[must_use]
pub fn placed(document: &str, table: &str) -> Option<String> {
    let (head, rest) = document.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{table}{END}{tail}"))
}

impl Metered {
    async fn open(seed: u64) -> Result<Self, Failure> {
        let meters: Arc<Mutex<BTreeMap<String, Meter>>> = Arc::default();
        let known = meters.clone();
        let layers = move |function: &str| -> Vec<Arc<dyn engine::Layer>> {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            vec![Arc::new(known.entry(function.to_owned()).or_default().clone())]
        };
        let clock = Arc::new(ManualClock::at(START));
        // Which shard an order begins at hangs on its id: the same ids each time.
        let entropy = Some(testkit::virtual_time::entropy(seed));
        let layers: Option<crate::shop::LayersOf> = Some(Arc::new(layers));
        let options = Options { layers, entropy, clock: clock.clone(), ..Options::memory() };
        Ok(Self { shop: Shop::open(options, crate::registry::registry()).await?, clock, meters })
    }

    fn reset(&self) {
        for meter in self.meters.lock().unwrap_or_else(PoisonError::into_inner).values() {
            meter.reset();
        }
    }

    fn flow_of(&self, name: &'static str) -> Flow {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let costs = meters.iter().map(|(function, meter)| (function.clone(), meter.cost("")));
        // A worker that only looked into its queue did nothing for this flow.
        let worked = |cost: &Cost| cost.reads > Default::default() || cost.writes > Default::default();
        Flow { name, costs: costs.filter(|(_, cost)| worked(cost)).collect() }
    }

    async fn pump(&self) {
        self.shop.drain().await;
    }

    async fn after(&self, name: &'static str) -> Flow {
        self.reset();
        self.pump().await;
        self.flow_of(name)
    }

    /// One request, and what it cost.
    async fn flow(
        &self,
        name: &'static str,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Result<(Value, Flow), Failure> {
        self.reset();
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = self.shop.request(request.body(body)?).await;
        Ok((serde_json::from_slice(response.body())?, self.flow_of(name)))
    }

    /// A product of one SKU, with stock.
    async fn stock(&self, sku: &str, units: i64) -> Result<String, Failure> {
        let platform = self.shop.platform();
        let now = platform.clock().now();
        let new = serde_json::from_value(json!({
            "name": sku, "description": "A product of ordinary length, as most are.", "brand": "Oxcart", "category": "things/more",
            "variants": [{ "sku": sku, "options": {}, "price": { "amount": 1290, "currency": "EUR" } }],
        }))?;
        let products = CreateProducts::connect(platform)?;
        let created = catalog::create(&products, new, platform.random(), sku, now).await;
        let product = created.map_err(|problem| problem.detail.into_owned())?;
        let key = CounterKey::main(Sku::parse(sku).ok_or("not a SKU")?);
        ReceiveStock::connect(platform)?.receive(&key, &Movement::opening("rcosts", units, sku), now).await?;
        Ok(product.id.to_string())
    }

    /// A hot item, split over eight shards: bought while it lasts, then by those who come too late.
    /// Whether the last unit had to be looked for.
    async fn hot(&self, flows: &mut Vec<Flow>) -> Result<bool, Failure> {
        let buy = |name: Option<&'static str>| name.map(|name| ("", "", name));
        for (name, full) in [("SPLIT", 8), ("LAST", 1)] {
            self.stock(name, 2).await?;
            let sku = Sku::parse(name).ok_or("not a SKU")?;
            let split = SplitStock::connect(self.shop.platform())?;
            split.set_shards(&sku, "main", 8).await?;
            let receive = ReceiveStock::connect(self.shop.platform())?;
            for shard in 1..full {
                let key = CounterKey { shard, ..CounterKey::main(sku.clone()) };
                receive.receive(&key, &Movement::opening("msplit", 2, name), self.clock.now()).await?;
            }
        }
        self.checkout(&["SPLIT"], "pm_card_visa", None, &mut Vec::new()).await?;
        self.checkout(&["SPLIT"], "pm_card_visa", buy(Some("checkout, an item split over 8 shards, paid")), flows)
            .await?;
        self.checkout(&["LAST"], "pm_card_visa", None, &mut Vec::new()).await?;
        self.checkout(&["LAST"], "pm_card_visa", buy(Some("… its last unit, in another shard")), flows).await?;
        let trips = |flow: &Flow| flow.costs.get("place-order").map(|cost| cost.round_trips);
        let [.., split, last] = flows.as_slice() else { return Err("no flows".into()) };
        if trips(last) <= trips(split) {
            return Ok(false);
        }
        self.pump().await;
        self.checkout(&["LAST"], "pm_card_visa", buy(Some("… refused: the first to find it gone")), flows).await?;
        self.checkout(&["LAST"], "pm_card_visa", buy(Some("… refused: known to be gone")), flows).await?;
        self.pump().await;
        Ok(true)
    }

    /// An order that nobody pays, until its time is over.
    async fn expiry(&self, flows: &mut Vec<Flow>) -> Result<(), Failure> {
        // The timers of all orders before this one.
        self.clock.advance(kernel::limits::HOLD + Duration::from_secs(2));
        self.pump().await;
        self.checkout(&["ONE"], "pm_card_authenticationRequired", None, &mut Vec::new()).await?;
        self.pump().await;
        self.clock.advance(kernel::limits::HOLD + Duration::from_secs(2));
        flows.push(self.after("expiry of an order, 1 line").await);
        Ok(())
    }

    /// A shopper's whole way, with the flows that have a name noted: adding to the cart, the quote, the checkout.
    async fn checkout(
        &self,
        skus: &[&str],
        token: &str,
        names: Option<(&'static str, &'static str, &'static str)>,
        flows: &mut Vec<Flow>,
    ) -> Result<(), Failure> {
        let (add, quote, pay) = names.unwrap_or_default();
        let mut keep = |flow: Flow| {
            if !flow.name.is_empty() {
                flows.push(flow);
            }
        };
        let (cart, _) = self.flow("", Method::POST, "/v1/carts", Some(json!({})), None).await?;
        let cart = cart["id"].as_str().ok_or("no cart")?.to_owned();
        for sku in skus {
            let path = format!("/v1/carts/{cart}/lines/{sku}");
            keep(self.flow(add, Method::PUT, &path, Some(json!({ "quantity": 1 })), None).await?.1);
        }
        let address = json!({ "name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE" });
        let ask = json!({ "cart_id": cart, "shipping_address": address, "shipping_method": "standard" });
        let (quoted, cost) = self.flow(quote, Method::POST, "/v1/checkout/quote", Some(ask), None).await?;
        keep(cost);
        let order = json!({
            "cart_id": cart, "email": "ada@example.com", "shipping_address": address, "shipping_method": "standard",
            "payment_token": token, "expected_total": quoted["totals"]["total"],
        });
        keep(self.flow(pay, Method::POST, "/v1/checkout", Some(order), Some(&cart)).await?.1);
        Ok(())
    }
}
