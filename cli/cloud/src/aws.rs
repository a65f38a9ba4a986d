//! The edge to AWS: configuration, credentials, HTTP, and an account as a cloud.

pub(crate) mod account;
pub(crate) mod connector;
mod credentials;
mod insecure;
mod invoke;
mod logs;
mod services;
pub(crate) mod session;
pub(crate) mod web;
