//! The records of imports and exports, pure.

use kernel::{Currency, ExportId, ImportId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Part;
use crate::intake::Counts;
use crate::reader::{Format, Manner, Place};
use crate::records::Encoding;
use crate::row::Rejected;
use crate::table::Record;

/// Where an import or an export stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TransferStatus")]
pub enum Status {
    /// Its file is yet to be uploaded.
    Waiting,
    /// It runs, or will in a moment.
    Running,
    /// It ended well; rows may have been rejected.
    Done,
    /// It cannot go on: `failure` says why. What went in until then stays.
    Failed,
}

/// An import as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// What the request that began it is known by.
    pub fingerprint: String,
    /// What the file is.
    pub format: Format,
    /// The currency of prices that name none.
    pub currency: Currency,
    /// How text is written in bytes.
    pub encoding: Encoding,
    /// The field map, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// The file's size, as it was sent.
    pub bytes_total: u64,
    /// How much of that was read.
    pub bytes_done: u64,
    /// Behind the last entry that was taken in.
    pub place: Place,
    /// What came of it so far.
    pub counts: Counts,
    /// Why it cannot go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Rejected>,
    /// Goes up whenever the worker is to go on.
    pub turn: u64,
    /// Goes up with every write.
    pub rev: u64,
    /// Who began it.
    pub actor: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was moved on last.
    pub updated_at: Timestamp,
}

impl Record for Import {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl Import {
    /// How its file is read.
    ///
    /// # Errors
    ///
    /// What is wrong with the map.
    pub fn manner(&self) -> Result<Manner, String> {
        let map = self.map.as_deref().map(crate::FieldMap::parse).transpose()?;
        Ok(Manner { format: self.format, currency: self.currency, encoding: self.encoding, map })
    }

    /// The next state of it.
    #[must_use]
    pub fn moved(&self, now: Timestamp) -> Self {
        Self { rev: self.rev + 1, updated_at: now.max(self.updated_at), ..self.clone() }
    }
}

/// An export as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// What the request that began it is known by.
    pub fingerprint: String,
    /// What the file becomes.
    pub format: Format,
    /// Where it stands.
    pub status: Status,
    /// How many products are in the parts that are there.
    pub products: u64,
    /// How many bytes those have.
    pub bytes: u64,
    /// What the file's parts are put by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The parts that are there.
    pub parts: Vec<Part>,
    /// The list that is read, by its number, and where.
    pub list: usize,
    /// Behind the last product that is in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<catalog::table::Position>,
    /// Goes up whenever the worker is to go on.
    pub turn: u64,
    /// Goes up with every write.
    pub rev: u64,
    /// Who began it.
    pub actor: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was moved on last.
    pub updated_at: Timestamp,
}

impl Record for Export {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl Export {
    /// The next state of it.
    #[must_use]
    pub fn moved(&self, now: Timestamp) -> Self {
        Self { rev: self.rev + 1, updated_at: now.max(self.updated_at), ..self.clone() }
    }
}
