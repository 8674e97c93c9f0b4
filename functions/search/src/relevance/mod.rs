//! What a query means, learned from the catalogue: kinds of things, accessories, words that mean the same, spelling. Pure.
//!
//! A [`Lexicon`] is learned from all products, says of each what an index should know about it ([`Lexicon::signals`]), and turns
//! what a shopper wrote into what an engine is asked for ([`Lexicon::plan`]). It must never do I/O, know an engine, or hold a
//! rule for one query or one catalogue. How it works and what it is worth: `docs/relevance.md`.

mod learn;
mod lexicon;
mod phrase;
mod plan;
mod retail;
#[cfg(test)]
mod tests;

pub use learn::Learner;
pub use lexicon::{Lexicon, LexiconError};
pub use plan::{Plan, QUERY_CHARS, QUERY_WORDS, Weights};
