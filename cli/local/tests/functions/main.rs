//! Functions and HTTP APIs of the local cloud, over real sockets and with real processes.

mod gateway;
mod harness;
mod runner;
