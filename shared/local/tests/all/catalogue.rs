//! Product files: good rows go in, bad ones are named, and a second reading changes nothing.

use std::io::Write as _;
use std::path::PathBuf;

use engine::Place;
use exchange::Counts;
use local::catalog_file::{FieldMap, FileError, Importer, Report, Source};
use local::start::{self, Wanted};
use local::{Options, Shop, registry};
use serde_json::{Value, json};

use crate::support::get;

async fn shop() -> Shop {
    Shop::open(Options::memory(), registry::registry()).await.unwrap()
}

/// A file that is removed when the test is over.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("oxcart-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

async fn import(shop: &Shop, file: &Temporary, map: Option<FieldMap>) -> Result<Report, FileError> {
    Importer::new(shop.platform(), map)?.run(Source::File(file.0.clone()), |_| {}).await
}

fn body(slug: &str, sku: &str, stock: u32) -> Value {
    json!({
        "slug": slug, "name": slug, "category": "a/b",
        "variants": [{ "sku": sku, "price": { "amount": 100, "currency": "EUR" }, "stock": stock }],
    })
}

#[tokio::test]
async fn good_rows_go_in_and_bad_ones_are_named_with_every_reason() {
    let shop = shop().await;
    let bad = json!({ "name": "", "category": "A B", "variants": [{ "sku": "x y", "price": { "amount": 1, "currency": "EUR" } }] });
    let lines = [
        body("one", "ONE", 3).to_string(),
        "{".into(),
        bad.to_string(),
        String::new(),
        body("two", "TWO", 0).to_string(),
        body("three", "ONE", 5).to_string(),
        json!({ "name": "n", "category": "a", "variants": [{ "sku": "S", "price": { "amount": 1, "currency": "EUR" }, "stock": -1 }] }).to_string(),
        "[]".into(),
    ];
    let file = Temporary::new("rows.jsonl", lines.join("\n").as_bytes());
    let report = import(&shop, &file, None).await.unwrap();
    // Rows run side by side: which of the two that want the same SKU gets it is open, but one does.
    let counts = report.counts;
    assert_eq!((counts.rows, counts.created, counts.rejected), (7, 2, 5), "{report:?}");
    let reason = |line: u64| {
        let told = report.complaints.iter().filter(|one| one.line == line);
        let told: Vec<String> =
            told.map(|one| format!("{} {}", one.field.as_deref().unwrap_or_default(), one.reason)).collect();
        (!told.is_empty()).then(|| told.join("; "))
    };
    assert!(reason(2).unwrap().contains("not JSON") && reason(8).unwrap().contains("not a JSON object"));
    for part in ["/name", "/category", "/variants/0/sku"] {
        assert!(reason(3).unwrap().contains(part), "{part}");
    }
    assert!(reason(1).or(reason(6)).unwrap().contains("/variants/0/sku belongs to another product"));
    assert!(reason(7).unwrap().contains("/variants/0/stock"));
    assert_eq!(get(&shop, "/v1/products/two", &[]).await.0, 200);
    assert_eq!(get(&shop, "/v1/inventory/ONE", &[]).await.1["status"], "low");
}

#[tokio::test]
async fn a_second_reading_changes_nothing() {
    let shop = shop().await;
    let file = Temporary::new(
        "twice.jsonl",
        [body("one", "ONE", 30), body("two", "TWO", 40)].map(|row| row.to_string()).join("\n").as_bytes(),
    );
    let first = import(&shop, &file, None).await.unwrap();
    assert_eq!((first.counts.created, first.counts.unchanged, first.counts.stocked), (2, 0, 2));
    let version = get(&shop, "/v1/products/one", &[]).await.1["version"].clone();
    let second = import(&shop, &file, None).await.unwrap();
    let expected = Counts { rows: 2, unchanged: 2, ..Counts::default() };
    assert_eq!(second.counts, expected);
    assert_eq!(get(&shop, "/v1/products/one", &[]).await.1["version"], version);
    assert_eq!(get(&shop, "/v1/inventory/ONE", &[]).await.1["available"], 30);
}

#[tokio::test]
async fn foreign_rows_in_a_compressed_file_come_in_by_a_map() {
    let shop = shop().await;
    let rows = [
        json!({
            "id": "392", "name": "006R", "title": "Toner Black", "ean": ["0095205603217"], "supplier": "Xerox", "price": 4995,
            "short_description": "For copiers", "img_500x500": "http://images.example/1.jpg", "date_released": "2009-12-10T00:00:00Z",
            "attr_t_type": "Original", "attr_n_quantity_per_pack": 6.0, "attr_n_weight": 1.25, "attr_b_rohs": true, "attr_b_fax": false,
        }),
        json!({ "id": "393", "name": "free", "title": "", "supplier": "HP", "price": 0 }),
        json!({ "id": "394", "supplier": "HP", "price": 100 }),
    ];
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(rows.map(|row| row.to_string()).join("\n").as_bytes()).unwrap();
    // The name says nothing about compression; the first bytes do.
    let file = Temporary::new("icecat", &gz.finish().unwrap());
    let map = FieldMap::parse(include_str!("../../../../docs/examples/icecat.toml")).unwrap();
    let report = import(&shop, &file, Some(map)).await.unwrap();
    let counts = report.counts;
    assert_eq!((counts.created, counts.left_out, counts.rejected, counts.stocked), (1, 1, 1, 1), "{report:?}");
    let (_, product, _) = get(&shop, "/v1/products/toner-black", &[]).await;
    assert_eq!((&product["brand"], &product["category"]), (&json!("Xerox"), &json!("electronics/xerox")));
    assert_eq!(
        product["attributes"],
        json!({ "type": "Original", "quantity_per_pack": 6, "weight": 1.25, "rohs": true })
    );
    assert_eq!(product["variants"][0]["price"], json!({ "amount": 4995, "currency": "EUR" }));
    assert_eq!(get(&shop, "/v1/inventory/ICE-392", &[]).await.1["available"], 25);
}

#[tokio::test]
async fn the_demo_fills_a_shop_once_and_every_picture_is_there() {
    let folder = std::env::temp_dir().join(format!("oxcart-filled-{}", std::process::id()));
    let place = Place::Folder(folder.clone());
    let shop = Shop::open(Options::folder(&folder), registry::registry()).await.unwrap();
    let report = start::fill(&shop, &place, &Wanted::default(), |_| {}).await.unwrap().unwrap();
    assert!(report.counts.created >= 190 && report.counts.rejected == 0, "{report:?}");
    assert_eq!(start::fill(&shop, &place, &Wanted::default(), |_| {}).await.unwrap(), None);
    let first = start::administrator(&shop, &place, None).await.unwrap();
    assert_eq!(start::administrator(&shop, &place, None).await.unwrap(), first, "a restart prints the same");
    let pages = local::pages::Pages::new(&shop, json!({}));
    let (_, list, _) = get(&shop, "/v1/products?limit=100", &[]).await;
    for product in list["items"].as_array().unwrap() {
        let url = product["images"][0]["url"].as_str().unwrap();
        let request = http::Request::get(url).body(bytes::Bytes::new()).unwrap();
        assert_eq!(pages.answer(&request).await.unwrap().status(), 200, "{url}");
    }
    drop((pages, shop));
    std::fs::remove_dir_all(&folder).unwrap();
}
