//! The whole shop in one process, without a socket: the engine with its tables and queues, every function connected with
//! its own grants and nothing more, and a gateway in front that does what API Gateway does (routes, tokens, CORS).
//!
//! It owns the wiring. A request takes the path of the cloud: it becomes a real event, and the function's answer, as JSON,
//! becomes the response. It must never hold a business rule or hand a function more than its grants.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws::{BoxFuture, Clock, Config, ConfigError, LogSink, Platform, QueueSpec, SystemClock, TableSpec};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use embedded_search::{Embedded, Language};
use engine::{Engine, EngineError, Guard, Layer, Place};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use kernel::problem::code;
use kernel::{Problem, Timestamp};
use lambda::token::{Claims, Verifier};
use lambda::{Auth, BoxError, Function, Route, Running, Trigger};
use serde_json::{Value, json};

use crate::bells::Bells;
use crate::busy::{Busy, Entered};
use crate::cdn;
use crate::cors::Cors;
use crate::event::{self, Routed};
use crate::provider::{Bank, Misbehaviour};
use crate::pump::Work;
use crate::router::{Found, Router};
use crate::{grants, setup};

/// What every resource name starts with.
pub const PREFIX: &str = "oxcart-local";
/// API Gateway waits no longer for a function.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest event and the largest answer that Lambda carries.
const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// What a shop consists of.
#[derive(Clone, Default)]
pub struct Registry {
    /// Every function.
    pub functions: Vec<Function>,
    /// Every table.
    pub tables: Vec<TableSpec>,
    /// Every queue.
    pub queues: Vec<QueueSpec>,
}

/// Further layers around the engine for one function, by its name: a meter, or faults.
pub type LayersOf = Arc<dyn Fn(&str) -> Vec<Arc<dyn Layer>> + Send + Sync>;

/// Fills a buffer with bytes that nobody can guess, or that a seed repeats.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The clock of one function, by its name.
pub type ClockOf = Arc<dyn Fn(&str) -> Arc<dyn Clock> + Send + Sync>;

/// Stands around every invocation of a function: a simulation ends some of them half-way.
pub type Around = Arc<
    dyn Fn(BoxFuture<'static, Result<String, BoxError>>) -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync,
>;

/// How to open a shop.
#[derive(Clone)]
pub struct Options {
    /// Where the data lies.
    pub place: Place,
    /// Whether the engine runs on a thread of its own: yes behind a socket, no in a test that must repeat exactly.
    pub offload: bool,
    /// The address of the shop, which is the issuer of its tokens.
    pub base_url: String,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The outbox of mail; in a memory shop a temporary folder when none is named.
    pub mail: Option<PathBuf>,
    /// The origins that browsers may call from: `*`, or a list; empty turns CORS off.
    pub cors_origins: Vec<String>,
    /// Which search engine it has.
    pub search: Search,
    /// The secret of the CDN before it; without one there is no CDN. Who sends it as `x-oxcart-origin` stands behind the CDN.
    pub cdn: Option<String>,
    /// Configuration variables that differ from the local defaults, by the names that functions know them by.
    pub variables: BTreeMap<String, String>,
    /// Further layers around the engine.
    pub layers: Option<LayersOf>,
    /// The clocks of functions, where they differ from the shop's.
    pub clocks: Option<ClockOf>,
    /// What stands around every invocation.
    pub around: Option<Around>,
    /// Where randomness comes from, when not from the machine.
    pub entropy: Option<Entropy>,
}

/// The search engine of a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// None.
    Off,
    /// The embedded one: in the shop's folder, or in memory.
    Embedded,
    /// The OpenSearch that `OXCART_OPENSEARCH_URL` names.
    OpenSearch,
}

impl Search {
    /// What `OXCART_SEARCH` says of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Embedded => "embedded",
            Self::OpenSearch => "opensearch",
        }
    }
}

/// Drops every line.
struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: &str) {}
}

impl Options {
    /// In memory, on the calling thread, without a log and without search.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            place: Place::Memory,
            offload: false,
            base_url: "http://127.0.0.1:8080".into(),
            clock: Arc::new(SystemClock),
            log: Arc::new(Nowhere),
            mail: None,
            cors_origins: Vec::new(),
            search: Search::Off,
            cdn: None,
            variables: BTreeMap::new(),
            layers: None,
            clocks: None,
            around: None,
            entropy: None,
        }
    }

    /// In a folder, on the engine's own thread, without a log, with search.
    #[must_use]
    pub fn folder(folder: &Path) -> Self {
        let mail = Some(folder.join("outbox"));
        Self {
            place: Place::Folder(folder.to_owned()),
            offload: true,
            mail,
            search: Search::Embedded,
            ..Self::memory()
        }
    }
}

/// Why a shop does not open.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// The engine does not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A function cannot be connected.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The search engine does not.
    #[error(transparent)]
    Search(#[from] search::SearchError),
    /// A table or queue cannot be made.
    #[error("{what}: {reason}")]
    Setup {
        /// Its name.
        what: String,
        /// Why.
        reason: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine's public key cannot be read.
    #[error("the key of access tokens cannot be read: {0}")]
    Key(String),
    /// An expression that the local clock does not know.
    #[error("the schedule of {function}, {expression}, is not of the form rate(n minutes) or rate(n hours)")]
    Schedule {
        /// Whose it is.
        function: &'static str,
        /// What it says.
        expression: &'static str,
    },
}

/// A function that is connected.
pub(crate) struct Unit {
    pub function: Function,
    pub running: Running,
    pub guard: Arc<Guard>,
    pub layers: Vec<Arc<dyn Layer>>,
}

pub(crate) struct Inner {
    pub engine: Engine,
    pub platform: Platform,
    pub units: Vec<Unit>,
    pub work: Work,
    pub bells: Arc<Bells>,
    pub busy: Arc<Busy>,
    pub queues: Vec<QueueSpec>,
    base_url: String,
    variables: BTreeMap<String, String>,
    router: Router,
    verifier: Verifier,
    cors: Cors,
    around: Option<Around>,
    search: Option<search::engine::Adapter>,
    /// What the CDN before it keeps, and its secret.
    edge: Option<(Arc<cdn::Store>, String)>,
    /// The other half of the built-in payment provider.
    pub bank: Arc<Bank>,
    mail: PathBuf,
    /// Whether the outbox goes with the shop.
    mail_is_temporary: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.mail_is_temporary {
            // What cannot be removed lies in the system's temporary folder and is swept from there.
            let _ = std::fs::remove_dir_all(&self.mail);
        }
    }
}

/// A shop. A clone is the same shop.
#[derive(Clone)]
pub struct Shop(pub(crate) Arc<Inner>);

/// What a token says that was verified before its request came here: whom it speaks for, and what they may do. See
/// [`Shop::request_of`].
#[must_use]
pub fn verified(sub: &str, scope: &str) -> Claims {
    let (iss, aud, jti, sid) = Default::default();
    Claims { iss, sub: sub.to_owned(), aud, iat: 0, exp: i64::MAX, scope: scope.to_owned(), jti, sid }
}

impl Shop {
    /// Opens a shop: engine, tables, queues, functions. Nothing runs by itself yet; see [`crate::pump::Pump`].
    pub async fn open(options: Options, mut registry: Registry) -> Result<Self, ShopError> {
        let bank = Arc::new(Bank::default());
        if let Some(table) = registry.tables.iter_mut().find(|table| **table == payments::builtin::TABLE) {
            table.stream = true;
            registry.functions.push(bank.function());
        }
        let clock = options.clock.clone();
        let engine = Engine::open(engine::Options {
            place: options.place.clone(),
            clock: Arc::new(move || clock.now().millis()),
            offload: options.offload,
            entropy: options.entropy.clone(),
        })?;
        make_resources(&engine, &registry).await?;
        let (mail, mail_is_temporary) = mail_folder(&options)?;
        let mut pem = public_key(&engine, &format!("alias/{PREFIX}-{}", aws::keys::TOKENS.name)).await?;
        if let Some(spare) = options.variables.get("OXCART_TOKENS_SPARE") {
            pem.push_str(&public_key(&engine, spare).await?);
        }
        let variables = variables(&options, &pem, &mail);
        let config = Config::from_vars(&variables)?;
        let verifier =
            Verifier::from_pem(&pem, &config.issuer).ok_or_else(|| ShopError::Key("it is not in PEM".into()))?;

        let mut bells = Bells::default();
        let work = Work::of(&registry.functions, &mut bells)?;
        let bells = Arc::new(bells);
        let own: Arc<dyn Layer> = bells.clone();
        let platform = Platform::over(config, engine.http_client(vec![own.clone()]))
            .with_clock(options.clock.clone())
            .with_log(options.log.clone());
        let platform = match options.entropy.clone() {
            Some(entropy) => platform.with_entropy(entropy),
            None => platform,
        };
        let search = search_engine(&options, &platform)?;
        let platform = match search.clone() {
            // All functions of this process ask through the same one.
            Some(adapter) => platform.with_adapter(adapter),
            None => platform,
        };
        let edge = options.cdn.clone().map(|secret| (Arc::<cdn::Store>::default(), secret));
        let platform = match &edge {
            Some((store, _)) => {
                let adapter: aws::cdn::Adapter = store.clone();
                platform.with_adapter(adapter)
            }
            None => platform,
        };
        let router = Router::new(&registry.functions);
        let connect = |function: Function| {
            let guard = Arc::new(Guard::new(grants::of(&function, &registry.queues, &platform.config().payments)));
            let further = options.layers.as_ref().map(|layers| layers(function.name)).unwrap_or_default();
            let guarding: Arc<dyn Layer> = guard.clone();
            let bank: Arc<dyn Layer> = Arc::new(Misbehaviour(bank.clone()));
            let layers: Vec<_> = [guarding].into_iter().chain(further).chain([bank, own.clone()]).collect();
            let mut own_platform = platform.with_http(engine.http_client(layers.clone()));
            if let Some(clock_of) = &options.clocks {
                own_platform = own_platform.with_clock(clock_of(function.name));
            }
            let running = function.start(&own_platform)?;
            Ok::<_, ConfigError>(Unit { function, running, guard, layers })
        };
        let units = registry.functions.iter().cloned().map(connect).collect::<Result<_, _>>()?;
        let shop = Self(Arc::new(Inner {
            engine: engine.clone(),
            platform: platform.clone(),
            units,
            work,
            bells,
            busy: Arc::default(),
            queues: registry.queues.clone(),
            base_url: options.base_url,
            variables,
            router,
            verifier,
            cors: Cors::new(options.cors_origins),
            around: options.around,
            search,
            edge,
            bank: bank.clone(),
            mail,
            mail_is_temporary,
        }));
        bank.serve(&shop.0);
        Ok(shop)
    }

    /// The other half of the built-in payment provider.
    #[must_use]
    pub fn bank(&self) -> &Bank {
        &self.0.bank
    }

    /// Its search engine, when it has one.
    #[must_use]
    pub fn search(&self) -> Option<&search::engine::Adapter> {
        self.0.search.as_ref()
    }

    /// What the CDN before it keeps, and its secret; `None` without a CDN.
    pub(crate) fn edge(&self) -> Option<(Arc<cdn::Store>, String)> {
        self.0.edge.clone()
    }

    /// Counts something as running until the answer is dropped.
    pub(crate) fn enter(&self) -> Entered {
        self.0.busy.enter()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// A platform that may do everything: for seeding, never for a function.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// Every function.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.0.units.iter().map(|unit| &unit.function)
    }

    /// Its address.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// The folder of outgoing mail.
    #[must_use]
    pub fn outbox(&self) -> &Path {
        &self.0.mail
    }

    /// The variables that a function in another process needs to run on this shop's engine.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.0.variables
    }

    /// What functions called so far without being granted it, by function: a mistake in a declaration.
    #[must_use]
    pub fn denied(&self) -> BTreeMap<&'static str, BTreeSet<engine::Grant>> {
        self.grants_by_function(|unit| unit.guard.denied())
    }

    /// What functions were granted and did not use so far, by function. What AWS itself asks for (a worker must be allowed
    /// to read its queue) is left out.
    #[must_use]
    pub fn unused(&self) -> BTreeMap<&'static str, BTreeSet<engine::Grant>> {
        self.grants_by_function(|unit| {
            let own = grants::of_trigger(&unit.function);
            unit.guard.unused().difference(&own).cloned().collect()
        })
    }

    fn grants_by_function(
        &self,
        which: impl Fn(&Unit) -> BTreeSet<engine::Grant>,
    ) -> BTreeMap<&'static str, BTreeSet<engine::Grant>> {
        let all = self.0.units.iter().map(|unit| (unit.function.name, which(unit)));
        all.filter(|(_, grants)| !grants.is_empty()).collect()
    }

    /// Invokes a function with the JSON of an event, as `aws lambda invoke` does.
    pub async fn invoke(&self, function: &str, event: String) -> Result<String, BoxError> {
        let unit = self.0.units.iter().find(|unit| unit.function.name == function);
        let unit = unit.ok_or_else(|| format!("there is no function {function}"))?;
        self.run(unit, event, &self.request_id(), Duration::MAX).await
    }

    /// One invocation under the function's time-out. It runs on a task of its own: as in Lambda it goes on when nobody
    /// waits for its answer any more.
    pub(crate) async fn run(&self, unit: &Unit, event: String, id: &str, most: Duration) -> Result<String, BoxError> {
        let limit = Duration::from_secs(unit.function.timeout_s.into()).min(most);
        let context = lambda::event_context(id, self.now().after(limit));
        let (running, busy) = (unit.running.clone(), self.0.busy.enter());
        let mut work: BoxFuture<'static, Result<String, BoxError>> =
            Box::pin(async move { running.invoke(event, context).await });
        if let Some(around) = &self.0.around {
            work = around(work);
        }
        let task = tokio::spawn(async move {
            let result = work.await;
            drop(busy);
            result
        });
        let stop = task.abort_handle();
        match tokio::time::timeout(limit, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(died)) => Err(format!("the function panicked: {died}").into()),
            Err(_) => {
                stop.abort();
                Err(format!("the function timed out after {} s", limit.as_secs()).into())
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.platform.clock().now()
    }

    /// A fresh id in the form of AWS's request ids.
    pub(crate) fn request_id(&self) -> String {
        let hex = format!("{:032x}", u128::from_be_bytes(self.0.platform.random()));
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Writes a line of the local machinery to the log.
    pub(crate) fn log(&self, level: &str, what: &str, detail: &str) {
        let line = json!({ "time": self.now().to_string(), "level": level, "what": what, "detail": detail });
        self.0.platform.log().line(&line.to_string());
    }

    /// Waits until no function runs.
    pub async fn idle(&self) {
        self.0.busy.idle().await;
    }

    /// Answers an HTTP request as the deployed API does. Who asks from where may stand in its extensions as a
    /// [`SocketAddr`].
    pub async fn request(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        if let Some(preflight) = self.0.cors.preflight(&parts) {
            return preflight;
        }
        let asked = parts.clone();
        if parts.method == Method::HEAD {
            parts.method = Method::GET;
        }
        let id = self.request_id();
        let response =
            self.answer(&parts, body, &id, None).await.unwrap_or_else(|problem| problem_response(&problem, &id));
        self.finished(&asked, response)
    }

    /// What depends on who asks, and how: CORS, and no body for a HEAD.
    pub(crate) fn finished(&self, asked: &Parts, mut response: Response<Bytes>) -> Response<Bytes> {
        self.0.cors.allow(asked.headers.get(header::ORIGIN), response.headers_mut());
        if asked.method == Method::HEAD {
            let length = response.body().len();
            response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
            *response.body_mut() = Bytes::new();
        }
        response
    }

    /// Answers a request of somebody whose token was verified before.
    pub async fn request_of(&self, claims: &Claims, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let id = self.request_id();
        self.answer(&parts, body, &id, Some(claims)).await.unwrap_or_else(|problem| problem_response(&problem, &id))
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: Bytes,
        id: &str,
        verified: Option<&Claims>,
    ) -> Result<Response<Bytes>, Problem> {
        let (index, parameters) = match self.0.router.find(&parts.method, parts.uri.path()) {
            Found::Function(index, parameters) => (index, parameters),
            Found::OtherMethods(methods) => return Ok(method_not_allowed(&methods, id)),
            Found::Nothing => {
                return Err(Problem::new(code::NO_ROUTE, format!("no route leads to {}", parts.uri.path())));
            }
        };
        let unit = &self.0.units[index];
        let Some(route) = unit.function.route() else { return Err(Problem::internal("a route without a route")) };
        check_host(parts)?;
        let claims = match verified {
            Some(claims) => Some(claims.clone()),
            None => self.authorise(route, parts)?,
        };
        let source =
            parts.extensions.get::<SocketAddr>().map_or_else(|| "127.0.0.1".to_owned(), |at| at.ip().to_string());
        let routed = Routed {
            route_key: format!("{} {}", route.method, route.path),
            parameters: &parameters,
            claims: claims.as_ref(),
            request_id: id,
            time: self.now(),
            source_ip: &source,
        };
        let event = event::of_request(parts, &body, &routed);
        if event.len() > PAYLOAD_BYTES {
            let detail = format!("the request has {} bytes as an event; Lambda takes {PAYLOAD_BYTES}", event.len());
            return Err(Problem::new(code::BODY_TOO_LARGE, detail));
        }
        let answer = self.run(unit, event, id, GATEWAY_TIMEOUT).await.map_err(|error| {
            self.log("error", unit.function.name, &error.to_string());
            Problem::internal(error)
        })?;
        if answer.len() > PAYLOAD_BYTES {
            return Err(Problem::internal("the answer is larger than Lambda carries"));
        }
        event::to_response(&answer).ok_or_else(|| Problem::internal("the answer is not an HTTP response"))
    }

    /// What API Gateway's JWT authorizer does before a function is invoked.
    fn authorise(&self, route: &Route, parts: &Parts) -> Result<Option<Claims>, Problem> {
        let Auth::Scopes(scopes) = route.auth else { return Ok(None) };
        let refused = |detail: &'static str| Problem::new(code::UNAUTHENTICATED, detail);
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| refused("send an access token"))?;
        let text = value.to_str().map_err(|_| refused("the access token is not valid"))?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => text.trim(),
        };
        let claims = self.0.verifier.verify(token, self.now());
        let claims = claims.map_err(|_| refused("the access token is not valid"))?;
        if claims.scope.split_ascii_whitespace().any(|scope| scopes.contains(&scope)) {
            return Ok(Some(claims));
        }
        Err(Problem::new(code::FORBIDDEN, format!("this takes one of the scopes {}", scopes.join(", "))))
    }
}

/// A `Host` that is no authority never passes a real gateway.
fn check_host(parts: &Parts) -> Result<(), Problem> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let sound = |host: &HeaderValue| http::uri::Authority::try_from(host.as_bytes()).is_ok();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(()),
        (Some(host), None) if sound(host) => Ok(()),
        _ => Err(Problem::new(code::INVALID_PARAMETER, "the Host header is not valid")),
    }
}

fn method_not_allowed(methods: &[Method], id: &str) -> Response<Bytes> {
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(code::METHOD_NOT_ALLOWED, format!("allowed here: {allowed}"));
    let mut response = problem_response(&problem, id);
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// A problem that the gateway itself answers.
pub(crate) fn problem_response(problem: &Problem, id: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.document(id).to_string()));
    *response.status_mut() = StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "application/problem+json");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("x-request-id"), id);
    if problem.code.status == 401 {
        set(header::WWW_AUTHENTICATE, "Bearer");
    }
    if let Some(seconds) = problem.retry_after {
        set(header::RETRY_AFTER, &seconds.to_string());
    }
    response
}

/// The search engine, when the shop has one.
fn search_engine(options: &Options, platform: &Platform) -> Result<Option<search::engine::Adapter>, ShopError> {
    match options.search {
        Search::Off => return Ok(None),
        Search::OpenSearch => return Ok(Some(Arc::new(search::OpenSearch::connect(platform)?))),
        Search::Embedded => {}
    }
    let language = Language::parse(&platform.config().language).unwrap_or_default();
    let engine = match &options.place {
        Place::Memory => Embedded::in_memory(language),
        Place::Folder(folder) => Embedded::open(&folder.join("search"), language)?,
    };
    Ok(Some(Arc::new(engine)))
}

async fn make_resources(engine: &Engine, registry: &Registry) -> Result<(), ShopError> {
    let read = |function: &Function| match function.trigger {
        Trigger::Stream { table, .. } => Some(table.name),
        _ => None,
    };
    let streams: BTreeSet<&str> = registry.functions.iter().filter_map(read).collect();
    for table in &registry.tables {
        setup::table(engine, table, streams.contains(table.name)).await?;
    }
    for queue in &registry.queues {
        setup::queue(engine, queue).await?;
    }
    Ok(())
}

/// The outbox, and whether it goes with the shop.
fn mail_folder(options: &Options) -> Result<(PathBuf, bool), ShopError> {
    let (folder, temporary) = match (&options.mail, &options.place) {
        (Some(folder), _) => (folder.clone(), false),
        (None, Place::Folder(folder)) => (folder.join("outbox"), false),
        (None, Place::Memory) => (temporary_folder(), true),
    };
    std::fs::create_dir_all(&folder).map_err(|source| ShopError::File { path: folder.clone(), source })?;
    Ok((folder, temporary))
}

/// A folder that no other shop has, of this process or another.
fn temporary_folder() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("oxcart-outbox-{}-{count}", std::process::id()))
}

/// The public key of access tokens, in PEM.
async fn public_key(engine: &Engine, id: &str) -> Result<String, ShopError> {
    let ask = json!({ "KeyId": id });
    let answer = setup::call(engine, "TrentService.GetPublicKey", &ask).await;
    let answer = answer.map_err(|refused| ShopError::Key(refused.message))?;
    let encoded = answer["PublicKey"].as_str().unwrap_or_default().to_owned();
    STANDARD.decode(&encoded).map_err(|error| ShopError::Key(error.to_string()))?;
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
}

/// The configuration of every function, as variables: the same that a function in another process is started with.
fn variables(options: &Options, pem: &str, mail: &Path) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = [
        ("OXCART_STAGE", "local".to_owned()),
        ("OXCART_PREFIX", PREFIX.to_owned()),
        ("OXCART_QUEUE_BASE", setup::queue_url(&format!("{PREFIX}-"))),
        ("OXCART_ISSUER", options.base_url.clone()),
        ("OXCART_FILES_URL", format!("{}{}/", options.base_url, crate::files::PREFIX)),
        ("OXCART_JWT_PUBLIC_KEY", pem.to_owned()),
        ("OXCART_MAIL", format!("folder:{}", mail.display())),
        ("OXCART_MAIL_FROM", "Oxcart <shop@example.com>".to_owned()),
        ("OXCART_FUNCTION", "local".to_owned()),
        ("OXCART_SEARCH", options.search.name().to_owned()),
        ("OXCART_CDN", if options.cdn.is_some() { "local" } else { "off" }.to_owned()),
        ("AWS_REGION", engine::REGION.to_owned()),
        // The engine looks at no signature; the SDK wants something to sign with.
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all.extend(options.variables.clone());
    all
}

/// The JSON of a value, for those who look at the shop from outside.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
