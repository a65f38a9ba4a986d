//! A server that the function calls, such as an AWS service. Keeps one connection open between requests.

use std::io;
use std::time::Duration;

use super::connection::PeerConnection;
use super::endpoint::Endpoint;
use super::tls::Tls;
use crate::moment::Moment;

/// The idle time after which a connection is not reused. It is well below a minute, after which AWS's servers
/// begin to close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// A server that the function calls. The first request opens the connection, unless [`Peer::warm_up`] did.
#[derive(Debug)]
pub struct Peer {
    /// The address of the peer.
    pub endpoint: Endpoint,
    tls: Tls,
    clock: fn() -> Moment,
    /// The idle connection and the wall clock time of its last use. The monotonic clock does not suffice,
    /// because it may stop while Lambda freezes the execution environment.
    idle_connection: Option<(PeerConnection, Moment)>,
}

impl Peer {
    /// Creates a peer at `endpoint`. `tls` is used if the endpoint requires it.
    pub fn new(endpoint: Endpoint, tls: Tls, clock: fn() -> Moment) -> Self {
        Self { endpoint, tls, clock, idle_connection: None }
    }

    /// Returns the current wall clock time.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Connects within `limit` before the first exchange if the endpoint uses TLS, because the TLS handshake is
    /// slow.
    pub fn warm_up(&mut self, limit: Duration) -> io::Result<()> {
        if self.endpoint.tls && self.idle_connection.is_none() {
            let connection = PeerConnection::open(&self.endpoint, &mut self.tls, limit)?;
            self.keep_connection(connection, self.now());
        }
        Ok(())
    }

    /// Returns the idle connection if it is usable, or else a new one, opened within `limit`. Also returns the
    /// current time.
    pub fn take_connection(&mut self, limit: Duration) -> io::Result<(PeerConnection, Moment)> {
        let now = self.now();
        if let Some((mut connection, last_used)) = self.idle_connection.take() {
            let idle_time = connection.idle_time().max(now.since(last_used));
            if idle_time < IDLE_LIMIT && connection.is_usable() {
                return Ok((connection, now));
            }
        }
        Ok((PeerConnection::open(&self.endpoint, &mut self.tls, limit)?, now))
    }

    /// Keeps a connection open for the next request. `now` is the time of its last use.
    pub fn keep_connection(&mut self, connection: PeerConnection, now: Moment) {
        self.idle_connection = Some((connection, now));
    }
}
