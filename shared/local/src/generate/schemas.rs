//! The types of all requests and answers as one set of named schemas.
//!
//! `schemars` gives each body its own document with its own `$defs`; an OpenAPI wants each type once. Two types of one
//! name that differ are refused. One type may honestly differ between its two directions (a field with a default may be
//! left out of a request, and is always in an answer): then the request's form is called `…Input`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::GenerateError;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the client.
    Request,
    /// To the client.
    Reply,
}

/// The named schemas of both directions, and how each is called.
#[derive(Default)]
pub(super) struct Schemas {
    /// Schemas as `schemars` wrote them, with the function that brought them.
    known: BTreeMap<(Way, String), (Value, String)>,
    /// Names whose request form differs from the reply's.
    two_forms: BTreeSet<String>,
    wrong: Vec<String>,
}

const DEFS: &str = "#/$defs/";

impl Schemas {
    /// Takes in the types of one document.
    pub fn add(&mut self, way: Way, root: &Value, function: &str) {
        let definitions = root.get("$defs").and_then(Value::as_object);
        let own = root_name(root).map(|name| (name, bare(root)));
        let inner = definitions.into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone()));
        for (name, schema) in own.into_iter().chain(inner) {
            let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if base != name && definitions.is_some_and(|all| all.contains_key(base)) {
                self.wrong.push(clash(base, function, function));
            }
            match self.known.get(&(way, name.clone())) {
                Some((known, first)) if *known != schema => self.wrong.push(clash(&name, first, function)),
                Some(_) => {}
                None => {
                    self.known.insert((way, name), (schema, function.to_owned()));
                }
            }
        }
    }

    /// Decides what each schema is called. Nothing may be added after this.
    pub fn settle(&mut self) -> Result<(), GenerateError> {
        let names: BTreeSet<String> = self.known.keys().map(|(_, name)| name.clone()).collect();
        let form = |way, name: &String| self.known.get(&(way, name.clone())).map(|(schema, _)| schema);
        let both: Vec<&String> = names
            .iter()
            .filter(|name| form(Way::Request, name).is_some() && form(Way::Reply, name).is_some())
            .collect();
        let mut differing: BTreeSet<String> = BTreeSet::new();
        // What refers to a schema with two forms has two forms itself.
        loop {
            let more = both.iter().filter(|name| !differing.contains(**name)).filter(|name| {
                let request = form(Way::Request, name);
                request != form(Way::Reply, name) || request.is_some_and(|schema| refers_to(schema, &differing))
            });
            let more: Vec<String> = more.map(|name| (*name).clone()).collect();
            if more.is_empty() {
                break;
            }
            differing.extend(more);
        }
        for name in &differing {
            if names.contains(&input(name)) {
                self.wrong
                    .push(format!("the request form of `{name}` would be called `{}`, which is taken", input(name)));
            }
        }
        self.two_forms = differing;
        if self.wrong.is_empty() { Ok(()) } else { Err(GenerateError(std::mem::take(&mut self.wrong))) }
    }

    /// What a type is called in the OpenAPI.
    fn name(&self, way: Way, name: &str) -> String {
        let base = pretty_name(name);
        if way == Way::Request && self.two_forms.contains(name) { input(&base) } else { base }
    }

    /// All schemas under their names, with references between them.
    pub fn components(&self) -> Map<String, Value> {
        let all = self.known.iter().map(|((way, name), (schema, _))| {
            let called = self.name(*way, name);
            (called, self.rewritten(*way, schema, Some(name)))
        });
        all.collect()
    }

    /// A document as it stands where it is used: a reference when it is a named type, else the schema itself.
    pub fn used(&self, way: Way, root: &Value) -> Value {
        match root_name(root) {
            Some(name) => reference(&self.name(way, &name)),
            None => self.rewritten(way, &bare(root), None),
        }
    }

    /// A part of a document, with its references pointing into the OpenAPI.
    pub fn part(&self, way: Way, schema: &Value) -> Value {
        self.rewritten(way, schema, None)
    }

    fn rewritten(&self, way: Way, schema: &Value, root: Option<&str>) -> Value {
        match schema {
            Value::Object(object) => {
                let members = object.iter().map(|(key, value)| {
                    let target = value.as_str().filter(|_| key == "$ref");
                    let target = target.and_then(|path| path.strip_prefix(DEFS).or(root.filter(|_| path == "#")));
                    let value = match target {
                        Some(name) => reference_path(&self.name(way, name)),
                        None => self.rewritten(way, value, root),
                    };
                    (key.clone(), value)
                });
                Value::Object(members.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.rewritten(way, item, root)).collect(),
            other => other.clone(),
        }
    }
}

/// A reference to a named schema.
pub(super) fn reference(name: &str) -> Value {
    Value::Object(Map::from_iter([("$ref".to_owned(), reference_path(name))]))
}

fn reference_path(name: &str) -> Value {
    Value::from(format!("#/components/schemas/{name}"))
}

/// The name of a document's own type; lists and plain values have none worth keeping.
fn root_name(root: &Value) -> Option<String> {
    let named = ["properties", "oneOf", "anyOf", "enum"].iter().any(|key| root.get(key).is_some());
    root.get("title").and_then(Value::as_str).filter(|_| named).map(str::to_owned)
}

/// A document's own schema, as it would stand among the definitions of another.
fn bare(root: &Value) -> Value {
    let mut schema = root.clone();
    if let Some(object) = schema.as_object_mut() {
        for key in ["$schema", "$defs", "title"] {
            object.remove(key);
        }
    }
    schema
}

fn refers_to(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(object) => object.iter().any(|(key, value)| {
            let target = value.as_str().filter(|_| key == "$ref").and_then(|path| path.strip_prefix(DEFS));
            target.is_some_and(|name| names.contains(name)) || refers_to(value, names)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, names)),
        _ => false,
    }
}

/// What OpenAPI does not allow in a name becomes an underscore.
fn pretty_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

fn input(name: &str) -> String {
    format!("{name}Input")
}

fn clash(name: &str, first: &str, second: &str) -> String {
    format!(
        "two different types are called `{name}` (in {first} and {second}); give one another name with #[schemars(rename = \"…\")]"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(title: &str, inner: Value) -> Value {
        json!({
            "$schema": "x", "title": title, "type": "object",
            "properties": { "line": { "$ref": "#/$defs/Line" } }, "$defs": { "Line": inner }
        })
    }

    #[test]
    fn a_type_that_differs_by_direction_has_two_names_and_so_has_what_refers_to_it() {
        let mut schemas = Schemas::default();
        let line = |required: &str| json!({ "type": "object", "properties": { "a": {} }, "required": [required] });
        schemas.add(Way::Request, &document("Cart", line("a")), "f");
        schemas.add(Way::Reply, &document("Cart", line("b")), "g");
        schemas.settle().unwrap();
        let components = schemas.components();
        let names: Vec<&String> = components.keys().collect();
        assert_eq!(names, ["Cart", "CartInput", "Line", "LineInput"]);
        assert_eq!(components["CartInput"]["properties"]["line"]["$ref"], "#/components/schemas/LineInput");
        assert_eq!(schemas.used(Way::Reply, &document("Cart", line("b"))), reference("Cart"));
    }

    #[test]
    fn equal_names_with_different_content_are_refused() {
        let mut schemas = Schemas::default();
        schemas.add(Way::Reply, &document("Cart", json!({ "type": "string" })), "get-cart");
        schemas.add(Way::Reply, &document("Order", json!({ "type": "integer" })), "get-order");
        let wrong = schemas.settle().unwrap_err();
        assert!(wrong.to_string().contains("`Line` (in get-cart and get-order)"), "{wrong}");
    }

    #[test]
    fn a_type_that_contains_itself_refers_to_its_name() {
        let mut schemas = Schemas::default();
        let tree = json!({ "title": "Tree", "type": "object", "properties": { "left": { "$ref": "#" } } });
        schemas.add(Way::Reply, &tree, "f");
        schemas.settle().unwrap();
        assert_eq!(schemas.components()["Tree"]["properties"]["left"]["$ref"], "#/components/schemas/Tree");
    }
}
