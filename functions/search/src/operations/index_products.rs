//! The worker behind every change of a product or of its stock: reads the truth of all products of a batch, and tells the
//! index.

use std::collections::{BTreeMap, BTreeSet};

use aws::QueueSpec;
use catalog::table::FindSku;
use kernel::{ProductId, Sku};
use lambda::{Alarm, Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::engine::WriteEngine;
use crate::indexer::ReadTruth;
use crate::lexicons::Lexicons;
use crate::port::{Target, Written};

/// Products that changed, in any order: what is indexed is read anew each time.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "index-products", fifo: false, visibility_s: 180, max_receives: 10, max_age_alarm_s: 60 };

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A product.
    Product(ProductId),
    /// Whether a SKU can be bought.
    Stock(Sku),
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("index-products")
        .summary("Tell the search index what changed of products and their stock")
        .batch(10)
        .queue_together(&QUEUE, handle)
        .alarm(Alarm { metric: "ProductsNotIndexed", threshold: 1, period_s: 300, periods: 1 })
}

type With = (WriteEngine, Lexicons, ReadTruth, FindSku);

async fn handle(deliveries: Vec<Delivery<Changed>>, with: With) -> Vec<Result<(), Fault>> {
    match index(&deliveries, &with).await {
        Ok(indexed) => {
            let answer = |id: &Option<ProductId>| match id.as_ref().and_then(|id| indexed.failed.get(id)) {
                Some(fault) => Err(fault.clone()),
                None => Ok(()),
            };
            indexed.of.iter().map(answer).collect()
        }
        Err(fault) => vec![Err(fault); deliveries.len()],
    }
}

/// Which product each message is about, and which of them could not be indexed.
struct Indexed {
    of: Vec<Option<ProductId>>,
    failed: BTreeMap<ProductId, Fault>,
}

async fn index(deliveries: &[Delivery<Changed>], (engine, lexicons, truth, skus): &With) -> Result<Indexed, Fault> {
    let Some(first) = deliveries.first().filter(|_| !engine.is_off()) else {
        return Ok(Indexed { of: vec![None; deliveries.len()], failed: BTreeMap::new() });
    };
    let mut of = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        of.push(match &delivery.event.data {
            Changed::Product(id) => Some(id.clone()),
            // A SKU that no product has is not for sale, and its product will tell when that changes.
            Changed::Stock(sku) => skus.find(sku).await?.map(|product| product.id),
        });
    }
    let ids: Vec<ProductId> = of.iter().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let lexicon = lexicons.live(first.cx.now()).await?;
    let writes = truth.writes(&lexicon, &ids).await?;
    let written = engine.write(Target::Live, &writes).await.map_err(Fault::soon)?;
    let mut failed = BTreeMap::new();
    for (write, written) in writes.iter().zip(written) {
        let fault = match written {
            Written::Applied | Written::Stale => continue,
            Written::Failed(reason) => Fault::soon(reason),
            Written::Refused(reason) => Fault::Poison(reason),
        };
        failed.insert(write.id().clone(), fault);
    }
    let lags = deliveries.iter().map(|delivery| first.cx.now().since(delivery.event.time).as_millis());
    let lag = lags.max().and_then(|lag| i64::try_from(lag).ok()).unwrap_or(i64::MAX);
    first.cx.count("IndexLagMs", lag);
    first.cx.count("ProductsNotIndexed", i64::try_from(failed.len()).unwrap_or(i64::MAX));
    Ok(Indexed { of, failed })
}
