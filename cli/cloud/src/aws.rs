//! Access to AWS: configuration, credentials, HTTP, and an account as a [`Cloud`](crate::Cloud).

pub(crate) mod account;
pub(crate) mod connector;
pub(crate) mod credentials;
mod insecure;
mod invoke;
mod logs;
mod services;
pub(crate) mod session;
pub(crate) mod web;
