//! Coupons, pure: what one takes off, and why it does not.

use kernel::money::MoneyError;
use kernel::problem::code;
use kernel::{CategoryPath, CouponCode, Currency, Money, Problem, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a coupon takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// So many hundredths of the goods that it is for.
    Percent(u32),
    /// An amount off the goods that it is for, at most what they cost.
    Amount(Money),
    /// What shipping costs.
    FreeShipping,
}

impl Reduction {
    /// What is taken off each line; `None` stands for a line that the coupon is not for. The whole is computed once, on
    /// all lines that it is for together, rounded half up, and shared by largest remainder.
    pub fn off(&self, currency: Currency, lines: &[Option<Money>]) -> Result<Vec<Money>, MoneyError> {
        let goods = Money::sum(currency, lines.iter().copied().flatten())?;
        let whole = match self {
            Self::Percent(percent) => goods.fraction(i64::from(*percent).min(100), 100)?,
            // Its currency was checked: nothing is taken off in another.
            Self::Amount(amount) if amount.currency == currency => {
                Money::new(amount.amount.min(goods.amount), currency)
            }
            Self::Amount(_) | Self::FreeShipping => Money::zero(currency),
        };
        if whole.amount == 0 {
            return Ok(vec![Money::zero(currency); lines.len()]);
        }
        let weights: Vec<i64> = lines.iter().map(|line| line.map_or(0, |line| line.amount)).collect();
        whole.allocate(&weights)
    }

    /// Whether it takes off what shipping costs.
    #[must_use]
    pub fn ships_free(&self) -> bool {
        *self == Self::FreeShipping
    }
}

/// A coupon: its terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// What shoppers type.
    pub code: CouponCode,
    /// What it takes off.
    pub reduction: Reduction,
    /// What the goods that it is for must be worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
    /// The first moment it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// The first moment it is good no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// The categories that it is for, each with all below it; for everything when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryPath>,
    /// How many orders may use it; any number without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How many orders of one e-mail address may use it; any number without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_per_customer: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a coupon takes nothing off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such coupon.
    Unknown,
    /// Its time has not come.
    NotYet(Timestamp),
    /// Its time is over.
    Expired(Timestamp),
    /// None of the goods is of a category that it is for.
    NoMatch,
    /// Its amounts are in this currency, the goods are not.
    OtherCurrency(Currency),
    /// The goods that it is for are worth less than this.
    BelowMinimum(Money),
    /// It was used as often as it may be. The time is when the first of the orders that hold a use may give it back.
    UsedUp(Option<Timestamp>),
    /// This customer used it as often as one may.
    UsedBefore(Option<Timestamp>),
}

impl Refusal {
    /// The refusal as shoppers read it.
    #[must_use]
    pub fn problem(self, coupon: &CouponCode, now: Timestamp) -> Problem {
        let problem = match self {
            Self::Unknown => Problem::new(code::COUPON_UNKNOWN, format!("there is no coupon `{coupon}`")),
            Self::NotYet(from) => {
                let detail = format!("the coupon `{coupon}` is good from {from}");
                Problem::new(code::COUPON_NOT_YET, detail).with("starts_at", from)
            }
            Self::Expired(at) => {
                let detail = format!("the coupon `{coupon}` was good until {at}");
                Problem::new(code::COUPON_EXPIRED, detail).with("ended_at", at)
            }
            Self::NoMatch => {
                let detail = format!("the coupon `{coupon}` is for none of these goods");
                Problem::new(code::COUPON_NOT_APPLICABLE, detail)
            }
            Self::OtherCurrency(currency) => {
                let detail = format!("the coupon `{coupon}` is in {currency}");
                Problem::new(code::COUPON_NOT_APPLICABLE, detail).with("currency", currency)
            }
            Self::BelowMinimum(minimum) => {
                let detail = format!("the coupon `{coupon}` is for goods worth {minimum} or more");
                Problem::new(code::COUPON_BELOW_MINIMUM, detail).with("minimum", minimum)
            }
            Self::UsedUp(back_at) => {
                let detail = format!("the coupon `{coupon}` was used as often as it may be");
                back(Problem::new(code::COUPON_USED_UP, detail), back_at, now)
            }
            Self::UsedBefore(back_at) => {
                let detail = format!("the coupon `{coupon}` was used by you as often as one may");
                back(Problem::new(code::COUPON_USED_BEFORE, detail), back_at, now)
            }
        };
        problem.with("coupon", coupon)
    }
}

/// What an order under way may give back is worth another try then.
pub(crate) fn back(problem: Problem, back_at: Option<Timestamp>, now: Timestamp) -> Problem {
    match back_at {
        Some(at) => problem.retry_after(at.since(now).as_secs().max(1)),
        None => problem,
    }
}

impl Coupon {
    /// Whether it is for goods of a category.
    #[must_use]
    pub fn is_for(&self, category: &CategoryPath) -> bool {
        let listed = |level: &str| self.categories.iter().any(|known| known.as_str() == level);
        self.categories.is_empty() || category.levels().any(listed)
    }

    /// Whether its time is now.
    pub fn in_time(&self, now: Timestamp) -> Result<(), Refusal> {
        match (self.starts_at, self.ends_at) {
            (Some(from), _) if now < from => Err(Refusal::NotYet(from)),
            (_, Some(end)) if now >= end => Err(Refusal::Expired(end)),
            _ => Ok(()),
        }
    }

    /// Which of these lines it is for (`None` for the others), when it may be used for them at all.
    pub fn lines(
        &self,
        currency: Currency,
        lines: &[(&CategoryPath, Money)],
    ) -> Result<Result<Vec<Option<Money>>, Refusal>, MoneyError> {
        let own = match (self.reduction, self.minimum) {
            (Reduction::Amount(money), _) | (_, Some(money)) => money.currency,
            _ => currency,
        };
        if own != currency {
            return Ok(Err(Refusal::OtherCurrency(own)));
        }
        let chosen: Vec<Option<Money>> =
            lines.iter().map(|(category, total)| self.is_for(category).then_some(*total)).collect();
        let goods = Money::sum(currency, chosen.iter().copied().flatten())?;
        Ok(match self.minimum {
            _ if chosen.iter().all(Option::is_none) => Err(Refusal::NoMatch),
            Some(minimum) if goods.amount < minimum.amount => Err(Refusal::BelowMinimum(minimum)),
            _ => Ok(chosen),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn euro(amount: i64) -> Money {
        Money::new(amount, Currency::EUR)
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    pub(crate) fn coupon(reduction: Reduction) -> Coupon {
        Coupon {
            code: CouponCode::parse("spring-20").unwrap(),
            reduction,
            minimum: None,
            starts_at: None,
            ends_at: None,
            categories: Vec::new(),
            uses: None,
            uses_per_customer: None,
            created_at: at(0),
        }
    }

    fn category(path: &str) -> CategoryPath {
        CategoryPath::parse(path).unwrap()
    }

    #[test]
    fn it_is_good_from_its_start_until_before_its_end() {
        let coupon = Coupon { starts_at: Some(at(10)), ends_at: Some(at(20)), ..coupon(Reduction::Percent(10)) };
        assert_eq!(coupon.in_time(at(9)), Err(Refusal::NotYet(at(10))));
        assert_eq!((coupon.in_time(at(10)), coupon.in_time(at(19))), (Ok(()), Ok(())));
        assert_eq!(coupon.in_time(at(20)), Err(Refusal::Expired(at(20))));
    }

    #[test]
    fn it_is_for_its_categories_and_those_below_them_and_their_worth_counts() {
        let (books, novels, tea) = (category("books"), category("books/fiction/novels"), category("tea"));
        let bookish = category("books-and-more");
        let lines = [(&novels, euro(900)), (&tea, euro(5000)), (&bookish, euro(1))];
        let coupon = Coupon { categories: vec![books], minimum: Some(euro(900)), ..coupon(Reduction::Percent(50)) };
        let chosen = coupon.lines(Currency::EUR, &lines).unwrap().unwrap();
        assert_eq!(chosen, [Some(euro(900)), None, None]);
        assert_eq!(coupon.reduction.off(Currency::EUR, &chosen).unwrap(), [euro(450), euro(0), euro(0)]);
        let dearer = Coupon { minimum: Some(euro(901)), ..coupon.clone() };
        assert_eq!(dearer.lines(Currency::EUR, &lines).unwrap(), Err(Refusal::BelowMinimum(euro(901))));
        assert_eq!(coupon.lines(Currency::EUR, &lines[1..]).unwrap(), Err(Refusal::NoMatch));
        assert_eq!(coupon.lines(Currency::USD, &[]).unwrap(), Err(Refusal::OtherCurrency(Currency::EUR)));
    }

    #[test]
    fn it_reads_back_and_its_code_is_in_capitals() {
        for reduction in [Reduction::Percent(5), Reduction::Amount(euro(7)), Reduction::FreeShipping] {
            let coupon = coupon(reduction);
            let text = serde_json::to_string(&coupon).unwrap();
            assert_eq!(serde_json::from_str::<Coupon>(&text).unwrap(), coupon);
            assert_eq!(coupon.code.as_str(), "SPRING-20");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_off_is_never_more_than_a_line_and_adds_up(
            lines in prop::collection::vec(prop::option::of(0_i64..1_000_000), 1..20),
            percent in 1_u32..=100, amount in 1_i64..2_000_000,
        ) {
            let lines: Vec<Option<Money>> = lines.into_iter().map(|line| line.map(euro)).collect();
            let goods: i64 = lines.iter().flatten().map(|line| line.amount).sum();
            for reduction in [Reduction::Percent(percent), Reduction::Amount(euro(amount)), Reduction::FreeShipping] {
                let off = reduction.off(Currency::EUR, &lines).unwrap();
                let whole: i64 = off.iter().map(|part| part.amount).sum();
                let expected = match reduction {
                    Reduction::Percent(percent) => (goods * i64::from(percent) + 50) / 100,
                    Reduction::Amount(amount) => amount.amount.min(goods),
                    Reduction::FreeShipping => 0,
                };
                prop_assert_eq!(whole, expected);
                for (part, line) in off.iter().zip(&lines) {
                    prop_assert!(part.amount >= 0 && part.amount <= line.map_or(0, |line| line.amount));
                }
            }
        }
    }
}
