//! Which function answers a method and a path, as API Gateway decides it: the most specific template wins, and a static
//! segment is more specific than a parameter. It owns the compiled templates and must never look at headers or bodies.

use http::Method;
use lambda::Function;
use percent_encoding::percent_decode_str;

/// What a request's address leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A function, by its place in the registry, with the decoded path parameters.
    Function(usize, Vec<(&'static str, String)>),
    /// Other methods are known at this path.
    OtherMethods(Vec<Method>),
    /// Nothing.
    Nothing,
}

enum Segment {
    Text(&'static str),
    Parameter(&'static str),
}

struct Template {
    method: Method,
    segments: Vec<Segment>,
    function: usize,
}

/// The routes of a registry.
pub struct Router {
    templates: Vec<Template>,
}

impl Router {
    /// Compiles the routes of all HTTP functions.
    #[must_use]
    pub fn new(functions: &[Function]) -> Self {
        let routes = functions.iter().enumerate().filter_map(|(index, function)| Some((index, function.route()?)));
        let mut templates: Vec<Template> = routes
            .map(|(function, route)| Template {
                method: route.method.clone(),
                segments: route.path.trim_start_matches('/').split('/').map(segment).collect(),
                function,
            })
            .collect();
        // The first match is then the most specific one.
        templates.sort_by_key(Template::rank);
        Self { templates }
    }

    /// What a method and a path, as it came over the wire, lead to.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let Some(path) = path.strip_prefix('/') else { return Found::Nothing };
        let parts: Vec<&str> = path.split('/').collect();
        let mut others: Vec<Method> = Vec::new();
        for template in self.templates.iter().filter(|template| template.fits(&parts)) {
            if template.method == *method {
                return Found::Function(template.function, template.parameters(&parts));
            }
            if !others.contains(&template.method) {
                others.push(template.method.clone());
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }
}

fn segment(text: &'static str) -> Segment {
    match text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(name) => Segment::Parameter(name),
        None => Segment::Text(text),
    }
}

impl Template {
    /// Sorts static segments before parameters, from left to right.
    fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Parameter(_))).collect()
    }

    fn fits(&self, parts: &[&str]) -> bool {
        self.segments.len() == parts.len()
            && self.segments.iter().zip(parts).all(|(segment, part)| match segment {
                Segment::Text(text) => text == part,
                Segment::Parameter(_) => !part.is_empty(),
            })
    }

    fn parameters(&self, parts: &[&str]) -> Vec<(&'static str, String)> {
        let pairs = self.segments.iter().zip(parts).filter_map(|(segment, part)| match segment {
            Segment::Text(_) => None,
            Segment::Parameter(name) => Some((*name, percent_decode_str(part).decode_utf8_lossy().into_owned())),
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: Method, path: &'static str, function: usize) -> Template {
        Template { method, segments: path.trim_start_matches('/').split('/').map(segment).collect(), function }
    }

    fn router() -> Router {
        let mut templates = vec![
            template(Method::GET, "/v1/orders/{id}", 0),
            template(Method::GET, "/v1/orders", 1),
            template(Method::POST, "/v1/orders/search", 2),
            template(Method::GET, "/v1/orders/mine", 3),
            template(Method::PUT, "/v1/carts/{id}/lines/{sku}", 4),
        ];
        templates.sort_by_key(Template::rank);
        Router { templates }
    }

    #[test]
    fn static_segments_win_and_parameters_are_decoded() {
        let router = router();
        assert_eq!(router.find(&Method::GET, "/v1/orders/mine"), Found::Function(3, vec![]));
        assert_eq!(router.find(&Method::GET, "/v1/orders/a%2Fb"), Found::Function(0, vec![("id", "a/b".into())]));
        // The static path has no GET, so the parameter takes it.
        assert_eq!(router.find(&Method::GET, "/v1/orders/search"), Found::Function(0, vec![("id", "search".into())]));
        let line = router.find(&Method::PUT, "/v1/carts/c1/lines/TEA");
        assert_eq!(line, Found::Function(4, vec![("id", "c1".into()), ("sku", "TEA".into())]));
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        let router = router();
        assert_eq!(router.find(&Method::DELETE, "/v1/orders"), Found::OtherMethods(vec![Method::GET]));
        for nothing in ["/v1/orders/", "/v1/orders/a/b", "/v1", "/", "", "/v1/carts//lines/x"] {
            assert_eq!(router.find(&Method::GET, nothing), Found::Nothing, "{nothing}");
        }
    }
}
