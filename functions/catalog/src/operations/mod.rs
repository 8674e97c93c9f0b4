//! The operations of the catalogue, one file each.

pub mod archive_product;
pub mod create_product;
pub mod get_product;
pub mod inspect_product;
pub mod invalidate_cdn;
pub mod list_categories;
pub mod list_products;
pub mod list_products_by_status;
pub mod update_product;

use kernel::{Problem, ProductId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commands::unknown;

/// The path of one product that staff works on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ProductPath {
    /// The product's id, as in `prd_0123456789abcd`.
    id: String,
}

impl ProductPath {
    /// The id. What cannot be one belongs to no product, so the answer is the same.
    pub(crate) fn product(&self) -> Result<ProductId, Problem> {
        ProductId::parse(&self.id).ok_or_else(|| unknown(&self.id))
    }
}
