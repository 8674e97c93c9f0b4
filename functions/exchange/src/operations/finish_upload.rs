//! `POST /v1/admin/imports/{id}/uploaded`: the file of an import is where it belongs; the import begins.

use kernel::Problem;
use kernel::limits::IMPORT_BYTES;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Idempotency, Reply};

use crate::files::ReadImport;
use crate::job::{Import, Status};
use crate::operations::{IdPath, ImportView, no_import};
use crate::table::MoveImport;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("finish-upload", "/v1/admin/imports/{id}/uploaded")
        .summary("Begins an import whose file was uploaded")
        .auth(Auth::STAFF_CATALOG)
        .idempotency(Idempotency::Inherent)
        .reply::<ImportView>(202, "The import, which runs, or ran before")
        .problems(&[code::IMPORT_NOT_FOUND, code::FILE_MISSING])
        .handle(handle)
}

async fn handle(call: Call<IdPath>, (jobs, files): (MoveImport, ReadImport)) -> Result<Reply, Problem> {
    let id = call.path.import()?;
    let location = format!("/v1/admin/imports/{id}");
    let import = jobs.import(&id).await?.ok_or_else(no_import)?;
    if import.status != Status::Waiting {
        return Ok(Reply::accepted(&ImportView::from(&import), &location));
    }
    let bytes_total = files.size(&import).await?;
    let bytes_total = bytes_total.ok_or_else(|| {
        Problem::new(code::FILE_MISSING, "put the file at the address that start-import gave, then call this again")
    })?;
    if bytes_total > IMPORT_BYTES {
        let detail = format!("the file has {bytes_total} bytes; at most {IMPORT_BYTES} are allowed");
        return Err(Problem::new(code::BODY_TOO_LARGE, detail).with("limit", IMPORT_BYTES));
    }
    let running = Import { status: Status::Running, bytes_total, ..import.moved(call.cx.now()) };
    let import = match jobs.advance(&running).await? {
        true => running,
        // The same call was quicker.
        false => jobs.import(&id).await?.ok_or_else(no_import)?,
    };
    Ok(Reply::accepted(&ImportView::from(&import), &location))
}
