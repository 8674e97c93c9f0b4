//! The outbox: the mails that the shop would have sent. A mail's HTML is shown in a frame without scripts, forms or links
//! out, so that what a template shows is seen and nothing in it can act.

use std::fmt::Write as _;
use std::path::Path;

use super::mail::Mail;
use super::{escape, layout};

/// So many mails are listed, the newest first.
const LISTED: usize = 200;

/// All mails.
pub(super) fn list(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".eml").map(str::to_owned))
        .filter(|id| is_id(id))
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    let mut rows = String::from("<tr><th>To</th><th>Subject</th><th>When</th></tr>");
    for id in names.iter().take(LISTED) {
        let mail = Mail::read(&source(folder, id).unwrap_or_default());
        let _ = write!(
            rows,
            "<tr><td>{}</td><td><a href=\"/dev/outbox/{}\">{}</a></td><td>{}</td></tr>",
            escape(mail.header("to")),
            escape(id),
            escape(subject(&mail)),
            escape(mail.header("date")),
        );
    }
    let lead = match names.len() {
        0 => "No mail yet: it comes with the first paid order.".to_owned(),
        1 => "One mail.".to_owned(),
        count if count > LISTED => format!("{count} mails; these are the newest {LISTED}."),
        count => format!("{count} mails."),
    };
    let table = if names.is_empty() { String::new() } else { format!("<div class=scroll><table>{rows}</table></div>") };
    let folder = escape(&folder.display().to_string());
    let content = format!("<h1>Outbox</h1><p class=lead>{lead} They lie in <code>{folder}</code>.</p>{table}");
    layout("Outbox", &content)
}

/// One mail; `None` when there is none.
pub(super) fn mail(folder: &Path, id: &str) -> Option<String> {
    let source = source(folder, id)?;
    let mail = Mail::read(&source);
    let mut content = format!("<h1>{}</h1><dl>", escape(subject(&mail)));
    for name in ["from", "to", "date"] {
        let _ = write!(content, "<dt>{name}</dt><dd>{}</dd>", escape(mail.header(name)));
    }
    content.push_str("</dl>");
    if let Some(html) = &mail.html {
        let _ = write!(content, "<iframe sandbox title=\"the mail\" srcdoc=\"{}\"></iframe>", escape(html));
    }
    if let Some(text) = &mail.text {
        let open = if mail.html.is_none() { " open" } else { "" };
        let _ = write!(content, "<details{open}><summary>As text</summary><pre>{}</pre></details>", escape(text));
    }
    let _ = write!(content, "<details><summary>Source</summary><pre>{}</pre></details>", escape(&source));
    Some(layout(subject(&mail), &content))
}

fn subject(mail: &Mail) -> &str {
    Some(mail.header("subject")).filter(|subject| !subject.is_empty()).unwrap_or("(no subject)")
}

/// The source of a mail. An id that could leave the folder is none.
fn source(folder: &Path, id: &str) -> Option<String> {
    if !is_id(id) {
        return None;
    }
    let bytes = std::fs::read(folder.join(format!("{id}.eml"))).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_id(id: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=200).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_shown_harmless_and_nothing_else_is() {
        let folder = std::env::temp_dir().join(format!("oxcart-outbox-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(list(&folder).contains("No mail yet"));
        let source = "Subject: <script>\nTo: a@b.de\nContent-Type: text/html\n\n<script>alert(\"1\")</script>";
        std::fs::write(folder.join("2026-1.eml"), source).unwrap();
        std::fs::write(folder.join("secret.txt"), "x").unwrap();
        let shown = mail(&folder, "2026-1").unwrap();
        assert!(!shown.contains("<script>") && shown.contains("sandbox") && shown.contains("srcdoc=\"&lt;script&gt;"));
        assert!(list(&folder).contains("/dev/outbox/2026-1") && !list(&folder).contains("secret"));
        for bad in ["../2026-1", "", ".", "2026-2", "a/b", "%2e%2e"] {
            assert!(mail(&folder, bad).is_none(), "{bad}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
