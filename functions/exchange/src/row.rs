//! What a row of a file is: a product on its way in, or something that does not go in and why.

use kernel::Sku;
use kernel::limits::STOCK_QUANTITY;
use kernel::problem::FieldError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a row is.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A product.
    Product(Mapped),
    /// The map leaves it out.
    LeftOut,
}

/// A product on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// The body of create-product.
    pub body: Value,
    /// The opening stock of its SKUs.
    pub stock: Vec<(Sku, u32)>,
}

/// Why a row does not go in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RejectedRow")]
pub struct Rejected {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The column or field that is wrong, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl Rejected {
    pub(crate) fn whole(line: u64, reason: impl Into<String>) -> Self {
        Self { line, field: None, reason: reason.into() }
    }

    pub(crate) fn of(line: u64, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { line, field: Some(field.into()), reason: reason.into() }
    }

    pub(crate) fn fields(line: u64, errors: &[FieldError]) -> Vec<Self> {
        errors.iter().map(|error| Self::of(line, &error.pointer, &error.detail)).collect()
    }
}

/// What a part of a file says, which begins at a line and ends before a byte of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The line that it begins in, from 1.
    pub line: u64,
    /// The line that the next one begins in.
    pub next_line: u64,
    /// The byte behind its last one, in the file as it is when it is not compressed.
    pub end: u64,
    /// How many rows of the file it takes.
    pub rows: u64,
    /// What it says; or all that is wrong with it.
    pub row: Result<Row, Vec<Rejected>>,
    /// The line of each variant, where each has one of its own.
    pub lines: Vec<u64>,
    /// What was wrong with rows in its midst, which did not keep the rest from going in.
    pub beside: Vec<Rejected>,
}

/// A create-product body with a `stock` in its variants, as one line of JSON.
pub(crate) fn own(line: u64, text: &str) -> Result<Value, Vec<Rejected>> {
    let row: Value =
        serde_json::from_str(text).map_err(|error| vec![Rejected::whole(line, format!("is not JSON: {error}"))])?;
    if row.is_object() { Ok(row) } else { Err(vec![Rejected::whole(line, "is not a JSON object")]) }
}

/// Takes the opening stock out of a create-product body.
pub(crate) fn opened(line: u64, mut body: Value) -> Result<Mapped, Vec<Rejected>> {
    let mut stock = Vec::new();
    for (index, variant) in body["variants"].as_array_mut().into_iter().flatten().enumerate() {
        let Some(units) = variant.as_object_mut().and_then(|variant| variant.remove("stock")) else { continue };
        let units = units.as_u64().and_then(|units| u32::try_from(units).ok()).filter(|units| *units <= STOCK_QUANTITY);
        let units = units.ok_or_else(|| {
            vec![Rejected::of(line, format!("/variants/{index}/stock"), format!("must be 0 to {STOCK_QUANTITY}"))]
        })?;
        // A SKU that is none is found with all other mistakes, by the schema.
        if let Some(sku) = variant["sku"].as_str().and_then(Sku::parse) {
            stock.push((sku, units));
        }
    }
    Ok(Mapped { body, stock })
}
