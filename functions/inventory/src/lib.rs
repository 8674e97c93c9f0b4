//! Stock that cannot be oversold.
