//! The three lines that a newcomer pastes into a terminal: find products of a category, put one into a cart, buy it. They
//! name what is really in this shop.

use serde_json::Value;

use crate::pages::get;
use crate::shop::Shop;

/// What the lines name.
pub struct Hello {
    base: String,
    category: String,
    sku: String,
    currency: String,
}

impl Hello {
    /// Looks around in a shop.
    pub async fn of(shop: &Shop) -> Self {
        let categories = get(shop, "/v1/categories").await;
        let category = deepest(&categories["items"]).unwrap_or_default();
        let listed = get(shop, &format!("/v1/products?category={category}&limit=1&sort=name")).await;
        let variant = &listed["items"][0]["variants"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            base: shop.base_url().to_owned(),
            category,
            sku: text(&variant["sku"]),
            currency: text(&variant["price"]["currency"]),
        }
    }

    /// Each line, after what it does. Empty when nothing is in the shop.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Self { base, category, sku, currency } = self;
        if sku.is_empty() {
            return Vec::new();
        }
        let json = "-H 'content-type: application/json'";
        let find = format!("curl -s '{base}/v1/products?category={category}&limit=3'");
        let fill = format!(
            "CART=$(curl -s {base}/v1/carts {json} -d '{{\"currency\":\"{currency}\"}}' \
             | sed 's/.*\"id\":\"\\(crt_[^\"]*\\)\".*/\\1/'); \
             curl -s -X PUT {base}/v1/carts/$CART/lines/{sku} {json} -d '{{\"quantity\":1}}'"
        );
        let country = match currency.as_str() {
            "USD" => "US",
            "GBP" => "GB",
            "CHF" => "CH",
            _ => "DE",
        };
        let address = format!(
            "{{\"name\":\"Ada Lovelace\",\"line1\":\"1 Main Street\",\"city\":\"Springfield\",\"postal_code\":\"12345\",\
             \"country\":\"{country}\"}}"
        );
        let buy = format!(
            "TO='\"shipping_address\":{address},\"shipping_method\":\"standard\"'; \
             TOTAL=$(curl -s {base}/v1/checkout/quote {json} -d '{{\"cart_id\":\"'$CART'\",'\"$TO\"'}}' \
             | sed 's/.*\"total\":\\({{[^}}]*}}\\).*/\\1/'); \
             curl -s {base}/v1/checkout {json} -H \"idempotency-key: $CART\" -d '{{\"cart_id\":\"'$CART'\",\
             \"email\":\"ada@example.com\",\"payment_token\":\"pm_card_visa\",\"expected_total\":'\"$TOTAL\"','\"$TO\"'}}'"
        );
        vec![
            ("Find products of a category", find),
            ("Put one into a cart", fill),
            ("Pay; the mail is in the outbox a moment later", buy),
        ]
    }
}

/// The first category without another below it.
fn deepest(categories: &Value) -> Option<String> {
    let first = categories.as_array()?.first()?;
    deepest(&first["children"]).or_else(|| first["path"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lines_name_the_first_leaf_and_nothing_of_an_empty_shop() {
        let tree =
            json!([{ "path": "a", "children": [{ "path": "a/b", "children": [] }] }, { "path": "z", "children": [] }]);
        assert_eq!(deepest(&tree).as_deref(), Some("a/b"));
        let empty = Hello { base: String::new(), category: String::new(), sku: String::new(), currency: String::new() };
        assert!(empty.lines().is_empty());
    }
}
