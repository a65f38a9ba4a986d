//! The one HTTP endpoint of this cloud's services: what any AWS SDK speaks, for programs on this machine and for no web page.
//!
//! A browser can be made to send requests to loopback by any page that it shows, so whatever a browser sends is refused:
//! a request with an Origin, and one whose Host is a name that is not loopback's (DNS rebinding). Who answers is read off
//! the request: the prefix of its `X-Amz-Target`, or of its path ([`Services`]). It knows no service's operations.

mod services;
mod unknown;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::server::Server;

pub(crate) use services::{Call, Service, Services};

/// How long requests in flight may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a client may take to send the head of a request, and a connection may be idle between two: longer than SDKs
/// keep one.
const HEAD_LIMIT: Duration = Duration::from_mins(2);
/// The largest head of a request, in bytes.
const HEAD_BUFFER: usize = 64 * 1024;

/// The running front.
pub(crate) struct Front {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Serves on a listener that does not block, and deletes from the tables what has expired.
    pub(crate) fn start(listener: TcpListener, services: Services) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let sweeps = services.tables.clone().sweeps(stop.clone());
        let mut server = Server::new(listener, HEAD_LIMIT, stop.clone());
        server.http.max_buf_size(HEAD_BUFFER);
        let services = Arc::new(services);
        let accept = server.serve(move |request, place| {
            let services = Arc::clone(&services);
            async move { services.answer(request, &place).await.into_response() }
        });
        let task = tokio::spawn(async move {
            tokio::join!(sweeps, accept);
        });
        Ok(Self { stop, task })
    }

    /// Takes no more requests, and waits for nothing.
    pub(crate) fn quit(&self) {
        self.stop.cancel();
    }

    /// Takes no more requests, lets those in flight end, and returns within two seconds.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        drop(tokio::time::timeout(DRAIN, self.task).await);
    }
}
