//! Functions and HTTP APIs of the local cloud, over real sockets and with real processes.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions with #[test] as such")]

mod damage;
mod gateway;
mod harness;
mod runner;
mod strangers;
