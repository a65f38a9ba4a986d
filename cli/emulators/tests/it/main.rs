//! The harness itself: emulators start, answer and end; the wire sees, cuts and delays.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions with #[test] as such")]

mod emulators;
mod http;
mod wire;
