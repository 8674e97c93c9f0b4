//! One wide log line and one EMF metrics document for each invocation, on standard output, where CloudWatch reads both.
//! Bodies, headers, addresses, tokens and keys are never logged; what looks like the number of a card is masked wherever a
//! note or an error carries it.

use std::any::Any;
use std::sync::PoisonError;

use kernel::card;
use lambda_runtime::Context;
use serde_json::{Map, Value, json};

use crate::call::Cx;

/// How an invocation ended.
pub(crate) struct Outcome {
    pub status: u16,
    pub code: Option<&'static str>,
    pub internal: Option<String>,
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}

/// Writes the log line and the metrics of an invocation.
pub(crate) fn report(cx: &Cx, context: &Context, what: &str, cold: bool, outcome: &Outcome) {
    let inner = cx.inner();
    let config = inner.platform.config();
    let now = cx.now();
    let duration = i64::try_from(now.since(inner.started).as_millis()).unwrap_or(i64::MAX);
    let mut notes = std::mem::take(&mut *inner.notes.lock().unwrap_or_else(PoisonError::into_inner));
    let level = match outcome.status {
        500.. => "error",
        400.. => "warn",
        _ => "info",
    };
    let mut line = Map::new();
    line.append(&mut notes.fields);
    line.values_mut().for_each(mask);
    let fields = [
        ("time", Value::from(now.to_string())),
        ("level", Value::from(level)),
        ("function", Value::from(config.function.as_str())),
        ("stage", Value::from(config.stage.as_str())),
        ("what", Value::from(what)),
        ("status", Value::from(outcome.status)),
        ("duration_ms", Value::from(duration)),
        ("cold", Value::from(cold)),
        ("request_id", Value::from(inner.request_id.as_str())),
        ("correlation_id", Value::from(inner.correlation_id.as_str())),
    ];
    line.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    let optional = [
        ("trace_id", context.xray_trace_id.clone()),
        ("caller", cx.caller().map(|caller| caller.id.to_string())),
        ("code", outcome.code.map(str::to_owned)),
        ("error", outcome.internal.as_deref().map(|text| card::masked(text).into_owned())),
    ];
    line.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))));
    inner.platform.log().line(&Value::Object(line).to_string());

    let error = i64::from(outcome.status >= 500);
    let mut metrics = vec![("Duration", duration), ("Errors", error), ("ColdStarts", i64::from(cold))];
    metrics.append(&mut notes.metrics);
    let name = format!("{}-{}", config.prefix, config.function);
    inner.platform.log().line(&emf(&name, now.millis(), &metrics).to_string());
}

/// Takes the numbers of cards out of what was noted.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) if card::found(text) => *text = card::masked(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        _ => {}
    }
}

/// A document in CloudWatch's embedded metric format, by the dimension that AWS/Lambda has too: the deployed name.
fn emf(function: &str, time: i64, metrics: &[(&'static str, i64)]) -> Value {
    let unit = |name: &str| if name == "Duration" { "Milliseconds" } else { "Count" };
    let mut values: Map<String, Value> = Map::new();
    for (name, value) in metrics {
        let sum = values.get(*name).and_then(Value::as_i64).unwrap_or(0) + value;
        values.insert((*name).to_owned(), Value::from(sum));
    }
    let named: Vec<Value> = values.keys().map(|name| json!({ "Name": name, "Unit": unit(name) })).collect();
    let mut document = json!({
        "_aws": {
            "Timestamp": time,
            "CloudWatchMetrics": [{ "Namespace": "Oxcart", "Dimensions": [["FunctionName"]], "Metrics": named }],
        },
        "FunctionName": function,
    });
    if let Some(object) = document.as_object_mut() {
        object.append(&mut values);
    }
    document
}
