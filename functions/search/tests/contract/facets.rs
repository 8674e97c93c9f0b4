//! Facets: right under their own filter.

use kernel::{CategoryPath, Currency};
use search::query::{Count, Facets};

use super::Fresh;
use super::catalogue::{Changed, everything, fill, product};

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let all = [
        product("aa", "a").brand("Acme").category("home/kitchen").price(500).rated(450).text("Colour", "red"),
        product("bb", "b").brand("Acme").category("home/bath").price(1500).rated(300).text("Colour", "blue"),
        product("cc", "c").brand("Best").category("home/kitchen").price(2500).text("Colour", "red").sold_out(),
        product("dd", "d").brand("Cobo").category("garden").price(99_000).text("Size", "L"),
    ];
    fill(&*engine, all).await;
    let mut query = everything();
    query.facets = true;
    query.limit = 1;
    let found = engine.search(&query).await.unwrap();
    let facets = found.facets.unwrap();
    assert_eq!((found.total, found.exact), (4, true));
    assert_eq!(said(&facets.brand), "Acme 2, Best 1, Cobo 1");
    assert_eq!(said(&facets.category), "home 3, home/kitchen 2, garden 1, home/bath 1");
    assert_eq!((facets.in_stock, facets.sold_out), (3, 1));
    let prices: Vec<_> = facets.price.iter().map(|range| (range.from, range.to, range.count)).collect();
    let expected = [(0, Some(1000), 1), (1000, Some(2500), 1), (2500, Some(5000), 1), (50_000, Some(100_000), 1)];
    assert_eq!(prices, expected);
    let stars: Vec<_> = facets.rating.iter().map(|step| (step.stars, step.count)).collect();
    assert_eq!(stars, [(4, 1), (3, 2), (2, 2), (1, 2)]);
    assert_eq!(attribute(&facets, "Colour"), "red 2, blue 1");
    assert_eq!(attribute(&facets, "Size"), "L 1");

    query.filters.brands = ["acme".to_owned()].into();
    query.filters.attributes.insert("colour".into(), ["red".to_owned()].into());
    let found = engine.search(&query).await.unwrap();
    let facets = found.facets.unwrap();
    assert_eq!(found.total, 1, "red and of Acme");
    assert_eq!(said(&facets.brand), "Acme 1, Best 1", "brands of what is red");
    assert_eq!(attribute(&facets, "Colour"), "blue 1, red 1", "colours of what is Acme's");
    assert_eq!(said(&facets.category), "home 1, home/kitchen 1", "both filters hold for the others");

    query.filters = search::Filters::default();
    query.filters.category = CategoryPath::parse("garden");
    query.filters.min_price = Some(1);
    let facets = engine.search(&query).await.unwrap().facets.unwrap();
    assert_eq!(said(&facets.category), "home 3, home/kitchen 2, garden 1, home/bath 1");
    assert_eq!(said(&facets.brand), "Cobo 1");
    query.currency = Currency::USD;
    let facets = engine.search(&query).await.unwrap().facets.unwrap();
    assert_eq!((facets.price.len(), facets.brand.len()), (0, 0), "nothing has a price in dollars");
    many_names(fresh).await;
}

/// Thousands of attributes are as good as ten.
async fn many_names(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let numbered = |at: usize| {
        let entry = product(&format!("p{at:04}"), "thing").text("Material", ["oak", "steel"][at % 2]);
        (0..10).fold(entry, |entry, name| entry.text(&format!("Name {}", at * 10 + name), "x"))
    };
    fill(&*engine, (0..500).map(numbered)).await;
    let mut query = everything();
    query.facets = true;
    let facets = engine.search(&query).await.unwrap().facets.unwrap();
    assert_eq!(attribute(&facets, "Material"), "oak 250, steel 250");
    query.filters.attributes.insert("name 4321".into(), ["x".to_owned()].into());
    let found = engine.search(&query).await.unwrap();
    assert_eq!(found.total, 1);
    assert_eq!(attribute(&found.facets.unwrap(), "Name 4321"), "x 1", "what is filtered by is counted");
}

fn said(counts: &[Count]) -> String {
    let said: Vec<String> = counts.iter().map(|count| format!("{} {}", count.value, count.count)).collect();
    said.join(", ")
}

fn attribute(facets: &Facets, name: &str) -> String {
    facets
        .attributes
        .iter()
        .find(|attribute| attribute.name == name)
        .map(|attribute| said(&attribute.values))
        .unwrap_or_default()
}
