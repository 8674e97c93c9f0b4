//! Catalogues that come in and go out.
//!
//! It owns the table `transfers` (imports and exports, how far they are, the rows that were rejected) and the stage's bucket
//! of files. An import is a record that a worker moves on: each step takes some rows in and notes, by one conditional write,
//! where it stands and what came of them, so it can be killed anywhere and nothing is taken in twice. It must never write a
//! product or a unit itself: that is what `catalog` and `inventory` do.

pub mod export;
pub mod files;
pub mod intake;
pub mod job;
pub mod lines;
pub mod map;
pub mod operations;
pub mod reader;
pub mod records;
pub mod row;
pub mod run;
pub mod shopify;
pub mod source;
pub mod table;

pub use intake::{BATCH, Counts, Intake};
pub use map::FieldMap;
pub use reader::{Format, Manner, Place, Reader};
pub use row::{Entry, Rejected};

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::TABLE];

/// The queues of this service.
pub const QUEUES: &[aws::QueueSpec] = &[operations::run_import::QUEUE, operations::run_export::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::start_import::function(),
        operations::finish_upload::function(),
        operations::get_import::function(),
        operations::run_import::function(),
        operations::start_export::function(),
        operations::get_export::function(),
        operations::run_export::function(),
        operations::relay_stream_transfers::function(),
    ]
}
