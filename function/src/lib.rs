//! The hit counter. The domain (paths, rules, hits, responses) is pure: no clock, no environment, no socket
//! and no dependencies, so that the deployer can use the same code to explain decisions. The feature
//! `shapes` adds parsers of events and messages, which are also pure but need serde. The feature `runtime` adds
//! all I/O of the Lambda function.

pub mod badge;
pub mod bots;
mod encoding;
pub mod hit;
pub mod http;
pub mod invocation_error;
pub mod json;
pub mod moment;
pub mod path;
pub mod query;
pub mod recent;
pub mod rules;
pub mod share;
pub mod store;
pub mod visitor;
pub mod widget;

#[cfg(feature = "shapes")]
mod fields;
#[cfg(feature = "shapes")]
pub mod hit_body;
#[cfg(feature = "shapes")]
pub mod trigger;

#[cfg(feature = "runtime")]
pub mod access_log;
#[cfg(feature = "runtime")]
pub mod aws;
#[cfg(feature = "runtime")]
pub mod batch;
#[cfg(feature = "runtime")]
pub mod cloudfront;
#[cfg(feature = "runtime")]
pub mod counter_config;
#[cfg(feature = "runtime")]
pub mod forward;
#[cfg(feature = "runtime")]
pub mod function;
#[cfg(feature = "runtime")]
pub mod gzip;
#[cfg(feature = "runtime")]
pub mod invalidate;
#[cfg(feature = "runtime")]
pub mod lambda;
#[cfg(feature = "runtime")]
pub mod log;
#[cfg(feature = "runtime")]
pub mod log_files;
#[cfg(feature = "runtime")]
pub mod net;
#[cfg(feature = "runtime")]
pub mod routes;
#[cfg(feature = "runtime")]
pub mod serve;
#[cfg(feature = "runtime")]
pub mod settings;
#[cfg(feature = "runtime")]
pub mod sigv4;
