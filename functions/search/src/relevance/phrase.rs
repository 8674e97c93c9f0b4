//! Names of products as noun phrases. Pure text: nothing here knows a catalogue.

use super::retail::RETAIL;
use crate::words::each_word;

/// Only so much of a text is read for phrases, in characters: what a thing is stands at the beginning.
const READ_CHARS: usize = 400;

/// Words that stand together, without what separates phrases in names: punctuation, numbers, `for`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Singular, lower case, without accents.
    pub words: Vec<String>,
    /// Whether it stands behind a `for` or `with`: it says what the thing goes with.
    pub behind_for: bool,
}

/// English plurals that no ending tells, and words that only look like one.
const IRREGULAR: [(&str, &str); 24] = [
    ("calves", "calf"),
    ("canvas", "canvas"),
    ("children", "child"),
    ("feet", "foot"),
    ("gas", "gas"),
    ("halves", "half"),
    ("knives", "knife"),
    ("leaves", "leaf"),
    ("lens", "lens"),
    ("loaves", "loaf"),
    ("men", "man"),
    ("mice", "mouse"),
    ("news", "news"),
    ("scarves", "scarf"),
    ("selves", "self"),
    ("series", "series"),
    ("shelves", "shelf"),
    ("species", "species"),
    ("teeth", "tooth"),
    ("thieves", "thief"),
    ("wives", "wife"),
    ("wolves", "wolf"),
    ("women", "woman"),
    ("atlas", "atlas"),
];

/// The singular of a plural that no ending tells: `mice`.
pub(super) fn irregular(word: &str) -> Option<&'static str> {
    IRREGULAR.iter().find(|(many, one)| *many == word && many != one).map(|(_, one)| *one)
}

/// An English plural without its ending; other words as they are. Rough, and the same everywhere.
pub(super) fn singular(word: &str) -> String {
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == word) {
        return (*one).to_owned();
    }
    let kept = |cut: usize| word.get(..word.len() - cut).unwrap_or(word);
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if word.len() <= 3 || ends(&["ss", "us", "is"]) || !word.is_ascii() {
        word.to_owned()
    } else if word.len() > 4 && word.ends_with("ies") {
        format!("{}y", kept(3))
    } else if ends(&["sses", "nses", "ches", "shes", "xes"]) {
        kept(2).to_owned()
    } else if word.ends_with('s') {
        kept(1).to_owned()
    } else {
        word.to_owned()
    }
}

/// The beginning of a text.
pub(super) fn head(text: &str) -> &str {
    text.char_indices().nth(READ_CHARS).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

/// A name without the brand that it begins with.
pub(super) fn without_brand<'a>(name: &'a str, brand: &str) -> &'a str {
    let begins = !brand.is_empty() && name.get(..brand.len()).is_some_and(|start| start.eq_ignore_ascii_case(brand));
    let rest = name.get(brand.len()..).unwrap_or_default();
    if begins && !rest.starts_with(char::is_alphanumeric) { rest } else { name }
}

/// Whether what stands between two words parts phrases. A hyphen joins words (`in-ear`) unless it has spaces around it; a
/// slash or an ampersand joins two words of one phrase (`camera/camcorder battery`).
fn parts(gap: &str) -> bool {
    let dash = |c: char| matches!(c, '-' | '–' | '—');
    let spaced = gap.contains(dash) && gap.starts_with(char::is_whitespace) && gap.ends_with(char::is_whitespace);
    spaced || gap.contains(|c: char| ",;:|()[]{}+*\"”“!?".contains(c))
}

/// The runs of a text. In a text that mixes both, a capital after a lower-case word begins a new one: `notebook case
/// Briefcase Black` says twice what it is.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let text = head(text);
    let mut reader = Reader::default();
    let mut end = 0;
    each_word(text, |word, from, to| {
        let gap = text.get(end..from).unwrap_or_default();
        let lower = is_lower(text.get(from..to).unwrap_or_default());
        if gap == "-" && word.starts_with(|c: char| c.is_ascii_digit()) {
            reader.code();
        }
        reader.word(word, lower, end > 0 && parts(gap));
        end = to;
    });
    reader.flush();
    reader.runs
}

/// Whether a word is written small, as words are and names are not: `case`, not `Case` and not `iPhone`.
pub(super) fn is_lower(written: &str) -> bool {
    !written.is_empty() && !written.contains(char::is_uppercase)
}

#[derive(Default)]
struct Reader {
    runs: Vec<Run>,
    words: Vec<String>,
    behind_for: bool,
    lower: bool,
    number: bool,
}

impl Reader {
    fn flush(&mut self) {
        self.lower = false;
        if !self.words.is_empty() {
            self.runs.push(Run { words: std::mem::take(&mut self.words), behind_for: self.behind_for });
        }
    }

    /// The last word was the beginning of a code, as in `LP-1016`.
    fn code(&mut self) {
        if !self.lower && self.words.last().is_some_and(|word| word.len() <= 4) {
            self.words.pop();
        }
    }

    fn word(&mut self, word: &str, lower: bool, parted: bool) {
        if parted {
            self.flush();
        }
        if matches!(word, "and" | "or" | "und" | "et") {
            return;
        }
        let number = std::mem::take(&mut self.number);
        if RETAIL.is("for", word) {
            self.flush();
            self.behind_for = true;
        } else if RETAIL.is("break", word) {
            self.flush();
        } else if word.chars().count() < 2 || !word.chars().all(char::is_alphabetic) {
            self.flush();
            self.number = word.starts_with(|c: char| c.is_ascii_digit());
        } else {
            let word = singular(word);
            if number && RETAIL.is("unit", &word) {
                return;
            }
            if self.lower && !lower {
                self.flush();
            }
            self.lower = lower;
            self.words.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, bool)> {
        runs(text).into_iter().map(|run| (run.words.join(" "), run.behind_for)).collect()
    }

    #[test]
    fn plurals_lose_their_ending() {
        for (many, one) in [("cases", "case"), ("batteries", "battery"), ("watches", "watch"), ("knives", "knife")] {
            assert_eq!(singular(many), one);
        }
        assert_eq!(
            [singular("bus"), singular("glass"), singular("größes"), singular("")],
            ["bus", "glass", "größes", ""]
        );
        assert_eq!([singular("lens"), singular("lenses")], ["lens", "lens"]);
        assert_eq!([irregular("mice"), irregular("lens"), irregular("cups")], [Some("mouse"), None, None]);
    }

    #[test]
    fn runs_end_at_punctuation_numbers_for_and_capitals_after_lower_case() {
        assert_eq!(
            read("CN313 notebook case 34 cm (13.4\") Briefcase Black"),
            [("cn", false), ("notebook case", false), ("briefcase black", false)].map(|(w, f)| (w.to_owned(), f))[1..]
        );
        assert_eq!(
            read("Case for Apple iPhone 7 - Blue"),
            [("case".to_owned(), false), ("apple iphone".to_owned(), true), ("blue".to_owned(), true)]
        );
        assert_eq!(read("camera/camcorder battery"), [("camera camcorder battery".to_owned(), false)]);
        assert_eq!(
            read("Cotton Shirt – Navy, 2 pieces"),
            [("cotton shirt".to_owned(), false), ("navy".to_owned(), false)]
        );
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_begins_a_code_is_no_word() {
        assert_eq!(read("Lens Case LP-1016 Grey"), [("lens case".to_owned(), false), ("grey".to_owned(), false)]);
    }

    #[test]
    fn a_name_loses_the_brand_that_it_begins_with() {
        assert_eq!(without_brand("Sony Alpha 7", "sony"), " Alpha 7");
        assert_eq!(without_brand("Sonyx camera", "Sony"), "Sonyx camera");
        assert_eq!(without_brand("Alpha", "Été"), "Alpha");
    }
}
