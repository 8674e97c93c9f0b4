//! What looks like the number of a payment card, so that it can be refused and never be written anywhere.
//!
//! A number of 13 to 19 digits that passes Luhn's check (ISO/IEC 7812-1) and begins as the cards of a known scheme do. It may
//! stand inside a longer text, and single spaces, hyphens, dots and the like may group its digits as people group those of a
//! card. It may not be part of a word, nor grouped otherwise: ids, digests, telephone numbers and dates are left alone. It
//! must never give a number back, only say where it stands.

use std::borrow::Cow;

use serde_json::Value;

/// First six digits from and to, shortest and longest number.
const SCHEMES: &[(u32, u32, usize, usize)] = &[
    // Visa; its numbers of 13 digits are old, and still valid.
    (400_000, 499_999, 13, 19),
    // Mastercard.
    (510_000, 559_999, 16, 16),
    (222_100, 272_099, 16, 16),
    // American Express.
    (340_000, 349_999, 15, 15),
    (370_000, 379_999, 15, 15),
    // Diners Club.
    (300_000, 305_999, 14, 19),
    (309_500, 309_599, 14, 19),
    (360_000, 369_999, 14, 19),
    (380_000, 399_999, 14, 19),
    // JCB.
    (352_800, 358_999, 16, 19),
    // Discover and RuPay.
    (600_000, 601_199, 16, 19),
    (644_000, 659_999, 16, 19),
    // UnionPay.
    (620_000, 629_999, 16, 19),
    (810_000, 817_199, 16, 19),
    // Maestro.
    (500_000, 509_999, 13, 19),
    (560_000, 589_999, 13, 19),
    (630_400, 630_499, 13, 19),
    (639_000, 639_099, 13, 19),
    (670_000, 679_999, 13, 19),
    // Mir.
    (220_000, 220_499, 16, 19),
];

/// The shortest number of a card, and the longest.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Members that carry the number of an article. A GTIN of 13 digits ends in a check digit of its own kind, and one in ten
/// passes Luhn's check too.
const ARTICLES: &[&str] = &["sku", "skus", "barcode"];
/// The most digits of a GTIN.
const GTIN: usize = 14;
/// The most places that are named.
const PLACES: usize = 10;
/// What stands in the place of a number in a log.
const MASK: &str = "[card number]";

/// A run of digits in a text.
struct Group {
    digits: Vec<u8>,
    from: usize,
    to: usize,
    /// Whether one separator, and nothing else, stands between it and the run before.
    joined: bool,
    /// Whether a letter stands right before or behind it.
    word_before: bool,
    word_behind: bool,
}

fn digit(letter: char) -> Option<u8> {
    let wide = u32::from(letter).checked_sub(u32::from('０')).filter(|value| *value < 10);
    letter.to_digit(10).or(wide).and_then(|value| u8::try_from(value).ok())
}

fn separates(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '-' | '.' | '/' | '_' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2010}' | '\u{2011}' | '\u{2013}'
    )
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut before = ['\0'; 2];
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        match digit(letter) {
            Some(value) => match groups.last_mut() {
                Some(last) if last.to == at => {
                    last.digits.push(value);
                    last.to = end;
                }
                last => {
                    let joined = separates(before[1]) && last.is_some_and(|last| last.to + before[1].len_utf8() == at);
                    // The first track of a magnetic stripe writes a B before the number.
                    let word_before = before[1].is_alphanumeric() && before != ['%', 'B'];
                    groups.push(Group {
                        digits: vec![value],
                        from: at,
                        to: end,
                        joined,
                        word_before,
                        word_behind: false,
                    });
                }
            },
            None => {
                if let Some(last) = groups.last_mut().filter(|last| last.to == at) {
                    last.word_behind = letter.is_alphanumeric();
                }
            }
        }
        before = [before[1], letter];
    }
    groups
}

/// Where the numbers of cards stand in a text, in bytes.
fn spans(text: &str) -> Vec<(usize, usize)> {
    // Most texts are shorter than a number, or have no digits to speak of.
    if text.len() < *DIGITS.start() {
        return Vec::new();
    }
    let groups = groups(text);
    let mut spans = Vec::new();
    let mut first = 0;
    while let Some(group) = groups.get(first) {
        let mut digits: Vec<u8> = Vec::new();
        let mut found = None;
        for (index, part) in groups.iter().enumerate().skip(first) {
            if (index > first && !part.joined) || digits.len() + part.digits.len() > *DIGITS.end() {
                break;
            }
            digits.extend(&part.digits);
            if !group.word_before && !part.word_behind && is_grouped(&groups[first..=index]) && is_card(&digits) {
                found = Some((index, part.to));
            }
        }
        match found {
            Some((last, to)) => {
                spans.push((group.from, to));
                first = last + 1;
            }
            None => first += 1,
        }
    }
    spans
}

/// Whether digits are grouped as those of a card: not at all, evenly, or as American Express and Diners Club print them.
fn is_grouped(groups: &[Group]) -> bool {
    let sizes: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
    let Some((last, before)) = sizes.split_last() else { return false };
    let even = |size: usize| before.iter().all(|other| *other == size) && *last <= size;
    match before.first() {
        None => true,
        Some(size @ (1 | 2 | 4 | 8)) if even(*size) => true,
        _ => matches!(sizes.as_slice(), [4, 6, 4 | 5] | [6, 7..=13]),
    }
}

fn is_card(digits: &[u8]) -> bool {
    if !DIGITS.contains(&digits.len()) {
        return false;
    }
    let begin = digits[..6].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let known = |(from, to, min, max): &(u32, u32, usize, usize)| {
        (*from..=*to).contains(&begin) && (*min..=*max).contains(&digits.len())
    };
    SCHEMES.iter().any(known) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit) * 2) {
            (0, double) => double / 2,
            (_, double @ 10..) => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether something like the number of a card stands in a text.
#[must_use]
pub fn found(text: &str) -> bool {
    !spans(text).is_empty()
}

/// The text without the numbers of cards.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let spans = spans(text);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = text.to_owned();
    for (from, to) in spans.into_iter().rev() {
        masked.replace_range(from..to, MASK);
    }
    Cow::Owned(masked)
}

/// The JSON pointers of all members that carry one: at most ten. A member *named* by a number is told by what it stands in,
/// so that the pointer does not carry the number on. Members for the number of an article may carry a GTIN.
#[must_use]
pub fn places(value: &Value) -> Vec<String> {
    let mut places = Vec::new();
    look(value, &mut String::new(), false, &mut places);
    places
}

fn look(value: &Value, pointer: &mut String, article: bool, places: &mut Vec<String>) {
    if places.len() >= PLACES {
        return;
    }
    let gtin = |text: &str| article && text.len() <= GTIN;
    match value {
        Value::String(text) if !gtin(text) && found(text) => places.push(pointer.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            if !gtin(&text) && found(&text) {
                places.push(pointer.clone());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                under(pointer, &index.to_string(), |pointer| look(item, pointer, article, places));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if found(name) {
                    places.push(pointer.clone());
                    continue;
                }
                let article = ARTICLES.contains(&name.as_str());
                let name = name.replace('~', "~0").replace('/', "~1");
                under(pointer, &name, |pointer| look(member, pointer, article, places));
            }
        }
        _ => {}
    }
}

fn under(pointer: &mut String, name: &str, look: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(name);
    look(pointer);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The test numbers that the schemes publish; no such cards exist.
    const CARDS: &[&str] = &[
        "4242424242424242",
        "4111 1111 1111 1111",
        "4222222222222",
        "5555-5555-5555-4444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "3056 9300 0902 0004",
        "36227206271667",
        "3566002020360505",
        "6200000000000005",
        "6759649826438453",
        "2200 0000 0000 0004",
        "４２４２４２４２４２４２４２４２",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "42.42.42.42.42.42.42.42",
        "42424242-42424242",
        "6205 5000 0000 0000 004",
        "675964 9826438453",
    ];

    #[test]
    fn cards_are_found_wherever_they_stand() {
        for card in CARDS {
            assert!(found(card), "{card}");
            for text in [format!("my card: {card}, thanks"), format!("{card} 12/30 123"), format!("nr.{card}\n")] {
                assert!(found(&text), "{text}");
                assert!(masked(&text).contains(MASK) && !found(&masked(&text)), "{text}");
            }
        }
        assert!(found("%B4242424242424242^DOE/JOHN^3012") && found(";4242424242424242=3012101?"));
        assert_eq!(masked("a 4242 4242 4242 4242 b 378282246310005"), "a [card number] b [card number]");
    }

    #[test]
    fn what_is_no_card_is_left_alone() {
        for text in [
            "",
            "4242424242424241",
            "1234567890123452",
            "424242424242",
            "42424242424242424242",
            "4242  4242  4242  4242",
            "424-242-424-242-424-2",
            "shopper-42424242424-24242@example.com",
            "+49 170 1234567",
            "DE89370400440532013000",
            "2026-07-01T12:30:00.000Z",
            "2026-07-01 12.30.00.123",
            "x4242424242424242",
            "4242424242424242x",
            "8f14e45f-ceea-467a-9af2-4242424242424242ab",
            "pm_1N4242424242424242",
            "tok_visa",
        ] {
            assert!(!found(text), "{text}");
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn places_are_named_and_numbers_are_not() {
        let body = json!({
            "name": "4242 4242 4242 4242", "lines": [{ "sku": "4006381333931" }, { "sku": "4222222222222" }],
            "card": { "a/b~c": 4_242_424_242_424_242_u64, "cvc": 123 }, "4111111111111111": true, "sku": "4242424242424242",
        });
        let mut named = places(&body);
        named.sort();
        assert_eq!(named, ["", "/card/a~1b~0c", "/name", "/sku"]);
        assert!(places(&json!(["x", 1, null, 4006381333931_u64, { "barcode": 4222222222222_u64 }])).is_empty());
        assert_eq!(places(&json!(vec!["4242424242424242"; 50])).len(), PLACES);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "\\PC*") {
            let masked = masked(&text).into_owned();
            prop_assert_eq!(found(&text), masked != text);
            prop_assert!(!found(&masked));
        }

        #[test]
        fn a_wrong_digit_is_no_card(at in 0_usize..16, by in 1_u8..10) {
            let mut digits = [4_u8, 2].repeat(8);
            digits[at] = (digits[at] + by) % 10;
            prop_assert!(!luhn(&digits));
        }
    }
}
