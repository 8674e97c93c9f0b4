//! The worker behind every change of a product: drops from the CDN what shows it as it was.

use std::time::Duration;

use aws::cdn::DropPaths;
use aws::{DataError, QueueSpec};
use lambda::{Consumer, Delivery, Fault, Function};

use crate::stale::{Stale, addresses};

/// What became stale, in any order: dropping twice is as good as once.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "invalidate-cdn", fifo: false, visibility_s: 180, max_receives: 20, max_age_alarm_s: 120 };

/// How long to wait when the CDN has too much to drop already.
const BUSY: Duration = Duration::from_secs(20);

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("invalidate-cdn").summary("Drop from the CDN what changed").batch(100).queue_together(&QUEUE, handle)
}

/// All of a batch is one request, known by the messages in it: a repeated batch is the same request.
async fn handle(deliveries: Vec<Delivery<Stale>>, cdn: DropPaths) -> Vec<Result<(), Fault>> {
    let paths = addresses(deliveries.iter().map(|delivery| &delivery.event.data));
    let Some(first) = deliveries.first().filter(|_| !cdn.is_off() && !paths.is_empty()) else {
        return vec![Ok(()); deliveries.len()];
    };
    let mut ids: Vec<&[u8]> = deliveries.iter().map(|delivery| delivery.event.id.as_str().as_bytes()).collect();
    ids.sort_unstable();
    let dropped = cdn.drop_paths(&kernel::id::fingerprint(&ids), &paths).await;
    let lag = deliveries.iter().map(|delivery| first.cx.now().since(delivery.event.time).as_millis()).max();
    first.cx.count("CdnDropLagMs", lag.and_then(|lag| i64::try_from(lag).ok()).unwrap_or(i64::MAX));
    first.cx.count("CdnPathsDropped", i64::try_from(paths.len()).unwrap_or(i64::MAX));
    let fault = dropped.err().map(|error| match error {
        DataError::Busy(reason) => Fault::Retry(BUSY, reason),
        other => Fault::from(other),
    });
    deliveries.iter().map(|_| fault.clone().map_or(Ok(()), Err)).collect()
}
