//! Tests of the daemon as a separate process: starts and stops, SIGKILLs, damaged state, and requests of
//! untrusted programs.

#![expect(clippy::unwrap_used, reason = "a failed step must fail the test")]

mod harness;

mod bus;
mod cloudfront;
mod crash;
mod driver;
mod ingest;
mod lifecycle;
mod mappings;
mod missing_files;
mod queues;
mod resources;
mod tables;
mod untrusted_callers;
