//! The index of a shop: it follows the catalogue and the stock, it is made anew when it is lost, and a rebuilding goes on where
//! it was killed.

use std::path::{Path, PathBuf};

use aws::Capability as _;
use kernel::{ProductId, Timestamp};
use local::{Options, Search, Shop, fixtures, registry, start};
use search::table::{BeginReindex, Reindex, RunReindex, Status};
use search::{Generation, Query, Target};
use serde_json::{Value, json};

use crate::support::get;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("oxcart-search-{}-{name}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        drop(removed);
    }
}

async fn open(folder: &Path) -> Shop {
    let options = Options { offload: false, ..Options::folder(folder) };
    Shop::open(options, registry::registry()).await.unwrap()
}

async fn found(shop: &Shop, query: &str) -> Vec<String> {
    let (status, body, _) = get(shop, &format!("/v1/search?{query}"), &[]).await;
    assert_eq!(status, 200, "{body}");
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    body["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn an_index_that_is_lost_is_made_anew_at_the_start() {
    let folder = Folder::new("lost");
    fixtures::prepare(&folder.0).unwrap();
    let shop = open(&folder.0).await;
    fixtures::load(&shop).await.unwrap();
    shop.drain().await;
    assert_eq!(found(&shop, "q=golden+tea&in_stock=true").await[0], "prd_GoldenTea");
    drop(shop);

    let shop = open(&folder.0).await;
    assert_eq!(found(&shop, "q=golden+tea").await[0], "prd_GoldenTea", "it is kept");
    drop(shop);

    std::fs::remove_dir_all(folder.0.join("search")).unwrap();
    let shop = open(&folder.0).await;
    assert_eq!(found(&shop, "q=golden+tea").await, [""; 0]);
    start::search(&shop).await.unwrap();
    shop.drain().await;
    assert_eq!(found(&shop, "q=golden+tea&in_stock=true").await[0], "prd_GoldenTea");
    // It is there now: nothing is begun.
    start::search(&shop).await.unwrap();
    let progress = RunReindex::connect(shop.platform()).unwrap();
    assert_eq!(progress.last().await.unwrap().unwrap().status, Status::Done);
}

#[tokio::test]
async fn a_half_full_index_that_is_lost_is_filled_from_the_beginning() {
    let folder = Folder::new("half");
    fixtures::prepare(&folder.0).unwrap();
    let shop = open(&folder.0).await;
    fixtures::load(&shop).await.unwrap();
    shop.drain().await;
    let half = Generation::parse("half").unwrap();
    let now = Timestamp::from_millis(1);
    BeginReindex::connect(shop.platform()).unwrap().begin(half.clone(), now).await.unwrap();
    // The worker was killed behind the last product, and the engine has nothing of it.
    let position = json!({ "id": "prd_GoldenTea", "at": "1970-01-01T00:00:00.000Z" });
    let reindex = Reindex {
        generation: half.clone(),
        status: Status::Running,
        products: 1,
        position: Some(serde_json::from_value(position).unwrap()),
        started_at: now,
        finished_at: None,
    };
    assert!(RunReindex::connect(shop.platform()).unwrap().keep(&reindex).await.unwrap());
    shop.drain().await;
    let health = shop.search().unwrap().health().await.unwrap();
    let sold = found(&shop, "").await;
    assert_eq!((health.live, health.building, health.products), (Some(half), None, u64::try_from(sold.len()).unwrap()));
    assert!(sold.contains(&"prd_GoldenTea".to_owned()), "{sold:?}");
}

#[tokio::test]
async fn one_that_was_begun_later_wins_and_the_first_is_given_up() {
    let shop =
        Shop::open(Options { search: Search::Embedded, ..Options::memory() }, registry::registry()).await.unwrap();
    let begin = BeginReindex::connect(shop.platform()).unwrap();
    let (first, second) = (Generation::parse("first-one").unwrap(), Generation::parse("second-one").unwrap());
    begin.begin(first.clone(), Timestamp::from_millis(1)).await.unwrap();
    begin.begin(second.clone(), Timestamp::from_millis(2)).await.unwrap();
    // Asking for the same again changes nothing.
    begin.begin(second.clone(), Timestamp::from_millis(3)).await.unwrap();
    shop.drain().await;
    let engine = shop.search().unwrap();
    assert_eq!(engine.health().await.unwrap().live, Some(second));
    assert!(engine.write(Target::Building(&first), &[]).await.is_err());
    let everything = Query::of(None, kernel::Currency::EUR, 1);
    assert_eq!(engine.search(&everything).await.unwrap().hits, Vec::<ProductId>::new());
}

#[tokio::test]
async fn a_stage_without_search_says_so() {
    let shop = Shop::open(Options::memory(), registry::registry()).await.unwrap();
    for path in ["/v1/search?q=tea", "/v1/search/suggestions?q=t"] {
        let (status, body, _) = get(&shop, path, &[]).await;
        assert_eq!((status, body["type"].as_str().unwrap().rsplit('/').next()), (503, Some("search-off")), "{body}");
    }
}
