//! How the money of an order is stored: bare amounts under one currency. Every write of an order pays for each KB of the
//! whole item, and a currency beside each of a dozen amounts is what would push an ordinary order over the first.

use kernel::{Currency, Money, ProductId, Sku};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::{OrderLine, Totals};

/// [`Totals`], stored.
pub(crate) mod totals {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        currency: Currency,
        subtotal: i64,
        discount: i64,
        shipping: i64,
        tax: i64,
        total: i64,
    }

    pub fn serialize<S: Serializer>(totals: &Totals, serializer: S) -> Result<S::Ok, S::Error> {
        let Totals { subtotal, discount, shipping, tax, total } = totals;
        let stored = Stored {
            currency: total.currency,
            subtotal: subtotal.amount,
            discount: discount.amount,
            shipping: shipping.amount,
            tax: tax.amount,
            total: total.amount,
        };
        stored.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Totals, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let money = |amount| Money::new(amount, stored.currency);
        Ok(Totals {
            subtotal: money(stored.subtotal),
            discount: money(stored.discount),
            shipping: money(stored.shipping),
            tax: money(stored.tax),
            total: money(stored.total),
        })
    }
}

/// Lines, stored.
pub(crate) mod lines {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        currency: Currency,
        items: Vec<Line>,
    }

    #[derive(Serialize, Deserialize)]
    struct Line {
        sku: Sku,
        product_id: ProductId,
        name: String,
        quantity: u32,
        unit_price: i64,
        line_total: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        discount: Option<i64>,
        tax: i64,
        tax_rate: i64,
    }

    pub fn serialize<S: Serializer>(lines: &[OrderLine], serializer: S) -> Result<S::Ok, S::Error> {
        let items = lines.iter().map(|line| Line {
            sku: line.sku.clone(),
            product_id: line.product_id.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.amount,
            line_total: line.line_total.amount,
            discount: line.discount.map(|off| off.amount),
            tax: line.tax.amount,
            tax_rate: line.tax_rate,
        });
        let currency = lines.first().map_or(Currency::EUR, |line| line.line_total.currency);
        Stored { currency, items: items.collect() }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OrderLine>, D::Error> {
        let Stored { currency, items } = Stored::deserialize(deserializer)?;
        let money = |amount| Money::new(amount, currency);
        let lines = items.into_iter().map(|line| OrderLine {
            sku: line.sku,
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_price: money(line.unit_price),
            line_total: money(line.line_total),
            discount: line.discount.map(money),
            tax: money(line.tax),
            tax_rate: line.tax_rate,
        });
        Ok(lines.collect())
    }
}
