//! The worker that moves imports on, a turn for each message.

use aws::QueueSpec;
use kernel::ImportId;
use lambda::{Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::files::ReadImport;
use crate::intake::Intake;
use crate::run::Worker;
use crate::table::RunImports;

/// Turns of imports.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "run-import", fifo: false, visibility_s: 360, max_receives: 10, max_age_alarm_s: 900 };

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportTurn {
    /// The import's.
    pub import: ImportId,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("run-import")
        .summary("Take rows of an imported file in, and note how far it is")
        .batch(1)
        .queue(&QUEUE, handle)
        .timeout(60)
        .memory(1024)
}

async fn handle(
    delivery: Delivery<ImportTurn>,
    (jobs, files, intake): (RunImports, ReadImport, Intake),
) -> Result<(), Fault> {
    let worker = Worker { jobs: &jobs, files: &files, intake: &intake, cx: &delivery.cx };
    worker.turn(&delivery.event.data.import).await
}
