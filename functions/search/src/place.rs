//! Where a page begins: what a cursor carries.
//!
//! Prices, dates and ratings are places: a page goes on behind the last hit. Scores are none, for they hang on how many products
//! have a word, and so on every write. A page by relevance is the best of what was not shown yet: a product that stands all the
//! while is shown once, wherever its score goes. So that cursors stay short this holds for the best [`SCORED`] hits; what is
//! left behind them comes newest first, and age is a place again.

use kernel::ProductId;
use serde::{Deserialize, Serialize};

use crate::query::{Found, Position, Query, Sort};

/// So many hits come in the order of their scores; 15 characters of a cursor for each.
pub const SCORED: usize = 200;

/// Where a page begins; the default is the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What was shown by its score.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "bodies")]
    shown: Vec<ProductId>,
    /// Behind which hit, in any other order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Position>,
}

impl Place {
    /// How many hits the question leaves out because they were shown: its total is so many short.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.shown.len()
    }

    /// The question whose hits are the page.
    #[must_use]
    pub fn page(&self, mut query: Query) -> Query {
        query.after.clone_from(&self.after);
        if query.sort == Sort::Relevance {
            query.without.extend(self.shown.iter().cloned());
            match SCORED.saturating_sub(self.shown.len()) {
                0 => query.sort = Sort::Newest,
                left => query.limit = query.limit.min(left),
            }
        }
        query
    }

    /// Where the next page begins; `None` when there is none. `page` is the question that this was found with.
    #[must_use]
    pub fn next(&self, page: &Query, found: &Found) -> Option<Self> {
        let last = found.next.clone()?;
        let mut shown = self.shown.clone();
        let after = match page.sort {
            Sort::Relevance => {
                shown.extend(found.hits.iter().cloned());
                None
            }
            _ => Some(last),
        };
        Some(Self { shown, after })
    }
}

/// Ids as one text, without what they all begin with.
mod bodies {
    use std::borrow::Cow;

    use kernel::ProductId;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(ids: &[ProductId], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&ids.iter().map(ProductId::body).collect::<Vec<_>>().join(","))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ProductId>, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let id = |body: &str| ProductId::parse(&format!("{}{body}", ProductId::PREFIX));
        let ids: Option<Vec<ProductId>> = text.split(',').map(id).collect();
        ids.ok_or_else(|| D::Error::custom("ids of products"))
    }
}

#[cfg(test)]
mod tests {
    use kernel::cursor::SigningKey;
    use kernel::{Currency, ProductId};

    use super::*;

    fn ids(range: std::ops::Range<u8>) -> Vec<ProductId> {
        range.map(|n| ProductId::new([n; 16])).collect()
    }

    fn found(hits: Vec<ProductId>, key: Option<i64>) -> Found {
        let next = hits.last().map(|id| Position { key, id: id.clone() });
        Found { hits, next, total: 500, exact: true, facets: None }
    }

    #[test]
    fn relevance_goes_on_without_what_was_shown_and_at_last_by_age() {
        let query = Query::of(None, Currency::EUR, 150);
        let page = Place::default().page(query.clone());
        assert_eq!((page.limit, page.sort, &page.after), (150, Sort::Relevance, &None));
        let second = Place::default().next(&page, &found(ids(0..150), None)).unwrap();
        let page = second.page(query.clone());
        assert_eq!((page.limit, page.sort, &page.without), (50, Sort::Relevance, &ids(0..150)));
        let third = second.next(&page, &found(ids(150..200), None)).unwrap();
        let page = third.page(query.clone());
        assert_eq!((page.limit, page.sort, page.after.as_ref()), (150, Sort::Newest, None));
        let fourth = third.next(&page, &found(ids(200..210), Some(7))).unwrap();
        let page = fourth.page(query);
        assert_eq!((fourth.shown(), page.without.len()), (SCORED, SCORED));
        assert_eq!(page.after.unwrap(), Position { key: Some(7), id: ids(209..210).remove(0) });
    }

    #[test]
    fn other_orders_go_on_behind_a_hit() {
        let query = Query { sort: Sort::Price, ..Query::of(None, Currency::EUR, 10) };
        let place = Place::default();
        let next = place.next(&place.page(query.clone()), &found(ids(0..10), Some(990))).unwrap();
        let page = next.page(query);
        assert_eq!((next.shown(), page.without.len(), page.sort), (0, 0, Sort::Price));
        assert_eq!(page.after.unwrap().key, Some(990));
    }

    #[test]
    fn the_longest_cursor_fits_an_address() {
        let last = Position { key: Some(i64::MIN), id: ProductId::new([9; 16]) };
        let place = Place { shown: ids(0..200), after: Some(last) };
        let key = SigningKey::new(vec![7; 32]);
        let cursor = key.cursor("search", &place);
        // CloudFront takes addresses of 8,192 bytes, API Gateway 10,240 with all headers.
        assert!(cursor.len() < 4_500, "{}", cursor.len());
        assert_eq!(key.position::<Place>("search", &cursor), Some(place));
        assert_eq!(serde_json::from_str::<Place>("{\"shown\":\"a/b\"}").ok(), None);
    }
}
