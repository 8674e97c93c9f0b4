//! `POST /v1/checkout`: the cart becomes an order, and is paid.
//!
//! Four sequential trips: cart and record, prices and stock, [order ‖ claim ‖ holds], and after the provider the decision.
//! The order's id comes from the cart and the `Idempotency-Key`; every step is idempotent by it, so a repeated call, after
//! whatever crash, goes on where the first one stopped and answers what it would have.

use std::collections::HashMap;
use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Platform, SigningSecret};
use cart::table::{Claim, ClaimCart, LoadCart};
use cart::{Cart, ClaimMark};
use catalog::table::FindProducts;
use futures_util::future::{join, join_all, join3, try_join};
use inventory::CounterKey;
use inventory::table::{Held, HoldRequest, HoldStock, ReadStock};
use kernel::counter::{Counter, Refusal};
use kernel::problem::code;
use kernel::{CartId, Email, Money, OrderId, Problem, Sku, Timestamp};
use lambda::{Alarm, Auth, Call, Cx, Function, Http, Idempotency, Nothing, Reply, Throttle};
use orders::order::{Address, OrderEvent, number};
use orders::table::{OpenOrder, Opened, Record};
use orders::view::guest_token;
use orders::{Order, OrderLine, OrderView, Payment, PaymentStatus, Status};
use payments::Charge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Goods, goods};
use crate::pricing::{Priced, price};
use crate::rates::Rates;
use crate::till::{Asked, Standing, Till};

/// Kept back for the writes after the provider's answer.
const AFTER_PAYMENT: Duration = Duration::from_secs(3);
/// A cart that was claimed longer ago than this, by an order that was never written, is free: the function is long dead.
const CLAIM_LIFE: Duration = Duration::from_secs(60);
/// So many overdue orders at most are expired by a shopper who finds the shelf empty.
const EXPIRE_AT_ONCE: usize = 3;

/// What is bought, where it goes and how it is paid.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    /// The cart; whoever knows its id holds it.
    cart_id: CartId,
    /// Where mail about the order goes.
    email: Email,
    /// Where it goes.
    shipping_address: Address,
    /// Where the bill goes, when elsewhere.
    billing_address: Option<Address>,
    /// One of the quote's methods.
    #[schemars(length(min = 1, max = 40))]
    shipping_method: String,
    /// The provider's token of the payment method. Never card data.
    #[schemars(length(min = 1, max = 200))]
    payment_token: String,
    /// The total that the shopper saw and agrees to.
    expected_total: Money,
}

/// What placing an order takes.
#[derive(Clone)]
struct Desk {
    carts: LoadCart,
    claims: ClaimCart,
    products: FindProducts,
    stock: ReadStock,
    holds: HoldStock,
    orders: OpenOrder,
    till: Till,
    secret: SigningSecret,
    hold_for: Duration,
    payment_timeout: Duration,
}

impl Capability for Desk {
    fn grants() -> Vec<Grant> {
        let carts = [LoadCart::grants(), ClaimCart::grants(), FindProducts::grants()].concat();
        let stock = [ReadStock::grants(), HoldStock::grants()].concat();
        [carts, stock, OpenOrder::grants(), Till::grants(), SigningSecret::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            carts: LoadCart::connect(platform)?,
            claims: ClaimCart::connect(platform)?,
            products: FindProducts::connect(platform)?,
            stock: ReadStock::connect(platform)?,
            holds: HoldStock::connect(platform)?,
            orders: OpenOrder::connect(platform)?,
            till: Till::connect(platform)?,
            secret: SigningSecret::connect(platform)?,
            hold_for: platform.config().hold,
            payment_timeout: platform.config().payment_timeout,
        })
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("place-order", "/v1/checkout")
        .summary("Place and pay an order")
        .auth(Auth::Optional)
        .idempotency(Idempotency::Required)
        .throttle(Throttle::Checkout)
        .reply::<OrderView>(201, "the order is paid")
        .reply::<OrderView>(202, "the order is pending: the payment needs the shopper, or its outcome is not known yet")
        .problems(&[
            code::KEY_MISSING,
            code::KEY_REUSED,
            code::CART_NOT_FOUND,
            code::CART_EMPTY,
            code::NOT_FOR_SALE,
            code::CURRENCY_MISMATCH,
            code::SHIPPING_UNAVAILABLE,
            code::PRICE_CHANGED,
            code::OUT_OF_STOCK,
            code::ALL_HELD,
            code::CHECKOUT_IN_PROGRESS,
            code::ORDER_DECIDED,
            code::PAYMENT_DECLINED,
        ])
        .handle(handle)
        .memory(1024)
        .timeout(20)
        .alarm(Alarm { metric: "UnmatchedPayments", threshold: 1, period_s: 60, periods: 1 })
}

async fn handle(call: Call<Nothing, Nothing, PlaceOrder>, desk: Desk) -> Result<Reply, Problem> {
    let Call { body, cx, .. } = call;
    let id = order_id(&body.cart_id, &cx);
    cx.note("order", &id);
    let (cart, record) = try_join(desk.carts.load(&body.cart_id), desk.till.record(&id)).await?;
    if let Some(record) = record {
        return desk.resume(same_request(record, &cx)?, &cx).await;
    }
    let cart = cart.ok_or_else(|| Problem::new(code::CART_NOT_FOUND, "there is no such cart"))?;
    let skus: Vec<Sku> = cart.lines.keys().cloned().collect();
    let shelf = async { Ok(desk.stock.counters(&skus, true).await?) };
    let (goods, shelf) = try_join(goods(&cart, &desk.products), shelf).await?;
    let priced = agreed(&goods, &body, &cart)?;
    let instead_of = desk.free(&cart, &id, &cx).await?;
    // What a dead attempt of this very cart held is back on the shelf by now: the look is of before.
    if instead_of.is_none() {
        look(&shelf, &priced.lines, cx.now())?;
    }
    desk.begin(pending(id, body, priced, &desk, &cx), instead_of, &cx).await
}

/// The id that belongs to this caller and key: the same key is the same order, without a table of keys. A guest is known
/// by nothing but the cart's secret id.
fn order_id(cart: &CartId, cx: &Cx) -> OrderId {
    let caller = cx.caller().map_or(cart.as_str(), |caller| caller.id.as_str());
    OrderId::derive(&[caller.as_bytes(), cx.key().unwrap_or_default().as_bytes()])
}

/// The order that stands under the id, when it was placed by this very request.
fn same_request(record: Record, cx: &Cx) -> Result<Order, Problem> {
    match record {
        Record::Tombstone => {
            Err(Problem::new(code::ORDER_DECIDED, "this attempt ran out of time; use a fresh Idempotency-Key"))
        }
        Record::Order(order) if order.fingerprint != cx.fingerprint() => {
            Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"))
        }
        Record::Order(order) => Ok(*order),
    }
}

/// Today's prices, when they are what the shopper agreed to.
fn agreed(goods: &Goods, body: &PlaceOrder, cart: &Cart) -> Result<Priced, Problem> {
    let country = &body.shipping_address.country;
    let priced = price(Rates::built_in(), &goods.items, cart.currency, country, Some(&body.shipping_method))?;
    let total = priced.totals.total;
    if body.expected_total.currency != cart.currency {
        let detail = format!("expected_total is in {}, the cart is in {}", body.expected_total.currency, cart.currency);
        return Err(Problem::new(code::CURRENCY_MISMATCH, detail));
    }
    if body.expected_total != total {
        let detail = format!("the total is {total}, not {}", body.expected_total);
        let problem = Problem::new(code::PRICE_CHANGED, detail).with("expected_total", body.expected_total);
        return Err(problem.with("total", total).with("changes", &goods.changes));
    }
    Ok(priced)
}

fn pending(id: OrderId, body: PlaceOrder, priced: Priced, desk: &Desk, cx: &Cx) -> Order {
    let now = cx.now();
    let payment = Payment {
        status: PaymentStatus::Pending,
        intent_id: Some(Charge::intent(&id).to_string()),
        client_secret: None,
        decline_code: None,
        token: Some(body.payment_token),
    };
    Order {
        number: number(&id),
        status: Status::Pending,
        version: 1,
        customer: cx.caller().map(|caller| caller.id.clone()),
        email: body.email,
        cart_id: body.cart_id,
        fingerprint: cx.fingerprint().to_owned(),
        lines: priced.lines,
        totals: priced.totals,
        shipping_address: body.shipping_address,
        billing_address: body.billing_address,
        shipping_method: body.shipping_method,
        payment,
        events: vec![OrderEvent { at: now, kind: "placed".into(), actor: cx.actor(), detail: None }],
        created_at: now,
        expires_at: now.after(desk.hold_for),
        updated_at: now,
        id,
    }
}

/// Why the holds of an order are not all there.
enum Shortage {
    /// Too few units.
    Short(Vec<Short>),
    /// The database did not answer: nothing is known, the same call goes on from here.
    Busy(Problem),
    /// The order was decided meanwhile.
    Decided,
    /// The hold comes so late that nobody can tell any more whether it was done before.
    TooLate,
}

/// A line that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Short {
    sku: Sku,
    requested: u32,
    available: i64,
    /// When units may come back, for units that others hold.
    #[serde(skip)]
    back_at: Option<Timestamp>,
}

impl Short {
    /// What a counter that refuses means to the shopper.
    fn of(line: &OrderLine, counter: &Counter) -> Self {
        let enough_later = counter.available + counter.held() >= i64::from(line.quantity);
        let earliest = counter.holds.values().map(|hold| hold.deadline).min();
        let back_at = earliest.filter(|_| enough_later).map(Timestamp::from_millis);
        Self { sku: line.sku.clone(), requested: line.quantity, available: counter.available.max(0), back_at }
    }
}

fn too_few(short: &[Short], now: Timestamp) -> Problem {
    let names: Vec<String> = short.iter().map(|line| format!("`{}` ({} left)", line.sku, line.available)).collect();
    let lasting = short.iter().any(|line| line.back_at.is_none());
    let lines = short.iter().filter(|line| !lasting || line.back_at.is_none()).collect::<Vec<_>>();
    if lasting {
        return Problem::new(code::OUT_OF_STOCK, format!("too few units of {}", names.join(", "))).with("lines", lines);
    }
    let back_at = short.iter().filter_map(|line| line.back_at).max().unwrap_or(now);
    let detail = format!("other shoppers hold what is left of {}; some may come back", names.join(", "));
    Problem::new(code::ALL_HELD, detail).with("lines", lines).retry_after(back_at.since(now).as_secs().max(1))
}

/// A look at the shelf before anything is written: whoever comes too late costs reads only. It promises nothing; the
/// holds decide. Overdue holds are no obstacle: the hold ends them.
fn look(shelf: &HashMap<Sku, Counter>, lines: &[OrderLine], now: Timestamp) -> Result<(), Problem> {
    let empty = Counter::default();
    let overdue = |counter: &Counter| counter.holds.values().any(|hold| hold.deadline <= now.millis());
    let short: Vec<Short> = lines
        .iter()
        .map(|line| (line, shelf.get(&line.sku).unwrap_or(&empty)))
        .filter(|(line, counter)| counter.available < i64::from(line.quantity) && !overdue(counter))
        .map(|(line, counter)| Short::of(line, counter))
        .collect();
    if short.is_empty() { Ok(()) } else { Err(too_few(&short, now)) }
}

impl Desk {
    /// Makes sure that no other order is paying for this cart, and gives the dead one to claim it from.
    async fn free(&self, cart: &Cart, id: &OrderId, cx: &Cx) -> Result<Option<OrderId>, Problem> {
        let Some(ClaimMark { order: other, at }) = cart.claim.clone().filter(|mark| mark.order != *id) else {
            return Ok(None);
        };
        let busy = || {
            let detail = "another checkout of this cart is under way, or was just paid";
            Problem::new(code::CHECKOUT_IN_PROGRESS, detail).with("order", &other).retry_after(1)
        };
        let standing = match self.till.record(&other).await? {
            None if cx.now().since(at) < CLAIM_LIFE => return Err(busy()),
            Some(Record::Order(order)) if order.status == Status::Pending => {
                // The shopper went away from the bank's page and tries another card; or the time is over anyhow.
                let given_up = order.payment.status == PaymentStatus::RequiresAction || order.expires_at <= cx.now();
                if !given_up {
                    return Err(busy());
                }
                let standing = self.till.end(&other, cx).await?;
                self.till.move_holds(&standing, cx.now()).await?;
                standing
            }
            Some(standing) => standing,
            None => self.till.end(&other, cx).await?,
        };
        match standing {
            Record::Order(order) if order.status.is_committed() || order.status == Status::Pending => Err(busy()),
            _ => Ok(Some(other)),
        }
    }

    /// Writes order, claim and holds side by side; the decision on the order later commits or drops them all.
    async fn begin(&self, order: Order, instead_of: Option<OrderId>, cx: &Cx) -> Result<Reply, Problem> {
        let claim = self.claims.claim(&order.cart_id, &order.id, order.created_at, instead_of.as_ref());
        let (opened, claimed, held) = join3(self.orders.open(&order), claim, self.hold_all(&order, cx)).await;
        match opened? {
            Opened::Yes => self.go_on(order, claimed?, held, cx).await,
            // The same call runs twice at once; this one found the other's order and goes the other's way.
            Opened::Before(record) => self.resume(same_request(record, cx)?, cx).await,
        }
    }

    /// Goes on where an earlier run of the same call stopped: every step is idempotent.
    async fn resume(&self, order: Order, cx: &Cx) -> Result<Reply, Problem> {
        if order.status != Status::Pending {
            return self.answer(Record::Order(Box::new(order)), cx).await;
        }
        let claim = self.claims.claim(&order.cart_id, &order.id, order.created_at, None);
        let (claimed, held) = join(claim, self.hold_all(&order, cx)).await;
        self.go_on(order, claimed?, held, cx).await
    }

    /// A cart pays for one order: who did not get the claim steps back.
    async fn go_on(&self, order: Order, claimed: Claim, held: Result<(), Shortage>, cx: &Cx) -> Result<Reply, Problem> {
        match claimed {
            Claim::Mine(_) => self.pay_if_held(order, held, cx).await,
            Claim::Of(mark) => {
                self.drop_order(&order, "another order is paying for the cart", cx).await?;
                let detail = "another checkout of this cart is under way";
                Err(Problem::new(code::CHECKOUT_IN_PROGRESS, detail).with("order", mark.order).retry_after(1))
            }
            Claim::NoCart => {
                self.drop_order(&order, "the cart is gone", cx).await?;
                Err(Problem::new(code::CART_NOT_FOUND, "there is no such cart"))
            }
        }
    }

    async fn drop_order(&self, order: &Order, reason: &str, cx: &Cx) -> Result<(), Problem> {
        let standing = self.till.cancel(order, reason, cx).await?;
        Ok(self.till.move_holds(&standing, cx.now()).await?)
    }

    /// Holds every line, side by side.
    async fn hold_all(&self, order: &Order, cx: &Cx) -> Result<(), Shortage> {
        let results = join_all(order.lines.iter().map(|line| self.hold(order, line, cx))).await;
        let mut short = Vec::new();
        for result in results {
            match result {
                Ok(()) => {}
                Err(Shortage::Short(lines)) => short.extend(lines),
                Err(other) => return Err(other),
            }
        }
        if short.is_empty() { Ok(()) } else { Err(Shortage::Short(short)) }
    }

    /// Holds one line. Who finds the shelf empty but overdue orders on it ends those, and takes their units at once.
    async fn hold(&self, order: &Order, line: &OrderLine, cx: &Cx) -> Result<(), Shortage> {
        let key = CounterKey::main(line.sku.clone());
        let op = order.id.op();
        let (deadline, created) = (order.expires_at, order.created_at);
        let request = HoldRequest { op: &op, quantity: line.quantity, deadline, created };
        let busy = |error: aws::DataError| Shortage::Busy(error.into());
        let mut tries = 2;
        loop {
            tries -= 1;
            match self.holds.hold(&key, &request).await.map_err(busy)? {
                Held::Yes => return Ok(()),
                Held::No(Refusal::Done, _) => return Err(Shortage::Decided),
                Held::No(Refusal::TooOld, _) => return Err(Shortage::TooLate),
                Held::No(_, counter) => {
                    let freed = tries > 0 && self.free_overdue(&key, &counter, cx).await.map_err(Shortage::Busy)?;
                    if !freed {
                        return Err(Shortage::Short(vec![Short::of(line, &counter)]));
                    }
                }
                Held::Unknown => return Err(Shortage::Short(vec![Short::of(line, &Counter::default())])),
            }
        }
    }

    /// Ends overdue orders that hold units of a counter: first the record, then the hold. Whether any was ended.
    async fn free_overdue(&self, key: &CounterKey, counter: &Counter, cx: &Cx) -> Result<bool, Problem> {
        let now = cx.now();
        let overdue = counter.holds.iter().filter(|(_, hold)| hold.deadline <= now.millis());
        let mut freed = false;
        for id in overdue.filter_map(|(op, _)| OrderId::from_op(op)).take(EXPIRE_AT_ONCE) {
            let standing = self.till.end(&id, cx).await?;
            self.till.move_hold(key, &id, &standing, now).await?;
            freed = true;
        }
        Ok(freed)
    }

    async fn pay_if_held(&self, order: Order, held: Result<(), Shortage>, cx: &Cx) -> Result<Reply, Problem> {
        match held {
            Ok(()) => {}
            Err(Shortage::Busy(problem)) => return Err(problem),
            Err(Shortage::Decided) => {
                let standing = self.till.record(&order.id).await?.unwrap_or(Record::Tombstone);
                return self.answer(standing, cx).await;
            }
            Err(Shortage::TooLate) => {
                // Unless it was decided meanwhile: then that stands, and is told.
                let standing = self.till.cancel(&order, "its holds came too late", cx).await?;
                return self.answer(standing, cx).await;
            }
            Err(Shortage::Short(lines)) => {
                self.drop_order(&order, "too few units", cx).await?;
                return Err(too_few(&lines, cx.now()));
            }
        }
        let limit = self.payment_timeout.min(cx.remaining().saturating_sub(AFTER_PAYMENT));
        let standing = match self.till.charge(&order, limit, cx).await {
            Asked::Known(outcome) => self.till.settle(&order, &outcome, cx).await?,
            Asked::Unknown(reason) => self.till.note_unknown(&order, &reason, cx).await?,
        };
        self.answer(standing, cx).await
    }

    /// What a client reads of an order that stands so.
    async fn answer(&self, standing: Standing, cx: &Cx) -> Result<Reply, Problem> {
        let Record::Order(order) = standing else {
            return Err(Problem::new(code::ORDER_DECIDED, "this attempt ran out of time; use a fresh Idempotency-Key"));
        };
        let order = *order;
        if order.payment.status == PaymentStatus::Declined {
            let reason = order.payment.decline_code.clone().unwrap_or_default();
            let problem = Problem::new(code::PAYMENT_DECLINED, format!("the payment was declined: {reason}"));
            return Err(problem.with("decline_code", reason).with("order", &order.id));
        }
        let (status, version, location) = (order.status, order.version, format!("/v1/orders/{}", order.id));
        let token = guest_token(self.secret.key().await?, &order.id);
        cx.note("order_status", status);
        let mut view = OrderView::from(order);
        view.token = Some(token);
        match status {
            Status::Pending => Ok(Reply::accepted(&view, &location).version(version)),
            status if status.is_committed() => Ok(Reply::created(&view, &location).version(version)),
            status => {
                let detail = format!("this attempt is {status}; use a fresh Idempotency-Key to try again");
                Err(Problem::new(code::ORDER_DECIDED, detail).with("order", view.id).with("order_status", status))
            }
        }
    }
}
