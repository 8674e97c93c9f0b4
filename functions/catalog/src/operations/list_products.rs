//! `GET /v1/products`: the products of a category, or all, page by page. One query on the index of the wanted order and one
//! batch read of the products; a filter by tag or brand may take a few queries more.

use std::collections::HashMap;

use kernel::limits::{LABEL_CHARS, PAGE_DEFAULT, PAGE_MAX};
use kernel::problem::code;
use kernel::{CategoryPath, Currency, Problem, ProductId};
use lambda::{Auth, Call, Freshness, Function, Http, Nothing, Page, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::product::{Product, Status};
use crate::table::{FindProducts, List, ListRows, Order, Position};

/// Which products, in which order.
#[derive(Debug, Deserialize, JsonSchema)]
struct Query {
    /// Only products of this category and below it.
    category: Option<CategoryPath>,
    /// Only products with this tag; case does not matter.
    #[schemars(length(min = 1, max = LABEL_CHARS))]
    tag: Option<String>,
    /// Only products of this brand; case does not matter.
    #[schemars(length(min = 1, max = LABEL_CHARS))]
    brand: Option<String>,
    /// The order.
    #[serde(default)]
    sort: Sort,
    /// Which currency prices are in; a variant that has no price in it is shown in its first currency, which is also what the
    /// order by price goes by.
    currency: Option<Currency>,
    /// The most items on the page.
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What products are ordered by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "ProductSort")]
enum Sort {
    #[default]
    #[serde(rename = "newest")]
    Newest,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDown,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "rating")]
    Rating,
}

impl From<Sort> for Order {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Newest => Self::Newest,
            Sort::Price => Self::Price,
            Sort::PriceDown => Self::PriceDown,
            Sort::Name => Self::Name,
            Sort::Rating => Self::Rating,
        }
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("list-products", "/v1/products")
        .summary("The products of a category, a tag or a brand, page by page")
        .auth(Auth::Anyone)
        .cache(Freshness::List)
        .reply::<Page<Product>>(
            200,
            "A page of products; with a filter it may be shorter than the limit although there is a next one",
        )
        .problems(&[code::INVALID_CURSOR])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Query>,
    (rows, products, secret): (ListRows, FindProducts, aws::SigningSecret),
) -> Result<Reply, Problem> {
    let query = &call.query;
    // A cursor is good for the list it came from and no other.
    let scope = serde_json::json!(["list-products", query.category, query.tag, query.brand, query.sort]).to_string();
    let list = List {
        status: Status::Active,
        category: query.category.as_ref(),
        tag: query.tag.as_deref(),
        brand: query.brand.as_deref(),
        order: query.sort.into(),
    };
    let asked = Asked { scope: &scope, cursor: query.cursor.as_deref() };
    let limit = page_limit(query.limit)?;
    let (ids, position) = rows.page(&list, asked.after(&secret).await?.as_ref(), limit).await?;
    let items = in_status(&products, &ids, Status::Active).await?;
    let items = items.into_iter().map(|product| product.shown_in(query.currency)).collect();
    Ok(Reply::ok(&Page { items, next: asked.next(position, &secret).await? }))
}

/// How many items a page has.
pub(super) fn page_limit(asked: Option<u32>) -> Result<usize, Problem> {
    usize::try_from(asked.unwrap_or(PAGE_DEFAULT)).map_err(Problem::internal)
}

/// Which page of which list.
pub(super) struct Asked<'a> {
    /// What cursors of this list are bound to.
    pub scope: &'a str,
    pub cursor: Option<&'a str>,
}

impl Asked<'_> {
    /// Behind which row the page begins.
    pub async fn after(&self, secret: &aws::SigningSecret) -> Result<Option<Position>, Problem> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let position = secret.key().await?.position(self.scope, cursor).ok_or_else(|| {
            Problem::new(code::INVALID_CURSOR, "the cursor was altered, or is of another list; begin without one")
        })?;
        Ok(Some(position))
    }

    /// The cursor of the next page.
    pub async fn next(
        &self,
        position: Option<Position>,
        secret: &aws::SigningSecret,
    ) -> Result<Option<String>, Problem> {
        Ok(match position {
            None => None,
            Some(position) => Some(secret.key().await?.cursor(self.scope, &position)),
        })
    }
}

/// These products, in this order. A row may be a moment older than its product: what has another status by now is left out.
pub(super) async fn in_status(
    products: &FindProducts,
    ids: &[ProductId],
    status: Status,
) -> Result<Vec<Product>, Problem> {
    let found = products.by_ids(ids, false).await?;
    let mut found: HashMap<_, _> = found.into_iter().map(|product| (product.id.clone(), product)).collect();
    let items = ids.iter().filter_map(|id| found.remove(id));
    Ok(items.filter(|product| product.status == status).collect())
}
