//! `POST /v1/admin/exports`: begins an export of all products.

use kernel::problem::code;
use kernel::{ExportId, Problem, id};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::job::{Export, Status};
use crate::operations::ExportView;
use crate::reader::Format;
use crate::table::BeginTransfer;

/// What the file becomes.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// The format.
    format: Format,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("start-export", "/v1/admin/exports")
        .summary("Exports all products: Shopify's CSV or JSON lines")
        .auth(Auth::STAFF_CATALOG)
        .idempotency(Idempotency::Derived)
        .reply::<ExportView>(202, "The export")
        .problems(&[code::KEY_REUSED])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Query>, jobs: BeginTransfer) -> Result<Reply, Problem> {
    let (cx, format) = (&call.cx, call.query.format);
    let now = cx.now();
    let export = Export {
        id: ExportId::new(cx.seed()),
        fingerprint: id::fingerprint(&[serde_json::json!(format).to_string().as_bytes()]),
        format,
        status: Status::Running,
        products: 0,
        bytes: 0,
        upload: None,
        parts: Vec::new(),
        list: 0,
        position: None,
        turn: 1,
        rev: 1,
        actor: cx.actor(),
        created_at: now,
        updated_at: now,
    };
    let export = match jobs.begin(&export).await? {
        None => export,
        Some(standing) if standing.fingerprint == export.fingerprint => standing,
        Some(_) => {
            return Err(Problem::new(code::KEY_REUSED, "the Idempotency-Key belongs to another request"));
        }
    };
    cx.note("export", &export.id);
    let location = format!("/v1/admin/exports/{}", export.id);
    Ok(Reply::accepted(&ExportView::from(&export), &location))
}
