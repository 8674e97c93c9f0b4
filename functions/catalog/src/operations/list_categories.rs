//! `GET /v1/categories`: the tree of categories with how many products are sold in each.

use kernel::Problem;
use lambda::{Auth, Call, Freshness, Function, Http, Reply};

use crate::category::Categories;
use crate::table::ReadCategories;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-categories", "/v1/categories")
        .summary("The tree of categories, with counts")
        .auth(Auth::Anyone)
        .cache(Freshness::Categories)
        .reply::<Categories>(200, "The tree")
        .handle(handle)
}

async fn handle(_: Call, categories: ReadCategories) -> Result<Reply, Problem> {
    Ok(Reply::ok(&Categories::of(&categories.counts().await?)))
}
