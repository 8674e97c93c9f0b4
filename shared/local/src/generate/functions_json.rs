//! `infra/generated/functions.json`: everything Terraform is told. infra/*.tf names no function, table or queue of its own.

use std::collections::{BTreeMap, BTreeSet};

use aws::{Grant, IndexSpec, QueueSpec, Resource, TableSpec};
use lambda::{Alarm, Auth, Function, Trigger};
use serde::Serialize;

use super::{Service, Source};

/// A batch of more than ten messages needs a window (AWS); up to ten, a message is handed over at once.
const BATCH_WITHOUT_WINDOW: u32 = 10;
/// Batches of one stream shard that run at once. Order holds for each item whatever stands here.
const STREAM_PARALLELIZATION: u32 = 4;
/// Further tries of a stream record. A relay that gives up loses an event, and the only thing it waits for is SQS: so it
/// tries for about as long as the stream keeps its records, and the alarm on the iterator's age calls somebody long before.
const STREAM_RETRIES: u32 = 1_000;

#[derive(Serialize)]
struct Document<'a> {
    functions: Vec<FunctionLine<'a>>,
    tables: Vec<TableLine>,
    queues: Vec<QueueLine>,
    keys: Vec<Named>,
    /// The folders of the bucket of files.
    objects: Vec<Named>,
    secrets: Vec<SecretLine>,
}

#[derive(Serialize)]
struct FunctionLine<'a> {
    name: &'static str,
    binary: &'static str,
    service: &'static str,
    summary: &'static str,
    memory_mb: u32,
    timeout_s: u32,
    trigger: TriggerLine,
    grants: &'a [Grant],
    alarms: Vec<AlarmLine>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum TriggerLine {
    Http { method: String, path: &'static str, auth: AuthLine, throttle: &'static str },
    Queue { queue: &'static str, batch_size: u32, window_s: u32, max_concurrency: u32 },
    Stream { table: &'static str, batch_size: u32, parallelization: u32, retries: u32 },
    Schedule { expression: &'static str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum AuthLine {
    Anyone,
    Optional,
    Scopes { scopes: &'static [&'static str] },
}

/// Without a namespace it is one of Lambda's own metrics.
#[derive(Serialize)]
struct AlarmLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
    metric: &'static str,
    threshold: u32,
    period_s: u32,
    periods: u32,
}

#[derive(Serialize)]
struct TableLine {
    name: &'static str,
    partition_key: &'static str,
    sort_key: Option<&'static str>,
    indexes: Vec<IndexLine>,
    ttl: Option<&'static str>,
    stream: bool,
}

#[derive(Serialize)]
struct IndexLine {
    name: &'static str,
    partition_key: &'static str,
    sort_key: Option<&'static str>,
    sort_type: &'static str,
    projection: &'static str,
}

#[derive(Serialize)]
struct QueueLine {
    name: &'static str,
    fifo: bool,
    visibility_s: u32,
    max_receives: u32,
    max_age_alarm_s: u32,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
}

#[derive(Serialize)]
struct SecretLine {
    name: &'static str,
    /// Whether whoever runs the stage brings its value; the others are drawn at random.
    brought: bool,
    /// The payment provider without which there is no such secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_with: Option<&'static str>,
}

/// The file's text.
pub(super) fn text(source: &Source) -> String {
    let document = Document {
        functions: source.functions().map(|(service, function)| function_line(service, function)).collect(),
        tables: source.tables.iter().map(table_line).collect(),
        queues: source.queues.iter().map(queue_line).collect(),
        keys: named(source, |resource| match resource {
            Resource::Key { name } => Some(*name),
            _ => None,
        }),
        objects: named(source, |resource| match resource {
            Resource::Objects { name } => Some(*name),
            _ => None,
        }),
        secrets: secrets(source),
    };
    super::pretty(&document)
}

fn function_line<'a>(service: &Service, function: &'a Function) -> FunctionLine<'a> {
    let every = |metric| AlarmLine { namespace: None, metric, threshold: 1, period_s: 60, periods: 3 };
    FunctionLine {
        name: function.name,
        binary: function.binary,
        service: service.name,
        summary: function.summary,
        memory_mb: function.memory_mb,
        timeout_s: function.timeout_s,
        trigger: trigger_line(&function.trigger),
        grants: &function.grants,
        alarms: [every("Errors"), every("Throttles")]
            .into_iter()
            .chain(function.alarms.iter().map(own_alarm))
            .collect(),
    }
}

fn trigger_line(trigger: &Trigger) -> TriggerLine {
    match trigger {
        Trigger::Http(route) => TriggerLine::Http {
            method: route.method.to_string(),
            path: route.path,
            auth: match route.auth {
                Auth::Anyone => AuthLine::Anyone,
                Auth::Optional => AuthLine::Optional,
                Auth::Scopes(scopes) => AuthLine::Scopes { scopes },
            },
            throttle: route.throttle.name(),
        },
        Trigger::Queue { queue, batch_size, max_concurrency } => TriggerLine::Queue {
            queue: queue.name,
            batch_size: *batch_size,
            window_s: u32::from(*batch_size > BATCH_WITHOUT_WINDOW),
            max_concurrency: *max_concurrency,
        },
        Trigger::Stream { table, batch_size } => TriggerLine::Stream {
            table: table.name,
            batch_size: *batch_size,
            parallelization: STREAM_PARALLELIZATION,
            retries: STREAM_RETRIES,
        },
        Trigger::Schedule { expression } => TriggerLine::Schedule { expression },
    }
}

fn own_alarm(alarm: &Alarm) -> AlarmLine {
    let Alarm { metric, threshold, period_s, periods } = *alarm;
    AlarmLine { namespace: Some("Oxcart"), metric, threshold, period_s, periods }
}

fn table_line(table: &TableSpec) -> TableLine {
    let index_line = |index: &IndexSpec| IndexLine {
        name: index.name,
        partition_key: index.partition_key,
        sort_key: index.sort_key,
        sort_type: if index.numeric_sort { "N" } else { "S" },
        projection: if index.whole { "ALL" } else { "KEYS_ONLY" },
    };
    TableLine {
        name: table.name,
        partition_key: table.partition_key,
        sort_key: table.sort_key,
        indexes: table.indexes.iter().map(index_line).collect(),
        ttl: table.ttl,
        stream: table.stream,
    }
}

fn queue_line(queue: &QueueSpec) -> QueueLine {
    let QueueSpec { name, fifo, visibility_s, max_receives, max_age_alarm_s } = *queue;
    QueueLine { name, fifo, visibility_s, max_receives, max_age_alarm_s }
}

/// The resources of one kind that any function is granted, each once, by name.
fn named(source: &Source, kind: impl Fn(&Resource) -> Option<&'static str>) -> Vec<Named> {
    let grants = source.functions().flat_map(|(_, function)| &function.grants);
    let names: BTreeSet<&'static str> = grants.filter_map(|grant| kind(&grant.resource)).collect();
    names.into_iter().map(|name| Named { name }).collect()
}

/// The secrets that any function is granted, by name. One whose every grant has the same condition has it too.
fn secrets(source: &Source) -> Vec<SecretLine> {
    let mut secrets: BTreeMap<&'static str, Option<&'static str>> = BTreeMap::new();
    for grant in source.functions().flat_map(|(_, function)| &function.grants) {
        if let Resource::Secret { name } = grant.resource {
            let known = secrets.entry(name).or_insert(grant.only_with);
            *known = known.filter(|provider| grant.only_with == Some(*provider));
        }
    }
    let brought = |name| aws::keys::BROUGHT.iter().any(|secret| secret.name == name);
    secrets.into_iter().map(|(name, only_with)| SecretLine { name, brought: brought(name), only_with }).collect()
}
