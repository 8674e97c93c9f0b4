//! The operations of imports and exports, one file each.

pub mod finish_upload;
pub mod get_export;
pub mod get_import;
pub mod relay_stream_transfers;
pub mod run_export;
pub mod run_import;
pub mod start_export;
pub mod start_import;

use kernel::problem::code;
use kernel::{ExportId, ImportId, Problem, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::intake::Counts;
use crate::job::{Export, Import, Status};
use crate::reader::Format;
use crate::row::Rejected;

/// The path of one import or export.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct IdPath {
    /// Its id, as in `imp_0123456789abcd`.
    id: String,
}

impl IdPath {
    pub(crate) fn import(&self) -> Result<ImportId, Problem> {
        ImportId::parse(&self.id).ok_or_else(no_import)
    }

    pub(crate) fn export(&self) -> Result<ExportId, Problem> {
        ExportId::parse(&self.id).ok_or_else(no_export)
    }
}

fn no_import() -> Problem {
    Problem::new(code::IMPORT_NOT_FOUND, "there is no such import; imports are kept for 30 days")
}

fn no_export() -> Problem {
    Problem::new(code::EXPORT_NOT_FOUND, "there is no such export; exports are kept for 30 days")
}

/// Where the file of an import is to be put.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Upload {
    /// The method: PUT, with the file as the body and nothing else.
    method: &'static str,
    /// The address; it says who may put there, so it is a secret.
    url: String,
    /// Until when it is good.
    expires_at: Timestamp,
    /// What to call (POST) once the file is there.
    then: String,
}

/// An import as staff sees it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Import")]
pub(crate) struct ImportView {
    /// Its id.
    id: ImportId,
    /// What the file is.
    format: Format,
    /// Where it stands.
    status: Status,
    /// The file's size in bytes; 0 as long as it was not uploaded.
    bytes_total: u64,
    /// How many of them were read.
    bytes_done: u64,
    /// What came of it so far.
    #[serde(flatten)]
    counts: Counts,
    /// Why it cannot go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Rejected>,
    /// Where to put the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Upload>,
    /// When it was begun.
    created_at: Timestamp,
    /// When it was moved on last.
    updated_at: Timestamp,
}

impl From<&Import> for ImportView {
    fn from(import: &Import) -> Self {
        Self {
            id: import.id.clone(),
            format: import.format,
            status: import.status,
            bytes_total: import.bytes_total,
            bytes_done: import.bytes_done,
            counts: import.counts,
            failure: import.failure.clone(),
            upload: None,
            created_at: import.created_at,
            updated_at: import.updated_at,
        }
    }
}

/// An export as staff sees it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Export")]
pub(crate) struct ExportView {
    /// Its id.
    id: ExportId,
    /// What the file is.
    format: Format,
    /// Where it stands.
    status: Status,
    /// How many products are in the file so far.
    products: u64,
    /// How many bytes that is.
    bytes: u64,
    /// Where the finished file can be read; the address says who may, so it is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Until when that address is good; a later call gives another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<Timestamp>,
    /// When it was begun.
    created_at: Timestamp,
    /// When it was moved on last.
    updated_at: Timestamp,
}

impl From<&Export> for ExportView {
    fn from(export: &Export) -> Self {
        Self {
            id: export.id.clone(),
            format: export.format,
            status: export.status,
            products: export.products,
            bytes: export.bytes,
            url: None,
            url_expires_at: None,
            created_at: export.created_at,
            updated_at: export.updated_at,
        }
    }
}
