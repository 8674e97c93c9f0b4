//! Holding what an operation wants, wherever it lies.
//!
//! The counter that most likely has it is looked at first; who finds too little there looks at all of them, takes what a look
//! shows, and says "sold out" only when two looks in a row found too little and no unit came back between them. It owns nothing but
//! short-lived memories, which may cost a look and never decide. It must never hold more than what is wanted in the parts
//! that it names, or free an overdue hold before its record was ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{BoxFuture, Capability, ConfigError, DataError, Grant, Platform};
use futures_util::future::join_all;
use kernel::counter::{HoldRequest, Refusal};
use kernel::problem::code;
use kernel::{Country, Problem, Sku, Timestamp};
use lambda::Cx;
use serde::Serialize;

use crate::allot::{Bin, Lack, Look, Seen, Wanted, shards_from};
use crate::settings::{Settings, Tracking, WEB, Warehouses};
use crate::stock::{CounterKey, Part};
use crate::table::{Held, HoldStock, ReadStock, Snapshot};

/// So many overdue operations at most are ended by one who finds the shelf empty.
const END_AT_ONCE: usize = 3;
/// So often what a look showed is tried to be held, before the crowd is too large.
const ROUNDS: usize = 8;
/// So many looks before anything is written; two prove that an item is gone.
const LOOKS: usize = 4;
/// How long a sandbox remembers how a hot item is split, and the rest of its settings: they have one partition key, which takes
/// 3,000 reads a second, and a shop that sells 6,000 units a second with payments of three seconds has 18,000 sandboxes. Up to
/// twice as long, see [`until`].
const SPLIT_LIFE: Duration = Duration::from_secs(10);
/// How long it remembers the warehouses of the shop; up to twice as long.
const SHOP_LIFE: Duration = Duration::from_secs(15);
/// How long it remembers that an item is gone.
const GONE_LIFE: Duration = Duration::from_secs(2);
/// The most items it remembers anything of.
const REMEMBERED: usize = 1000;

/// Who wants units, and where they go.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// The operation.
    pub op: &'a str,
    /// When its record was created.
    pub created: Timestamp,
    /// When its holds may be tried to expire.
    pub deadline: Timestamp,
    /// The sales channel; `None` for the web shop.
    pub channel: Option<&'a str>,
    /// Where the goods go.
    pub country: Option<&'a Country>,
    /// The one warehouse that may serve it.
    pub warehouse: Option<&'a str>,
}

/// A first look at what an operation wants.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    warehouses: Warehouses,
    snapshot: Snapshot,
}

impl Outlook {
    /// The settings of an item.
    #[must_use]
    pub fn settings(&self, sku: &Sku) -> Settings {
        self.snapshot.settings(sku)
    }

    /// Whether there is such a warehouse: the shop has it, or one of the items lies in it.
    #[must_use]
    pub fn has_warehouse(&self, id: &str) -> bool {
        let keeps = |settings: &Settings| settings.warehouses.contains_key(id);
        self.warehouses.has(id) || self.snapshot.settings.values().any(keeps)
    }
}

/// Why not all is held.
#[derive(Debug)]
pub enum Shortage {
    /// Too few units.
    Short(Vec<Short>),
    /// The database did not answer, or the crowd was too large: nothing is known, the same call goes on from here.
    Busy(Problem),
    /// The operation was decided meanwhile.
    Decided,
    /// The hold comes so late that nobody can tell any more whether it was done before.
    TooLate,
    /// There is enough, but some of it lies where the operation holds a part already: only a fresh operation can have it.
    Tangled,
}

impl Shortage {
    /// Whether another attempt at the same order holds some of what is missing.
    #[must_use]
    pub fn is_among_attempts(&self) -> bool {
        matches!(self, Self::Short(lines) if lines.iter().any(|line| line.among_attempts))
    }
}

impl From<DataError> for Shortage {
    fn from(error: DataError) -> Self {
        Self::Busy(error.into())
    }
}

/// An item of which there is too little.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Short {
    /// The item.
    pub sku: Sku,
    /// How many units were wanted.
    pub requested: u32,
    /// How many there are.
    pub available: i64,
    /// When units may come back, when those that others hold would do.
    #[serde(skip)]
    pub back_at: Option<Timestamp>,
    /// Another attempt at the same order holds some, or had some.
    #[serde(skip)]
    pub among_attempts: bool,
}

impl Short {
    fn of(wanted: &Wanted, lack: &Lack) -> Self {
        let enough_later = lack.available + lack.held >= i64::from(wanted.quantity);
        Self {
            sku: wanted.sku.clone(),
            requested: wanted.quantity,
            available: lack.available.max(0),
            back_at: lack.back_at.filter(|_| enough_later),
            among_attempts: lack.among_attempts,
        }
    }

    fn none(wanted: &Wanted) -> Self {
        Self { sku: wanted.sku.clone(), requested: wanted.quantity, available: 0, back_at: None, among_attempts: false }
    }
}

/// The refusal of what there is too little of: for good, or for as long as others hold it.
#[must_use]
pub fn too_few(short: &[Short], now: Timestamp) -> Problem {
    let names: Vec<String> = short.iter().map(|line| format!("`{}` ({} left)", line.sku, line.available)).collect();
    let lasting = short.iter().any(|line| line.back_at.is_none());
    let lines = short.iter().filter(|line| !lasting || line.back_at.is_none()).collect::<Vec<_>>();
    if lasting {
        return Problem::new(code::OUT_OF_STOCK, format!("too few units of {}", names.join(", "))).with("lines", lines);
    }
    let back_at = short.iter().filter_map(|line| line.back_at).max().unwrap_or(now);
    let detail = format!("others hold what is left of {}; some may come back", names.join(", "));
    Problem::new(code::ALL_HELD, detail).with("lines", lines).retry_after(back_at.since(now).as_secs().max(1))
}

/// Ends an overdue operation that holds units of a counter: first its record, then the hold. Whether that freed it.
pub type EndOverdue<'a> = dyn Fn(CounterKey, String) -> BoxFuture<'a, Result<bool, Problem>> + Send + Sync + 'a;

/// Holds units wherever they lie.
#[derive(Clone)]
pub struct AllotStock {
    read: ReadStock,
    hold: HoldStock,
    memory: Arc<Mutex<Memory>>,
}

impl Capability for AllotStock {
    fn grants() -> Vec<Grant> {
        [ReadStock::grants(), HoldStock::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (read, hold) = (ReadStock::connect(platform)?, HoldStock::connect(platform)?);
        Ok(Self { read, hold, memory: Arc::default() })
    }
}

/// What a sandbox remembers, each until a moment.
#[derive(Default)]
struct Memory {
    warehouses: Option<(Timestamp, Warehouses)>,
    /// Items that are split: where to begin is then known without a look.
    split: HashMap<Sku, (Timestamp, Settings)>,
    /// Items of which a look found too little, and what it saw: the first of the two looks.
    gone: HashMap<Sku, (Timestamp, Gone)>,
}

/// A look that found too little.
#[derive(Clone)]
struct Gone {
    /// For so many units.
    quantity: u32,
    /// Where it looked: the one warehouse, and for which channel.
    place: (Option<String>, Option<String>),
    /// What it saw.
    seen: Seen,
}

impl Gone {
    fn place(operation: &Operation<'_>) -> (Option<String>, Option<String>) {
        (operation.warehouse.map(str::to_owned), operation.channel.map(str::to_owned))
    }

    /// What it saw, when it was a look for as much, or less, in the same place.
    fn seen_for(&self, operation: &Operation<'_>, quantity: u32) -> Option<Seen> {
        (self.quantity <= quantity && self.place == Self::place(operation)).then_some(self.seen)
    }
}

fn fresh<T>(entry: &(Timestamp, T), now: Timestamp) -> Option<&T> {
    (entry.0 > now).then_some(&entry.1)
}

/// A memory lives once to twice as long as `life`, as the operation's id falls: sandboxes that were started together would
/// otherwise all read the same item again at once.
fn until(now: Timestamp, life: Duration, op: &str) -> Timestamp {
    let more = shards_from(op, 1000).next().unwrap_or(0);
    now.after(life + life * more / 1000)
}

fn remember<T>(map: &mut HashMap<Sku, (Timestamp, T)>, sku: &Sku, until: Timestamp, value: T) {
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(sku.clone(), (until, value));
}

impl AllotStock {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A first look, in one round trip: at settings and the first counter of each item, or, of one that is known to be
    /// split, at the shard where the operation begins. Of one that turns out to be split, that shard costs a second one.
    pub async fn outlook(&self, operation: &Operation<'_>, skus: &[Sku], cx: &Cx) -> Result<Outlook, DataError> {
        let now = cx.now();
        // Where one begins hardly ever changes, so what is remembered for too long is still good for that.
        let (mut settings, stale, warehouses) = {
            let memory = self.memory();
            let known = |sku: &Sku| Some((sku.clone(), memory.split.get(sku)?.1.clone()));
            let split: HashMap<Sku, Settings> = skus.iter().filter_map(known).collect();
            let is_stale = |sku: &&Sku| memory.split.get(*sku).is_some_and(|entry| fresh(entry, now).is_none());
            let stale: Vec<Sku> = skus.iter().filter(is_stale).cloned().collect();
            (split, stale, memory.warehouses.as_ref().and_then(|entry| fresh(entry, now)).cloned())
        };
        let ask: Vec<Sku> = skus.iter().filter(|sku| !settings.contains_key(*sku)).cloned().collect();
        let shop = warehouses.clone().unwrap_or_default();
        let begin =
            |(sku, settings): (&Sku, &Settings)| places(operation, sku, settings, &shop).into_iter().flatten().next();
        let begins: Vec<CounterKey> = settings.iter().filter_map(begin).collect();
        let mut snapshot = self.read.first_look(&ask, &stale, &begins, warehouses.is_none(), true).await?;
        let warehouses = self.learn(&mut snapshot, warehouses, now, operation.op);
        for sku in &stale {
            settings.remove(sku);
        }
        settings.extend(std::mem::take(&mut snapshot.settings));
        snapshot.settings = settings;
        // Of a whole item the first counter was asked for, unless it was split the last time. Of what is gone all are looked at.
        let gone = |sku: &Sku| self.memory().gone.get(sku).is_some_and(|entry| fresh(entry, now).is_some());
        let split = |sku: &&Sku| !snapshot.settings(sku).is_whole() && !gone(sku);
        let guessed = skus.iter().filter(|sku| split(sku) || stale.contains(sku));
        let begin =
            |sku: &Sku| places(operation, sku, &snapshot.settings(sku), &warehouses).into_iter().flatten().next();
        let missing: Vec<CounterKey> =
            guessed.filter_map(begin).filter(|key| !snapshot.counters.contains_key(key)).collect();
        if !missing.is_empty() {
            snapshot.counters.extend(self.read.only(&missing).await?);
        }
        Ok(Outlook { warehouses, snapshot })
    }

    /// Remembers what a first look found out about split items and the shop; answers the shop's warehouses.
    fn learn(&self, snapshot: &mut Snapshot, known: Option<Warehouses>, now: Timestamp, op: &str) -> Warehouses {
        let mut memory = self.memory();
        for (sku, found) in &snapshot.settings {
            if found.is_whole() {
                memory.split.remove(sku);
            } else {
                remember(&mut memory.split, sku, until(now, SPLIT_LIFE, op), found.clone());
            }
        }
        known.unwrap_or_else(|| {
            let read = snapshot.warehouses.take().unwrap_or_default();
            memory.warehouses = Some((until(now, SHOP_LIFE, op), read.clone()));
            read
        })
    }

    /// Where to hold what is wanted, as far as the first look tells; too little of it costs reads only. It promises
    /// nothing: the holds decide.
    pub async fn plan(
        &self,
        operation: &Operation<'_>,
        wanted: &[Wanted],
        outlook: &Outlook,
        cx: &Cx,
    ) -> Result<Vec<Part>, Shortage> {
        let plans = join_all(wanted.iter().map(|wanted| self.plan_one(operation, wanted, outlook, cx))).await;
        gather(plans)
    }

    async fn plan_one(
        &self,
        operation: &Operation<'_>,
        wanted: &Wanted,
        outlook: &Outlook,
        cx: &Cx,
    ) -> Result<Vec<Part>, Shortage> {
        let settings = outlook.settings(&wanted.sku);
        if settings.drop.as_ref().is_some_and(|drop| drop.gone) {
            return Err(Shortage::Short(vec![Short::none(wanted)]));
        }
        if settings.tracking == Tracking::None {
            return Ok(Vec::new());
        }
        let keys = places(operation, &wanted.sku, &settings, &outlook.warehouses);
        let Some(first) = keys.iter().flatten().next().cloned() else {
            return Err(Shortage::Short(vec![Short::none(wanted)]));
        };
        let hope = vec![Part { key: first.clone(), quantity: wanted.quantity }];
        let remembered = self.memory().gone.get(&wanted.sku).and_then(|entry| fresh(entry, cx.now())).cloned();
        let mut before = remembered.and_then(|gone| gone.seen_for(operation, wanted.quantity));
        let near = if settings.is_whole() { keys } else { vec![vec![first]] };
        let mut look = look_at(operation, &settings, &near, &outlook.snapshot);
        for round in 0..LOOKS {
            let lack = match look.allot(operation.op, wanted.quantity) {
                Ok(parts) => return Ok(parts),
                Err(lack) => lack,
            };
            // Whoever is overdue is no obstacle: the hold ends them.
            if !look.endable(operation.op, cx.now()).is_empty() && !lack.among_attempts {
                return Ok(hope);
            }
            // The first look at a split item is at one shard only: it proves nothing.
            let all = settings.is_whole() || round > 0;
            if settings.is_whole() || all && before == Some(lack.seen) {
                self.remember_gone(operation, wanted, &lack, cx);
                return Err(Shortage::Short(vec![Short::of(wanted, &lack)]));
            }
            if all {
                before = Some(lack.seen);
            }
            look = self.look(operation, &wanted.sku, outlook).await?;
        }
        Ok(hope)
    }

    fn remember_gone(&self, operation: &Operation<'_>, wanted: &Wanted, lack: &Lack, cx: &Cx) {
        let gone = Gone { quantity: wanted.quantity, place: Gone::place(operation), seen: lack.seen };
        remember(&mut self.memory().gone, &wanted.sku, cx.now().after(GONE_LIFE), gone);
    }

    /// Looks at all counters of an item that are sold from, at this moment.
    async fn look(&self, operation: &Operation<'_>, sku: &Sku, outlook: &Outlook) -> Result<Look, DataError> {
        // One round trip, unless the item is kept in other ways than it was at the first look.
        let known = outlook.settings(sku).counters(sku);
        let mut snapshot = self.read.counters(sku, &known, true).await?;
        let settings = snapshot.settings(sku);
        let more: Vec<CounterKey> = settings.counters(sku).into_iter().filter(|key| !known.contains(key)).collect();
        if !more.is_empty() {
            snapshot.counters.extend(self.read.counters(sku, &more, true).await?.counters);
        }
        Ok(look_at(operation, &settings, &places(operation, sku, &settings, &outlook.warehouses), &snapshot))
    }

    /// Holds what is wanted: in these parts, or wherever else it lies.
    pub async fn hold(
        &self,
        operation: &Operation<'_>,
        wanted: &[Wanted],
        parts: &[Part],
        outlook: &Outlook,
        end: &EndOverdue<'_>,
        cx: &Cx,
    ) -> Attempt {
        let touched = Mutex::default();
        let one = |wanted: &Wanted| {
            let parts: Vec<Part> = parts.iter().filter(|part| part.key.sku == wanted.sku).cloned().collect();
            let touched = &touched;
            let hunt = Hunt { stock: self, operation: *operation, wanted: wanted.clone(), outlook, end, cx, touched };
            async move { hunt.run(parts).await }
        };
        let result = gather(join_all(wanted.iter().map(one)).await);
        Attempt { result, touched: touched.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect() }
    }
}

/// What came of holding.
#[derive(Debug)]
pub struct Attempt {
    /// The parts in which all is held, or why it is not.
    pub result: Result<Vec<Part>, Shortage>,
    /// Every counter that may carry a hold of it now: what to give back when it is called off.
    pub touched: Vec<CounterKey>,
}

/// All parts, or the worst of what is missing: everything that is short at once, unless something else went wrong.
fn gather(results: Vec<Result<Vec<Part>, Shortage>>) -> Result<Vec<Part>, Shortage> {
    let (mut parts, mut short) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(more) => parts.extend(more),
            Err(Shortage::Short(lines)) => short.extend(lines),
            Err(other) => return Err(other),
        }
    }
    if short.is_empty() { Ok(parts) } else { Err(Shortage::Short(short)) }
}

/// The counters that an operation may hold at, warehouse by warehouse in the order of preference.
fn places(operation: &Operation<'_>, sku: &Sku, settings: &Settings, shop: &Warehouses) -> Vec<Vec<CounterKey>> {
    let route = shop.route(settings, operation.country).into_iter();
    let route = route.filter(|warehouse| operation.warehouse.is_none_or(|only| only == warehouse.as_str()));
    route
        .map(|warehouse| {
            let shards = shards_from(operation.op, settings.shards(&warehouse).active);
            shards.map(|shard| CounterKey { sku: sku.clone(), warehouse: warehouse.clone(), shard }).collect()
        })
        .collect()
}

fn look_at(operation: &Operation<'_>, settings: &Settings, keys: &[Vec<CounterKey>], snapshot: &Snapshot) -> Look {
    let bin = |key: &CounterKey| Bin {
        key: key.clone(),
        counter: snapshot.counter(key),
        reserve: settings.reserve(operation.channel.unwrap_or(WEB), key),
    };
    Look { warehouses: keys.iter().map(|warehouse| warehouse.iter().map(bin).collect()).collect() }
}

/// One operation's way to the units of one item.
struct Hunt<'a, 'e> {
    stock: &'a AllotStock,
    operation: Operation<'a>,
    wanted: Wanted,
    outlook: &'a Outlook,
    end: &'a EndOverdue<'e>,
    cx: &'a Cx,
    touched: &'a Mutex<BTreeSet<CounterKey>>,
}

impl Hunt<'_, '_> {
    async fn run(&self, mut parts: Vec<Part>) -> Result<Vec<Part>, Shortage> {
        if parts.is_empty() && self.outlook.settings(&self.wanted.sku).tracking == Tracking::None {
            return Ok(parts);
        }
        for _ in 0..ROUNDS {
            if self.try_parts(&parts).await? {
                return Ok(parts);
            }
            parts = self.find().await?;
        }
        let detail = "many shoppers want the same; nothing was lost, try again in a moment";
        Err(Shortage::Busy(Problem::new(code::UNAVAILABLE, detail).retry_after(1)))
    }

    /// Holds all parts, side by side; whether each is held as it stands.
    async fn try_parts(&self, parts: &[Part]) -> Result<bool, Shortage> {
        let sum: u32 = parts.iter().map(|part| part.quantity).sum();
        let mut all = sum == self.wanted.quantity;
        for held in join_all(parts.iter().map(|part| self.hold(part))).await {
            match held? {
                Held::Yes => {}
                Held::No(Refusal::Done, _) => return Err(Shortage::Decided),
                Held::No(Refusal::TooOld, _) => return Err(Shortage::TooLate),
                Held::No(..) | Held::Unknown => all = false,
            }
        }
        Ok(all)
    }

    async fn hold(&self, part: &Part) -> Result<Held, DataError> {
        let Operation { op, created, deadline, channel, .. } = self.operation;
        let settings = self.outlook.settings(&self.wanted.sku);
        let reserve = settings.reserve(channel.unwrap_or(WEB), &part.key);
        let request = HoldRequest { op, quantity: part.quantity, reserve, deadline, created, channel };
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(part.key.clone());
        self.stock.hold.hold(&part.key, &request).await
    }

    /// Where else the units are, or the certainty that there are too few.
    async fn find(&self) -> Result<Vec<Part>, Shortage> {
        let (op, sku) = (self.operation.op, &self.wanted.sku);
        let mut before: Option<Seen> = None;
        for _ in 0..ROUNDS {
            let look = self.stock.look(&self.operation, sku, self.outlook).await?;
            let lack = match look.allot(op, self.wanted.quantity) {
                Ok(parts) => return Ok(parts),
                Err(lack) => lack,
            };
            let mut freed = false;
            if lack.tangled {
                return Err(Shortage::Tangled);
            }
            for (key, other) in look.endable(op, self.cx.now()).into_iter().take(END_AT_ONCE) {
                freed |= (self.end)(key, other).await.map_err(Shortage::Busy)?;
            }
            if freed {
                before = None;
                continue;
            }
            // A single counter is read at one moment; of several, a second look that saw the same proves the first.
            if look.is_single() || before == Some(lack.seen) {
                self.stock.remember_gone(&self.operation, &self.wanted, &lack, self.cx);
                return Err(Shortage::Short(vec![Short::of(&self.wanted, &lack)]));
            }
            before = Some(lack.seen);
        }
        let detail = "units come and go; nothing was lost, try again in a moment";
        Err(Shortage::Busy(Problem::new(code::UNAVAILABLE, detail).retry_after(1)))
    }
}
