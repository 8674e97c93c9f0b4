//! Declaring an HTTP function: the route and how it behaves, ended by its handler.

use std::sync::Arc;

use aws::Capability;
use kernel::limits::BODY_BYTES;
use kernel::problem::{Place, code};
use kernel::shape::Shape;
use kernel::{Code, FieldError, Problem, card};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::{Call, Cx, Nothing};
use crate::freshness::Freshness;
use crate::function::{Auth, Documented, Function, Idempotency, Route, Throttle, Trigger};
use crate::idempotency::{KEEPING, Keeping};
use crate::pipeline::{self, Endpoint, Raw, Work};
use crate::reply::Reply;

/// An HTTP function under declaration.
pub struct Http {
    name: &'static str,
    summary: &'static str,
    route: Route,
    keeping: Option<Keeping>,
}

impl Http {
    fn new(method: http::Method, name: &'static str, path: &'static str) -> Self {
        let safe = method == http::Method::GET;
        Self {
            name,
            summary: "",
            keeping: None,
            route: Route {
                auth: Auth::Anyone,
                body_bytes: BODY_BYTES,
                idempotency: Idempotency::Inherent,
                refuses_cards: false,
                if_match_required: false,
                cache: if safe { Freshness::Private } else { Freshness::NoStore },
                throttle: if safe { Throttle::Read } else { Throttle::Write },
                documented: Documented::default(),
                method,
                path,
            },
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(name: &'static str, path: &'static str) -> Self {
        Self::new(http::Method::GET, name, path)
    }

    /// A POST; it accepts an `Idempotency-Key` unless told otherwise.
    #[must_use]
    pub fn post(name: &'static str, path: &'static str) -> Self {
        Self::new(http::Method::POST, name, path).idempotency(Idempotency::Accepted)
    }

    /// A PUT.
    #[must_use]
    pub fn put(name: &'static str, path: &'static str) -> Self {
        Self::new(http::Method::PUT, name, path)
    }

    /// A PATCH; it accepts an `Idempotency-Key` unless told otherwise.
    #[must_use]
    pub fn patch(name: &'static str, path: &'static str) -> Self {
        Self::new(http::Method::PATCH, name, path).idempotency(Idempotency::Accepted)
    }

    /// A DELETE.
    #[must_use]
    pub fn delete(name: &'static str, path: &'static str) -> Self {
        Self::new(http::Method::DELETE, name, path)
    }

    /// One sentence for documents.
    #[must_use]
    pub fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    /// Who may call.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.route.auth = auth;
        self
    }

    /// How stale the answer may be, and who may keep it.
    #[must_use]
    pub fn cache(mut self, cache: Freshness) -> Self {
        self.route.cache = cache;
        self
    }

    /// What an `Idempotency-Key` means.
    #[must_use]
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.route.idempotency = idempotency;
        self.keeping = idempotency.is_kept().then_some(KEEPING);
        self
    }

    /// `If-Match` must be sent.
    #[must_use]
    pub fn if_match_required(mut self) -> Self {
        self.route.if_match_required = true;
        self
    }

    /// Which throttle applies.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.route.throttle = throttle;
        self
    }

    /// The largest body, in bytes.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.route.body_bytes = bytes;
        self
    }

    /// A good answer with a body of type `T`.
    #[must_use]
    pub fn reply<T: JsonSchema>(mut self, status: u16, description: &'static str) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        self.route.documented.replies.push((status, description, Some(schema)));
        self
    }

    /// A good answer without a body.
    #[must_use]
    pub fn reply_empty(mut self, status: u16, description: &'static str) -> Self {
        self.route.documented.replies.push((status, description, None));
        self
    }

    /// The problems that are its own.
    #[must_use]
    pub fn problems(mut self, codes: &[&'static Code]) -> Self {
        self.route.documented.problems.extend_from_slice(codes);
        self
    }

    /// Ends the declaration with the handler: an `async fn(Call<Path, Query, Body>, Capabilities)`.
    #[must_use]
    pub fn handle<P, Q, B, C, F, Fut>(mut self, handler: F) -> Function
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: DeserializeOwned + JsonSchema + Send + 'static,
        C: Capability,
        F: Fn(Call<P, Q, B>, C) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        let shapes = Arc::new(Shapes::<P, Q, B>::new());
        self.route.documented.path = shapes.path.as_ref().map(|shape| shape.schema().clone());
        self.route.documented.query = shapes.query.as_ref().map(|shape| shape.schema().clone());
        self.route.documented.body = shapes.body.as_ref().map(|shape| shape.schema().clone());
        self.route.refuses_cards = shapes.body.is_some() && self.route.auth.is_for_shoppers();
        let (route, keeping) = (Arc::new(self.route.clone()), self.keeping);
        let connect = move |platform: &aws::Platform| {
            let capabilities = C::connect(platform)?;
            let (shapes, refuses_cards) = (shapes.clone(), route.refuses_cards);
            let endpoint: Endpoint = Arc::new(move |raw, cx| {
                let call = shapes.parse(raw, cx, refuses_cards)?;
                let capabilities = capabilities.clone();
                let work: Work = Box::pin(async move { handler(call, capabilities).await });
                Ok(work)
            });
            let keeper = keeping.map(|keeping| (keeping.connect)(platform, route.clone())).transpose()?;
            pipeline::invoke(platform.clone(), route.clone(), endpoint, keeper)
        };
        let kept = self.keeping.map(|keeping| (keeping.grants)()).unwrap_or_default();
        Function {
            name: self.name,
            binary: self.name,
            summary: self.summary,
            trigger: Trigger::Http(Box::new(self.route)),
            memory_mb: 512,
            timeout_s: 10,
            grants: aws::grants::union(C::grants().into_iter().chain(kept)),
            alarms: Vec::new(),
            connect: Arc::new(connect),
        }
    }
}

/// How the three parts of a request are read; `None` where a handler takes [`Nothing`].
struct Shapes<P, Q, B> {
    path: Option<Shape<P>>,
    query: Option<Shape<Q>>,
    body: Option<Shape<B>>,
}

fn shape<T: DeserializeOwned + JsonSchema>(place: Place) -> Option<Shape<T>> {
    (T::schema_name() != Nothing::schema_name()).then(|| Shape::new(place))
}

/// Whether a schema names members and requires none of them.
fn all_optional(schema: &Value) -> bool {
    schema.get("properties").is_some() && schema.get("required").is_none()
}

fn nothing<T: DeserializeOwned>() -> Result<T, Vec<FieldError>> {
    serde_json::from_value(Value::Object(serde_json::Map::new())).map_err(|_| Vec::new())
}

/// Card numbers are the payment provider's business: a body that carries one is refused before anything else reads it, and
/// the answer says where it stood and nothing of it.
fn no_card_numbers(body: &Value, cx: &Cx) -> Result<(), Problem> {
    let places = card::places(body);
    let Some(first) = places.first().cloned() else { return Ok(()) };
    cx.count("CardNumbersRefused", 1);
    let error = |pointer| FieldError {
        place: Place::Body,
        pointer,
        detail: "looks like the number of a payment card; send the token that the payment provider gave for it".into(),
    };
    let detail = format!("{first} looks like the number of a payment card; nothing of it was stored");
    Err(Problem { errors: places.into_iter().map(error).collect(), ..Problem::new(code::CARD_NUMBER, detail) })
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

impl<P, Q, B> Shapes<P, Q, B>
where
    P: DeserializeOwned + JsonSchema,
    Q: DeserializeOwned + JsonSchema,
    B: DeserializeOwned + JsonSchema,
{
    fn new() -> Self {
        Self { path: shape(Place::Path), query: shape(Place::Query), body: shape(Place::Body) }
    }

    /// Reads all three parts and reports everything that is wrong with any of them.
    fn parse(&self, raw: Raw, cx: Cx, refuses_cards: bool) -> Result<Call<P, Q, B>, Problem> {
        let path = self.path.as_ref().map_or_else(nothing, |shape| shape.read_pairs(borrowed(&raw.path)));
        let query = self.query.as_ref().map_or_else(nothing, |shape| shape.read_pairs(borrowed(&raw.query)));
        let body = match &self.body {
            None => nothing(),
            // No body at all stands for an empty object where nothing in it is required.
            Some(shape) if raw.body.is_empty() && all_optional(shape.schema()) => {
                shape.read(Value::Object(serde_json::Map::new()))
            }
            Some(shape) => {
                let body = raw.json()?;
                if refuses_cards {
                    no_card_numbers(&body, &cx)?;
                }
                shape.read(body)
            }
        };
        match (path, query, body) {
            (Ok(path), Ok(query), Ok(body)) => Ok(Call { path, query, body, cx }),
            (path, query, body) => {
                let errors = [path.err(), query.err(), body.err()].into_iter().flatten().flatten();
                Err(Problem::invalid(errors.collect()))
            }
        }
    }
}
