//! What is indexed of a product.

use catalog::{Attributes, Image, Product, Rating};
use kernel::{CategoryPath, Money, ProductId, Sku, Slug, Timestamp};
use serde::{Deserialize, Serialize};

/// A product as an index has it. Two documents of one product are told apart by their versions: the higher wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The product.
    pub id: ProductId,
    /// The readable part of its address.
    pub slug: Slug,
    /// What it is called.
    pub name: String,
    /// What it is, in prose.
    pub description: String,
    /// Who makes it; empty when nobody says.
    pub brand: String,
    /// Where it stands in the tree of categories.
    pub category: CategoryPath,
    /// Free labels.
    pub tags: Vec<String>,
    /// Facts by name.
    pub attributes: Attributes,
    /// The values of its options, as `blue` and `XL`.
    pub options: Vec<String>,
    /// Its SKUs and barcodes: who types one means this product.
    pub codes: Vec<String>,
    /// The SKUs of its variants.
    pub skus: Vec<Sku>,
    /// Its lowest price in each currency it has one in, the main one first.
    pub prices: Vec<Money>,
    /// What customers think of it.
    pub rating: Rating,
    /// Its first picture.
    pub image: Option<Image>,
    /// Whether some of it can be bought.
    pub in_stock: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// The version of what this was made of. It grows with every change of the product and of its stock: who read both later
    /// has the higher one.
    pub version: u64,
}

impl Document {
    /// Of a product. Whether it is in stock is known elsewhere.
    #[must_use]
    pub fn of(product: &Product, in_stock: bool) -> Self {
        let mut prices: Vec<Money> = Vec::new();
        for price in product.variants.iter().flat_map(|variant| std::iter::once(&variant.price).chain(&variant.prices))
        {
            match prices.iter_mut().find(|known| known.currency == price.currency) {
                Some(known) => known.amount = known.amount.min(price.amount),
                None => prices.push(*price),
            }
        }
        let barcodes = product.variants.iter().filter_map(|variant| variant.barcode.clone());
        let skus = product.variants.iter().map(|variant| variant.sku.to_string());
        Self {
            id: product.id.clone(),
            slug: product.slug.clone(),
            name: product.name.clone(),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: product.category.clone(),
            tags: product.tags.clone(),
            attributes: product.attributes.clone(),
            options: product.options.iter().flat_map(|option| option.values.clone()).collect(),
            codes: skus.chain(barcodes).collect(),
            skus: product.variants.iter().map(|variant| variant.sku.clone()).collect(),
            prices,
            rating: product.rating,
            image: product.images.first().cloned(),
            in_stock,
            created_at: product.created_at,
            version: product.version,
        }
    }
}
