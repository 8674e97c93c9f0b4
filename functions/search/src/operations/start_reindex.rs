//! `POST /v1/admin/search/reindex`: all products go into a new index, which takes over when it is full.

use kernel::{Problem, Timestamp};
use lambda::{Auth, Call, Function, Http, Idempotency, Reply};
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::WatchEngine;
use crate::port::Generation;
use crate::table::{BeginReindex, Reindex, Status};

/// A rebuilding of the index.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reindex")]
pub(crate) struct ReindexView {
    /// The name of the new index.
    id: String,
    /// How it stands.
    status: Status,
    /// How many products were looked at.
    products: u64,
    /// When it was asked for.
    started_at: Timestamp,
    /// When the new index took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
}

impl From<Reindex> for ReindexView {
    fn from(reindex: Reindex) -> Self {
        Self {
            id: reindex.generation.as_str().to_owned(),
            status: reindex.status,
            products: reindex.products,
            started_at: reindex.started_at,
            finished_at: reindex.finished_at,
        }
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("start-reindex", "/v1/admin/search/reindex")
        .summary("Fill a new search index with all products; it takes over when it is full")
        .auth(Auth::STAFF_CATALOG)
        .idempotency(Idempotency::Derived)
        .reply::<ReindexView>(202, "It was begun; one that was running is given up for it")
        .problems(&[kernel::problem::code::SEARCH_OFF, kernel::problem::code::SEARCH_UNAVAILABLE])
        .handle(handle)
}

async fn handle(call: Call, (engine, reindex): (WatchEngine, BeginReindex)) -> Result<Reply, Problem> {
    // Without an engine there is nothing to begin.
    engine.health().await?;
    let (generation, now) = (generation(call.cx.seed())?, call.cx.now());
    reindex.begin(generation.clone(), now).await?;
    let view = ReindexView {
        id: generation.as_str().to_owned(),
        status: Status::Running,
        products: 0,
        started_at: now,
        finished_at: None,
    };
    Ok(Reply::accepted(&view, "/v1/admin/search/reindex"))
}

/// The name of the index that a call asks for.
pub fn generation(seed: [u8; 16]) -> Result<Generation, Problem> {
    let name = format!("g{:032x}", u128::from_be_bytes(seed));
    Generation::parse(&name).ok_or_else(|| Problem::internal("the name of an index"))
}
