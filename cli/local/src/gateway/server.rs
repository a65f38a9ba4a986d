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
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Front, handle};
use crate::clock;

/// The first port that is tried.
pub const FIRST_PORT: u16 = 4487;
/// How many ports are tried.
const PORTS: u16 = 512;
/// How many clients may be connected at once; more wait to be accepted. Below the usual limit of 1,024 open files.
const CONNECTIONS: usize = 512;
/// How long a client may take to send the head of a request, and a connection may be idle between two.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// The largest head that is read at all; what is above the gateway's own limit and below this gets a worded answer.
const HEAD_BUFFER: usize = 64 * 1024;
/// How long open requests may take when the API goes away.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted, for want of files for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                // Never closed, so never an error.
                let slot = Arc::clone(&slots).acquire_owned().await.ok();
                listener.accept().await.map(|(stream, peer)| (stream, peer, slot))
            } => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let (front, stop) = (Arc::clone(&front), stop.clone());
                connections.spawn(async move {
                    converse(stream, peer, front, stop).await;
                    drop(slot);
                });
            }
            Err(_) => clock::pause(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    // Whoever is not done then is cut off.
    drop(tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await);
}

async fn converse(stream: TcpStream, peer: SocketAddr, front: Arc<Front>, stop: CancellationToken) {
    // Without it a small answer may wait for 40 ms. It cannot fail on a live socket.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(handle::handle(request, &front, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BUFFER)
        .max_headers(512)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A client that breaks its connection has had its answer, or does not want it.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}
