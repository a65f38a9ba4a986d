//! The hit counter. The domain (paths, rules, hits, answers) is pure: no clock, no environment, no socket, no
//! dependency, so that the deployer explains a decision with the very code that takes it. The feature `shapes` adds the
//! reading of events and messages, pure as well, with serde; `runtime` adds what the Lambda function needs to do it for real.

pub mod badge;
pub mod bots;
mod encoding;
pub mod failure;
pub mod hit;
pub mod http;
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
pub mod sent;
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
pub mod logs;
#[cfg(feature = "runtime")]
pub mod net;
#[cfg(feature = "runtime")]
pub mod routes;
#[cfg(feature = "runtime")]
pub mod serve;
#[cfg(feature = "runtime")]
pub mod settings;
#[cfg(feature = "runtime")]
pub mod setup;
#[cfg(feature = "runtime")]
pub mod sigv4;
