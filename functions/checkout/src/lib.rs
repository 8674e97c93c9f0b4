//! From a cart to a paid order.
