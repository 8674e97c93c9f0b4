//! Coupons and gift cards of an order: looked at with its prices, held with its units, under the same operation.
//!
//! What an order holds stands in its record ([`Order::uses`]); only that is taken when it is paid. It owns nothing. It must
//! never let a discount stand whose use is not held, nor free what another order holds before that order was ended.

use aws::{Capability, ConfigError, DataError, Grant, Platform, SigningSecret};
use counters::Held;
use futures_util::future::join_all;
use inventory::allocation::Shortage;
use kernel::counter::{Counter, HoldRequest, Refusal};
use kernel::problem::code;
use kernel::{CouponCode, Email, GiftCardId, OrderId, Problem, Timestamp};
use lambda::Cx;
use orders::Order;
use promotions::coupon::Refusal as CouponRefusal;
use promotions::look::{Look, Viewer};
use promotions::table::{HoldUses, LookAtPromotions};
use promotions::uses::customer;
use promotions::{Coupon, GiftCode, Part, UseKey};

use crate::till::Till;

/// So many operations at most are ended by one who finds a coupon used up.
const END_AT_ONCE: usize = 3;
/// So often a hold is tried again after somebody else's was ended.
const ROUNDS: usize = 4;

/// Looks at coupons and gift cards, and holds them.
#[derive(Clone)]
pub struct Wallet {
    look: LookAtPromotions,
    hold: HoldUses,
    secret: SigningSecret,
}

impl Capability for Wallet {
    fn grants() -> Vec<Grant> {
        [LookAtPromotions::grants(), HoldUses::grants(), SigningSecret::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            look: LookAtPromotions::connect(platform)?,
            hold: HoldUses::connect(platform)?,
            secret: SigningSecret::connect(platform)?,
        })
    }
}

/// What a shopper brings besides money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// The coupon on the cart.
    pub coupon: Option<CouponCode>,
    /// Who uses it; unknown at a quote.
    pub customer: Option<String>,
    /// Gift cards in their order; `None` where a text is no code.
    pub cards: Vec<Option<GiftCardId>>,
}

impl Brought {
    /// What a cart and a request bring. The codes go no further than here.
    #[must_use]
    pub fn of(coupon: Option<&CouponCode>, codes: &[String]) -> Self {
        let cards = codes.iter().map(|text| GiftCode::parse(text).map(|code| code.id())).collect();
        Self { coupon: coupon.cloned(), customer: None, cards }
    }

    /// What an order that stands was brought.
    #[must_use]
    pub fn of_order(order: &Order) -> Self {
        let mut brought = Self { coupon: order.terms.coupon.as_ref().map(|used| used.code.clone()), ..Self::default() };
        for part in &order.uses {
            match &part.key {
                UseKey::Customer(_, customer) => brought.customer = Some(customer.clone()),
                UseKey::GiftCard(id) => brought.cards.push(Some(id.clone())),
                UseKey::Coupon(_) => {}
            }
        }
        brought
    }

    /// The coupon's terms, when there is one and its time is now.
    pub fn terms<'a>(&self, look: &'a Look, now: Timestamp) -> Result<Option<&'a Coupon>, Problem> {
        let Some(code) = &self.coupon else { return Ok(None) };
        look.terms(now).map(Some).map_err(|refusal| refusal.problem(code, now))
    }

    /// What an order over `total` holds, as far as the look tells; nothing is written yet when it is refused.
    pub fn uses(
        &self,
        look: &Look,
        order: &OrderId,
        total: kernel::Money,
        now: Timestamp,
    ) -> Result<Vec<Part>, Problem> {
        let viewer = Viewer { order: Some(order), now };
        let mut parts = match &self.coupon {
            Some(code) => {
                let uses = look.uses(self.customer.as_deref().unwrap_or_default(), &viewer);
                uses.map_err(|refusal: CouponRefusal| refusal.problem(code, now))?
            }
            None => Vec::new(),
        };
        let paid = look.pay(&self.cards, total, &viewer);
        parts.extend(paid.map_err(|(index, refusal)| refusal.problem(index, now))?);
        Ok(parts)
    }
}

/// Why not all is held.
#[derive(Debug)]
pub enum Lack {
    /// A coupon is used up, or a gift card is empty.
    Refused {
        /// To the shopper.
        problem: Problem,
        /// Another attempt at the same order holds some of it.
        among_attempts: bool,
    },
    /// What it may be with units too.
    Other(Shortage),
}

impl Lack {
    /// Whether another attempt at the same order holds some of what is missing.
    #[must_use]
    pub fn is_among_attempts(&self) -> bool {
        matches!(self, Self::Refused { among_attempts: true, .. })
    }
}

impl From<DataError> for Lack {
    fn from(error: DataError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Problem> for Lack {
    fn from(problem: Problem) -> Self {
        Self::Other(Shortage::Busy(problem))
    }
}

impl Wallet {
    /// What a shopper brings to a checkout, with a digest of who it is when there is a coupon.
    pub async fn brought(
        &self,
        coupon: Option<&CouponCode>,
        codes: &[String],
        email: &Email,
    ) -> Result<Brought, DataError> {
        let brought = Brought::of(coupon, codes);
        let customer = match coupon {
            Some(_) => Some(customer(self.secret.key().await?, email)),
            None => None,
        };
        Ok(Brought { customer, ..brought })
    }

    /// A look at all that is brought: one call, none when nothing is.
    pub async fn look(&self, brought: &Brought) -> Result<Look, DataError> {
        self.look.look(brought.coupon.as_ref(), brought.customer.as_deref(), &brought.cards).await
    }

    /// Holds all that an order names, side by side.
    pub async fn hold(&self, order: &Order, look: &Look, till: &Till, cx: &Cx) -> Result<(), Lack> {
        let holds = order.uses.iter().map(|part| self.hold_part(part, order, look, till, cx));
        let mut refused = None;
        for held in join_all(holds).await {
            match held {
                Ok(()) => {}
                Err(lack @ Lack::Other(_)) => return Err(lack),
                Err(lack) => refused = refused.or(Some(lack)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    async fn hold_part(&self, part: &Part, order: &Order, look: &Look, till: &Till, cx: &Cx) -> Result<(), Lack> {
        let op = order.op();
        let (deadline, created) = (order.expires_at, order.created_at);
        let request = HoldRequest { op: &op, quantity: part.quantity, reserve: 0, deadline, created, channel: None };
        for _ in 0..ROUNDS {
            let (refusal, counter) = match self.hold.hold(&part.key, &request, &look.first_use()).await? {
                Held::Yes => return Ok(()),
                Held::No(refusal, counter) => (refusal, counter),
                Held::Unknown => (Refusal::TooFew { available: 0 }, Counter::default()),
            };
            match refusal {
                Refusal::TooFew { .. } => {}
                Refusal::Done => return Err(Lack::Other(Shortage::Decided)),
                Refusal::TooOld => return Err(Lack::Other(Shortage::TooLate)),
                _ => break,
            }
            let (mut freed, mut among_attempts) = (false, false);
            for other in in_the_way(&counter, order, cx.now()) {
                among_attempts |= OrderId::from_op(&other).as_ref() == Some(&order.id);
                freed |= end(&part.key, &other, order, till, cx).await?;
            }
            if !freed {
                let cards = Brought::of_order(order).cards;
                let problem = look.refusal(&part.key, &counter, &cards, cx.now());
                return Err(Lack::Refused { problem, among_attempts });
            }
        }
        let detail = "many shoppers want the same; nothing was lost, try again in a moment";
        Err(Problem::new(code::UNAVAILABLE, detail).retry_after(1).into())
    }
}

/// Operations that stand in the way and need not: overdue ones, and other attempts at this very order.
fn in_the_way(counter: &Counter, order: &Order, now: Timestamp) -> Vec<String> {
    let ended = counter.holds.iter().filter(|(op, hold)| {
        let own = OrderId::from_op(op).as_ref() == Some(&order.id);
        own || hold.deadline <= now.millis()
    });
    ended.map(|(op, _)| op.clone()).take(END_AT_ONCE).collect()
}

/// Ends an operation that stands in the way: first its record, then what it holds. Whether that freed something.
async fn end(key: &UseKey, op: &str, order: &Order, till: &Till, cx: &Cx) -> Result<bool, Problem> {
    let Some(id) = OrderId::from_op(op) else { return Ok(false) };
    if id == order.id {
        // Another attempt at this very order: what it held goes back as soon as the order is written.
        let Some(standing) = till.record(&id).await? else { return Ok(false) };
        return Ok(till.move_use(key, op, &standing, cx.now()).await?);
    }
    let standing = till.end(&id, cx).await?;
    till.move_use(key, op, &standing, cx.now()).await?;
    Ok(true)
}
