//! Samples and views in the table: written out of order, twice, and more than an item keeps. Runs on the embedded engine, and on
//! Amazon's DynamoDB Local with `make test-dynamodb`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws::{Capability as _, Clock as _};
use kernel::{CartId, ProductId, Timestamp, UserId};
use recommendations::rank::written;
use recommendations::sample::Lot;
use recommendations::table::{
    BASKETS, BASKETS_SAMPLED, KeepRecommendations, Key, News, ROOT, ReadRecommendations, SALES, TABLE,
};
use recommendations::views::{REMEMBERED, Viewer};
use testkit::data::{self, Data};

struct Stage {
    data: Data,
    keep: KeepRecommendations,
    read: ReadRecommendations,
}

async fn stage() -> Stage {
    let data = data::open(&[&TABLE]).await;
    let (keep, read) = (KeepRecommendations::connect(&data.platform), ReadRecommendations::connect(&data.platform));
    Stage { keep: keep.unwrap(), read: read.unwrap(), data }
}

impl Stage {
    fn now(&self) -> Timestamp {
        self.data.clock.now()
    }

    /// Order number so and so, with a product and another one.
    fn basket(&self, news: &mut News, order: u32, product: u8, other: u8) {
        let key = Key::Baskets(id(product), BASKETS.at(self.now()));
        news.thing(key, Lot::of(&[&order.to_be_bytes()]), written([&id(other)]));
    }

    fn sale(&self, news: &mut News, order: u32, level: &str, product: u8) {
        let key = Key::Sales(level.to_owned(), SALES.at(self.now()));
        news.thing(key, Lot::of(&[&order.to_be_bytes()]), written([&id(product)]));
    }

    async fn keep(&self, news: News) -> usize {
        self.keep.keep(news, self.now()).await.unwrap()
    }
}

fn id(number: u8) -> ProductId {
    ProductId::new([number; 16])
}

fn nothing() -> BTreeSet<ProductId> {
    BTreeSet::new()
}

#[tokio::test]
async fn what_is_bought_together_most_often_comes_first() {
    let stage = stage().await;
    let mut news = News::default();
    for (order, other) in [(1, 2), (2, 3), (3, 3)] {
        stage.basket(&mut news, order, 1, other);
    }
    stage.basket(&mut news, 9, 4, 5);
    assert_eq!(stage.keep(news.clone()).await, 2);
    assert_eq!(stage.keep(news).await, 0, "the same again is nothing new");
    let together =
        async |products: &[ProductId]| stage.read.together(products, stage.now()).await.unwrap().ranked(&nothing());
    assert_eq!(together(&[id(1)]).await, [id(3), id(2)]);
    assert_eq!(together(&[id(1), id(4)]).await.len(), 3);
    assert_eq!(together(&[id(7)]).await, []);
    // It fades, and is gone.
    stage.data.clock.advance(Duration::from_secs(20 * 24 * 3600));
    let mut news = News::default();
    stage.basket(&mut news, 4, 1, 2);
    stage.basket(&mut news, 5, 1, 2);
    stage.keep(news).await;
    stage.data.clock.advance(Duration::from_secs(20 * 24 * 3600));
    assert_eq!(together(&[id(1)]).await.first(), Some(&id(2)));
    stage.data.clock.advance(Duration::from_secs(60 * 24 * 3600));
    assert_eq!(together(&[id(1)]).await, []);
}

#[tokio::test]
async fn an_item_keeps_a_sample_whatever_comes() {
    let stage = stage().await;
    // More at once than one update names, then one by one.
    let mut news = News::default();
    (0..300).for_each(|order| stage.sale(&mut news, order, ROOT, u8::try_from(order % 3).unwrap()));
    (0..300).for_each(|order| stage.basket(&mut news, order, 1, 2));
    assert_eq!(stage.keep(news).await, 2);
    for order in (200..330).rev() {
        let mut news = News::default();
        stage.basket(&mut news, order, 1, 2);
        stage.keep(news).await;
    }
    let client = stage.data.platform.table(&TABLE);
    let items = client.client().scan().table_name(client.name()).send().await.unwrap().items.unwrap();
    let baskets = items.iter().find(|item| item["pk"].as_s().unwrap().starts_with("p#")).unwrap();
    let kept: BTreeSet<Lot> = baskets.keys().filter_map(|name| Lot::parse(name)).collect();
    let all: BTreeSet<Lot> = (0_u32..330).map(|order| Lot::of(&[&order.to_be_bytes()])).collect();
    assert_eq!(kept, all.into_iter().take(BASKETS_SAMPLED).collect());
    assert!(baskets["expires"].as_n().unwrap().parse::<i64>().unwrap() > stage.now().seconds());
    let sold = stage.read.sold(&["tea", ROOT], stage.now()).await.unwrap();
    assert_eq!((sold[0].ranked(&nothing()).len(), sold[1].ranked(&nothing()).len()), (0, 3));
}

#[tokio::test]
async fn the_last_views_stay() {
    let stage = stage().await;
    let (user, guest) = (Viewer::customer(&UserId::new([1; 16])), Viewer::guest(&CartId::new([1; 16])));
    let at = |seconds: u8| Timestamp::from_millis(stage.now().millis() + i64::from(seconds) * 1000);
    let see = async |viewer: &Viewer, products: std::ops::Range<u8>| {
        let mut news = News::default();
        news.view(viewer.clone(), products.map(|number| (id(number), at(number))));
        stage.keep(news).await
    };
    assert_eq!(see(&user, 10..40).await, 1);
    assert_eq!(see(&user, 30..70).await, 1);
    assert_eq!(see(&user, 0..20).await, 0, "late, and older than what is remembered");
    assert_eq!(see(&guest, 100..101).await, 1);
    let seen = stage.read.views(std::slice::from_ref(&user)).await.unwrap();
    let expected: Vec<ProductId> = (20..70).rev().map(id).collect();
    assert_eq!(seen.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), expected);
    assert_eq!(expected.len(), REMEMBERED);
    let both = stage.read.views(&[user, guest]).await.unwrap();
    assert_eq!((both[0].0.clone(), both.len()), (id(100), REMEMBERED + 1));
}
