//! `PUT /v1/admin/search/rules/{query}`: what shoppers find for a query: some products first, some last, or another page.

use kernel::problem::{FieldError, Place};
use kernel::{Problem, ProductId};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};

use super::QueryPath;
use crate::table::{Rule, RuleOfQuery, WriteRule};

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-search-rule", "/v1/admin/search/rules/{query}")
        .summary("Pin, bury or redirect for a query")
        .auth(Auth::STAFF_CATALOG)
        .idempotency(Idempotency::Inherent)
        .reply::<RuleOfQuery>(200, "The rule")
        .handle(handle)
}

async fn handle(call: Call<QueryPath, Nothing, Rule>, rules: WriteRule) -> Result<Reply, Problem> {
    let (query, rule) = (call.path.normal()?, call.body);
    let errors = errors(&rule);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    rules.put(&query, &rule).await?;
    Ok(Reply::ok(&RuleOfQuery { query, rule }))
}

/// What breaks the rules between fields.
fn errors(rule: &Rule) -> Vec<FieldError> {
    let wrong = |pointer: String, detail: &str| FieldError { place: Place::Body, pointer, detail: detail.into() };
    let mut errors = Vec::new();
    let twice = |ids: &[ProductId], at: usize| ids[..at].contains(&ids[at]);
    for (name, ids) in [("pinned", &rule.pinned), ("buried", &rule.buried)] {
        for at in (0..ids.len()).filter(|at| twice(ids, *at)) {
            errors.push(wrong(format!("/{name}/{at}"), "stands there twice"));
        }
    }
    for (at, _) in rule.buried.iter().enumerate().filter(|(_, id)| rule.pinned.contains(id)) {
        errors.push(wrong(format!("/buried/{at}"), "is pinned as well"));
    }
    // A path of this shop only begins with one slash: two begin the name of another host.
    let sound = |to: &String| {
        (to.starts_with('/') && !to.starts_with("//") && !to.contains('\\')) || to.starts_with("https://")
    };
    if rule.redirect.as_ref().is_some_and(|to| !sound(to) || to.chars().any(|c| c.is_control() || c.is_whitespace())) {
        errors.push(wrong("/redirect".into(), "must be a path that starts with a slash, or an https:// address"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_between_fields_are_checked() {
        let id = |n: u8| ProductId::new([n; 16]);
        let rule =
            |to: &str| Rule { pinned: vec![id(1), id(1)], buried: vec![id(2), id(1)], redirect: Some(to.into()) };
        let pointers = |to: &str| errors(&rule(to)).into_iter().map(|error| error.pointer).collect::<Vec<_>>();
        assert_eq!(pointers("/sale"), ["/pinned/1", "/buried/1"]);
        for bad in ["//evil.example", "/\\evil.example", "javascript:alert(1)", "http://x", "/a b", "sale"] {
            assert_eq!(pointers(bad).last().map(String::as_str), Some("/redirect"), "{bad}");
        }
    }
}
