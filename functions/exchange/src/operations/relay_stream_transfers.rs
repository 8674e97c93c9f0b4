//! Carries turns of imports and exports from their records to the workers: whenever a record says that it goes on.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Message, Platform, Queue, Resource};
use lambda::{Change, Consumer, Cx, Function, StreamFailure};
use serde::Serialize;

use crate::job::{Export, Import, Status};
use crate::operations::run_export::{self, ExportTurn};
use crate::operations::run_import::{self, ImportTurn};
use crate::table::TABLE;

/// The queues of turns.
#[derive(Clone)]
struct Turns {
    imports: Queue,
    exports: Queue,
}

impl Capability for Turns {
    fn grants() -> Vec<Grant> {
        let send = |name| Grant::new(&["sqs:SendMessage"], Resource::Queue { name });
        vec![send(run_import::QUEUE.name), send(run_export::QUEUE.name)]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { imports: platform.queue(&run_import::QUEUE), exports: platform.queue(&run_export::QUEUE) })
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("relay-stream-transfers")
        .summary("Carry turns of imports and exports to their workers")
        .batch(100)
        .stream(&TABLE, handle)
}

async fn handle(changes: Vec<Change>, _: Cx, turns: Turns) -> Result<(), StreamFailure> {
    for (at, change) in changes.iter().enumerate() {
        let sent = match turn(change) {
            Some(Turn::Import(message)) => turns.imports.send(&[message]).await,
            Some(Turn::Export(message)) => turns.exports.send(&[message]).await,
            None => Ok(()),
        };
        sent.map_err(|error| StreamFailure { at, reason: error.to_string() })?;
    }
    Ok(())
}

enum Turn {
    Import(Message),
    Export(Message),
}

/// The turn that a change begins.
fn turn(change: &Change) -> Option<Turn> {
    if let Some(import) = change.after::<Import>() {
        let before = change.before::<Import>();
        let fresh = before.is_none_or(|old| old.status == Status::Waiting || old.turn < import.turn);
        let data = ImportTurn { import: import.id };
        return (import.status == Status::Running && fresh)
            .then(|| Turn::Import(message(change, "import.turn.v1", data)));
    }
    let export = change.after::<Export>()?;
    let fresh = change.before::<Export>().is_none_or(|old| old.turn < export.turn);
    let data = ExportTurn { export: export.id };
    (export.status == Status::Running && fresh).then(|| Turn::Export(message(change, "export.turn.v1", data)))
}

fn message<T: Serialize>(change: &Change, kind: &str, data: T) -> Message {
    let envelope = change.envelope(kind, "", data);
    let body = serde_json::to_string(&envelope).unwrap_or_default();
    Message { body, delay: Duration::ZERO, group: None, id: envelope.id.to_string() }
}
