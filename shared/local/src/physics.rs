//! How fast one item can be sold: the real way to a hold and its confirmation, in virtual time, over a model of DynamoDB's
//! limits ([`testkit::physics`]). `make physics` prints the table that stands in `docs/performance.md`.
//!
//! It owns the trials and their figures. Shoppers come at a constant rate, whatever becomes of those before them; each is
//! served by a sandbox of its own, with its own memories and its own quota of retries. What the model leaves out stands in
//! [`testkit::physics`]; besides, the way of a paid order to `confirm-holds` (stream, relay, queue) takes no time here: it is
//! part of the time of the hold. It must never measure the machine it runs on.

mod crowd;
mod ledger;
pub mod table;
mod world;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use inventory::CounterKey;
use kernel::audit::{OVERSOLD, Violation};
use testkit::physics::{Counts, Limits, Physics};
use testkit::stats::{Rate, percentile};
use testkit::virtual_time;

use crowd::{Counted, Crowd, Manner};
use ledger::Writes;
use world::World;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One item under one load.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Over how many counters it is split.
    pub shards: u32,
    /// How long a unit is held before its order is confirmed.
    pub hold: Duration,
    /// How many shoppers come in a second.
    pub per_second: u64,
    /// How long they come before anything is counted.
    pub warm_up: Duration,
    /// How long is counted.
    pub span: Duration,
    /// The limits of the model.
    pub limits: Limits,
    /// Where chance comes from.
    pub seed: u64,
}

impl Trial {
    /// How many sandboxes of the checkout stand ready: each stays with its shopper until the payment is over, and some more.
    fn sandboxes(&self) -> u64 {
        let millis = u64::try_from(self.hold.as_millis()).unwrap_or(u64::MAX).saturating_add(100);
        self.per_second.saturating_mul(millis) / 1000
    }
}

/// What a trial with enough units came to.
#[derive(Clone, Debug)]
pub struct Sustained {
    /// The trial.
    pub trial: Trial,
    /// Confirmed orders.
    pub confirmed: Rate,
    /// Calls, each try of the SDK for itself.
    pub calls: u64,
    /// How many of a thousand calls were throttled.
    pub throttled_per_mille: u64,
    /// Half of those who got a unit held it after this.
    pub p50: Duration,
    /// 99 of 100 of those who got a unit held it after this.
    pub p99: Duration,
    /// Who came.
    pub arrived: u64,
    /// Who was told to try again.
    pub busy: u64,
    /// Whose hold came too late.
    pub late: u64,
    /// Who was told that there are too few, of an item that has plenty.
    pub short: u64,
    /// Deliveries to the worker that met a busy database.
    pub redelivered: u64,
    /// Messages that ended among the dead letters.
    pub dead: u64,
    /// Write units of a hundred orders, prunes and failed conditions among them.
    pub units_of_100_orders: u64,
    /// Writes of one order, in hundredths.
    pub writes_of_100_orders: u64,
    /// Holds on a counter at the end of the span, on average.
    pub holds: usize,
    /// Marks on a counter at the end of the span, on average.
    pub marks: usize,
    /// The partition keys that refused the most calls, from the first shopper to the last, and how many.
    pub hottest: Vec<(String, u64)>,
    /// Sandboxes of the checkout in the end.
    pub sandboxes: usize,
    /// The invariants that the books break when all is over.
    pub violations: Vec<Violation>,
}

/// The counts at one moment.
struct Sight {
    counts: Counts,
    writes: Writes,
    counted: Counted,
}

impl Sight {
    fn of(crowd: &Crowd) -> Self {
        let world = crowd.world();
        Self { counts: world.physics.counts(), writes: world.ledger.writes(), counted: crowd.counted().clone() }
    }
}

/// Sells an item that has plenty.
pub fn sustained(trial: Trial) -> Result<Sustained, Failure> {
    virtual_time::run(trial.seed, sell(trial))
}

async fn sell(trial: Trial) -> Result<Sustained, Failure> {
    let seconds = trial.warm_up + trial.span;
    let most = trial.per_second.saturating_mul(u64::try_from(seconds.as_millis())?) / 1000;
    let units = u32::try_from(most.saturating_mul(2))?.max(trial.shards.saturating_mul(500));
    let world = World::open(trial.seed, trial.limits, trial.shards, units, trial.sandboxes()).await?;
    let crowd = Crowd::new(world, Manner { per_second: trial.per_second, pays_for: trial.hold, declined: 0 });
    let watch = async {
        crowd.world().until(trial.warm_up).await;
        let before = Sight::of(&crowd);
        crowd.world().until(seconds).await;
        let after = Sight::of(&crowd);
        Ok::<_, Failure>((before, after, crowd.world().books().await?))
    };
    let (came, watched) = join(crowd.clone().come(most), watch).await;
    came?;
    let (before, after, books) = watched?;
    let counters = books.counters.len().max(1);
    let holds = books.counters.values().map(|counter| counter.holds.len()).sum::<usize>() / counters;
    let marks = books.counters.values().map(|counter| counter.done.len()).sum::<usize>() / counters;
    let settled = crowd.world().books().await?;
    let mut violations = settled.when_settled();
    violations.extend(known(crowd.world(), &settled));
    let got = after.counted.holds.get(before.counted.holds.len()..).unwrap_or_default();
    let confirmed = after.counted.confirmed.saturating_sub(before.counted.confirmed);
    let calls = after.counts.calls.saturating_sub(before.counts.calls);
    let throttled = after.counts.throttled.saturating_sub(before.counts.throttled);
    let writes = after.writes.all().saturating_sub(before.writes.all());
    let halves = after.counts.writes().in_halves().saturating_sub(before.counts.writes().in_halves());
    let (one, other) = (&before.counted, &after.counted);
    Ok(Sustained {
        trial,
        confirmed: Rate::of(usize::try_from(confirmed)?, trial.span),
        calls,
        throttled_per_mille: throttled.saturating_mul(1000).checked_div(calls).unwrap_or_default(),
        p50: percentile(got, 50),
        p99: percentile(got, 99),
        arrived: other.arrived.saturating_sub(one.arrived),
        busy: other.busy.saturating_sub(one.busy),
        late: other.late.saturating_sub(one.late),
        short: other.sold_out.saturating_add(other.all_held),
        redelivered: other.redelivered.saturating_sub(one.redelivered),
        dead: crowd.counted().dead,
        units_of_100_orders: (halves.saturating_mul(50)).checked_div(confirmed).unwrap_or_default(),
        writes_of_100_orders: writes.saturating_mul(100).checked_div(confirmed).unwrap_or_default(),
        holds,
        marks,
        hottest: hottest(&crowd.world().physics),
        sandboxes: crowd.world().checkouts.idle(),
        violations,
    })
}

/// The three partition keys that refused the most.
fn hottest(physics: &Physics) -> Vec<(String, u64)> {
    let places = physics.partitions().into_iter();
    let mut refused: Vec<_> = places.map(|((_, key), counts)| (key, counts.throttled)).collect();
    refused.retain(|(_, throttled)| *throttled > 0);
    refused.sort_by_key(|(_, throttled)| std::cmp::Reverse(*throttled));
    refused.truncate(3);
    refused
}

/// A violation when the ledger does not say what the counters say: it misread a write.
fn known(world: &World, books: &kernel::audit::Books<CounterKey>) -> Option<Violation> {
    let sum = |of: fn(&kernel::counter::Counter) -> i64| books.counters.values().map(of).sum::<i64>();
    let counters = (sum(|counter| counter.available), sum(|counter| counter.available + counter.held()));
    let what = format!("the counters say {counters:?}, the ledger {:?}", world.ledger.left());
    (world.ledger.left() != counters).then_some(Violation { invariant: "ledger", what })
}

/// What a trial with too few units came to.
#[derive(Clone, Debug)]
pub struct SoldOut {
    /// The trial.
    pub trial: Trial,
    /// Units that there were.
    pub units: u32,
    /// Shoppers who wanted one.
    pub shoppers: u64,
    /// Who got one.
    pub sold: u64,
    /// Who held one and gave it back.
    pub released: u64,
    /// Who was told that it is sold out.
    pub sold_out: u64,
    /// Who was told that others hold what is left.
    pub all_held: u64,
    /// Who was told to try again.
    pub busy: u64,
    /// Who was told one of the first two and it was not true.
    pub untrue: u64,
    /// Units left in the end.
    pub left: i64,
    /// Units sold that there were not.
    pub oversold: usize,
    /// The invariants that the books break when all is over.
    pub violations: Vec<Violation>,
}

/// Sells an item that runs out: 60 units for 100 shoppers, of whom ten in a hundred who hold one give it back. When all is
/// over, more come than there are units left.
pub fn sold_out(trial: Trial) -> Result<SoldOut, Failure> {
    virtual_time::run(trial.seed, run_out(trial))
}

async fn run_out(trial: Trial) -> Result<SoldOut, Failure> {
    let millis = u64::try_from(trial.span.as_millis())?;
    let shoppers = trial.per_second.saturating_mul(millis) / 1000;
    let units = u32::try_from(shoppers.saturating_mul(60) / 100)?;
    let world = World::open(trial.seed, trial.limits, trial.shards, units, trial.sandboxes()).await?;
    let crowd = Crowd::new(world, Manner { per_second: trial.per_second, pays_for: trial.hold, declined: 10 });
    Arc::clone(&crowd).come(shoppers).await?;
    let left = u64::try_from(crowd.world().ledger.left().0).unwrap_or_default();
    Arc::clone(&crowd).come(left.saturating_mul(2).saturating_add(20)).await?;
    let books = crowd.world().books().await?;
    let mut violations = books.when_settled();
    violations.extend(known(crowd.world(), &books));
    let counted = crowd.counted().clone();
    Ok(SoldOut {
        trial,
        units,
        shoppers: counted.arrived,
        sold: counted.confirmed,
        released: counted.released,
        sold_out: counted.sold_out,
        all_held: counted.all_held,
        busy: counted.busy.saturating_add(counted.late),
        untrue: counted.untrue,
        left: crowd.world().ledger.left().0,
        oversold: violations.iter().filter(|violation| violation.invariant == OVERSOLD).count(),
        violations,
    })
}
