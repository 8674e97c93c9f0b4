//! Pages: all hits once, whatever is written between them.

use std::collections::BTreeSet;

use kernel::ProductId;
use search::{Query, SearchEngine, Sort, Target};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, id, product, word};

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let key = |at: usize| format!("p{at:03}");
    let entry = |at: usize| {
        let number = i64::try_from(at).unwrap();
        product(&key(at), &"tea ".repeat(1 + at % 3))
            .price(100 * (number % 4))
            .created(number % 5)
            .rated(u32::try_from(at % 3).unwrap() * 100)
    };
    fill(&*engine, (0..60).map(entry)).await;
    let before: BTreeSet<ProductId> = (0..60).map(|at| id(&key(at))).collect();
    for sort in [Sort::Relevance, Sort::Price, Sort::PriceDown, Sort::Newest, Sort::Rating] {
        for mut query in [ask(word("tea")), everything()] {
            (query.sort, query.limit) = (sort, 7);
            let seen = walk::<0>(&*engine, query.clone(), |_| None).await;
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
        Some([cheap, dear, entry(page).version(2)])
    })
    .await;
    let known: Vec<_> = seen.iter().filter(|hit| before.contains(hit)).collect();
    assert_eq!(known.len(), 60);
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), 60);
}

async fn walk<const N: usize>(
    engine: &dyn SearchEngine,
    mut query: Query,
    between: impl Fn(usize) -> Option<[search::Entry; N]>,
) -> Vec<ProductId> {
    let mut seen = Vec::new();
    for page in 0..40 {
        let found = engine.search(&query).await.unwrap();
        seen.extend(found.hits);
        query.after = found.next;
        if query.after.is_none() {
            break;
        }
        if let Some(entries) = between(page) {
            let writes: Vec<_> = entries.into_iter().map(Changed::put).collect();
            engine.write(Target::Live, &writes).await.unwrap();
            engine.refresh().await.unwrap();
        }
    }
    seen
}
