//! What a person sees in a browser: where to go, the documentation, the outbox, the queues. Each page stands alone, asks
//! no other host for anything, and shows what the shop itself answers; nothing here writes.

pub mod docs;
mod home;
mod images;
mod mail;
mod outbox;
mod problems;
mod queues;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::shop::Shop;

pub(crate) use home::get;

/// Styles and scripts stand in the page itself; images come from here; a mail is shown in a frame that may do nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; \
                      frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages of a shop.
#[derive(Clone)]
pub struct Pages {
    shop: Shop,
    openapi: Value,
}

impl Pages {
    /// The pages of a shop, with the OpenAPI document of its functions.
    #[must_use]
    pub fn new(shop: &Shop, openapi: Value) -> Self {
        Self { shop: shop.clone(), openapi }
    }

    /// The page at an address; `None` when there is none, and the request is the API's.
    pub async fn answer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        if let Some((status, value)) = crate::provider::answer(&self.shop, request).await {
            return Some(answer(status, "application/json", value.to_string()));
        }
        let head = request.method() == Method::HEAD;
        if request.method() != Method::GET && !head {
            return None;
        }
        let path = request.uri().path();
        let mut response = match path {
            "/" => html(home::page(&self.shop).await),
            "/docs" => html(docs::page(&self.openapi)),
            "/openapi.json" => json(&self.openapi),
            "/problems" => html(problems::list()),
            "/dev/outbox" => html(outbox::list(self.shop.outbox())),
            "/dev/queues" => html(queues::page(&self.shop.state().await)),
            "/dev/queues.json" => json(&self.shop.state().await.json()),
            "/favicon.ico" => images::icon(),
            _ => self.below(path, request)?,
        };
        if head {
            let length = response.body().len();
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            *response.body_mut() = Bytes::new();
        }
        Some(response)
    }

    fn below(&self, path: &str, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        if let Some(name) = path.strip_prefix("/images/") {
            return Some(images::image(name, request.headers()).unwrap_or_else(nothing));
        }
        if let Some(code) = path.strip_prefix("/problems/") {
            return Some(problems::page(code).map_or_else(nothing, html));
        }
        if let Some(id) = path.strip_prefix("/dev/outbox/") {
            return Some(outbox::mail(self.shop.outbox(), id).map_or_else(nothing, html));
        }
        None
    }
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn html(text: String) -> Response<Bytes> {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", text);
    set(&mut response, header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

fn json(value: &Value) -> Response<Bytes> {
    answer(StatusCode::OK, "application/json", value.to_string())
}

fn nothing() -> Response<Bytes> {
    let mut response =
        html(layout("Nothing here", "<h1>Nothing here</h1><p class=lead><a href=\"/\">To the start</a></p>"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Text that may stand in HTML and in its attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A whole page around its content.
fn layout(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{} · Oxcart</title><style>{}</style><header><strong><a href=\"/\">Oxcart</a></strong>\
         <a href=\"/docs\">API</a><a href=\"/dev/outbox\">Outbox</a><a href=\"/dev/queues\">Queues</a>\
         <a href=\"/problems\">Problems</a></header><main>{content}</main></html>",
        escape(title),
        include_str!("style.css"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
