//! Scratch: runs suite or race by hand.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{Target, blackbox, crash, race};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let target = Target {
        base_url: args[1].clone(),
        admin_email: "admin@example.com".into(),
        admin_password: "correct horse battery".into(),
        local: true,
    };
    match args[0].as_str() {
        "suite" => println!("{}", blackbox::run(&target, args.get(2).map(String::as_str)).await),
        "race" => {
            let finish = race::race(&target, args[2].parse().unwrap(), args[3].parse().unwrap(), 256).await.unwrap();
            println!("{finish}success: {}", finish.success());
        }
        "storm" => {
            let shelf = crash::prepare(&target, 5, 400).await.unwrap();
            let answered = Arc::new(AtomicUsize::new(0));
            let seen = answered.clone();
            let pid = args[2].clone();
            let kill_at: usize = args[3].parse().unwrap();
            tokio::spawn(async move {
                while seen.load(Ordering::Relaxed) < kill_at {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                let status = std::process::Command::new("kill").args(["-9", &pid]).status();
                println!("killed {pid}: {status:?}");
            });
            let records = crash::storm(&target, &shelf, 1000, 32, &answered).await.unwrap();
            let open = records.iter().filter(|record| record.seen.is_none()).count();
            println!(
                "{} records, {} answered, {open} without an answer",
                records.len(),
                answered.load(Ordering::Relaxed)
            );
            println!("restart it now; waiting for {}", args[1]);
            let client = testkit::http::Client::new(&args[1]).unwrap();
            while client.get("/v1/products?limit=1").send().await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            let audit = crash::audit(&target, &shelf, &records).await.unwrap();
            println!("{audit}ok: {}", audit.ok());
        }
        _ => unreachable!(),
    }
}
