//! `PATCH /v1/admin/products/{id}`: changes a product by a JSON merge patch (RFC 7396) on what was sent to create it. The
//! whole product is checked again, and written only when it is still in the version that `If-Match` names.

use kernel::Problem;
use kernel::limits::PRODUCT_BYTES;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use serde_json::{Map, Value};

use crate::commands;
use crate::operations::ProductPath;
use crate::product::Product;
use crate::table::ChangeProducts;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::patch("update-product", "/v1/admin/products/{id}")
        .summary("Changes a product by a JSON merge patch")
        .auth(Auth::STAFF_CATALOG)
        .body_bytes(PRODUCT_BYTES)
        .if_match_required()
        .reply::<Product>(200, "The product in its new version")
        .problems(&[code::PRODUCT_NOT_FOUND, code::VERSION_MISMATCH, code::SLUG_TAKEN, code::SKU_TAKEN])
        .handle(handle)
}

async fn handle(
    call: Call<ProductPath, Nothing, Map<String, Value>>,
    products: ChangeProducts,
) -> Result<Reply, Problem> {
    let (cx, id) = (&call.cx, call.path.product()?);
    let product = commands::update(&products, &id, &call.body, cx.expected_version(), cx.now()).await?;
    Ok(Reply::ok(&product).version(product.version).last_modified(product.updated_at))
}
