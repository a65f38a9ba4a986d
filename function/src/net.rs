//! A blocking HTTP/1.1 client for the Runtime API and AWS services: one connection, kept alive, and one write
//! per request. Reports exactly whether a failed request may have been carried out. Knows nothing of the
//! requests' contents.

mod connection;
mod endpoint;
mod peer;
mod tls;

pub use connection::{ExchangeError, PeerConnection, PeerResponse};
pub use endpoint::Endpoint;
pub use peer::Peer;
pub use tls::Tls;
