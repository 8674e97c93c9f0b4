//! Orders: the decision record and its readers.
