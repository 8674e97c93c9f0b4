//! The worker that keeps the ledger: it reads every movement off the stream of the counters.

use lambda::{Change, Consumer, Cx, Function, StreamFailure};

use crate::ledger::{CounterItem, Movement, movement};
use crate::table::{TABLE, WriteLedger};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("write-ledger")
        .summary("Write every movement of stock into the ledger, once")
        .batch(100)
        .stream(&TABLE, handle)
}

async fn handle(changes: Vec<Change>, cx: Cx, ledger: WriteLedger) -> Result<(), StreamFailure> {
    let read = |change: &Change| movement(change.before::<CounterItem>().as_ref(), &change.after()?, change.time);
    let movements: Vec<Movement> = changes.iter().filter_map(read).collect();
    cx.count("StockMovements", i64::try_from(movements.len()).unwrap_or(i64::MAX));
    // Writing a movement again changes nothing, so a batch that failed half-way may come again as a whole.
    ledger.write(&movements).await.map_err(|error| StreamFailure { at: 0, reason: error.to_string() })
}
