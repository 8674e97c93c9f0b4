//! The OpenAPI 3.1 document: from each route's declaration, and the schemas of the very types that its handler uses.
//!
//! What the kit does around every handler (headers, limits, problems that any function may answer) is added here, so that
//! a declaration only says what is its own. It must never say what the code does not do.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Code;
use kernel::limits::KEY_CHARS;
use kernel::problem::code;
use lambda::{Auth, Freshness, Function, Idempotency, Route};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::schemas::{Schemas, Way, reference};
use super::{GenerateError, Source};

/// The document. Its members stand in the order in which a person reads them.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    tags: Vec<Value>,
    paths: BTreeMap<&'static str, BTreeMap<String, Operation>>,
    components: Components,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: &'static str,
    summary: &'static str,
    tags: [&'static str; 1],
    security: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Value>,
    responses: BTreeMap<String, Value>,
    #[serde(rename = "x-oxcart")]
    oxcart: Value,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Components {
    schemas: Map<String, Value>,
    parameters: Value,
    headers: Value,
    responses: BTreeMap<String, Value>,
    security_schemes: Value,
}

impl Document {
    /// The document as JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// The document of all functions with a route.
pub fn document(source: &Source) -> Result<Document, GenerateError> {
    let mut schemas = Schemas::default();
    for (_, function) in source.functions() {
        let Some(route) = function.route() else { continue };
        let documented = &route.documented;
        for schema in [&documented.path, &documented.query].into_iter().flatten() {
            // Parameters stand one by one; only the types that they use are named.
            schemas.add(Way::Request, &untitled(schema), function.name);
        }
        if let Some(schema) = &documented.body {
            schemas.add(Way::Request, schema, function.name);
        }
        for schema in documented.replies.iter().filter_map(|(_, _, schema)| schema.as_ref()) {
            schemas.add(Way::Reply, schema, function.name);
        }
    }
    schemas.settle()?;
    let mut document = Document {
        openapi: "3.1.0",
        info: info(),
        servers: json!([{ "url": "/" }]),
        tags: Vec::new(),
        paths: BTreeMap::new(),
        components: Components {
            schemas: schemas.components(),
            parameters: shared_parameters(),
            headers: shared_headers(),
            responses: BTreeMap::new(),
            security_schemes: json!({ "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token of `POST /v1/auth/token`, RS256, valid for 15 minutes. A route lists the scopes that open it; one of them is enough.",
            } }),
        },
    };
    let mut wrong = Vec::new();
    for (name, schema) in [("Problem", problem_schema()), ("FieldError", field_error_schema())] {
        if document.components.schemas.insert(name.into(), schema).is_some() {
            wrong.push(format!("a type is called `{name}`, which is the kit's own; rename it"));
        }
    }
    for service in &source.services {
        for function in &service.functions {
            let Some(route) = function.route() else { continue };
            wrong.extend(path_mismatch(function.name, route));
            let operation = operation(service.name, function, route, &schemas, &mut document.components.responses);
            let method = route.method.as_str().to_ascii_lowercase();
            document.paths.entry(route.path).or_default().insert(method, operation);
        }
        if service.functions.iter().any(|function| function.route().is_some()) {
            document.tags.push(json!({ "name": service.name, "description": service.about }));
        }
    }
    if wrong.is_empty() { Ok(document) } else { Err(GenerateError(wrong)) }
}

fn info() -> Value {
    json!({
        "title": "Oxcart",
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        "description": "The shop's HTTP API. JSON in UTF-8. Money is an integer of minor units with its currency; times are \
            RFC 3339 in UTC; ids are opaque. Errors are RFC 9457 problems with a stable `code`, and name every wrong field \
            at once. Lists are paged by an opaque cursor: pass `next` back as `cursor`, with the same filters. Every answer \
            carries `X-Request-Id`; an `X-Correlation-Id` that is sent comes back and stands in every log line. Answers are \
            compressed when `Accept-Encoding` allows it.",
    })
}

/// A schema whose own type is not to be named.
fn untitled(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    schema
}

/// What is wrong when a path's parameters are not those that its handler reads.
fn path_mismatch(name: &str, route: &Route) -> Option<String> {
    let inside = |part: &'static str| part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    let written: BTreeSet<&str> = route.path.split('/').filter_map(inside).collect();
    let schema = route.documented.path.as_ref();
    let read = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let read: BTreeSet<&str> = read.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    (written != read).then(|| format!("{name}: the path {} has {written:?}, the handler reads {read:?}", route.path))
}

fn operation(
    service: &'static str,
    function: &Function,
    route: &Route,
    schemas: &Schemas,
    shared: &mut BTreeMap<String, Value>,
) -> Operation {
    let documented = &route.documented;
    let mut responses = BTreeMap::new();
    for (status, description, schema) in &documented.replies {
        let schema = schema.as_ref().map(|schema| schemas.used(Way::Reply, schema));
        add_reply(responses.entry(status.to_string()).or_default(), *status, description, schema, route);
    }
    if has_etag(route) {
        responses.insert("304".into(), json!({ "description": "Not changed since the `ETag` of `If-None-Match`." }));
    }
    for (status, group) in problems(route) {
        responses.insert(status.to_string(), problem_response(&group, &documented.problems, shared));
    }
    Operation {
        operation_id: function.name,
        summary: function.summary,
        tags: [service],
        security: security(route.auth),
        parameters: parameters(route, schemas),
        request_body: documented.body.as_ref().map(|schema| {
            json!({ "required": true, "content": { "application/json": { "schema": schemas.used(Way::Request, schema) } } })
        }),
        responses,
        oxcart: behaviour(route),
    }
}

fn security(auth: Auth) -> Vec<Value> {
    match auth {
        Auth::Anyone => Vec::new(),
        Auth::Optional => vec![json!({}), json!({ "bearer": [] })],
        Auth::Scopes(scopes) => scopes.iter().map(|scope| json!({ "bearer": [scope] })).collect(),
    }
}

fn behaviour(route: &Route) -> Value {
    let (auth, scopes) = match route.auth {
        Auth::Anyone => ("anyone", &[][..]),
        Auth::Optional => ("optional", &[][..]),
        Auth::Scopes(scopes) => ("scopes", scopes),
    };
    let idempotency = match route.idempotency {
        Idempotency::Inherent => "inherent",
        Idempotency::Accepted | Idempotency::Derived => "accepted",
        Idempotency::Required | Idempotency::DerivedRequired => "required",
    };
    let mut value = json!({
        "auth": auth, "scopes": scopes, "throttle": route.throttle.name(), "cache": route.cache.header(),
        "idempotency": idempotency, "replayed": route.idempotency.is_kept(),
    });
    if route.documented.body.is_some() {
        value["body_bytes"] = Value::from(route.body_bytes);
    }
    value
}

// --- parameters ----------------------------------------------------------------------------------------------------

fn parameters(route: &Route, schemas: &Schemas) -> Vec<Value> {
    let mut all = Vec::new();
    for (place, schema) in [("path", &route.documented.path), ("query", &route.documented.query)] {
        let properties = schema.as_ref().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        let required = schema.as_ref().and_then(|schema| schema.get("required")).and_then(Value::as_array);
        for (name, property) in properties.into_iter().flatten() {
            let required = place == "path" || required.is_some_and(|names| names.contains(&Value::from(name.as_str())));
            all.push(parameter(place, name, required, schemas.part(Way::Request, &not_null(property))));
        }
    }
    let names = field_names(route);
    if !names.is_empty() && !all.iter().any(|known| known["name"] == "fields") {
        let schema =
            json!({ "type": "string", "examples": [names.iter().take(2).cloned().collect::<Vec<_>>().join(",")] });
        let mut sparse = parameter("query", "fields", false, schema);
        sparse["description"] = Value::from(format!("Only these members, separated by commas: {}.", names.join(", ")));
        all.push(sparse);
    }
    let headers = [
        (route.idempotency.is_honoured() && !route.idempotency.is_required()).then_some("IdempotencyKey"),
        route.idempotency.is_required().then_some("IdempotencyKeyRequired"),
        takes_if_match(route).then_some(if route.if_match_required { "IfMatchRequired" } else { "IfMatch" }),
        has_etag(route).then_some("IfNoneMatch"),
    ];
    all.extend(headers.into_iter().flatten().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    all
}

fn parameter(place: &str, name: &str, required: bool, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|object| object.remove("description"));
    let mut value = json!({ "name": name, "in": place, "required": required, "schema": schema });
    if let Some(description) = description {
        value["description"] = description;
    }
    value
}

/// A parameter is there or it is not; it is never null.
fn not_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let Some(object) = schema.as_object_mut() else { return schema };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
    schema
}

/// Whether an answer can be asked for with `If-None-Match`: the kit gives every good answer of a GET an `ETag`.
fn has_etag(route: &Route) -> bool {
    route.method == http::Method::GET && route.documented.replies.iter().any(|(_, _, schema)| schema.is_some())
}

/// Whether `If-Match` means something here: a handler that looks at it says that it can fail.
fn takes_if_match(route: &Route) -> bool {
    route.if_match_required || route.documented.problems.contains(&code::VERSION_MISMATCH)
}

/// What `?fields=` may name: the members of the first answer, or of its items when it is a page.
fn field_names(route: &Route) -> Vec<String> {
    if route.method != http::Method::GET {
        return Vec::new();
    }
    let Some(root) = route.documented.replies.iter().find_map(|(_, _, schema)| schema.as_ref()) else {
        return Vec::new();
    };
    let resolve = |part: &Value| {
        let path = part.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| root.pointer(path)).cloned().unwrap_or_else(|| part.clone())
    };
    let item = root.pointer("/properties/items/items").map_or_else(|| root.clone(), resolve);
    let properties = item.get("properties").and_then(Value::as_object);
    properties.map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

fn shared_parameters() -> Value {
    let key = |required: bool, more: &str| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": required,
            "description": format!("A fresh random value for each intention, and the same one on every retry of it.{more}"),
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_CHARS },
        })
    };
    let tag = |required: bool| {
        json!({
            "name": "If-Match", "in": "header", "required": required,
            "description": "The `ETag` that was read: the call fails with 412 when it was changed since. `*` takes any version.",
            "schema": { "type": "string" },
        })
    };
    json!({
        "IdempotencyKey": key(false, " With it, a repeated call returns what the first one did; the same key with another request is refused."),
        "IdempotencyKeyRequired": key(true, " A repeated call returns what the first one did; the same key with another body is refused."),
        "IfMatch": tag(false),
        "IfMatchRequired": tag(true),
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "An `ETag` that was read: the answer is 304 without a body when nothing changed since.",
            "schema": { "type": "string" },
        },
    })
}

fn shared_headers() -> Value {
    let header = |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
    json!({
        "ETag": header("The version of this answer.", "string"),
        "CacheControl": header("Who may keep the answer, and for how long.", "string"),
        "IdempotencyReplayed": header("`true` when this is the answer of an earlier call with the same key, given again.", "string"),
        "Location": header("Where the new thing is.", "string"),
        "RetryAfter": header("Seconds after which to try again.", "integer"),
    })
}

// --- answers -------------------------------------------------------------------------------------------------------

/// Adds a good answer; a second one of the same status is described beside the first.
fn add_reply(response: &mut Value, status: u16, description: &str, schema: Option<Value>, route: &Route) {
    let text = match response.get("description").and_then(Value::as_str) {
        Some(first) => format!("{first}; or: {description}"),
        None => description.to_owned(),
    };
    let mut headers = Map::new();
    let mut header = |name: &str, key: &str| {
        headers.insert(name.to_owned(), json!({ "$ref": format!("#/components/headers/{key}") }));
    };
    if schema.is_some() && route.method == http::Method::GET {
        header("ETag", "ETag");
    }
    if route.cache != Freshness::NoStore {
        header("Cache-Control", "CacheControl");
    }
    if matches!(status, 201 | 202) {
        header("Location", "Location");
    }
    if route.idempotency.is_kept() {
        header("Idempotency-Replayed", "IdempotencyReplayed");
    }
    let old = response.pointer("/content/application~1json/schema").cloned();
    let schema = match (old, schema) {
        (Some(old), Some(new)) if old != new => Some(json!({ "anyOf": [old, new] })),
        (old, new) => new.or(old),
    };
    *response = json!({ "description": text });
    if !headers.is_empty() {
        response["headers"] = Value::Object(headers);
    }
    if let Some(schema) = schema {
        response["content"] = json!({ "application/json": { "schema": schema } });
    }
}

/// The problems that a route can answer, by status: its own, and those that the kit answers around every handler.
fn problems(route: &Route) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let documented = &route.documented;
    let with = |yes: bool, codes: &[&'static Code]| if yes { codes.to_vec() } else { Vec::new() };
    let parameters = documented.path.is_some()
        || documented.query.is_some()
        || route.idempotency.is_honoured()
        || !field_names(route).is_empty();
    let body = [code::MALFORMED_JSON, code::BODY_TOO_LARGE, code::UNSUPPORTED_MEDIA_TYPE, code::INVALID_BODY];
    let kit = [
        with(parameters, &[code::INVALID_PARAMETER]),
        with(documented.body.is_some(), &body),
        with(route.idempotency.is_required(), &[code::KEY_MISSING]),
        with(route.idempotency.is_honoured(), &[code::KEY_REUSED]),
        with(route.idempotency.is_kept(), &[code::REQUEST_IN_FLIGHT]),
        with(route.refuses_cards, &[code::CARD_NUMBER]),
        with(route.if_match_required, &[code::IF_MATCH_REQUIRED, code::VERSION_MISMATCH]),
        with(route.auth != Auth::Anyone, &[code::UNAUTHENTICATED]),
        with(matches!(route.auth, Auth::Scopes(_)), &[code::FORBIDDEN]),
        vec![code::TOO_MANY_REQUESTS, code::INTERNAL, code::UNAVAILABLE, code::TIMED_OUT],
    ];
    let mut groups: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for code in kit.iter().flatten().chain(&documented.problems) {
        groups.entry(code.status).or_default().insert(code.name);
    }
    groups
}

/// The answer for the problems of one status. Groups without a problem of the function's own are shared.
fn problem_response(
    group: &BTreeSet<&'static str>,
    own: &[&'static Code],
    shared: &mut BTreeMap<String, Value>,
) -> Value {
    let codes = || code::ALL.iter().filter(|code| group.contains(code.name));
    let lines: Vec<String> = codes().map(|code| format!("- `{}`: {}.", code.name, code.title)).collect();
    let mut value = json!({
        "description": lines.join("\n"),
        "content": { "application/problem+json": { "schema": { "allOf": [
            reference("Problem"),
            { "type": "object", "properties": { "code": { "enum": group } } },
        ] } } },
    });
    if codes().any(|code| code.retryable) {
        value["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/RetryAfter" } });
    }
    if own.iter().any(|code| group.contains(code.name)) {
        return value;
    }
    let name = group.iter().map(|name| camel(name)).collect::<Vec<_>>().join("Or");
    shared.insert(name.clone(), value);
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// `body-too-large` as `BodyTooLarge`.
fn camel(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457). Some codes carry further members, which their description names.",
        "required": ["type", "code", "title", "status", "detail", "instance", "retryable"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "The page of this kind of problem.", "examples": ["/problems/out-of-stock"] },
            "code": { "type": "string", "description": "The last part of `type`: stable, made to be switched on.", "examples": ["out-of-stock"] },
            "title": { "type": "string", "description": "What this kind of problem is; never varies." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What happened this time, for a person." },
            "instance": { "type": "string", "description": "The request's id, as in `X-Request-Id`." },
            "retryable": { "type": "boolean", "description": "Whether the same request may succeed later." },
            "errors": { "type": "array", "description": "Every wrong value of the request.", "items": reference("FieldError") },
        },
    })
}

fn field_error_schema() -> Value {
    json!({
        "type": "object",
        "description": "One wrong value.",
        "required": ["in", "pointer", "detail"],
        "properties": {
            "in": { "type": "string", "enum": ["body", "query", "path", "header"], "description": "Where the value stood." },
            "pointer": { "type": "string", "description": "A JSON pointer (RFC 6901) into the body; `/name` for a parameter.", "examples": ["/lines/0/quantity"] },
            "detail": { "type": "string", "description": "What it must be.", "examples": ["must be at least 1"] },
        },
    })
}
