//! What the CDN does with which path: made from the functions' declarations, written to `infra/generated/cdn.json` for
//! `CloudFront`, and followed by the local CDN.
//!
//! A path leads to the first behaviour whose pattern fits, whatever the method; `*` stands for anything, slashes too. So the
//! patterns of more segments come first, and a route that nobody may keep has a behaviour of its own wherever the pattern of
//! another would take it.

use std::collections::BTreeSet;

use http::Method;
use lambda::freshness::ORIGIN_HEADER;
use lambda::{Auth, Freshness, Function, Route};
use serde::Serialize;
use serde_json::Value;

/// `CloudFront` takes no more in a distribution, with room for those of files.
const BEHAVIOURS: usize = 70;
/// `CloudFront` takes no more query parameters in a cache policy.
const PARAMETERS: usize = 10;

/// Which parameters of a query tell answers apart, and are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Nothing is kept, and everything is handed on.
    None,
    /// Those that the functions declare; others are dropped.
    Named,
    /// All: the function takes names that are not known beforehand.
    Any,
}

/// What is done with paths of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    /// The pattern.
    pub pattern: String,
    /// The policy.
    pub policy: Policy,
}

/// What is done with all paths. What fits no pattern is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The header by which the CDN makes itself known to functions.
    pub origin_header: &'static str,
    /// The parameters of [`Policy::Named`].
    pub parameters: Vec<String>,
    /// The behaviours, in order.
    pub behaviours: Vec<Behaviour>,
    /// How long files are kept that say nothing about it, in seconds.
    pub files_ttl_s: u32,
}

impl Plan {
    /// The plan for these functions, or all that is wrong with their declarations.
    pub fn of(functions: &[&Function]) -> Result<Self, Vec<String>> {
        let routes = || functions.iter().filter_map(|function| Some((function.name, function.route()?)));
        let (mut wrong, mut parameters, mut all) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (name, route) in routes() {
            let pattern = pattern(route.path);
            if !route.cache.is_shared() {
                if route.method == Method::GET {
                    all.push(Behaviour { pattern, policy: Policy::None });
                }
                continue;
            }
            if route.method != Method::GET || route.auth != Auth::Anyone {
                wrong.push(format!("{name}: what everybody may keep is read, and does not depend on who reads it"));
            }
            let policy = match declared(route) {
                Some(names) => {
                    parameters.extend(names);
                    Policy::Named
                }
                None => Policy::Any,
            };
            all.push(Behaviour { pattern, policy });
        }
        all.sort_by(|a, b| rank(&a.pattern).cmp(&rank(&b.pattern)));
        let kept: Vec<Behaviour> = all.iter().filter(|one| one.policy != Policy::None).cloned().collect();
        all.retain(|one| {
            one.policy != Policy::None || kept.iter().any(|other| fits(&other.pattern, &sample(&one.pattern)))
        });
        let plan = Self {
            origin_header: ORIGIN_HEADER,
            parameters: parameters.into_iter().collect(),
            behaviours: all,
            files_ttl_s: Freshness::Image.rule().cdn,
        };
        for (name, route) in routes().filter(|(_, route)| route.method != Method::GET) {
            let policy = plan.policy(&sample(&pattern(route.path)));
            if policy == Policy::Named && route.documented.query.is_some() {
                wrong.push(format!("{name}: its parameters would not be handed on"));
            }
        }
        if plan.parameters.len() > PARAMETERS {
            wrong.push(format!("a cache policy takes {PARAMETERS} parameters, not {}", plan.parameters.join(", ")));
        }
        if plan.behaviours.len() > BEHAVIOURS {
            wrong.push(format!("a distribution takes {BEHAVIOURS} behaviours, not {}", plan.behaviours.len()));
        }
        if wrong.is_empty() { Ok(plan) } else { Err(wrong) }
    }

    /// What is done with a path.
    #[must_use]
    pub fn policy(&self, path: &str) -> Policy {
        let found = self.behaviours.iter().find(|behaviour| fits(&behaviour.pattern, path));
        found.map_or(Policy::None, |behaviour| behaviour.policy)
    }

    /// The part of a query that counts under a policy, as it was sent and in its order; `None` when nothing does.
    #[must_use]
    pub fn counted(&self, policy: Policy, query: Option<&str>) -> Option<String> {
        let query = query.filter(|query| !query.is_empty())?;
        if policy != Policy::Named {
            return Some(query.to_owned());
        }
        let known = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            self.parameters.iter().any(|parameter| parameter == name)
        };
        let counted = query.split('&').filter(known).collect::<Vec<_>>().join("&");
        Some(counted).filter(|text| !text.is_empty())
    }
}

/// The parameters that a route declares; `None` when it takes any.
fn declared(route: &Route) -> Option<Vec<String>> {
    // Every route that answers JSON takes this one.
    let mut names = vec!["fields".to_owned()];
    if let Some(schema) = &route.documented.query {
        if schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false)) {
            return None;
        }
        names.extend(
            schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned()),
        );
    }
    Some(names)
}

/// `/v1/products/{id}` as `/v1/products/*`.
fn pattern(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "*".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A path of a pattern.
fn sample(pattern: &str) -> String {
    pattern.replace('*', "x")
}

/// Sorts patterns of many segments before those of few, and segments that are known before those that are not.
fn rank(pattern: &str) -> (std::cmp::Reverse<usize>, Vec<(bool, &str)>) {
    let segments: Vec<(bool, &str)> = pattern.split('/').map(|part| (part == "*", part)).collect();
    (std::cmp::Reverse(segments.len()), segments)
}

/// Whether a pattern fits a path, as `CloudFront` matches: `*` is any text.
fn fits(pattern: &str, path: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use lambda::{Call, Http, Reply};

    use super::*;
    use crate::registry;

    #[test]
    fn every_route_gets_what_it_declares() {
        let functions = registry::functions();
        let plan = Plan::of(&functions.iter().collect::<Vec<_>>()).unwrap();
        for (name, route) in functions.iter().filter_map(|function| Some((function.name, function.route()?))) {
            let policy = plan.policy(&sample(&pattern(route.path)));
            if route.method == Method::GET {
                assert_eq!(policy != Policy::None, route.cache.is_shared(), "{name}: {policy:?}");
            }
            if route.cache.is_shared() && declared(route).is_none() {
                assert_eq!(policy, Policy::Any, "{name}");
            }
        }
        for own in ["/v1/carts/x", "/v1/orders", "/v1/admin/products/x", "/v1/checkout", "/v1/quotes", "/", "/v1"] {
            assert_eq!(plan.policy(own), Policy::None, "{own}");
        }
    }

    #[test]
    fn patterns_fit_as_cloudfront_says() {
        for (pattern, path, fit) in [
            ("/v1/products", "/v1/products", true),
            ("/v1/products", "/v1/products/x", false),
            ("/v1/products/*", "/v1/products/x/reviews/mine", true),
            ("/v1/products/*/reviews", "/v1/products/x/reviews", true),
            ("/v1/products/*/reviews", "/v1/products/reviews", false),
            ("/v1/*/a/*", "/v1/x/a/y", true),
            ("/v1/*/a/*", "/v1/x/b/y", false),
        ] {
            assert_eq!(fits(pattern, path), fit, "{pattern} {path}");
        }
    }

    #[test]
    fn only_declared_parameters_count() {
        let plan = Plan::of(&registry::functions().iter().collect::<Vec<_>>()).unwrap();
        let counted = |policy, query| plan.counted(policy, Some(query));
        assert_eq!(counted(Policy::Named, "utm_source=x&currency=USD"), Some("currency=USD".into()));
        assert_eq!(counted(Policy::Named, "utm_source=x&_=1"), None);
        assert_eq!(counted(Policy::Any, "q=tea&attr.colour=red"), Some("q=tea&attr.colour=red".into()));
        assert_eq!(plan.counted(Policy::Any, Some("")), None);
    }

    async fn nothing(_: Call, (): ()) -> Result<Reply, kernel::Problem> {
        Ok(Reply::empty())
    }

    #[test]
    fn what_depends_on_who_asks_cannot_be_kept_by_everybody() {
        let get = |auth| Http::get("a", "/v1/a").auth(auth).cache(Freshness::List).handle(nothing);
        assert!(Plan::of(&[&get(Auth::Anyone)]).is_ok());
        for auth in [Auth::Optional, Auth::CUSTOMER] {
            assert!(Plan::of(&[&get(auth)]).is_err(), "{auth:?}");
        }
        let post = Http::post("a", "/v1/a").cache(Freshness::List).handle(nothing);
        assert!(Plan::of(&[&post]).is_err());
    }
}
