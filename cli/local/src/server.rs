//! The HTTP server of this crate: it accepts connections within their limits, and serves each until it is stopped.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connections::{Connections, Place};

/// A listener and how it is served.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    /// The limits on connections.
    pub(crate) connections: Arc<Connections>,
    pub(crate) http: http1::Builder,
    /// Once it is cancelled, no more connections are accepted.
    pub(crate) stop: CancellationToken,
    /// Once it is cancelled, the request that a connection is being answered is its last.
    pub(crate) close: CancellationToken,
}

impl Server {
    /// Serves `listener` until `stop`, with the usual limits on connections. A client may take `head_limit` to send the head of a
    /// request, and a connection may be idle for as long between two.
    pub(crate) fn new(listener: TcpListener, head_limit: Duration, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(head_limit);
        Self { listener, connections: Connections::new(), http, close: stop.clone(), stop }
    }

    /// Serves until it is stopped and every connection has ended. Dropping this cuts off what is left.
    pub(crate) async fn serve<H, A, B>(self, handle: H)
    where
        H: Fn(Request<Incoming>, Arc<Place>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<B>> + Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Self { listener, connections, http, stop, close } = self;
        let mut open = JoinSet::new();
        while let Some((stream, place)) = connections.accept(&listener, &stop).await {
            while open.try_join_next().is_some() {}
            // Without it a small answer may wait for 40 ms. It cannot fail on a live socket.
            drop(stream.set_nodelay(true));
            let (http, handle, close) = (http.clone(), handle.clone(), close.clone());
            open.spawn(async move {
                let (place, has_asked) = (Arc::new(place), CancellationToken::new());
                let service = service_fn(|request| {
                    has_asked.cancel();
                    place.heard();
                    handle(request, Arc::clone(&place)).map(Ok::<_, Infallible>)
                });
                let connection = http.serve_connection(TokioIo::new(stream), service);
                place.serve(connection, &has_asked, &close).await;
            });
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }
}
