//! `GET /v1/admin/exports/{id}`: how far an export is, and where its file can be read once it is done.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Freshness, Function, Http, Reply};

use crate::files::{ADDRESS_LIFE, ShareExport};
use crate::job::Status;
use crate::operations::{ExportView, IdPath, no_export};
use crate::reader::Format;
use crate::table::FindTransfer;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-export", "/v1/admin/exports/{id}")
        .summary("How far an export is, and where to download it")
        .auth(Auth::STAFF_CATALOG)
        // The address in it is a secret that ends.
        .cache(Freshness::NoStore)
        .reply::<ExportView>(200, "The export")
        .problems(&[code::EXPORT_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<IdPath>, (jobs, files): (FindTransfer, ShareExport)) -> Result<Reply, Problem> {
    let export = jobs.export(&call.path.export()?).await?.ok_or_else(no_export)?;
    let mut view = ExportView::from(&export);
    if export.status == Status::Done {
        let ending = if export.format == Format::Jsonl { "jsonl" } else { "csv" };
        let name = format!("products-{}.{ending}", export.created_at.day());
        view.url = Some(files.address(&export.id, &name).await?);
        view.url_expires_at = Some(call.cx.now().after(ADDRESS_LIFE));
    }
    Ok(Reply::ok(&view))
}
