//! A blocking HTTP/1.1 client for the Runtime API and AWS services, with one connection that is kept alive and
//! one write per request. For each failed request, it reports whether the peer may have carried it out. It must
//! not know the contents of requests.

mod connection;
mod endpoint;
mod peer;
mod tls;

pub use connection::{ExchangeError, PeerConnection, PeerResponse};
pub use endpoint::Endpoint;
pub use peer::Peer;
pub use tls::Tls;
