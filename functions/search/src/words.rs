//! Words of a text, in the one form in which queries, indexes and what is learned of a catalogue meet: lower case, without
//! accents, letters and digits only.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word is not longer than this, in characters; what stands behind is left out.
pub const WORD_CHARS: usize = 64;

/// The words of a text. Characters of scripts that put no spaces between words (Han, Kana) are a word each.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    each_word(text, |word, _, _| all.push(word.to_owned()));
    all
}

/// Calls back with each word of a text, and where it begins and ends there, in bytes.
pub fn each_word(text: &str, mut found: impl FnMut(&str, usize, usize)) {
    let mut word = String::new();
    let (mut from, mut chars) = (0, 0);
    for (at, c) in text.char_indices() {
        // A form of such a character, as `㆒` of `一`, is one too.
        let form = !c.is_ascii() && !alone(c) && folded(c).any(alone);
        if alone(c) || form || !(c.is_alphanumeric() || is_combining_mark(c)) {
            if !word.is_empty() {
                found(&word, from, at);
                word.clear();
            }
            if alone(c) {
                found(c.encode_utf8(&mut [0; 4]), at, at + c.len_utf8());
            }
            for part in folded(c).filter(|_| form) {
                found(part.encode_utf8(&mut [0; 4]), at, at + c.len_utf8());
            }
            continue;
        }
        if word.is_empty() {
            (from, chars) = (at, 0);
        }
        for part in folded(c) {
            if chars < WORD_CHARS {
                word.push(part);
                chars += 1;
            }
        }
    }
    if !word.is_empty() {
        found(&word, from, text.len());
    }
}

/// A character in lower case and without accents; it may become several (`ß`), or none (an accent that stands by itself).
fn folded(c: char) -> impl Iterator<Item = char> {
    let ascii = c.is_ascii().then(|| c.to_ascii_lowercase());
    let parts = (!c.is_ascii()).then(|| std::iter::once(c).nfkd().flat_map(char::to_lowercase));
    let plain = parts.into_iter().flatten().filter(|part| !is_combining_mark(*part) && part.is_alphanumeric());
    let spelt = plain.flat_map(|part| {
        match part {
            'ß' => "ss".chars(),
            'æ' => "ae".chars(),
            'œ' => "oe".chars(),
            'ø' => "o".chars(),
            'ł' => "l".chars(),
            'đ' => "d".chars(),
            _ => "".chars(),
        }
        .chain(Some(part).filter(|part| !"ßæœøłđ".contains(*part)))
    });
    ascii.into_iter().chain(spelt)
}

fn alone(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_134f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_lower_case_without_accents() {
        assert_eq!(words("Crème-Brûlée  Größe XL, 2.5\"!"), ["creme", "brulee", "grosse", "xl", "2", "5"]);
        assert_eq!(words("Smørrebrød ÆSOP ﬁne"), ["smorrebrod", "aesop", "fine"]);
        assert_eq!(words("緑茶 tea"), ["緑", "茶", "tea"]);
        assert_eq!(words("㆒a ㋀ ㈱"), ["一", "a", "1", "月", "株"]);
        assert_eq!(words("e\u{301}clair"), ["eclair"]);
        assert_eq!(words("👍 -- ;DROP"), ["drop"]);
        assert_eq!(words(""), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_text_gives_words_that_are_words(text in any::<String>()) {
            let found = words(&text);
            for word in &found {
                prop_assert!(!word.is_empty() && word.chars().count() <= WORD_CHARS);
            }
            prop_assert_eq!(words(&found.join(" ")), found);
        }
    }
}
