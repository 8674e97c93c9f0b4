//! Filters and orders.

use catalog::Attribute;
use kernel::{CategoryPath, Currency, Money};
use search::{Query, Sort};

use super::Fresh;
use super::catalogue::{Changed, everything, fill, hits, product, set};

const NAMES: &[&str] = &["aa", "bb", "cc", "dd"];

pub async fn run(fresh: Fresh<'_>) {
    let engine = fresh().await;
    let mut priced = product("dd", "d").created(4);
    priced.document.prices = vec![Money::new(500, Currency::USD)];
    let all = [
        product("aa", "a").brand("Acme Inc").category("home/kitchen").price(1000).rated(450).created(1),
        product("bb", "b").brand("acme inc").category("home").price(3000).rated(399).sold_out().created(3),
        product("cc", "c").brand("Other").category("home-office").price(2000).text("Colour", "Deep Blue").created(2),
        priced.attribute("Ports", Attribute::Number(4)).attribute("WiFi", Attribute::Flag(true)),
    ];
    fill(&*engine, all).await;
    let with = |change: &dyn Fn(&mut Query)| {
        let mut query = everything();
        change(&mut query);
        query
    };
    let named = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let name = name.to_owned();
        move |query: &mut Query| {
            query.filters.attributes.insert(name.clone(), std::collections::BTreeSet::clone(&values));
        }
    };
    let find = async |change: &dyn Fn(&mut Query)| set(&*engine, &with(change), NAMES).await;
    assert_eq!(find(&|q| q.filters.category = CategoryPath::parse("home")).await, ["aa", "bb"], "not home-office");
    assert_eq!(find(&|q| q.filters.category = CategoryPath::parse("home/kitchen")).await, ["aa"]);
    assert_eq!(find(&|q| q.filters.brands = ["ACME INC".to_owned()].into()).await, ["aa", "bb"]);
    assert_eq!(find(&|q| q.filters.brands = ["acme inc".to_owned(), "other".into()].into()).await, ["aa", "bb", "cc"]);
    assert_eq!(find(&|q| q.filters.min_price = Some(2000)).await, ["bb", "cc"]);
    assert_eq!(find(&|q| q.filters.max_price = Some(2000)).await, ["aa", "cc"]);
    assert_eq!(find(&|q| q.filters.rating_min = Some(400)).await, ["aa"]);
    assert_eq!(find(&|q| q.filters.in_stock = Some(true)).await, ["aa", "cc", "dd"]);
    assert_eq!(find(&|q| q.filters.in_stock = Some(false)).await, ["bb"]);
    assert_eq!(find(&named("colour", &["deep blue", "red"])).await, ["cc"]);
    assert_eq!(find(&named("Ports", &["4"])).await, ["dd"]);
    assert_eq!(find(&named("wifi", &["true"])).await, ["dd"]);
    assert_eq!(find(&named("wifi", &["4"])).await, [""; 0], "a value counts with its name");
    assert_eq!(find(&named("no such", &["x"])).await, [""; 0]);
    let dollars = |q: &mut Query| {
        q.currency = Currency::USD;
        q.filters.max_price = Some(500);
    };
    assert_eq!(find(&dollars).await, ["dd"], "prices are per currency");
    let order = async |sort: Sort| hits(&*engine, &with(&|q| q.sort = sort), NAMES).await;
    assert_eq!(order(Sort::Price).await, ["aa", "cc", "bb", "dd"], "without a price in euros: last");
    assert_eq!(order(Sort::PriceDown).await, ["bb", "cc", "aa", "dd"]);
    assert_eq!(order(Sort::Newest).await, ["dd", "bb", "cc", "aa"]);
    assert_eq!(order(Sort::Rating).await, ["aa", "bb", "cc", "dd"]);
}
