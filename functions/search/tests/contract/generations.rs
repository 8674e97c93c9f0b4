//! A new index beside the one that is searched.

use search::{Generation, SearchError, Target};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, product, set, word};

const NAMES: &[&str] = &["aa", "bb", "cc"];

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    assert_eq!(engine.health().await.unwrap().live, None);
    assert_eq!(engine.search(&everything()).await.unwrap().total, 0, "nothing without an index");
    fill(&*engine, [product("aa", "old"), product("bb", "old")]).await;
    let (next, other) = (Generation::parse("next").unwrap(), Generation::parse("other").unwrap());
    engine.begin(&next).await.unwrap();
    engine.begin(&next).await.unwrap();
    assert_eq!(engine.health().await.unwrap().building, Some(next.clone()));
    // A write while it is built reaches both; what is filled in later and older does not undo it.
    fill(&*engine, [product("aa", "changed").version(2)]).await;
    let late = [product("aa", "old").put(), product("cc", "filled").put()];
    engine.write(Target::Building(&next), &late).await.unwrap();
    engine.refresh().await.unwrap();
    assert_eq!(set(&*engine, &everything(), NAMES).await, ["aa", "bb"], "the old one is searched");
    assert_eq!(set(&*engine, &ask(word("changed")), NAMES).await, ["aa"]);
    engine.finish(&next).await.unwrap();
    engine.finish(&next).await.unwrap();
    assert_eq!(set(&*engine, &everything(), NAMES).await, ["aa", "cc"], "the new one is searched");
    assert_eq!(set(&*engine, &ask(word("changed")), NAMES).await, ["aa"]);
    let health = engine.health().await.unwrap();
    assert_eq!((health.live, health.building, health.products), (Some(next.clone()), None, 2));
    engine.begin(&next).await.unwrap();
    assert_eq!(engine.health().await.unwrap().building, None, "it is live already");

    engine.begin(&other).await.unwrap();
    let third = Generation::parse("third").unwrap();
    engine.begin(&third).await.unwrap();
    let refused = engine.write(Target::Building(&other), &[product("bb", "b").put()]).await;
    assert_eq!(refused, Err(SearchError::NotBuilding("other".into())), "another one was begun");
    assert_eq!(engine.finish(&other).await, Err(SearchError::NotBuilding("other".into())));
    engine.abandon(&third).await.unwrap();
    engine.abandon(&third).await.unwrap();
    assert_eq!(engine.health().await.unwrap().building, None);
    assert_eq!(set(&*engine, &everything(), NAMES).await, ["aa", "cc"]);
}
