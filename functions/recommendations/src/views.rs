//! The last products that somebody looked at. Pure.

use std::collections::BTreeMap;

use kernel::{CartId, ProductId, Timestamp, UserId, id};
use serde::{Deserialize, Serialize};

/// The most products that are remembered of a viewer.
pub const REMEMBERED: usize = 50;
/// The most views that one call reports.
pub const REPORTED: usize = 50;

/// Who looked: a digest, one way. Whoever reads the table or a message sees no account and no cart; who has the account's id
/// finds its views by it, to use them or to erase them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Viewer(String);

impl Viewer {
    /// Somebody who is signed in.
    #[must_use]
    pub fn customer(id: &UserId) -> Self {
        Self(id::fingerprint(&[b"viewer", b"customer", id.as_str().as_bytes()]))
    }

    /// A guest, known by the cart.
    #[must_use]
    pub fn guest(cart: &CartId) -> Self {
        Self(id::fingerprint(&[b"viewer", b"cart", cart.as_str().as_bytes()]))
    }

    /// The digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Products, and when each was looked at last.
pub type Views = BTreeMap<ProductId, Timestamp>;

/// The newest of these first.
#[must_use]
pub fn newest(views: &Views) -> Vec<(ProductId, Timestamp)> {
    let mut all: Vec<(ProductId, Timestamp)> = views.iter().map(|(id, at)| (id.clone(), *at)).collect();
    all.sort_by(|(one, at), (other, then)| (then, one).cmp(&(at, other)));
    all
}

/// Both, each product at the later time.
pub fn merge(views: &mut Views, more: impl IntoIterator<Item = (ProductId, Timestamp)>) {
    for (product, at) in more {
        let known = views.entry(product).or_insert(at);
        *known = at.max(*known);
    }
}

/// What is to be written of new views, and what is to go, so that the newest [`REMEMBERED`] stand.
#[must_use]
pub fn change(stored: &Views, new: &Views) -> (Views, Vec<ProductId>) {
    let mut all = stored.clone();
    merge(&mut all, new.clone());
    let ranked = newest(&all);
    let (kept, gone) = ranked.split_at(ranked.len().min(REMEMBERED));
    let set = kept.iter().filter(|(id, at)| stored.get(id) != Some(at)).cloned().collect();
    (set, gone.iter().map(|(id, _)| id.clone()).filter(|id| stored.contains_key(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(range: std::ops::Range<u8>) -> Views {
        range.map(|n| (ProductId::new([n; 16]), Timestamp::from_millis(i64::from(n) * 1000))).collect()
    }

    #[test]
    fn the_newest_stay_whatever_comes_late_or_twice() {
        let (set, gone) = change(&views(10..60), &views(58..62));
        assert_eq!((set, gone.len()), (views(60..62), 2));
        assert!(gone.iter().all(|id| views(10..12).contains_key(id)));
        assert_eq!(change(&views(10..60), &views(0..12)), (Views::new(), Vec::new()), "too old, and known");
        assert_eq!(change(&Views::new(), &views(0..90)).0, views(40..90));
    }

    #[test]
    fn a_viewer_tells_nobody_who_it_is() {
        let (user, cart) = (UserId::new([1; 16]), CartId::new([1; 16]));
        assert_eq!(Viewer::customer(&user), Viewer::customer(&user));
        assert_ne!(Viewer::customer(&user).as_str(), Viewer::guest(&cart).as_str());
        assert!(!Viewer::customer(&user).as_str().contains(user.body()));
    }
}
