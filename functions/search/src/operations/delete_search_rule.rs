//! `DELETE /v1/admin/search/rules/{query}`: what is found for a query is left to itself again.

use kernel::Problem;
use lambda::{Auth, Call, Function, Http, Reply};

use super::QueryPath;
use crate::table::DeleteRule;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("delete-search-rule", "/v1/admin/search/rules/{query}")
        .summary("Take back what was pinned, buried or redirected for a query")
        .auth(Auth::STAFF_CATALOG)
        .reply_empty(204, "There is no rule for it any more")
        .handle(handle)
}

async fn handle(call: Call<QueryPath>, rules: DeleteRule) -> Result<Reply, Problem> {
    rules.delete(&call.path.normal()?).await?;
    Ok(Reply::empty())
}
