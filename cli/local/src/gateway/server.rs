//! The listening side: connections, their number and their patience.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hitctl_engine::Fault;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::front::Front;
use super::handle::handle;
use crate::connections::{Connections, Place};

/// The first port that is tried.
pub const FIRST_PORT: u16 = 4487;
/// How many ports are tried.
const PORTS: u16 = 512;
/// How long a client may take to send the head of a request, and a connection may be idle between two.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// The largest head that is read at all; what is above the gateway's own limit and below this gets a worded answer.
const HEAD_BUFFER: usize = 64 * 1024;
/// How long open requests may take when the API goes away.
const GRACE: Duration = Duration::from_secs(5);

/// Listens on loopback: on `wanted` when it is free, else on the first free port from 4487 upwards.
pub(super) async fn listen(wanted: Option<u16>) -> Result<(TcpListener, u16), Fault> {
    let mut last = None;
    for port in wanted.into_iter().chain(FIRST_PORT..FIRST_PORT + PORTS) {
        match TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await.and_then(|listener| {
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        }) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(error),
        }
    }
    let fault = Fault::fatal(
        "no_port",
        format!("no port from {FIRST_PORT} to {} is free on 127.0.0.1", FIRST_PORT + PORTS - 1),
    )
    .hinted("Stop what listens there, and deploy again.");
    Err(match last {
        Some(error) => fault.caused_by(error),
        None => fault,
    })
}

/// Serves until `stop`; then lets open requests finish, for a while.
pub(super) async fn serve(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let places = Connections::new();
    let mut connections = JoinSet::new();
    while let Some((stream, peer, place)) = places.accept(&listener, &stop).await {
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream, peer, Arc::clone(&front), place, stop.clone()));
    }
    drop(listener);
    // Whoever is not done then is cut off.
    drop(tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await);
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    front: Arc<Front>,
    place: Place,
    stop: CancellationToken,
) {
    // Without it a small answer may wait for 40 ms. It cannot fail on a live socket.
    drop(stream.set_nodelay(true));
    let has_asked = CancellationToken::new();
    let (front, place) = (&front, &place);
    let service = service_fn(|request| {
        has_asked.cancel();
        place.heard();
        async move { Ok::<_, Infallible>(handle(request, front, peer, place).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BUFFER)
        .max_headers(512)
        .serve_connection(TokioIo::new(stream), service);
    place.serve(connection, &has_asked, &stop).await;
}
