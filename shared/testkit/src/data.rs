//! Tables to test against: the embedded engine, or Amazon's DynamoDB Local when `OXCART_DYNAMODB_URL` names one. The same
//! tests run on both.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{Clock, Config, ManualClock, Platform, TableSpec};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use engine::{Engine, Options};
use kernel::Timestamp;

/// A moment to start tests at: 2026-11-27T08:00:00Z, a Black Friday.
pub const START: Timestamp = Timestamp::from_millis(1_795_766_400_000);

/// A platform over fresh tables of its own, with a clock that stands until it is moved.
pub struct Data {
    /// What capabilities connect to.
    pub platform: Platform,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The embedded engine under it, unless the tests run against DynamoDB Local: to put layers around it.
    pub engine: Option<Engine>,
}

/// The address of Amazon's DynamoDB Local, when tests are to run against it.
#[must_use]
pub fn dynamodb_url() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment which engine to run against")]
    std::env::var("OXCART_DYNAMODB_URL").ok().filter(|url| !url.is_empty())
}

/// Makes fresh tables.
///
/// # Panics
/// When the engine cannot be reached, or refuses a table: then no test can run.
pub async fn open(tables: &[&TableSpec]) -> Data {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    let name = format!("oxcart-test-{}", u64::from_be_bytes(random));
    let url = dynamodb_url();
    let mut vars: BTreeMap<String, String> = [
        ("OXCART_STAGE", "test"),
        ("OXCART_PREFIX", &name),
        ("AWS_REGION", "us-east-1"),
        ("OXCART_QUEUE_BASE", "http://sqs.local/000000000000/test-"),
        ("OXCART_ISSUER", "http://test"),
        ("OXCART_MAIL_FROM", "shop@example.com"),
        ("OXCART_FUNCTION", "test"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let clock = Arc::new(ManualClock::at(START));
    let (platform, engine) = match url {
        Some(url) => {
            vars.insert("AWS_ENDPOINT_URL".into(), url);
            let config = Config::from_vars(&vars).expect("a complete configuration");
            (Platform::start(config).expect("an HTTP client"), None)
        }
        None => {
            let ticks = clock.clone();
            let engine =
                Engine::open(Options::memory(Arc::new(move || ticks.now().millis()))).expect("an engine in memory");
            let config = Config::from_vars(&vars).expect("a complete configuration");
            (Platform::over(config, engine.http_client(Vec::new())), Some(engine))
        }
    };
    let platform = platform.with_clock(clock.clone());
    for table in tables {
        create(&platform, table).await;
    }
    Data { platform, clock, engine }
}

async fn create(platform: &Platform, spec: &TableSpec) {
    let table = platform.table(spec);
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("name and kind are given")
    };
    let keys = |partition: &str, sort: Option<&str>| {
        let partition = std::iter::once(key(partition, KeyType::Hash));
        partition.chain(sort.map(|name| key(name, KeyType::Range))).collect::<Vec<_>>()
    };
    let attribute = |name: &str, numeric: bool| {
        let kind = if numeric { ScalarAttributeType::N } else { ScalarAttributeType::S };
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
            .build()
            .expect("name and type are given")
    };
    let mut attributes: BTreeMap<&str, bool> = BTreeMap::from([(spec.partition_key, false)]);
    attributes.extend(spec.sort_key.map(|name| (name, false)));
    let mut request = table.client().create_table().table_name(table.name()).billing_mode(BillingMode::PayPerRequest);
    request = request.set_key_schema(Some(keys(spec.partition_key, spec.sort_key)));
    for index in spec.indexes {
        attributes.insert(index.partition_key, false);
        attributes.extend(index.sort_key.map(|name| (name, index.numeric_sort)));
        let kind = if index.whole { ProjectionType::All } else { ProjectionType::KeysOnly };
        let built = GlobalSecondaryIndex::builder()
            .index_name(index.name)
            .set_key_schema(Some(keys(index.partition_key, index.sort_key)))
            .projection(Projection::builder().projection_type(kind).build());
        request = request.global_secondary_indexes(built.build().expect("name and keys are given"));
    }
    for (name, numeric) in attributes {
        request = request.attribute_definitions(attribute(name, numeric));
    }
    request.send().await.expect("the table is made");
}
