//! The `[[bin]]` sections of the services: one for each file in `src/bin`, with `test = false`, so that `cargo test` does
//! not link a test harness for each of them. Also finds binaries without a function, and functions without a binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{GenerateError, Service, Source, between};

const BEGIN: &str = "# generated: one [[bin]] for each file in src/bin";
const END: &str = "# end of generated";

/// The manifests of all services with their sections renewed.
pub(super) fn files(source: &Source, root: &Path) -> Result<Vec<(PathBuf, String)>, GenerateError> {
    let mut files = Vec::new();
    let mut wrong = Vec::new();
    for service in &source.services {
        let folder = PathBuf::from("functions").join(service.name);
        let binaries = binaries(&root.join(&folder).join("src/bin"));
        wrong.extend(mismatches(service, &binaries));
        let path = folder.join("Cargo.toml");
        match std::fs::read_to_string(root.join(&path)) {
            Ok(present) if binaries.is_empty() && !present.contains(BEGIN) => {}
            Ok(present) => files.push((path, manifest(&present, &binaries))),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    if wrong.is_empty() { Ok(files) } else { Err(GenerateError(wrong)) }
}

/// The names of the files in a `src/bin`.
fn binaries(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let sources = entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned)).collect()
}

fn mismatches(service: &Service, binaries: &BTreeSet<String>) -> Vec<String> {
    let wanted: BTreeSet<String> = service.functions.iter().map(|function| function.binary.to_owned()).collect();
    let name = service.name;
    let missing = wanted.difference(binaries).map(|binary| format!("functions/{name}/src/bin/{binary}.rs is missing"));
    let idle = binaries.difference(&wanted);
    let idle = idle
        .map(|binary| format!("functions/{name}/src/bin/{binary}.rs belongs to no function of functions() in {name}"));
    missing.chain(idle).collect()
}

/// A manifest with its sections renewed, and with cargo told not to look for binaries itself.
fn manifest(present: &str, binaries: &BTreeSet<String>) -> String {
    let section = |name: &String| {
        format!(
            "[[bin]]\nname = \"{name}\"\npath = \"src/bin/{name}.rs\"\ntest = false\ndoc = false\nbench = false\n\n"
        )
    };
    let lines: String = binaries.iter().map(section).collect();
    let mut text = present.to_owned();
    if !text.contains("\nautobins = false\n") {
        let anchor =
            if text.contains("publish.workspace = true\n") { "publish.workspace = true\n" } else { "[package]\n" };
        text = text.replacen(anchor, &format!("{anchor}autobins = false\n"), 1);
    }
    if !text.contains(BEGIN) {
        text = format!("{}\n\n{BEGIN}\n{END}\n", text.trim_end());
    }
    between(&text, BEGIN, END, &lines).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_renewed_and_stay_the_same_when_generated_again() {
        let names = BTreeSet::from(["get-a".to_owned(), "set-a".to_owned()]);
        let once = manifest("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n", &names);
        assert!(once.starts_with("[package]\nautobins = false\nname = \"x\"\n"));
        assert_eq!(once.matches("test = false").count(), 2);
        assert_eq!(manifest(&once, &names), once);
        let fewer = manifest(&once, &BTreeSet::from(["set-a".to_owned()]));
        assert!(!fewer.contains("get-a") && fewer.contains("[lints]"));
    }
}
