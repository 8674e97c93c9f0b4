//! A mail, and its form as a message of the Internet: RFC 5322 headers over a `multipart/alternative` of text and HTML
//! (RFC 2045, 2046). Pure. It must never let a value of a header reach the next line, or a body end a part.

use kernel::{EventId, Timestamp};

use crate::mailbox::{Mailbox, header_text};

/// A mail, ready to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The event it tells of: the same for every attempt to send it.
    pub id: EventId,
    /// When that happened.
    pub time: Timestamp,
    /// When it was written.
    pub date: Timestamp,
    /// Whom it goes to.
    pub to: Mailbox,
    /// The subject.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// The longest line of a quoted-printable body (RFC 2045 §6.7).
const LINE: usize = 76;

/// The whole message, with CRLF line ends.
#[must_use]
pub(crate) fn message(mail: &Mail, from: &Mailbox) -> String {
    // "=_" cannot stand in quoted-printable text, so no body can contain the boundary.
    let boundary = format!("=_{}", mail.id);
    let fold = "\r\n ";
    let headers = [
        ("From", from.header(fold)),
        ("To", mail.to.header(fold)),
        ("Subject", header_text(&mail.subject)),
        ("Date", date(mail.date)),
        ("Message-ID", format!("<{}@{}>", mail.id, from.domain())),
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", format!("multipart/alternative;\r\n boundary=\"{boundary}\"")),
    ];
    let mut out: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // The last alternative is the best one (RFC 2046 §5.1.4).
    for (kind, body) in [("plain", &mail.text), ("html", &mail.html)] {
        out.push_str(&format!(
            "\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
            quoted_printable(body)
        ));
    }
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    out
}

/// RFC 5322 §3.3, in UTC.
fn date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let pick = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    let text = at.to_string();
    let (year, month, day, time) = (&text[..4], &text[5..7], &text[8..10], &text[11..19]);
    let weekday = pick(&DAYS, at.seconds().div_euclid(86_400).rem_euclid(7));
    let month = pick(&MONTHS, month.parse::<i64>().unwrap_or(1) - 1);
    format!("{weekday}, {day} {month} {year} {time} +0000")
}

fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for line in text.trim_end().lines() {
        let mut width = 0;
        let bytes = line.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            let last = index + 1 == bytes.len();
            let literal = match byte {
                b' ' | b'\t' => !last,
                b'=' => false,
                _ => byte.is_ascii_graphic(),
            };
            let needed = if literal { 1 } else { 3 };
            // One column is kept for the `=` of a soft line break.
            if width + needed > LINE - 1 {
                out.push_str("=\r\n");
                width = 0;
            }
            if literal {
                out.push(char::from(*byte));
            } else {
                out.push_str(&format!("={byte:02X}"));
            }
            width += needed;
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use kernel::Email;

    use super::*;

    pub fn mail() -> Mail {
        Mail {
            id: EventId::new([5; 16]),
            time: Timestamp::from_millis(1_795_000_000_123),
            date: Timestamp::from_millis(1_795_000_001_000),
            to: Mailbox::new("Zoë Müller", &Email::parse("zoe@example.com").unwrap()),
            subject: "Your order OX-1 is confirmed".into(),
            text: "Hello Zoë,\n\n100 % = all.  \nBye\n".into(),
            html: "<p>Hello Zoë,</p>\n".into(),
        }
    }

    pub fn sender() -> Mailbox {
        Mailbox::parse("Oxcart <shop@example.com>").unwrap()
    }

    /// A part, or the whole message: its headers, unfolded, and its body.
    pub type Part = (BTreeMap<String, String>, String);

    pub fn part(text: &str) -> Part {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut headers = BTreeMap::new();
        for line in head.replace("\r\n ", " ").split("\r\n") {
            let (name, value) = line.split_once(": ").unwrap();
            assert!(headers.insert(name.to_lowercase(), value.to_owned()).is_none(), "{name} stands twice");
        }
        (headers, body.to_owned())
    }

    fn decoded(text: &str) -> String {
        let joined = text.replace("=\r\n", "");
        let mut bytes = Vec::new();
        let mut rest = joined.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            if byte == b'=' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(byte);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Reads a message by hand: its headers, and its text and HTML parts decoded.
    pub fn read(message: &str) -> (BTreeMap<String, String>, String, String) {
        let (headers, body) = part(message);
        let kind = &headers["content-type"];
        let boundary = kind.strip_prefix("multipart/alternative; boundary=\"").unwrap().strip_suffix('"').unwrap();
        let mut pieces: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
        assert_eq!(pieces.pop(), Some("--\r\n"));
        // The preamble ends where the first delimiter's own line break was taken by the empty line.
        let first = pieces.remove(0);
        let parts: Vec<Part> = std::iter::once(first.strip_prefix(&format!("--{boundary}")).unwrap_or_default())
            .chain(pieces)
            .filter(|piece| !piece.is_empty())
            .map(|piece| part(piece.strip_prefix("\r\n").unwrap()))
            .collect();
        let [text, html] = parts.try_into().unwrap();
        assert_eq!(text.0["content-type"], "text/plain; charset=utf-8");
        assert_eq!(html.0["content-type"], "text/html; charset=utf-8");
        (headers, decoded(&text.1), decoded(&html.1))
    }

    #[test]
    fn a_message_reads_back_part_by_part() {
        let message = message(&mail(), &sender());
        assert!(message.split("\r\n").all(|line| line.len() <= LINE && !line.contains(['\r', '\n'])), "{message}");
        assert!(message.is_ascii());
        let (headers, text, html) = read(&message);
        assert_eq!(headers["from"], "\"Oxcart\" <shop@example.com>");
        assert_eq!(headers["to"], "=?UTF-8?B?Wm/DqyBNw7xsbGVy?= <zoe@example.com>");
        assert_eq!(headers["subject"], "Your order OX-1 is confirmed");
        assert_eq!(headers["message-id"], format!("<{}@example.com>", mail().id));
        assert_eq!(text, "Hello Zoë,\r\n\r\n100 % = all.  \r\nBye\r\n");
        assert_eq!(html, "<p>Hello Zoë,</p>\r\n");
    }

    #[test]
    fn dates_are_of_rfc_5322() {
        assert_eq!(date(Timestamp::from_millis(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(Timestamp::from_millis(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 +0000");
        assert_eq!(date(Timestamp::from_millis(1_709_164_800_000)), "Thu, 29 Feb 2024 00:00:00 +0000");
    }

    #[test]
    fn hostile_values_stay_where_they_are() {
        let boundary = format!("--=_{}", mail().id);
        let hostile = Mail {
            to: Mailbox::new("Eve\r\nBcc: all@example.com\r\n\r\nHi", &Email::parse("eve@example.com").unwrap()),
            subject: "Hi\r\nBcc: all@example.com\r\n\r\n<script>".into(),
            text: format!("a\r\n{boundary}--\r\nb\n.\nFrom x\n\n--=_"),
            html: format!("{boundary}\r\nContent-Type: text/evil\r\n\r\n"),
            ..mail()
        };
        let (headers, text, html) = read(&message(&hostile, &sender()));
        let mut names: Vec<&str> = headers.keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected =
            ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
        assert_eq!(names, expected);
        assert_eq!(headers["subject"], "Hi Bcc: all@example.com <script>");
        assert_eq!(text, format!("a\r\n{boundary}--\r\nb\r\n.\r\nFrom x\r\n\r\n--=_\r\n"));
        assert_eq!(html, format!("{boundary}\r\nContent-Type: text/evil\r\n"));
    }

    #[test]
    fn long_lines_are_broken_softly() {
        let long = format!("{}ä{} ", "x".repeat(74), "=".repeat(40));
        let coded = quoted_printable(&format!("{long}\nend"));
        assert!(coded.split("\r\n").all(|line| line.len() <= LINE));
        assert_eq!(decoded(&coded), format!("{long}\r\nend\r\n"));
    }
}
