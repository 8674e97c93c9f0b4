//! Pages: all hits once, whatever is written between them.

use std::collections::BTreeSet;

use kernel::{CategoryPath, ProductId};
use search::place::SCORED;
use search::{Place, Query, SearchEngine, Sort, Target};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, id, product, word};

pub async fn run(fresh: Fresh<'_>) {
    pieces_of_the_whole(fresh).await;
    scores_move(fresh).await;
    deep(fresh).await;
}

fn key(at: usize) -> String {
    format!("p{at:03}")
}

fn ids(count: usize) -> BTreeSet<ProductId> {
    (0..count).map(|at| id(&key(at))).collect()
}

/// Those that were there from the beginning, in the order of the pages.
fn known(seen: &[ProductId], before: &BTreeSet<ProductId>) -> Vec<ProductId> {
    seen.iter().filter(|hit| before.contains(hit)).cloned().collect()
}

async fn pieces_of_the_whole(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let entry = |at: usize| {
        let number = i64::try_from(at).unwrap();
        product(&key(at), &"tea ".repeat(1 + at % 3))
            .price(100 * (number % 4))
            .created(number % 5)
            .rated(u32::try_from(at % 3).unwrap() * 100)
    };
    fill(&*engine, (0..60).map(entry)).await;
    let before = ids(60);
    for sort in [Sort::Relevance, Sort::Price, Sort::PriceDown, Sort::Newest, Sort::Rating] {
        for mut query in [ask(word("tea")), everything()] {
            (query.sort, query.limit) = (sort, 7);
            let seen = walk(&*engine, query.clone(), |_| Vec::new()).await;
            assert_eq!(seen.len(), 60, "{sort:?}: each once");
            assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), before);
            query.limit = 60;
            assert_eq!(engine.search(&query).await.unwrap().hits, seen, "{sort:?}: pages are pieces of the whole");
        }
    }
    // New ones at both ends of the order and changes that do not move: no old one is missed or repeated.
    let mut query = everything();
    (query.sort, query.limit) = (Sort::Price, 7);
    let seen = walk(&*engine, query, |page| {
        let cheap = product(&format!("x{page:03}"), "tea").price(0);
        let dear = product(&format!("y{page:03}"), "tea").price(1_000_000);
        vec![cheap, dear, entry(page).version(2)]
    })
    .await;
    let known = known(&seen, &before);
    assert_eq!(known.len(), 60);
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), before);
}

/// By relevance: scores turn round between pages, of products that are written and of those that are not.
async fn scores_move(fresh: Fresh<'_>) {
    let engine = fresh().await;
    // Half of them have the one word, half the other: which half is better hangs on how many others have it.
    let name = |at: usize| if at.is_multiple_of(2) { "black tea" } else { "green tea" };
    fill(&*engine, (0..40).map(|at| product(&key(at), name(at)))).await;
    let either = search::Clause::Some { of: vec![word("black"), word("green")], least: 1 };
    let mut query = ask(either);
    (query.limit, query.filters.category) = (6, Some(CategoryPath::parse("things").unwrap()));
    let first = engine.search(&query).await.unwrap().hits;
    let seen = walk(&*engine, query.clone(), |page| {
        // More and more of one and then of the other word, and one of the last becomes the very best.
        let name = if page.is_multiple_of(2) { "black pot" } else { "green pot" };
        let many = (0..20 * (page + 1)).map(|at| product(&format!("n{page}x{at:03}"), name).category("others"));
        many.chain([product(&key(39 - page), "black green").version(2)]).collect()
    })
    .await;
    let before = ids(40);
    let known = known(&seen, &before);
    assert_eq!(known.len(), 40, "none twice");
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), before, "none left out");
    assert_ne!(engine.search(&query).await.unwrap().hits, first, "scores did move");
}

/// By relevance, further than scores are followed.
async fn deep(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let count = SCORED + 45;
    fill(&*engine, (0..count).map(|at| product(&key(at), "tea").created(i64::try_from(at / 2).unwrap()))).await;
    let mut query = ask(word("tea"));
    query.limit = 40;
    let before = ids(count);
    let seen = walk(&*engine, query, |page| {
        let created = i64::try_from(page / 2).unwrap();
        let longer = product(&key(page), "tea pot").created(created).version(2);
        vec![product(&format!("x{page:03}"), "tea tea").created(1000), longer]
    })
    .await;
    let known = known(&seen, &before);
    assert_eq!(known.len(), count, "none twice");
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), before, "none left out");
}

/// All pages, with writes between them.
async fn walk(
    engine: &dyn SearchEngine,
    query: Query,
    between: impl Fn(usize) -> Vec<search::Entry>,
) -> Vec<ProductId> {
    let (mut seen, mut place) = (Vec::new(), Place::default());
    for at in 0..40 {
        let page = place.page(query.clone());
        let found = engine.search(&page).await.unwrap();
        let next = place.next(&page, &found);
        seen.extend(found.hits);
        match next {
            Some(next) => place = next,
            None => break,
        }
        let writes: Vec<_> = between(at).into_iter().map(Changed::put).collect();
        if !writes.is_empty() {
            engine.write(Target::Live, &writes).await.unwrap();
            engine.refresh().await.unwrap();
        }
    }
    seen
}
