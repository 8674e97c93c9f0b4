//! Clauses: each kind, in each field.

use search::{Clause, Field};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, hits, in_field, product, set, word};

const NAMES: &[&str] = &["aa", "bb", "cc", "dd"];

pub async fn run(fresh: Fresh<'_>) {
    fields_stems_and_codes(fresh).await;
    combinations(fresh).await;
    pinned_and_buried(fresh).await;
}

async fn fields_stems_and_codes(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let mut first = product("aa", "Running Shoes").brand("Salomon").category("sports/trail-running").kinds(&["shoe"]);
    first.document.description = "Made for mountains.".into();
    first.document.tags = vec!["Outdoor".into()];
    first.document.options = vec!["Crimson".into()];
    first.document.codes = vec!["XT-6.2".into(), "4006381333931".into()];
    let mut second = product("bb", "Crème Brûlée Torch").text("Fuel", "butane gas");
    second.signals.accessory = true;
    fill(&*engine, [first, second]).await;
    let find = async |clause: Clause| set(&*engine, &ask(clause), NAMES).await;
    for (field, text, hit) in [
        (Field::Name, "shoe", "aa"),
        (Field::Name, "shoes", "aa"),
        (Field::Name, "runs", "aa"),
        (Field::Name, "creme", "bb"),
        (Field::Kind, "shoes", "aa"),
        (Field::Description, "mountain", "aa"),
        (Field::Brand, "salomon", "aa"),
        (Field::Category, "trail", "aa"),
        (Field::Tags, "outdoor", "aa"),
        (Field::Attributes, "crimson", "aa"),
        (Field::Attributes, "butane", "bb"),
        (Field::Codes, "xt-6.2", "aa"),
        (Field::Codes, "4006381333931", "aa"),
    ] {
        assert_eq!(find(in_field(field, text)).await, [hit], "{field:?} {text}");
    }
    assert_eq!(find(in_field(Field::Codes, "xt-6")).await, [""; 0], "a code is met as a whole");
    assert_eq!(find(in_field(Field::Brand, "shoe")).await, [""; 0]);
    assert_eq!(find(Clause::Accessory).await, ["bb"]);
    assert_eq!(set(&*engine, &everything(), NAMES).await, ["aa", "bb"]);
}

async fn combinations(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let all = [
        product("aa", "red tea pot"),
        product("bb", "pot of red tea"),
        product("cc", "green tea"),
        product("dd", "red lamp"),
    ];
    fill(&*engine, all).await;
    let find = async |clause: Clause| hits(&*engine, &ask(clause), NAMES).await;
    let flat = |clause: Clause, score: u32| Clause::Flat { clause: Box::new(clause), score };
    let some = |of: Vec<Clause>, least: usize| Clause::Some { of, least };
    assert_eq!(set(&*engine, &ask(some(vec![word("red"), word("tea")], 2)), NAMES).await, ["aa", "bb"]);
    assert_eq!(set(&*engine, &ask(some(vec![word("red"), word("tea"), word("pot")], 2)), NAMES).await, ["aa", "bb"]);
    assert_eq!(find(some(vec![word("red")], 2)).await, [""; 0], "more than there are cannot be met");
    let phrase = Clause::Phrase { field: Field::Name, words: vec!["tea".into(), "pots".into()], weight: 100 };
    assert_eq!(find(phrase.clone()).await, ["aa"], "in this order, beside each other, by stems");
    let either = some(vec![flat(word("green"), 7), flat(word("lamp"), 3), flat(word("pot"), 1)], 1);
    assert_eq!(find(either.clone()).await, ["cc", "dd", "aa", "bb"], "by score, then by id");
    let best = Clause::Best { of: vec![flat(word("red"), 5), flat(word("lamp"), 4), flat(word("green"), 6)], tie: 0 };
    assert_eq!(find(best).await, ["cc", "aa", "bb", "dd"], "only the best counts");
    let tied = Clause::Best { of: vec![flat(word("red"), 5), flat(word("lamp"), 4), flat(word("green"), 6)], tie: 50 };
    assert_eq!(find(tied).await, ["dd", "cc", "aa", "bb"], "half of the other counts too");
    let rather = Clause::Rather { must: Box::new(flat(word("tea"), 1)), rather: vec![flat(word("green"), 1)] };
    assert_eq!(find(rather).await, ["cc", "aa", "bb"]);
    let scaled = Clause::Scaled { clause: Box::new(flat(word("tea"), 10)), when: Box::new(word("red")), by: 50 };
    assert_eq!(find(scaled).await, ["cc", "aa", "bb"], "less of what is red");
    let weighed = Clause::Best {
        of: vec![
            Clause::Word { field: Field::Name, word: "lamp".into(), weight: 1 },
            Clause::Word { field: Field::Name, word: "green".into(), weight: 10_000 },
        ],
        tie: 0,
    };
    assert_eq!(find(weighed).await, ["cc", "dd"]);
}

async fn pinned_and_buried(fresh: Fresh<'_>) {
    let engine = fresh().await;
    fill(&*engine, NAMES.iter().map(|key| product(key, "tea"))).await;
    let mut query = ask(word("tea"));
    query.pinned = vec![super::catalogue::id("dd"), super::catalogue::id("bb")];
    query.buried = vec![super::catalogue::id("aa")];
    assert_eq!(hits(&*engine, &query, NAMES).await, ["dd", "bb", "cc", "aa"]);
    query.clause = Some(word("nothing"));
    assert_eq!(hits(&*engine, &query, NAMES).await, ["dd", "bb"], "pinned ones need not meet the clause");
    query.sort = search::Sort::Newest;
    query.clause = Some(word("tea"));
    assert_eq!(hits(&*engine, &query, NAMES).await, ["aa", "bb", "cc", "dd"], "other orders are what they are");
}
