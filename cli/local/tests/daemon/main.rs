//! The daemon as a process of its own: started, killed, doubled, damaged and asked by strangers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

mod attack;
mod bus;
mod cloudfront;
mod crash;
mod driver;
mod ingest;
mod lifecycle;
mod loss;
mod mappings;
mod queues;
mod resources;
mod tables;
