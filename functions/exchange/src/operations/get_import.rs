//! `GET /v1/admin/imports/{id}`: how far an import is, what came of it, and a page of the rows that it rejected.

use aws::SigningSecret;
use kernel::Problem;
use kernel::limits::{PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operations::{IdPath, ImportView, no_import};
use crate::row::Rejected;
use crate::table::ReadImports;

/// Which rejected rows.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// The most rejected rows in the answer.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// The `next` of the answer before.
    #[schemars(length(max = 1024))]
    cursor: Option<String>,
}

/// An import with rows that it rejected.
#[derive(Debug, Serialize, JsonSchema)]
struct ImportReport {
    #[serde(flatten)]
    import: ImportView,
    /// Rejected rows, by line: each with all that is wrong with it, in as many entries.
    rejected_rows: Vec<Rejected>,
    /// The cursor of further rejected rows.
    next: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-import", "/v1/admin/imports/{id}")
        .summary("How far an import is, and every row that it rejected")
        .auth(Auth::STAFF_CATALOG)
        .reply::<ImportReport>(200, "The import")
        .problems(&[code::IMPORT_NOT_FOUND, code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(call: Call<IdPath, Query>, (jobs, secret): (ReadImports, SigningSecret)) -> Result<Reply, Problem> {
    let id = call.path.import()?;
    let scope = format!("get-import {id}");
    let after = match &call.query.cursor {
        None => None,
        Some(cursor) => {
            let position = secret.key().await?.position(&scope, cursor);
            Some(position.ok_or_else(|| Problem::new(code::INVALID_CURSOR, "take the cursor from `next` as it is"))?)
        }
    };
    let import = jobs.import(&id).await?.ok_or_else(no_import)?;
    let (rejected_rows, next) = jobs.rejected(&id, call.query.limit.unwrap_or(PAGE_DEFAULT), after).await?;
    let next = match next {
        None => None,
        Some(position) => Some(secret.key().await?.cursor(&scope, &position)),
    };
    Ok(Reply::ok(&ImportReport { import: ImportView::from(&import), rejected_rows, next }))
}
