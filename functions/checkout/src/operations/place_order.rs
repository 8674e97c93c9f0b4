//! `POST /v1/checkout`: the cart becomes an order, and is paid.
//!
//! Four sequential trips: cart and record, prices and stock, [order ‖ claim ‖ holds], and after the provider the decision.
//! The order's id comes from the cart and the `Idempotency-Key`; every step is idempotent by it, so a repeated call, after
//! whatever crash, goes on where the first one stopped and answers what it would have.

use std::time::Duration;

use aws::{BoxFuture, Capability, ConfigError, Grant, Platform, SigningSecret};
use cart::table::{Claim, ClaimCart, LoadCart};
use cart::{Cart, ClaimMark};
use catalog::table::FindProducts;
use futures_util::future::{join, join3, try_join, try_join3};
use inventory::CounterKey;
use inventory::admission::{Entry, enter, item_of};
use inventory::allocation::{AllotStock, Attempt, EndOverdue, Operation, Outlook, Shortage, too_few};
use inventory::allot::Wanted;
use inventory::desk::{Door, ReservationDesk};
use inventory::operations::request_admission::Admission;
use kernel::limits::GIFT_CARDS;
use kernel::problem::code;
use kernel::{CartId, Email, Money, OrderId, Problem, ReservationId, Sku, Timestamp};
use lambda::{Auth, Call, Cx, Function, Http, Idempotency, Nothing, Reply, Throttle};
use orders::order::{Address, OrderEvent, number};
use orders::table::{Decided, OpenOrder, Opened, Record};
use orders::view::guest_token;
use orders::{Order, OrderView, Payment, PaymentStatus, Status};
use promotions::look::Look;
use promotions::{Coupon, Part};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Goods, goods, unpriced};
use crate::pricing::{Priced, price};
use crate::rates::Rates;
use crate::till::{Asked, Standing, Till};
use crate::velocity::{self, Velocity};
use crate::wallet::{Brought, Lack, Wallet};

/// Kept back for the writes after the provider's answer.
const AFTER_PAYMENT: Duration = Duration::from_secs(3);
/// A cart that was claimed longer ago than this, by an order that was never written, is free: the function is long dead.
const CLAIM_LIFE: Duration = Duration::from_secs(60);

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
    /// The admissions to announced sales, one for each item of the cart that is sold in one.
    #[serde(default)]
    #[schemars(length(max = 10))]
    admissions: Vec<String>,
    /// Codes of gift cards, in the order in which they pay. The payment method pays the rest; when there is none it is not
    /// asked for anything.
    #[serde(default)]
    #[schemars(length(max = GIFT_CARDS), inner(length(min = 1, max = 40)))]
    gift_cards: Vec<String>,
    /// What the shopper saw that is left to pay; without it whatever is left is charged.
    expected_to_pay: Option<Money>,
}

/// What placing an order takes.
#[derive(Clone)]
struct Desk {
    carts: LoadCart,
    claims: ClaimCart,
    products: FindProducts,
    stock: AllotStock,
    reservations: ReservationDesk,
    door: Door,
    orders: OpenOrder,
    till: Till,
    wallet: Wallet,
    velocity: Velocity,
    secret: SigningSecret,
    hold_for: Duration,
    payment_timeout: Duration,
    capture_later: bool,
}

impl Capability for Desk {
    fn grants() -> Vec<Grant> {
        let carts = [LoadCart::grants(), ClaimCart::grants(), FindProducts::grants()].concat();
        let stock = [AllotStock::grants(), ReservationDesk::grants(), Door::grants()].concat();
        let money = [Till::grants(), Wallet::grants(), Velocity::grants(), SigningSecret::grants()].concat();
        [carts, stock, OpenOrder::grants(), money].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            carts: LoadCart::connect(platform)?,
            claims: ClaimCart::connect(platform)?,
            products: FindProducts::connect(platform)?,
            stock: AllotStock::connect(platform)?,
            reservations: ReservationDesk::connect(platform)?,
            door: Door::connect(platform)?,
            orders: OpenOrder::connect(platform)?,
            till: Till::connect(platform)?,
            wallet: Wallet::connect(platform)?,
            velocity: Velocity::connect(platform)?,
            secret: SigningSecret::connect(platform)?,
            hold_for: platform.config().hold,
            payment_timeout: platform.config().payment_timeout,
            capture_later: platform.config().capture_later,
        })
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("place-order", "/v1/checkout")
        .summary("Place and pay an order")
        .auth(Auth::Optional)
        .idempotency(Idempotency::DerivedRequired)
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
            code::COUPON_UNKNOWN,
            code::COUPON_NOT_YET,
            code::COUPON_EXPIRED,
            code::COUPON_USED_UP,
            code::COUPON_USED_BEFORE,
            code::COUPON_BELOW_MINIMUM,
            code::COUPON_NOT_APPLICABLE,
            code::GIFT_CARD_UNKNOWN,
            code::GIFT_CARD_EXPIRED,
            code::GIFT_CARD_EMPTY,
            code::OUT_OF_STOCK,
            code::ALL_HELD,
            code::ADMISSION_REQUIRED,
            code::ADMISSION_FORGED,
            code::ADMISSION_EXPIRED,
            code::ADMISSION_USED,
            code::CHECKOUT_IN_PROGRESS,
            code::ORDER_DECIDED,
            code::PAYMENT_DECLINED,
            code::TOO_MANY_ATTEMPTS,
        ])
        .handle(handle)
        .memory(1024)
        .timeout(20)
        .alarm(crate::till::ALARM)
        .alarm(velocity::ALARM)
}

async fn handle(call: Call<Nothing, Nothing, PlaceOrder>, desk: Desk) -> Result<Reply, Problem> {
    let Call { body, cx, .. } = call;
    let id = order_id(&body.cart_id, &cx);
    cx.note("order", &id);
    let tried = tried(&body, &cx);
    let look = Box::pin(desk.velocity.look(&tried, &cx));
    let (found, seen) = join(try_join(desk.carts.load(&body.cart_id), desk.till.record(&id)), look).await;
    let (cart, record) = found?;
    if let Some(record) = record {
        return desk.resume(same_request(record, &cx)?, &cx).await;
    }
    // Who asks again about an order that stands tries nothing new.
    seen.allow(&cx)?;
    let cart = cart.ok_or_else(|| Problem::new(code::CART_NOT_FOUND, "there is no such cart"))?;
    let skus: Vec<Sku> = cart.lines.keys().cloned().collect();
    let attempt = kernel::id::attempt(cx.random());
    let (op, country, now) = (id.op(&attempt), body.shipping_address.country.clone(), cx.now());
    let operation = Operation {
        op: &op,
        created: now,
        deadline: now.after(desk.hold_for),
        channel: None,
        country: Some(&country),
        warehouse: None,
    };
    let outlook = async { Ok(desk.stock.outlook(&operation, &skus, &cx).await?) };
    let brought = Box::pin(async {
        let brought = desk.wallet.brought(cart.coupon.as_ref(), &body.gift_cards, &body.email).await?;
        let look = desk.wallet.look(&brought).await?;
        Ok((brought, look))
    });
    let (goods, mut outlook, (brought, mut look)) = try_join3(goods(&cart, &desk.products), outlook, brought).await?;
    let coupon = brought.terms(&look, now)?;
    let priced = agreed(&goods, &body, &cart, coupon, now)?;
    let admissions = desk.admit(&body, &skus, &outlook, &cx).await?;
    let instead_of = desk.free(&cart, &id, &cx).await?;
    if instead_of.is_some() {
        // What a dead attempt of this very cart held is back on the shelf by now: the look is of before.
        (outlook, look) = try_join(desk.stock.outlook(&operation, &skus, &cx), desk.wallet.look(&brought)).await?;
    }
    let uses = brought.uses(&look, &id, priced.totals.total, now)?;
    agreed_to_pay(&priced, &uses, &body)?;
    let mut order = Order { admissions, attempt, uses, ..pending(id, body, priced, operation.deadline, now, &cx) };
    order.payment.capture_later = desk.capture_later;
    order.holds = match desk.stock.plan(&operation, &wanted(&order), &outlook, &cx).await {
        Ok(parts) => parts,
        // Another run of this very call has what is missing here; its order is then the answer.
        Err(shortage) if shortage.is_among_attempts() => match desk.till.record(&order.id).await? {
            Some(record) => return desk.resume(same_request(record, &cx)?, &cx).await,
            None => return Err(refusal(shortage, &cx)),
        },
        Err(shortage) => return Err(refusal(shortage, &cx)),
    };
    Box::pin(desk.begin(order, instead_of, &Sight { outlook, look }, &cx)).await
}

/// What was looked at before anything is held.
struct Sight {
    outlook: Outlook,
    look: Look,
}

/// What came of holding units, and coupon and gift cards.
struct Holding {
    units: Attempt,
    uses: Result<(), Lack>,
}

/// What this attempt to pay has in common with others.
fn tried<'a>(body: &'a PlaceOrder, cx: &'a Cx) -> velocity::Attempt<'a> {
    velocity::Attempt {
        cart: &body.cart_id,
        account: cx.caller().map(|caller| &caller.id),
        email: &body.email,
        shipping: &body.shipping_address,
        billing: body.billing_address.as_ref(),
        method: Some(&body.payment_token),
    }
}

/// What an order wants of each item. A cart has each item once.
fn wanted(order: &Order) -> Vec<Wanted> {
    order.lines.iter().map(|line| Wanted { sku: line.sku.clone(), quantity: line.quantity }).collect()
}

/// The operation behind an order that stands; `op` is its name in the counters.
fn operation<'a>(order: &'a Order, op: &'a str) -> Operation<'a> {
    Operation {
        op,
        created: order.created_at,
        deadline: order.expires_at,
        channel: None,
        country: Some(&order.shipping_address.country),
        warehouse: None,
    }
}

/// What a shortage is to the shopper, when nothing was written for the order yet.
fn refusal(shortage: Shortage, cx: &Cx) -> Problem {
    match shortage {
        Shortage::Short(lines) => too_few(&lines, cx.now()),
        Shortage::Busy(problem) => problem,
        Shortage::Decided | Shortage::TooLate | Shortage::Tangled => {
            Problem::new(code::ORDER_DECIDED, "this attempt ran out of time; use a fresh Idempotency-Key")
        }
    }
}

/// The claim of an order on its cart.
fn claim_of<'a>(order: &'a Order, instead_of: Option<&'a OrderId>) -> cart::table::ClaimRequest<'a> {
    cart::table::ClaimRequest {
        cart: &order.cart_id,
        order: &order.id,
        now: order.created_at,
        instead_of,
        admissions: &order.admissions,
    }
}

/// The refusal of who must wait for a turn, with the place and what lets in when it has come.
fn not_yet(admission: &Admission, cx: &Cx) -> Problem {
    let wait = admission.admitted_at.since(cx.now()).as_secs().max(1);
    let detail = format!("`{}` is sold in turns; yours comes at {}", admission.sku, admission.admitted_at);
    let problem = Problem::new(code::ADMISSION_REQUIRED, detail).with("place", admission.place);
    problem.with("admission", admission).retry_after(wait)
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
fn agreed(
    goods: &Goods,
    body: &PlaceOrder,
    cart: &Cart,
    coupon: Option<&Coupon>,
    now: Timestamp,
) -> Result<Priced, Problem> {
    let (country, method) = (&body.shipping_address.country, Some(body.shipping_method.as_str()));
    let priced = price(Rates::built_in(), &goods.items, cart.currency, country, method, coupon);
    let priced = priced.map_err(|error| unpriced(error, coupon, now))?;
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

/// Refuses to charge more or less than the shopper saw, when gift cards pay another part than they did then.
fn agreed_to_pay(priced: &Priced, uses: &[Part], body: &PlaceOrder) -> Result<(), Problem> {
    let total = priced.totals.total;
    let by_cards: i64 =
        uses.iter().filter_map(|part| part.gift_card(total.currency)).map(|(_, paid)| paid.amount).sum();
    let to_pay = Money::new(total.amount - by_cards, total.currency);
    match body.expected_to_pay {
        Some(expected) if expected != to_pay => {
            let problem = Problem::new(code::PRICE_CHANGED, format!("{to_pay} is left to pay, not {expected}"));
            Err(problem.with("expected_to_pay", expected).with("to_pay", to_pay).with("total", total))
        }
        _ => Ok(()),
    }
}

fn pending(id: OrderId, body: PlaceOrder, priced: Priced, expires_at: Timestamp, now: Timestamp, cx: &Cx) -> Order {
    let payment = Payment {
        status: PaymentStatus::Pending,
        intent_id: None,
        client_secret: None,
        decline_code: None,
        token: Some(body.payment_token),
        capture_later: false,
        funds: None,
        capture: None,
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
        terms: priced.terms,
        holds: Vec::new(),
        attempt: String::new(),
        uses: Vec::new(),
        admissions: Vec::new(),
        shipping_address: body.shipping_address,
        billing_address: body.billing_address,
        shipping_method: body.shipping_method,
        payment,
        calling_off: false,
        events: vec![OrderEvent { at: now, kind: "placed".into(), actor: cx.actor(), detail: None }],
        created_at: now,
        expires_at,
        updated_at: now,
        id,
    }
}

impl Desk {
    /// Lets in who has an admission for each item that is sold in an announced sale; gives their ids. Who has none gets a
    /// place.
    async fn admit(&self, body: &PlaceOrder, skus: &[Sku], outlook: &Outlook, cx: &Cx) -> Result<Vec<String>, Problem> {
        let mut ids = Vec::new();
        for sku in skus {
            let Some(drop) = outlook.settings(sku).drop.filter(|drop| !drop.gone) else { continue };
            let key = self.secret.key().await?;
            let shown = body.admissions.iter().find(|text| item_of(key, text).as_ref() == Some(sku));
            // One that is of no item of this cart was meant for this one; that of another item was not.
            let stray =
                || body.admissions.iter().find(|text| item_of(key, text).is_none_or(|item| !skus.contains(&item)));
            let Some(text) = shown.or_else(stray) else {
                let (ticket, text) = self.door.place(sku, &body.cart_id, &drop, cx).await?;
                return Err(not_yet(&Admission::of(ticket, text), cx));
            };
            match enter(key, text, sku, &body.cart_id, cx.now()) {
                Entry::Open(id) => ids.push(id),
                Entry::Early(ticket) => return Err(not_yet(&Admission::of(ticket, text.clone()), cx)),
                Entry::Late => {
                    let detail = format!("the admission to `{sku}` is over; ask for another");
                    return Err(Problem::new(code::ADMISSION_EXPIRED, detail));
                }
                Entry::Forged => {
                    let detail = format!("the admission is not for `{sku}` and this cart");
                    return Err(Problem::new(code::ADMISSION_FORGED, detail));
                }
            }
        }
        Ok(ids)
    }

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
                self.till.move_holds(&standing, &[], cx.now()).await?;
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
    async fn begin(&self, order: Order, instead_of: Option<OrderId>, sight: &Sight, cx: &Cx) -> Result<Reply, Problem> {
        let claim = self.claims.claim(claim_of(&order, instead_of.as_ref()));
        let (opened, claimed, held) = join3(self.orders.open(&order), claim, self.hold_all(&order, sight, cx)).await;
        match opened? {
            Opened::Yes => self.go_on(order, claimed?, held, sight, cx).await,
            // The same call runs twice at once; this one found the other's order and goes the other's way.
            Opened::Before(record) => {
                if !matches!(&record, Record::Order(before) if before.attempt == order.attempt) {
                    self.till.step_back(&order, &held.units.touched, cx.now()).await?;
                }
                self.resume(same_request(record, cx)?, cx).await
            }
        }
    }

    /// Goes on where an earlier run of the same call stopped: every step is idempotent.
    async fn resume(&self, order: Order, cx: &Cx) -> Result<Reply, Problem> {
        if order.status != Status::Pending {
            return self.answer(Record::Order(Box::new(order)), cx).await;
        }
        let skus: Vec<Sku> = order.lines.iter().map(|line| line.sku.clone()).collect();
        let op = order.op();
        let operation = operation(&order, &op);
        // An order that holds nothing of a coupon or a gift card needs no look at one.
        let brought = if order.uses.is_empty() { Brought::default() } else { Brought::of_order(&order) };
        let look = Box::pin(self.wallet.look(&brought));
        let (outlook, look) = try_join(self.stock.outlook(&operation, &skus, cx), look).await?;
        let sight = Sight { outlook, look };
        let claim = self.claims.claim(claim_of(&order, None));
        let (claimed, held) = join(claim, self.hold_all(&order, &sight, cx)).await;
        Box::pin(self.go_on(order, claimed?, held, &sight, cx)).await
    }

    /// Holds units, and coupon and gift cards, side by side.
    async fn hold_all(&self, order: &Order, sight: &Sight, cx: &Cx) -> Holding {
        let uses = Box::pin(self.wallet.hold(order, &sight.look, &self.till, cx));
        let (units, uses) = join(self.hold(order, &sight.outlook, cx), uses).await;
        Holding { units, uses }
    }

    /// A cart pays for one order: who did not get the claim steps back.
    async fn go_on(
        &self,
        order: Order,
        claimed: Claim,
        held: Holding,
        sight: &Sight,
        cx: &Cx,
    ) -> Result<Reply, Problem> {
        let (reason, problem) = match claimed {
            Claim::Mine(_) => {
                // Now that the order stands, what other attempts at it held is free: they are looked for once more.
                let units = match &held.units.result {
                    Err(shortage) if shortage.is_among_attempts() => self.hold(&order, &sight.outlook, cx).await,
                    _ => held.units,
                };
                let uses = match &held.uses {
                    Err(lack) if lack.is_among_attempts() => {
                        self.wallet.hold(&order, &sight.look, &self.till, cx).await
                    }
                    _ => held.uses,
                };
                return self.pay_if_held(order, Holding { units, uses }, cx).await;
            }
            Claim::Of(mark) => {
                let detail = "another checkout of this cart is under way";
                let problem = Problem::new(code::CHECKOUT_IN_PROGRESS, detail).with("order", mark.order);
                ("another order is paying for the cart", problem.retry_after(1))
            }
            Claim::Used => {
                let detail = "an admission lets in one order; ask for another";
                ("its admission was used before", Problem::new(code::ADMISSION_USED, detail))
            }
            Claim::NoCart => ("the cart is gone", Problem::new(code::CART_NOT_FOUND, "there is no such cart")),
        };
        self.drop_order(&order, reason, &held.units.touched, cx).await?;
        Err(problem)
    }

    async fn drop_order(&self, order: &Order, reason: &str, touched: &[CounterKey], cx: &Cx) -> Result<(), Problem> {
        let standing = self.till.cancel(order, reason, cx).await?;
        Ok(self.till.move_holds(&standing, touched, cx.now()).await?)
    }

    /// Holds every line, side by side. Who finds the shelf empty but overdue operations on it ends those, and takes their
    /// units at once.
    async fn hold(&self, order: &Order, outlook: &Outlook, cx: &Cx) -> Attempt {
        let end = |key: CounterKey, op: String| -> BoxFuture<'_, Result<bool, Problem>> {
            Box::pin(async move {
                if let Some(id) = OrderId::from_op(&op) {
                    if id == order.id {
                        // Another attempt at this very order: what it held goes back as soon as the order is written.
                        let Some(standing) = self.till.record(&id).await? else { return Ok(false) };
                        return Ok(self.till.move_hold(&key, &op, &standing, cx.now()).await?);
                    }
                    let standing = self.till.end(&id, cx).await?;
                    self.till.move_hold(&key, &op, &standing, cx.now()).await?;
                    return Ok(true);
                }
                match ReservationId::from_op(&op) {
                    Some(id) => Ok(self.reservations.end(&key, &id, cx.now()).await?),
                    None => Ok(false),
                }
            })
        };
        let (end, op, wanted): (&EndOverdue<'_>, _, _) = (&end, order.op(), wanted(order));
        self.stock.hold(&operation(order, &op), &wanted, &order.holds, outlook, end, cx).await
    }

    async fn pay_if_held(&self, mut order: Order, held: Holding, cx: &Cx) -> Result<Reply, Problem> {
        let Attempt { result, touched } = held.units;
        let result = match (result, held.uses) {
            (Ok(_), Err(Lack::Refused { problem, .. })) => {
                self.drop_order(&order, "its coupon or gift card is used up", &touched, cx).await?;
                return Err(problem);
            }
            (Ok(_), Err(Lack::Other(shortage))) => Err(shortage),
            (result, _) => result,
        };
        let mut parts = match result {
            Ok(parts) => parts,
            Err(Shortage::Busy(problem)) => return Err(problem),
            Err(Shortage::Decided) => {
                let standing = self.till.record(&order.id).await?.unwrap_or(Record::Tombstone);
                return self.answer(standing, cx).await;
            }
            Err(shortage @ (Shortage::TooLate | Shortage::Tangled)) => {
                let reason = match shortage {
                    Shortage::TooLate => "its holds came too late",
                    _ => "its units lie where it holds some already",
                };
                // Unless it was decided meanwhile: then that stands, and is told.
                let standing = self.till.cancel(&order, reason, cx).await?;
                self.till.move_holds(&standing, &touched, cx.now()).await?;
                return self.answer(standing, cx).await;
            }
            Err(Shortage::Short(lines)) => {
                self.drop_order(&order, "too few units", &touched, cx).await?;
                return Err(too_few(&lines, cx.now()));
            }
        };
        parts.sort_unstable();
        order.holds.sort_unstable();
        if parts != order.holds {
            order = match self.till.name_holds(&order, &parts, cx).await? {
                Decided::Now(order) => *order,
                Decided::Before(Record::Order(order)) if order.status == Status::Pending => {
                    let detail = "the same call is being carried out";
                    return Err(Problem::new(code::REQUEST_IN_FLIGHT, detail).retry_after(1));
                }
                Decided::Before(record) => return self.answer(record, cx).await,
                Decided::Missing => return Err(Problem::internal("the order is gone")),
            };
        }
        let limit = self.payment_timeout.min(cx.remaining().saturating_sub(AFTER_PAYMENT));
        let standing = match self.till.charge(&order, limit, cx).await {
            Asked::Known(answer) => self.till.settle(&order, &answer, cx).await?,
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
