//! `POST /v1/admin/products`: a new product. The product, its slug, its SKUs and its place in the lists appear together or
//! not at all.

use kernel::Problem;
use kernel::limits::PRODUCT_BYTES;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Nothing, Reply};

use crate::commands;
use crate::product::{NewProduct, Product};
use crate::table::CreateProducts;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("create-product", "/v1/admin/products")
        .summary("Creates a product")
        .auth(Auth::STAFF_CATALOG)
        .body_bytes(PRODUCT_BYTES)
        .reply::<Product>(201, "The product was created; a repeated call with the same key answers the same product")
        .problems(&[code::SLUG_TAKEN, code::SKU_TAKEN, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, NewProduct>, products: CreateProducts) -> Result<Reply, Problem> {
    let cx = &call.cx;
    let product = commands::create(&products, call.body, cx.seed(), cx.fingerprint(), cx.now()).await?;
    cx.note("product", &product.id);
    let location = format!("/v1/products/{}", product.id);
    Ok(Reply::created(&product, &location).version(product.version).last_modified(product.updated_at))
}
