//! One module an endpoint or worker.

pub mod adjust_stock;
pub mod confirm_holds;
pub mod get_availability;
pub mod get_stock;
pub mod receive_stock;

use kernel::counter::{Counter, Refusal};
use kernel::problem::code;
use kernel::{Problem, Sku};
use lambda::{Cx, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::stock::{CounterKey, Stock};
use crate::table::Moved;

/// The SKU in a path.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct SkuPath {
    /// The SKU.
    pub sku: Sku,
}

pub(crate) fn no_such_sku(sku: &Sku) -> Problem {
    Problem::new(code::SKU_NOT_FOUND, format!("`{sku}` was never stocked"))
}

/// The operation id of a movement by staff: from the `Idempotency-Key` when one was sent.
pub(crate) fn movement_op(cx: &Cx) -> String {
    format!("r{}", &kernel::id::fingerprint(&[&cx.seed()])[..11])
}

/// The answer to a movement by staff.
pub(crate) fn answer(key: &CounterKey, moved: Moved) -> Result<Reply, Problem> {
    match moved {
        Moved::Yes(counter) => Ok(Reply::ok(&Stock::of(key, &counter))),
        Moved::Unknown => Err(no_such_sku(&key.sku)),
        Moved::No(Refusal::OtherRequest, _) => {
            Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"))
        }
        Moved::No(_, counter) => Err(below_held(&counter)),
    }
}

fn below_held(counter: &Counter) -> Problem {
    let detail = format!("{} units are available and {} are held", counter.available, counter.held());
    Problem::new(code::BELOW_HELD, detail).with("available", counter.available).with("held", counter.held())
}
