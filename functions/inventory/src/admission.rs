//! Announced sales: who may buy when. Pure.
//!
//! Hopefuls get places, in blocks that a sandbox takes with one write, so that five million of them cost thousands of
//! writes. A place is served at its own time, `opens_at + place / per_second`: no queue is kept and nothing is written to
//! let somebody in. What a shopper carries is signed, names the item and the cart, and is good for one order.

use std::time::Duration;

use kernel::cursor::SigningKey;
use kernel::limits::ADMISSION_LIFE;
use kernel::{CartId, Sku, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an announced sale of an item runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropMode {
    /// When the first place is served; places are given out before.
    pub opens_at: Timestamp,
    /// How many places are served in a second: what the stock's shards can take.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_second: u32,
    /// It is over: everybody is told so, by the CDN too, and nobody is let in.
    #[serde(default)]
    pub gone: bool,
}

/// What a shopper carries. It is signed, so it says the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The item.
    #[serde(rename = "s")]
    pub sku: Sku,
    /// The cart that may buy it.
    #[serde(rename = "c")]
    pub cart: CartId,
    /// The place, from 0.
    #[serde(rename = "p")]
    pub place: u64,
    /// From when it lets in, in milliseconds since the epoch.
    #[serde(rename = "f")]
    pub from: i64,
}

/// What a ticket is worth at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Its bearer may buy. The id is what makes it good for one order only.
    Open(String),
    /// Its time has not come.
    Early(Ticket),
    /// Its time is over.
    Late,
    /// It is none of ours, or another item's or cart's.
    Forged,
}

const SCOPE: &str = "admission";

impl DropMode {
    /// The ticket of a place.
    #[must_use]
    pub fn ticket(&self, sku: &Sku, cart: &CartId, place: u64) -> Ticket {
        let wait = place.saturating_mul(1000) / u64::from(self.per_second.max(1));
        let from = self.opens_at.after(Duration::from_millis(wait)).millis();
        Ticket { sku: sku.clone(), cart: cart.clone(), place, from }
    }
}

impl Ticket {
    /// When it lets in.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        Timestamp::from_millis(self.from)
    }

    /// When it is worth nothing any more.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.from().after(ADMISSION_LIFE)
    }

    /// Its signed form.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        key.cursor(SCOPE, self)
    }

    fn id(&self) -> String {
        kernel::id::fingerprint(&[self.sku.as_str().as_bytes(), &self.place.to_be_bytes(), &self.from.to_be_bytes()])
    }
}

/// What a signed text lets the holder of a cart buy, now.
#[must_use]
pub fn enter(key: &SigningKey, text: &str, sku: &Sku, cart: &CartId, now: Timestamp) -> Entry {
    match key.position::<Ticket>(SCOPE, text) {
        Some(ticket) if ticket.sku != *sku || ticket.cart != *cart => Entry::Forged,
        Some(ticket) if now < ticket.from() => Entry::Early(ticket),
        Some(ticket) if now >= ticket.until() => Entry::Late,
        Some(ticket) => Entry::Open(ticket.id()),
        None => Entry::Forged,
    }
}

/// The item that a signed text is for, when we signed it.
#[must_use]
pub fn item_of(key: &SigningKey, text: &str) -> Option<Sku> {
    key.position::<Ticket>(SCOPE, text).map(|ticket| ticket.sku)
}

/// Places that a sandbox has taken and not yet given out. A sandbox that is asked often takes more at once; those that a
/// sandbox takes with it when it ends stay empty, and cost the time to serve them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    next: u64,
    end: u64,
    size: u64,
    taken_at: i64,
}

impl Block {
    /// The most places taken at once.
    const MOST: u64 = 256;
    /// Who uses up a block within this time takes twice as many next.
    const BUSY: i64 = 1000;

    /// The next place, when one is left.
    pub fn pop(&mut self) -> Option<u64> {
        let place = self.next;
        (place < self.end).then(|| {
            self.next += 1;
            place
        })
    }

    /// How many places to take now.
    #[must_use]
    pub fn wanted(&self, now: Timestamp) -> u64 {
        let busy = self.size > 0 && now.millis() - self.taken_at < Self::BUSY;
        if busy { (self.size * 2).min(Self::MOST) } else { (self.size / 2).max(1) }
    }

    /// Places up to `end` were taken.
    pub fn fill(&mut self, end: u64, size: u64, now: Timestamp) {
        *self = Self { next: end.saturating_sub(size), end, size, taken_at: now.millis() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS: Timestamp = Timestamp::from_millis(1_000_000);

    fn drop_mode() -> DropMode {
        DropMode { opens_at: OPENS, per_second: 10, gone: false }
    }

    fn sku() -> Sku {
        Sku::parse("SHOE").unwrap()
    }

    #[test]
    fn a_ticket_lets_its_cart_in_from_its_time_and_for_a_while() {
        let (key, cart) = (SigningKey::new(vec![1; 32]), CartId::new([1; 16]));
        let ticket = drop_mode().ticket(&sku(), &cart, 25);
        let text = ticket.sign(&key);
        assert_eq!(ticket.from(), OPENS.after(Duration::from_millis(2500)));
        assert_eq!(enter(&key, &text, &sku(), &cart, OPENS), Entry::Early(ticket.clone()));
        assert!(matches!(enter(&key, &text, &sku(), &cart, ticket.from()), Entry::Open(_)));
        assert_eq!(enter(&key, &text, &sku(), &cart, ticket.until()), Entry::Late);
    }

    #[test]
    fn a_ticket_of_another_cart_item_or_key_is_forged() {
        let (key, cart) = (SigningKey::new(vec![1; 32]), CartId::new([1; 16]));
        let ticket = drop_mode().ticket(&sku(), &cart, 0);
        let text = ticket.sign(&key);
        let enters = |key: &SigningKey, text: &str, sku: &str, cart: &CartId| {
            enter(key, text, &Sku::parse(sku).unwrap(), cart, ticket.from())
        };
        assert_eq!(enters(&key, &text, "SHOE", &CartId::new([2; 16])), Entry::Forged);
        assert_eq!(enters(&key, &text, "BOOT", &cart), Entry::Forged);
        assert_eq!(enters(&SigningKey::new(vec![2; 32]), &text, "SHOE", &cart), Entry::Forged);
        assert_eq!(enters(&key, "nonsense", "SHOE", &cart), Entry::Forged);
        assert_eq!(item_of(&key, &text), Some(sku()));
    }

    #[test]
    fn places_are_given_out_once_each_and_a_busy_sandbox_takes_more_at_once() {
        let (mut block, mut end, mut writes, mut seen) = (Block::default(), 0, 0, Vec::new());
        for _ in 0..5_000 {
            if let Some(place) = block.pop() {
                seen.push(place);
                continue;
            }
            let size = block.wanted(OPENS);
            end += size;
            writes += 1;
            block.fill(end, size, OPENS);
            seen.extend(block.pop());
        }
        assert_eq!(seen, (0..5_000).collect::<Vec<_>>());
        assert!(writes < 30, "{writes} writes for 5,000 places");
        assert_eq!(block.wanted(OPENS.after(Duration::from_secs(5))), 128, "and fewer when it is quiet");
    }
}
