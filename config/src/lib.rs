//! What the user writes, and what the deployer and the function agree on.
//!
//! [`load`] turns the text of `hitctl.toml` into the [`App`] of one env, or into every problem that it has, each with its
//! place and what was probably meant. The keys are declared once, in `schema.rs`; everything else follows from there.
//! Without the feature `load` only [`contract`], [`partitions`] and [`is_unsafe_to_show`] are left, which need no library.

pub mod contract;
mod display;
pub mod partitions;

#[cfg(feature = "load")]
mod arn;
#[cfg(feature = "load")]
mod check;
#[cfg(feature = "load")]
mod environment;
#[cfg(feature = "load")]
pub mod event_pattern;
#[cfg(feature = "load")]
mod json_schema;
#[cfg(feature = "load")]
mod keys;
#[cfg(feature = "load")]
pub mod limits;
#[cfg(feature = "load")]
mod load;
#[cfg(feature = "load")]
mod local_environment;
#[cfg(feature = "load")]
pub mod names;
#[cfg(feature = "load")]
mod pattern;
#[cfg(feature = "load")]
mod problem;
#[cfg(feature = "load")]
pub mod project;
#[cfg(feature = "load")]
mod resolve;
#[cfg(feature = "load")]
mod rules;
#[cfg(feature = "load")]
mod schema;
#[cfg(feature = "load")]
mod secrets;
#[cfg(feature = "load")]
mod shape;
#[cfg(feature = "load")]
mod show;
#[cfg(feature = "load")]
mod starter;
#[cfg(feature = "load")]
mod suggest;
#[cfg(feature = "load")]
mod template;
#[cfg(feature = "load")]
mod variables;
#[cfg(feature = "load")]
mod walk;
#[cfg(feature = "load")]
mod words;

pub use display::is_unsafe_to_show;
#[cfg(feature = "load")]
pub use {
    arn::Location,
    environment::FingerprintKey,
    json_schema::json_schema,
    load::{Choice, Env, FILE_NAME, LOCAL, Loaded, MAX_FILE_BYTES, Overrides, TEST, load, read},
    local_environment::{LocalVariableError, check_local_variable, is_loopback},
    problem::{At, Errors, Lint, Problem},
    resolve::Origin,
    schema::{App, CloudFront, Counter, Events, Function, Http, Queue, Table},
    shape::check_invalidation_path,
    starter::Starter,
    template::template,
    variables::{BUILD_ID_CHARS, function_variables, reader_variables},
    words::{Arch, Bots, Expose, Gpc, Ingest, LogLevel, Paths, Target, Visitors},
};
