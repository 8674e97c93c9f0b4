//! The worker that moves exports on, a turn for each message.

use aws::QueueSpec;
use catalog::table::{FindProducts, ListByAge};
use inventory::table::ReadStock;
use kernel::ExportId;
use lambda::{Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::export::Worker;
use crate::files::WriteExport;
use crate::table::RunExports;

/// Turns of exports.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "run-export", fifo: false, visibility_s: 360, max_receives: 10, max_age_alarm_s: 900 };

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportTurn {
    /// The export's.
    pub export: ExportId,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("run-export")
        .summary("Write products into an exported file, part by part")
        .batch(1)
        .queue(&QUEUE, handle)
        .timeout(60)
        .memory(1024)
}

async fn handle(
    delivery: Delivery<ExportTurn>,
    (jobs, files, rows, products, stock): (RunExports, WriteExport, ListByAge, FindProducts, ReadStock),
) -> Result<(), Fault> {
    let (jobs, files, rows, products, stock) = (&jobs, &files, &rows, &products, &stock);
    let worker = Worker { jobs, files, rows, products, stock, cx: &delivery.cx };
    worker.turn(&delivery.event.data.export).await
}
