//! The cloud on this machine: a daemon that stores the specs of an app and brings them to life.
//!
//! It serves, on loopback only: a control port (guarded by a token) that the local driver writes specs to; the DynamoDB
//! API over a file; the Lambda Runtime API for the processes of a function; and one HTTP API gateway an API. Everything
//! that it acknowledged survives a SIGKILL.

mod answer;
mod blocking;
mod body;
mod bus;
pub mod client;
mod clock;
mod cloud;
mod cloudfront;
mod code;
pub mod codes;
mod connections;
mod constants;
mod control;
pub mod daemon;
mod disk;
pub mod driver;
mod fault;
mod front;
pub mod gateway;
mod host;
mod ids;
mod inventory;
mod invocation;
mod invoke;
mod journal;
pub mod lambda;
mod lock;
pub mod logs;
mod mapping;
mod ports;
pub mod protocol;
mod queue;
mod queue_sender;
mod registry;
mod response;
pub mod scratch;
mod secret;
mod server;
mod sqlite;
pub mod state;
mod table;

pub use client::Client;
pub use constants::{ACCOUNT, REGION, place};
pub use daemon::ServeOptions;
pub use driver::{LocalDriver, Offline, deployments};
pub use state::project::Places;
