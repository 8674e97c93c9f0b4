//! What people do in a shop, as calls: staff put goods on the shelf, a shopper walks from cart to payment.
//!
//! Suite, race and audit all stand on these. Every name made here carries the run's id, so that runs never meet, and
//! products are remembered, so that a run can take its goods off the shelf when it is over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::clock::{Watch, pause, run_id};
use crate::http::{Answer, Client, HttpError, Request, encoded};
use crate::{Outcome, Stop, Target, ensure};

/// A staff token is renewed at this age; it lives 15 minutes.
const TOKEN_AGE: Duration = Duration::from_secs(10 * 60);
/// How long what follows from the stream (stock confirmed, cart closed, order paid late) may take. Locally it is
/// milliseconds; an emulator polls streams and queues every second or so.
pub const SETTLES: Duration = Duration::from_secs(90);
/// The warehouse every fresh shop has.
pub const WAREHOUSE: &str = "main";
/// A card that pays.
pub const VISA: &str = "pm_card_visa";

/// A shop under work. Cheap to clone.
#[derive(Clone)]
pub struct Shop(Arc<Inner>);

struct Inner {
    target: Target,
    client: Client,
    run: String,
    counter: AtomicU64,
    staff: Mutex<Option<(Watch, String)>>,
    made: std::sync::Mutex<Vec<String>>,
}

/// A product to make.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Units to put on the shelf; none at all when zero.
    pub units: u32,
    /// The price in minor units.
    pub price: i64,
    /// The currency.
    pub currency: &'static str,
    /// The category.
    pub category: String,
    /// Its name; the run's id is put behind it.
    pub name: String,
    /// A text.
    pub description: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            units: 10,
            price: 1_999,
            currency: "EUR",
            category: "testkit/goods".into(),
            name: "Testkit teapot".into(),
            description: "Made by the black-box suite.".into(),
        }
    }
}

impl Wanted {
    /// A product with so many units on the shelf.
    #[must_use]
    pub fn units(units: u32) -> Self {
        Self { units, ..Self::default() }
    }
}

/// A product that was made.
#[derive(Clone, Debug)]
pub struct Goods {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its only SKU.
    pub sku: String,
    /// The price in minor units.
    pub price: i64,
    /// The `ETag` it was made with.
    pub etag: String,
}

/// The stock of a SKU, summed over its shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Everything that came in.
    pub received: i64,
    /// What can be bought.
    pub available: i64,
    /// What is held.
    pub held: i64,
    /// What was sold.
    pub taken: i64,
    /// What may be sold before it is here.
    pub allowance: i64,
}

/// One counter of a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The warehouse.
    pub warehouse: String,
    /// The shard.
    pub shard: i64,
    /// What it has.
    pub stock: Stock,
    /// Rises with every movement.
    pub version: i64,
}

impl Stock {
    /// Stock of which some was sold and nothing is held.
    #[must_use]
    pub fn sold(received: u32, taken: u32) -> Self {
        let (received, taken) = (i64::from(received), i64::from(taken));
        Self { received, available: received - taken, taken, ..Self::default() }
    }

    /// Stock of which some is held and nothing was sold.
    #[must_use]
    pub fn holding(received: u32, held: u32) -> Self {
        let (received, held) = (i64::from(received), i64::from(held));
        Self { received, available: received - held, held, ..Self::default() }
    }

    /// Whether the books balance.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let (drawn, there) = (self.available + self.held + self.taken, self.received + self.allowance);
        self.available >= 0 && self.held >= 0 && drawn == there
    }
}

impl std::iter::Sum for Stock {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            received: sum.received + one.received,
            available: sum.available + one.available,
            held: sum.held + one.held,
            taken: sum.taken + one.taken,
            allowance: sum.allowance + one.allowance,
        })
    }
}

/// What a quote said: how it is shipped and what it costs.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The shipping method.
    pub method: String,
    /// The total, a Money.
    pub total: Value,
}

/// A customer who has registered and signed in.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// An address within the default shipping area.
#[must_use]
pub fn address() -> Value {
    json!({ "name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE" })
}

/// The body of a checkout. Each cart goes to a door of its own: too many refused payments to one address stop further ones.
#[must_use]
pub fn checkout_body(cart: &str, email: &str, quote: &Quote, payment_token: &str) -> Value {
    let mut address = address();
    address["line2"] = cart.into();
    json!({
        "cart_id": cart,
        "email": email,
        "shipping_address": address,
        "shipping_method": quote.method,
        "payment_token": payment_token,
        "expected_total": quote.total,
    })
}

/// The counters in an answer that is a stock, each of which must balance.
pub fn shelves(answer: &Answer) -> Outcome<Vec<Shelf>> {
    let mut shelves = Vec::new();
    for (index, item) in answer.list("/items")?.iter().enumerate() {
        let number = |field: &str| answer.integer(&format!("/items/{index}/{field}"));
        let stock = Stock {
            received: number("received")?,
            available: number("available")?,
            held: number("held")?,
            taken: number("taken")?,
            allowance: item["allowance"].as_i64().unwrap_or(0),
        };
        ensure!(stock.balanced(), "{}", answer.wrong(format!("the books of counter {index} do not balance")));
        let warehouse = answer.text(&format!("/items/{index}/warehouse"))?.to_owned();
        shelves.push(Shelf { warehouse, shard: number("shard")?, stock, version: number("version")? });
    }
    Ok(shelves)
}

/// A product as create-product takes it.
#[must_use]
pub fn product_body(wanted: &Wanted, name: &str, sku: &str) -> Value {
    json!({
        "name": name,
        "description": wanted.description,
        "brand": "Testkit",
        "category": wanted.category,
        "tags": ["testkit"],
        "images": [],
        "attributes": { "material": "steel" },
        "options": [],
        "variants": [{
            "sku": sku,
            "options": {},
            "price": { "amount": wanted.price, "currency": wanted.currency },
            "weight_grams": 300,
        }],
        "status": "active",
    })
}

impl Shop {
    /// Opens a shop. Nothing is sent yet.
    pub fn open(target: &Target) -> Result<Self, HttpError> {
        Ok(Self(Arc::new(Inner {
            client: Client::new(&target.base_url)?.behind(&target.origin_secret)?,
            target: target.clone(),
            run: run_id(),
            counter: AtomicU64::new(0),
            staff: Mutex::new(None),
            made: std::sync::Mutex::default(),
        })))
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// A client that comes as any visitor does, through the CDN.
    pub fn visitor(&self) -> Outcome<Client> {
        Ok(Client::new(&self.0.target.base_url)?)
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// A name that nothing else has: letters, digits and hyphens, as in `key-3f2a…-17`.
    #[must_use]
    pub fn unique(&self, what: &str) -> String {
        format!("{what}-{}-{}", self.0.run, self.0.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// An e-mail address that nobody else has.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}@example.com", self.unique("shopper"))
    }

    /// A staff access token.
    pub async fn staff(&self) -> Outcome<String> {
        let target = &self.0.target;
        if target.admin_email.is_empty() || target.admin_password.is_empty() {
            return Err(Stop::Skipped("it needs a staff account, and none was given".into()));
        }
        let mut kept = self.0.staff.lock().await;
        if let Some((age, token)) = kept.as_ref()
            && age.elapsed() < TOKEN_AGE
        {
            return Ok(token.clone());
        }
        let answer = self.sign_in(&target.admin_email, &target.admin_password).await?.expect(200)?;
        let token = answer.text("/access_token")?.to_owned();
        *kept = Some((Watch::start(), token.clone()));
        Ok(token)
    }

    /// A password grant.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Answer, HttpError> {
        let body = json!({ "grant_type": "password", "email": email, "password": password });
        self.client().post("/v1/auth/token").json(&body).send().await
    }

    /// Registers somebody new and signs in.
    pub async fn customer(&self) -> Outcome<Customer> {
        let (email, password) = (self.email(), self.unique("Secret"));
        let body = json!({ "email": email, "password": password, "name": "Ada Lovelace" });
        self.client().post("/v1/auth/register").json(&body).send().await?.expect(201)?;
        let answer = self.sign_in(&email, &password).await?.expect(200)?;
        let (access, refresh) = (answer.text("/access_token")?.to_owned(), answer.text("/refresh_token")?.to_owned());
        Ok(Customer { email, password, access, refresh })
    }

    /// Makes a product and puts its units on the shelf.
    pub async fn product(&self, wanted: Wanted) -> Outcome<Goods> {
        let (name, sku) = (format!("{} {}", wanted.name, self.unique("no")), self.unique("SKU"));
        let answer = self.create(&product_body(&wanted, &name, &sku), None).await?.expect(201)?;
        let goods = Goods {
            id: answer.text("/id")?.to_owned(),
            slug: answer.text("/slug")?.to_owned(),
            sku,
            price: wanted.price,
            etag: answer.header("etag").unwrap_or_default().to_owned(),
        };
        if wanted.units > 0 {
            self.receive(&goods.sku, wanted.units, &self.unique("receipt")).await?.expect_any(&[200, 201])?;
        }
        Ok(goods)
    }

    /// Asks for a product to be made; whatever is made is remembered.
    pub async fn create(&self, body: &Value, key: Option<&str>) -> Outcome<Answer> {
        let staff = self.staff().await?;
        let mut request = self.client().post("/v1/admin/products").bearer(&staff).json(body);
        if let Some(key) = key {
            request = request.key(key);
        }
        let answer = request.send().await?;
        if let (201, Ok(id)) = (answer.status, answer.text("/id")) {
            self.0.made.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
        }
        Ok(answer)
    }

    /// Takes everything that this run made off the shelf; gives how many products were left standing.
    pub async fn clear(&self) -> usize {
        let made = std::mem::take(&mut *self.0.made.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left = 0;
        for id in made {
            let Ok(staff) = self.staff().await else { return left };
            let gone = self.client().delete(format!("/v1/admin/products/{id}")).bearer(&staff).send().await;
            left += usize::from(!gone.is_ok_and(|answer| matches!(answer.status, 204 | 404)));
        }
        left
    }

    /// Books units in.
    pub async fn receive(&self, sku: &str, quantity: u32, key: &str) -> Outcome<Answer> {
        let staff = self.staff().await?;
        let body = json!({ "warehouse": WAREHOUSE, "quantity": quantity, "reference": "testkit" });
        let path = format!("/v1/admin/inventory/{}/receipts", encoded(sku));
        Ok(self.client().post(path).bearer(&staff).key(key).json(&body).send().await?)
    }

    /// A request with a staff token.
    pub async fn by_staff(&self, method: Method, path: impl Into<String>) -> Outcome<Request<'_>> {
        let staff = self.staff().await?;
        Ok(self.client().request(method, path).bearer(&staff))
    }

    /// Asks for a SKU's units in the main warehouse to be split over so many shards.
    pub async fn split(&self, sku: &str, shards: u32) -> Outcome<Answer> {
        let body = json!({ "warehouse": WAREHOUSE, "shards": shards });
        let request = self.by_staff(Method::PUT, format!("/v1/admin/inventory/{}/shards", encoded(sku))).await?;
        Ok(request.json(&body).send().await?)
    }

    /// The counters of a SKU, each of which must balance.
    pub async fn shelves(&self, sku: &str) -> Outcome<Vec<Shelf>> {
        let request = self.by_staff(Method::GET, format!("/v1/admin/inventory/{}", encoded(sku))).await?;
        shelves(&request.send().await?.expect(200)?)
    }

    /// The stock of a SKU.
    pub async fn stock(&self, sku: &str) -> Outcome<Stock> {
        Ok(self.shelves(sku).await?.into_iter().map(|shelf| shelf.stock).sum())
    }

    /// Waits until the stock of a SKU is this.
    pub async fn stock_becomes(&self, sku: &str, expected: Stock) -> Outcome {
        let mut seen = Stock::default();
        let watch = Watch::start();
        for attempt in 0_u32.. {
            seen = self.stock(sku).await?;
            if seen == expected {
                return Ok(());
            }
            if watch.elapsed() > SETTLES {
                break;
            }
            pause(ramp(attempt)).await;
        }
        Err(Stop::Failed(format!("the stock of {sku} stays {seen:?}, expected {expected:?}")))
    }

    /// Makes a cart.
    pub async fn cart(&self) -> Outcome<String> {
        let answer = self.client().post("/v1/carts").json(&json!({})).send().await?.expect(201)?;
        Ok(answer.text("/id")?.to_owned())
    }

    /// Asks for a line of a cart to have this quantity, whatever is asked for.
    pub fn line(&self, cart: &str, sku: &str, quantity: &Value) -> Request<'_> {
        let path = format!("/v1/carts/{cart}/lines/{}", encoded(sku));
        self.client().put(path).json(&json!({ "quantity": quantity }))
    }

    /// Makes a cart with these lines.
    pub async fn filled_cart(&self, lines: &[(&str, u32)]) -> Outcome<String> {
        let cart = self.cart().await?;
        for (sku, quantity) in lines {
            self.line(&cart, sku, &Value::from(*quantity)).send().await?.expect(200)?;
        }
        Ok(cart)
    }

    /// A cart as it is.
    pub async fn read_cart(&self, cart: &str) -> Outcome<Answer> {
        self.client().get(format!("/v1/carts/{cart}")).send().await?.expect(200)
    }

    /// What a cart costs with the first shipping method that is offered.
    pub async fn quote(&self, cart: &str) -> Outcome<Quote> {
        let answer = self.ask_quote(cart, None).await?.expect(200)?;
        let method = answer.text("/methods/0/id")?.to_owned();
        let answer = self.ask_quote(cart, Some(&method)).await?.expect(200)?;
        Ok(Quote { method, total: answer.at("/totals/total")?.clone() })
    }

    /// Asks for a quote.
    pub async fn ask_quote(&self, cart: &str, method: Option<&str>) -> Result<Answer, HttpError> {
        let mut body = json!({ "cart_id": cart, "shipping_address": address() });
        if let (Some(method), Some(object)) = (method, body.as_object_mut()) {
            object.insert("shipping_method".into(), method.into());
        }
        self.client().post("/v1/checkout/quote").json(&body).send().await
    }

    /// Makes a cart of one line and the body of its checkout.
    pub async fn ready(&self, sku: &str, quantity: u32, payment_token: &str) -> Outcome<(String, Value)> {
        let cart = self.filled_cart(&[(sku, quantity)]).await?;
        let quote = self.quote(&cart).await?;
        let body = checkout_body(&cart, &self.email(), &quote, payment_token);
        Ok((cart, body))
    }

    /// A checkout by a guest.
    pub async fn checkout(&self, key: &str, body: &Value) -> Result<Answer, HttpError> {
        self.client().post("/v1/checkout").key(key).json(body).send().await
    }

    /// An order, read by the guest who has its token.
    pub async fn order(&self, id: &str, token: &str) -> Outcome<Answer> {
        let path = format!("/v1/orders/{id}?token={}", encoded(token));
        self.client().get(path).send().await?.expect(200)
    }

    /// Waits until a guest's order is no longer pending; gives the order.
    pub async fn decided(&self, id: &str, token: &str) -> Outcome<Answer> {
        let watch = Watch::start();
        for attempt in 0_u32.. {
            let answer = self.order(id, token).await?;
            if answer.text("/status")? != "pending" {
                return Ok(answer);
            }
            if watch.elapsed() > SETTLES {
                return Err(answer.wrong("the order stays pending"));
            }
            pause(ramp(attempt)).await;
        }
        Err(Stop::Failed("the order stays pending".into()))
    }
}

/// How long to wait before looking again: short at first, half a second later on.
#[must_use]
pub fn ramp(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt.min(9) + 1) * 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_balances_or_not() {
        assert!(Stock::sold(10, 3).balanced());
        assert!(Stock::holding(10, 10).balanced());
        assert!(!Stock { available: 1, ..Stock::sold(1, 1) }.balanced(), "a unit sold twice");
        let oversold = Stock { received: 1, available: -1, taken: 2, ..Stock::default() };
        assert!(!oversold.balanced());
        assert!(Stock { available: 1, allowance: 2, ..oversold }.balanced(), "sold before it is here");
        assert_eq!([Stock::sold(3, 1), Stock::holding(4, 2)].into_iter().sum::<Stock>().available, 4);
    }

    #[test]
    fn looks_grow_apart_up_to_half_a_second() {
        assert_eq!(ramp(0), Duration::from_millis(50));
        assert_eq!(ramp(1_000), Duration::from_millis(500));
    }

    #[test]
    fn names_of_two_runs_differ() {
        let target = Target {
            base_url: "http://localhost:1".into(),
            admin_email: String::new(),
            admin_password: String::new(),
            origin_secret: String::new(),
            local: true,
        };
        let (one, two) = (Shop::open(&target).unwrap(), Shop::open(&target).unwrap());
        assert_ne!(one.unique("a"), one.unique("a"));
        assert_ne!(one.unique("a"), two.unique("a"));
    }
}
