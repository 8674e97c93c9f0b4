//! `GET /v1/admin/search/rules`: what staff wants shoppers to find.

use kernel::Problem;
use lambda::{Auth, Call, Freshness, Function, Http, Page, Reply};

use crate::table::{ListRules, RuleOfQuery};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-search-rules", "/v1/admin/search/rules")
        .summary("What staff wants shoppers to find for queries; the first 1000, by query")
        .auth(Auth::STAFF_CATALOG)
        .cache(Freshness::NoStore)
        .reply::<Page<RuleOfQuery>>(200, "The rules")
        .handle(handle)
}

async fn handle(_: Call, rules: ListRules) -> Result<Reply, Problem> {
    Ok(Reply::ok(&Page { items: rules.all().await?, next: None }))
}
