//! The operations of recommendations, one file each.

pub mod build_recommendations;
pub mod recommend_for_me;
pub mod recommend_for_product;
pub mod record_views;
