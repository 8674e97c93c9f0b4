//! `POST /v1/admin/inventory/{sku}/adjustments`: a count is corrected, never below what is held.

use kernel::counter::Adjustment;
use kernel::problem::code;
use kernel::{Handle, Problem, Sku};
use lambda::{Auth, Call, Cx, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{SkuPath, answer_stock, below_held, check_warehouse, moved, movement_op, no_such_sku, read_stock};
use crate::allot::{Bin, Look};
use crate::desk::{Spreader, patiently};
use crate::settings::Settings;
use crate::stock::{CounterKey, Stock};
use crate::table::{AdjustStock, MoveUnits, Movement, ReadSettings, ReadStock, Sent};

/// A correction.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AdjustmentRequest {
    /// Where; a fresh shop has `main`.
    warehouse: Handle,
    /// How many units more; negative for fewer.
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    quantity: i64,
    /// Why.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("adjust-stock", "/v1/admin/inventory/{sku}/adjustments")
        .summary("Correct the count of a SKU by a signed number of units; If-Match makes it a compare-and-set")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Stock>(200, "the corrected stock")
        .problems(&[
            code::SKU_NOT_FOUND,
            code::WAREHOUSE_NOT_FOUND,
            code::BELOW_HELD,
            code::KEY_REUSED,
            code::VERSION_MISMATCH,
        ])
        .handle(handle)
        .timeout(29)
}

async fn handle(
    call: Call<SkuPath, Nothing, AdjustmentRequest>,
    (settings, read, stock, (units, spreader)): (ReadSettings, ReadStock, AdjustStock, (MoveUnits, Spreader)),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    if body.quantity == 0 {
        return Err(Problem::field("/quantity", "must not be 0"));
    }
    cx.note("reason", &body.reason);
    check_warehouse(&settings, &body.warehouse).await?;
    let kept = settings.of(&path.sku).await?;
    let op = movement_op(&cx);
    // A request from when the item was split, repeated when it is not, finds its own record.
    if kept.shards(body.warehouse.as_str()).ever > 1
        && let Some(known) = units.written_off(&op).await?
    {
        same_request(&known, &cx)?;
        return Ok(answer_stock(&read_stock(&read, &path.sku).await?));
    }
    let expected = cx.expected_version().map(|version| i64::try_from(version).unwrap_or(i64::MAX));
    let key = CounterKey { sku: path.sku, warehouse: body.warehouse.to_string(), shard: 0 };
    if kept.shards(&key.warehouse).active > 1 {
        if expected.is_some() {
            let detail = "the item is split over shards: there is no one version to compare with";
            return Err(Problem::new(code::VERSION_MISMATCH, detail));
        }
        if body.quantity < 0 {
            let off = WriteOff { op: &op, kept: &kept, read: &read, units: &units, spreader: &spreader, cx: &cx };
            off.run(&key.sku, &key.warehouse, body.quantity, &body.reason).await?;
            return Ok(answer_stock(&read_stock(&read, &key.sku).await?));
        }
    }
    let actor = cx.actor();
    let adjustment = Adjustment { op: &op, quantity: body.quantity, fingerprint: cx.fingerprint(), expected };
    let movement = Movement { adjustment, kind: "adjustment", actor: &actor, reason: &body.reason };
    let counter = moved(&key, stock.adjust(&key, &movement, cx.now()).await?)?;
    if kept.is_whole() {
        return Ok(answer_stock(&Stock::of(key.sku.clone(), [(&key, &counter)])));
    }
    Ok(answer_stock(&read_stock(&read, &key.sku).await?))
}

/// A movement that was made before, when it was made by this very request.
fn same_request(fingerprint: &str, cx: &Cx) -> Result<(), Problem> {
    let same = fingerprint == cx.fingerprint();
    same.then_some(()).ok_or_else(|| Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"))
}

/// Units that are written off from whichever shards have them: one transaction, known by its record.
struct WriteOff<'a> {
    op: &'a str,
    kept: &'a Settings,
    read: &'a ReadStock,
    units: &'a MoveUnits,
    spreader: &'a Spreader,
    cx: &'a Cx,
}

impl WriteOff<'_> {
    async fn run(&self, sku: &Sku, warehouse: &str, quantity: i64, reason: &str) -> Result<(), Problem> {
        let keys: Vec<CounterKey> =
            self.kept.counters(sku).into_iter().filter(|key| key.warehouse == warehouse).collect();
        let units = u32::try_from(quantity.unsigned_abs()).unwrap_or(u32::MAX);
        let (op, actor, fingerprint) = (self.op, self.cx.actor(), self.cx.fingerprint());
        let mut gathered = false;
        for _ in 0..4 {
            let snapshot = self.read.counters(sku, &keys, true).await?;
            if snapshot.counters.is_empty() {
                return Err(no_such_sku(sku));
            }
            let bin = |key: &CounterKey| Bin { key: key.clone(), counter: snapshot.counter(key), reserve: 0 };
            let look = Look { warehouses: vec![keys.iter().map(bin).collect()] };
            let parts = look.allot(op, units).map_err(|lack| below_held(lack.available, lack.held));
            if let Some(known) = self.units.written_off(op).await? {
                return same_request(&known, self.cx);
            }
            // Nor is one from before the split another request: its mark is on the first counter.
            let first = keys.iter().find_map(|key| snapshot.counters.get(key)?.receipts.get(op));
            if let Some(known) = first {
                return same_request(&known.fingerprint, self.cx);
            }
            let (parts, by) = (parts?, (actor.as_str(), reason));
            if self.spreader.gather(&parts, &actor, self.cx).await? {
                gathered = true;
                continue;
            }
            let write = || self.units.write_off(op, fingerprint, &parts, by, self.cx.now());
            if patiently(self.cx, write).await? == Sent::Yes {
                if gathered {
                    self.spreader.spread(sku, warehouse, &actor, self.cx).await?;
                }
                return Ok(());
            }
        }
        Err(Problem::new(code::UNAVAILABLE, "the shards kept changing; nothing was written off").retry_after(1))
    }
}
