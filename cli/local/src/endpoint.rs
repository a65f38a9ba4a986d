//! The HTTP endpoint of the local AWS services, for AWS SDKs on this machine.
//!
//! Any web page can make a browser send requests to loopback, so `router` refuses requests of browsers: those with an
//! `Origin`, and those whose `Host` is not a loopback name (DNS rebinding). This module must not know the
//! operations of the services.

mod router;
mod unknown;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::server::HttpServer;

pub(crate) use router::{AwsService, ServiceRequest, ServiceRouter};

/// The time that open requests may take when the daemon stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The time in which a client must send the head of a request, and the time that a connection may be idle
/// between two requests. SDKs close idle connections earlier.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The running endpoint.
pub(crate) struct EndpointServer {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl EndpointServer {
    /// Serves on a non-blocking listener. Also deletes expired items from the tables.
    pub(crate) fn start(listener: TcpListener, services: ServiceRouter) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let sweeps = services.tables.clone().run_sweeps(stop.clone());
        let mut server = HttpServer::new(listener, HEAD_TIMEOUT, stop.clone());
        server.http.max_buf_size(MAX_HEAD_BYTES);
        let services = Arc::new(services);
        let accept = server.serve(move |request, slot| {
            let services = Arc::clone(&services);
            async move { services.handle(request, &slot).await.into_response() }
        });
        let task = tokio::spawn(async move {
            tokio::join!(sweeps, accept);
        });
        Ok(Self { stop, task })
    }

    /// Stops accepting requests and returns at once, without waiting for open requests.
    pub(crate) fn close(&self) {
        self.stop.cancel();
    }

    /// Stops accepting requests and waits up to [`DRAIN_TIMEOUT`] for open requests to finish.
    pub(crate) async fn drain(self) {
        self.stop.cancel();
        drop(tokio::time::timeout(DRAIN_TIMEOUT, self.task).await);
    }
}
