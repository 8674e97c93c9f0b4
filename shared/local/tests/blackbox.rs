//! The black-box suite and a small race against the local gateway, over HTTP; and what they leave behind: no grant that was
//! missing, and none that nothing uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Place;
use local::gateway::{self, ShopSite};
use local::pages::Pages;
use local::start::{self, ADMIN};
use local::{Options, Pump, Shop, generate, registry};
use testkit::{Target, blackbox, race};

/// Grants that only a fault or a crash calls for. Each stands here with its reason.
const RARE: &[(&str, &str, &str)] = &[];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_and_every_grant_is_used() {
    let listener = gateway::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // An answer of the provider that never comes is waited for: shorter here than in a shop.
    let variables = BTreeMap::from([("OXCART_PAYMENT_TIMEOUT_MS".to_owned(), "1000".to_owned())]);
    let options = Options { offload: true, base_url: url.clone(), variables, ..Options::memory() };
    let shop = Shop::open(options, registry::registry()).await.unwrap();
    let pump = Pump::start(&shop);
    let password = start::administrator(&shop, &Place::Memory, None).await.unwrap();
    let openapi = generate::openapi::document(&registry::source()).unwrap().value();
    let site = Arc::new(ShopSite::new(&shop, Pages::new(&shop, openapi)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(gateway::serve(listener, site, async move { drop(stopped.await) }));

    let target = Target { base_url: url, admin_email: ADMIN.into(), admin_password: password, local: true };
    let report = blackbox::run(&target, None).await;
    assert!(report.success(), "{report}");
    let finish = race::race(&target, 40, 5, 64).await.unwrap();
    assert!(finish.success(), "{finish}");

    drop(stop);
    server.await.unwrap();
    shop.idle().await;
    pump.stop().await;
    let state = shop.state().await;
    assert!(state.queues.iter().all(|queue| queue.dead == 0 && queue.trouble.is_none()), "{state:?}");
    assert!(shop.denied().is_empty(), "{:?}", shop.denied());
    let rare: BTreeSet<(&str, &str, &str)> = RARE.iter().copied().collect();
    let unused: Vec<String> = shop
        .unused()
        .iter()
        .flat_map(|(function, grants)| grants.iter().map(move |grant| (*function, grant)))
        .filter(|(function, grant)| !rare.contains(&(*function, grant.action.as_str(), grant.resource.as_str())))
        .map(|(function, grant)| format!("{function}: {} on {}", grant.action, grant.resource))
        .collect();
    assert!(unused.is_empty(), "granted and never used:\n{}", unused.join("\n"));
}
