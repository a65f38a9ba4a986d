//! The program's edge to AWS: how it gets there, who it is there, and what it may do there.

pub(crate) mod connector;
pub(crate) mod credentials;
pub(crate) mod http;
mod insecure;
pub(crate) mod session;
