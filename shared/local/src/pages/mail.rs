//! Reads a mail of the outbox: headers with their encoded words, and the parts of `multipart/alternative`. It reads what
//! the shop writes (RFC 2045, 2047) and is lenient with the rest: what it does not know is shown as it stands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail.
#[derive(Debug, Default)]
pub(super) struct Mail {
    headers: Vec<(String, String)>,
    /// Its text part.
    pub text: Option<String>,
    /// Its HTML part.
    pub html: Option<String>,
}

impl Mail {
    /// Reads the source of a mail.
    pub fn read(source: &str) -> Self {
        let source = source.replace("\r\n", "\n");
        let (headers, body) = split(&source);
        let mut mail = Self { headers, text: None, html: None };
        let kind = mail.header("content-type").to_owned();
        match boundary(&kind) {
            Some(boundary) => {
                let delimiter = format!("\n--{boundary}");
                let body = format!("\n{body}");
                for part in body.split(&delimiter).skip(1).take_while(|part| !part.starts_with("--")) {
                    let (headers, body) = split(part.trim_start_matches('\n'));
                    mail.keep(&headers, &body);
                }
            }
            None => {
                let headers = mail.headers.clone();
                mail.keep(&headers, &body);
            }
        }
        mail
    }

    /// A header, decoded; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        find(&self.headers, name)
    }

    fn keep(&mut self, headers: &[(String, String)], body: &str) {
        let body = match find(headers, "content-transfer-encoding").to_ascii_lowercase().as_str() {
            "base64" => {
                let compact: String = body.split_ascii_whitespace().collect();
                STANDARD
                    .decode(compact)
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                    .unwrap_or_else(|_| body.into())
            }
            "quoted-printable" => quoted_printable(body),
            _ => body.to_owned(),
        };
        let kind = find(headers, "content-type").to_ascii_lowercase();
        if kind.starts_with("text/html") {
            self.html.get_or_insert(body);
        } else if kind.starts_with("text/") || kind.is_empty() {
            self.text.get_or_insert(body);
        }
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

/// Headers, unfolded and decoded, with their names in lower case; and the body.
fn split(text: &str) -> (Vec<(String, String)>, String) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let headers =
        headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), decoded_words(value.trim()))).collect();
    (headers, body.to_owned())
}

fn boundary(kind: &str) -> Option<String> {
    if !kind.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let value = kind.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    Some(value.trim_matches('"').to_owned())
}

/// Encoded words of RFC 2047 in a header's value; white space between two of them is dropped.
fn decoded_words(value: &str) -> String {
    let mut out = String::new();
    let mut after_word = false;
    let mut rest = value;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        match encoded_word(word) {
            Some((text, length)) => {
                out.push_str(&text);
                rest = &word[length..];
                after_word = true;
            }
            None => {
                out.push_str("=?");
                rest = &word[2..];
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The text of the encoded word that this starts with, and how long the word is.
fn encoded_word(word: &str) -> Option<(String, usize)> {
    let mut parts = word[2..].splitn(4, '?');
    let (charset, coding, text, tail) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !tail.starts_with('=') || !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match coding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => quoted_printable(&text.replace('_', " ")).into_bytes(),
        _ => return None,
    };
    let length = 2 + charset.len() + 1 + coding.len() + 1 + text.len() + 2;
    Some((String::from_utf8_lossy(&bytes).into_owned(), length))
}

fn quoted_printable(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'=', [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let code = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                match code {
                    Some(code) => {
                        bytes.push(code);
                        rest = after;
                    }
                    None => bytes.push(byte),
                }
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "From: Oxcart <shop@example.com>\r\nTo: =?utf-8?B?Wm/Dqw==?= <zoe@example.com>\r\n\
        Subject: =?UTF-8?Q?Caf=C3=A9_?=\r\n =?utf-8?Q?now?= open\r\nContent-Type: multipart/alternative;\r\n boundary=\"=_x\"\r\n\r\n\
        --=_x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        a long=\r\n line, 100 =3D 100\r\n--=_x\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--=_x--\r\n";

    #[test]
    fn headers_and_parts_are_read() {
        let mail = Mail::read(SOURCE);
        assert_eq!(mail.header("to"), "Zoë <zoe@example.com>");
        assert_eq!(mail.header("subject"), "Café now open");
        assert_eq!(mail.text.as_deref(), Some("a long line, 100 = 100"));
        assert_eq!(mail.html.as_deref(), Some("<b>hi</b>"));
    }

    #[test]
    fn rubbish_is_shown_as_it_stands() {
        let mail = Mail::read("Subject: =?x\n\n=ZZ");
        assert_eq!((mail.header("subject"), mail.text.as_deref()), ("=?x", Some("=ZZ")));
        assert!(Mail::read("").html.is_none());
    }
}
