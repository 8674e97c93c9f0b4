//! Every function answers its golden event, on a shop with the fixtures and with no more rights than it was granted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lambda::Trigger;
use local::{Options, Shop, fixtures, registry};
use serde_json::Value;

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// A fresh shop with the fixtures, in a folder that goes when the test ends.
struct Fixtures {
    shop: Shop,
    folder: PathBuf,
}

impl Fixtures {
    async fn open(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("oxcart-golden-{}-{name}", std::process::id()));
        fixtures::prepare(&folder).unwrap();
        let options = Options { offload: false, ..Options::folder(&folder) };
        let shop = Shop::open(options, registry::registry()).await.unwrap();
        fixtures::load(&shop).await.unwrap();
        Self { shop, folder }
    }
}

impl Drop for Fixtures {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.folder);
        drop(removed);
    }
}

#[test]
fn there_is_one_for_each_function_and_no_other() {
    let files = std::fs::read_dir(events()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    let functions: BTreeSet<String> = registry::functions().iter().map(|function| function.name.to_owned()).collect();
    assert_eq!(files, functions);
}

#[tokio::test]
async fn every_function_answers_its_own() {
    for function in registry::functions() {
        let name = function.name;
        let event = std::fs::read_to_string(events().join(format!("{name}.json"))).unwrap();
        let fixtures = Fixtures::open(name).await;
        let answer = fixtures.shop.invoke(name, event.clone()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let value: Value = serde_json::from_str(&answer).unwrap();
        match &function.trigger {
            Trigger::Http(route) => {
                let event: Value = serde_json::from_str(&event).unwrap();
                assert_eq!(event["routeKey"], format!("{} {}", route.method, route.path), "{name}");
                assert!(value["statusCode"].as_u64().is_some_and(|status| (200..300).contains(&status)), "{name}: {answer}");
            }
            Trigger::Queue { .. } | Trigger::Stream { .. } => {
                assert_eq!(value["batchItemFailures"], Value::Array(Vec::new()), "{name}: {answer}");
            }
            Trigger::Schedule { .. } => assert_eq!(value, Value::Null, "{name}"),
        }
        assert!(fixtures.shop.denied().is_empty(), "{name}: {:?}", fixtures.shop.denied());
    }
}
