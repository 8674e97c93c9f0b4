//! The table of kinds in `docs/caching.md`, between two markers.

use std::fmt::Write as _;
use std::path::Path;

use lambda::Freshness;

use super::{GenerateError, Source, between};

const BEGIN: &str = "<!-- generated: kinds -->";
const END: &str = "<!-- end of generated -->";
/// The document.
pub(super) const PATH: &str = "docs/caching.md";

/// The document's text with the table renewed.
pub(super) fn text(source: &Source, root: &Path) -> Result<String, GenerateError> {
    let path = root.join(PATH);
    let present =
        std::fs::read_to_string(&path).map_err(|error| GenerateError::one(format!("{}: {error}", path.display())))?;
    between(&present, BEGIN, END, &table(source))
        .ok_or_else(|| GenerateError::one(format!("{PATH} needs the lines `{BEGIN}` and `{END}` around its table")))
}

fn table(source: &Source) -> String {
    let mut text = String::from(
        "\n| kind | answers of | browser | CDN | shown once more | while there is no other | dropped when it changes |\n\
         |---|---|--:|--:|--:|--:|---|\n",
    );
    for kind in Freshness::ALL.into_iter().filter(|kind| kind.is_shared()) {
        let rule = kind.rule();
        let of = source.functions().filter(|(_, function)| function.route().is_some_and(|route| route.cache == kind));
        let names: Vec<String> = of.map(|(_, function)| format!("`{}`", function.name)).collect();
        let [browser, cdn, revalidate, on_error] =
            [rule.browser, rule.cdn, rule.revalidate, rule.on_error].map(seconds);
        let dropped = if rule.dropped { "yes" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {browser} | {cdn} | {revalidate} | {on_error} | {dropped} |",
            rule.name,
            names.join(", ")
        );
    }
    text.push('\n');
    text
}

fn seconds(seconds: u32) -> String {
    match seconds {
        0 => "–".into(),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
