//! What an index is told of products: the truth, as catalogue and stock have it now.

use std::collections::HashMap;

use aws::{Capability, ConfigError, DataError, Grant, Platform};
use catalog::Product;
use catalog::table::FindProducts;
use inventory::table::{ReadStock, Snapshot};
use kernel::{ProductId, Sku};

use crate::document::Document;
use crate::entry::Entry;
use crate::port::Write;
use crate::relevance::Lexicon;

/// How far the version of a product stands above that of its stock. 2³² movements of one product's stock are enough.
const PRODUCT_SHIFT: u32 = 32;
/// SKUs whose stock is read at once: two keys each.
const SKUS_AT_ONCE: usize = 50;

/// Reads what is indexed of products.
#[derive(Clone)]
pub struct ReadTruth {
    products: FindProducts,
    stock: ReadStock,
}

impl Capability for ReadTruth {
    fn grants() -> Vec<Grant> {
        [FindProducts::grants(), ReadStock::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { products: FindProducts::connect(platform)?, stock: ReadStock::connect(platform)? })
    }
}

impl ReadTruth {
    /// These products as far as they are for sale, without a look at their stock: what words are learned from.
    pub async fn documents(&self, ids: &[ProductId]) -> Result<Vec<Document>, DataError> {
        let products = self.products.by_ids(ids, false).await?;
        let active = products.iter().filter(|product| product.status.is_active());
        Ok(active.map(|product| Document::of(product, false)).collect())
    }

    /// What an index is told of these products; of one that does not exist, nothing. The product is read first, and then its
    /// stock, both strongly consistent: who read later has the higher version, or read the same.
    pub async fn writes(&self, lexicon: &Lexicon, ids: &[ProductId]) -> Result<Vec<Write>, DataError> {
        let products = self.products.by_ids(ids, true).await?;
        let skus: Vec<Sku> = products
            .iter()
            .filter(|product| product.status.is_active())
            .flat_map(|product| product.variants.iter().map(|variant| variant.sku.clone()))
            .collect();
        let mut stock = Snapshot::default();
        for skus in skus.chunks(SKUS_AT_ONCE) {
            let read = self.stock.all(skus, true, true).await?;
            stock.settings.extend(read.settings);
            stock.counters.extend(read.counters);
        }
        let known: HashMap<&ProductId, &Product> = products.iter().map(|product| (&product.id, product)).collect();
        Ok(known.into_values().map(|product| write(lexicon, product, &stock)).collect())
    }
}

/// What an index is told of a product.
fn write(lexicon: &Lexicon, product: &Product, stock: &Snapshot) -> Write {
    let product_part = product.version << PRODUCT_SHIFT;
    if !product.status.is_active() {
        // Whatever was read of its stock, this is later: the product's own version decides.
        return Write::Remove { id: product.id.clone(), version: product_part };
    }
    let (mut in_stock, mut movements) = (false, u64::from(product.rating.count));
    for variant in &product.variants {
        let settings = stock.settings(&variant.sku);
        let books = settings.books(&variant.sku);
        let revisions = books.iter().filter_map(|key| stock.counters.get(key)).map(|counter| counter.rev);
        let revisions: u64 = revisions.filter_map(|rev| u64::try_from(rev).ok()).sum();
        movements = movements.saturating_add(revisions).saturating_add(settings.version);
        let keys = settings.counters(&variant.sku);
        let counters = keys.iter().filter_map(|key| Some((key, stock.counters.get(key)?)));
        in_stock |= inventory::Availability::of(variant.sku.clone(), &settings, counters).available > 0;
    }
    let mut document = Document::of(product, in_stock);
    document.version = product_part | movements.min(u64::from(u32::MAX));
    let signals = lexicon.signals(&document);
    Write::Put(Box::new(Entry { document, signals }))
}
