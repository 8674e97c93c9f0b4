//! One declaration, three uses: the type a handler receives is read from JSON, its JSON Schema stands in the OpenAPI, and
//! that same schema finds *every* wrong field of a request before serde (which stops at the first) builds the value.
//!
//! The checker knows the keywords that `schemars` emits for our types, and the formats of the kernel's own types. A
//! keyword it does not know is a bug of ours, and [`Shape::new`] refuses it, so that nothing is silently unchecked.

use std::marker::PhantomData;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::decimal::Decimal;
use crate::id::{
    AddressId, CartId, EventId, ExportId, GiftCardId, ImportId, IntentId, OrderId, ProductId, ReservationId, ReviewId,
    TransferId, UserId,
};
use crate::money::Currency;
use crate::problem::{FieldError, Place};
use crate::text::{CategoryPath, Country, CouponCode, Email, Handle, Sku, Slug};
use crate::time::Timestamp;

/// The most errors reported at once; a hostile body must not make a large answer.
const ERRORS_MAX: usize = 50;
/// The deepest nesting that is looked into.
const DEPTH_MAX: usize = 32;

/// How a value of type `T` is read from one place of a request.
pub struct Shape<T> {
    schema: Value,
    place: Place,
    marker: PhantomData<fn() -> T>,
}

impl<T: JsonSchema + DeserializeOwned> Shape<T> {
    /// The shape of `T` at a place.
    ///
    /// # Panics
    /// When the schema of `T` uses a keyword that the checker does not know: a mistake in our code, found at start.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
        if let Some(keyword) = unknown_keyword(&schema) {
            panic!("schema of {} uses `{keyword}`, which the checker does not know", T::schema_name());
        }
        Self { schema, place, marker: PhantomData }
    }

    /// The JSON Schema, with its definitions inside.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks everything, then builds the value.
    pub fn read(&self, value: Value) -> Result<T, Vec<FieldError>> {
        let mut check = Check { root: &self.schema, place: self.place, errors: Vec::new() };
        check.value(&self.schema, &value, &mut String::new(), 0);
        if !check.errors.is_empty() {
            return Err(check.errors);
        }
        serde_json::from_value(value)
            .map_err(|error| vec![FieldError { place: self.place, pointer: String::new(), detail: error.to_string() }])
    }

    /// Reads name–value pairs (a query string, path parameters): numbers and booleans are recognised by the schema, a
    /// repeated name fills a list.
    pub fn read_pairs<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<T, Vec<FieldError>> {
        let mut object = Map::new();
        let mut errors = Vec::new();
        for (name, text) in pairs {
            let property = self.schema.get("properties").and_then(|all| all.get(name));
            let schema = property.map(|schema| resolve(&self.schema, schema));
            let list = schema.is_some_and(|schema| allows(&self.schema, schema, "array"));
            let value = schema.map_or_else(|| Value::from(text), |schema| coerce(&self.schema, schema, text));
            match object.get_mut(name) {
                Some(Value::Array(values)) if list => values.push(value),
                Some(_) if property.is_some() => errors.push(FieldError {
                    place: self.place,
                    pointer: format!("/{name}"),
                    detail: "must be given once".into(),
                }),
                _ => {
                    object.insert(name.to_owned(), if list { Value::Array(vec![value]) } else { value });
                }
            }
        }
        match self.read(Value::Object(object)) {
            Ok(value) if errors.is_empty() => Ok(value),
            Ok(_) => Err(errors),
            Err(more) => Err(errors.into_iter().chain(more).collect()),
        }
    }
}

fn coerce(root: &Value, schema: &Value, text: &str) -> Value {
    if allows(root, schema, "integer")
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::from(number);
    }
    match text {
        "true" | "false" if allows(root, schema, "boolean") => Value::from(text == "true"),
        _ => Value::from(text),
    }
}

/// Whether a schema allows a JSON type, also through `anyOf` and references.
fn allows(root: &Value, schema: &Value, kind: &str) -> bool {
    let schema = resolve(root, schema);
    let direct = match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(any)) => any.iter().any(|one| one == kind),
        _ => false,
    };
    let listed = schema.get("anyOf").and_then(Value::as_array);
    direct || listed.is_some_and(|all| all.iter().any(|one| allows(root, one, kind)))
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

const KEYWORDS: &[&str] = &[
    "$schema",
    "$defs",
    "$ref",
    "title",
    "description",
    "examples",
    "default",
    "type",
    "format",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "allOf",
    "deprecated",
    "readOnly",
    "writeOnly",
];

fn unknown_keyword(schema: &Value) -> Option<String> {
    let object = schema.as_object()?;
    for (keyword, value) in object {
        if !KEYWORDS.contains(&keyword.as_str()) {
            return Some(keyword.clone());
        }
        let found = match keyword.as_str() {
            "properties" | "$defs" => value.as_object()?.values().find_map(unknown_keyword),
            "items" | "additionalProperties" | "propertyNames" => unknown_keyword(value),
            "anyOf" | "oneOf" | "allOf" => value.as_array()?.iter().find_map(unknown_keyword),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What breaks a named format; `None` when the text follows it, or the format only describes (as `int64` does).
fn format_rule(format: &str, text: &str) -> Option<String> {
    let rule = |good: bool, rule: &str| (!good).then(|| format!("must be {rule}"));
    match format {
        "email" => rule(Email::parse(text).is_some(), Email::RULE),
        "sku" => rule(Sku::parse(text).is_some(), Sku::RULE),
        "handle" => rule(Handle::parse(text).is_some(), Handle::RULE),
        "coupon" => rule(CouponCode::parse(text).is_some(), CouponCode::RULE),
        "slug" => rule(Slug::parse(text).is_some(), Slug::RULE),
        "category" => rule(CategoryPath::parse(text).is_some(), CategoryPath::RULE),
        "country" => rule(Country::parse(text).is_some(), Country::RULE),
        "currency" => rule(Currency::parse(text).is_some(), "an ISO 4217 currency code in capitals"),
        "date-time" => rule(Timestamp::parse(text).is_some(), "an RFC 3339 date and time"),
        "id-prd" => rule(ProductId::parse(text).is_some(), "a product id"),
        "id-crt" => rule(CartId::parse(text).is_some(), "a cart id"),
        "id-ord" => rule(OrderId::parse(text).is_some(), "an order id"),
        "id-rsv" => rule(ReservationId::parse(text).is_some(), "a reservation id"),
        "id-trf" => rule(TransferId::parse(text).is_some(), "a transfer id"),
        "id-gft" => rule(GiftCardId::parse(text).is_some(), "a gift card id"),
        "id-adr" => rule(AddressId::parse(text).is_some(), "an address id"),
        "id-rev" => rule(ReviewId::parse(text).is_some(), "a review id"),
        "id-imp" => rule(ImportId::parse(text).is_some(), "an import id"),
        "id-exp" => rule(ExportId::parse(text).is_some(), "an export id"),
        "id-usr" => rule(UserId::parse(text).is_some(), "a user id"),
        "id-pi" => rule(IntentId::parse(text).is_some(), "a payment intent id"),
        "id-evt" => rule(EventId::parse(text).is_some(), "an event id"),
        _ => None,
    }
}

struct Check<'a> {
    root: &'a Value,
    place: Place,
    errors: Vec<FieldError>,
}

impl Check<'_> {
    fn error(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError { place: self.place, pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, pointer: &mut String, depth: usize) {
        if depth > DEPTH_MAX {
            return self.error(pointer, "is nested too deeply");
        }
        let schema = resolve(self.root, schema);
        if schema == &Value::Bool(false) {
            return self.error(pointer, "is not a known field");
        }
        self.alternatives(schema, value, pointer, depth);
        if let Some(kinds) = schema.get("type")
            && !has_type(kinds, value)
        {
            return self.error(pointer, format!("must be {}", type_names(kinds)));
        }
        self.constants(schema, value, pointer);
        match value {
            Value::String(text) => self.string(schema, text, pointer),
            Value::Number(number) => self.number(schema, number, pointer),
            Value::Array(items) => self.array(schema, items, pointer, depth),
            Value::Object(object) => self.object(schema, object, pointer, depth),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn alternatives(&mut self, schema: &Value, value: &Value, pointer: &mut String, depth: usize) {
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(part, value, pointer, depth + 1);
        }
        let Some(options) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) else {
            return;
        };
        let mut nearest: Option<((bool, bool), Vec<FieldError>)> = None;
        for option in options {
            let mut attempt = Check { root: self.root, place: self.place, errors: Vec::new() };
            attempt.value(option, value, pointer, depth + 1);
            if attempt.errors.is_empty() {
                return;
            }
            // Of the alternatives that fail, the one whose tag matches says best what is wrong, then one of the right
            // type, then the one with the fewest complaints.
            let option = resolve(self.root, option);
            let typed = option.get("type").is_some_and(|kinds| has_type(kinds, value));
            let rank = (tag_matches(option, value), typed);
            let nearer = nearest.as_ref().is_none_or(|(best_rank, best)| {
                (rank, std::cmp::Reverse(attempt.errors.len())) > (*best_rank, std::cmp::Reverse(best.len()))
            });
            if nearer {
                nearest = Some((rank, attempt.errors));
            }
        }
        for error in nearest.map(|(_, errors)| errors).unwrap_or_default() {
            self.error(&error.pointer, error.detail);
        }
    }

    fn constants(&mut self, schema: &Value, value: &Value, pointer: &str) {
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let names: Vec<String> = allowed.iter().map(plain).collect();
            self.error(pointer, format!("must be one of {}", names.join(", ")));
        }
        if let Some(only) = schema.get("const")
            && only != value
        {
            self.error(pointer, format!("must be {}", plain(only)));
        }
    }

    fn string(&mut self, schema: &Value, text: &str, pointer: &str) {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
        match (limit("minLength"), limit("maxLength")) {
            (Some(1), _) if length == 0 => self.error(pointer, "must not be empty"),
            (Some(min), _) if length < min => self.error(pointer, format!("must have at least {min} characters")),
            (_, Some(max)) if length > max => self.error(pointer, format!("must have at most {max} characters")),
            _ => {}
        }
        let format = schema.get("format").and_then(Value::as_str);
        if let Some(detail) = format.and_then(|format| format_rule(format, text)) {
            self.error(pointer, detail);
        }
    }

    fn number(&mut self, schema: &Value, number: &serde_json::Number, pointer: &str) {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        let float = number.as_f64().filter(|_| whole.is_none() && schema.get("format").is_some_and(|f| f == "decimal"));
        // A whole number may be written as one with decimals, as 5.0.
        if float.is_some_and(|float| Decimal::of_float(float).is_none() && float.to_string().parse::<i64>().is_err()) {
            return self.error(pointer, format!("must be {}", Decimal::RULE));
        }
        let (min, max) = number_range(schema);
        match whole {
            Some(n) if min.is_some_and(|min| n < min) => {
                self.error(pointer, format!("must be at least {}", min.unwrap_or_default()));
            }
            Some(n) if max.is_some_and(|max| n > max) => {
                self.error(pointer, format!("must be at most {}", max.unwrap_or_default()));
            }
            _ => {}
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], pointer: &mut String, depth: usize) {
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
        if let Some(min) = limit("minItems").filter(|min| count < *min) {
            self.error(pointer, format!("must have at least {min} items"));
        }
        if let Some(max) = limit("maxItems").filter(|max| count > *max) {
            // The items are not looked at: a body of a million of them must not cost a million checks.
            return self.error(pointer, format!("must have at most {max} items"));
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let twice = items.iter().enumerate().find(|(index, item)| items[..*index].contains(item));
            if let Some((index, _)) = twice {
                self.error(&format!("{pointer}/{index}"), "stands in the list twice");
            }
        }
        if let Some(each) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.under(pointer, &index.to_string(), |check, pointer| check.value(each, item, pointer, depth + 1));
            }
        }
    }

    fn object(&mut self, schema: &Value, object: &Map<String, Value>, pointer: &mut String, depth: usize) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                self.under(pointer, name, |check, pointer| check.error(pointer, "is required"));
            }
        }
        let count = u64::try_from(object.len()).unwrap_or(u64::MAX);
        if let Some(max) = schema.get("maxProperties").and_then(Value::as_u64).filter(|max| count > *max) {
            return self.error(pointer, format!("must have at most {max} members"));
        }
        if let Some(min) = schema.get("minProperties").and_then(Value::as_u64).filter(|min| count < *min) {
            self.error(pointer, format!("must have at least {min} members"));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties");
        for (name, value) in object {
            if let Some(rule) = schema.get("propertyNames") {
                let key = Value::from(name.as_str());
                self.under(pointer, name, |check, pointer| check.value(rule, &key, pointer, depth + 1));
            }
            if let Some(rule) = properties.and_then(|all| all.get(name)).or(rest) {
                self.under(pointer, name, |check, pointer| check.value(rule, value, pointer, depth + 1));
            }
        }
    }

    /// Runs a check one level down, with the name escaped as RFC 6901 wants it.
    fn under(&mut self, pointer: &mut String, name: &str, check: impl FnOnce(&mut Self, &mut String)) {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        check(self, pointer);
        pointer.truncate(length);
    }
}

fn tag_matches(option: &Value, value: &Value) -> bool {
    let Some(properties) = option.get("properties").and_then(Value::as_object) else { return false };
    properties.iter().any(|(name, rule)| rule.get("const").is_some_and(|tag| value.get(name) == Some(tag)))
}

fn has_type(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match kinds {
        Value::String(kind) => is(kind),
        Value::Array(any) => any.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn type_names(kinds: &Value) -> String {
    let name = |kind: &str| match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    };
    match kinds {
        Value::String(kind) => name(kind).to_owned(),
        Value::Array(any) => any.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

/// The bounds of an integer: those written out, and those of the Rust type that `format` names.
fn number_range(schema: &Value) -> (Option<i128>, Option<i128>) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
    let (low, high) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (Some(0), Some(i128::from(u8::MAX))),
        Some("uint16") => (Some(0), Some(i128::from(u16::MAX))),
        Some("uint32") => (Some(0), Some(i128::from(u32::MAX))),
        Some("uint64" | "uint") => (Some(0), Some(i128::from(u64::MAX))),
        Some("int32") => (Some(i128::from(i32::MIN)), Some(i128::from(i32::MAX))),
        Some("int64" | "int" | "decimal") => (Some(i128::from(i64::MIN)), Some(i128::from(i64::MAX))),
        _ => (None, None),
    };
    (bound("minimum").or(low), bound("maximum").or(high))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::Money;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Line {
        sku: Sku,
        #[schemars(range(min = 1, max = 999))]
        quantity: u32,
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Body {
        email: Email,
        #[schemars(length(min = 1, max = 3))]
        lines: Vec<Line>,
        price: Option<Money>,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(tag = "grant_type", rename_all = "snake_case", deny_unknown_fields)]
    enum Grant {
        Password { email: Email, password: String },
        RefreshToken { refresh_token: String },
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Query {
        #[schemars(range(min = 1, max = 100))]
        limit: Option<u32>,
        sort: Option<Sort>,
        #[serde(default)]
        tag: Vec<String>,
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    enum Sort {
        #[serde(rename = "price")]
        Price,
        #[serde(rename = "-price")]
        PriceDown,
    }

    fn pointers(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| error.pointer.as_str()).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let body = json!({
            "email": "nobody", "lines": [{ "sku": "A B", "quantity": 0 }, { "sku": "A", "quantity": 1.5 }, { "quantity": 1000 }],
            "price": { "amount": -1, "currency": "XXX" }, "extra/field": 1
        });
        let errors = Shape::<Body>::new(Place::Body).read(body).unwrap_err();
        let mut found = pointers(&errors);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "/email",
                "/extra~1field",
                "/lines/0/quantity",
                "/lines/0/sku",
                "/lines/1/quantity",
                "/lines/2/quantity",
                "/lines/2/sku",
                "/price/amount",
                "/price/currency",
            ]
        );
    }

    #[test]
    fn a_good_body_is_built() {
        let body = json!({ "email": "Ada@example.com", "lines": [{ "sku": "A", "quantity": 2 }] });
        let body = Shape::<Body>::new(Place::Body).read(body).unwrap();
        assert_eq!((body.email.as_str(), body.lines[0].quantity, body.price), ("ada@example.com", 2, None));
    }

    #[test]
    fn a_tagged_body_is_judged_by_its_tag() {
        let shape = Shape::<Grant>::new(Place::Body);
        let errors = shape.read(json!({ "grant_type": "password", "email": "x" })).unwrap_err();
        assert_eq!(pointers(&errors), ["/password", "/email"]);
        assert!(shape.read(json!({ "grant_type": "refresh_token", "refresh_token": "t" })).is_ok());
        assert!(!shape.read(json!({ "grant_type": "magic" })).unwrap_err().is_empty());
    }

    #[test]
    fn pairs_are_read_by_their_schema() {
        let shape = Shape::<Query>::new(Place::Query);
        let read =
            shape.read_pairs([("limit", "5"), ("sort", "-price"), ("tag", "a"), ("tag", "b"), ("utm", "x")]).unwrap();
        assert_eq!(read, Query { limit: Some(5), sort: Some(Sort::PriceDown), tag: vec!["a".into(), "b".into()] });
        let errors = shape.read_pairs([("limit", "x"), ("sort", "cheap")]).unwrap_err();
        assert_eq!(pointers(&errors), ["/limit", "/sort"]);
        assert!(errors[1].detail.contains("price, -price"), "{}", errors[1].detail);
        assert_eq!(shape.read_pairs([("limit", "1"), ("limit", "2")]).unwrap_err()[0].detail, "must be given once");
        assert_eq!(shape.read_pairs([("limit", "101")]).unwrap_err()[0].detail, "must be at most 100");
    }
}
