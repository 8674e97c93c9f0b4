//! `make import`: a file of products into a shop, over its API like anybody else's, with a bar that moves.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use exchange::{Counts, Format};
use testkit::clock::{Watch, pause};
use testkit::http::{Answer, Client, encoded};
use testkit::{Outcome, Stop};

use crate::catalog_file::format_of;

/// A file up to this size is the body of one request; Lambda takes 6 MB, and bytes that are no text travel in base64.
const BODY_BYTES: u64 = 4 * 1024 * 1024;
/// How much of a larger one is read at once.
const PIECE: usize = 256 * 1024;
/// How often the shop is asked how far it is.
const EVERY: Duration = Duration::from_millis(250);
/// So many rejected rows are told one by one.
const TOLD: usize = 20;
/// How wide the bar is.
const WIDTH: u64 = 30;

/// What is to be imported, and how it is read.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The file.
    pub file: PathBuf,
    /// Its field map.
    pub map: Option<PathBuf>,
    /// What it is, when its name does not tell.
    pub format: Option<String>,
    /// The currency of prices that name none.
    pub currency: Option<String>,
    /// How its text is written in bytes.
    pub encoding: Option<String>,
}

/// Imports a file, and tells how it goes on; whether it ended.
///
/// # Errors
///
/// Why it could not be begun, or followed to its end.
pub async fn run(url: &str, email: &str, password: &str, wanted: &Wanted) -> Result<bool, String> {
    import(url, email, password, wanted).await.map_err(|stop| match stop {
        Stop::Failed(reason) | Stop::Skipped(reason) => reason,
    })
}

async fn import(url: &str, email: &str, password: &str, wanted: &Wanted) -> Outcome<bool> {
    let watch = Watch::start();
    let length = std::fs::metadata(&wanted.file).map_err(|error| unread(&wanted.file, &error))?.len();
    let path = address(wanted)?;
    let client = Client::new(url)?;
    let token = sign_in(&client, url, email, password).await?;
    let id = if length <= BODY_BYTES {
        let body = std::fs::read(&wanted.file).map_err(|error| unread(&wanted.file, &error))?;
        if body.is_empty() {
            return Err(Stop::Failed(format!("{} is empty", wanted.file.display())));
        }
        begun(client.post(path).bearer(&token).raw("application/octet-stream", body).send().await?)?
    } else {
        uploaded(&client, &token, path, &wanted.file, length).await?
    };
    let report = follow(&client, &token, &id).await?;
    for row in report.list("/rejected_rows")?.iter().take(TOLD) {
        let (line, reason) = (row["line"].as_u64().unwrap_or_default(), row["reason"].as_str().unwrap_or_default());
        println!("{}", complaint(line, row["field"].as_str(), reason));
    }
    let counts: Counts = serde_json::from_value(report.body.clone()).unwrap_or_default();
    if counts.rejected > 0 {
        println!("all rejected rows: GET {url}/v1/admin/imports/{id}");
    }
    let failure = report.body["failure"]["reason"].as_str();
    if let Some(reason) = failure {
        println!("the import stopped: line {}: {reason}", report.body["failure"]["line"]);
    }
    println!("{}; {}", summary(&counts), seconds(watch.elapsed()));
    Ok(failure.is_none())
}

/// Where the import is begun.
fn address(wanted: &Wanted) -> Outcome<String> {
    let format = match (&wanted.format, format_of(&wanted.file)) {
        (Some(said), _) => said.as_str(),
        (None, Format::ShopifyCsv) => "shopify-csv",
        (None, Format::Jsonl) => "jsonl",
    };
    let mut path = format!("/v1/admin/imports?format={}", encoded(format));
    for (name, value) in [("currency", &wanted.currency), ("encoding", &wanted.encoding)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    if let Some(map) = &wanted.map {
        let text = std::fs::read_to_string(map).map_err(|error| unread(map, &error))?;
        // The map travels in the address, which has a limit: what explains it stays here.
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        path.push_str(&format!("&map={}", encoded(&lines.collect::<Vec<_>>().join("\n"))));
    }
    Ok(path)
}

async fn sign_in(client: &Client, url: &str, email: &str, password: &str) -> Outcome<String> {
    if password.is_empty() {
        let detail = "which password? a shop that make run serves keeps it in .oxcart (ARGS='--data FOLDER' for another); \
                      else set OXCART_ADMIN_PASSWORD";
        return Err(Stop::Failed(detail.into()));
    }
    let body = serde_json::json!({ "grant_type": "password", "email": email, "password": password });
    let answer = client.post("/v1/auth/token").json(&body).send().await;
    let answer = answer.map_err(|error| {
        Stop::Failed(format!("no shop at {url} ({error}); start one with `make run`, in another terminal"))
    })?;
    Ok(answer.expect(200)?.text("/access_token")?.to_owned())
}

fn begun(answer: Answer) -> Outcome<String> {
    Ok(answer.expect(202)?.text("/id")?.to_owned())
}

/// Uploads a large file to where the shop says; gives the import.
async fn uploaded(client: &Client, token: &str, path: String, file: &Path, length: u64) -> Outcome<String> {
    let started = client.post(path).bearer(token).send().await?.expect(202)?;
    let mut open = File::open(file).map_err(|error| unread(file, &error))?;
    let (mut sent, mut bar) = (0, Bar::default());
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match open.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                sent += u64::try_from(read).unwrap_or_default();
                bar.show("uploading", sent, length, "");
                Some(Ok(Bytes::from(piece)))
            }
            Err(error) => Some(Err(error)),
        }
    });
    let status = Client::upload(started.text("/upload/url")?, length, pieces).await?;
    if status != 200 {
        return Err(Stop::Failed(format!("the upload was answered by {status}")));
    }
    begun(client.post(started.text("/upload/then")?).bearer(token).send().await?)
}

/// Waits until an import ends, and shows how far it is.
async fn follow(client: &Client, token: &str, id: &str) -> Outcome<Answer> {
    let mut bar = Bar::default();
    loop {
        let answer = client.get(format!("/v1/admin/imports/{id}?limit=100")).bearer(token).send().await?.expect(200)?;
        let number = |name: &str| answer.body[name].as_u64().unwrap_or_default();
        bar.show("importing", number("bytes_done"), number("bytes_total"), &format!("{} rows", number("rows")));
        if matches!(answer.text("/status")?, "done" | "failed") {
            bar.end();
            return Ok(answer);
        }
        pause(EVERY).await;
    }
}

/// A line on the terminal that is written over itself; nothing where nobody looks.
#[derive(Default)]
struct Bar {
    last: String,
}

impl Bar {
    fn show(&mut self, what: &str, done: u64, total: u64, more: &str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let part = |whole: u64| done.saturating_mul(whole) / total.max(1);
        let full = part(WIDTH).min(WIDTH);
        let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
        let line = format!("\r{what} [{bar}] {:>3} %  {more}", part(100).min(100));
        if line != self.last {
            eprint!("{line}");
            // A terminal that went away shows nothing.
            let _ = std::io::stderr().flush();
            self.last = line;
        }
    }

    fn end(&self) {
        if !self.last.is_empty() {
            eprintln!();
        }
    }
}

/// A rejected row in one line.
#[must_use]
pub fn complaint(line: u64, field: Option<&str>, reason: &str) -> String {
    let field = field.map(|field| format!("{field} ")).unwrap_or_default();
    format!("line {line}: {field}{reason}")
}

/// What came of a file in one line.
#[must_use]
pub fn summary(counts: &Counts) -> String {
    let Counts { rows, created, changed, unchanged, left_out, rejected, stocked } = counts;
    format!(
        "{rows} rows: {created} products are new, {changed} changed, {unchanged} unchanged, {left_out} left out by the map, \
         {rejected} rejected; {stocked} SKUs got an opening stock"
    )
}

fn seconds(time: Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

fn unread(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_of_the_documents_fit_into_an_address() {
        for (file, map) in [("a.jsonl.gz", "icecat"), ("b.jsonl", "bestbuy")] {
            let map = format!("{}/../../docs/examples/{map}.toml", env!("CARGO_MANIFEST_DIR"));
            let (format, currency, encoding) = (None, Some("EUR".to_owned()), None);
            let wanted = Wanted { file: file.into(), map: Some(map.into()), format, currency, encoding };
            let Ok(path) = address(&wanted) else { panic!("no address") };
            assert!(
                path.len() < 8_000 && path.starts_with("/v1/admin/imports?format=jsonl&currency=EUR&map="),
                "{path}"
            );
        }
    }
}
