//! The platform: configuration, clock, randomness, log and SDK configuration of one process, and the one place where an
//! SDK client is built. Each `fn` builds one kind of client, so a binary links only the services it calls.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::keys::{KeySpec, SecretSpec, TOKENS};
use crate::queue::{Queue, QueueSpec};
use crate::table::{Table, TableSpec};

/// Where log lines go.
pub trait LogSink: Send + Sync {
    /// One line, without its line feed.
    fn line(&self, text: &str);
}

/// Standard output: what Lambda ships to CloudWatch.
struct Stdout;

impl LogSink for Stdout {
    fn line(&self, text: &str) {
        println!("{text}");
    }
}

/// Fills a buffer with random bytes.
type Entropy = dyn Fn(&mut [u8]) + Send + Sync;

/// What a process runs on. Cheap to clone.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

struct Inner {
    config: Config,
    sdk: SdkConfig,
    /// Built at first use, and then shared: a function has many tables, and a client takes a while to build.
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    clock: Arc<dyn Clock>,
    sleep: SharedAsyncSleep,
    entropy: Arc<Entropy>,
    log: Arc<dyn LogSink>,
    /// Engines that stand under a port in this process.
    adapters: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Platform {
    /// The real thing: AWS over HTTPS, the machine's clock and randomness, standard output.
    pub fn start(config: Config) -> Result<Self, ConfigError> {
        let http = crate::tls::https_client()?;
        Ok(Self::over(config, http))
    }

    /// The same over another HTTP client under the SDK: the embedded engine.
    #[must_use]
    pub fn over(config: Config, http: SharedHttpClient) -> Self {
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        let sdk = sdk_config(&config, http, &sleep);
        let entropy = |buffer: &mut [u8]| getrandom::fill(buffer).expect("the operating system gives random bytes");
        Self(Arc::new(Inner {
            config,
            sdk,
            dynamodb: OnceLock::new(),
            clock: Arc::new(SystemClock),
            sleep,
            entropy: Arc::new(entropy),
            log: Arc::new(Stdout),
            adapters: HashMap::new(),
        }))
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            config: self.0.config.clone(),
            sdk: self.0.sdk.clone(),
            dynamodb: OnceLock::new(),
            clock: self.0.clock.clone(),
            sleep: self.0.sleep.clone(),
            entropy: self.0.entropy.clone(),
            log: self.0.log.clone(),
            adapters: self.0.adapters.clone(),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(&self, clock: Arc<dyn Clock>) -> Self {
        self.changed(|inner| inner.clock = clock)
    }

    /// The same with another source of randomness: a seeded one, in a simulation.
    #[must_use]
    pub fn with_entropy(&self, entropy: Arc<Entropy>) -> Self {
        self.changed(|inner| inner.entropy = entropy)
    }

    /// The same with another way to wait; the SDK's retries wait by it too.
    #[must_use]
    pub fn with_sleep(&self, sleep: SharedAsyncSleep) -> Self {
        self.changed(|inner| {
            inner.sdk = inner.sdk.to_builder().sleep_impl(sleep.clone()).build();
            inner.sleep = sleep;
        })
    }

    /// The same with another place for log lines.
    #[must_use]
    pub fn with_log(&self, log: Arc<dyn LogSink>) -> Self {
        self.changed(|inner| inner.log = log)
    }

    /// The same over another HTTP client under the SDK: one function's own, with its own limits.
    #[must_use]
    pub fn with_http(&self, http: SharedHttpClient) -> Self {
        self.changed(|inner| inner.sdk = inner.sdk.to_builder().http_client(http).build())
    }

    /// The same for another function.
    #[must_use]
    pub fn with_function(&self, name: &str) -> Self {
        self.changed(|inner| name.clone_into(&mut inner.config.function))
    }

    /// The same with something of this process that a capability can stand on, known by its type: the embedded search engine.
    #[must_use]
    pub fn with_adapter<T: Any + Send + Sync>(&self, adapter: T) -> Self {
        self.changed(|inner| drop(inner.adapters.insert(TypeId::of::<T>(), Arc::new(adapter))))
    }

    /// What was given by [`Platform::with_adapter`] under this type.
    #[must_use]
    pub fn adapter<T: Any + Clone + Send + Sync>(&self) -> Option<T> {
        self.0.adapters.get(&TypeId::of::<T>())?.downcast_ref::<T>().cloned()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn LogSink> {
        &self.0.log
    }

    /// Sixteen random bytes, enough for any id.
    #[must_use]
    pub fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        (self.0.entropy)(&mut bytes);
        bytes
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep.sleep(duration).await;
    }

    /// A table of this stage.
    #[must_use]
    pub fn table(&self, spec: &TableSpec) -> Table {
        let client = self.0.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.0.sdk));
        Table::new(client.clone(), self.table_name(spec), spec)
    }

    /// The full name of a table.
    #[must_use]
    pub fn table_name(&self, spec: &TableSpec) -> String {
        format!("{}-{}", self.0.config.prefix, spec.name)
    }

    /// A queue of this stage.
    #[must_use]
    pub fn queue(&self, spec: &QueueSpec) -> Queue {
        let suffix = if spec.fifo { ".fifo" } else { "" };
        let url = format!("{}{}{suffix}", self.0.config.queue_base, spec.name);
        Queue::new(self.sqs(), url, spec.fifo)
    }

    /// The dead-letter queue of a queue.
    #[must_use]
    pub fn dead_letters(&self, spec: &QueueSpec) -> Queue {
        let suffix = if spec.fifo { ".fifo" } else { "" };
        let url = format!("{}{}-dead{suffix}", self.0.config.queue_base, spec.name);
        Queue::new(self.sqs(), url, spec.fifo)
    }

    /// An SQS client.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0.sdk)
    }

    /// A KMS client.
    #[must_use]
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.0.sdk)
    }

    /// A Secrets Manager client.
    #[must_use]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0.sdk)
    }

    /// The SDK configuration, for a client that only one service uses.
    #[must_use]
    pub fn sdk(&self) -> &SdkConfig {
        &self.0.sdk
    }

    /// What KMS knows a key by.
    #[must_use]
    pub fn key_id(&self, spec: &KeySpec) -> String {
        let named = self.0.config.tokens_key.clone().filter(|_| *spec == TOKENS);
        named.unwrap_or_else(|| format!("alias/{}-{}", self.0.config.prefix, spec.name))
    }

    /// What Secrets Manager knows a secret by.
    #[must_use]
    pub fn secret_id(&self, spec: &SecretSpec) -> String {
        format!("{}/{}", self.0.config.prefix, spec.name)
    }
}

/// An attempt that takes a second is lost: DynamoDB answers in milliseconds, and the shopper is waiting. Three attempts.
fn sdk_config(config: &Config, http: SharedHttpClient, sleep: &SharedAsyncSleep) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http)
        .sleep_impl(sleep.clone())
        .time_source(SystemTimeSource::new())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts);
    if let Some(credentials) = config.credentials.clone() {
        builder = builder.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    if let Some(url) = &config.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    builder.build()
}
