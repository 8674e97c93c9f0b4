//! `GET /v1/admin/search/reindex`: how the last rebuilding of the index stands.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Freshness, Function, Http, Reply};

use super::start_reindex::ReindexView;
use crate::table::ReadReindex;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-reindex", "/v1/admin/search/reindex")
        .summary("How the last rebuilding of the search index stands")
        .auth(Auth::STAFF_CATALOG)
        .cache(Freshness::NoStore)
        .reply::<ReindexView>(200, "The last rebuilding")
        .problems(&[code::REINDEX_NOT_FOUND])
        .handle(handle)
}

async fn handle(_: Call, reindex: ReadReindex) -> Result<Reply, Problem> {
    let last = reindex.last().await?;
    let last = last.ok_or_else(|| Problem::new(code::REINDEX_NOT_FOUND, "the index was never rebuilt"))?;
    Ok(Reply::ok(&ReindexView::from(last)))
}
