//! Tests of the test support: emulators start, respond and stop; the proxy records, drops and delays calls.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions with #[test] as such")]

mod emulators;
mod http;
mod proxy;
