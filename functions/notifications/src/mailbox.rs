//! Names and addresses in mail headers (RFC 5322 §3.4), such that nothing a customer typed can end a header.
//!
//! Pure. Line breaks and other control characters become spaces before anything else; names outside ASCII become encoded
//! words (RFC 2047); domains outside ASCII become Punycode (RFC 3492), as DNS wants them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Email;

/// An encoded word may have 75 characters; 36 bytes make 60, which leaves room for the header's name on the line.
const WORD_BYTES: usize = 36;
/// The most ASCII that goes on a header's line as it is.
const PLAIN_CHARS: usize = 60;

/// A person or shop that mail comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: String,
    local: String,
    domain: String,
}

impl Mailbox {
    /// A name, which may be empty, and an address.
    #[must_use]
    pub fn new(name: &str, address: &Email) -> Self {
        let (local, domain) = address.as_str().rsplit_once('@').unwrap_or_default();
        Self { name: one_line(name), local: local.to_owned(), domain: ascii_domain(domain) }
    }

    /// Reads `ada@example.com` or `Ada <ada@example.com>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"'), address),
            None => ("", text),
        };
        Some(Self::new(name, &Email::parse(address.trim())?))
    }

    /// The address alone.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The domain of the address, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether servers without SMTPUTF8 (RFC 6531) can take the address; SES is one.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }

    /// The value of a header, its words parted by `fold`: a space, or a line break and a space.
    #[must_use]
    pub fn header(&self, fold: &str) -> String {
        if self.name.is_empty() {
            return self.address();
        }
        let name = if is_plain(&self.name) {
            format!("\"{}\"", self.name.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            encoded_words(&self.name, fold)
        };
        format!("{name}{fold}<{}>", self.address())
    }
}

/// Text for a header that is free text, as the subject is.
#[must_use]
pub(crate) fn header_text(text: &str) -> String {
    let text = one_line(text);
    if is_plain(&text) { text } else { encoded_words(&text, "\r\n ") }
}

/// The text on one line: control characters and Unicode's line separators are spaces, spaces in a row are one.
#[must_use]
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_plain(text: &str) -> bool {
    text.is_ascii() && text.len() <= PLAIN_CHARS && !text.contains("=?")
}

fn encoded_words(text: &str, fold: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= WORD_BYTES => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encoded: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join(fold)
}

fn ascii_domain(domain: &str) -> String {
    let label = |label: &str| {
        if label.is_ascii() {
            return label.to_owned();
        }
        // A label too long to encode stays as it is, and is refused by whoever must deliver to it.
        punycode(label).map_or_else(|| label.to_owned(), |code| format!("xn--{code}"))
    };
    domain.split('.').map(label).collect::<Vec<_>>().join(".")
}

/// RFC 3492 §6.3; `None` on overflow, which no label of DNS length reaches.
fn punycode(label: &str) -> Option<String> {
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    let total = u32::try_from(label.chars().count()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    while handled < total {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta = delta.checked_add(1)?;
            }
            if c == n {
                push_number(&mut out, delta, bias)?;
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

/// A generalised variable-length integer (RFC 3492 §3.3).
fn push_number(out: &mut String, mut value: u32, bias: u32) -> Option<()> {
    let mut k = 36;
    loop {
        let threshold = k.clamp(bias + 1, bias + 26) - bias;
        if value < threshold {
            out.push(char::from_digit(value, 36).map(shifted)?);
            return Some(());
        }
        let digit = threshold + (value - threshold) % (36 - threshold);
        out.push(char::from_digit(digit, 36).map(shifted)?);
        value = (value - threshold) / (36 - threshold);
        k += 36;
    }
}

/// Punycode's digits are a–z and then 0–9; Rust's are 0–9 and then a–z.
fn shifted(digit: char) -> char {
    let value = digit.to_digit(36).unwrap_or(0);
    if value < 26 {
        char::from_u32(u32::from('a') + value).unwrap_or('a')
    } else {
        char::from_u32(u32::from('0') + value - 26).unwrap_or('0')
    }
}

/// Bias adaptation (RFC 3492 §6.1).
fn adapted(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn a_line_break_in_a_name_ends_nothing() {
        let hostile = [
            "Ada\r\nBcc: victim@example.com",
            "Ada\nBcc: victim@example.com",
            "Ada\rBcc: x",
            "Ada\u{2028}Bcc: x",
            "Ada\u{85}Bcc: x",
            "Ada\0\u{b}Bcc: x",
            "Äda\r\nBcc: x",
        ];
        for name in hostile {
            for fold in [" ", "\r\n "] {
                let header = Mailbox::new(name, &email("ada@example.com")).header(fold);
                for line in header.split("\r\n").skip(1) {
                    assert!(line.starts_with(' '), "{header:?}");
                }
                assert!(!header.replace("\r\n ", " ").contains(['\r', '\n', '\0']), "{header:?}");
            }
        }
        assert_eq!(header_text("Your order\r\nBcc: x"), "Your order Bcc: x");
    }

    #[test]
    fn names_are_quoted_or_encoded() {
        let of = |name| Mailbox::new(name, &email("ada@example.com")).header(" ");
        assert_eq!(of(""), "ada@example.com");
        assert_eq!(of("Ada Lovelace"), "\"Ada Lovelace\" <ada@example.com>");
        assert_eq!(of("A \"B\" \\ <x@y.zz>, C"), "\"A \\\"B\\\" \\\\ <x@y.zz>, C\" <ada@example.com>");
        assert_eq!(of("Zoë"), "=?UTF-8?B?Wm/Dqw==?= <ada@example.com>");
        assert!(of("=?UTF-8?Q?x?=").starts_with("=?UTF-8?B?"), "what looks encoded is encoded");
    }

    #[test]
    fn encoded_words_are_short_and_never_cut_a_character() {
        let name = "漢字かな交じり文の長い名前".repeat(6);
        let header = header_text(&name);
        let mut read = Vec::new();
        for word in header.split("\r\n ") {
            assert!(word.len() <= 75);
            let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            read.push(String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap());
        }
        assert_eq!(read.concat(), name);
    }

    #[test]
    fn senders_are_read_with_and_without_a_name() {
        assert_eq!(Mailbox::parse("shop@example.com").unwrap().header(" "), "shop@example.com");
        assert_eq!(Mailbox::parse("Oxcart <shop@example.com>").unwrap().header(" "), "\"Oxcart\" <shop@example.com>");
        assert_eq!(
            Mailbox::parse("\"Ox Cart\" <shop@example.com>").unwrap().header(" "),
            "\"Ox Cart\" <shop@example.com>"
        );
        assert_eq!(Mailbox::parse("nobody"), None);
        assert_eq!(Mailbox::parse("Oxcart <>"), None);
    }

    #[test]
    fn domains_are_in_ascii() {
        let domain = |text| Mailbox::new("", &email(text)).domain().to_owned();
        assert_eq!(domain("a@example.com"), "example.com");
        assert_eq!(domain("a@bücher.example"), "xn--bcher-kva.example");
        assert_eq!(domain("a@münchen.de"), "xn--mnchen-3ya.de");
        assert_eq!(domain("a@例え.テスト"), "xn--r8jz45g.xn--zckzah");
        assert_eq!(domain("a@пример.испытание"), "xn--e1afmkfd.xn--80akhbyknj4f");
        assert!(!Mailbox::new("", &email("ünï@example.com")).is_ascii());
        assert!(Mailbox::new("Zoë", &email("zoe@bücher.example")).is_ascii());
    }

    #[test]
    fn punycode_of_the_rfc() {
        // RFC 3492 §7.1: (A) Arabic, (L) Japanese with digits, (R) mixed, in lower case.
        assert_eq!(punycode("ليهمابتكلموشعربي؟").unwrap(), "egbpdaj6bu4bxfgehfvwxn");
        assert_eq!(punycode("3年b組金八先生").unwrap(), "3b-ww4c5e180e575a65lsy2b");
        assert_eq!(punycode("そのスピードで").unwrap(), "d9juau41awczczp");
    }
}
