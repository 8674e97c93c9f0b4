//! The table `promotions`: a coupon is one item with its terms and the counter of its uses, a customer's uses of it are one,
//! a gift card is one with the counter of its money.

use std::collections::HashMap;
use std::time::Duration;

use aws::table::{Written, from_item, to_item, written};
use aws::{Capability, ConfigError, DataError, Grant, Item, Platform, Resource, TableSpec, capability};
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use counters::{Change, Held, Moved, Settlement};
use kernel::counter::{Adjustment, Counter, HoldRequest, Outcome};
use kernel::{CouponCode, GiftCardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::coupon::Coupon;
use crate::gift::GiftCard;
use crate::look::{FirstUse, Look};
use crate::uses::UseKey;

/// Coupons, their uses, gift cards. The stream carries every hold to its timer.
pub const TABLE: TableSpec = TableSpec {
    name: "promotions",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: true,
};

/// A customer's uses of a coupon are forgotten so long after the coupon ended.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

capability!(
    /// Reads a coupon and gift cards at once.
    LookAtPromotions on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Reads one coupon or gift card.
    ReadPromotion on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Makes coupons and gift cards.
    CreatePromotion on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Holds uses and money for an order; a customer's first use makes the counter.
    HoldUses on TABLE: ["dynamodb:UpdateItem", "dynamodb:PutItem"]
);

capability!(
    /// Puts money on a gift card, or takes it off.
    AdjustGiftCard on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Puts refunded money back on gift cards, as part of a transaction.
    CreditGiftCards on TABLE: ["dynamodb:UpdateItem"]
);

/// Takes what orders hold, or gives it back, as their records say.
#[derive(Clone)]
pub struct SettleUses {
    table: aws::Table,
    marks: usize,
}

impl Capability for SettleUses {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["dynamodb:UpdateItem"], Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.table(&TABLE), marks: platform.config().done_marks })
    }
}

/// A coupon as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouponItem {
    pk: String,
    /// Its terms.
    pub terms: Coupon,
    /// The digest of the request that made it.
    pub fingerprint: String,
    /// How often it was used.
    #[serde(flatten)]
    pub counter: Counter,
}

/// A gift card as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardItem {
    /// Its id.
    #[serde(rename = "pk")]
    pub id: GiftCardId,
    /// What it is.
    pub card: GiftCard,
    /// The digest of the request that made it.
    pub fingerprint: String,
    /// What is on it.
    #[serde(flatten)]
    pub counter: Counter,
}

/// A customer's uses of a coupon, as they are stored.
#[derive(Serialize)]
struct CustomerItem {
    pk: String,
    #[serde(flatten)]
    counter: Counter,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

/// Any item of this table, as far as it is a counter: what the relay sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseItem {
    /// The partition key.
    pub pk: String,
    /// The counter.
    #[serde(flatten)]
    pub counter: Counter,
}

/// A counter that may give so much.
#[must_use]
pub fn counter_of(units: i64) -> Counter {
    Counter { received: units, available: units, ..Counter::default() }
}

impl LookAtPromotions {
    /// Looks at a coupon, a customer's uses of it, and gift cards, as they are now: one call, none when nothing is asked.
    pub async fn look(
        &self,
        coupon: Option<&CouponCode>,
        customer: Option<&str>,
        cards: &[Option<GiftCardId>],
    ) -> Result<Look, DataError> {
        let all = coupon.map(|code| UseKey::Coupon(code.clone()));
        let own = coupon.zip(customer).map(|(code, customer)| UseKey::Customer(code.clone(), customer.to_owned()));
        let cards = cards.iter().flatten().map(|id| UseKey::GiftCard(id.clone()));
        let mut keys: Vec<String> = all.into_iter().chain(own).chain(cards).map(|key| key.partition()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut look = Look::default();
        if keys.is_empty() {
            return Ok(look);
        }
        let keys = keys.into_iter().map(|key| self.table.key(key)).collect();
        for item in self.table.get_many(keys, true).await? {
            let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
            match UseKey::parse(&pk) {
                Some(UseKey::Coupon(_)) => {
                    let CouponItem { terms, counter, .. } = from_item(item)?;
                    look.coupon = Some((terms, counter));
                }
                Some(UseKey::Customer(..)) => look.customer = Some(from_item(item)?),
                Some(UseKey::GiftCard(id)) => {
                    let GiftCardItem { card, counter, .. } = from_item(item)?;
                    look.gift_cards.insert(id, (card, counter));
                }
                None => return Err(DataError::Corrupt("an item of promotions without a readable key".into())),
            }
        }
        Ok(look)
    }
}

impl ReadPromotion {
    async fn read(&self, key: &UseKey) -> Result<Option<Item>, DataError> {
        self.table.get(self.table.key(key.partition()), true).await
    }

    /// A coupon, with its uses.
    pub async fn coupon(&self, code: &CouponCode) -> Result<Option<CouponItem>, DataError> {
        self.read(&UseKey::Coupon(code.clone())).await?.map(from_item).transpose()
    }

    /// A gift card, with its money.
    pub async fn gift_card(&self, id: &GiftCardId) -> Result<Option<GiftCardItem>, DataError> {
        self.read(&UseKey::GiftCard(id.clone())).await?.map(from_item).transpose()
    }
}

/// What became of making something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created<T> {
    /// It stands, now or by an earlier try of the same request.
    Yes(T),
    /// Something else stands there.
    Taken,
}

impl CreatePromotion {
    /// Makes a coupon: its terms and the counter of its uses are one item.
    pub async fn coupon(&self, terms: Coupon, fingerprint: &str) -> Result<Created<CouponItem>, DataError> {
        let item = CouponItem {
            pk: UseKey::Coupon(terms.code.clone()).partition(),
            fingerprint: fingerprint.to_owned(),
            counter: counter_of(terms.uses.map_or(0, i64::from)),
            terms,
        };
        Ok(match put_new(&self.table, to_item(&item)?).await? {
            None => Created::Yes(item),
            Some(before) => match from_item::<CouponItem>(before)? {
                before if before.fingerprint == fingerprint => Created::Yes(before),
                _ => Created::Taken,
            },
        })
    }

    /// Makes a gift card with so much on it, in minor units.
    pub async fn gift_card(
        &self,
        id: GiftCardId,
        card: GiftCard,
        amount: u32,
        fingerprint: &str,
    ) -> Result<Created<GiftCardItem>, DataError> {
        let counter = counter_of(i64::from(amount));
        let item = GiftCardItem { id, card, fingerprint: fingerprint.to_owned(), counter };
        Ok(match put_new(&self.table, to_item(&item)?).await? {
            None => Created::Yes(item),
            Some(before) => match from_item::<GiftCardItem>(before)? {
                before if before.fingerprint == fingerprint => Created::Yes(before),
                _ => Created::Taken,
            },
        })
    }
}

/// Writes an item unless one stands there; gives that one.
async fn put_new(
    table: &aws::Table,
    item: HashMap<String, aws_sdk_dynamodb::types::AttributeValue>,
) -> Result<Option<Item>, DataError> {
    let put = table.client().put_item().table_name(table.name()).set_item(Some(item));
    let put = put
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match written(put.send().await)? {
        Written::Yes(_) => Ok(None),
        Written::No(Some(before)) => Ok(Some(before)),
        Written::No(None) => Err(DataError::Busy("the item came and went".into())),
    }
}

impl HoldUses {
    /// Holds at one counter: one conditional write. A customer's first use of a coupon writes the counter with the hold in it,
    /// and whoever loses the race for that holds as everybody does.
    pub async fn hold(&self, key: &UseKey, hold: &HoldRequest<'_>, first: &FirstUse) -> Result<Held, DataError> {
        let partition = key.partition();
        if !matches!(key, UseKey::Customer(..)) {
            return counters::hold(&self.table, &partition, hold).await;
        }
        if !first.is_first {
            match counters::hold(&self.table, &partition, hold).await? {
                Held::Unknown => {}
                held => return Ok(held),
            }
        }
        let mut counter = counter_of(i64::from(first.limit));
        if counter.hold(hold) != Outcome::Applied {
            return Ok(Held::Unknown);
        }
        let expires = first.ends_at.map(|end| end.after(REMEMBERED).seconds());
        let item = to_item(&CustomerItem { pk: partition.clone(), counter, expires })?;
        match put_new(&self.table, item).await? {
            None => Ok(Held::Yes),
            Some(_) => counters::hold(&self.table, &partition, hold).await,
        }
    }
}

impl SettleUses {
    /// Moves what an operation holds at one counter as its record says.
    pub async fn settle(
        &self,
        key: &UseKey,
        op: &str,
        committed: bool,
        created: Timestamp,
        now: Timestamp,
    ) -> Result<Outcome, DataError> {
        let settlement = Settlement { op, committed, created, now, marks: self.marks };
        counters::settle(&self.table, &key.partition(), &settlement).await
    }
}

impl CreditGiftCards {
    /// The write that puts so much on a card, in the card's minor units. A card whose time is over gets it too: staff sees it there.
    pub fn credit(
        &self,
        id: &GiftCardId,
        amount: i64,
        op: &str,
        now: Timestamp,
    ) -> Result<TransactWriteItem, DataError> {
        let adjustment = Adjustment { op, quantity: amount, fingerprint: "refund", expected: None };
        Change::moving(&adjustment, None, now)?.within(&self.table, &UseKey::GiftCard(id.clone()).partition())
    }
}

impl AdjustGiftCard {
    /// Puts money on a card, or takes it off when negative, never below what is on it and not held. The same operation again
    /// does nothing.
    pub async fn adjust(
        &self,
        id: &GiftCardId,
        adjustment: &Adjustment<'_>,
        now: Timestamp,
    ) -> Result<Moved, DataError> {
        counters::adjust(&self.table, &UseKey::GiftCard(id.clone()).partition(), adjustment, None, now).await
    }
}
