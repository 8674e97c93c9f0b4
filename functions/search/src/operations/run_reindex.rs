//! The worker that fills a new index: it looks at all products that are for sale, a few pages at a time, and writes down
//! after each piece where it goes on. Killed at any instant, it comes back there.

use std::time::Duration;

use aws::QueueSpec;
use catalog::table::{List, ListByAge, Order};
use lambda::{Alarm, Consumer, Cx, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::engine::RebuildEngine;
use crate::indexer::ReadTruth;
use crate::lexicons::LearnLexicon;
use crate::port::{Generation, SearchError, Target, Written};
use crate::relevance::{Learner, Lexicon};
use crate::table::{Reindex, RunReindex, Status};

/// Rebuildings that were asked for. A message comes back until its index is full: each delivery is a part of the work.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "run-reindex", fifo: false, visibility_s: 1800, max_receives: 1000, max_age_alarm_s: 7200 };
/// So many products are read and written at once.
const PAGE: usize = 100;
/// So many pages are written before it is written down where to go on.
const PAGES: usize = 10;
/// The words of a shop are learned from so many products, the newest.
const LEARNED: usize = 50_000;
/// The worker stops while so much of its time is left.
const SPARE: Duration = Duration::from_secs(20);
/// The function's time, in seconds.
const TIMEOUT_S: u32 = 300;

/// Which rebuilding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The new index.
    pub generation: Generation,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("run-reindex")
        .summary("Fill a new search index with all products, and let it take over")
        .batch(1)
        .queue(&QUEUE, handle)
        .timeout(TIMEOUT_S)
        .memory(1024)
        .alarm(Alarm { metric: "ProductsNotIndexed", threshold: 1, period_s: 300, periods: 1 })
}

/// What the worker works with.
type With = (RebuildEngine, ReadTruth, ListByAge, RunReindex, LearnLexicon);

async fn handle(delivery: Delivery<Asked>, with: With) -> Result<(), Fault> {
    let (asked, cx) = (delivery.event.data, delivery.cx);
    let (engine, _, _, progress, lexicons) = &with;
    let Some(mut reindex) = progress.last().await?.filter(|last| last.generation == asked.generation) else {
        // Another one was asked for since.
        return Ok(());
    };
    if reindex.status == Status::Done {
        return Ok(());
    }
    let health = match engine.health().await {
        Ok(health) => health,
        Err(SearchError::Off) => return Ok(()),
        Err(error) => return Err(Fault::soon(error)),
    };
    let taken_over = health.live.as_ref() == Some(&asked.generation);
    if !taken_over && health.building.as_ref() != Some(&asked.generation) {
        // It is to be made, also when it was half full and the engine lost it.
        engine.begin(&asked.generation).await.map_err(Fault::soon)?;
        (reindex.position, reindex.products) = (None, 0);
    }
    let lexicon = match lexicons.of(&asked.generation).await? {
        Some(lexicon) => lexicon,
        None => learn(&reindex, &with).await?,
    };
    loop {
        let more = !taken_over && fill(&mut reindex, &lexicon, &cx, &with).await?;
        if !more {
            engine.finish(&asked.generation).await.map_err(Fault::soon)?;
            lexicons.take_over(&asked.generation, &lexicon).await?;
            (reindex.status, reindex.finished_at) = (Status::Done, Some(cx.now()));
        }
        let stands = progress.keep(&reindex).await?;
        if !more || !stands {
            cx.note("products", reindex.products);
            return Ok(());
        }
        if cx.remaining() < SPARE {
            return Err(Fault::soon("there is more to do"));
        }
    }
}

/// Learns the words of the newest products. Who is killed at it begins it again.
async fn learn(reindex: &Reindex, (_, truth, rows, _, lexicons): &With) -> Result<Lexicon, Fault> {
    let list = List { status: catalog::Status::Active, category: None, tag: None, brand: None, order: Order::Newest };
    let (mut learner, mut position, mut seen) = (Learner::default(), None, 0);
    loop {
        let (ids, next) = rows.page(&list, position.as_ref(), PAGE).await?;
        seen += ids.len();
        for document in truth.documents(&ids).await? {
            learner.see(&document);
        }
        position = next;
        if position.is_none() || seen >= LEARNED {
            break;
        }
    }
    let lexicon = learner.finish();
    lexicons.keep(&reindex.generation, &lexicon).await?;
    Ok(lexicon)
}

/// Fills in some pages. Whether there are more.
async fn fill(
    reindex: &mut Reindex,
    lexicon: &Lexicon,
    cx: &Cx,
    (engine, truth, rows, _, _): &With,
) -> Result<bool, Fault> {
    // New products come in at the front of this order, behind which everything lies that is still to do; they are written to
    // both indexes.
    let list = List { status: catalog::Status::Active, category: None, tag: None, brand: None, order: Order::Newest };
    for _ in 0..PAGES {
        let (ids, next) = rows.page(&list, reindex.position.as_ref(), PAGE).await?;
        let writes = truth.writes(lexicon, &ids).await?;
        let written = engine.write(Target::Building(&reindex.generation), &writes).await.map_err(Fault::soon)?;
        for written in written {
            match written {
                Written::Applied | Written::Stale => {}
                Written::Failed(reason) => return Err(Fault::soon(reason)),
                // One product that an engine never takes must not keep all others from being found.
                Written::Refused(reason) => {
                    cx.count("ProductsNotIndexed", 1);
                    cx.note("refused", reason);
                }
            }
        }
        reindex.products += u64::try_from(ids.len()).unwrap_or_default();
        reindex.position = next;
        if reindex.position.is_none() {
            break;
        }
    }
    // What was written must stand before it is written down that it does.
    engine.refresh().await.map_err(Fault::soon)?;
    Ok(reindex.position.is_some())
}
