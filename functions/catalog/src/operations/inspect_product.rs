//! `GET /v1/admin/products/{id}`: one product as staff sees it, whatever its status, and as it stands now: its `ETag` is
//! what a change names in `If-Match`.

use kernel::problem::code;
use kernel::{Problem, ProductId, Slug};
use lambda::{Auth, Call, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commands::unknown;
use crate::product::Product;
use crate::table::{BySlug, FindProduct};

/// Which product.
#[derive(Debug, Deserialize, JsonSchema)]
struct Path {
    /// The product's id (`prd_…`) or its slug, also an earlier one.
    id: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("inspect-product", "/v1/admin/products/{id}")
        .summary("One product as staff sees it: drafts and archived ones too")
        .auth(Auth::STAFF_CATALOG)
        .reply::<Product>(200, "The product")
        .problems(&[code::PRODUCT_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path>, products: FindProduct) -> Result<Reply, Problem> {
    let asked = &call.path.id;
    let product = match (ProductId::parse(asked), Slug::parse(asked)) {
        (Some(id), _) => products.by_id_now(&id).await?,
        (None, Some(slug)) => named(&products, &slug).await?,
        (None, None) => None,
    };
    let product = product.ok_or_else(|| unknown(asked))?;
    Ok(Reply::ok(&product).version(product.version).last_modified(product.updated_at))
}

async fn named(products: &FindProduct, slug: &Slug) -> Result<Option<Product>, Problem> {
    let mut found = products.by_slug(slug).await?;
    if let BySlug::Moved(present) = &found {
        found = products.by_slug(present).await?;
    }
    Ok(match found {
        BySlug::Product(product) => products.by_id_now(&product.id).await?,
        BySlug::Moved(_) | BySlug::Nowhere => None,
    })
}
