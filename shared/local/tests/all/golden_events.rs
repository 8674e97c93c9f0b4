//! Every function answers its golden event, on a shop with the fixtures and with no more rights than it was granted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws::{Capability as _, SigningSecret};
use lambda::Trigger;
use local::{Options, Shop, fixtures, registry};
use payments::builtin::webhook_secret;
use payments::signature::sign;
use serde_json::Value;

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// A data folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn named(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("oxcart-golden-{}-{name}", std::process::id())))
    }

    /// With the fixtures in it, and nobody who uses it.
    async fn with_fixtures() -> Self {
        let folder = Self::named("fixtures");
        fixtures::prepare(&folder.0).unwrap();
        fixtures::load(&folder.open().await).await.unwrap();
        folder
    }

    fn copy(&self, name: &str) -> Self {
        let copy = Self::named(name);
        copy_folder(&self.0, &copy.0);
        copy
    }

    async fn open(&self) -> Shop {
        let options = Options { offload: false, ..Options::folder(&self.0) };
        Shop::open(options, registry::registry()).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        drop(removed);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).unwrap();
        }
    }
}

/// A webhook's signature is good for five minutes, and the one in the file was made for its own time.
async fn signed_now(shop: &Shop, event: &str) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    let secret = SigningSecret::connect(shop.platform()).unwrap();
    let secret = webhook_secret(secret.key().await.unwrap());
    let body = event["body"].as_str().unwrap().as_bytes();
    event["headers"]["stripe-signature"] = sign(&secret, shop.platform().clock().now(), body).into();
    event.to_string()
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
    let fixtures = Folder::with_fixtures().await;
    for function in registry::functions() {
        let name = function.name;
        let mut event = std::fs::read_to_string(events().join(format!("{name}.json"))).unwrap();
        let folder = fixtures.copy(name);
        let shop = folder.open().await;
        if name == "stripe-webhook" {
            event = signed_now(&shop, &event).await;
        }
        let answer = shop.invoke(name, event.clone()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let value: Value = serde_json::from_str(&answer).unwrap();
        match &function.trigger {
            Trigger::Http(route) => {
                let event: Value = serde_json::from_str(&event).unwrap();
                assert_eq!(event["routeKey"], format!("{} {}", route.method, route.path), "{name}");
                assert!(
                    value["statusCode"].as_u64().is_some_and(|status| (200..300).contains(&status)),
                    "{name}: {answer}"
                );
            }
            Trigger::Queue { .. } | Trigger::Stream { .. } => {
                assert_eq!(value["batchItemFailures"], Value::Array(Vec::new()), "{name}: {answer}");
            }
            Trigger::Schedule { .. } => assert_eq!(value, Value::Null, "{name}"),
        }
        assert!(shop.denied().is_empty(), "{name}: {:?}", shop.denied());
    }
}
