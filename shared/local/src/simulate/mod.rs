//! The real shop in a storm: one seed is one run, which repeats exactly.
//!
//! A whole shop in memory, on one thread and in virtual time: shoppers check out, other channels reserve, staff moves stock,
//! streams and queues are pumped, money is captured and given back, the payment provider has bad days, while the connector under every function loses requests and answers, delays, throttles,
//! lets calls arrive minutes late, cancels transactions and kills functions between any two calls. The invariants of
//! [`kernel::audit`] are checked at many instants and, when everything has been drained, in full; then ledger and counters,
//! and charges and paid orders, are held against each other. It owns no rule of its own: what it calls is the product.

mod actors;
mod audit;
mod torn;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::{Clock as _, SystemClock};
use testkit::faults::{Faults, Rates};
use testkit::virtual_time::{self, Random, VirtualClock};

use crate::provider::Menu;
use crate::shop::ShopError;
use actors::{Channel, Clerk, Pumper, Shopper, Staff, Weather};
use world::{START, World};

/// The most faults of a run: it must end.
const FAULTS: u64 = 60;
/// How long after the last actor went home deadlines and retries are waited for, in steps.
const SETTLING: [u64; 12] = [30, 60, 120, 200, 200, 200, 200, 400, 400, 900, 900, 900];

/// How a run is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// The most faults; fewer than the seed drew when a failing run is shrunk.
    pub most_faults: u64,
}

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, most_faults: FAULTS }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// A digest of every call, its fault and its time: the same for the same seed.
    pub digest: u64,
    /// How many calls there were.
    pub calls: u64,
    /// What they suffered.
    pub faults: BTreeMap<String, u64>,
    /// How many orders and reservations were committed.
    pub committed: usize,
    /// How many were called off.
    pub dropped: usize,
    /// How many instants were audited.
    pub audits: usize,
    /// The invariants that were broken, and where: empty, or the shop is wrong.
    pub violations: Vec<String>,
    /// The last calls of a run that failed.
    pub tail: String,
}

impl Outcome {
    /// How many violations there are of an invariant.
    #[must_use]
    pub fn broken(&self, invariant: &str) -> usize {
        self.violations.iter().filter(|violation| violation.starts_with(invariant)).count()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, digest, calls, committed, dropped, audits, .. } = self;
        writeln!(f, "seed {seed}: {calls} calls, digest {digest:016x}, {committed} committed, {dropped} called off")?;
        writeln!(f, "  {audits} instants audited; faults: {:?}", self.faults)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}

/// Runs a seed.
pub fn run(plan: Plan) -> Result<Outcome, ShopError> {
    virtual_time::run(plan.seed, storm(plan))
}

/// Runs a seed that failed with ever fewer faults, as long as it still fails.
pub fn shrink(failed: Outcome) -> Result<(Plan, Outcome), ShopError> {
    let mut best = (Plan::of(failed.seed), failed);
    let mut low = 0;
    while low < best.0.most_faults {
        let plan = Plan { most_faults: low.midpoint(best.0.most_faults), ..best.0 };
        let outcome = run(plan)?;
        if outcome.violations.is_empty() {
            low = plan.most_faults + 1;
        } else {
            best = (plan, outcome);
        }
    }
    Ok(best)
}

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// How many runs there were.
    pub runs: u64,
    /// How many calls.
    pub calls: u64,
    /// What they suffered.
    pub faults: BTreeMap<String, u64>,
    /// How many operations were committed, and how many called off.
    pub decided: (usize, usize),
    /// How many instants were audited.
    pub audits: usize,
    /// The first seed that failed, shrunk.
    pub failed: Option<(Plan, Outcome)>,
    /// How long it took.
    pub took: Duration,
}

impl Campaign {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.calls += outcome.calls;
        self.decided = (self.decided.0 + outcome.committed, self.decided.1 + outcome.dropped);
        self.audits += outcome.audits;
        for (fault, count) in &outcome.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = |invariant| self.failed.as_ref().map_or(0, |(_, outcome)| outcome.broken(invariant));
        let rate = u128::from(self.runs) * 1000 / self.took.as_millis().max(1);
        let (committed, dropped) = self.decided;
        writeln!(f, "simulation: {} seeds in {} s ({rate} a second)", self.runs, self.took.as_secs())?;
        writeln!(
            f,
            "  {} calls, {committed} operations committed, {dropped} called off, {} instants audited",
            self.calls, self.audits
        )?;
        writeln!(f, "  suffered: {:?}", self.faults)?;
        let (oversold, stuck) =
            (broken("oversold") + broken("covered") + broken("balanced"), broken("stuck") + broken("undecided"));
        let (drift, money, lies) = (broken("drift"), broken("money"), broken("false-sold-out"));
        write!(f, "  oversold={oversold} stuck={stuck} drift={drift} money={money} false-sold-out={lies}")?;
        if let Some((plan, outcome)) = &self.failed {
            writeln!(f, "\n\n{}\nFAILED, with at most {} faults:\n{outcome}", outcome.tail, plan.most_faults)?;
            write!(f, "again: make simulate SEED={}", plan.seed)?;
        }
        Ok(())
    }
}

/// Runs many seeds on some threads, until one fails; that one is shrunk.
pub fn campaign(first: u64, runs: u64, threads: u64) -> Result<Campaign, ShopError> {
    let began = SystemClock.now();
    let next = AtomicU64::new(first);
    let total = Mutex::new(Campaign::default());
    let failed: Mutex<Option<Outcome>> = Mutex::new(None);
    let work = || -> Result<(), ShopError> {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            let stop = failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if stop || seed >= first.saturating_add(runs) {
                return Ok(());
            }
            let outcome = run(Plan::of(seed))?;
            total.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome);
            if !outcome.violations.is_empty() {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
            }
        }
    };
    let results: Vec<Result<(), ShopError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    let mut campaign = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    campaign.took = SystemClock.now().since(began);
    campaign.failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner).map(shrink).transpose()?;
    Ok(campaign)
}

async fn storm(plan: Plan) -> Result<Outcome, ShopError> {
    let mut draw = Random::stream(plan.seed, "storm");
    let clock = VirtualClock::start(START);
    let mut rates = if draw.below(3) == 0 { Rates::calm() } else { Rates::rough() };
    // In some storms all want one unit of the same item, and many writes come again.
    let crowded = draw.below(4) == 0;
    if crowded {
        rates.again = 200;
    }
    let budget = draw.below(FAULTS + 1).min(plan.most_faults);
    let faults = Faults::new(plan.seed, rates, budget, clock);
    let world = World::open(plan.seed, clock, &faults, crowded).await?;
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..2 + draw.below(3) + if crowded { 3 } else { 0 } {
        crowd.spawn(Shopper::new(&world, plan.seed, number).run());
    }
    for number in 0..draw.below(3) {
        crowd.spawn(Channel::new(&world, plan.seed, number).run());
    }
    for number in 0..draw.below(3) {
        crowd.spawn(Staff::new(&world, plan.seed, number).run());
    }
    for number in 0..draw.below(3) {
        crowd.spawn(Clerk::new(&world, plan.seed, number).run());
    }
    let mut pumps = tokio::task::JoinSet::new();
    pumps.spawn(Weather::new(&world, plan.seed).run());
    for number in 0..2 {
        pumps.spawn(Pumper::new(&world, plan.seed, number).run());
    }
    let mut watch = audit::Watch::new(&world);
    while !crowd.is_empty() {
        let pause = Duration::from_millis(50 + draw.below(4000));
        tokio::select! {
            biased;
            _ = crowd.join_next() => {}
            () = tokio::time::sleep(pause) => watch.look().await,
        }
    }
    faults.stop();
    faults.settled().await;
    pumps.shutdown().await;
    world.shop.bank().behave(Menu::default());
    for seconds in SETTLING {
        watch.look().await;
        world.shop.drain().await;
        // What workers gave up while the provider was away.
        let reconciled = world.shop.invoke("reconcile-orders", "{}".into()).await;
        reconciled.map_err(|error| ShopError::Setup { what: "reconcile-orders".into(), reason: error.to_string() })?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    world.shop.drain().await;
    let mut outcome = watch.finish().await;
    outcome.seed = plan.seed;
    outcome.digest = faults.digest();
    outcome.calls = faults.calls();
    outcome.faults = faults.counts().into_iter().map(|(fault, count)| (fault.to_string(), count)).collect();
    if !outcome.violations.is_empty() {
        outcome.tail = faults.tail();
    }
    Ok(outcome)
}
