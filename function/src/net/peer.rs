//! A peer, and the connection to it that is kept between exchanges.

use std::io;
use std::time::Duration;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::tls::Tls;
use crate::moment::Moment;

/// Well below a minute, after which AWS's servers begin to close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// A peer. Nothing is connected to before the first exchange.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub endpoint: Endpoint,
    tls: Tls,
    clock: fn() -> Moment,
    /// The kept connection, with the time of its last use by the wall clock: the monotonic one may stand still while the
    /// environment is frozen.
    idle: Option<(Connection, Moment)>,
}

impl Peer {
    /// A peer at `endpoint`. `tls` is used if the endpoint is.
    pub fn new(endpoint: Endpoint, tls: Tls, clock: fn() -> Moment) -> Self {
        Self { endpoint, tls, clock, idle: None }
    }

    /// The time by the wall clock.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Connects within `limit` ahead of the first exchange where that is costly, which is where there is TLS.
    pub fn warm(&mut self, limit: Duration) -> io::Result<()> {
        if self.endpoint.tls && self.idle.is_none() {
            let connection = Connection::open(&self.endpoint, &mut self.tls, limit)?;
            self.keep(connection, self.now());
        }
        Ok(())
    }

    /// Takes the kept connection if it is good, else a new one that is made within `limit`; and the time.
    pub fn take(&mut self, limit: Duration) -> io::Result<(Connection, Moment)> {
        let now = self.now();
        if let Some((mut connection, used)) = self.idle.take() {
            let idle = connection.idle().max(now.since(used));
            if idle < IDLE_LIMIT && connection.is_usable() {
                return Ok((connection, now));
            }
        }
        Ok((Connection::open(&self.endpoint, &mut self.tls, limit)?, now))
    }

    /// Keeps a connection that was taken at `now` for the next exchange.
    pub fn keep(&mut self, connection: Connection, now: Moment) {
        self.idle = Some((connection, now));
    }
}
