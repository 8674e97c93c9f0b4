//! The table of endpoints in the README, between two markers.

use std::fmt::Write as _;
use std::path::Path;

use lambda::{Auth, Route, Trigger};

use super::{GenerateError, Source, between};

const BEGIN: &str = "<!-- generated: endpoints -->";
const END: &str = "<!-- end of generated -->";

/// The README's text with the table renewed.
pub(super) fn text(source: &Source, root: &Path) -> Result<String, GenerateError> {
    let path = root.join("README.md");
    let present =
        std::fs::read_to_string(&path).map_err(|error| GenerateError::one(format!("{}: {error}", path.display())))?;
    between(&present, BEGIN, END, &table(source))
        .ok_or_else(|| GenerateError::one(format!("README.md needs the lines `{BEGIN}` and `{END}` around its table")))
}

fn table(source: &Source) -> String {
    let mut text = String::new();
    for service in &source.services {
        let routes: Vec<_> = service.functions.iter().filter_map(|f| Some((f, f.route()?))).collect();
        if routes.is_empty() {
            continue;
        }
        // Writing to a string does not fail.
        let _ = write!(text, "\n**{}**\n\n| | function | who | |\n|---|---|---|---|\n", service.name);
        for (function, route) in routes {
            let _ = writeln!(
                text,
                "| `{} {}` | {} | {} | {} |",
                route.method,
                route.path,
                function.name,
                who(route.auth),
                remarks(function.summary, route)
            );
        }
    }
    let workers: Vec<_> = source.functions().filter(|(_, function)| function.route().is_none()).collect();
    if !workers.is_empty() {
        text.push_str("\n**Workers**\n\n| function | runs on | |\n|---|---|---|\n");
    }
    for (_, function) in workers {
        let _ = writeln!(text, "| {} | {} | {} |", function.name, trigger(&function.trigger), function.summary);
    }
    text.push('\n');
    text
}

fn who(auth: Auth) -> String {
    match auth {
        Auth::Anyone => "anyone".into(),
        Auth::Optional => "anyone, or by token".into(),
        Auth::Scopes(scopes) => scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" or "),
    }
}

fn remarks(summary: &str, route: &Route) -> String {
    let key = route.idempotency.is_required().then_some("Idempotency-Key required");
    let tag = route.if_match_required.then_some("If-Match required");
    [Some(summary), key, tag].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Http(route) => format!("{} {}", route.method, route.path),
        Trigger::Queue { queue, .. } => format!("queue `{}`", queue.name),
        Trigger::Stream { table, .. } => format!("stream of table `{}`", table.name),
        Trigger::Schedule { expression } => format!("`{expression}`"),
    }
}
