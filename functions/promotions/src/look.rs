//! What a look at coupons and gift cards tells an order, before anything is written. It promises nothing: the holds decide.

use std::collections::BTreeMap;

use kernel::counter::Counter;
use kernel::{GiftCardId, Money, OrderId, Timestamp};

use crate::coupon::{self, Coupon};
use crate::gift::{self, GiftCard};
use crate::uses::{Part, UseKey};

/// Who looks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// The order on its way; absent for a quote.
    pub order: Option<&'a OrderId>,
    /// Now.
    pub now: Timestamp,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The coupon, with the counter of its uses.
    pub coupon: Option<(Coupon, Counter)>,
    /// Uses of the coupon by this customer; absent before the first.
    pub customer: Option<Counter>,
    /// Gift cards, each with the counter of its money.
    pub gift_cards: BTreeMap<GiftCardId, (GiftCard, Counter)>,
}

/// What may be had of a counter: what is available, and what is held by whom the hold will get out of the way: overdue
/// operations, and other attempts at this very order.
fn within_reach(counter: &Counter, viewer: &Viewer<'_>) -> i64 {
    let held = counter.holds.iter().filter(|(op, hold)| {
        let own = viewer.order.is_some_and(|order| OrderId::from_op(op).as_ref() == Some(order));
        own || hold.deadline <= viewer.now.millis()
    });
    counter.available + held.map(|(_, hold)| i64::from(hold.quantity)).sum::<i64>()
}

/// When the first of those who hold may give it back.
#[must_use]
pub fn back_at(counter: &Counter) -> Option<Timestamp> {
    counter.holds.values().map(|hold| hold.deadline).min().map(Timestamp::from_millis)
}

impl Look {
    /// The terms of the coupon, when its time is now.
    pub fn terms(&self, now: Timestamp) -> Result<&Coupon, coupon::Refusal> {
        let (coupon, _) = self.coupon.as_ref().ok_or(coupon::Refusal::Unknown)?;
        coupon.in_time(now)?;
        Ok(coupon)
    }

    /// Whether a use of the coupon may be had, as far as anybody can tell who does not know the customer.
    pub fn is_left(&self, viewer: &Viewer<'_>) -> Result<(), coupon::Refusal> {
        let (coupon, counter) = self.coupon.as_ref().ok_or(coupon::Refusal::Unknown)?;
        if coupon.uses.is_some() && within_reach(counter, viewer) < 1 {
            return Err(coupon::Refusal::UsedUp(back_at(counter)));
        }
        Ok(())
    }

    /// What an order of this customer holds of the coupon: nothing of one that may be used without limit.
    pub fn uses(&self, customer: &str, viewer: &Viewer<'_>) -> Result<Vec<Part>, coupon::Refusal> {
        self.is_left(viewer)?;
        let Some((coupon, _)) = &self.coupon else { return Ok(Vec::new()) };
        if coupon.uses_per_customer.is_some()
            && let Some(counter) = self.customer.as_ref().filter(|counter| within_reach(counter, viewer) < 1)
        {
            return Err(coupon::Refusal::UsedBefore(back_at(counter)));
        }
        let of = |key| Part { key, quantity: 1 };
        let code = &coupon.code;
        let all = coupon.uses.map(|_| of(UseKey::Coupon(code.clone())));
        let own = coupon.uses_per_customer.map(|_| of(UseKey::Customer(code.clone(), customer.to_owned())));
        Ok(all.into_iter().chain(own).collect())
    }

    /// What these gift cards pay of a sum, in their order, each what is on it until all is paid. `None` stands for a text
    /// that is no code.
    pub fn pay(
        &self,
        cards: &[Option<GiftCardId>],
        total: Money,
        viewer: &Viewer<'_>,
    ) -> Result<Vec<Part>, (usize, gift::Refusal)> {
        let mut rest = total.amount;
        let mut parts: Vec<Part> = Vec::new();
        for (index, id) in cards.iter().enumerate() {
            let refused = |refusal| (index, refusal);
            let id = id.as_ref().ok_or(refused(gift::Refusal::Unknown))?;
            let (card, counter) = self.gift_cards.get(id).ok_or(refused(gift::Refusal::Unknown))?;
            if let Some(end) = card.ends_at.filter(|end| viewer.now >= *end) {
                return Err(refused(gift::Refusal::Expired(end)));
            }
            if card.currency != total.currency {
                return Err(refused(gift::Refusal::OtherCurrency(card.currency)));
            }
            let key = UseKey::GiftCard(id.clone());
            if rest == 0 || parts.iter().any(|part| part.key == key) {
                continue;
            }
            let quantity = u32::try_from(within_reach(counter, viewer).clamp(0, rest)).unwrap_or(u32::MAX);
            if quantity == 0 {
                return Err(refused(gift::Refusal::Empty(Money::new(0, card.currency), back_at(counter))));
            }
            rest -= i64::from(quantity);
            parts.push(Part { key, quantity });
        }
        Ok(parts)
    }

    /// Why a hold at a counter of this coupon or gift card was refused, to the shopper.
    #[must_use]
    pub fn refusal(
        &self,
        key: &UseKey,
        counter: &Counter,
        cards: &[Option<GiftCardId>],
        now: Timestamp,
    ) -> kernel::Problem {
        let back = back_at(counter);
        match key {
            UseKey::Coupon(code) => coupon::Refusal::UsedUp(back).problem(code, now),
            UseKey::Customer(code, _) => coupon::Refusal::UsedBefore(back).problem(code, now),
            UseKey::GiftCard(id) => {
                let index = cards.iter().position(|card| card.as_ref() == Some(id)).unwrap_or(0);
                let currency = self.gift_cards.get(id).map_or(kernel::Currency::EUR, |(card, _)| card.currency);
                gift::Refusal::Empty(Money::new(counter.available, currency), back).problem(index, now)
            }
        }
    }

    /// How often one customer may use the coupon, and until when that has to be remembered: what a counter that was never
    /// written begins with.
    #[must_use]
    pub fn first_use(&self) -> FirstUse {
        let coupon = self.coupon.as_ref().map(|(coupon, _)| coupon);
        FirstUse {
            limit: coupon.and_then(|coupon| coupon.uses_per_customer).unwrap_or(0),
            ends_at: coupon.and_then(|coupon| coupon.ends_at),
            is_first: self.customer.is_none(),
        }
    }
}

/// What the counter of a customer's uses begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstUse {
    /// How often one customer may use the coupon.
    pub limit: u32,
    /// When the coupon ends.
    pub ends_at: Option<Timestamp>,
    /// Whether the look found no such counter.
    pub is_first: bool,
}

#[cfg(test)]
mod tests {
    use kernel::Currency;
    use kernel::counter::HoldRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::coupon::{Reduction, tests::coupon};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn counter(units: i64) -> Counter {
        Counter { received: units, available: units, ..Counter::default() }
    }

    fn hold(counter: &mut Counter, op: &str, quantity: u32, deadline: i64) {
        let request = HoldRequest { op, quantity, reserve: 0, deadline: at(deadline), created: at(1), channel: None };
        counter.hold(&request);
    }

    #[test]
    fn what_is_overdue_or_held_by_another_attempt_is_within_reach() {
        let (own, other) = (OrderId::new([1; 16]), OrderId::new([2; 16]));
        let limited = Coupon { uses: Some(2), uses_per_customer: Some(1), ..coupon(Reduction::Percent(5)) };
        let mut uses = counter(2);
        hold(&mut uses, &own.op("AAA"), 1, 500);
        hold(&mut uses, &other.op("AAA"), 1, 500);
        let look = Look { coupon: Some((limited, uses)), ..Look::default() };
        let early = Viewer { order: Some(&own), now: at(10) };
        assert_eq!(look.uses("c", &early).unwrap().len(), 2);
        let quote = Viewer { order: None, now: at(10) };
        assert_eq!(look.uses("c", &quote), Err(coupon::Refusal::UsedUp(Some(at(500)))));
        assert!(look.uses("c", &Viewer { now: at(500), ..quote }).is_ok(), "overdue");
        let before = Look { customer: Some(Counter { taken: 1, received: 1, ..Counter::default() }), ..look };
        assert_eq!(before.uses("c", &early), Err(coupon::Refusal::UsedBefore(None)));
    }

    #[test]
    fn a_coupon_without_limits_is_held_nowhere() {
        let look = Look { coupon: Some((coupon(Reduction::FreeShipping), Counter::default())), ..Look::default() };
        assert_eq!(look.uses("c", &Viewer { order: None, now: at(1) }), Ok(Vec::new()));
        assert_eq!(Look::default().terms(at(1)), Err(coupon::Refusal::Unknown));
    }

    fn cards(amounts: &[i64], currency: Currency) -> (Vec<Option<GiftCardId>>, Look) {
        let ids = (0_u8..).map(|index| GiftCardId::new([index; 16]));
        let card = GiftCard { currency, ends_at: Some(at(100)), created_at: at(0), actor: String::new() };
        let all: Vec<(GiftCardId, (GiftCard, Counter))> =
            ids.zip(amounts).map(|(id, amount)| (id, (card.clone(), counter(*amount)))).collect();
        let asked = all.iter().map(|(id, _)| Some(id.clone())).collect();
        (asked, Look { gift_cards: all.into_iter().collect(), ..Look::default() })
    }

    #[test]
    fn a_card_that_does_not_pay_says_why() {
        let (ids, look) = cards(&[500, 0], Currency::EUR);
        let now = Viewer { order: None, now: at(10) };
        let euro = |amount| Money::new(amount, Currency::EUR);
        assert_eq!(look.pay(&ids, euro(600), &now), Err((1, gift::Refusal::Empty(euro(0), None))));
        assert_eq!(look.pay(&ids, euro(500), &now).unwrap().len(), 1, "the second is not needed");
        assert_eq!(look.pay(&[ids[0].clone(), ids[0].clone()], euro(600), &now).unwrap().len(), 1, "named twice");
        assert_eq!(look.pay(&[None], euro(600), &now), Err((0, gift::Refusal::Unknown)));
        let late = Viewer { now: at(100), ..now };
        assert_eq!(look.pay(&ids, euro(1), &late), Err((0, gift::Refusal::Expired(at(100)))));
        let dollars = Money::new(1, Currency::USD);
        assert_eq!(look.pay(&ids, dollars, &now), Err((0, gift::Refusal::OtherCurrency(Currency::EUR))));
    }

    proptest! {
        #[test]
        fn cards_never_pay_more_than_the_sum_or_than_is_on_them(amounts in prop::collection::vec(1_i64..5_000, 1..5), total in 0_i64..12_000) {
            let (ids, look) = cards(&amounts, Currency::EUR);
            let parts = look.pay(&ids, Money::new(total, Currency::EUR), &Viewer { order: None, now: at(10) }).unwrap();
            let paid: i64 = parts.iter().map(|part| i64::from(part.quantity)).sum();
            prop_assert_eq!(paid, total.min(amounts.iter().sum()));
            for part in &parts {
                let UseKey::GiftCard(id) = &part.key else { panic!("not a card") };
                prop_assert!(part.quantity > 0 && i64::from(part.quantity) <= look.gift_cards[id].1.available);
            }
        }
    }
}
