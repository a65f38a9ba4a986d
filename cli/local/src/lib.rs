//! The cloud on this machine: a daemon that stores the specs of an app and brings them to life.
//!
//! It serves, on loopback only: a control port (guarded by a token) that the local driver writes specs to; the DynamoDB
//! API over a file; the Lambda Runtime API for the processes of a function; and one HTTP API gateway an API. Everything
//! that it acknowledged survives a SIGKILL.

mod clock;
pub mod logs;
