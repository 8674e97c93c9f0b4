//! `DELETE /v1/admin/products/{id}`: takes a product out of sale. It stays readable for orders that have it.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::commands;
use crate::operations::ProductPath;
use crate::table::ChangeProducts;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("archive-product", "/v1/admin/products/{id}")
        .summary("Takes a product out of sale")
        .auth(Auth::STAFF_CATALOG)
        .reply_empty(204, "The product is out of sale, now or since an earlier call")
        .problems(&[code::PRODUCT_NOT_FOUND, code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(call: Call<ProductPath>, products: ChangeProducts) -> Result<Reply, Problem> {
    let (cx, id) = (&call.cx, call.path.product()?);
    commands::archive(&products, &id, cx.expected_version(), cx.now()).await?;
    Ok(Reply::empty())
}
