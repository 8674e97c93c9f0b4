//! The pure part of Oxcart: values, rules and protocol steps that need no network, clock, randomness or runtime.
//!
//! It owns the vocabulary every other crate speaks: [`Money`], typed ids, the bounded [`counter`], signed [`cursor`]s,
//! RFC 9457 [`problem`]s, [`limits`] and [`shape`] (parsing a body and its JSON Schema from one type).
//! It must never do I/O, read a clock, or reckon with a float.

pub mod audit;
pub mod card;
pub mod counter;
pub mod cursor;
mod decimal;
pub mod id;
pub mod limits;
pub mod money;
pub mod problem;
pub mod shape;
pub mod text;
pub mod time;

pub use decimal::Decimal;
pub use id::{
    AddressId, CartId, EventId, ExportId, GiftCardId, ImportId, IntentId, OrderId, ProductId, RefundId, ReservationId,
    ReviewId, TransferId, UserId,
};
pub use money::{Currency, Money};
pub use problem::{Code, FieldError, Problem};
pub use text::{CategoryPath, Country, CouponCode, Email, Handle, Sku, Slug};
pub use time::Timestamp;
