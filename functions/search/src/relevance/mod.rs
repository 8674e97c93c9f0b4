//! What a query means, learned from the catalogue: kinds of things, accessories, brands, words that mean the same. Pure.
