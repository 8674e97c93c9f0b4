//! Late and repeated writes never win.

use search::{Target, Write, Written};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, hits, id, product, set, word};

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let named = |name: &str, version: u64| product("aa", name).version(version).put();
    let gone = |version: u64| Write::Remove { id: id("aa"), version };
    let write = async |write: Write| {
        let written = engine.write(Target::Live, std::slice::from_ref(&write)).await.unwrap();
        engine.refresh().await.unwrap();
        written[0].clone()
    };
    assert_eq!(write(named("second", 2)).await, Written::Applied);
    assert_eq!(write(named("first", 1)).await, Written::Stale);
    assert_eq!(write(named("again", 2)).await, Written::Stale);
    assert_eq!(hits(&*engine, &ask(word("second")), &["aa"]).await, ["aa"]);
    assert_eq!(write(named("third", 3)).await, Written::Applied);
    assert_eq!(hits(&*engine, &everything(), &["aa"]).await, ["aa"], "one product, once");
    assert_eq!(hits(&*engine, &ask(word("second")), &["aa"]).await, [""; 0]);
    assert_eq!(write(gone(2)).await, Written::Stale);
    assert_eq!(write(gone(4)).await, Written::Applied);
    assert_eq!(engine.search(&everything()).await.unwrap().total, 0);
    assert_eq!(write(named("late", 3)).await, Written::Stale, "what is gone stays gone");
    assert_eq!(write(gone(4)).await, Written::Stale);
    assert_eq!(write(named("back", 5)).await, Written::Applied);
    assert_eq!(hits(&*engine, &ask(word("back")), &["aa"]).await, ["aa"]);
    assert_eq!(engine.health().await.unwrap().products, 1);

    // Several of one product in one batch, in any order.
    let batch = [named("sixth", 6), named("eighth", 8), named("seventh", 7)];
    engine.write(Target::Live, &batch).await.unwrap();
    engine.refresh().await.unwrap();
    assert_eq!(hits(&*engine, &ask(word("eighth")), &["aa"]).await, ["aa"]);
    assert_eq!(engine.search(&everything()).await.unwrap().total, 1);
    assert_eq!(engine.write(Target::Live, &[]).await.unwrap(), []);
    fill(&*engine, [product("bb", "other")]).await;
    assert_eq!(set(&*engine, &everything(), &["aa", "bb"]).await, ["aa", "bb"]);
}
