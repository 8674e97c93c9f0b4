//! DynamoDB's limits as a layer, in virtual time: units a second and partition key, latency, conflicts of transactions.
//!
//! It owns the buckets, the locks of transactions and the counts of one benchmark. What a call costs is measured by
//! [`engine::Meter`] on the engine's own answer. It must never let a call through that AWS would refuse for load, nor
//! refuse another. What it leaves out: secondary indexes have no limits of their own (their units go to the table's
//! partition), a scan has none, several keys never share a partition, and a hot partition is never split.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{BoxFuture, Call, ConnectorFailure, Layer, Meter, Next, Reply, Service, Units};
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::faults::replies::{Cancelled, cancelled, in_conflict, too_hot};
use crate::virtual_time::{Random, VirtualClock};

mod touch;

use touch::{Schema, Touch, Way};

/// How long calls take, by quantile, in milliseconds. Between the points it is a straight line; the quickest take half of
/// the median, the slowest twice the last point. Time has a grain of a millisecond, so no call is quicker than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of the calls are at most this long.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
}

impl Latency {
    fn draw(&self, random: &mut Random) -> Duration {
        let micros = |millis: u64| millis.saturating_mul(1000);
        let points = [
            (0, micros(self.p50) / 2),
            (500_000, micros(self.p50)),
            (900_000, micros(self.p90)),
            (990_000, micros(self.p99)),
            (999_000, micros(self.p999)),
            (1_000_000, micros(self.p999).saturating_mul(2)),
        ];
        let drawn = random.below(1_000_000);
        let segment = points.windows(2).find(|pair| drawn < pair[1].0);
        let micros = segment.map_or(0, |pair| {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            low.saturating_add(high.saturating_sub(low).saturating_mul(drawn.saturating_sub(from)) / (to - from))
        });
        Duration::from_millis((micros.saturating_add(500) / 1000).max(1))
    }
}

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Write units a second and partition key. AWS: 1,000, whatever is paid.
    pub write_units: u64,
    /// Read units a second and partition key. AWS: 3,000.
    pub read_units: u64,
    /// How much of what was not used is saved, in milliseconds of full load. AWS says "up to 300 seconds" and promises
    /// none of it, and it does not lift the limit of a partition that is busy all the time. One second here.
    pub burst_ms: u64,
    /// How long a write takes, and any call that is no read. Half of a transaction: it goes to its items twice.
    pub writes: Latency,
    /// How long a read takes.
    pub reads: Latency,
    /// Whether a write of one item that is under way cancels a transaction on that item. AWS documents that only for
    /// `TransactGetItems`, so it is off, which is to the advantage of transactions.
    pub writes_cancel_transactions: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            write_units: 1000,
            read_units: 3000,
            burst_ms: 1000,
            writes: Latency { p50: 3, p90: 6, p99: 15, p999: 60 },
            reads: Latency { p50: 2, p90: 5, p99: 12, p999: 50 },
            writes_cancel_transactions: false,
        }
    }
}

/// What was counted, of all calls or on one partition key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls, each try of the SDK for itself. On a partition key: accesses, so one for each item of a batch.
    pub calls: u64,
    /// Those that were refused for load, wholly or in part.
    pub throttled: u64,
    /// Those that were refused because of a transaction.
    pub conflicts: u64,
    read_halves: u64,
    write_halves: u64,
}

impl Counts {
    /// Read units consumed.
    #[must_use]
    pub fn reads(&self) -> Units {
        Units::halves(self.read_halves)
    }

    /// Write units consumed.
    #[must_use]
    pub fn writes(&self) -> Units {
        Units::halves(self.write_halves)
    }

    /// How many of a thousand calls were throttled.
    #[must_use]
    pub fn throttled_per_mille(&self) -> u64 {
        self.throttled.saturating_mul(1000).checked_div(self.calls).unwrap_or_default()
    }

    fn spend(&mut self, way: Way, halves: u64) {
        let spent = if way == Way::Read { &mut self.read_halves } else { &mut self.write_halves };
        *spent = spent.saturating_add(halves);
    }
}

/// The limits at work. A clone is the same: give one to every function, as the innermost layer.
#[derive(Clone)]
pub struct Physics(Arc<Inner>);

struct Inner {
    limits: Limits,
    clock: VirtualClock,
    state: Mutex<State>,
}

struct State {
    random: Random,
    /// The keys of the tables that were seen; `None` for a table that the engine does not know.
    schemas: HashMap<String, Option<Schema>>,
    partitions: BTreeMap<Place, Partition>,
    /// The items that have a call under way.
    items: HashMap<(Place, String), UnderWay>,
    counts: Counts,
}

/// A table and the value of a partition key.
type Place = (String, String);

#[derive(Default)]
struct UnderWay {
    writes: usize,
    transactions: usize,
}

struct Partition {
    reads: Bucket,
    writes: Bucket,
    /// Held while a write is applied: one after another, in the order of arrival.
    turn: Arc<tokio::sync::Mutex<()>>,
    counts: Counts,
}

/// Tokens in millionths of half a unit. What a call turns out to cost beyond what was set aside for it is owed.
struct Bucket {
    /// Half units a second, which is also millionths of one a microsecond.
    rate: i64,
    most: i64,
    tokens: i64,
    filled: Duration,
}

const HALF_UNIT: i64 = 1_000_000;

impl Bucket {
    fn full(units: u64, burst_ms: u64, now: Duration) -> Self {
        let rate = i64::try_from(units.saturating_mul(2)).unwrap_or(i64::MAX);
        let burst = i64::try_from(burst_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        // Two units must fit in, or no transaction ever passes.
        let most = rate.saturating_mul(burst).max(tokens(4));
        Self { rate, most, tokens: most, filled: now }
    }

    /// Whether so many half units are there at this moment.
    fn has(&mut self, halves: u64, now: Duration) -> bool {
        let passed = i64::try_from(now.saturating_sub(self.filled).as_micros()).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(self.rate)).min(self.most);
        self.filled = now;
        self.tokens >= tokens(halves)
    }

    fn take(&mut self, halves: u64) {
        self.tokens = self.tokens.saturating_sub(tokens(halves));
    }

    fn give_back(&mut self, halves: u64) {
        self.tokens = self.tokens.saturating_add(tokens(halves)).min(self.most);
    }
}

fn tokens(halves: u64) -> i64 {
    i64::try_from(halves).unwrap_or(i64::MAX).saturating_mul(HALF_UNIT)
}

impl Partition {
    fn new(limits: &Limits, now: Duration) -> Self {
        Self {
            reads: Bucket::full(limits.read_units, limits.burst_ms, now),
            writes: Bucket::full(limits.write_units, limits.burst_ms, now),
            turn: Arc::default(),
            counts: Counts::default(),
        }
    }

    fn bucket(&mut self, way: Way) -> &mut Bucket {
        if way == Way::Read { &mut self.reads } else { &mut self.writes }
    }
}

impl State {
    fn partition(&mut self, limits: &Limits, place: &Place, now: Duration) -> &mut Partition {
        self.partitions.entry(place.clone()).or_insert_with(|| Partition::new(limits, now))
    }
}

impl Physics {
    /// Limits with nothing used yet and every bucket full; latencies are drawn from the seed.
    #[must_use]
    pub fn new(seed: u64, limits: Limits, clock: VirtualClock) -> Self {
        let state = State {
            random: Random::stream(seed, "physics"),
            schemas: HashMap::new(),
            partitions: BTreeMap::new(),
            items: HashMap::new(),
            counts: Counts::default(),
        };
        Self(Arc::new(Inner { limits, clock, state: Mutex::new(state) }))
    }

    /// The same as a layer.
    #[must_use]
    pub fn layer(&self) -> Arc<dyn Layer> {
        Arc::new(self.clone())
    }

    /// The counts of all calls to DynamoDB.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The counts by table and partition key.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<(String, String), Counts> {
        let state = self.state();
        state.partitions.iter().map(|(place, partition)| (place.clone(), partition.counts)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, way: Way) -> Duration {
        let latency = if way == Way::Read { self.0.limits.reads } else { self.0.limits.writes };
        latency.draw(&mut self.state().random)
    }

    /// The keys of a table, asked of the engine at the first look.
    async fn schema(&self, table: &str, next: Next<'_>) -> Result<Option<Schema>, ConnectorFailure> {
        if let Some(known) = self.state().schemas.get(table) {
            return Ok(known.clone());
        }
        let call = Call::new("DynamoDB_20120810.DescribeTable", json!({ "TableName": table }).to_string());
        let reply = next.run(call).await?;
        let schema = Schema::read(&reply.json());
        self.state().schemas.insert(table.to_owned(), schema.clone());
        Ok(schema)
    }

    async fn touches(&self, call: &Call, next: Next<'_>) -> Result<Vec<Touch>, ConnectorFailure> {
        let mut touches = Vec::new();
        for access in touch::accesses(call) {
            if let Some(schema) = self.schema(access.table, next).await? {
                touches.extend(schema.touch(&access));
            }
        }
        Ok(touches)
    }

    /// Counts the accesses and sets units aside for each; says of each whether it may pass.
    fn admit(&self, touches: &[Touch]) -> Vec<bool> {
        let now = self.0.clock.elapsed();
        let mut state = self.state();
        let mut admit = |touch: &Touch| {
            let partition = state.partition(&self.0.limits, &touch.place, now);
            partition.counts.calls = partition.counts.calls.saturating_add(1);
            let passes = partition.bucket(touch.way).has(touch.least, now);
            if passes {
                partition.bucket(touch.way).take(touch.least);
            } else {
                partition.counts.throttled = partition.counts.throttled.saturating_add(1);
            }
            passes
        };
        touches.iter().map(&mut admit).collect()
    }

    /// Gives back what was set aside for accesses that did not take place after all.
    fn give_back<'a>(&self, touches: impl Iterator<Item = &'a Touch>) {
        let now = self.0.clock.elapsed();
        let mut state = self.state();
        for touch in touches {
            state.partition(&self.0.limits, &touch.place, now).bucket(touch.way).give_back(touch.least);
        }
    }

    /// Runs a call that was admitted and charges what it cost, in equal shares when it touched several items.
    async fn charge(&self, call: Call, next: Next<'_>, touches: &[Touch]) -> Result<Reply, ConnectorFailure> {
        let meter = Meter::new();
        // A scope of its own, or the chain of calls that a meter around this layer counts would be disturbed.
        let outcome = meter.scope("", async { meter.call(call, next).await }).await;
        let cost = meter.cost("");
        let now = self.0.clock.elapsed();
        let mut state = self.state();
        state.counts.spend(Way::Read, cost.reads.in_halves());
        state.counts.spend(Way::Write, cost.writes.in_halves());
        let shares = u64::try_from(touches.len()).unwrap_or(u64::MAX).max(1);
        for touch in touches {
            let all = if touch.way == Way::Read { cost.reads } else { cost.writes };
            let share = all.in_halves().div_ceil(shares);
            let partition = state.partition(&self.0.limits, &touch.place, now);
            partition.counts.spend(touch.way, share);
            partition.bucket(touch.way).give_back(touch.least);
            partition.bucket(touch.way).take(share);
        }
        outcome
    }

    /// Waits for its turn at every partition that the call writes to, in the order of their names.
    async fn turns(&self, touches: &[Touch]) -> Vec<OwnedMutexGuard<()>> {
        let now = self.0.clock.elapsed();
        let mut places: Vec<_> =
            touches.iter().filter(|touch| touch.way == Way::Write).map(|touch| &touch.place).collect();
        places.sort_unstable();
        places.dedup();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            let turn = self.state().partition(&self.0.limits, place, now).turn.clone();
            turns.push(turn.lock_owned().await);
        }
        turns
    }

    /// Which of the items have a transaction under way, or (when asked) any write.
    fn busy(&self, touches: &[Touch], writes_too: bool) -> Vec<bool> {
        let state = self.state();
        let busy = |touch: &Touch| {
            let under_way = touch.item.as_ref().and_then(|item| state.items.get(&(touch.place.clone(), item.clone())));
            under_way.is_some_and(|there| there.transactions > 0 || (writes_too && there.writes > 0))
        };
        touches.iter().map(busy).collect()
    }

    /// Notes that the items are being written until the answer is dropped.
    fn enter(&self, touches: &[Touch], transaction: bool) -> Entered {
        let writes = touches.iter().filter(|touch| touch.way == Way::Write);
        let items: Vec<_> = writes.filter_map(|touch| Some((touch.place.clone(), touch.item.clone()?))).collect();
        let mut state = self.state();
        for item in &items {
            let there = state.items.entry(item.clone()).or_default();
            let count = if transaction { &mut there.transactions } else { &mut there.writes };
            *count = count.saturating_add(1);
        }
        Entered { physics: self.clone(), items, transaction }
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.state().counts);
    }

    fn count_conflicts(&self, touches: &[Touch], busy: &[bool]) {
        let now = self.0.clock.elapsed();
        let mut state = self.state();
        state.counts.conflicts = state.counts.conflicts.saturating_add(1);
        for (touch, _) in touches.iter().zip(busy).filter(|(_, busy)| **busy) {
            let counts = &mut state.partition(&self.0.limits, &touch.place, now).counts;
            counts.conflicts = counts.conflicts.saturating_add(1);
        }
    }

    fn count_throttled(&self) {
        self.count(|counts| counts.throttled = counts.throttled.saturating_add(1));
    }
}

/// Items that are being written.
struct Entered {
    physics: Physics,
    items: Vec<(Place, String)>,
    transaction: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.physics.state();
        for item in &self.items {
            let Some(there) = state.items.get_mut(item) else { continue };
            let count = if self.transaction { &mut there.transactions } else { &mut there.writes };
            *count = count.saturating_sub(1);
            if there.writes == 0 && there.transactions == 0 {
                state.items.remove(item);
            }
        }
    }
}

impl Layer for Physics {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let began = self.0.clock.elapsed();
            if call.service != Service::DynamoDb {
                self.0.clock.sleep_until(began + self.draw(Way::Write)).await;
                return next.run(call).await;
            }
            self.count(|counts| counts.calls = counts.calls.saturating_add(1));
            let touches = self.touches(&call, next).await?;
            let trip = Trip { physics: self, began, touches };
            match call.operation.as_str() {
                "TransactWriteItems" | "TransactGetItems" => trip.transaction(call, next).await,
                "BatchGetItem" | "BatchWriteItem" => trip.batch(call, next).await,
                _ => trip.single(call, next).await,
            }
        })
    }
}

/// One call to DynamoDB on its way: half of its time it travels there, half of it back.
struct Trip<'a> {
    physics: &'a Physics,
    began: Duration,
    touches: Vec<Touch>,
}

impl Trip<'_> {
    async fn until(&self, passed: Duration) {
        self.physics.0.clock.sleep_until(self.began + passed).await;
    }

    fn writes(&self) -> bool {
        self.touches.iter().any(|touch| touch.way == Way::Write)
    }

    /// One item, a query, or something that touches no item in particular.
    async fn single(&self, call: Call, next: Next<'_>) -> Result<Reply, ConnectorFailure> {
        let way = if touch::reads(&call.operation) { Way::Read } else { Way::Write };
        let time = self.physics.draw(way);
        self.until(time / 2).await;
        let busy = self.physics.busy(&self.touches, false);
        if self.writes() && busy.contains(&true) {
            self.physics.count_conflicts(&self.touches, &busy);
            self.until(time).await;
            return Ok(in_conflict());
        }
        if self.physics.admit(&self.touches).contains(&false) {
            self.physics.count_throttled();
            self.until(time).await;
            return Ok(too_hot(&self.reasons(|_| true)));
        }
        let entered = self.physics.enter(&self.touches, false);
        let turns = self.physics.turns(&self.touches).await;
        let outcome = self.physics.charge(call, next, &self.touches).await;
        drop(turns);
        self.until(time).await;
        drop(entered);
        outcome
    }

    /// Prepare, then commit. Between the two, about the time of one write, the items are the transaction's.
    async fn transaction(&self, call: Call, next: Next<'_>) -> Result<Reply, ConnectorFailure> {
        let way = if touch::reads(&call.operation) { Way::Read } else { Way::Write };
        let (prepare, commit) = (self.physics.draw(way), self.physics.draw(way));
        self.until(prepare / 2).await;
        let writes_too = way == Way::Read || self.physics.0.limits.writes_cancel_transactions;
        let busy = self.physics.busy(&self.touches, writes_too);
        if busy.contains(&true) {
            self.physics.count_conflicts(&self.touches, &busy);
            self.until(prepare).await;
            return Ok(self.cancelled(&busy, Cancelled::Conflict));
        }
        let admitted = self.physics.admit(&self.touches);
        if admitted.contains(&false) {
            self.physics.give_back(self.touches.iter().zip(&admitted).filter(|pair| *pair.1).map(|pair| pair.0));
            self.physics.count_throttled();
            self.until(prepare).await;
            let refused: Vec<_> = admitted.iter().map(|admitted| !admitted).collect();
            return Ok(self.cancelled(&refused, Cancelled::Throttled));
        }
        let entered = self.physics.enter(&self.touches, true);
        self.until(prepare + commit / 2).await;
        let turns = self.physics.turns(&self.touches).await;
        let outcome = self.physics.charge(call, next, &self.touches).await;
        drop((turns, entered));
        self.until(prepare + commit).await;
        outcome
    }

    /// Items that find no room are left over; only when none finds any the call itself is refused.
    async fn batch(&self, call: Call, next: Next<'_>) -> Result<Reply, ConnectorFailure> {
        let way = if touch::reads(&call.operation) { Way::Read } else { Way::Write };
        let time = self.physics.draw(way);
        self.until(time / 2).await;
        let busy = self.physics.busy(&self.touches, false);
        let mut passes = self.physics.admit(&self.touches);
        if passes.contains(&false) {
            self.physics.count_throttled();
        }
        if way == Way::Write && busy.contains(&true) {
            self.physics.count_conflicts(&self.touches, &busy);
            let lost =
                self.touches.iter().zip(busy.iter().zip(&passes)).filter(|(_, (busy, passes))| **busy && **passes);
            self.physics.give_back(lost.map(|(touch, _)| touch));
            passes.iter_mut().zip(&busy).for_each(|(passes, busy)| *passes &= !busy);
        }
        if !self.touches.is_empty() && !passes.contains(&true) {
            self.until(time).await;
            return Ok(too_hot(&self.reasons(|_| true)));
        }
        let kept: Vec<Touch> =
            self.touches.iter().zip(&passes).filter(|(_, passes)| **passes).map(|(touch, _)| touch.clone()).collect();
        let left: Vec<&Touch> =
            self.touches.iter().zip(&passes).filter(|(_, passes)| !**passes).map(|(touch, _)| touch).collect();
        let (call, left_over) = touch::without(call, &left);
        let entered = self.physics.enter(&kept, false);
        let turns = self.physics.turns(&kept).await;
        let outcome = self.physics.charge(call, next, &kept).await;
        drop(turns);
        self.until(time).await;
        drop(entered);
        outcome.map(|reply| touch::with_left_over(reply, way, left_over))
    }

    /// Why it was throttled, in AWS's words.
    fn reasons(&self, which: impl Fn(&Touch) -> bool) -> Vec<Value> {
        let mut tables: Vec<_> =
            self.touches.iter().filter(|touch| which(touch)).map(|touch| (&touch.place.0, touch.way)).collect();
        tables.sort_unstable();
        tables.dedup();
        let reason = |(table, way): (&String, Way)| {
            let arn = format!("arn:aws:dynamodb:{}:{}:table/{table}", engine::REGION, engine::ACCOUNT);
            json!({ "reason": format!("Table{way:?}KeyRangeThroughputExceeded"), "resource": arn })
        };
        tables.into_iter().map(reason).collect()
    }

    /// The answer to a transaction, with a reason for each action that was hit.
    fn cancelled(&self, hit: &[bool], reason: Cancelled) -> Reply {
        let actions = self.touches.iter().map(|touch| touch.index).max().map_or(0, |last| last.saturating_add(1));
        let mut reasons = vec![None; actions];
        for (touch, _) in self.touches.iter().zip(hit).filter(|(_, hit)| **hit) {
            if let Some(slot) = reasons.get_mut(touch.index) {
                *slot = Some(reason);
            }
        }
        cancelled(&reasons)
    }
}

#[cfg(test)]
mod tests;
