//! The black-box suite: the contract of the API, held against a shop over HTTP and nothing else.
//!
//! Each case makes its own products, carts and accounts under names of this run, so that the suite can run again and again
//! against a shop that has data, several cases at a time. It knows no code behind the API and never looks at a table. A
//! case that cannot be tried on a target says why; it is never counted as passed.

mod abuse;
mod caching;
mod cart;
mod catalog;
mod check;
mod checkout;
mod currencies;
mod drops;
mod exchange;
mod http_contract;
mod idempotency;
mod inventory;
mod ledger;
mod orders;
mod payments;
mod people;
mod policies;
mod promotions;
mod recommendations;
mod refunds;
mod reservations;
mod reviews;
mod search;
mod shards;
mod stockroom;
mod transfers;
mod users;
mod warehouses;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::clock::Watch;
use crate::shop::Shop;
use crate::stats::millis;
use crate::{Outcome, Stop, Target};

/// How many cases run at a time.
const AT_ONCE: usize = 4;
/// How long a case may take. An emulator starts each function cold, some of them several times.
const CASE_LIMIT: Duration = Duration::from_secs(240);

type Run = Box<dyn Fn(Shop) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One case.
pub struct Case {
    /// Its name, `<module>.<what it shows>`.
    pub name: &'static str,
    run: Run,
}

fn case<F, Fut>(name: &'static str, run: F) -> Case
where
    F: Fn(Shop) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    Case { name, run: Box::new(move |shop| Box::pin(run(shop))) }
}

/// Every case there is.
#[must_use]
pub fn cases() -> Vec<Case> {
    let modules = [
        abuse::cases(),
        caching::cases(),
        catalog::cases(),
        reviews::cases(),
        exchange::cases(),
        cart::cases(),
        inventory::cases(),
        shards::cases(),
        transfers::cases(),
        policies::cases(),
        reservations::cases(),
        drops::cases(),
        ledger::cases(),
        checkout::cases(),
        payments::cases(),
        promotions::cases(),
        currencies::cases(),
        refunds::cases(),
        orders::cases(),
        search::cases(),
        recommendations::cases(),
        users::cases(),
        people::cases(),
        http_contract::cases(),
        idempotency::cases(),
        warehouses::cases(),
    ];
    modules.into_iter().flatten().collect()
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was as it must be.
    Passed,
    /// It cannot be tried on this target; why.
    Skipped(String),
    /// Something was not as it must be.
    Failed(String),
}

/// A case and how it ended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The case's name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reason) = match &self.verdict {
            Verdict::Passed => ("ok", None),
            Verdict::Skipped(reason) => ("skipped", Some(reason)),
            Verdict::Failed(_) => ("FAILED", None),
        };
        write!(f, "{word:<8}{:<76}{:>12}", self.name, millis(self.took))?;
        reason.map_or(Ok(()), |reason| write!(f, "  {reason}"))
    }
}

/// What a run came to. Its text form is the failures, whole, and the sums; the line of each case was printed as it ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every case that was run, by name.
    pub entries: Vec<Entry>,
    /// How long all of it took.
    pub took: Duration,
    /// Products of this run that could not be taken off the shelf afterwards.
    pub left_behind: usize,
}

impl Report {
    fn count(&self, wanted: impl Fn(&Verdict) -> bool) -> usize {
        self.entries.iter().filter(|entry| wanted(&entry.verdict)).count()
    }

    /// How many cases passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Passed)
    }

    /// How many cases could not be tried.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// Whether something ran and nothing failed. A run in which every case was skipped shows nothing and is no success.
    #[must_use]
    pub fn success(&self) -> bool {
        self.failed() == 0 && self.passed() > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            if let Verdict::Failed(reason) = &entry.verdict {
                writeln!(f, "\n{}\n  {reason}", entry.name)?;
            }
        }
        if self.left_behind > 0 {
            writeln!(f, "\n{} products of this run could not be archived", self.left_behind)?;
        }
        let (passed, failed, skipped) = (self.passed(), self.failed(), self.skipped());
        write!(f, "\n{passed} passed, {failed} failed, {skipped} skipped in {}", millis(self.took))
    }
}

/// Runs the suite against a target: all cases, or those whose name contains `filter`. Prints a line for each case as it
/// ends.
pub async fn run(target: &Target, filter: Option<&str>) -> Report {
    let watch = Watch::start();
    let wanted: Vec<Case> =
        cases().into_iter().filter(|case| filter.is_none_or(|part| case.name.contains(part))).collect();
    let shop = match reach(target).await {
        Ok(shop) => shop,
        Err(stop) => {
            let entry =
                Entry { name: "reach the shop", verdict: Verdict::Failed(stop.to_string()), took: watch.elapsed() };
            println!("{entry}");
            return Report { entries: vec![entry], took: watch.elapsed(), left_behind: 0 };
        }
    };
    if wanted.iter().any(|case| case.name.starts_with("warehouses.")) {
        // Before anything is sold: a sandbox remembers the warehouses for half a minute. Whether it worked, the cases tell.
        drop(shop.furnish().await);
    }
    let runs = wanted.into_iter().map(|case| one(case, shop.clone()));
    let mut entries: Vec<Entry> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    entries.sort_by_key(|entry| entry.name);
    let left_behind = shop.clear().await;
    Report { entries, took: watch.elapsed(), left_behind }
}

/// Opens the shop and sees that somebody answers there, so that a wrong address is one failure and not sixty.
async fn reach(target: &Target) -> Outcome<Shop> {
    let shop = Shop::open(target)?;
    shop.client().get("/v1/products?limit=1").send().await?.expect(200)?;
    Ok(shop)
}

async fn one(case: Case, shop: Shop) -> Entry {
    let watch = Watch::start();
    // A task of its own, so that a panic fails this case and no other.
    let task = tokio::spawn(tokio::time::timeout(CASE_LIMIT, (case.run)(shop)));
    let verdict = match task.await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Skipped(reason)))) => Verdict::Skipped(reason),
        Ok(Ok(Err(Stop::Failed(reason)))) => Verdict::Failed(reason),
        Ok(Err(_)) => Verdict::Failed(format!("it took longer than {} seconds", CASE_LIMIT.as_secs())),
        Err(error) => Verdict::Failed(format!("the case itself broke: {error}")),
    };
    let entry = Entry { name: case.name, verdict, took: watch.elapsed() };
    println!("{entry}");
    entry
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_tell_their_module() {
        let all = cases();
        let names: HashSet<_> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|case| case.name.contains('.')));
    }

    #[test]
    fn a_run_that_shows_nothing_is_no_success() {
        let entry = |verdict| Entry { name: "a.b", verdict, took: Duration::ZERO };
        let report = |verdicts: Vec<Verdict>| Report {
            entries: verdicts.into_iter().map(entry).collect(),
            took: Duration::ZERO,
            left_behind: 0,
        };
        assert!(!report(vec![]).success());
        assert!(!report(vec![Verdict::Skipped("no staff".into())]).success());
        assert!(report(vec![Verdict::Passed, Verdict::Skipped("no staff".into())]).success());
        let failed = report(vec![Verdict::Passed, Verdict::Failed("the whole reason".into())]);
        assert!(!failed.success() && failed.to_string().contains("the whole reason"));
    }

    #[tokio::test]
    async fn a_shop_that_is_not_there_is_one_failure() {
        let target = Target {
            base_url: "http://127.0.0.1:9".into(),
            admin_email: String::new(),
            admin_password: String::new(),
            origin_secret: String::new(),
            local: true,
        };
        let report = run(&target, None).await;
        assert_eq!((report.entries.len(), report.failed()), (1, 1));
    }
}
