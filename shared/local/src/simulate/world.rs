//! The shop of a simulation: three items that differ in how they are kept, and the functions that move them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws::{BoxFuture, Capability, Clock, ConfigError};
use bytes::Bytes;
use cart::{Cart, Line};
use catalog::{NewProduct, Product};
use engine::{Call, ConnectorFailure, Engine, Layer, Next, Reply};
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{ChangeWarehouses, Movement, ReceiveStock, SplitStock};
use kernel::{CartId, CouponCode, Currency, Money, Problem, ProductId, Sku, Slug, Timestamp};
use lambda::token::Claims;
use promotions::coupon::{Coupon, Reduction};
use promotions::gift::{GiftCard, GiftCode};
use promotions::table::CreatePromotion;
use serde_json::{Value, json};
use testkit::faults::{self, Faults};
use testkit::virtual_time::{self, Random, VirtualClock};
use tokio::sync::RwLock;

use super::torn::Torn;
use crate::registry;
use crate::shop::{Options, Registry, Shop, ShopError};

/// When every simulation begins.
pub(super) const START: Timestamp = Timestamp::from_millis(1_795_766_400_000);
/// What one unit of any item costs, in cents.
const PRICE: i64 = 1000;
/// What shipping costs, in cents; the carts stay below what is shipped for nothing.
const SHIPPING: i64 = 490;

/// An item in one piece, one that is split over shards, one that lies in two warehouses.
pub(super) const ITEMS: [&str; 3] = ["WHOLE", "SPLIT", "APART"];

/// The functions that a simulation is about. Mail goes to files, and reading is not what fails.
const FUNCTIONS: [&str; 28] = [
    "place-order",
    "close-cart",
    "expire-orders",
    "retry-payment",
    "confirm-holds",
    "relay-stream-orders",
    "relay-stream-inventory",
    "write-ledger",
    "expire-reservations",
    "reserve",
    "commit-reservation",
    "release-reservation",
    "receive-stock",
    "adjust-stock",
    "set-shards",
    "transfer-stock",
    "receive-transfer",
    "set-stock-settings",
    "get-reservation",
    "get-order",
    "stripe-webhook",
    "relay-stream-payments",
    "reconcile-orders",
    "refund-order",
    "capture-order",
    "move-money",
    "confirm-uses",
    "relay-stream-promotions",
];
/// A coupon that two orders may use, and what it takes off, in cents.
const COUPON: &str = "STORM";
const OFF: i64 = 300;
/// The code of a gift card with some money on it, for whoever knows it, and how much.
const CARD: &str = "STVRMSTVRMSTVRMS";
const ON_CARD: u32 = 1500;

/// What an actor and the auditor share.
#[derive(Clone)]
pub(super) struct World {
    pub shop: Shop,
    pub clock: VirtualClock,
    pub gate: Gate,
    /// Orders that were answered, for staff to look after.
    pub orders: Arc<Mutex<Vec<String>>>,
    /// Whether all shoppers want the same.
    pub crowded: bool,
    staff: Arc<Claims>,
}

/// Lets the auditor see all tables at one instant: it waits until no call is inside the engine, and keeps others out. And
/// remembers, after every write of stock, how much of each item could be had: who is told "sold out" is told the truth when
/// there was such an instant since the question.
#[derive(Clone, Default)]
pub(super) struct Gate {
    pub door: Arc<RwLock<()>>,
    engine: Arc<OnceLock<Engine>>,
    instants: Arc<Mutex<Vec<Instant>>>,
    /// Items of which some may be kept from the shop's own channel.
    kept: Arc<Mutex<BTreeSet<String>>>,
    lies: Arc<Mutex<Vec<String>>>,
}

/// What could be had of each item at an instant.
type Instant = BTreeMap<String, i64>;

impl Layer for Gate {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let _inside = self.door.read().await;
            let stock = call.json()["TableName"] == STOCK || call.operation == "TransactWriteItems";
            let reply = next.run(call).await;
            if stock {
                self.note().await;
            }
            reply
        })
    }
}

/// The full name of the inventory's table.
const STOCK: &str = "oxcart-local-inventory";

impl Gate {
    async fn note(&self) {
        let Some(engine) = self.engine.get() else { return };
        let ask = json!({ "TableName": STOCK, "ConsistentRead": true }).to_string();
        let reply = engine.handle("DynamoDB_20120810.Scan", ask.into()).await.json();
        let mut instant = Instant::new();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for item in reply["Items"].as_array().into_iter().flatten() {
            let units = item["available"]["N"].as_str().and_then(|units| units.parse::<i64>().ok());
            let Some((sku, _)) = item["pk"]["S"].as_str().and_then(|key| key.split_once('|')) else { continue };
            if let Some(units) = units {
                *instant.entry(sku.to_owned()).or_default() += units;
            }
            if item["safety"]["M"]["web"]["N"].as_str().is_some_and(|units| units != "0") {
                kept.insert(sku.to_owned());
            }
        }
        drop(kept);
        self.instants.lock().unwrap_or_else(PoisonError::into_inner).push(instant);
    }

    /// How many instants there were so far.
    pub fn now(&self) -> usize {
        self.instants.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Somebody who asked at `since` is told now that there are too few of these.
    pub async fn told_sold_out(&self, since: usize, problem: &Value) {
        // What arrived late went past this layer.
        self.note().await;
        let instants = self.instants.lock().unwrap_or_else(PoisonError::into_inner);
        let since = instants.get(since.saturating_sub(1)..).unwrap_or_default();
        for line in problem["lines"].as_array().into_iter().flatten() {
            let (sku, wanted) = (line["sku"].as_str().unwrap_or_default(), line["requested"].as_i64().unwrap_or(0));
            // Once staff said so, a unit of each counter may be kept from the shop's own channel.
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(sku);
            let short = |instant: &Instant| instant.get(sku).copied().unwrap_or(0) - if kept { 8 } else { 0 } < wanted;
            if !since.iter().any(short) {
                let lie = format!("{wanted} of {sku} are sold out, and were there all the time");
                self.lies.lock().unwrap_or_else(PoisonError::into_inner).push(lie);
            }
        }
    }

    /// Who was told a lie.
    pub fn lies(&self) -> Vec<String> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The clock of the machines that run a function. In half of the storms it is wrong by up to three seconds, and stays so. In
/// the others another machine takes over every three seconds, whose clock is wrong by up to fifteen, so that a hold may look
/// overdue as soon as it stands.
struct Skewed {
    clock: VirtualClock,
    seed: u64,
    function: String,
    restless: bool,
}

impl Skewed {
    fn of(clock: VirtualClock, seed: u64, function: &str) -> Self {
        Self { clock, seed, function: function.to_owned(), restless: Random::stream(seed, "clocks").below(2) == 0 }
    }

    fn wrong_by(&self) -> i64 {
        let (most, machine) = if self.restless { (15_000, self.clock.elapsed().as_secs() / 3) } else { (3000, 0) };
        let drawn = Random::stream(self.seed, &format!("clock of {} {machine}", self.function)).below(2 * most + 1);
        i64::try_from(drawn).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    }
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().millis() + self.wrong_by())
    }
}

/// An answer: its status and its body.
pub(super) type Answer = (u16, Value);

impl World {
    pub async fn open(seed: u64, clock: VirtualClock, faults: &Faults, crowded: bool) -> Result<Self, ShopError> {
        let gate = Gate::default();
        let (storm, inner) = (faults.clone(), gate.clone());
        let layers = move |function: &str| -> Vec<Arc<dyn Layer>> {
            vec![storm.layer(function), Arc::new(Torn::of(seed, function)), Arc::new(inner.clone())]
        };
        let region = ("AWS_REGION".to_owned(), virtual_time::region());
        // A counter is pruned as soon as it can be: a storm is too short for sixty marks.
        let marks = ("OXCART_DONE_MARKS".to_owned(), "1".to_owned());
        // In one of three storms money is only set aside when an order is placed.
        let later = Random::stream(seed, "capture").below(3) == 0;
        let capture = ("OXCART_CAPTURE".to_owned(), if later { "shipment" } else { "now" }.to_owned());
        // In most storms holds are so short that they are overdue while their checkouts are still under way.
        let mut draw = Random::stream(seed, "hold");
        let seconds = if draw.below(4) == 0 { 600 } else { 10 + draw.below(10) };
        let hold = ("OXCART_HOLD_SECONDS".to_owned(), seconds.to_string());
        let clocks = move |function: &str| -> Arc<dyn Clock> { Arc::new(Skewed::of(clock, seed, function)) };
        let options = Options {
            clock: Arc::new(clock),
            clocks: Some(Arc::new(clocks)),
            layers: Some(Arc::new(layers)),
            around: Some(Arc::new(|work| Box::pin(faults::invocation(work)))),
            entropy: Some(virtual_time::entropy(seed)),
            variables: [region, marks, capture, hold].into(),
            ..Options::memory()
        };
        let all = registry::registry();
        let functions = all.functions.into_iter().filter(|function| FUNCTIONS.contains(&function.name)).collect();
        let shop = Shop::open(options, Registry { functions, ..all }).await?;
        faults.attach(shop.engine());
        let _first = gate.engine.set(shop.engine().clone());
        let staff = crate::shop::verified("usr_Staff", "admin");
        let world = Self { shop, clock, gate: gate.clone(), orders: Arc::default(), crowded, staff: Arc::new(staff) };
        // Scarce in most storms; plenty in some, so that who comes back finds a unit.
        let more = if draw.below(3) == 0 { 9 } else { 0 };
        world.fill(more).await.map_err(|problem| ShopError::Setup {
            what: "the simulation's items".into(),
            reason: problem.internal.map_or_else(|| problem.detail.to_string(), |why| why.for_log().to_owned()),
        })?;
        gate.note().await;
        Ok(world)
    }

    fn capability<C: Capability>(&self) -> Result<C, Problem> {
        C::connect(self.shop.platform()).map_err(|error: ConfigError| Problem::internal(error))
    }

    async fn fill(&self, more: i64) -> Result<(), Problem> {
        let shop = json!({
            "warehouses": [{ "id": "main", "name": "Main" }, { "id": "berlin", "name": "Berlin" }],
            "priorities": { "DE": ["berlin"] },
        });
        let shop = serde_json::from_value(shop).map_err(Problem::internal)?;
        self.capability::<ChangeWarehouses>()?.write(shop, None).await?;
        let split: SplitStock = self.capability()?;
        split.set_shards(&sku("SPLIT")?, "main", 3).await?;
        split.keep_in(&sku("APART")?, "berlin").await?;
        for (number, name) in ITEMS.into_iter().enumerate() {
            let new: NewProduct = serde_json::from_value(json!({
                "name": name, "category": "things",
                "variants": [{ "sku": name, "options": {}, "price": Money::new(PRICE, Currency::EUR) }],
            }))
            .map_err(Problem::internal)?;
            let slug = Slug::parse(&name.to_lowercase()).ok_or_else(|| Problem::internal("not a slug"))?;
            let product = Product::new(product_id(number), slug, new, START);
            self.capability::<catalog::table::CreateProducts>()?.create(&product, "simulation").await?;
        }
        let promotions: CreatePromotion = self.capability()?;
        let coupon = Coupon {
            code: CouponCode::parse(COUPON).ok_or_else(|| Problem::internal("not a code"))?,
            reduction: Reduction::Amount(Money::new(OFF, Currency::EUR)),
            minimum: None,
            starts_at: None,
            ends_at: None,
            categories: Vec::new(),
            uses: Some(2),
            uses_per_customer: Some(1),
            created_at: START,
        };
        promotions.coupon(coupon, "simulation").await?;
        let code = GiftCode::parse(CARD).ok_or_else(|| Problem::internal("not a code"))?;
        let card = GiftCard { currency: Currency::EUR, ends_at: None, created_at: START, actor: "simulation".into() };
        promotions.gift_card(code.id(), card, ON_CARD, "simulation").await?;
        for (name, warehouse, shard, units) in [
            ("WHOLE", "main", 0, 3),
            ("SPLIT", "main", 0, 1),
            ("SPLIT", "main", 1, 1),
            ("SPLIT", "main", 2, 2),
            ("APART", "main", 0, 2),
            ("APART", "berlin", 0, 1),
        ] {
            let key = CounterKey { sku: sku(name)?, warehouse: warehouse.to_owned(), shard };
            let movement = Movement::opening("mopening", units + more, "simulation");
            self.capability::<ReceiveStock>()?.receive(&key, &movement, START).await?;
        }
        Ok(())
    }

    /// A cart with these quantities of the items in it.
    pub async fn cart(&self, lines: &[(usize, u32)], coupon: bool) -> Result<CartId, Problem> {
        let id = CartId::new(self.shop.platform().random());
        let mut cart = Cart::new(id.clone(), Currency::EUR, self.shop.now());
        for (item, quantity) in lines {
            let line = Line {
                product_id: product_id(*item),
                quantity: *quantity,
                unit_price: Money::new(PRICE, Currency::EUR),
                name: ITEMS[*item].to_owned(),
                image: None,
            };
            cart.lines.insert(sku(ITEMS[*item])?, line);
            cart.added.insert(sku(ITEMS[*item])?, self.shop.now());
        }
        cart.coupon = CouponCode::parse(COUPON).filter(|_| coupon);
        self.capability::<cart::table::CreateCart>()?.create(&cart).await?;
        Ok(id)
    }

    /// A reservation that is being made, if there is one.
    pub async fn pending_reservation(&self) -> Option<String> {
        let ask = json!({ "TableName": STOCK, "ConsistentRead": true }).to_string();
        let reply = self.shop.engine().handle("DynamoDB_20120810.Scan", ask.into()).await.json();
        let items = reply["Items"].as_array()?;
        let pending = items.iter().find(|item| item["status"]["S"] == "pending" && item["id"]["S"].is_string())?;
        pending["id"]["S"].as_str().map(str::to_owned)
    }

    /// The body that pays for a cart.
    pub fn checkout(cart: &CartId, lines: &[(usize, u32)], with: (bool, bool), token: &str, country: &str) -> Value {
        let (coupon, card) = with;
        let off = if coupon { OFF } else { 0 };
        let units: i64 = lines.iter().map(|(_, quantity)| i64::from(*quantity)).sum();
        json!({
            "cart_id": cart, "email": format!("{}@example.com", cart.body()), "shipping_method": "standard",
            "payment_token": token, "gift_cards": if card { vec![CARD] } else { Vec::new() },
            // Everybody lives elsewhere: too many refused payments to one address stop further ones.
            "shipping_address": { "name": "Ada", "line1": cart, "city": "B", "postal_code": "1", "country": country },
            "expected_total": Money::new(PRICE * units + SHIPPING - off, Currency::EUR),
        })
    }

    /// Sends a request as staff or another channel does, its token verified.
    pub async fn send(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let Ok(request) = request.header("idempotency-key", key).body(Bytes::from(text)) else {
            return (0, Value::Null);
        };
        let response = if path == "/v1/checkout" {
            self.shop.request(request).await
        } else {
            self.shop.request_of(&self.staff, request).await
        };
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }
}

fn product_id(number: usize) -> ProductId {
    ProductId::new([u8::try_from(number).unwrap_or(0) + 1; 16])
}

pub(super) fn sku(name: &str) -> Result<Sku, Problem> {
    Sku::parse(name).ok_or_else(|| Problem::internal("not a SKU"))
}
