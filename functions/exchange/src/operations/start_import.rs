//! `POST /v1/admin/imports`: begins an import. A small file is the body; for a larger one the body is empty, and the answer
//! says where to put it.

use kernel::limits::{IMPORT_BODY_BYTES, MAP_CHARS};
use kernel::problem::code;
use kernel::{Currency, ImportId, Problem};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::FieldMap;
use crate::files::{ADDRESS_LIFE, PutImport};
use crate::intake::Counts;
use crate::job::{Import, Status};
use crate::operations::{ImportView, Upload};
use crate::reader::{Format, Place};
use crate::records::Encoding;
use crate::table::BeginTransfer;

/// How the file is read.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// What the file is.
    format: Format,
    /// The currency of prices that name none: Shopify's files never do. EUR when it is left out.
    currency: Option<Currency>,
    /// How text is written in bytes; UTF-8 when it is left out.
    #[serde(default)]
    encoding: Encoding,
    /// A field map (TOML), where the lines of a JSON file are not bodies of create-product.
    #[schemars(length(min = 1, max = MAP_CHARS))]
    map: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("start-import", "/v1/admin/imports")
        .summary("Imports products: Shopify's CSV or JSON lines, plain or gzip")
        .auth(Auth::STAFF_CATALOG)
        .body_bytes(IMPORT_BODY_BYTES)
        .idempotency(Idempotency::Derived)
        .reply::<ImportView>(202, "The import; without a body `upload` says where the file goes")
        .problems(&[code::KEY_REUSED])
        .handle(handle)
        .timeout(30)
        .memory(1024)
}

async fn handle(call: Call<Nothing, Query>, (jobs, files): (BeginTransfer, PutImport)) -> Result<Reply, Problem> {
    let Call { query, cx, .. } = &call;
    if let Some(map) = &query.map {
        if query.format != Format::Jsonl {
            return Err(Problem::parameter("map", "is for JSON lines; Shopify's columns are known"));
        }
        FieldMap::parse(map).map_err(|reason| Problem::parameter("map", reason))?;
    }
    let (id, now, body) = (ImportId::new(cx.seed()), cx.now(), cx.raw_body());
    let total = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let described = serde_json::json!([query.format, query.currency, query.encoding, query.map]).to_string();
    let import = Import {
        fingerprint: kernel::id::fingerprint(&[cx.fingerprint().as_bytes(), described.as_bytes()]),
        format: query.format,
        currency: query.currency.unwrap_or(Currency::EUR),
        encoding: query.encoding,
        map: query.map.clone(),
        status: if body.is_empty() { Status::Waiting } else { Status::Running },
        bytes_total: total,
        bytes_done: 0,
        place: Place::START,
        counts: Counts::default(),
        failure: None,
        turn: 1,
        rev: 1,
        actor: cx.actor(),
        created_at: now,
        updated_at: now,
        id,
    };
    // The file first: the record is what sets the worker off. A file without a record goes by itself.
    if !body.is_empty() {
        files.put(&import, body.to_vec()).await?;
    }
    let import = match jobs.begin(&import).await? {
        None => import,
        Some(standing) if standing.fingerprint == import.fingerprint => standing,
        Some(_) => {
            return Err(Problem::new(code::KEY_REUSED, "the Idempotency-Key belongs to a request with another body"));
        }
    };
    cx.note("import", &import.id);
    let location = format!("/v1/admin/imports/{}", import.id);
    let mut view = ImportView::from(&import);
    if import.status == Status::Waiting {
        let url = files.address(&import).await?;
        let then = format!("{location}/uploaded");
        view.upload = Some(Upload { method: "PUT", url, expires_at: now.after(ADDRESS_LIFE), then });
    }
    Ok(Reply::accepted(&view, &location))
}
