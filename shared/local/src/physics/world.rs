//! One item in a model of DynamoDB, the sandboxes that sell it, and what is known of every order.
//!
//! It owns the engine under its limits, the pools of sandboxes and the decision records (which stand for the table of
//! orders: it has a key for each order, so no limit is met there). It must never touch a counter but through the
//! capabilities that the shop's functions have.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{Capability, Config, LogSink, Platform};
use engine::{Engine, Layer};
use inventory::CounterKey;
use inventory::allocation::{AllotStock, Operation};
use inventory::desk::Spreader;
use inventory::table::{Movement, ReadStock, ReceiveStock, SettleHolds, SplitStock, TABLE};
use kernel::audit::{Books, Record, Standing};
use kernel::{OrderId, Sku};
use lambda::Cx;
use testkit::data::START;
use testkit::physics::{Limits, Physics};
use testkit::virtual_time::{Random, VirtualClock, entropy, region};

use super::Failure;
use super::ledger::Ledger;
use crate::setup;

/// How many sandboxes are started in a second before the sale, as few as read an item's settings without being throttled.
/// Lambda starts a hundred a second and function, or keeps as many ready as are paid for.
const STARTED_A_SECOND: u64 = 2500;

/// See the module.
pub(super) struct World {
    engine: Engine,
    config: Config,
    /// A platform without limits: for what is not measured.
    calm: Platform,
    pub clock: VirtualClock,
    pub physics: Physics,
    pub ledger: Arc<Ledger>,
    pub sku: Sku,
    /// When the item stood ready.
    pub began: Duration,
    pub checkouts: Pool<AllotStock>,
    pub workers: Pool<SettleHolds>,
    random: Mutex<Random>,
    records: Mutex<BTreeMap<String, Record<CounterKey>>>,
}

/// A sandbox of a function: a process with its own memories and its own quota of retries.
pub(super) struct Sandbox<C> {
    pub platform: Platform,
    pub can: C,
}

/// The sandboxes of one function. Each serves one invocation at a time; another is started when none is free.
pub(super) struct Pool<C>(Mutex<VecDeque<Sandbox<C>>>, &'static str);

impl<C> Pool<C> {
    fn of(function: &'static str) -> Self {
        Self(Mutex::default(), function)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Capability> Pool<C> {
    /// The one that was idle for the longest time, or a new one.
    pub fn take(&self, world: &World) -> Result<Sandbox<C>, Failure> {
        if let Some(idle) = lock(&self.0).pop_front() {
            return Ok(idle);
        }
        self.start(world)
    }

    /// A new one.
    fn start(&self, world: &World) -> Result<Sandbox<C>, Failure> {
        let platform = world.platform(self.1);
        let can = C::connect(&platform)?;
        Ok(Sandbox { platform, can })
    }

    pub fn give_back(&self, sandbox: Sandbox<C>) {
        lock(&self.0).push_back(sandbox);
    }

    pub fn idle(&self) -> usize {
        lock(&self.0).len()
    }
}

impl<C> Sandbox<C> {
    pub fn cx(&self) -> Cx {
        Cx::of_work(&self.platform, "physics", self.platform.clock().now().after(Duration::from_secs(30)))
    }
}

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: &str) {}
}

fn config() -> Result<Config, aws::ConfigError> {
    let variables = [
        ("OXCART_STAGE", "physics"),
        ("OXCART_PREFIX", crate::shop::PREFIX),
        ("OXCART_QUEUE_BASE", "http://sqs.local/"),
        ("OXCART_ISSUER", "http://127.0.0.1"),
        ("OXCART_MAIL_FROM", "shop@example.com"),
        ("OXCART_FUNCTION", "physics"),
        ("AWS_REGION", engine::REGION),
        ("AWS_ACCESS_KEY_ID", "physics"),
        ("AWS_SECRET_ACCESS_KEY", "physics"),
    ];
    Config::from_vars(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

impl World {
    /// An item with so many units, split and spread as `set-shards` does it. Nothing of that counts.
    pub async fn open(seed: u64, limits: Limits, shards: u32, units: u32, sandboxes: u64) -> Result<Self, Failure> {
        let clock = VirtualClock::start(START);
        let engine = Engine::open(engine::Options::memory(clock.for_engine()))?;
        setup::table(&engine, &TABLE, false).await?;
        let config = config()?;
        let calm = Platform::over(config.clone(), engine.http_client(Vec::new()))
            .with_clock(Arc::new(clock))
            .with_log(Arc::new(Nowhere))
            .with_entropy(entropy(seed));
        let sku = Sku::parse("HOT").ok_or("not a SKU")?;
        stock(&calm, &sku, shards, units).await?;
        let mut world = Self {
            physics: Physics::new(seed, limits, clock),
            ledger: Arc::new(Ledger::of(units.into())),
            began: clock.elapsed(),
            checkouts: Pool::of("checkout"),
            workers: Pool::of("worker"),
            random: Mutex::new(Random::stream(seed, "orders")),
            records: Mutex::default(),
            engine,
            config,
            calm,
            clock,
            sku,
        };
        world.warm(sandboxes).await?;
        world.began = clock.elapsed();
        Ok(world)
    }

    /// Starts sandboxes of the checkout, at the pace of [`STARTED_A_SECOND`]; each has looked at the item once.
    async fn warm(&self, sandboxes: u64) -> Result<(), Failure> {
        let began = self.clock.elapsed();
        for number in 0..sandboxes {
            self.clock.sleep_until(began + Duration::from_millis(number.saturating_mul(1000) / STARTED_A_SECOND)).await;
            let sandbox = self.checkouts.start(self)?;
            // Whatever comes of it: the look is repeated when a shopper comes.
            let now = sandbox.cx().now();
            let op = format!("warm {number}");
            let nobody =
                Operation { op: &op, created: now, deadline: now, channel: None, country: None, warehouse: None };
            let _ = sandbox.can.outlook(&nobody, std::slice::from_ref(&self.sku), &sandbox.cx()).await;
            self.checkouts.give_back(sandbox);
        }
        Ok(())
    }

    /// The platform of one more sandbox.
    fn platform(&self, function: &str) -> Platform {
        let layers: Vec<Arc<dyn Layer>> = vec![self.physics.layer(), self.ledger.clone()];
        let config = Config { region: region(), function: function.to_owned(), ..self.config.clone() };
        Platform::over(config, self.engine.http_client(layers))
            .with_clock(Arc::new(self.clock))
            .with_log(Arc::new(Nowhere))
    }

    /// Waits until so long after the start.
    pub async fn until(&self, passed: Duration) {
        self.clock.sleep_until(self.began + passed).await;
    }

    /// The id of a new order.
    pub fn order(&self) -> OrderId {
        let mut bytes = [0; 16];
        lock(&self.random).fill(&mut bytes);
        OrderId::new(bytes)
    }

    /// A number below a bound.
    pub fn below(&self, bound: u64) -> u64 {
        lock(&self.random).below(bound)
    }

    /// Writes an order's record, which decides what becomes of its holds.
    pub fn record(&self, op: &str, standing: Standing, parts: &[inventory::Part]) {
        let parts = parts.iter().map(|part| (part.key.clone(), part.quantity)).collect();
        lock(&self.records).insert(op.to_owned(), Record { standing, parts });
    }

    /// All counters and records as they stand now.
    pub async fn books(&self) -> Result<Books<CounterKey>, Failure> {
        let snapshot = ReadStock::connect(&self.calm)?.all(std::slice::from_ref(&self.sku), true, true).await?;
        Ok(Books { counters: snapshot.counters.into_iter().collect(), records: lock(&self.records).clone() })
    }
}

async fn stock(platform: &Platform, sku: &Sku, shards: u32, units: u32) -> Result<(), Failure> {
    let cx = Cx::of_work(platform, "stock", platform.clock().now());
    let opening = Movement::opening("stock", units.into(), "stock");
    ReceiveStock::connect(platform)?.receive(&CounterKey::main(sku.clone()), &opening, cx.now()).await?;
    if shards > 1 {
        SplitStock::connect(platform)?.set_shards(sku, inventory::settings::MAIN, shards).await?;
        Spreader::connect(platform)?.spread(sku, inventory::settings::MAIN, "physics", &cx).await?;
    }
    Ok(())
}
