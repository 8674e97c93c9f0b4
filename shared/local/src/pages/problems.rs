//! What a problem's `type` leads to: a short page for each code of the kernel's table.

use std::fmt::Write as _;

use kernel::problem::{Code, Fault, code};

use super::{escape, layout};

/// All codes.
pub(super) fn list() -> String {
    let mut rows = String::from("<tr><th>Code</th><th>Status</th><th>Meaning</th><th>Try again</th></tr>");
    for code in code::ALL {
        let _ = write!(
            rows,
            "<tr><td><a href=\"/problems/{0}\"><code>{0}</code></a></td><td>{1}</td><td>{2}</td><td>{3}</td></tr>",
            code.name,
            code.status,
            escape(code.title),
            if code.retryable { "yes" } else { "" },
        );
    }
    let lead = "<h1>Problems</h1><p class=lead>Every error is an RFC 9457 document; its <code>code</code> is one of these and \
                never changes its meaning.</p>";
    layout("Problems", &format!("{lead}<div class=scroll><table>{rows}</table></div>"))
}

/// One code; `None` when there is none of that name.
pub(super) fn page(name: &str) -> Option<String> {
    let code: &Code = code::ALL.iter().find(|code| code.name == name)?;
    let whose = match code.fault {
        Fault::Caller if code.retryable => "Nothing is wrong with the request.",
        Fault::Caller => "The request can be changed so that it succeeds.",
        Fault::Ours => "This is our fault; nothing that was answered with success is lost.",
        Fault::Provider => "A service that the shop depends on could not be reached.",
    };
    let again = if code.retryable {
        "The same request may succeed later. Send the same <code>Idempotency-Key</code>, and wait for as long as \
         <code>Retry-After</code> says."
    } else {
        "The same request will be answered the same way."
    };
    let content = format!(
        "<h1>{}</h1><dl><dt>code</dt><dd><code>{}</code></dd><dt>status</dt><dd>{}</dd></dl><p>{whose}</p><p>{again}</p>",
        escape(code.title),
        code.name,
        code.status,
    );
    Some(layout(code.title, &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        for code in code::ALL {
            assert!(page(code.name).unwrap().contains(code.name));
            assert!(list().contains(&format!("/problems/{}", code.name)));
        }
        assert!(page("no-such").is_none());
    }
}
