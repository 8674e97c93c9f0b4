//! Everything that is written from the registry: what Terraform reads, the plan of the CDN, the OpenAPI, cargo-lambda's router, the tables of
//! endpoints in the README and of kinds in docs/caching.md, and the `[[bin]]` sections. The files are checked in; `--check` and a test compare them byte
//! for byte, so that none can be edited by hand or forgotten.

mod bins;
mod caching;
mod cargo_lambda;
mod functions_json;
pub mod openapi;
mod readme;
mod schemas;

use std::fmt;
use std::path::{Path, PathBuf};

use aws::{QueueSpec, TableSpec};
use lambda::Function;
use serde::Serialize;

use crate::cdn::plan::Plan;

/// A service and its functions.
pub struct Service {
    /// The name of its package.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// All that is generated from.
pub struct Source {
    /// The services.
    pub services: Vec<Service>,
    /// The tables of all services.
    pub tables: Vec<TableSpec>,
    /// The queues of all services.
    pub queues: Vec<QueueSpec>,
}

impl Source {
    /// Every function with its service, in the order of the registry.
    pub fn functions(&self) -> impl Iterator<Item = (&Service, &Function)> {
        self.services.iter().flat_map(|service| service.functions.iter().map(move |function| (service, function)))
    }
}

/// All that stands in the way of generating.
#[derive(Debug, PartialEq, Eq)]
pub struct GenerateError(pub Vec<String>);

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for GenerateError {}

impl GenerateError {
    fn one(complaint: impl Into<String>) -> Self {
        Self(vec![complaint.into()])
    }
}

/// What generating did, or, when it only checked, what it would have done.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it only checked.
    pub checked: bool,
    /// How many files there are.
    pub files: usize,
    /// Those that differed, as paths below the root.
    pub differing: Vec<String>,
}

impl Report {
    /// Whether all is well: everything was written, or nothing differed.
    #[must_use]
    pub fn good(&self) -> bool {
        !self.checked || self.differing.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.differing {
            writeln!(f, "{} {path}", if self.checked { "differs:" } else { "wrote" })?;
        }
        match (self.checked, self.differing.len()) {
            (_, 0) => write!(f, "{} generated files are up to date", self.files),
            (true, n) => write!(f, "{n} of {} generated files differ; run `make generate`", self.files),
            (false, n) => write!(f, "{n} of {} generated files written", self.files),
        }
    }
}

/// Writes what differs, or only says what differs.
pub fn run(source: &Source, root: &Path, check: bool) -> Result<Report, GenerateError> {
    let files = files(source, root)?;
    let mut report = Report { checked: check, files: files.len(), differing: Vec::new() };
    for (path, text) in &files {
        let whole = root.join(path);
        if std::fs::read_to_string(&whole).is_ok_and(|present| present == *text) {
            continue;
        }
        report.differing.push(path.display().to_string());
        if !check {
            let folder = whole.parent().map(std::fs::create_dir_all).transpose();
            let written = folder.and_then(|_| std::fs::write(&whole, text));
            written.map_err(|error| GenerateError::one(format!("{}: {error}", whole.display())))?;
        }
    }
    Ok(report)
}

/// Every generated file: its path below the root, and its whole text.
pub fn files(source: &Source, root: &Path) -> Result<Vec<(PathBuf, String)>, GenerateError> {
    let mut wrong = duplicates(source);
    let bins = bins::files(source, root).unwrap_or_else(|error| {
        wrong.extend(error.0);
        Vec::new()
    });
    let openapi = openapi::document(source).map(|document| pretty(&document)).unwrap_or_else(|error| {
        wrong.extend(error.0);
        String::new()
    });
    let readme = readme::text(source, root).unwrap_or_else(|error| {
        wrong.extend(error.0);
        String::new()
    });
    let caching = caching::text(source, root).unwrap_or_else(|error| {
        wrong.extend(error.0);
        String::new()
    });
    let functions: Vec<&Function> = source.functions().map(|(_, function)| function).collect();
    let cdn = Plan::of(&functions).map(|plan| pretty(&plan)).unwrap_or_else(|errors| {
        wrong.extend(errors);
        String::new()
    });
    if !wrong.is_empty() {
        return Err(GenerateError(wrong));
    }
    let mut files = vec![
        (PathBuf::from("infra/generated/functions.json"), functions_json::text(source)),
        (PathBuf::from("infra/generated/cdn.json"), cdn),
        (PathBuf::from("infra/openapi.json"), openapi),
        (PathBuf::from("CargoLambda.toml"), cargo_lambda::text(source)),
        (PathBuf::from("README.md"), readme),
        (PathBuf::from(caching::PATH), caching),
    ];
    files.extend(bins);
    Ok(files)
}

/// Names and routes that stand twice.
fn duplicates(source: &Source) -> Vec<String> {
    let mut seen = std::collections::HashMap::new();
    let mut wrong = Vec::new();
    for (service, function) in source.functions() {
        let route = function.route().map(|route| format!("{} {}", route.method, same_path(route.path)));
        for what in [Some(format!("function {}", function.name)), route].into_iter().flatten() {
            if let Some(first) = seen.insert(what.clone(), service.name) {
                wrong.push(format!("{what} stands in {first} and in {}", service.name));
            }
        }
        if function.summary.is_empty() {
            wrong.push(format!("function {} has no summary", function.name));
        }
    }
    wrong
}

/// A path with its parameters' names left out: two routes that differ only in them are one.
fn same_path(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Two spaces a level, members as declared, and a line feed at the end.
fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

/// Puts generated lines between two markers of a text. `None` when a marker is missing.
fn between(text: &str, begin: &str, end: &str, lines: &str) -> Option<String> {
    let (head, rest) = text.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{lines}{end}{tail}"))
}
