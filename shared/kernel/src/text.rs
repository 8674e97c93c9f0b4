//! Parsed text: each type can only hold a value that follows its rule, and carries the rule into the JSON Schema.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::CATEGORY_DEPTH;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $format:literal, $rule:literal, $example:literal, $read:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The rule, as it stands in error messages behind "must be".
            pub const RULE: &'static str = $rule;

            /// Reads the text; `None` when it breaks the rule.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                $read(text).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(concat!("must be ", $rule)))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $rule, "examples": [$example] })
            }
        }
    };
}

text_type!(
    /// An e-mail address, in lower case. The rule is deliberately loose: only a delivered message proves an address.
    Email, "email", "an e-mail address of at most 254 characters", "ada@example.com", read_email
);
text_type!(
    /// A stock-keeping unit: what is priced, held and sold.
    Sku, "sku", "1 to 64 letters, digits, dots, underscores or hyphens", "TEA-GREEN-100", read_sku
);
text_type!(
    /// The readable part of a product's address.
    Slug, "slug", "1 to 120 lower-case letters, digits or single hyphens between them", "green-tea", read_slug
);
text_type!(
    /// What a warehouse or a sales channel is called in requests.
    Handle, "handle", "1 to 40 lower-case letters, digits or single hyphens between them", "berlin-1", read_handle
);
text_type!(
    /// What shoppers type to have a discount, in capitals: `spring-20` and `SPRING-20` are one code.
    CouponCode, "coupon", "2 to 40 letters, digits or single hyphens between them", "SPRING-20", read_coupon
);
text_type!(
    /// A path of category segments, as in `electronics/audio`.
    CategoryPath, "category", "1 to 5 slugs joined by slashes", "electronics/audio", read_category
);
text_type!(
    /// An ISO 3166-1 alpha-2 country code, in capitals.
    Country, "country", "an ISO 3166-1 alpha-2 country code in capitals", "DE", read_country
);

impl CategoryPath {
    /// The path and every path above it, longest first: `a/b/c`, `a/b`, `a`.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        let ends = self.0.match_indices('/').map(|(index, _)| index).chain([self.0.len()]);
        let mut levels: Vec<&str> = ends.map(|end| &self.0[..end]).collect();
        levels.reverse();
        levels.into_iter()
    }
}

fn read_email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let printable = text.len() <= 254 && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let plain = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !local.contains(['@', '"', '<', '>', '(', ')', ',', ';', ':', '\\', '[', ']']);
    let labels: Vec<&str> = domain.split('.').collect();
    let label = |part: &&str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let routed = labels.len() >= 2 && labels.iter().all(label) && labels.last().is_some_and(|tld| tld.len() >= 2);
    (printable && plain && routed).then(|| text.to_lowercase())
}

fn read_sku(text: &str) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((1..=64).contains(&text.len()) && text.bytes().all(good)).then(|| text.to_owned())
}

fn slug(text: &str) -> bool {
    (1..=120).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn read_handle(text: &str) -> Option<String> {
    read_slug(text).filter(|handle| handle.len() <= 40)
}

fn read_coupon(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    ((2..=40).contains(&code.len()) && slug(&code.to_ascii_lowercase())).then_some(code)
}

fn read_slug(text: &str) -> Option<String> {
    slug(text).then(|| text.to_owned())
}

fn read_category(text: &str) -> Option<String> {
    let segments: Vec<&str> = text.split('/').collect();
    (segments.len() <= CATEGORY_DEPTH && segments.iter().all(|part| slug(part))).then(|| text.to_owned())
}

/// ISO 3166-1 alpha-2, officially assigned.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV \
BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG \
KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG \
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG \
VI VN VU WF WS YE YT ZA ZM ZW";

fn read_country(text: &str) -> Option<String> {
    COUNTRIES.split_ascii_whitespace().any(|code| code == text).then(|| text.to_owned())
}

/// Makes a slug out of any name: letters and digits in lower case, everything else a hyphen. `None` when nothing is left.
#[must_use]
pub fn slugify(name: &str) -> Option<Slug> {
    let mut text = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => text.push(c),
            'ä' | 'á' | 'à' | 'â' | 'å' | 'ã' => text.push('a'),
            'é' | 'è' | 'ê' | 'ë' => text.push('e'),
            'í' | 'ì' | 'î' | 'ï' => text.push('i'),
            'ö' | 'ó' | 'ò' | 'ô' | 'õ' | 'ø' => text.push('o'),
            'ü' | 'ú' | 'ù' | 'û' => text.push('u'),
            'ß' => text.push_str("ss"),
            'ñ' => text.push('n'),
            'ç' => text.push('c'),
            _ if text.ends_with('-') || text.is_empty() => {}
            _ => text.push('-'),
        }
        if text.len() >= 100 {
            break;
        }
    }
    Slug::parse(text.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_that_only_look_like_ones_are_refused() {
        for good in ["ada@example.com", "a.b+c@sub.example.co.uk", "Ünï@exämple.de", "x_y-z'q@example.org"] {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b.de",
            "a@b",
            "a@b.c",
            "a b@c.de",
            "a@b..de",
            "a@-b.de",
            ".a@b.de",
            "a..b@c.de",
            "a@b@c.de",
            "<a@b.de>",
        ] {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Email::parse("Ada@Example.com").unwrap().as_str(), "ada@example.com");
    }

    #[test]
    fn category_levels_run_from_the_leaf_up() {
        let path = CategoryPath::parse("a/b/c").unwrap();
        assert_eq!(path.levels().collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
        for bad in ["", "/a", "a/", "a//b", "A", "a/b/c/d/e/f"] {
            assert!(CategoryPath::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn slugs_are_made_from_names() {
        assert_eq!(slugify("  Größe 2,5\" Café  ").unwrap().as_str(), "grosse-2-5-cafe");
        assert_eq!(slugify("漢字"), None);
        assert!(slugify(&"long name ".repeat(50)).is_some());
    }

    #[test]
    fn skus_and_countries() {
        assert!(Sku::parse("TEA-1_a.b").is_some());
        assert!(Sku::parse("a b").is_none());
        assert!(Sku::parse(&"x".repeat(65)).is_none());
        assert!(Country::parse("DE").is_some());
        assert!(Country::parse("XX").is_none() && Country::parse("de").is_none());
    }
}
