//! The declaration of a function: name, trigger, auth, limits, cache policy, memory, time-out, alarms and grants, in one
//! place. Everything generated (routes, policies, OpenAPI, tables of endpoints) reads it from here.

use std::sync::Arc;

use aws::{BoxFuture, ConfigError, Grant, Platform, QueueSpec, TableSpec};
use lambda_runtime::Context;
use serde_json::Value;

use crate::freshness::Freshness;

/// Any error, on its way to the Lambda runtime.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A function after its capabilities were connected: takes the JSON of an event, gives the JSON of the answer.
pub type Invoke = Arc<dyn Fn(String, Context) -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>;

/// Connects a function's capabilities.
pub(crate) type Connect = Arc<dyn Fn(&Platform) -> Result<Invoke, ConfigError> + Send + Sync>;

/// One Lambda function.
#[derive(Clone)]
pub struct Function {
    /// Its name, `verb-noun`: binary, alarm, event file and operation id have the same.
    pub name: &'static str,
    /// The binary, when several functions share one (a relay per table).
    pub binary: &'static str,
    /// One sentence for documents.
    pub summary: &'static str,
    /// What starts it.
    pub trigger: Trigger,
    /// Memory in MB; CPU comes in proportion.
    pub memory_mb: u32,
    /// Time-out in seconds.
    pub timeout_s: u32,
    /// What it may do: the union over its capabilities.
    pub grants: Vec<Grant>,
    /// Alarms beyond errors and throttles, which every function has.
    pub alarms: Vec<Alarm>,
    pub(crate) connect: Connect,
}

/// What starts a function.
#[derive(Clone)]
pub enum Trigger {
    /// A route of the HTTP API.
    Http(Box<Route>),
    /// Messages of a queue.
    Queue {
        /// The queue.
        queue: &'static QueueSpec,
        /// The most messages a batch.
        batch_size: u32,
        /// The most sandboxes at once.
        max_concurrency: u32,
    },
    /// Changes of a table.
    Stream {
        /// The table.
        table: &'static TableSpec,
        /// The most records a batch.
        batch_size: u32,
    },
    /// A clock.
    Schedule {
        /// An EventBridge expression, as in `rate(5 minutes)`.
        expression: &'static str,
    },
}

/// A route of the HTTP API and how it behaves.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: http::Method,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call.
    pub auth: Auth,
    /// The largest body in bytes.
    pub body_bytes: usize,
    /// What an `Idempotency-Key` means here.
    pub idempotency: Idempotency,
    /// Whether a body that carries something like the number of a payment card is refused.
    pub refuses_cards: bool,
    /// Whether `If-Match` must be sent.
    pub if_match_required: bool,
    /// How stale the answer may be, and who may keep it.
    pub cache: Freshness,
    /// Which throttle the gateway applies.
    pub throttle: Throttle,
    /// What the OpenAPI says beyond this.
    pub documented: Documented,
}

/// Schemas and answers, for the OpenAPI.
#[derive(Clone, Default)]
pub struct Documented {
    /// Schema of the path parameters.
    pub path: Option<Value>,
    /// Schema of the query parameters.
    pub query: Option<Value>,
    /// Schema of the body.
    pub body: Option<Value>,
    /// Status, description and schema of each good answer.
    pub replies: Vec<(u16, &'static str, Option<Value>)>,
    /// The problems that are this function's own.
    pub problems: Vec<&'static kernel::Code>,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anyone; a token is not looked at.
    Anyone,
    /// Anyone; a token that is sent must be valid, and says who calls.
    Optional,
    /// Whoever's token has one of these scopes.
    Scopes(&'static [&'static str]),
}

impl Auth {
    /// A signed-in customer.
    pub const CUSTOMER: Self = Self::Scopes(&["customer"]);
    /// Staff of the catalogue.
    pub const STAFF_CATALOG: Self = Self::Scopes(&["staff:catalog", "admin"]);
    /// Staff of the warehouse.
    pub const STAFF_INVENTORY: Self = Self::Scopes(&["staff:inventory", "admin"]);
    /// Administrators.
    pub const ADMIN: Self = Self::Scopes(&["admin"]);
    /// Another sales channel: a point of sale, a marketplace.
    pub const CHANNEL: Self = Self::Scopes(&["channel", "admin"]);
    /// Staff that looks after orders.
    pub const STAFF_ORDERS: Self = Self::Scopes(&["staff:orders", "admin"]);

    /// Whether shoppers call it, with what they typed: guests, or customers.
    #[must_use]
    pub fn is_for_shoppers(self) -> bool {
        match self {
            Self::Anyone | Self::Optional => true,
            Self::Scopes(scopes) => scopes.contains(&"customer"),
        }
    }
}

/// What an `Idempotency-Key` header means on a route.
///
/// Either way the handler must bear being run twice for one key: see [`crate::Cx::seed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// The call is idempotent by itself; the header is ignored.
    Inherent,
    /// With the header, a repeated call gets the first one's answer, which is kept for a day: nothing secret may be in it.
    Accepted,
    /// The same, and the header must be sent.
    Required,
    /// With the header, the handler finds the record that the first call made (its id comes from the key), refuses another
    /// request with the same key, and answers what stands now. Nothing is kept beside the record.
    Derived,
    /// The same, and the header must be sent.
    DerivedRequired,
}

impl Idempotency {
    /// Whether the header means anything.
    #[must_use]
    pub const fn is_honoured(self) -> bool {
        !matches!(self, Self::Inherent)
    }

    /// Whether the header must be sent.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::DerivedRequired)
    }

    /// Whether answers are kept and given again.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Accepted | Self::Required)
    }
}

/// Which throttle the gateway applies to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Placing orders.
    Checkout,
    /// Signing in: slow by design.
    Auth,
}

impl Throttle {
    /// Its name in `functions.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Checkout => "checkout",
            Self::Auth => "auth",
        }
    }
}

/// An alarm on a metric that the function itself writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The metric's name, in the namespace `Oxcart`.
    pub metric: &'static str,
    /// It goes off at or above this sum in a period.
    pub threshold: u32,
    /// The period in seconds.
    pub period_s: u32,
    /// After so many periods.
    pub periods: u32,
}

/// A function that is ready to be invoked.
#[derive(Clone)]
pub struct Running {
    invoke: Invoke,
}

impl Running {
    /// One invocation: the JSON of an event in, the JSON of the answer out, exactly as Lambda passes them.
    pub async fn invoke(&self, event: String, context: Context) -> Result<String, BoxError> {
        (self.invoke)(event, context).await
    }
}

impl Function {
    /// Connects its capabilities. Nothing is sent yet.
    pub fn start(&self, platform: &Platform) -> Result<Running, ConfigError> {
        Ok(Running { invoke: (self.connect)(&platform.with_function(self.name))? })
    }

    /// The route, when it is an HTTP function.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        match &self.trigger {
            Trigger::Http(route) => Some(route),
            _ => None,
        }
    }

    /// The same with another time-out, in seconds.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout_s = seconds;
        self
    }

    /// The same with another memory size, in MB.
    #[must_use]
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.memory_mb = megabytes;
        self
    }

    /// The same built from another binary.
    #[must_use]
    pub fn binary(mut self, name: &'static str) -> Self {
        self.binary = name;
        self
    }

    /// The same with an alarm on a metric of its own.
    #[must_use]
    pub fn alarm(mut self, alarm: Alarm) -> Self {
        self.alarms.push(alarm);
        self
    }
}

/// The Lambda context of an invocation that does not come from Lambda: the local gateway's, or a test's.
#[must_use]
pub fn event_context(request_id: &str, deadline: kernel::Timestamp) -> Context {
    let mut context = Context::default();
    request_id.clone_into(&mut context.request_id);
    context.deadline = u64::try_from(deadline.millis()).unwrap_or_default();
    context
}
