//! An engine with one table, and the real SDK clients over it, for the tests of layers.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use engine::{Engine, Layer, Options};

use crate::data::START;
use crate::virtual_time::{VirtualClock, region};

/// The table of all tests: `pk` and `sk`.
pub const TABLE: &str = "test-things";

/// A client as `aws::Platform` builds it, with its own quota of retries.
pub fn client(engine: &Engine, layers: Vec<Arc<dyn Layer>>, attempts: u32) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region()))
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .timeout_config(timeouts)
        .http_client(engine.http_client(layers))
        .allow_no_auth()
        .build();
    Client::from_conf(config)
}

/// An engine on virtual time with the table.
pub async fn open() -> (Engine, VirtualClock) {
    let clock = VirtualClock::start(START);
    let engine = Engine::open(Options::memory(clock.for_engine())).unwrap();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let text = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        attribute.build().unwrap()
    };
    let create = client(&engine, vec![], 1).create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    let create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    create.attribute_definitions(text("pk")).attribute_definitions(text("sk")).send().await.unwrap();
    (engine, clock)
}

pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// What a hold does to a counter: takes one, notes an operation, and only while something is left.
pub fn hold(client: &Client, pk: &str, op: &str) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", s(pk))
        .key("sk", s("-"))
        .update_expression("SET available = available - :q, #op = :t")
        .condition_expression("available >= :q AND attribute_not_exists(#op)")
        .expression_attribute_names("#op", op)
        .expression_attribute_values(":q", n(1))
        .expression_attribute_values(":t", n(7))
}

/// Takes one from a counter: always one write unit.
pub fn take(client: &Client, pk: &str) -> UpdateItemFluentBuilder {
    let update = client.update_item().table_name(TABLE).key("pk", s(pk)).key("sk", s("-"));
    update.update_expression("SET available = available - :q").expression_attribute_values(":q", n(1))
}

/// Puts a counter.
pub async fn stock(client: &Client, pk: &str, available: i64) {
    let put = client.put_item().table_name(TABLE).item("pk", s(pk)).item("sk", s("-")).item("available", n(available));
    put.send().await.unwrap();
}

/// What a counter has left.
pub async fn left(client: &Client, pk: &str) -> i64 {
    let get = client.get_item().table_name(TABLE).key("pk", s(pk)).key("sk", s("-")).consistent_read(true);
    get.send().await.unwrap().item.unwrap()["available"].as_n().unwrap().parse().unwrap()
}
