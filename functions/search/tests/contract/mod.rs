//! What every engine behind the port must do. Each adapter's tests include this module by its path and call [`run`] with a
//! way to an engine that has no index yet.

mod bad_input;
pub mod catalogue;
mod cursors;
mod facets;
mod filters;
mod generations;
mod matching;
mod suggesting;
mod versions;

use std::sync::Arc;

use aws::BoxFuture;
use search::SearchEngine;

/// An engine without an index: each call gives another one.
pub type Fresh<'a> = &'a dyn Fn() -> BoxFuture<'static, Arc<dyn SearchEngine>>;

/// Runs all cases, one after the other; panics at the first thing that an engine does otherwise.
pub async fn run(fresh: Fresh<'_>) {
    matching::run(fresh).await;
    filters::run(fresh).await;
    facets::run(fresh).await;
    cursors::run(fresh).await;
    versions::run(fresh).await;
    suggesting::run(fresh).await;
    generations::run(fresh).await;
    bad_input::run(fresh).await;
}
