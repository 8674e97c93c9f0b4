//! How queues and streams stand, as a table.

use std::fmt::Write as _;

use super::{escape, layout};
use crate::pump::{LAG_COUNTED, QueueState, State, StreamState};

/// The page.
pub(super) fn page(state: &State) -> String {
    let mut content = String::from(
        "<h1>Queues</h1><p class=lead>What waits between the functions. <a href=\"/dev/queues.json\">As JSON</a>.</p>\
         <div class=scroll><table><tr><th>Queue</th><th>Worker</th><th class=n>Waiting</th><th class=n>In flight</th>\
         <th class=n>Delayed</th><th class=n>Dead</th></tr>",
    );
    for queue in &state.queues {
        content.push_str(&queue_row(queue));
    }
    content.push_str("</table></div><h2>Streams</h2><div class=scroll><table><tr><th>Table</th><th>Reader</th><th class=n>Behind by</th></tr>");
    for stream in &state.streams {
        content.push_str(&stream_row(stream));
    }
    content.push_str("</table></div>");
    layout("Queues", &content)
}

fn queue_row(queue: &QueueState) -> String {
    let dead = if queue.dead > 0 { "n bad" } else { "n" };
    let mut row = format!(
        "<tr><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=\"{dead}\">{}</td></tr>",
        escape(queue.name),
        escape(queue.worker.unwrap_or("–")),
        queue.visible,
        queue.in_flight,
        queue.delayed,
        queue.dead,
    );
    trouble(&mut row, queue.trouble.as_deref(), 6);
    row
}

fn stream_row(stream: &StreamState) -> String {
    let more = if stream.lag >= LAG_COUNTED { " or more" } else { "" };
    let mut row = format!(
        "<tr><td>{}</td><td>{}</td><td class=n>{}{more}</td></tr>",
        escape(&stream.table),
        escape(stream.reader),
        stream.lag,
    );
    trouble(&mut row, stream.trouble.as_deref(), 3);
    row
}

fn trouble(row: &mut String, trouble: Option<&str>, columns: u32) {
    if let Some(trouble) = trouble {
        let _ = write!(row, "<tr><td colspan={columns} class=bad>{}</td></tr>", escape(trouble));
    }
}
