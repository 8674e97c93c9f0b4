//! The cost of each flow is the one that stands in `docs/cost.md`.

use std::path::Path;

#[tokio::test]
async fn no_flow_is_dearer_or_cheaper_than_its_document_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cost.md");
    let document = std::fs::read_to_string(file).unwrap();
    let table = local::costs::table(&local::costs::count().await.unwrap());
    let counted = local::costs::placed(&document, &table).unwrap();
    assert!(counted == document, "`make costs` writes this into docs/cost.md; look whether it is meant:\n{table}");
}

#[tokio::test]
async fn a_checkout_stays_within_its_budget() {
    let flows = local::costs::count().await.unwrap();
    let cost = |name: &str| {
        let flow = flows.iter().find(|flow| flow.name == name).unwrap();
        flow.costs["place-order"]
    };
    // The built-in provider's own table takes one trip and one write of each; a real provider takes none.
    let paid = cost("checkout, 1 line, paid");
    assert!(paid.round_trips <= 4 + 1 && paid.writes <= engine::Units::whole(6 + 1), "{paid:?}");
    assert!(cost("checkout refused: sold out").writes == engine::Units::default());
    assert!(cost("… refused: the first to find it gone").writes == engine::Units::default());
    assert!(cost("… refused: known to be gone").writes == engine::Units::default());
}
