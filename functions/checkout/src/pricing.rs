//! What an order costs: today's rates and the coupon's terms become the basis of an order, and [`orders::sums`] adds it up.
//! The quote and the placed order come here both; an order that stands is never priced again. Pure, integers only.

use kernel::money::MoneyError;
use kernel::{CategoryPath, Country, Currency, Money, ProductId, Sku};
use orders::sums::{Basis, LineBasis, TaxTerms, add_up};
use orders::{OrderLine, Terms, Totals, UsedCoupon};
use promotions::coupon::Refusal;
use promotions::{Coupon, Reduction};
use schemars::JsonSchema;
use serde::Serialize;

use crate::rates::{Parcel, Rates, Tax};

/// Something to be priced.
#[derive(Clone, Debug)]
pub struct Item {
    /// The SKU.
    pub sku: Sku,
    /// Its product.
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// The price of one, as it is now.
    pub unit_price: Money,
    /// Where it stands in the catalogue: what it is taxed at, and which coupons are for it.
    pub category: CategoryPath,
    /// What one weighs.
    pub grams: u32,
}

/// A way to ship, with its price for these goods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShippingMethod {
    /// What to send as `shipping_method`.
    pub id: String,
    /// What people read.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// Working days it takes.
    pub days: u32,
}

/// What goods cost, line by line and together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// Together.
    pub totals: Totals,
    /// What the totals follow from.
    pub terms: Terms,
}

/// Why something has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// We do not ship to the country.
    #[error("we do not ship to {0}")]
    CountryNotServed(Country),
    /// The method is not offered for this country, weight and currency.
    #[error("the method is not offered; there is {}", .0.join(", "))]
    MethodNotOffered(Vec<String>),
    /// No method is offered in the currency.
    #[error("we do not ship to {0} for {1}")]
    CurrencyNotServed(Country, Currency),
    /// The coupon may not be used for these goods.
    #[error("the coupon is not for these goods")]
    Coupon(Refusal),
    /// The sums go beyond what we compute with, or mix currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Goods on their way to a price: what they cost less the discount, and by what rules.
pub struct Pricing<'a> {
    items: &'a [Item],
    country: &'a Country,
    tax: Tax<'a>,
    coupon: Option<&'a Coupon>,
    /// Lines, reduction and tax rules; shipping is not in it yet.
    basis: Basis,
    methods: Vec<ShippingMethod>,
}

impl<'a> Pricing<'a> {
    /// Looks these goods up, with this coupon, sent to a country.
    pub fn of(
        rates: &'a Rates,
        items: &'a [Item],
        currency: Currency,
        country: &'a Country,
        coupon: Option<&'a Coupon>,
    ) -> Result<Self, PricingError> {
        let tax = rates.tax(country).ok_or_else(|| PricingError::CountryNotServed(country.clone()))?;
        let totals: Vec<Money> =
            items.iter().map(|item| item.unit_price.times(item.quantity)).collect::<Result<_, _>>()?;
        let chosen = match coupon {
            None => vec![None; items.len()],
            Some(coupon) => {
                let goods: Vec<(&CategoryPath, Money)> =
                    items.iter().map(|item| &item.category).zip(totals.iter().copied()).collect();
                coupon.lines(currency, &goods)?.map_err(PricingError::Coupon)?
            }
        };
        let lines = items.iter().zip(&chosen).map(|(item, chosen)| LineBasis {
            unit_price: item.unit_price,
            quantity: item.quantity,
            rate: tax.rate(&item.category),
            reduced: chosen.is_some(),
        });
        let basis = Basis {
            currency,
            lines: lines.collect(),
            reduction: coupon.map(|coupon| coupon.reduction),
            shipping: Money::zero(currency),
            tax: tax.terms,
        };
        let mut pricing = Self { items, country, tax, coupon, basis, methods: Vec::new() };
        pricing.methods = pricing.offered(rates)?;
        Ok(pricing)
    }

    fn offered(&self, rates: &Rates) -> Result<Vec<ShippingMethod>, PricingError> {
        let without = add_up(&self.basis)?.totals;
        let worth = without.subtotal.minus(without.discount)?;
        let grams = self.items.iter().map(|item| u64::from(item.grams) * u64::from(item.quantity)).sum();
        let parcel = Parcel { country: self.country, worth, grams };
        let offered = rates.methods().iter().filter_map(|method| {
            let price = method.price(&parcel)?;
            Some(ShippingMethod { id: method.id.clone(), name: method.name.clone(), price, days: method.days })
        });
        Ok(offered.collect())
    }

    /// The tax rules of the country.
    #[must_use]
    pub fn tax(&self) -> TaxTerms {
        self.tax.terms
    }

    /// The ways to ship these goods there, at what each costs with the coupon.
    #[must_use]
    pub fn methods(&self) -> Vec<ShippingMethod> {
        let free = self.basis.reduction.as_ref().is_some_and(Reduction::ships_free);
        let price = |method: &ShippingMethod| if free { Money::zero(method.price.currency) } else { method.price };
        self.methods.iter().map(|method| ShippingMethod { price: price(method), ..method.clone() }).collect()
    }

    /// What the goods cost, sent in this way. Without one shipping counts as nothing.
    pub fn price(self, method: Option<&str>) -> Result<Priced, PricingError> {
        let shipping = match method {
            None => Money::zero(self.basis.currency),
            Some(_) if self.methods.is_empty() => {
                return Err(PricingError::CurrencyNotServed(self.country.clone(), self.basis.currency));
            }
            Some(id) => match self.methods.iter().find(|method| method.id == id) {
                Some(method) => method.price,
                None => {
                    let offered = self.methods.into_iter().map(|method| method.id);
                    return Err(PricingError::MethodNotOffered(offered.collect()));
                }
            },
        };
        let basis = Basis { shipping, ..self.basis };
        let sums = add_up(&basis)?;
        let lines = self.items.iter().zip(&basis.lines).zip(&sums.lines).map(|((item, rule), sums)| OrderLine {
            sku: item.sku.clone(),
            product_id: item.product_id.clone(),
            name: item.name.clone(),
            quantity: item.quantity,
            unit_price: item.unit_price,
            line_total: sums.line_total,
            discount: rule.reduced.then_some(sums.discount),
            tax: sums.tax,
            tax_rate: rule.rate,
        });
        let terms = Terms {
            tax: basis.tax,
            shipping: (sums.totals.shipping != shipping).then_some(shipping),
            coupon: self.coupon.map(|coupon| UsedCoupon { code: coupon.code.clone(), reduction: coupon.reduction }),
        };
        Ok(Priced { lines: lines.collect(), totals: sums.totals, terms })
    }
}

/// What these goods cost, shipped so to a country.
pub fn price(
    rates: &Rates,
    items: &[Item],
    currency: Currency,
    country: &Country,
    method: Option<&str>,
    coupon: Option<&Coupon>,
) -> Result<Priced, PricingError> {
    Pricing::of(rates, items, currency, country, coupon)?.price(method)
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::{CouponCode, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn item(amount: i64, quantity: u32) -> Item {
        Item {
            sku: Sku::parse("A").unwrap(),
            product_id: ProductId::new([1; 16]),
            name: "a".into(),
            quantity,
            unit_price: Money::new(amount, Currency::EUR),
            category: CategoryPath::parse("things").unwrap(),
            grams: 300,
        }
    }

    fn of(category: &str, item: Item) -> Item {
        Item { category: CategoryPath::parse(category).unwrap(), ..item }
    }

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn coupon(reduction: Reduction, categories: &[&str]) -> Coupon {
        Coupon {
            code: CouponCode::parse("SPRING").unwrap(),
            reduction,
            minimum: None,
            starts_at: None,
            ends_at: None,
            categories: categories.iter().map(|path| CategoryPath::parse(path).unwrap()).collect(),
            uses: None,
            uses_per_customer: None,
            created_at: Timestamp::from_millis(0),
        }
    }

    fn priced(items: &[Item], code: &str, method: &str, coupon: Option<&Coupon>) -> Result<Priced, PricingError> {
        price(Rates::built_in(), items, Currency::EUR, &country(code), Some(method), coupon)
    }

    #[test]
    fn included_tax_is_contained_in_the_total() {
        let totals = priced(&[item(1190, 1)], "DE", "pickup", None).unwrap().totals;
        assert_eq!((totals.subtotal.amount, totals.tax.amount, totals.total.amount), (1190, 190, 1190));
    }

    #[test]
    fn books_are_taxed_less_and_shipping_goes_with_the_goods() {
        let priced = priced(&[of("books/fiction", item(1070, 1)), item(1190, 1)], "DE", "pickup", None).unwrap();
        assert_eq!(priced.lines.iter().map(|line| line.tax_rate).collect::<Vec<_>>(), [700, 1900]);
        assert_eq!((priced.lines[0].tax.amount, priced.lines[1].tax.amount), (70, 190));
        assert_eq!(priced.totals.tax.amount, 260);
    }

    #[test]
    fn added_tax_is_on_top() {
        let franc = Currency::parse("CHF").unwrap();
        let items = [Item { unit_price: Money::new(1000, franc), ..item(0, 2) }];
        let priced = price(Rates::built_in(), &items, franc, &country("CH"), Some("standard"), None).unwrap();
        let totals = priced.totals;
        assert_eq!((totals.shipping.amount, totals.tax.amount, totals.total.amount), (490, 202, 2692));
    }

    #[test]
    fn what_is_not_offered_is_said_with_what_is() {
        let none = price(Rates::built_in(), &[item(100, 1)], Currency::EUR, &country("AQ"), None, None);
        assert_eq!(none, Err(PricingError::CountryNotServed(country("AQ"))));
        let other = priced(&[item(100, 1)], "FR", "pickup", None);
        assert_eq!(other, Err(PricingError::MethodNotOffered(vec!["standard".into(), "express".into()])));
        let heavy = priced(&[item(100, 200)], "FR", "standard", None);
        assert_eq!(heavy, Err(PricingError::MethodNotOffered(vec!["freight".into()])));
        let yen = Currency::parse("JPY").unwrap();
        let items = [Item { unit_price: Money::new(1000, yen), ..item(0, 2) }];
        let japan = price(Rates::built_in(), &items, yen, &country("JP"), Some("standard"), None);
        assert_eq!(japan, Err(PricingError::CurrencyNotServed(country("JP"), yen)));
    }

    #[test]
    fn a_coupon_counts_before_shipping_is_looked_up() {
        let half = coupon(Reduction::Percent(50), &[]);
        let items = [item(5000, 1)];
        assert_eq!(priced(&items, "DE", "standard", None).unwrap().totals.shipping.amount, 0, "worth 50.00");
        let totals = priced(&items, "DE", "standard", Some(&half)).unwrap().totals;
        assert_eq!((totals.discount.amount, totals.shipping.amount, totals.total.amount), (2500, 490, 2990));
        let free = coupon(Reduction::FreeShipping, &[]);
        let priced = priced(&[item(1000, 1)], "DE", "express", Some(&free)).unwrap();
        assert_eq!((priced.totals.shipping.amount, priced.totals.total.amount), (0, 1000));
        assert_eq!(priced.terms.shipping, Some(Money::new(1290, Currency::EUR)));
        let (rates, country) = (Rates::built_in(), country("DE"));
        let pricing = Pricing::of(rates, &items, Currency::EUR, &country, Some(&free)).unwrap();
        assert!(pricing.methods().iter().all(|method| method.price.amount == 0));
    }

    #[test]
    fn a_coupon_for_other_goods_is_refused() {
        let bookish = coupon(Reduction::Percent(50), &["books"]);
        let refused = priced(&[item(5000, 1)], "DE", "standard", Some(&bookish));
        assert_eq!(refused, Err(PricingError::Coupon(Refusal::NoMatch)));
    }

    /// An order that was placed with these numbers.
    fn placed(priced: Priced) -> orders::Order {
        let nothing =
            serde_json::json!({ "currency": "EUR", "subtotal": 0, "discount": 0, "shipping": 0, "tax": 0, "total": 0 });
        let order = serde_json::json!({
            "pk": "ord_1", "number": "OX", "status": "pending", "version": 1, "email": "ada@example.com",
            "cart_id": "crt_1", "fingerprint": "f", "attempt": "AAA", "lines": { "currency": "EUR", "items": [] },
            "totals": nothing, "payment": { "status": "pending" }, "events": [], "shipping_method": "standard",
            "shipping_address": { "name": "Ada", "line1": "1", "city": "Berlin", "postal_code": "1", "country": "DE" },
            "created_at": "2026-11-24T00:00:00Z", "expires_at": "2026-11-24T00:10:00Z", "updated_at": "2026-11-24T00:00:00Z",
        });
        let order: orders::Order = serde_json::from_value(order).unwrap();
        orders::Order { lines: priced.lines, totals: priced.totals, terms: priced.terms, ..order }
    }

    fn reduction() -> impl Strategy<Value = Reduction> {
        prop_oneof![
            (1_u32..=100).prop_map(Reduction::Percent),
            (1_i64..3_000_000).prop_map(|amount| Reduction::Amount(Money::new(amount, Currency::EUR))),
            Just(Reduction::FreeShipping),
        ]
    }

    proptest! {
        /// Sum of lines = total, always; and the stored order alone gives every number again.
        #[test]
        fn sums_add_up_and_every_total_is_reproducible_from_the_order_alone(
            goods in prop::collection::vec((0_i64..1_000_000, 1_u32..20, 0_u32..5_000, prop::sample::select(vec!["things", "books/fiction", "food"])), 1..10),
            code in prop::sample::select(vec!["DE", "FI", "US", "FR", "NO", "GB", "CH"]),
            with_method: bool, reduction in prop::option::of(reduction()), only_books: bool,
        ) {
            let items: Vec<Item> = goods.iter().map(|(amount, quantity, grams, category)| {
                Item { grams: *grams, ..of(category, item(*amount, *quantity)) }
            }).collect();
            let country = country(code);
            let coupon = reduction.map(|reduction| coupon(reduction, if only_books { &["books"] } else { &[] }));
            let pricing = Pricing::of(Rates::built_in(), &items, Currency::EUR, &country, coupon.as_ref());
            let pricing = match pricing {
                Err(PricingError::Coupon(_)) => return Ok(()),
                pricing => pricing.unwrap(),
            };
            let included = pricing.tax().included;
            let method = pricing.methods().first().map(|method| method.id.clone()).filter(|_| with_method);
            let priced = pricing.price(method.as_deref()).unwrap();
            let sum = |of: &dyn Fn(&OrderLine) -> i64| priced.lines.iter().map(of).sum::<i64>();
            let totals = priced.totals;
            prop_assert_eq!(sum(&|line| line.line_total.amount), totals.subtotal.amount);
            prop_assert_eq!(sum(&|line| line.discount.map_or(0, |off| off.amount)), totals.discount.amount);
            let added = if included { 0 } else { totals.tax.amount };
            let expected = totals.subtotal.amount - totals.discount.amount + totals.shipping.amount + added;
            prop_assert_eq!(totals.total.amount, expected);
            // Through the form in which it is stored, and back.
            let order = placed(priced);
            let stored: orders::Order = aws::table::from_item(aws::table::to_item(&order).unwrap()).unwrap();
            prop_assert!(stored.adds_up(), "{:?} {:?}", stored.recomputed(), stored.totals);
            let taxes: i64 = stored.lines.iter().map(|line| line.tax.amount).sum();
            prop_assert_eq!(taxes + stored.shipping_tax().unwrap().amount, totals.tax.amount);
            let mut other = stored.clone();
            other.totals.total.amount += 1;
            prop_assert!(!other.adds_up(), "a total that was changed is found out");
        }
    }
}
