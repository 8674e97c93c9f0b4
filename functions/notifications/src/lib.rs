//! E-mail on events.
