//! What is suggested, and how words are spelt.

use search::query::Spelling;
use search::{Entry, Typed};

use super::Fresh;
use super::catalogue::{Changed, fill, id, product};

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let nobody = engine.suggest(&typed(&[], "s")).await.unwrap();
    assert_eq!((nobody.completions.len(), nobody.products.len()), (0, 0), "nothing without an index");
    let all: [Entry; 4] = [
        product("aa", "Salomon trail shoe").brand("Salomon").kinds(&["shoe"]).category("sports/running"),
        product("bb", "Salomon road shoe").brand("Salomon").kinds(&["shoe"]).category("sports/running"),
        product("cc", "Sardines in oil").brand("Ortiz").kinds(&["sardines"]).category("food/fish"),
        product("dd", "Paper notebooks").kinds(&["notebook"]).category("office"),
    ];
    fill(&*engine, all).await;
    let suggested = engine.suggest(&typed(&[], "s")).await.unwrap();
    assert_eq!(
        suggested.completions,
        ["salomon", "salomon shoe", "shoe", "sardines"],
        "from the first letter, the most first"
    );
    assert_eq!(sorted(&suggested.products), sorted(&[id("aa"), id("bb"), id("cc")]));
    let suggested = engine.suggest(&typed(&["salomon"], "sh")).await.unwrap();
    assert_eq!(suggested.completions, ["salomon shoe"]);
    assert_eq!(sorted(&suggested.products), sorted(&[id("aa"), id("bb")]));
    let suggested = engine.suggest(&typed(&["salomon"], "tr")).await.unwrap();
    assert_eq!(suggested.products, [id("aa")]);
    let one = engine.suggest(&Typed { limit: 1, ..typed(&[], "s") }).await.unwrap();
    assert_eq!((one.completions.len(), one.products.len()), (1, 1));
    assert_eq!(engine.suggest(&typed(&[], "zzz")).await.unwrap().products, []);

    let words: Vec<String> = ["shoe", "saloman", "notebooks", "notbook", "x", "zzzzz"].map(str::to_owned).into();
    let spelt = engine.spellings(&words).await.unwrap();
    let first = |at: usize| spelt[at].first().map(|spelling: &Spelling| (spelling.word.as_str(), spelling.edits));
    assert_eq!(spelt.len(), words.len());
    assert_eq!(first(0), Some(("shoe", 0)));
    assert_eq!(first(1), Some(("salomon", 1)));
    assert_eq!(spelt[1][0].products, 2);
    assert_eq!(first(2), Some(("notebooks", 0)));
    assert_eq!(first(3).map(|(word, _)| word), None, "`notebooks` is two letters away, and the word is short");
    assert_eq!((first(4), first(5)), (None, None));
}

fn typed(words: &[&str], prefix: &str) -> Typed {
    Typed { words: words.iter().map(|word| (*word).to_owned()).collect(), prefix: prefix.into(), limit: 8 }
}

fn sorted(ids: &[kernel::ProductId]) -> Vec<kernel::ProductId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
