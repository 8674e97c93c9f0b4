//! The program `oxcart-local`: a shop on this machine, and what else one does with it from a command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws::{Clock as _, Config, Platform, SystemClock};
use engine::Place;
use kernel::Email;
use local::arguments::{Arguments, help};
use local::catalog_file::Report;
use local::gateway::{self, DataSite, ShopSite};
use local::hello::Hello;
use local::pages::Pages;
use local::physics::Trial;
use local::physics::table::{self, Manner, Row};
use local::simulate::{self, Plan};
use local::start::{self, ADMIN, LogFile, LogPrint, Wanted};
use local::{Options, Pump, Search, Shop, generate, import, registry, storm};
use testkit::{Target, blackbox, race};

type Failure = Box<dyn std::error::Error>;

/// Variables of the shop's functions that may be set from outside.
const TUNABLE: [&str; 16] = [
    "OXCART_TOKENS_SPARE",
    "OXCART_CLIENT_IP_HEADER",
    "OXCART_SIGN_INS_HERE",
    "OXCART_SIGN_INS_ACCOUNT",
    "OXCART_SIGN_INS_NETWORK",
    "OXCART_ISSUER",
    "OXCART_MAIL_FROM",
    "OXCART_PAYMENT_TIMEOUT_MS",
    "OXCART_HOLD_SECONDS",
    "OXCART_CAPTURE",
    "OXCART_PAYMENTS",
    "OXCART_STRIPE_URL",
    "OXCART_LANGUAGE",
    "OXCART_OPENSEARCH_URL",
    "OXCART_OPENSEARCH_SHARDS",
    "OXCART_CACHE_URL",
];

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", help());
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::from(2);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the command line is where a process's own variables are read")]
    let vars: BTreeMap<String, String> = std::env::vars().collect();
    if arguments.command == "simulate" {
        // Each simulation is a runtime of its own.
        return simulate(&arguments).unwrap_or_else(|failure| {
            eprintln!("{failure}");
            ExitCode::FAILURE
        });
    }
    if arguments.command == "physics" {
        return physics(&arguments).unwrap_or_else(|failure| {
            eprintln!("{failure}");
            ExitCode::FAILURE
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command(&arguments, &vars)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn command(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    match arguments.command {
        "run" => Box::pin(run(arguments, vars)).await,
        "data" => data(arguments, vars).await,
        "demo" => demo(arguments, vars).await,
        "smoke" => smoke(arguments, vars).await,
        "staff" => staff(arguments, vars).await,
        "costs" => costs().await,
        "soak" => soak(arguments).await,
        "crash" => crash(arguments).await,
        "import" => import_file(arguments, vars).await,
        _ => write_generated(arguments),
    }
}

/// One item under load: the whole table, or the one row that is asked for.
fn physics(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let millis = |name: &str, default: Duration| {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Ok::<_, String>(Duration::from_millis(arguments.number(name, default)?))
    };
    let manner = Manner::default();
    let manner = Manner { span: millis("--span", manner.span)?, seed: arguments.number("--seed", manner.seed)? };
    let one = ["--shards", "--hold", "--rate"].iter().any(|flag| arguments.has(flag));
    let trials: Vec<Trial> = if one {
        let shards: u32 = arguments.number("--shards", 1)?;
        let per_second = arguments.number("--rate", u64::from(shards) * table::LOADS[0].1)?;
        vec![manner.trial(shards, millis("--hold", table::LOADS[0].0)?, per_second)]
    } else {
        let of = |(hold, rate): (Duration, u64)| {
            table::SHARDS.map(|shards| manner.trial(shards, hold, u64::from(shards).saturating_mul(rate)))
        };
        table::LOADS.into_iter().flat_map(of).collect()
    };
    println!("{}", Row::HEAD);
    let mut sound = true;
    for trial in trials {
        let watch = testkit::clock::Watch::start();
        let row = table::row(trial).map_err(|failure| failure.to_string())?;
        println!("{row}");
        let (sustained, end) = (&row.sustained, &row.end);
        eprintln!(
            "  {} holds and {} marks on a shard, {}.{:02} writes an order, {} sandboxes, hottest {:?}; to the last unit: {} of {} sold to {} shoppers, \
             {} told sold out, {} all held, {} to try again; {} s",
            sustained.holds,
            sustained.marks,
            sustained.writes_of_100_orders / 100,
            sustained.writes_of_100_orders % 100,
            sustained.sandboxes,
            sustained.hottest,
            end.sold,
            end.units,
            end.shoppers,
            end.sold_out,
            end.all_held,
            end.busy,
            watch.elapsed().as_secs(),
        );
        for violation in sustained.violations.iter().chain(&end.violations) {
            eprintln!("  {}: {}", violation.invariant, violation.what);
        }
        sound &= row.is_sound();
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn simulate(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let number = |name: &str, default: u64| arguments.get(name).map_or(Ok(default), str::parse);
    let first = number("--seed", 1)?;
    if !arguments.has("--runs") && arguments.has("--seed") {
        let [outcome, again] = [simulate::run(Plan::of(first))?, simulate::run(Plan::of(first))?];
        print!("{}\n{outcome}", outcome.tail);
        println!("  repeats exactly: {}", outcome == again);
        return Ok(if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let (runs, threads) = (number("--runs", 1000)?, number("--threads", 2)?);
    let campaign = simulate::campaign(first, runs, threads)?;
    println!("{campaign}");
    Ok(if campaign.failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn set<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

fn listen<'a>(arguments: &'a Arguments, vars: &'a BTreeMap<String, String>) -> &'a str {
    arguments.get("--listen").or_else(|| set(vars, "OXCART_LISTEN")).unwrap_or("127.0.0.1:8080")
}

fn tuned(vars: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    TUNABLE.iter().filter_map(|name| Some(((*name).to_owned(), set(vars, name)?.to_owned()))).collect()
}

/// The address that a browser on this machine reaches a socket by.
fn base_url(listener: &tokio::net::TcpListener) -> Result<String, Failure> {
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{address}"))
}

async fn run(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let clock = SystemClock;
    let began = clock.now();
    let wanted = Wanted {
        catalog: arguments.get("--catalog").map(PathBuf::from),
        map: arguments.get("--map").map(PathBuf::from),
    };
    if wanted.map.is_some() && wanted.catalog.is_none() {
        return Err("--map says how a --catalog is read; name that too".into());
    }
    if arguments.has("--memory") && arguments.has("--data") {
        return Err("--memory keeps nothing and --data does; choose one".into());
    }
    let listener = gateway::bind(listen(arguments, vars)).await?;
    let mut options = match arguments.has("--memory") {
        true => Options { offload: true, ..Options::memory() },
        false => {
            let folder = PathBuf::from(arguments.get("--data").unwrap_or(".oxcart"));
            Options { log: Arc::new(LogFile::open(&folder)?), ..Options::folder(&folder) }
        }
    };
    if arguments.has("--log") {
        options.log = Arc::new(LogPrint);
    }
    options.base_url = base_url(&listener)?;
    options.cors_origins =
        arguments.get("--cors").into_iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
    options.variables = tuned(vars);
    options.search = search_of(arguments, vars)?;
    let place = options.place.clone();
    if !arguments.has("--no-cdn") {
        options.cdn = Some(start::origin_secret(&place)?);
    }
    let shop = Shop::open(options, registry::registry()).await?;
    start::search(&shop).await.map_err(|problem| explained(&problem))?;
    let pump = Pump::start(&shop);
    let password = start::administrator(&shop, &place, set(vars, "OXCART_ADMIN_PASSWORD"));
    let filled = start::fill(&shop, &place, &wanted, |report| eprintln!("{} rows read …", report.counts.rows));
    let (password, report) = tokio::join!(password, filled);
    let (password, report) = (password.map_err(|problem| explained(&problem))?, report?);
    if let Some(report) = &report {
        print_report(report);
    }
    let took = clock.now().since(began);
    welcome(&shop, &place, &password, took).await;
    serve(shop, pump, listener).await?;
    Ok(ExitCode::SUCCESS)
}

/// Which search engine the shop is to have.
fn search_of(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<Search, Failure> {
    match arguments.get("--search").or_else(|| set(vars, "OXCART_SEARCH")).unwrap_or("embedded") {
        "embedded" => Ok(Search::Embedded),
        "off" => Ok(Search::Off),
        "opensearch" => Ok(Search::OpenSearch),
        other => Err(format!("there is no search engine `{other}`; known are embedded, opensearch and off").into()),
    }
}

/// Kills a shop in the middle of many checkouts and audits what is left.
async fn crash(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let checkouts = arguments.number("--checkouts", 1000_usize)?;
    let trial = local::crash::trial(checkouts).await?;
    println!("killed after {} answers; the shop answered again after {} ms", trial.answered, trial.restart.as_millis());
    println!("{}", trial.audit);
    Ok(if trial.audit.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Places many orders and tells of each tenth of them.
async fn soak(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let orders = arguments.number("--orders", 100_000_usize)?;
    println!("| orders | checkout p50 | checkout p99 | seconds for this part |\n|--:|--:|--:|--:|");
    let tell = |part: &local::soak::Part| {
        let micros = |time: Duration| format!("{}.{:02} ms", time.as_millis(), time.as_micros() % 1000 / 10);
        println!("| {} | {} | {} | {} |", part.orders, micros(part.p50), micros(part.p99), part.took.as_secs());
    };
    local::soak::run(orders, tell).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the table of costs.
async fn costs() -> Result<ExitCode, Failure> {
    let table = local::costs::table(&local::costs::count().await?);
    print!("{table}");
    let file = Path::new("docs/cost.md");
    let before = std::fs::read_to_string(file)?;
    let after = local::costs::placed(&before, &table).ok_or("docs/cost.md has no place for the table")?;
    if after != before {
        std::fs::write(file, after)?;
        println!("\ndocs/cost.md was another one, and is this one now");
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves until the process is asked to end; then lets what runs finish.
async fn serve(shop: Shop, pump: Pump, listener: tokio::net::TcpListener) -> Result<(), Failure> {
    let openapi = generate::openapi::document(&registry::source())?.value();
    let site = Arc::new(ShopSite::new(&shop, Pages::new(&shop, openapi)));
    gateway::serve(listener, site, gateway::asked_to_end()).await;
    shop.idle().await;
    pump.stop().await;
    Ok(())
}

async fn welcome(shop: &Shop, place: &Place, password: &str, took: Duration) {
    let kept = match place {
        Place::Memory => "nothing is kept".to_owned(),
        Place::Folder(folder) => format!("data in {}", folder.display()),
    };
    println!("\nOxcart at {} ({kept}; up after {} ms)", shop.base_url(), took.as_millis());
    println!("Administrator: {ADMIN}, password {password}\n");
    for (what, line) in Hello::of(shop).await.lines() {
        println!("# {what}\n{line}\n");
    }
    println!("Ctrl-C ends it.");
}

fn print_report(report: &Report) {
    for rejected in &report.complaints {
        eprintln!("{}", import::complaint(rejected.line, rejected.field.as_deref(), &rejected.reason));
    }
    eprintln!("{}", import::summary(&report.counts));
}

/// Imports a file into a shop over its API.
async fn import_file(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let file = arguments.get("--file").ok_or("import needs --file FILE")?;
    let url = arguments.get("--url").unwrap_or("http://127.0.0.1:8080").trim_end_matches('/').to_owned();
    let folder = PathBuf::from(arguments.get("--data").unwrap_or(".oxcart"));
    let password = match set(vars, "OXCART_ADMIN_PASSWORD") {
        Some(password) => password.to_owned(),
        // The shop on this machine keeps the one it made up beside its data.
        None => std::fs::read_to_string(folder.join("admin-password")).unwrap_or_default().trim().to_owned(),
    };
    let email = arguments.get("--admin").or_else(|| set(vars, "OXCART_ADMIN_EMAIL")).unwrap_or(ADMIN);
    let wanted = import::Wanted {
        file: PathBuf::from(file),
        map: arguments.get("--map").map(PathBuf::from),
        format: arguments.get("--format").map(str::to_owned),
        currency: arguments.get("--currency").map(str::to_owned),
        encoding: arguments.get("--encoding").map(str::to_owned),
    };
    let ended = import::run(&url, email, &password, &wanted).await?;
    Ok(if ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explained(problem: &kernel::Problem) -> String {
    let internal = problem.internal.as_ref().map(|internal| internal.for_log()).unwrap_or_default();
    format!("{}: {} {internal}", problem.code.title, problem.detail)
}

/// A folder for fixtures, which nobody needs afterwards.
fn fixtures_folder() -> PathBuf {
    std::env::temp_dir().join(format!("oxcart-data-{}", std::process::id()))
}

async fn data(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let fixtures = arguments.has("--fixtures");
    let listener = gateway::bind(listen(arguments, vars)).await?;
    let temporary = (fixtures && !arguments.has("--data")).then(fixtures_folder);
    let folder = arguments.get("--data").map(PathBuf::from).or_else(|| temporary.clone());
    let mut options = match &folder {
        Some(folder) => Options::folder(folder),
        None => Options { offload: true, ..Options::memory() },
    };
    if let (true, Some(folder)) = (fixtures, &folder) {
        local::fixtures::prepare(folder)?;
    }
    let url = base_url(&listener)?;
    options.base_url.clone_from(&url);
    options.variables = tuned(vars);
    // The embedded index is in this process, and functions in another one cannot reach it.
    options.search = Search::Off;
    let shop = Shop::open(options, registry::registry()).await?;
    if fixtures {
        local::fixtures::load(&shop).await.map_err(|problem| explained(&problem))?;
    }
    println!("# The embedded AWS services at {url}. A function in another process needs these variables:");
    for (name, value) in shop.variables() {
        println!("export {name}='{value}'");
    }
    println!("export AWS_ENDPOINT_URL='{url}'");
    gateway::serve(listener, Arc::new(DataSite(shop.engine().clone())), gateway::asked_to_end()).await;
    drop(shop);
    if let Some(folder) = temporary {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn demo(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let shoppers = arguments.number("--shoppers", 200_usize)?;
    let units = arguments.number("--units", 10_u32)?;
    let shards = arguments.number("--shards", 1_u32)?;
    let sockets = arguments.number("--sockets", 256_usize)?;
    let checkouts = arguments.number("--checkouts", 500_usize)?;
    let listener = gateway::bind("127.0.0.1:0").await?;
    let url = base_url(&listener)?;
    let mut variables = tuned(vars);
    // Who never opens the bank's page is waited for in the second act.
    variables.entry("OXCART_HOLD_SECONDS".into()).or_insert_with(|| "30".into());
    let options = Options { offload: true, base_url: url.clone(), variables, ..Options::memory() };
    let place = options.place.clone();
    let shop = Shop::open(options, registry::registry()).await?;
    let pump = Pump::start(&shop);
    let password = start::administrator(&shop, &place, None).await.map_err(|problem| explained(&problem))?;
    let openapi = generate::openapi::document(&registry::source())?.value();
    let site = Arc::new(ShopSite::new(&shop, Pages::new(&shop, openapi)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(gateway::serve(listener, site, async move { drop(stopped.await) }));
    let target = Target {
        base_url: url,
        admin_email: ADMIN.into(),
        admin_password: password,
        origin_secret: String::new(),
        local: true,
    };
    let finish = race::race(&target, shoppers, units, sockets, shards).await;
    let reckoning = match &finish {
        Ok(finish) => {
            println!("{finish}");
            Some(storm::storm(&shop, &target, checkouts, sockets).await)
        }
        Err(_) => None,
    };
    drop(stop);
    server.await?;
    pump.stop().await;
    let good = finish?.success();
    let reckoning = reckoning.transpose()?.unwrap_or_default();
    println!("{reckoning}");
    Ok(if good && reckoning.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn smoke(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let url = arguments.get("--url").ok_or("smoke needs --url URL")?;
    let near = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|start| url.starts_with(start));
    // An emulator on this machine has a path before the API's own.
    let local = arguments.has("--local") || near && !url.contains("/_aws/");
    let secret = match set(vars, "OXCART_ORIGIN_SECRET") {
        Some(secret) => secret.to_owned(),
        // The shop on this machine keeps the one it made up beside its data.
        None if local => {
            let folder = Path::new(arguments.get("--data").unwrap_or(".oxcart"));
            std::fs::read_to_string(folder.join(start::ORIGIN_SECRET)).unwrap_or_default().trim().to_owned()
        }
        None => String::new(),
    };
    let target = Target {
        base_url: url.trim_end_matches('/').to_owned(),
        admin_email: arguments.get("--admin").or_else(|| set(vars, "OXCART_ADMIN_EMAIL")).unwrap_or(ADMIN).to_owned(),
        admin_password: set(vars, "OXCART_ADMIN_PASSWORD").unwrap_or_default().to_owned(),
        origin_secret: secret,
        local,
    };
    let report = blackbox::run(&target, arguments.get("--filter")).await;
    println!("{report}");
    Ok(if report.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn staff(arguments: &Arguments, vars: &BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let text = arguments.get("--email").unwrap_or(ADMIN);
    let email = Email::parse(text).ok_or_else(|| format!("`{text}` is not {}", Email::RULE))?;
    let password = set(vars, "OXCART_ADMIN_PASSWORD").ok_or("OXCART_ADMIN_PASSWORD is not set")?;
    // What making an account does not need is filled in; the rest is asked for by name.
    let unused = ["OXCART_STAGE", "OXCART_QUEUE_BASE", "OXCART_ISSUER", "OXCART_MAIL_FROM", "OXCART_FUNCTION"];
    let mut all: BTreeMap<String, String> = unused.iter().map(|name| ((*name).to_owned(), "-".to_owned())).collect();
    all.extend(vars.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.clone(), value.clone())));
    let platform = Platform::start(Config::from_vars(&all)?)?;
    let id = users::ensure_staff(&platform, &email, password, start::ADMIN_SCOPES).await;
    println!("{} is {email}", id.map_err(|problem| explained(&problem))?);
    Ok(ExitCode::SUCCESS)
}

fn write_generated(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let root = Path::new(arguments.get("--root").unwrap_or("."));
    let report = generate::run(&registry::source(), root, arguments.has("--check"))?;
    println!("{report}");
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
