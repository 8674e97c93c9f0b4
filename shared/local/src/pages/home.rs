//! The start page: what is in the shop, where to go, and what to paste into a terminal. It shows what the API answers.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{escape, layout};
use crate::hello::Hello;
use crate::shop::Shop;

/// The page.
pub(super) async fn page(shop: &Shop) -> String {
    let hello = Hello::of(shop).await;
    let mut content = String::from(
        "<h1>A shop is running</h1><p class=lead>Everything here goes through the functions that are deployed to Lambda, as \
         the events that API Gateway sends them.</p><ul class=doors>\
         <li><a href=\"/docs\"><b>The API</b><span>every endpoint, with its fields and problems</span></a></li>\
         <li><a href=\"/dev/outbox\"><b>Outbox</b><span>the mail that the shop would have sent</span></a></li>\
         <li><a href=\"/dev/queues\"><b>Queues</b><span>what waits between the functions</span></a></li>\
         <li><a href=\"/openapi.json\"><b>openapi.json</b><span>the same as data, for your tools</span></a></li></ul>",
    );
    content.push_str(&shelf(shop).await);
    content.push_str("<h2>In a terminal</h2>");
    for (what, line) in hello.lines() {
        let _ = write!(content, "<p class=soft>{}</p><pre>{}</pre>", escape(what), escape(&line));
    }
    layout("Start", &content)
}

/// A few products, as they stand in the list.
async fn shelf(shop: &Shop) -> String {
    let listed = get(shop, "/v1/products?limit=10").await;
    let products = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
    if products.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h2>New in the shop</h2><ul class=shelf>");
    for product in products {
        let image = product["images"][0]["url"].as_str().filter(|url| url.starts_with('/'));
        let picture = match image {
            Some(url) => format!("<img src=\"{}\" alt=\"\" loading=lazy>", escape(url)),
            None => "<div class=blank></div>".into(),
        };
        let _ = write!(
            html,
            "<li><a href=\"/v1/products/{}\">{picture}<b>{}</b><span>{}</span></a></li>",
            escape(product["slug"].as_str().unwrap_or_default()),
            escape(product["name"].as_str().unwrap_or_default()),
            escape(&price(&product["variants"][0]["price"])),
        );
    }
    html + "</ul>"
}

/// An amount with its currency, as in `12.99 EUR`.
fn price(money: &Value) -> String {
    let currency = money["currency"].as_str().and_then(kernel::Currency::parse);
    let (Some(amount), Some(currency)) = (money["amount"].as_i64(), currency) else { return String::new() };
    let unit = 10_i64.pow(currency.digits());
    let digits = usize::try_from(currency.digits()).unwrap_or_default();
    match digits {
        0 => format!("{amount} {currency}"),
        _ => format!("{}.{:0digits$} {currency}", amount / unit, amount % unit),
    }
}

/// What the API answers to a GET.
pub(crate) async fn get(shop: &Shop, path: &str) -> Value {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let response = shop.request(request).await;
    serde_json::from_slice(response.body()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_are_written_with_their_own_digits() {
        assert_eq!(price(&json!({ "amount": 1205, "currency": "EUR" })), "12.05 EUR");
        assert_eq!(price(&json!({ "amount": 1205, "currency": "JPY" })), "1205 JPY");
        assert_eq!(price(&json!({ "amount": 5, "currency": "KWD" })), "0.005 KWD");
        assert_eq!(price(&json!(null)), "");
    }
}
