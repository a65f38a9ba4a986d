//! The HTTP server of this crate. It accepts connections within the limits, and serves them until the server is
//! stopped.

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

use crate::connections::{ConnectionSlot, Connections};

/// A listener and the options for serving it.
pub(crate) struct HttpServer {
    pub(crate) listener: TcpListener,
    /// The limits on connections.
    pub(crate) connections: Arc<Connections>,
    pub(crate) http: http1::Builder,
    /// Once this is cancelled, the server accepts no more connections. Open connections can still send requests.
    pub(crate) stop_accepting: CancellationToken,
    /// Once this is cancelled, each open connection closes after the request that it is serving.
    pub(crate) drain: CancellationToken,
}

impl HttpServer {
    /// Creates a server for `listener` that runs until `stop` is cancelled and then drains, with the default limits
    /// on connections. A client may take `head_timeout` to send the head of a request, and a connection may be
    /// idle for the same time between two requests.
    pub(crate) fn new(listener: TcpListener, head_timeout: Duration, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
        Self { listener, connections: Connections::new(), http, drain: stop.clone(), stop_accepting: stop }
    }

    /// Serves until the server is stopped and every connection has ended. Dropping the future closes the
    /// remaining connections.
    pub(crate) async fn serve<H, A, B>(self, handle: H)
    where
        H: Fn(Request<Incoming>, Arc<ConnectionSlot>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<B>> + Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Self { listener, connections, http, stop_accepting, drain } = self;
        let mut open_connections = JoinSet::new();
        while let Some((stream, slot)) = connections.accept(&listener, &stop_accepting).await {
            // Remove the tasks of connections that have ended.
            while open_connections.try_join_next().is_some() {}
            // Without TCP_NODELAY, a small response may be delayed by 40 ms.
            drop(stream.set_nodelay(true));
            let (http, handle, drain) = (http.clone(), handle.clone(), drain.clone());
            open_connections.spawn(async move {
                let (slot, head_received) = (Arc::new(slot), CancellationToken::new());
                let service = service_fn(|request| {
                    head_received.cancel();
                    slot.record_head();
                    handle(request, Arc::clone(&slot)).map(Ok::<_, Infallible>)
                });
                let connection = http.serve_connection(TokioIo::new(stream), service);
                slot.serve(connection, &head_received, &drain).await;
            });
        }
        drop(listener);
        while open_connections.join_next().await.is_some() {}
    }
}
