//! Whatever comes in, an answer goes out, and soon.

use std::time::{Duration, Instant};

use search::{Clause, Field, Position, Sort, Typed};

use super::Fresh;
use super::catalogue::{Changed, ask, everything, fill, id, in_field, product, word};

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    fill(&*engine, (0..20).map(|at| product(&format!("p{at:02}"), "tea pot").text("a=b", "c=d"))).await;
    let long = "a".repeat(10_000);
    let odd = [
        "",
        " ",
        "*",
        "?",
        "tea*",
        "\"tea",
        "tea\" OR 1=1",
        "{\"match_all\":{}}",
        "../../_cluster",
        "\u{0}",
        "\u{202e}tea",
        "🍵",
        "緑",
        "name:tea",
        "AND",
        "~",
        "/.*/",
        long.as_str(),
    ];
    #[expect(clippy::disallowed_methods, reason = "it measures the engine")]
    let began = Instant::now();
    for text in odd {
        for field in [Field::Name, Field::Kind, Field::Description, Field::Codes, Field::Attributes] {
            let found = engine.search(&ask(in_field(field, text))).await.unwrap();
            assert!(found.total == 0 || text.contains("tea"), "{field:?} {text:.20}");
        }
        let phrase = Clause::Phrase { field: Field::Name, words: vec![text.to_owned(), text.to_owned()], weight: 100 };
        assert!(engine.search(&ask(phrase)).await.unwrap().total == 0);
        engine.suggest(&Typed { words: vec![text.to_owned()], prefix: text.to_owned(), limit: 5 }).await.unwrap();
        engine.spellings(&[text.to_owned()]).await.unwrap();
        let mut query = everything();
        query.filters.brands = [text.to_owned()].into();
        query.filters.attributes.insert(text.to_owned(), [text.to_owned()].into());
        query.facets = true;
        assert_eq!(engine.search(&query).await.unwrap().total, 0);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut named = everything();
    named.filters.attributes.insert("a".into(), ["b=c=d".to_owned()].into());
    assert_eq!(engine.search(&named).await.unwrap().total, 0, "names and values do not run together");
    named.filters.attributes = [("a=b".to_owned(), ["c=d".to_owned()].into())].into();
    assert_eq!(engine.search(&named).await.unwrap().total, 20);

    let empty = [
        Clause::Some { of: vec![], least: 0 },
        Clause::Best { of: vec![], tie: 0 },
        Clause::Some { of: vec![word("tea")], least: 0 },
    ];
    for clause in empty {
        engine.search(&ask(clause)).await.unwrap();
    }
    let mut query = everything();
    (query.filters.min_price, query.filters.max_price) = (Some(2000), Some(1000));
    assert_eq!(engine.search(&query).await.unwrap().total, 0, "upside down");
    for (sort, key) in [(Sort::Price, Some(i64::MAX)), (Sort::Price, None), (Sort::Newest, Some(i64::MIN))] {
        let mut query = ask(word("tea"));
        (query.sort, query.after) = (sort, Some(Position { key, id: id("zzzz") }));
        assert_eq!(engine.search(&query).await.unwrap().hits, [], "behind the end: {sort:?} {key:?}");
    }
}
