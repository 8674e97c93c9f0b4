//! What a change of a product makes stale at the CDN. Pure.
//!
//! Only what has an address of its own is dropped: a product under its id and its slugs, and the tree of categories. Lists and
//! searches are kept a second, and nobody has to know which of them a product is on (`lambda::freshness`).

use std::collections::BTreeSet;

use kernel::{CategoryPath, ProductId, Slug};
use serde::{Deserialize, Serialize};

use crate::product::Status;

/// More addresses of products than this in one batch are dropped as one: `CloudFront` is paid by the address, and takes few with a `*`.
const PRODUCT_ADDRESSES: usize = 30;
/// Where products are.
const UNDER: &str = "/v1/products/";

/// What matters here of a product as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen {
    id: ProductId,
    slug: Slug,
    status: Status,
    category: CategoryPath,
    #[serde(default)]
    former_slugs: Vec<Slug>,
}

/// What became stale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// Ids and slugs under which a product may be kept as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<String>,
    /// Whether the tree of categories is another one.
    #[serde(default)]
    pub tree: bool,
}

impl Stale {
    /// What a change makes stale; `None` when that is nothing.
    ///
    /// Of a new product nothing was kept: that something is not there is not kept. A new product under a slug that another one
    /// left half a year ago is led past until that answer's own time is over.
    #[must_use]
    pub fn of(before: Option<&Seen>, after: Option<&Seen>) -> Option<Self> {
        let shelf = |seen: Option<&Seen>| seen.filter(|seen| seen.status.is_active()).map(|seen| seen.category.clone());
        let tree = shelf(before) != shelf(after);
        let mut products = Vec::new();
        if let Some(before) = before.filter(|before| before.status.is_active()) {
            products.extend([before.id.to_string(), before.slug.to_string()]);
        }
        if let (Some(before), Some(after)) = (before, after)
            && before.slug != after.slug
        {
            // All that led to the old slug leads to the new one now, which may have been led elsewhere itself.
            products.extend(after.former_slugs.iter().chain([&after.slug]).map(Slug::to_string));
        }
        (tree || !products.is_empty()).then_some(Self { products, tree })
    }
}

/// The addresses of all that became stale, each once: few, whatever there is.
#[must_use]
pub fn addresses<'a>(stale: impl IntoIterator<Item = &'a Stale>) -> Vec<String> {
    let (mut products, mut tree) = (BTreeSet::new(), false);
    for one in stale {
        products.extend(one.products.iter().map(String::as_str));
        tree |= one.tree;
    }
    let mut all: Vec<String> = if products.len() > PRODUCT_ADDRESSES {
        vec![format!("{UNDER}*")]
    } else {
        products.into_iter().map(|name| format!("{UNDER}{name}")).collect()
    };
    if tree {
        all.push("/v1/categories".into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(slug: &str, status: Status, category: &str, former: &[&str]) -> Seen {
        Seen {
            id: ProductId::parse("prd_GoldenTea").unwrap(),
            slug: Slug::parse(slug).unwrap(),
            status,
            category: CategoryPath::parse(category).unwrap(),
            former_slugs: former.iter().map(|slug| Slug::parse(slug).unwrap()).collect(),
        }
    }

    fn dropped(before: Option<&Seen>, after: Option<&Seen>) -> Vec<String> {
        addresses(&Stale::of(before, after))
    }

    #[test]
    fn a_change_drops_the_product_under_its_id_and_its_slug() {
        let tea = seen("tea", Status::Active, "drinks", &["old-tea"]);
        assert_eq!(dropped(Some(&tea), Some(&tea)), ["/v1/products/prd_GoldenTea", "/v1/products/tea"]);
    }

    #[test]
    fn a_new_slug_drops_all_that_lead_to_it() {
        let before = seen("tea", Status::Active, "drinks", &["old-tea"]);
        let after = seen("fine-tea", Status::Active, "drinks", &["old-tea", "tea"]);
        let all = ["prd_GoldenTea", "fine-tea", "old-tea", "tea"].map(|name| format!("/v1/products/{name}"));
        let found: BTreeSet<String> = dropped(Some(&before), Some(&after)).into_iter().collect();
        assert_eq!(found, BTreeSet::from(all));
        // While it is a draft nothing is kept of it but where its old addresses lead.
        let before = Seen { status: Status::Draft, ..before };
        let after = Seen { status: Status::Draft, ..after };
        let drafts = Stale::of(Some(&before), Some(&after)).unwrap();
        assert_eq!((drafts.products, drafts.tree), (vec!["old-tea".into(), "tea".into(), "fine-tea".into()], false));
    }

    #[test]
    fn the_tree_is_dropped_when_a_count_changes_and_only_then() {
        let active = seen("tea", Status::Active, "drinks", &[]);
        let draft = seen("tea", Status::Draft, "drinks", &[]);
        let moved = seen("tea", Status::Active, "drinks/hot", &[]);
        let tree = |before, after| Stale::of(before, after).is_some_and(|stale| stale.tree);
        assert!(tree(None, Some(&active)) && tree(Some(&active), Some(&moved)) && tree(Some(&active), Some(&draft)));
        assert!(tree(Some(&draft), Some(&active)) && tree(Some(&active), None));
        assert!(!tree(Some(&active), Some(&active)));
        assert_eq!(Stale::of(None, Some(&draft)), None);
        assert_eq!(Stale::of(Some(&draft), Some(&draft)), None);
        assert_eq!(dropped(None, Some(&active)), ["/v1/categories"]);
    }

    #[test]
    fn many_products_are_dropped_as_one() {
        let one = |n: usize| Stale { products: vec![format!("prd_{n}"), "same".into()], tree: true };
        let few: Vec<Stale> = (0..PRODUCT_ADDRESSES - 1).map(one).collect();
        assert_eq!(addresses(&few).len(), PRODUCT_ADDRESSES + 1, "each once, and the tree");
        let many: Vec<Stale> = (0..PRODUCT_ADDRESSES).map(one).collect();
        assert_eq!(addresses(&many), ["/v1/products/*", "/v1/categories"]);
        assert_eq!(addresses(&[]), [""; 0]);
    }
}
