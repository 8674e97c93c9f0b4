//! The table that stands in `docs/performance.md`: one item over more and more shards, held for longer and longer.
//!
//! It owns the loads. They were found by trying on one and eight shards what a shard takes; a load beyond that sells less,
//! not more. It must never choose a load by what a run before it measured, or the table could not be repeated.

use std::fmt;
use std::time::Duration;

use kernel::audit::OVERSOLD;
use testkit::physics::Limits;
use testkit::stats::millis;

use super::{Failure, SoldOut, Sustained, Trial, sold_out, sustained};

/// Over how many counters the item is split.
pub const SHARDS: [u32; 5] = [1, 8, 32, 64, 128];

/// How long units are held, and how many shoppers a second each shard is offered then.
pub const LOADS: [(Duration, u64); 3] =
    [(Duration::from_millis(300), 80), (Duration::from_secs(1), 70), (Duration::from_secs(3), 54)];

/// How the item is sold, for a trial of any size.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How long is counted.
    pub span: Duration,
    /// Where chance comes from.
    pub seed: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Self { span: Duration::from_secs(2), seed: 1 }
    }
}

impl Manner {
    /// One trial. Shoppers come for a while before anything is counted: until holds and marks are as many as they become.
    #[must_use]
    pub fn trial(&self, shards: u32, hold: Duration, per_second: u64) -> Trial {
        let limits = Limits { burst_ms: 100, ..Limits::default() };
        let warm_up = Duration::from_millis(2500) + hold;
        Trial { shards, hold, per_second, warm_up, span: self.span, limits, seed: self.seed }
    }
}

/// So many shoppers at most come to the item that runs out. Each who goes away empty has looked at all shards several times.
const SHOPPERS: u64 = 1000;

/// Sells an item while there is plenty, and then another until nothing is left.
pub fn row(trial: Trial) -> Result<Row, Failure> {
    let millis = (SHOPPERS * 1000).checked_div(trial.per_second).unwrap_or_default();
    let end = Trial { span: Duration::from_millis(millis.min(2000)), ..trial };
    Ok(Row { sustained: sustained(trial)?, end: sold_out(end)? })
}

/// What one load came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// With plenty.
    pub sustained: Sustained,
    /// With too few.
    pub end: SoldOut,
}

impl Row {
    /// The head of the table.
    pub const HEAD: &str = "| shards | held for | shoppers a second | orders a second | calls throttled | hold p50 | hold p99 \
        | write units an order | told to try again | oversold | false \"sold out\" |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

    /// Units that were sold and were not there, in both halves.
    #[must_use]
    pub fn oversold(&self) -> usize {
        let more = self.sustained.violations.iter().filter(|violation| violation.invariant == OVERSOLD).count();
        self.end.oversold.saturating_add(more)
    }

    /// Who was told that it is sold out, or held by others, and it was not.
    #[must_use]
    pub fn untrue(&self) -> u64 {
        self.end.untrue.saturating_add(self.sustained.short)
    }

    /// Whether every book balances and nobody was told anything wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let violations = self.sustained.violations.len().saturating_add(self.end.violations.len());
        self.oversold() == 0 && self.untrue() == 0 && violations == 0
    }
}

/// Hundredths as a number with two decimals.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sustained { trial, confirmed, throttled_per_mille, p50, p99, busy, late, .. } = &self.sustained;
        write!(
            f,
            "| {} | {} s | {} | {} | {throttled_per_mille} ‰ | {} | {} | {} | {} | {} | {} |",
            trial.shards,
            hundredths(u64::try_from(trial.hold.as_millis()).unwrap_or(u64::MAX) / 10),
            trial.per_second,
            confirmed.hundredths().saturating_add(50) / 100,
            millis(*p50),
            millis(*p99),
            hundredths(self.sustained.units_of_100_orders),
            busy.saturating_add(*late),
            self.oversold(),
            self.untrue(),
        )
    }
}
