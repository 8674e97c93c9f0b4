//! `POST /v1/admin/inventory/{sku}/drift-check`: ledger, counters and live holds against each other.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::counter::Counter;
use kernel::problem::code;
use kernel::{Problem, Sku, Timestamp};
use lambda::{Alarm, Auth, Call, Function, Http, Idempotency, Reply};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SkuPath, no_such_sku};
use crate::ledger::{Tally, operation_name};
use crate::stock::CounterKey;
use crate::table::{ReadLedger, ReadStock};

/// Movements read at once.
const PAGE: u32 = 1000;
/// How long the ledger may be behind before that is what the answer says.
const PATIENCE: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(800), Duration::from_millis(1500)];

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DriftStatus {
    /// Ledger and counters agree to the unit, and every counter balances.
    InOrder,
    /// The ledger has not been told of the latest movements yet; what it has agrees as far as can be said.
    Behind,
    /// They do not agree.
    Drift,
}

/// A check of the books.
#[derive(Serialize, JsonSchema)]
struct DriftReport {
    /// The SKU.
    sku: Sku,
    /// What was found.
    status: DriftStatus,
    /// Counter by counter.
    counters: Vec<CounterCheck>,
    /// Holds whose time is long over: whoever should have ended them did not.
    overdue: Vec<OverdueHold>,
}

/// One counter and what the ledger says of it.
#[derive(Serialize, JsonSchema)]
struct CounterCheck {
    /// Where.
    warehouse: String,
    /// Which part.
    shard: u32,
    /// What the ledger adds up to.
    ledger: Tally,
    /// What the counter says.
    counter: Tally,
    /// Whether `available + held + taken = received + allowance`.
    balanced: bool,
    /// What was found.
    status: DriftStatus,
}

/// A hold whose time is over.
#[derive(Serialize, JsonSchema)]
struct OverdueHold {
    /// Whose it is.
    operation: String,
    /// How many units.
    quantity: u32,
    /// Since when it is overdue.
    deadline: Timestamp,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("check-drift", "/v1/admin/inventory/{sku}/drift-check")
        .summary("Recompute the counters of a SKU from its ledger, and report any difference")
        .auth(Auth::STAFF_INVENTORY)
        .idempotency(Idempotency::Inherent)
        .reply::<DriftReport>(200, "what was found")
        .problems(&[code::SKU_NOT_FOUND])
        .handle(handle)
        .timeout(29)
        .alarm(Alarm { metric: "StockDrift", threshold: 1, period_s: 60, periods: 1 })
}

async fn handle(call: Call<SkuPath>, (read, ledger): (ReadStock, ReadLedger)) -> Result<Reply, Problem> {
    let (sku, cx) = (call.path.sku, call.cx);
    let mut waits = PATIENCE.iter();
    let report = loop {
        // The ledger first: a movement between the two reads makes the ledger seem behind, never the counter.
        let tallies = tallies(&sku, &ledger).await?;
        let snapshot = read.all(std::slice::from_ref(&sku), true, true).await?;
        if snapshot.counters.is_empty() {
            return Err(no_such_sku(&sku));
        }
        let report = report(sku.clone(), &tallies, snapshot.counters.into_iter().collect(), cx.now());
        match waits.next() {
            Some(wait) if report.status == DriftStatus::Behind => cx.sleep(*wait).await,
            _ => break report,
        }
    };
    cx.note("drift", report.status);
    if report.status == DriftStatus::Drift {
        cx.count("StockDrift", 1);
    }
    Ok(Reply::ok(&report))
}

/// What the whole ledger of an item adds up to, by warehouse and shard.
async fn tallies(sku: &Sku, ledger: &ReadLedger) -> Result<BTreeMap<(String, u32), Tally>, Problem> {
    let mut tallies: BTreeMap<(String, u32), Tally> = BTreeMap::new();
    let mut from = None;
    loop {
        let (page, next) = ledger.page(sku, PAGE, from).await?;
        for movement in &page {
            tallies.entry((movement.warehouse.clone(), movement.shard)).or_default().add(movement);
        }
        match next {
            Some(next) => from = Some(next),
            None => return Ok(tallies),
        }
    }
}

fn report(
    sku: Sku,
    tallies: &BTreeMap<(String, u32), Tally>,
    counters: BTreeMap<CounterKey, Counter>,
    now: Timestamp,
) -> DriftReport {
    let check = |(key, counter): (&CounterKey, &Counter)| {
        let ledger = tallies.get(&(key.warehouse.clone(), key.shard)).copied().unwrap_or_default();
        let books = Tally::of(counter);
        let status = match (counter.balanced(), ledger == books, ledger.movements < books.movements) {
            (true, true, _) => DriftStatus::InOrder,
            (true, false, true) => DriftStatus::Behind,
            _ => DriftStatus::Drift,
        };
        let CounterKey { warehouse, shard, .. } = key.clone();
        CounterCheck { warehouse, shard, ledger, counter: books, balanced: counter.balanced(), status }
    };
    let checks: Vec<CounterCheck> = counters.iter().map(check).collect();
    let any = |status| checks.iter().any(|check| check.status == status);
    let status = match (any(DriftStatus::Drift), any(DriftStatus::Behind)) {
        (true, _) => DriftStatus::Drift,
        (false, true) => DriftStatus::Behind,
        (false, false) => DriftStatus::InOrder,
    };
    let late = now.millis() - 60_000;
    let holds = counters.values().flat_map(|counter| &counter.holds).filter(|(_, hold)| hold.deadline < late);
    let overdue = holds.map(|(op, hold)| OverdueHold {
        operation: operation_name(op),
        quantity: hold.quantity,
        deadline: Timestamp::from_millis(hold.deadline),
    });
    DriftReport { sku, status, overdue: overdue.collect(), counters: checks }
}
