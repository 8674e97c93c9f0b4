//! Products that are like one: what an engine is asked for, and asking it. Both engines answer the same clauses as shoppers'
//! queries are made of.

use std::collections::BTreeSet;

use aws::{Capability, ConfigError, Grant, Platform};
use catalog::{Attribute, Product};
use kernel::{ProductId, Timestamp};

use crate::clause::{Clause, Field};
use crate::document::Document;
use crate::engine::Engine;
use crate::entry::Signals;
use crate::lexicons::Lexicons;
use crate::port::SearchError;
use crate::query::Query;
use crate::words::words;

/// The most words of each part of a product that are looked for.
const WORDS: usize = 12;

/// Finds products that are like one.
#[derive(Clone)]
pub struct FindSimilar {
    engine: Engine,
    lexicons: Lexicons,
}

impl Capability for FindSimilar {
    fn grants() -> Vec<Grant> {
        [Engine::grants(), Lexicons::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { engine: Engine::connect(platform)?, lexicons: Lexicons::connect(platform)? })
    }
}

impl FindSimilar {
    /// At most so many products of the same kind or category that the index has in stock, those first that have more in common
    /// with this one; without it and without some.
    ///
    /// # Errors
    /// When the stage has no search, or the engine or the lexicon cannot be reached.
    pub async fn to(
        &self,
        product: &Product,
        mut without: Vec<ProductId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<ProductId>, SearchError> {
        if self.engine.is_off() {
            return Err(SearchError::Off);
        }
        let lexicon = self.lexicons.live(now).await.map_err(|error| SearchError::Unavailable(error.to_string()))?;
        let document = Document::of(product, true);
        let clause = like(&document, &lexicon.signals(&document));
        let currency = product.variants.first().map_or(kernel::Currency::EUR, |variant| variant.price.currency);
        let mut query = Query::of(Some(clause), currency, limit);
        query.filters.in_stock = Some(true);
        without.push(product.id.clone());
        query.without = without;
        Ok(self.engine.search(&query).await?.hits)
    }
}

/// What is like a product: of its kind or its category; better with more of its words. Words that few products have count more,
/// as they do in every search.
fn like(product: &Document, signals: &Signals) -> Clause {
    let all = |field: Field, weight: u32, texts: &mut dyn Iterator<Item = String>| -> Vec<Clause> {
        let once: BTreeSet<String> = texts.flat_map(|text| words(&text)).collect();
        once.into_iter().take(WORDS).map(|word| Clause::Word { field, word, weight }).collect()
    };
    let leaf = product.category.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let of_kind = all(Field::Kind, 150, &mut signals.kinds.iter().cloned());
    let must = [of_kind, all(Field::Category, 60, &mut std::iter::once(leaf))].concat();
    let texts = product.attributes.0.values().filter_map(|value| match value {
        Attribute::Text(text) if text.len() <= crate::query::FACET_VALUE_CHARS => Some(text.clone()),
        _ => None,
    });
    let rather = [
        all(Field::Name, 60, &mut std::iter::once(product.name.clone())),
        all(Field::Brand, 40, &mut std::iter::once(product.brand.clone())),
        all(Field::Tags, 40, &mut product.tags.iter().cloned()),
        all(Field::Attributes, 30, &mut texts.take(WORDS)),
    ];
    Clause::Rather { must: Box::new(Clause::Some { of: must, least: 1 }), rather: rather.concat() }
}

#[cfg(test)]
mod tests {
    use catalog::{Attributes, Rating};
    use kernel::{CategoryPath, Slug};

    use super::*;
    use crate::relevance::Lexicon;

    #[test]
    fn what_is_like_a_product_is_of_its_kind_or_category() {
        let long = "a sentence that says a lot about the thing and is nothing that others would have word by word";
        let attributes = [("Colour", "Dark Red"), ("note", long)]
            .map(|(name, value)| (name.to_owned(), Attribute::Text(value.to_owned())));
        let document = Document {
            id: ProductId::new([1; 16]),
            slug: Slug::parse("pot").unwrap(),
            name: "Acme Teapot 3000".into(),
            description: String::new(),
            brand: "Acme".into(),
            category: CategoryPath::parse("kitchen/tea-pots").unwrap(),
            tags: vec!["sale".into()],
            attributes: Attributes(attributes.into()),
            options: Vec::new(),
            codes: Vec::new(),
            skus: Vec::new(),
            prices: Vec::new(),
            rating: Rating::default(),
            image: None,
            in_stock: true,
            created_at: Timestamp::from_millis(0),
            version: 1,
        };
        let signals = Signals { kinds: vec!["teapot".into()], ..Lexicon::default().signals(&document) };
        let Clause::Rather { must, rather } = like(&document, &signals) else { panic!("not what it was") };
        let word = |clause: &Clause| match clause {
            Clause::Word { field, word, .. } => (*field, word.clone()),
            other => panic!("{other:?}"),
        };
        let Clause::Some { of, least: 1 } = *must else { panic!("{must:?}") };
        let must: Vec<_> = of.iter().map(word).collect();
        let of = |field: Field, word: &str| (field, word.to_owned());
        assert_eq!(must, [of(Field::Kind, "teapot"), of(Field::Category, "pots"), of(Field::Category, "tea")]);
        let rather: Vec<_> = rather.iter().map(word).collect();
        assert!(rather.contains(&of(Field::Attributes, "red")) && rather.contains(&of(Field::Brand, "acme")));
        assert!(!rather.iter().any(|(_, word)| word == "sentence"), "prose is nobody else's");
    }
}
