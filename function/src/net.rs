//! A blocking HTTP/1.1 client for two peers, the Runtime API and DynamoDB: one connection, kept alive, one write a
//! request, and exact about whether a request can have been carried out. Nothing here knows what is being asked.

mod connection;
mod endpoint;
mod peer;
mod tls;

pub use connection::{Connection, Lost, Response};
pub use endpoint::Endpoint;
pub use peer::Peer;
pub use tls::Tls;
