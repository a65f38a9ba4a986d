//! A peer, with one connection that is kept between exchanges.

use std::io;
use std::time::Duration;

use super::connection::PeerConnection;
use super::endpoint::Endpoint;
use super::tls::Tls;
use crate::moment::Moment;

/// The idle time after which a connection is not reused. It is well below a minute, after which AWS's servers
/// begin to close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// A peer. The connection is opened for the first exchange.
#[derive(Debug)]
pub struct Peer {
    /// The address of the peer.
    pub endpoint: Endpoint,
    tls: Tls,
    clock: fn() -> Moment,
    /// The kept connection and the wall clock time of its last use. The monotonic clock does not suffice,
    /// because it may stop while the environment is frozen.
    idle: Option<(PeerConnection, Moment)>,
}

impl Peer {
    /// Creates a peer at `endpoint`. `tls` is used if the endpoint requires it.
    pub fn new(endpoint: Endpoint, tls: Tls, clock: fn() -> Moment) -> Self {
        Self { endpoint, tls, clock, idle: None }
    }

    /// Returns the current wall clock time.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Connects within `limit` before the first exchange if the endpoint uses TLS, because the TLS handshake is
    /// slow.
    pub fn warm_up(&mut self, limit: Duration) -> io::Result<()> {
        if self.endpoint.tls && self.idle.is_none() {
            let connection = PeerConnection::open(&self.endpoint, &mut self.tls, limit)?;
            self.keep_connection(connection, self.now());
        }
        Ok(())
    }

    /// Takes the kept connection if it is usable, otherwise connects within `limit`. Also returns the current
    /// time.
    pub fn take_connection(&mut self, limit: Duration) -> io::Result<(PeerConnection, Moment)> {
        let now = self.now();
        if let Some((mut connection, last_used)) = self.idle.take() {
            let idle = connection.idle().max(now.since(last_used));
            if idle < IDLE_LIMIT && connection.is_usable() {
                return Ok((connection, now));
            }
        }
        Ok((PeerConnection::open(&self.endpoint, &mut self.tls, limit)?, now))
    }

    /// Keeps a connection that was taken at `now` for the next exchange.
    pub fn keep_connection(&mut self, connection: PeerConnection, now: Moment) {
        self.idle = Some((connection, now));
    }
}
