//! What is checked in is what the registry says, byte for byte; and the OpenAPI holds together.

use std::collections::BTreeSet;
use std::path::Path;

use local::{generate, registry};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn generated_files_are_up_to_date() {
    let report = generate::run(&registry::source(), root(), true).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.good(), "{report}");
}

/// Every value under a key, wherever it stands.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key));
            object.values().for_each(|inner| all(inner, key, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| all(inner, key, found)),
        _ => {}
    }
}

#[test]
fn the_openapi_holds_together() {
    let document = generate::openapi::document(&registry::source()).unwrap().value();
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    for reference in references {
        let path = reference.as_str().and_then(|path| path.strip_prefix('#')).unwrap_or_else(|| panic!("{reference}"));
        assert!(document.pointer(path).is_some(), "{path} leads nowhere");
    }
    let mut ids = Vec::new();
    all(&document, "operationId", &mut ids);
    let unique: BTreeSet<&str> = ids.iter().filter_map(|id| id.as_str()).collect();
    let routes = registry::functions().iter().filter(|function| function.route().is_some()).count();
    assert_eq!((unique.len(), ids.len()), (routes, routes));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let good = operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2'));
            assert!(good, "{method} {path} promises nothing good: declare its .reply");
            assert!(operation["responses"]["500"].is_object(), "{method} {path}");
        }
    }
}

#[test]
fn no_grant_has_a_wildcard() {
    for function in registry::functions() {
        for grant in &function.grants {
            assert!(!grant.actions.is_empty() && !grant.actions.iter().any(|action| action.contains('*')), "{grant:?}");
        }
    }
}

#[test]
fn every_documented_page_is_served_from_one_host() {
    let document = generate::openapi::document(&registry::source()).unwrap().value();
    let html = local::pages::docs::page(&document);
    for function in registry::functions() {
        assert_eq!(
            html.contains(&format!("id=\"{}\"", function.name)),
            function.route().is_some(),
            "{}",
            function.name
        );
    }
    for elsewhere in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}

/// The bundled roots (`shared/aws/roots.pem`) are Amazon's: they cover AWS's own endpoints, which is all that functions
/// call. A grant for anything else means another host, and that needs a store of its own (docs/adr/0003).
#[test]
fn functions_call_no_host_that_the_bundled_roots_do_not_cover() {
    let covered = ["cloudfront", "dynamodb", "es", "kms", "s3", "secretsmanager", "ses", "sqs"];
    for function in registry::functions() {
        for action in function.grants.iter().flat_map(|grant| &grant.actions) {
            let service = action.split(':').next().unwrap_or_default();
            assert!(covered.contains(&service), "{} calls {service}", function.name);
        }
    }
}
