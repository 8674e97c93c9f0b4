//! `POST /v1/admin/inventory/transfers`: units go from one warehouse to another.

use kernel::limits::STOCK_QUANTITY;
use kernel::problem::code;
use kernel::{Handle, Problem, Sku, TransferId};
use lambda::{Auth, Call, Cx, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{below_held, check_warehouse, no_such_sku};
use crate::allot::{Bin, Look};
use crate::desk::{Spreader, patiently};
use crate::stock::{CounterKey, Part};
use crate::table::{
    LoadTransfer, MoveUnits, ReadSettings, ReadStock, Sent, Snapshot, SplitStock, Target, Transfer, TransferState,
};

/// What goes where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TransferRequest {
    /// What.
    sku: Sku,
    /// Where from.
    from: Handle,
    /// Where to.
    to: Handle,
    /// How many units.
    #[schemars(range(min = 1, max = STOCK_QUANTITY))]
    quantity: u32,
    /// `now`, which is the default, books them in at once; with `later` they are in transit until they are received.
    #[serde(default)]
    arrival: Arrival,
}

/// When units arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Arrival {
    /// At once.
    #[default]
    Now,
    /// When somebody receives them.
    Later,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("transfer-stock", "/v1/admin/inventory/transfers")
        .summary("Send units from one warehouse to another")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<Transfer>(201, "the transfer: arrived, or in transit")
        .problems(&[code::SKU_NOT_FOUND, code::WAREHOUSE_NOT_FOUND, code::BELOW_HELD, code::KEY_REUSED])
        .handle(handle)
        .timeout(29)
}

async fn handle(
    call: Call<Nothing, Nothing, TransferRequest>,
    (settings, split, read, (transfers, units, spreader)): (
        ReadSettings,
        SplitStock,
        ReadStock,
        (LoadTransfer, MoveUnits, Spreader),
    ),
) -> Result<Reply, Problem> {
    let (body, cx) = (call.body, call.cx);
    if body.from == body.to {
        return Err(Problem::field("/to", "must be another warehouse than `from`"));
    }
    check_warehouse(&settings, &body.from).await?;
    check_warehouse(&settings, &body.to).await?;
    let transfer = transfer(&body, &cx);
    let mut gathered = false;
    for _ in 0..4 {
        if let Some(before) = transfers.load(&transfer.id).await? {
            return answer(before, &transfer);
        }
        let snapshot = read.all(std::slice::from_ref(&body.sku), false, true).await?;
        if snapshot.counters.is_empty() {
            return Err(no_such_sku(&body.sku));
        }
        let parts = parts(&snapshot, &body, &transfer)?;
        if spreader.gather(&parts, &transfer.actor, &cx).await? {
            gathered = true;
            continue;
        }
        let kept = split.keep_in(&body.sku, body.to.as_str()).await?;
        let key = CounterKey { sku: body.sku.clone(), warehouse: body.to.to_string(), shard: 0 };
        let target = Target { exists: snapshot.counters.contains_key(&key), key };
        let to = (body.arrival == Arrival::Now).then_some(&target);
        if patiently(&cx, || units.send(&transfer, &parts, to, &kept)).await? == Sent::Yes {
            if gathered {
                spreader.spread(&body.sku, body.from.as_str(), &transfer.actor, &cx).await?;
            }
            return answer(transfer.clone(), &transfer);
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the stock kept changing; nothing was moved").retry_after(1))
}

/// Where the units are taken from. Those that are only allowed to be sold before they are here cannot be sent.
fn parts(snapshot: &Snapshot, body: &TransferRequest, transfer: &Transfer) -> Result<Vec<Part>, Problem> {
    let keys = snapshot.settings(&body.sku).counters(&body.sku).into_iter();
    let keys = keys.filter(|key| key.warehouse == body.from.as_str());
    let bins: Vec<Bin> = keys.map(|key| Bin { counter: snapshot.counter(&key), key, reserve: 0 }).collect();
    let here: i64 = bins.iter().map(|bin| bin.counter.available - bin.counter.allowance).sum();
    let held: i64 = bins.iter().map(|bin| bin.counter.held()).sum();
    if here < i64::from(body.quantity) {
        return Err(below_held(here.max(0), held));
    }
    let parts = Look { warehouses: vec![bins] }.allot(&transfer.id.op(), body.quantity);
    parts.map_err(|lack| below_held(lack.available, lack.held))
}

fn transfer(body: &TransferRequest, cx: &Cx) -> Transfer {
    let status = if body.arrival == Arrival::Now { TransferState::Arrived } else { TransferState::InTransit };
    Transfer {
        id: TransferId::new(cx.seed()),
        sku: body.sku.clone(),
        from: body.from.to_string(),
        to: body.to.to_string(),
        quantity: body.quantity,
        status,
        actor: cx.actor(),
        created_at: cx.now(),
        updated_at: cx.now(),
        fingerprint: cx.fingerprint().to_owned(),
    }
}

fn answer(standing: Transfer, asked: &Transfer) -> Result<Reply, Problem> {
    if standing.fingerprint != asked.fingerprint {
        return Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"));
    }
    let location = format!("/v1/admin/inventory/transfers/{}", standing.id);
    Ok(Reply::created(&standing.shown(), &location))
}
