//! From candidates to what is shown: only what is for sale and in stock now, each product once, in order.

use std::collections::{BTreeSet, HashMap};

use aws::{Capability, ConfigError, DataError, Grant, Platform};
use catalog::table::{FindProducts, ListByRating};
use catalog::{Image, Product, Rating};
use inventory::table::ReadStock;
use kernel::{CategoryPath, Currency, Money, Problem, ProductId, Slug, Timestamp};
use lambda::Cx;
use schemars::JsonSchema;
use search::similar::FindSimilar;
use serde::Serialize;

use crate::table::{self, ReadRecommendations};

/// Recommendations when the caller does not say how many.
pub const DEFAULT: u32 = 8;
/// The most recommendations.
pub const MOST: u32 = 24;
/// Of one list of candidates at most so many are looked at.
const LOOKED_AT: usize = 60;
/// The most variants of a product whose stock is looked at.
const VARIANTS: usize = 20;

/// Why a product is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was bought together with the product, or with what the customer bought or looked at.
    BoughtTogether,
    /// It is of the same kind, category, brand or words.
    Similar,
    /// The customer looked at it.
    Viewed,
    /// It sells best in the category, or in the shop.
    BestSeller,
    /// It is rated best in the category, or in the shop.
    WellRated,
}

/// A product that is shown, in short.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Recommendation {
    /// Its id.
    id: ProductId,
    /// The readable part of its address.
    slug: Slug,
    /// What it is called.
    name: String,
    /// Who makes it; empty when nobody says.
    brand: String,
    /// Where it stands in the tree of categories.
    category: CategoryPath,
    /// Its main picture, if it has one.
    images: Vec<Image>,
    /// Its lowest price.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Money>,
    /// What customers think of it.
    rating: Rating,
    /// Why it is shown.
    reason: Reason,
}

/// What is recommended: one page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Recommendations {
    /// The products, the best first.
    pub items: Vec<Recommendation>,
    /// Always null: there is one page.
    pub next: Option<String>,
}

/// Reads what products are and whether they can be bought, and where further candidates come from.
#[derive(Clone)]
pub struct Shelf {
    products: FindProducts,
    stock: ReadStock,
    /// What was sold, looked at and bought together.
    pub known: ReadRecommendations,
    similar: FindSimilar,
    rated: ListByRating,
}

impl Capability for Shelf {
    fn grants() -> Vec<Grant> {
        let read = [FindProducts::grants(), ReadStock::grants(), ReadRecommendations::grants()].concat();
        [read, FindSimilar::grants(), ListByRating::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            products: FindProducts::connect(platform)?,
            stock: ReadStock::connect(platform)?,
            known: ReadRecommendations::connect(platform)?,
            similar: FindSimilar::connect(platform)?,
            rated: ListByRating::connect(platform)?,
        })
    }
}

/// A row that is being filled.
pub struct Row<'a> {
    shelf: &'a Shelf,
    cx: &'a Cx,
    currency: Option<Currency>,
    wanted: usize,
    /// What is not shown, or was looked at.
    without: BTreeSet<ProductId>,
    items: Vec<Recommendation>,
}

impl Shelf {
    /// A row of at most so many products, without some.
    pub fn row<'a>(
        &'a self,
        cx: &'a Cx,
        wanted: Option<u32>,
        currency: Option<Currency>,
        without: BTreeSet<ProductId>,
    ) -> Row<'a> {
        let wanted = usize::try_from(wanted.unwrap_or(DEFAULT)).unwrap_or(1);
        Row { shelf: self, cx, currency, wanted, without, items: Vec::new() }
    }

    /// These as far as they exist and are for sale, in this order, in stock or not.
    pub async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, DataError> {
        let found = self.products.by_ids(ids, false).await?;
        let mut found: HashMap<_, _> = found.into_iter().map(|product| (product.id.clone(), product)).collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).filter(|product| product.status.is_active()).collect())
    }

    /// Of these, those that can be bought.
    async fn in_stock(&self, products: Vec<Product>) -> Result<Vec<Product>, DataError> {
        let skus = |product: &Product| {
            product.variants.iter().take(VARIANTS).map(|variant| variant.sku.clone()).collect::<Vec<_>>()
        };
        let all: Vec<_> = products.iter().flat_map(skus).collect();
        let stock = self.stock.available(&all).await?;
        let some_left =
            |product: &Product| skus(product).iter().any(|sku| stock.get(sku).is_some_and(|units| *units > 0));
        Ok(products.into_iter().filter(some_left).collect())
    }
}

impl Row<'_> {
    /// What is in it.
    #[must_use]
    pub fn filled(self) -> Recommendations {
        Recommendations { items: self.items, next: None }
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.wanted
    }

    fn now(&self) -> Timestamp {
        self.cx.now()
    }

    /// Adds the first of these that are for sale, can be bought, and are not in the row: at most so many, or what the row has
    /// room for.
    pub async fn add(&mut self, candidates: Vec<ProductId>, reason: Reason, most: usize) -> Result<(), Problem> {
        let end = self.wanted.min(self.items.len().saturating_add(most));
        let mut left: Vec<ProductId> = once(candidates.into_iter().filter(|id| !self.without.contains(id)));
        left.truncate(LOOKED_AT);
        while !left.is_empty() && self.items.len() < end {
            let missing = end - self.items.len();
            // Some of them are sold out: twice as many are looked at as are missing, so that there is mostly one look.
            let some: Vec<ProductId> = left.drain(..left.len().min(missing * 2)).collect();
            let found = self.shelf.in_stock(self.shelf.products(&some).await?).await?;
            for product in found.into_iter().take(missing) {
                self.without.insert(product.id.clone());
                self.items.push(recommendation(product.shown_in(self.currency), reason));
            }
        }
        Ok(())
    }

    /// Adds what was bought together with these.
    pub async fn add_together(&mut self, with: &[ProductId], most: usize) -> Result<(), Problem> {
        if with.is_empty() {
            return Ok(());
        }
        let tally = self.shelf.known.together(with, self.now()).await?;
        self.add(tally.ranked(&self.without), Reason::BoughtTogether, most).await
    }

    /// Adds what is like a product. A stage without search, and an engine that is away, are no reason to show nothing.
    pub async fn add_similar(&mut self, to: &Product, most: usize) -> Result<(), Problem> {
        if self.is_full() {
            return Ok(());
        }
        let without: Vec<ProductId> = self.without.iter().cloned().collect();
        match self.shelf.similar.to(to, without, LOOKED_AT.min(2 * self.wanted), self.now()).await {
            Ok(found) => self.add(found, Reason::Similar, most).await,
            Err(error) => {
                self.cx.count("SimilarNotFound", 1);
                self.cx.note("similar", error.to_string());
                Ok(())
            }
        }
    }

    /// Fills what is left with what sells best in a category, in those above it and in the shop, and then with what is rated best.
    pub async fn fill(&mut self, category: Option<&CategoryPath>) -> Result<(), Problem> {
        let levels: Vec<&str> = match category {
            Some(category) => table::levels(category).collect(),
            None => vec![table::ROOT],
        };
        if self.is_full() {
            return Ok(());
        }
        let sold = self.shelf.known.sold(&levels, self.now()).await?;
        let best = sold.iter().flat_map(|tally| tally.ranked(&self.without)).collect();
        self.add(best, Reason::BestSeller, usize::MAX).await?;
        for category in [category, None].into_iter().skip(usize::from(category.is_none())) {
            if self.is_full() {
                return Ok(());
            }
            let found = self.shelf.rated.best(category, LOOKED_AT).await?;
            self.add(found, Reason::WellRated, usize::MAX).await?;
        }
        Ok(())
    }
}

/// Each once, at its first place.
pub(crate) fn once(ids: impl IntoIterator<Item = ProductId>) -> Vec<ProductId> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}

fn recommendation(product: Product, reason: Reason) -> Recommendation {
    Recommendation {
        price: product.lowest_price(),
        id: product.id,
        slug: product.slug,
        name: product.name,
        brand: product.brand,
        category: product.category,
        images: product.images.into_iter().take(1).collect(),
        rating: product.rating,
        reason,
    }
}
