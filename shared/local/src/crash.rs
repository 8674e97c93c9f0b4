//! The crash trial: a shop in a process of its own is killed with SIGKILL in the middle of many checkouts, started again on
//! the same data, and audited. `make crash` runs it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::Target;
use testkit::clock::{Watch, pause};
use testkit::crash::{self, Audit};
use testkit::http::Client;

use crate::start::ADMIN;

type Failure = Box<dyn std::error::Error>;

/// Different products in the storm; each is bought by many at once.
const SKUS: usize = 5;
/// Shoppers at work at the same time.
const AT_ONCE: usize = 32;
/// How long holds of abandoned orders last in the trial, so that it need not wait ten minutes for them.
const HOLD_SECONDS: &str = "20";
/// A shop that does not answer within this time does not start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a trial went.
pub struct Trial {
    /// Checkouts that were answered when the shop was killed.
    pub answered: usize,
    /// How long the restarted shop took to answer.
    pub restart: Duration,
    /// What was found then.
    pub audit: Audit,
}

/// A shop in a process of its own, killed when it goes out of scope.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It is gone already, or goes now: both are fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &Path, folder: &Path, listen: &str, password: &str) -> Result<Process, Failure> {
    let mut command = Command::new(program);
    command.args(["run", "--no-cdn", "--listen", listen, "--data"]).arg(folder);
    command.env("OXCART_ADMIN_PASSWORD", password).env("OXCART_HOLD_SECONDS", HOLD_SECONDS);
    Ok(Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
}

async fn answers(url: &str) -> Result<(), Failure> {
    let client = Client::new(url)?;
    let tries = PATIENCE.as_millis() / 50;
    for _ in 0..tries {
        if client.get("/v1/categories").send().await.is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        pause(Duration::from_millis(50)).await;
    }
    Err(format!("the shop at {url} did not answer").into())
}

/// A port that is free now.
fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a trial in a fresh folder, which is removed when nothing was found.
pub async fn trial(checkouts: usize) -> Result<Trial, Failure> {
    let program = std::env::current_exe()?;
    let folder: PathBuf = std::env::temp_dir().join(format!("oxcart-crash-{}", std::process::id()));
    let listen = format!("127.0.0.1:{}", free_port()?);
    let password = "crash-trial-only";
    let target = Target {
        base_url: format!("http://{listen}"),
        admin_email: ADMIN.into(),
        admin_password: password.into(),
        origin_secret: String::new(),
        local: true,
    };
    let first = start(&program, &folder, &listen, password)?;
    answers(&target.base_url).await?;
    let units = u32::try_from(checkouts / SKUS).unwrap_or(u32::MAX).max(1);
    let shelf = crash::prepare(&target, SKUS, units).await?;
    let answered = Arc::new(AtomicUsize::new(0));
    let killer = tokio::spawn(kill_at(first, answered.clone(), checkouts / 2));
    let records = crash::storm(&target, &shelf, checkouts, AT_ONCE, &answered).await?;
    killer.await?;
    let began = Watch::start();
    let second = start(&program, &folder, &listen, password)?;
    answers(&target.base_url).await?;
    let restart = began.elapsed();
    let audit = crash::audit(&target, &shelf, &records).await?;
    drop(second);
    if audit.ok() {
        std::fs::remove_dir_all(&folder)?;
    } else {
        eprintln!("the data is kept in {}", folder.display());
    }
    Ok(Trial { answered: answered.load(Ordering::Relaxed), restart, audit })
}

/// Kills the shop once so many checkouts were answered: the others are at every stage then.
async fn kill_at(shop: Process, answered: Arc<AtomicUsize>, count: usize) {
    while answered.load(Ordering::Relaxed) < count {
        pause(Duration::from_millis(2)).await;
    }
    drop(shop);
}
