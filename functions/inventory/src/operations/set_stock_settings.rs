//! `PUT /v1/admin/inventory/{sku}/settings`: how a SKU is kept and sold.

use std::collections::BTreeMap;

use kernel::limits::STOCK_QUANTITY;
use kernel::problem::code;
use kernel::{Handle, Problem, Sku};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SkuPath, movement_op};
use crate::admission::DropMode;
use crate::desk::{Spreader, patiently};
use crate::ledger::Note;
use crate::settings::{LOW, MAIN, Settings, Tracking};
use crate::table::{ChangeSettings, Changed};

/// The settings that staff makes. What is left out is as it is for a fresh item.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SettingsRequest {
    /// Whether and how units are counted.
    #[serde(default)]
    tracking: Tracking,
    /// At or below so many units it counts as low, and staff is told.
    #[schemars(range(min = 0, max = STOCK_QUANTITY))]
    low_at: Option<u32>,
    /// Sales channel → units that this channel must leave to the others. The shop's own channel is `web`.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 20, "propertyNames" = { "type": "string", "format": "handle" }))]
    safety: BTreeMap<Handle, u32>,
    /// How an announced sale runs; absent when there is none.
    drop: Option<DropMode>,
}

/// How a SKU is kept and sold.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "StockSettings")]
pub struct SettingsView {
    /// The SKU.
    pub sku: Sku,
    /// Whether and how units are counted.
    pub tracking: Tracking,
    /// At or below so many units it counts as low.
    pub low_at: i64,
    /// Sales channel → units that this channel must leave to the others.
    pub safety: BTreeMap<String, u32>,
    /// How an announced sale runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropMode>,
    /// Warehouse → shards.
    pub shards: BTreeMap<String, u32>,
    /// Rises with every change.
    pub version: u64,
}

impl SettingsView {
    /// Of stored settings.
    #[must_use]
    pub fn of(sku: Sku, settings: &Settings) -> Self {
        Self {
            sku,
            tracking: settings.tracking.clone(),
            low_at: settings.low_at,
            safety: settings.safety.clone(),
            drop: settings.drop.clone(),
            shards: settings.warehouses.iter().map(|(id, shards)| (id.clone(), shards.active)).collect(),
            version: settings.version,
        }
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-stock-settings", "/v1/admin/inventory/{sku}/settings")
        .summary("Set how a SKU is kept and sold; If-Match guards against another's change")
        .auth(Auth::STAFF_INVENTORY)
        .reply::<SettingsView>(200, "the settings")
        .problems(&[code::VERSION_MISMATCH, code::BELOW_HELD])
        .handle(handle)
        .timeout(29)
}

async fn handle(
    call: Call<SkuPath, Nothing, SettingsRequest>,
    (settings, spreader): (ChangeSettings, Spreader),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let low_at = body.low_at.map_or(LOW, i64::from);
    let op = movement_op(&cx);
    let note = Note { op, kind: "policy".into(), actor: cx.actor(), reason: "stock policy".into() };
    let safety: BTreeMap<String, u32> = body.safety.iter().map(|(id, units)| (id.to_string(), *units)).collect();
    let mut gathered = false;
    for _ in 0..4 {
        let before = settings.read(&path.sku).await?;
        if let Some(expected) = cx.expected_version().filter(|expected| *expected != before.version) {
            let detail = format!("the settings are in version {}, not {expected}", before.version);
            return Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", before.version));
        }
        let after = Settings {
            tracking: body.tracking.clone(),
            low_at,
            safety: safety.clone(),
            drop: body.drop.clone(),
            // Another threshold is looked at afresh.
            low_told_at: before.low_told_at.filter(|_| low_at == before.low_at),
            low_told_by: before.low_told_by.clone().filter(|_| low_at == before.low_at),
            ..before.clone()
        };
        match patiently(&cx, || settings.write(&path.sku, &before, after.clone(), &note)).await? {
            Changed::Yes(now) => {
                if low_at != before.low_at {
                    for key in now.counters(&path.sku) {
                        settings.set_low(&key, low_at).await?;
                    }
                }
                if gathered {
                    spreader.spread(&path.sku, MAIN, &note.actor, &cx).await?;
                }
                return Ok(Reply::ok(&SettingsView::of(path.sku, &now)).version(now.version));
            }
            Changed::Version(_) => {}
            Changed::Held => {
                let fewer = before.tracking.allowance() - after.tracking.allowance();
                let split = before.shards(MAIN).active > 1;
                if gathered {
                    spreader.spread(&path.sku, MAIN, &note.actor, &cx).await?;
                }
                if gathered || !split || spreader.available(&path.sku, MAIN).await? < fewer {
                    let detail = "more units are held before they are here than the new limit allows";
                    return Err(Problem::new(code::BELOW_HELD, detail));
                }
                // What is no longer allowed was spread over the shards: it is gathered where it can be taken back.
                spreader.drain(&path.sku, MAIN, 1, &note.actor, &cx).await?;
                gathered = true;
            }
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the settings kept changing; nothing was changed").retry_after(1))
}
