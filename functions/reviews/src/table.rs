//! The table `reviews`: one item for each product and customer. Every change is one put whose condition is the `rev` that it
//! starts from.

use aws::table::{Written, from_item, n, s, to_item, written};
use aws::{DataError, IndexSpec, Item, Table, TableSpec, capability};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use kernel::{ProductId, ReviewId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::review::Review;

/// Items by product and review. Only what shoppers see stands in the index.
pub const TABLE: TableSpec = TableSpec {
    name: "reviews",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[IndexSpec {
        name: "by-newest",
        partition_key: "list",
        sort_key: Some("created_at"),
        numeric_sort: false,
        whole: true,
    }],
    ttl: None,
    stream: true,
};

capability!(
    /// Reads one review.
    FindReview on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads the reviews that shoppers see.
    ListReviews on TABLE: [], index "by-newest": ["dynamodb:Query"]
);

capability!(
    /// Reads all reviews of a product.
    InspectReviews on TABLE: ["dynamodb:Query"]
);

capability!(
    /// Reads and writes reviews.
    WriteReview on TABLE: ["dynamodb:GetItem", "dynamodb:PutItem"]
);

capability!(
    /// Reads a review, and writes which of its stars are counted.
    CountReview on TABLE: ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
);

async fn find(table: &Table, product: &ProductId, id: &ReviewId) -> Result<Option<Review>, DataError> {
    table.get(table.key2(product.as_str(), id.as_str()), true).await?.map(from_item).transpose()
}

impl FindReview {
    /// A review as it stands now, also a deleted one.
    pub async fn find(&self, product: &ProductId, id: &ReviewId) -> Result<Option<Review>, DataError> {
        find(&self.table, product, id).await
    }
}

impl WriteReview {
    /// A review as it stands now, also a deleted one.
    pub async fn find(&self, product: &ProductId, id: &ReviewId) -> Result<Option<Review>, DataError> {
        find(&self.table, product, id).await
    }

    /// Writes a review in place of `before`; `false` when that stands no more.
    pub async fn replace(&self, before: Option<&Review>, after: &Review) -> Result<bool, DataError> {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(to_item(after)?));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", n(number(before.rev)?)),
        };
        Ok(matches!(written(put.send().await)?, Written::Yes(_)))
    }
}

impl CountReview {
    /// A review as it stands now, also a deleted one.
    pub async fn find(&self, product: &ProductId, id: &ReviewId) -> Result<Option<Review>, DataError> {
        find(&self.table, product, id).await
    }

    /// The action that notes that a review's stars are counted as they ought to be, as long as it stands as `before`.
    pub fn counted(&self, before: &Review) -> Result<TransactWriteItem, DataError> {
        let after = before.counted();
        let invalid = |error: aws_sdk_dynamodb::error::BuildError| DataError::Invalid(error.to_string());
        let rev = n(number(before.rev)?);
        if after.is_spent() {
            let delete = Delete::builder()
                .table_name(self.table.name())
                .set_key(Some(self.table.key2(before.product.as_str(), before.id.as_str())))
                .condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", rev);
            return Ok(TransactWriteItem::builder().delete(delete.build().map_err(invalid)?).build());
        }
        let put = Put::builder()
            .table_name(self.table.name())
            .set_item(Some(to_item(&after)?))
            .condition_expression("#rev = :rev")
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_values(":rev", rev);
        Ok(TransactWriteItem::builder().put(put.build().map_err(invalid)?).build())
    }
}

fn number(rev: u64) -> Result<i64, DataError> {
    i64::try_from(rev).map_err(|error| DataError::Corrupt(error.to_string()))
}

/// The review behind which a page begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position {
    id: ReviewId,
    created_at: Timestamp,
}

fn position(key: Item) -> Result<Position, DataError> {
    #[derive(Deserialize)]
    struct Key {
        sk: ReviewId,
        created_at: Timestamp,
    }
    let key: Key = from_item(key)?;
    Ok(Position { id: key.sk, created_at: key.created_at })
}

impl ListReviews {
    /// A page of what shoppers see of a product, newest first, and where the next one begins.
    pub async fn page(
        &self,
        product: &ProductId,
        limit: u32,
        after: Option<Position>,
    ) -> Result<(Vec<Review>, Option<Position>), DataError> {
        let start = after.map(|position| {
            let mut key = self.table.key2(product.as_str(), position.id.as_str());
            key.insert("list".into(), s(product.as_str()));
            key.insert("created_at".into(), s(position.created_at.to_string()));
            key
        });
        let query = self.table.client().query().table_name(self.table.name()).index_name("by-newest");
        let answer = query
            .key_condition_expression("#list = :list")
            .expression_attribute_names("#list", "list")
            .expression_attribute_values(":list", s(product.as_str()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(100))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = answer.last_evaluated_key.map(position).transpose()?;
        let found = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok((found, next))
    }
}

impl InspectReviews {
    /// A page of all reviews of a product that are not deleted, by id, and behind which the next one begins.
    pub async fn page(
        &self,
        product: &ProductId,
        limit: u32,
        after: Option<ReviewId>,
    ) -> Result<(Vec<Review>, Option<ReviewId>), DataError> {
        let start = after.map(|id| self.table.key2(product.as_str(), id.as_str()));
        let query = self.table.client().query().table_name(self.table.name());
        let answer = query
            .key_condition_expression("pk = :product")
            .expression_attribute_values(":product", s(product.as_str()))
            .limit(i32::try_from(limit).unwrap_or(100))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = match answer.last_evaluated_key.as_ref().and_then(|key| key.get("sk")) {
            None => None,
            Some(id) => id.as_s().ok().and_then(|id| ReviewId::parse(id)),
        };
        let found: Vec<Review> =
            answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok((found.into_iter().filter(|review| !review.deleted).collect(), next))
    }
}
