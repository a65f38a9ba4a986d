//! Tests of functions and HTTP APIs of the local cloud, over real sockets and with real processes.

#![expect(clippy::unwrap_used, reason = "these are tests, but clippy recognizes only functions with #[test]")]

mod damaged_code;
mod gateway;
mod harness;
mod runner;
mod untrusted_callers;
