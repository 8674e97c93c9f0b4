//! What the cases about stock ask for: the desk of the staff, the tills of other sales channels, and a shopper who buys.

use http::Method;
use kernel::Timestamp;
use serde_json::{Value, json};

use super::check::{problem, same};
use crate::clock::{Watch, pause};
use crate::http::{Answer, encoded};
use crate::shop::{Quote, SETTLES, Shop, Stock, VISA, Wanted, checkout_body, ramp};
use crate::{Outcome, Stop, ensure};

/// Two warehouses of the suite. Every run uses the same: a shop has room for fifty, and none is ever taken away.
pub const NEAR: &str = "testkit-near";
/// The other one.
pub const FAR: &str = "testkit-far";
/// The country that `NEAR` serves first, then `FAR`.
pub const COUNTRY: &str = "MT";

/// The sales channel of the suite's reservations.
pub const CHANNEL: &str = "testkit-pos";

/// Where staff does something about a SKU.
pub fn desk(sku: &str, what: &str) -> String {
    format!("/v1/admin/inventory/{}/{what}", encoded(sku))
}

/// The version in an `ETag`.
pub fn version_of(answer: &Answer) -> Outcome<u64> {
    let tag = answer.header("etag").unwrap_or_default();
    let version = tag.trim_matches('"').strip_prefix('v').and_then(|number| number.parse().ok());
    version.ok_or_else(|| answer.wrong("its ETag has no version"))
}

/// An `If-Match` of this version.
pub fn tag(version: impl std::fmt::Display) -> String {
    format!("\"v{version}\"")
}

impl Shop {
    /// Corrects a count in the main warehouse.
    pub async fn adjust(&self, sku: &str, quantity: i64, key: &str) -> Outcome<Answer> {
        let body = json!({ "warehouse": "main", "quantity": quantity, "reason": "count" });
        Ok(self.by_staff(Method::POST, desk(sku, "adjustments")).await?.key(key).json(&body).send().await?)
    }

    /// Books units into a warehouse.
    pub async fn receive_in(&self, sku: &str, warehouse: &str, quantity: u32) -> Outcome {
        let body = json!({ "warehouse": warehouse, "quantity": quantity, "reference": "testkit" });
        let request = self.by_staff(Method::POST, desk(sku, "receipts")).await?.key(&self.unique("receipt"));
        request.json(&body).send().await?.expect(200)?;
        Ok(())
    }

    /// Asks for settings of a SKU.
    pub async fn keep(&self, sku: &str, settings: &Value) -> Outcome<Answer> {
        Ok(self.by_staff(Method::PUT, desk(sku, "settings")).await?.json(settings).send().await?)
    }

    /// The settings of a SKU.
    pub async fn settings(&self, sku: &str) -> Outcome<Answer> {
        self.by_staff(Method::GET, desk(sku, "settings")).await?.send().await?.expect(200)
    }

    /// What shoppers are told of a SKU: its status, and how many units.
    pub async fn availability(&self, sku: &str) -> Outcome<(String, i64)> {
        let answer = self.client().get(format!("/v1/inventory/{}", encoded(sku))).send().await?.expect(200)?;
        same("sku", answer.text("/sku")?, sku)?;
        Ok((answer.text("/status")?.to_owned(), answer.integer("/available")?))
    }

    /// Buys some units of a SKU with a card that works, whatever comes of it.
    pub async fn buy(&self, sku: &str, quantity: u32) -> Outcome<Answer> {
        let (_, body) = self.ready(sku, quantity, VISA).await?;
        Ok(self.checkout(&self.unique("key"), &body).await?)
    }

    /// Tries to buy more than there is, and is told how much there is.
    pub async fn cannot_buy(&self, sku: &str, quantity: u32, left: i64) -> Outcome {
        let answer = problem(self.buy(sku, quantity).await?, 409, "out-of-stock")?;
        same("the SKU of the refusal", answer.text("/lines/0/sku")?, sku)?;
        same("what is left", answer.integer("/lines/0/available")?, left)
    }

    /// Buys some units for an address in a country.
    pub async fn buy_for(&self, country: &str, sku: &str, quantity: u32) -> Outcome<Answer> {
        let cart = self.filled_cart(&[(sku, quantity)]).await?;
        let mut address = crate::shop::address();
        address["country"] = country.into();
        let mut ask = json!({ "cart_id": cart, "shipping_address": address });
        let methods = self.client().post("/v1/checkout/quote").json(&ask).send().await?.expect(200)?;
        let method = methods.text("/methods/0/id")?.to_owned();
        ask["shipping_method"] = method.as_str().into();
        let priced = self.client().post("/v1/checkout/quote").json(&ask).send().await?.expect(200)?;
        let quote = Quote { method, total: priced.at("/totals/total")?.clone() };
        let mut body = checkout_body(&cart, &self.email(), &quote, VISA);
        body["shipping_address"] = address;
        Ok(self.checkout(&self.unique("key"), &body).await?)
    }

    /// A reservation by another sales channel, whatever is asked for.
    pub async fn ask_reservation(&self, key: &str, body: &Value) -> Outcome<Answer> {
        Ok(self.by_staff(Method::POST, "/v1/reservations").await?.key(key).json(body).send().await?)
    }

    /// Reserves some units of a SKU, whatever comes of it.
    pub async fn reserve(&self, sku: &str, quantity: u32, seconds: u32) -> Outcome<Answer> {
        self.ask_reservation(&self.unique("reserve"), &reservation(&[(sku, quantity)], seconds)).await
    }

    /// Reserves some units of a SKU for ten minutes; gives the reservation's id.
    pub async fn held(&self, sku: &str, quantity: u32) -> Outcome<String> {
        let answer = self.reserve(sku, quantity, 600).await?.expect(201)?;
        same("status", answer.text("/status")?, "held")?;
        Ok(answer.text("/id")?.to_owned())
    }

    /// Asks for a reservation to be committed or released.
    pub async fn settle(&self, id: &str, how: &str) -> Outcome<Answer> {
        Ok(self.by_staff(Method::POST, format!("/v1/reservations/{id}/{how}")).await?.send().await?)
    }

    /// What a warehouse has of a SKU.
    pub async fn stock_in(&self, sku: &str, warehouse: &str) -> Outcome<Stock> {
        let shelves = self.shelves(sku).await?.into_iter();
        Ok(shelves.filter(|shelf| shelf.warehouse == warehouse).map(|shelf| shelf.stock).sum())
    }

    /// Waits until a warehouse has this of a SKU.
    pub async fn stock_in_becomes(&self, sku: &str, warehouse: &str, expected: Stock) -> Outcome {
        let watch = Watch::start();
        for attempt in 0_u32.. {
            let seen = self.stock_in(sku, warehouse).await?;
            if seen == expected {
                return Ok(());
            }
            ensure!(watch.elapsed() < SETTLES, "{warehouse} keeps {seen:?} of {sku}, expected {expected:?}");
            pause(ramp(attempt)).await;
        }
        Err(Stop::Failed("the stock never settled".into()))
    }

    /// The warehouses of the shop, as they are.
    pub async fn warehouses(&self) -> Outcome<Answer> {
        self.by_staff(Method::GET, "/v1/admin/warehouses").await?.send().await?.expect(200)
    }

    /// Sees to it that the shop has the suite's warehouses; the others stay, and so does whom they serve.
    pub async fn furnish(&self) -> Outcome {
        for _ in 0..20 {
            let seen = self.warehouses().await?;
            let wanted = furnished(&seen.body);
            if wanted == seen.body {
                return Ok(());
            }
            let request = self.by_staff(Method::PUT, "/v1/admin/warehouses").await?;
            let request = request.header("if-match", &tag(version_of(&seen)?)).json(&wanted);
            if request.send().await?.expect_any(&[200, 412])?.status == 200 {
                return Ok(());
            }
        }
        Err(Stop::Failed("the warehouses kept changing".into()))
    }

    /// A product whose units lie in the suite's warehouses, none in the main one.
    pub async fn spread_out(&self, near: u32, far: u32) -> Outcome<String> {
        self.furnish().await?;
        let goods = self.product(Wanted { units: 0, ..Wanted::default() }).await?;
        for (warehouse, units) in [(NEAR, near), (FAR, far)] {
            if units > 0 {
                self.receive_in(&goods.sku, warehouse, units).await?;
            }
        }
        Ok(goods.sku)
    }

    /// The shop's time, as it stands on what is made now.
    pub async fn time(&self) -> Outcome<Timestamp> {
        let goods = self.product(Wanted { units: 0, ..Wanted::default() }).await?;
        let read = self.client().get(format!("/v1/products/{}", goods.id)).send().await?.expect(200)?;
        Timestamp::parse(read.text("/created_at")?).ok_or_else(|| read.wrong("created_at is no time"))
    }
}

/// These warehouses and the suite's own.
fn furnished(present: &Value) -> Value {
    let mut all = present.clone();
    if let Some(list) = all["warehouses"].as_array_mut() {
        for id in [NEAR, FAR] {
            if !list.iter().any(|known| known["id"] == id) {
                list.push(json!({ "id": id, "name": "Of the black-box suite" }));
            }
        }
    }
    let first = all["priorities"][COUNTRY].as_array().cloned().unwrap_or_default();
    let others = first.into_iter().filter(|id| id != NEAR && id != FAR);
    all["priorities"][COUNTRY] = [NEAR.into(), FAR.into()].into_iter().chain(others).collect();
    all
}

/// The body of a reservation.
pub fn reservation(lines: &[(&str, u32)], seconds: u32) -> Value {
    let lines: Vec<Value> = lines.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    json!({ "channel": CHANNEL, "lines": lines, "hold_seconds": seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_warehouses_and_those_whom_they_serve_stay() {
        let main = json!({ "id": "main", "name": "Main" });
        let present = json!({ "warehouses": [main], "priorities": { "DE": ["main"], COUNTRY: ["main"] } });
        let all = furnished(&present);
        assert_eq!(all["warehouses"][0], main);
        assert_eq!(all["warehouses"].as_array().unwrap().len(), 3);
        assert_eq!(all["priorities"], json!({ "DE": ["main"], COUNTRY: [NEAR, FAR, "main"] }));
        assert_eq!(furnished(&all), all, "a second time changes nothing");
    }
}
