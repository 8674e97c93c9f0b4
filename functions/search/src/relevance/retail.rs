//! What is known about words of shops in general: `retail.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::phrase::singular;
use crate::words::words;

/// `retail.txt`, read once.
pub(super) static RETAIL: LazyLock<Retail> = LazyLock::new(|| Retail::read(include_str!("retail.txt")));

/// Words by what they do in names of products: folded, singular, and as they are written.
#[derive(Debug, Default)]
pub(super) struct Retail {
    same: BTreeMap<String, BTreeSet<String>>,
    sections: BTreeMap<String, BTreeSet<String>>,
}

impl Retail {
    fn read(text: &str) -> Self {
        let mut retail = Self::default();
        let mut section = "";
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if section == "same" && !line.is_empty() {
                let group: BTreeSet<String> = line.split('=').map(folded).collect();
                for phrase in &group {
                    let others = group.iter().filter(|other| *other != phrase).cloned();
                    retail.same.entry(phrase.clone()).or_default().extend(others);
                }
            } else {
                let written = words(line);
                let known = retail.sections.entry(section.to_owned()).or_default();
                known.extend(written.iter().map(|word| singular(word)));
                known.extend(written);
            }
        }
        retail
    }

    /// Phrases that mean the same as this one: `laptop`, `notebook`.
    pub(super) fn same(&self, phrase: &str) -> impl Iterator<Item = &str> {
        self.same.get(phrase).into_iter().flatten().map(String::as_str)
    }

    /// Whether a word stands in a section.
    pub(super) fn is(&self, section: &str, word: &str) -> bool {
        self.sections.get(section).is_some_and(|words| words.contains(word))
    }

    /// Whether a word may name a thing at all.
    pub(super) fn may_name(&self, word: &str) -> bool {
        !self.is("colour", word) && !self.is("quality", word)
    }
}

/// A phrase as it is looked up: singular words with a space between them.
pub(super) fn folded(phrase: &str) -> String {
    words(phrase).iter().map(|word| singular(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_sections_are_read() {
        assert!(RETAIL.same("laptop").any(|phrase| phrase == "notebook"));
        assert!(RETAIL.same("notebook").any(|phrase| phrase == "laptop"));
        assert!(RETAIL.same("trouser").any(|phrase| phrase == "pant"), "plurals are looked up as one");
        assert!(RETAIL.is("colour", "black") && RETAIL.is("for", "fur") && !RETAIL.is("colour", "case"));
        assert_eq!(RETAIL.same("none").count(), 0);
    }
}
