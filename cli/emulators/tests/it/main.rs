//! Tests of the test support: emulators start, respond and stop; the proxy records, drops and delays calls.

#![expect(clippy::unwrap_used, reason = "these are tests, but clippy recognizes only functions with #[test]")]

mod emulators;
mod http;
mod proxy;
