//! The `search` table: what staff wants shoppers to find for a query, and the rebuilding of the index.

use aws::table::{Written, from_item, n, s, to_item, written};
use aws::{DataError, TableSpec, capability};
use aws_sdk_dynamodb::types::AttributeValue;
use catalog::table::Position;
use kernel::{ProductId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::port::Generation;
use crate::query::PLACED;

/// Items by key: `rule`/query what staff wants, `reindex`/`reindex` the last rebuilding of the index.
pub const TABLE: TableSpec =
    TableSpec { name: "search", partition_key: "pk", sort_key: Some("sk"), indexes: &[], ttl: None, stream: true };

/// The partition of what staff wants.
const RULES: &str = "rule";
/// The key of the last rebuilding.
const REINDEX: &str = "reindex";
/// The most rules that are listed.
const LISTED: i32 = 1000;

capability!(
    /// Reads what staff wants for a query.
    ReadRule on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Lists what staff wants.
    ListRules on TABLE: ["dynamodb:Query"]
);

capability!(
    /// Says what staff wants.
    WriteRule on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Takes back what staff wanted.
    DeleteRule on TABLE: ["dynamodb:DeleteItem"]
);

capability!(
    /// Begins to rebuild the index.
    BeginReindex on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Reads how far rebuilding is.
    ReadReindex on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Goes on with rebuilding.
    RunReindex on TABLE: ["dynamodb:GetItem", "dynamodb:UpdateItem"]
);

/// What staff wants shoppers to find for a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SearchRule")]
pub struct Rule {
    /// These come first, in this order, as far as they are for sale and meet the filters.
    #[serde(default)]
    #[schemars(length(max = PLACED))]
    pub pinned: Vec<ProductId>,
    /// These come last.
    #[serde(default)]
    #[schemars(length(max = PLACED))]
    pub buried: Vec<ProductId>,
    /// Where shoppers are sent instead: a path of this shop that starts with a slash, or an `https://` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub redirect: Option<String>,
}

/// What staff wants, and for which query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SearchRuleOfQuery")]
pub struct RuleOfQuery {
    /// The query, in lower case and without accents.
    pub query: String,
    /// What staff wants.
    #[serde(flatten)]
    pub rule: Rule,
}

/// How a rebuilding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ReindexStatus")]
pub enum Status {
    /// The new index is being filled.
    Running,
    /// The new index is searched.
    Done,
}

/// A rebuilding of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reindex {
    /// The new index.
    pub generation: Generation,
    /// How it stands.
    pub status: Status,
    /// How many products were looked at.
    pub products: u64,
    /// Behind which product it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When the new index took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl ReadRule {
    /// What staff wants for a query in the form of [`crate::words::words`]; eventually consistent.
    pub async fn of(&self, query: &str) -> Result<Rule, DataError> {
        let item = self.table.get(self.table.key2(RULES, query), false).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }
}

impl ListRules {
    /// The first thousand rules, by query.
    pub async fn all(&self) -> Result<Vec<RuleOfQuery>, DataError> {
        #[derive(Deserialize)]
        struct Stored {
            sk: String,
            #[serde(flatten)]
            rule: Rule,
        }
        let query = self.table.client().query().table_name(self.table.name());
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(RULES));
        let items = query.limit(LISTED).send().await?.items.unwrap_or_default();
        let read = |item| from_item::<Stored>(item).map(|stored| RuleOfQuery { query: stored.sk, rule: stored.rule });
        items.into_iter().map(read).collect()
    }
}

impl WriteRule {
    /// Says what staff wants, instead of what it wanted before.
    pub async fn put(&self, query: &str, rule: &Rule) -> Result<(), DataError> {
        let mut item = to_item(rule)?;
        item.extend(self.table.key2(RULES, query));
        self.table.client().put_item().table_name(self.table.name()).set_item(Some(item)).send().await?;
        Ok(())
    }
}

impl DeleteRule {
    /// Takes back what staff wanted.
    pub async fn delete(&self, query: &str) -> Result<(), DataError> {
        let key = self.table.key2(RULES, query);
        self.table.client().delete_item().table_name(self.table.name()).set_key(Some(key)).send().await?;
        Ok(())
    }
}

impl BeginReindex {
    /// Begins a rebuilding; one that runs is given up for it. The stream tells the worker. Beginning the same generation again
    /// changes nothing.
    pub async fn begin(&self, generation: Generation, now: Timestamp) -> Result<(), DataError> {
        let reindex = Reindex {
            generation: generation.clone(),
            status: Status::Running,
            products: 0,
            position: None,
            started_at: now,
            finished_at: None,
        };
        let mut item = to_item(&reindex)?;
        item.extend(self.table.key2(REINDEX, REINDEX));
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR generation <> :generation")
            .expression_attribute_values(":generation", s(generation.as_str()));
        written(put.send().await).map(drop)
    }
}

impl ReadReindex {
    /// The last rebuilding.
    pub async fn last(&self) -> Result<Option<Reindex>, DataError> {
        let item = self.table.get(self.table.key2(REINDEX, REINDEX), true).await?;
        item.map(from_item).transpose()
    }
}

impl RunReindex {
    /// The last rebuilding.
    pub async fn last(&self) -> Result<Option<Reindex>, DataError> {
        let item = self.table.get(self.table.key2(REINDEX, REINDEX), true).await?;
        item.map(from_item).transpose()
    }

    /// Writes down how far it is, unless another one was begun. Whether it was written.
    pub async fn keep(&self, reindex: &Reindex) -> Result<bool, DataError> {
        let position = aws::table::attribute(&reindex.position)?;
        let products = i64::try_from(reindex.products).unwrap_or(i64::MAX);
        let finished = reindex.finished_at.map_or(AttributeValue::Null(true), |at| s(at.to_string()));
        let update = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key2(REINDEX, REINDEX)))
            .update_expression(
                "SET #status = :status, products = :products, #position = :position, finished_at = :finished",
            )
            .condition_expression("generation = :generation")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":generation", s(reindex.generation.as_str()))
            .expression_attribute_values(":status", aws::table::attribute(&reindex.status)?)
            .expression_attribute_values(":products", n(products))
            .expression_attribute_values(":position", position)
            .expression_attribute_values(":finished", finished);
        Ok(matches!(written(update.send().await)?, Written::Yes(_)))
    }
}
