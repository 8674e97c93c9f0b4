//! Products, their categories and lists.
