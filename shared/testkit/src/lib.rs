//! Black-box suite, demo race, HTTP client for both.
