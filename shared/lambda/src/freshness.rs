//! How stale each kind of answer may be: the one place that decides it. A declaration names the kind, the `Cache-Control` of
//! its answers is made from it, and so are the policies of the CDN (`shared/local/src/cdn/plan.rs`).
//!
//! The rule behind the numbers: **what shows a price is dropped from the CDN when the price changes, or is a second old at
//! most, and is not kept by browsers.** Nobody can take back what a browser keeps. What is paid never comes from a cache:
//! carts, quotes and checkouts are [`Freshness::NoStore`] and read the catalogue's table.

/// The header by which the CDN tells functions that a request came through it. Its value is a secret.
pub const ORIGIN_HEADER: &str = "x-oxcart-origin";

/// A kind of answer, by how stale it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freshness {
    /// One product.
    Product,
    /// A list that shows prices.
    List,
    /// What a search, or a half-typed query, found.
    Search,
    /// The tree of categories.
    Categories,
    /// What customers wrote.
    Reviews,
    /// How many units can be bought.
    Availability,
    /// That nothing is left of an announced sale: then the CDN answers the crowd.
    SoldOut,
    /// The keys of tokens and where they are.
    Keys,
    /// Pictures and other files.
    Image,
    /// What one caller reads again and again: a browser may keep it, and asks each time whether it still holds.
    Private,
    /// What nobody may keep: it is somebody's own, secret, or decides about money.
    NoStore,
}

/// Who may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Everybody: browsers and the CDN.
    Everybody,
    /// The browser of who asked.
    Browser,
    /// Nobody.
    Nobody,
}

/// How stale answers of one kind may be. All times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called in documents.
    pub name: &'static str,
    /// Who may keep it.
    pub keeper: Keeper,
    /// How long a browser shows it without asking.
    pub browser: u32,
    /// How long the CDN does.
    pub cdn: u32,
    /// How long after that it is shown once more while it is fetched anew (RFC 5861). Browsers do that too.
    pub revalidate: u32,
    /// How long after that it is shown while there is no other answer (RFC 5861).
    pub on_error: u32,
    /// Whether it is dropped from the CDN when it changes. That takes knowing its address: one that was asked for with
    /// parameters is kept as a [`Freshness::List`] is.
    pub dropped: bool,
}

const fn shared(name: &'static str, browser: u32, cdn: u32, revalidate: u32, on_error: u32) -> Rule {
    Rule { name, keeper: Keeper::Everybody, browser, cdn, revalidate, on_error, dropped: false }
}

const fn own(name: &'static str, keeper: Keeper) -> Rule {
    Rule { name, keeper, browser: 0, cdn: 0, revalidate: 0, on_error: 0, dropped: false }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

impl Freshness {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Product,
        Self::List,
        Self::Search,
        Self::Categories,
        Self::Reviews,
        Self::Availability,
        Self::SoldOut,
        Self::Keys,
        Self::Image,
        Self::Private,
        Self::NoStore,
    ];

    /// How stale it may be.
    #[must_use]
    pub const fn rule(self) -> Rule {
        match self {
            // A read that raced with the change may be kept after it was dropped: not longer than this.
            Self::Product => Rule { dropped: true, ..shared("product", 0, MINUTE, 0, HOUR) },
            Self::List => shared("list", 0, 1, 0, 10 * MINUTE),
            Self::Search => shared("search", 0, 1, 0, MINUTE),
            Self::Categories => Rule { dropped: true, ..shared("categories", MINUTE, 5 * MINUTE, 5 * MINUTE, DAY) },
            Self::Reviews => shared("reviews", 30, 30, MINUTE, DAY),
            Self::Availability => shared("availability", 1, 1, 5, 10),
            Self::SoldOut => shared("sold-out", 10, 10, 30, MINUTE),
            Self::Keys => shared("keys", 5 * MINUTE, 5 * MINUTE, HOUR, DAY),
            Self::Image => shared("image", 7 * DAY, 7 * DAY, DAY, 7 * DAY),
            Self::Private => own("private", Keeper::Browser),
            Self::NoStore => own("no-store", Keeper::Nobody),
        }
    }

    /// Whether the CDN keeps it.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        matches!(self.rule().keeper, Keeper::Everybody)
    }

    /// The kind of an answer to a request with, or without, parameters.
    #[must_use]
    pub const fn asked(self, with_parameters: bool) -> Self {
        if with_parameters && self.rule().dropped { Self::List } else { self }
    }

    /// The value of `Cache-Control`.
    #[must_use]
    pub fn header(self) -> String {
        let rule = self.rule();
        match rule.keeper {
            Keeper::Nobody => return "no-store".into(),
            Keeper::Browser => return "private, no-cache".into(),
            Keeper::Everybody => {}
        }
        let mut text = format!("public, max-age={}", rule.browser);
        for (directive, seconds, left_out) in [
            ("s-maxage", rule.cdn, rule.browser),
            ("stale-while-revalidate", rule.revalidate, 0),
            ("stale-if-error", rule.on_error, 0),
        ] {
            if seconds != left_out {
                text.push_str(&format!(", {directive}={seconds}"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_the_rules_say() {
        assert_eq!(Freshness::Product.header(), "public, max-age=0, s-maxage=60, stale-if-error=3600");
        assert_eq!(
            Freshness::Categories.header(),
            "public, max-age=60, s-maxage=300, stale-while-revalidate=300, stale-if-error=86400"
        );
        assert_eq!(Freshness::Availability.header(), "public, max-age=1, stale-while-revalidate=5, stale-if-error=10");
        assert_eq!(Freshness::Private.header(), "private, no-cache");
        assert_eq!(Freshness::NoStore.header(), "no-store");
    }

    #[test]
    fn what_shows_a_price_is_dropped_or_a_second_old_and_no_browser_keeps_it() {
        for kind in [Freshness::Product, Freshness::List, Freshness::Search] {
            let rule = kind.rule();
            assert_eq!((rule.browser, rule.revalidate), (0, 0), "{kind:?}");
            assert!(rule.dropped || rule.cdn <= 1, "{kind:?}");
            assert!(kind.asked(true).rule().cdn <= 1, "{kind:?}");
        }
    }

    #[test]
    fn an_address_with_parameters_cannot_be_dropped_and_is_kept_a_second() {
        assert_eq!(Freshness::Categories.asked(true), Freshness::List);
        assert_eq!(Freshness::Categories.asked(false), Freshness::Categories);
        assert_eq!(Freshness::Reviews.asked(true), Freshness::Reviews);
    }
}
