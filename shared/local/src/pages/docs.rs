//! The API's documentation: the OpenAPI as one page of HTML that needs nothing else, no other host and no build.
//!
//! It shows what stands in the document and nothing besides. Every text is escaped: descriptions come from our own
//! sources, but a page that is safe only as long as they are tame is not safe.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// How deep nested types are unfolded before only their name is shown.
const DEPTH: usize = 6;
/// The order in which the methods of a path are listed.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The whole page.
#[must_use]
pub fn page(openapi: &Value) -> String {
    let docs = Docs { root: openapi };
    let groups = docs.groups();
    let info = &openapi["info"];
    let mut body = format!("<nav><h1>{} <small>{}</small></h1>", text(&info["title"]), text(&info["version"]));
    body.push_str("<input type=search placeholder=\"Filter: product, POST, staff …\" aria-label=\"Filter\">");
    for group in &groups {
        body.push_str(&navigation(group));
    }
    let _ = write!(
        body,
        "</nav><main><h1>{} API</h1><p class=lead>{}</p>",
        text(&info["title"]),
        prose(&info["description"])
    );
    body.push_str("<p class=lead>This page as data: <a href=\"/openapi.json\">openapi.json</a>.</p>");
    for group in &groups {
        let _ = write!(body, "<section data-group><h2>{}</h2><p>{}</p>", escape(group.name), escape(group.about));
        for operation in &group.operations {
            body.push_str(&docs.operation(operation));
        }
        body.push_str("</section>");
    }
    body.push_str("</main>");
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{} API</title><style>{}</style>{body}<script>{}</script></html>",
        text(&info["title"]),
        include_str!("docs.css"),
        include_str!("docs.js"),
    )
}

struct Docs<'a> {
    root: &'a Value,
}

/// The operations of one tag.
struct Group<'a> {
    name: &'a str,
    about: &'a str,
    operations: Vec<Operation<'a>>,
}

struct Operation<'a> {
    method: String,
    path: &'a str,
    value: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> String {
        text(&self.value["operationId"])
    }

    /// What the filter looks at.
    fn words(&self) -> String {
        let scopes = self.value["x-oxcart"]["scopes"].to_string();
        let words = format!("{} {} {} {scopes}", self.method, self.path, self.value["operationId"]);
        escape(&format!("{words} {}", self.value["summary"]).to_lowercase())
    }
}

fn navigation(group: &Group) -> String {
    let mut html = format!("<div data-group><h2>{}</h2><ul>", escape(group.name));
    for operation in &group.operations {
        let (method, path) = (&operation.method, escape(operation.path));
        let _ = write!(
            html,
            "<li data-find=\"{}\"><a href=\"#{}\"><span class=\"method {method}\">{method}</span><span>{path}</span></a></li>",
            operation.words(),
            operation.id(),
        );
    }
    html + "</ul></div>"
}

impl<'a> Docs<'a> {
    fn groups(&self) -> Vec<Group<'a>> {
        let tags = self.root["tags"].as_array().into_iter().flatten();
        let group = |tag: &'a Value| {
            let name = tag["name"].as_str().unwrap_or_default();
            Group { name, about: tag["description"].as_str().unwrap_or_default(), operations: self.operations(name) }
        };
        tags.map(group).collect()
    }

    fn operations(&self, tag: &str) -> Vec<Operation<'a>> {
        let mut found = Vec::new();
        for (path, methods) in self.root["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                let Some(value) = methods.get(method) else { continue };
                if value["tags"][0] == tag {
                    found.push(Operation { method: method.to_uppercase(), path, value });
                }
            }
        }
        // What shoppers call stands first; the sort is stable.
        found.sort_by_key(|operation| operation.path.contains("/admin/"));
        found
    }

    /// What a reference points at; anything else is itself.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let path = value.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| self.root.pointer(path)).unwrap_or(value)
    }

    fn operation(&self, operation: &Operation<'a>) -> String {
        let Operation { method, path, value } = operation;
        let mut html = format!(
            "<article id=\"{}\" data-find=\"{}\"><h3><span class=\"method {method}\">{method}</span><span class=path>{}</span>\
             <a class=name href=\"#{0}\">{0}</a></h3><p class=summary>{}</p>",
            operation.id(),
            operation.words(),
            escape(path),
            prose(&value["summary"]),
        );
        html.push_str(&behaviour(&value["x-oxcart"]));
        html.push_str(&self.parameters(value));
        let body = value.pointer("/requestBody/content/application~1json/schema");
        if let Some(schema) = body {
            let _ = write!(html, "<h4>Body</h4>{}", self.tree(schema));
        }
        html.push_str(&self.replies(value));
        html.push_str(&self.problems(value));
        let _ = write!(html, "<h4>Try it</h4><pre>{}</pre></article>", self.curl(operation, body));
        html
    }

    fn parameters(&self, operation: &'a Value) -> String {
        let all: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
        if all.is_empty() {
            return String::new();
        }
        let mut html = String::from("<h4>Parameters</h4><ul class=tree>");
        for parameter in all {
            let parameter = self.resolve(parameter);
            let must = if parameter["required"] == true { " <span class=must>required</span>" } else { "" };
            let place = text(&parameter["in"]);
            let _ = write!(
                html,
                "<li><span class=field>{}</span>{must} <span class=type>{place} · {}</span>{}</li>",
                text(&parameter["name"]),
                self.type_of(&parameter["schema"]),
                about(self.described(parameter)),
            );
        }
        html + "</ul>"
    }

    /// A value's own description, or that of the type it refers to.
    fn described(&self, value: &'a Value) -> &'a Value {
        let inner = value.get("schema").unwrap_or(value);
        value.get("description").unwrap_or_else(|| &self.resolve(inner)["description"])
    }

    fn replies(&self, operation: &'a Value) -> String {
        let mut html = String::from("<h4>Replies</h4>");
        for (status, reply) in self.responses(operation).filter(|(status, _)| status.as_str() < "400") {
            let _ = write!(html, "<div class=reply>{} {}", badge(status), prose(&reply["description"]));
            if let Some(schema) = reply.pointer("/content/application~1json/schema") {
                let shown = self.tree(schema);
                let _ = write!(html, "<details><summary>{}</summary>{shown}</details>", self.type_of(schema));
            }
            html.push_str("</div>");
        }
        html
    }

    fn problems(&self, operation: &'a Value) -> String {
        let mut rows = String::new();
        let mut count = 0;
        for (status, reply) in self.responses(operation).filter(|(status, _)| status.as_str() >= "400") {
            for line in reply["description"].as_str().unwrap_or_default().lines() {
                let (code, title) = line.trim_start_matches("- `").split_once("`: ").unwrap_or(("", line));
                let code = escape(code);
                let _ = write!(
                    rows,
                    "<tr><td>{}<td><a href=\"/problems/{code}\">{code}</a><td>{}",
                    badge(status),
                    escape(title)
                );
                count += 1;
            }
        }
        format!(
            "<h4>Problems</h4><details><summary>{count} that it can answer</summary><table>{rows}</table></details>"
        )
    }

    fn responses(&self, operation: &'a Value) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let all = operation["responses"].as_object().into_iter().flatten();
        all.map(|(status, reply)| (status, self.resolve(reply)))
    }

    // --- schemas ---------------------------------------------------------------------------------------------------

    /// A schema as a list of its members.
    fn tree(&self, schema: &'a Value) -> String {
        let inside = self.members(schema, &mut Vec::new());
        if inside.is_empty() { format!("<p class=type>{}</p>", self.type_of(schema)) } else { inside }
    }

    /// The members of an object, of a list's items, or of each alternative; nothing for plain values.
    fn members(&self, schema: &'a Value, above: &mut Vec<&'a str>) -> String {
        let name = schema.get("$ref").and_then(Value::as_str);
        if above.len() >= DEPTH || name.is_some_and(|name| above.contains(&name)) {
            return String::new();
        }
        above.push(name.unwrap_or_default());
        let schema = self.resolve(schema);
        let html = if let Some(properties) = schema["properties"].as_object() {
            self.object(schema, properties, above)
        } else if let Some(items) = schema.get("items") {
            self.members(items, above)
        } else if let Some(rest) = schema.get("additionalProperties").filter(|rest| rest.is_object()) {
            self.members(rest, above)
        } else {
            self.alternatives(schema, above)
        };
        above.pop();
        html
    }

    fn object(&self, schema: &'a Value, properties: &'a Map<String, Value>, above: &mut Vec<&'a str>) -> String {
        let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let mut names: Vec<&String> = properties.keys().collect();
        names.sort_by_key(|name| !required(name));
        let mut html = String::from("<ul class=tree>");
        for name in names {
            let Some(property) = properties.get(name) else { continue };
            let must = if required(name) { " <span class=must>required</span>" } else { "" };
            let inside = self.members(property, above);
            let inside = match (inside.is_empty(), above.len()) {
                (true, _) => inside,
                (false, 1) => format!("<details open><summary>members</summary>{inside}</details>"),
                (false, _) => format!("<details><summary>members</summary>{inside}</details>"),
            };
            let _ = write!(
                html,
                "<li><span class=field>{}</span>{must} <span class=type>{}</span>{}{inside}</li>",
                escape(name),
                self.type_of(property),
                about(self.described(property)),
            );
        }
        html + "</ul>"
    }

    fn alternatives(&self, schema: &'a Value, above: &mut Vec<&'a str>) -> String {
        let mut html = String::new();
        for option in options(schema) {
            let inside = self.members(option, above);
            if !inside.is_empty() {
                let _ =
                    write!(html, "<li><span class=type>either</span>{}{inside}</li>", about(&option["description"]));
            }
        }
        // One alternative beside null is not a choice.
        match html.matches("<span class=type>either</span>").count() {
            0 => String::new(),
            1 if options(schema).count() == 2 => {
                html.replacen("<span class=type>either</span>", "", 1).replacen("<li>", "<ul class=tree><li>", 1)
                    + "</ul>"
            }
            _ => format!("<ul class=tree>{html}</ul>"),
        }
    }

    /// A type in a few words: what it is, its limits, its values.
    fn type_of(&self, schema: &'a Value) -> String {
        let target = self.resolve(schema);
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let plain = target.get("properties").is_none() && options(target).next().is_none();
        let kind = match (name, target.get("items")) {
            (Some(name), _) if !plain => escape(name),
            (_, Some(items)) => format!("list of {}", self.type_of(items)),
            _ => kinds(target).unwrap_or_else(|| self.alternative_names(target)),
        };
        let mut words = vec![kind];
        words.extend(limits(target));
        let values = target["enum"].as_array().into_iter().flatten().chain(target.get("const"));
        let constants = options(target).filter_map(|option| option.get("const"));
        let enums = options(target).flat_map(|option| option["enum"].as_array().into_iter().flatten());
        let values: Vec<String> =
            values.chain(enums).chain(constants).map(|value| format!("<code>{}</code>", plain_text(value))).collect();
        if !values.is_empty() {
            words.push(values.join(" "));
        }
        for (label, key) in [("default", "default"), ("e.g.", "examples")] {
            let value = schema.get(key).or_else(|| target.get(key));
            let value = value.map(|value| value.get(0).unwrap_or(value));
            if let Some(value) = value.filter(|value| !is_empty(value)) {
                words.push(format!("{label} <code>{}</code>", plain_text(value)));
            }
        }
        words.retain(|word| !word.is_empty());
        words.join(" · ")
    }

    /// The alternatives by their types alone; nothing when they are only values of an enumeration.
    fn alternative_names(&self, schema: &'a Value) -> String {
        let name = |option: &'a Value| {
            let reference = option.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            let target = self.resolve(option);
            let value = target.get("const").is_some() || target.get("enum").is_some();
            match reference {
                Some(name) if target.get("properties").is_some() => Some(escape(name)),
                _ => kinds(target).filter(|_| !value),
            }
        };
        let mut names: Vec<String> = options(schema).filter_map(name).collect();
        names.dedup();
        if names.len() > 4 { String::new() } else { names.join(" or ") }
    }

    // --- the line for a terminal -----------------------------------------------------------------------------------

    fn curl(&self, operation: &Operation<'a>, body: Option<&'a Value>) -> String {
        let value = operation.value;
        let mut line = String::from("curl");
        if operation.method != "GET" {
            let _ = write!(line, " -X {}", operation.method);
        }
        let _ = write!(line, " '<span class=origin>http://127.0.0.1:8080</span>{}'", escape(operation.path));
        if value["x-oxcart"]["auth"] == "scopes" {
            line.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
        }
        let parameters = value["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolve(parameter));
        for header in parameters.filter(|parameter| parameter["in"] == "header" && parameter["required"] == true) {
            let name = text(&header["name"]);
            let example = if name == "If-Match" { "&quot;v1&quot;" } else { "a-fresh-random-value" };
            let _ = write!(line, " \\\n  -H '{name}: {example}'");
        }
        if let Some(schema) = body {
            let example = self.example(schema, 0).to_string().replace('\'', "'\\''");
            let _ = write!(line, " \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'", escape(&example));
        }
        line
    }

    /// A value that a schema would take, as far as it says: the required members only.
    fn example(&self, schema: &'a Value, depth: usize) -> Value {
        let target = self.resolve(schema);
        let given =
            [target.pointer("/examples/0"), target.get("const"), target.pointer("/enum/0"), target.get("default")];
        if let Some(value) = given.into_iter().flatten().next() {
            return value.clone();
        }
        if depth > DEPTH {
            return Value::Null;
        }
        if let Some(option) = options(target).next() {
            return self.example(option, depth + 1);
        }
        let kind = target["type"].as_str().or_else(|| target.pointer("/type/0").and_then(Value::as_str));
        match kind.unwrap_or_default() {
            "object" => {
                let names = target["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let member =
                    |name: &str| Some((name.to_owned(), self.example(target["properties"].get(name)?, depth + 1)));
                Value::Object(names.filter_map(member).collect())
            }
            "array" => {
                Value::Array(target.get("items").map(|items| self.example(items, depth + 1)).into_iter().collect())
            }
            "integer" | "number" => {
                target.get("minimum").filter(|n| *n != 0).cloned().unwrap_or_else(|| Value::from(1))
            }
            "boolean" => Value::from(true),
            "string" => Value::from("…"),
            _ => Value::Null,
        }
    }
}

fn options(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = [schema.get("anyOf"), schema.get("oneOf")];
    lists.into_iter().flatten().filter_map(Value::as_array).flatten()
}

/// Who may call, and how the route behaves.
fn behaviour(oxcart: &Value) -> String {
    let scopes: Vec<String> = oxcart["scopes"].as_array().into_iter().flatten().map(text).collect();
    let who = match oxcart["auth"].as_str() {
        Some("scopes") => format!("needs a token with {}", scopes.join(" or ")),
        Some("optional") => "anyone; a token says who".to_owned(),
        _ => "anyone".to_owned(),
    };
    let mut html = format!("<ul class=chips><li class=who>{who}</li>");
    match oxcart["idempotency"].as_str() {
        Some("required") => html.push_str("<li>Idempotency-Key required</li>"),
        Some("accepted") => html.push_str("<li>takes an Idempotency-Key</li>"),
        _ => {}
    }
    let _ = write!(html, "<li>throttle: {}</li><li>{}</li>", text(&oxcart["throttle"]), text(&oxcart["cache"]));
    if let Some(bytes) = oxcart["body_bytes"].as_u64() {
        let _ = write!(html, "<li>body up to {} KB</li>", bytes / 1024);
    }
    html + "</ul>"
}

/// The JSON types and the format; nothing when the schema names none.
fn kinds(schema: &Value) -> Option<String> {
    let names: Vec<&str> = match schema.get("type")? {
        Value::String(kind) => vec![kind],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let format = schema["format"].as_str().filter(|format| !format.contains("int"));
    let format = format.map(|format| format!(" ({})", escape(format))).unwrap_or_default();
    Some(escape(&names.join(" or ")) + &format)
}

fn limits(schema: &Value) -> Option<String> {
    let range = |low: &str, high: &str, unit: &str| {
        let low = schema.get(low).filter(|value| **value != 0);
        match (low, schema.get(high)) {
            (Some(low), Some(high)) => Some(format!("{low}–{high}{unit}")),
            (None, Some(high)) => Some(format!("up to {high}{unit}")),
            (Some(low), None) => Some(format!("at least {low}{unit}")),
            (None, None) => None,
        }
    };
    let all = [
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " items"),
        range("minProperties", "maxProperties", " members"),
        range("minimum", "maximum", ""),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn badge(status: &str) -> String {
    let class = status.chars().next().unwrap_or('2');
    format!("<span class=\"status s{class}\">{}</span>", escape(status))
}

/// Whether a default says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn about(description: &Value) -> String {
    match description.as_str() {
        Some(_) => format!("<span class=about>{}</span>", prose(description)),
        None => String::new(),
    }
}

/// A text with what stands between backticks set as code.
fn prose(value: &Value) -> String {
    let whole = escape(value.as_str().unwrap_or_default());
    let parts = whole.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| escape(&value.to_string()), escape)
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(summary: &str, schema: Value) -> Value {
        json!({
            "info": { "title": "Shop", "version": "1" },
            "tags": [{ "name": "things", "description": "All of them." }],
            "paths": { "/v1/things": { "post": {
                "operationId": "make-thing", "summary": summary, "tags": ["things"],
                "requestBody": { "content": { "application/json": { "schema": schema } } },
                "responses": { "201": { "description": "Made" }, "409": { "description": "- `thing-taken`: It is taken." } },
                "x-oxcart": { "auth": "scopes", "scopes": ["admin"], "throttle": "write", "cache": "no-store" },
            } } },
            "components": { "schemas": { "Node": {
                "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Node" } },
            } } },
        })
    }

    #[test]
    fn texts_are_escaped() {
        let schema = json!({ "type": "object", "properties": { "<b>": { "type": "string", "examples": ["</pre>'"] } }, "required": ["<b>"] });
        let html = page(&document("<script>alert(1)</script>", schema));
        assert!(!html.contains("<script>alert") && !html.contains("<b>") && !html.contains("</pre>'"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        let html = page(&document("makes one", json!({ "$ref": "#/components/schemas/Node" })));
        assert!(html.contains("/problems/thing-taken") && html.contains("needs a token with admin"));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let html = page(&document("makes one", json!({ "type": "string" })));
        let addresses = html.matches("http").count();
        assert_eq!(addresses, html.matches("http://127.0.0.1:8080").count());
    }
}
