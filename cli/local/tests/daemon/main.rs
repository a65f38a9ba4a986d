//! Tests of the daemon as a process of its own: started, killed, started twice, damaged, and called by
//! untrusted programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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
