//! Coupons and gift cards: what makes an order cheaper.

pub mod coupon;

pub use coupon::{Coupon, Reduction};
