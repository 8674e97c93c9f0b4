//! The table `recommendations`: samples of baskets and sales, and the last views of each viewer. Nothing in it is written but by
//! the worker, and every write may be made again, late, or beside another one: see [`crate::sample`].

use std::collections::{BTreeMap, HashMap};

use aws::table::{n, s};
use aws::{DataError, Item, Table, TableSpec, capability};
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::{CategoryPath, ProductId, Timestamp};

use crate::rank::{Period, Tally};
use crate::sample::{Change, Lot, Sample};
use crate::views::{self, Viewer, Views};

/// Items by key: `p#prd_…`/`baskets#…` with which products one was bought in a period, `c#path`/`sales#…` what was sold of a
/// category in a period (`c#/` is all of them), `v#…`/`views` what somebody looked at. Each thing is an attribute of its own:
/// its name is the lot, or the product that was looked at.
pub const TABLE: TableSpec = TableSpec {
    name: "recommendations",
    partition_key: "pk",
    sort_key: Some("sk"),
    indexes: &[],
    ttl: Some(EXPIRES),
    stream: false,
};

const EXPIRES: &str = "expires";
/// What is bought together changes slowly.
pub const BASKETS: Period = Period { days: 28 };
/// What sells best is of these days.
pub const SALES: Period = Period { days: 7 };
/// So many baskets are sampled of a product and period: 3 KB with two others in each, 11 KB at the very most.
pub const BASKETS_SAMPLED: usize = 60;
/// So many sales are sampled of a category and period: 4 KB at the most.
pub const SALES_SAMPLED: usize = 100;
/// So many other products of a basket are noted.
pub const OTHERS: usize = 10;
/// Views are dropped so many seconds after the last one.
const VIEWS_LIFE: i64 = 30 * 24 * 3600;
/// The level above all categories.
pub const ROOT: &str = "/";
/// An update expression may be 4 KB long.
const NAMES_AT_ONCE: usize = 100;

// Write units count the whole item, and a batch of ten messages may put in some more before the rest goes.
const _: () = assert!(BASKETS_SAMPLED * (20 + OTHERS * 15) <= 11 * 1024);
const _: () = assert!(SALES_SAMPLED * 40 <= 4 * 1024);

capability!(
    /// Reads samples and views.
    ReadRecommendations on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Keeps samples and views.
    KeepRecommendations on TABLE: ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
);

/// Which sample, or whose views.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// What was bought with a product, in this period.
    Baskets(ProductId, i64),
    /// What was sold of a level of the tree of categories, in this period.
    Sales(String, i64),
    /// What somebody looked at.
    Views(Viewer),
}

impl Key {
    fn text(&self) -> (String, String) {
        match self {
            Self::Baskets(product, period) => (format!("p#{product}"), format!("baskets#{period}")),
            Self::Sales(level, period) => (format!("c#{level}"), format!("sales#{period}")),
            Self::Views(viewer) => (format!("v#{}", viewer.as_str()), "views".into()),
        }
    }

    fn most(&self) -> usize {
        if matches!(self, Self::Baskets(..)) { BASKETS_SAMPLED } else { SALES_SAMPLED }
    }
}

/// The levels that a product of a category is sold in, the category itself first, all products last.
pub fn levels(category: &CategoryPath) -> impl Iterator<Item = &str> {
    category.levels().chain([ROOT])
}

/// The items under these keys; eventually consistent.
async fn read(table: &Table, keys: &[Key]) -> Result<HashMap<Key, Item>, DataError> {
    let by_text: HashMap<(String, String), &Key> = keys.iter().map(|key| (key.text(), key)).collect();
    let wanted = by_text.keys().map(|(pk, sk)| table.key2(pk, sk)).collect();
    let text =
        |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok().cloned()).unwrap_or_default();
    let items = table.get_many(wanted, false).await?;
    let known = |item: Item| Some(((*by_text.get(&(text(&item, "pk"), text(&item, "sk")))?).clone(), item));
    Ok(items.into_iter().filter_map(known).collect())
}

fn sample(key: &Key, item: Option<&Item>) -> Sample {
    let thing = |(name, value): (&String, &AttributeValue)| Some((Lot::parse(name)?, value.as_s().ok()?.clone()));
    Sample::new(key.most(), item.into_iter().flatten().filter_map(thing).collect())
}

fn seen(item: Option<&Item>) -> Views {
    let view = |(name, value): (&String, &AttributeValue)| {
        let at = value.as_n().ok()?.parse().ok()?;
        Some((ProductId::parse(name)?, Timestamp::from_millis(at)))
    };
    item.into_iter().flatten().filter_map(view).collect()
}

impl ReadRecommendations {
    /// What was bought together with these products, most often first.
    pub async fn together(&self, products: &[ProductId], now: Timestamp) -> Result<Tally, DataError> {
        let of = |product: &ProductId| {
            BASKETS.window(now).map(|(period, weight)| (Key::Baskets(product.clone(), period), weight))
        };
        Ok(self.tallies(vec![products.iter().flat_map(of).collect()]).await?.pop().unwrap_or_default())
    }

    /// What was sold of each of these levels of the tree of categories.
    pub async fn sold(&self, levels: &[&str], now: Timestamp) -> Result<Vec<Tally>, DataError> {
        let of =
            |level: &&str| SALES.window(now).map(|(period, weight)| (Key::Sales((*level).to_owned(), period), weight));
        self.tallies(levels.iter().map(|level| of(level).into()).collect()).await
    }

    /// Of each list of samples what is in it, by their weights; one read for all.
    async fn tallies(&self, wanted: Vec<Vec<(Key, u64)>>) -> Result<Vec<Tally>, DataError> {
        let keys: Vec<Key> = wanted.iter().flatten().map(|(key, _)| key.clone()).collect();
        let found = read(&self.table, &keys).await?;
        let tally = |samples: Vec<(Key, u64)>| {
            let mut tally = Tally::default();
            for (key, weight) in samples {
                tally.count(&sample(&key, found.get(&key)), weight);
            }
            tally
        };
        Ok(wanted.into_iter().map(tally).collect())
    }

    /// What these viewers looked at, the last first.
    pub async fn views(&self, viewers: &[Viewer]) -> Result<Vec<(ProductId, Timestamp)>, DataError> {
        let keys: Vec<Key> = viewers.iter().cloned().map(Key::Views).collect();
        let mut all = Views::new();
        for item in read(&self.table, &keys).await?.values() {
            views::merge(&mut all, seen(Some(item)));
        }
        Ok(views::newest(&all))
    }
}

/// What is new for the table: things by sample and lot, and views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    things: BTreeMap<Key, BTreeMap<Lot, String>>,
    views: BTreeMap<Viewer, Views>,
}

impl News {
    /// A thing for a sample.
    pub fn thing(&mut self, key: Key, lot: Lot, thing: String) {
        self.things.entry(key).or_default().insert(lot, thing);
    }

    /// Somebody looked at products.
    pub fn view(&mut self, viewer: Viewer, products: impl IntoIterator<Item = (ProductId, Timestamp)>) {
        views::merge(self.views.entry(viewer).or_default(), products);
    }
}

/// One update of one item.
struct Update {
    key: Key,
    expires: i64,
    set: Vec<(String, AttributeValue)>,
    remove: Vec<String>,
}

impl Update {
    fn of_sample(key: Key, change: Change) -> Self {
        let expires = match &key {
            Key::Baskets(_, period) => BASKETS.expires(*period),
            Key::Sales(_, period) => SALES.expires(*period),
            Key::Views(_) => 0,
        };
        let set = change.add.into_iter().map(|(lot, thing)| (lot.name(), s(thing))).collect();
        Self { key, expires, set, remove: change.drop.into_iter().map(Lot::name).collect() }
    }

    fn of_views(key: Key, (set, gone): (Views, Vec<ProductId>), now: Timestamp) -> Self {
        let set = set.into_iter().map(|(product, at)| (product.to_string(), n(at.millis()))).collect();
        let remove = gone.iter().map(ToString::to_string).collect();
        Self { key, expires: now.seconds() + VIEWS_LIFE, set, remove }
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

impl KeepRecommendations {
    /// Keeps what is new. Gives how many items were written. When it fails some may have been, and all of it may come again.
    pub async fn keep(&self, news: News, now: Timestamp) -> Result<usize, DataError> {
        let viewers = news.views.keys().cloned().map(Key::Views);
        let keys: Vec<Key> = news.things.keys().cloned().chain(viewers).collect();
        let stored = read(&self.table, &keys).await?;
        let samples = news.things.into_iter().map(|(key, things)| {
            let change = sample(&key, stored.get(&key)).with(&things);
            Update::of_sample(key, change)
        });
        let views = news.views.into_iter().map(|(viewer, new)| {
            let key = Key::Views(viewer);
            let change = views::change(&seen(stored.get(&key)), &new);
            Update::of_views(key, change, now)
        });
        let mut written = 0;
        for update in samples.chain(views).filter(|update| !update.is_empty()) {
            self.write(update).await?;
            written += 1;
        }
        Ok(written)
    }

    /// Without a condition: what it sets and removes is right whatever stands there by now.
    async fn write(&self, update: Update) -> Result<(), DataError> {
        let (pk, sk) = update.key.text();
        let removed = update.remove.into_iter().map(|name| (name, None));
        let all: Vec<(String, Option<AttributeValue>)> =
            update.set.into_iter().map(|(name, value)| (name, Some(value))).chain(removed).collect();
        for chunk in all.chunks(NAMES_AT_ONCE) {
            let (mut set, mut remove) = (vec!["#e=:e".to_owned()], Vec::new());
            let mut request = self.table.client().update_item().table_name(self.table.name());
            for (at, (name, value)) in chunk.iter().enumerate() {
                request = request.expression_attribute_names(format!("#{at}"), name);
                match value {
                    Some(value) => {
                        request = request.expression_attribute_values(format!(":{at}"), value.clone());
                        set.push(format!("#{at}=:{at}"));
                    }
                    None => remove.push(format!("#{at}")),
                }
            }
            let mut expression = format!("SET {}", set.join(","));
            if !remove.is_empty() {
                expression = format!("{expression} REMOVE {}", remove.join(","));
            }
            request
                .set_key(Some(self.table.key2(&pk, &sk)))
                .update_expression(expression)
                .expression_attribute_names("#e", EXPIRES)
                .expression_attribute_values(":e", n(update.expires))
                .send()
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_a_category_begin_with_itself() {
        let path = CategoryPath::parse("coffee-tea/tea/green").unwrap();
        assert_eq!(levels(&path).collect::<Vec<_>>(), ["coffee-tea/tea/green", "coffee-tea/tea", "coffee-tea", ROOT]);
    }
}
