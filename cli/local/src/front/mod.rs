//! The one HTTP endpoint of this cloud's services: what any AWS SDK speaks, for programs on this machine and for no web page.
//!
//! A browser can be made to send requests to loopback by any page that it shows, so whatever a browser sends is refused:
//! a request with an Origin, and one whose Host is a name that is not loopback's (DNS rebinding). Who answers is read off
//! the request: the prefix of its `X-Amz-Target`, or of its path ([`Services`]). It knows no service's operations.

mod services;
mod unknown;

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connections::{Connections, Place};

pub(crate) use services::{Call, Service, Services};

/// How long requests in flight may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a client may take to send the head of a request, and a connection may be idle between two: longer than SDKs
/// keep one.
const HEAD_LIMIT: Duration = Duration::from_mins(2);

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
        let accept = accept(listener, Arc::new(services), stop.clone());
        let task = tokio::spawn(async {
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

async fn accept(listener: tokio::net::TcpListener, services: Arc<Services>, stop: CancellationToken) {
    let places = Connections::new();
    let mut connections = JoinSet::new();
    while let Some((stream, _, place)) = places.accept(&listener, &stop).await {
        while connections.try_join_next().is_some() {}
        // Answers are small and single; waiting to fill a packet only delays them.
        drop(stream.set_nodelay(true));
        connections.spawn(serve(stream, Arc::clone(&services), place, stop.clone()));
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(
    stream: tokio::net::TcpStream,
    services: Arc<Services>,
    place: Place,
    stop: CancellationToken,
) {
    let has_asked = CancellationToken::new();
    let (services, place) = (&services, &place);
    let service = service_fn(|request| {
        has_asked.cancel();
        place.heard();
        async move { Ok::<_, Infallible>(services.handle(request, place).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    place.serve(connection, &has_asked, &stop).await;
}
