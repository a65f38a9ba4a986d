//! The listening side: connections, their number and their patience.

use std::sync::Arc;
use std::time::Duration;

use hitctl_engine::Fault;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::front::Front;
use super::handle;
use crate::clock::pause;
use crate::connections::Place;
use crate::server::Server;

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
    Err(Fault { cause: last.map(hitctl_engine::Cause::new), ..fault })
}

/// Serves until `stop`; then lets open requests finish, for a while.
pub(super) async fn serve(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let mut server = Server::new(listener, HEAD_LIMIT, stop.clone());
    server.http.max_buf_size(HEAD_BUFFER).max_headers(512);
    let handle = move |request, place: Arc<Place>| {
        let front = Arc::clone(&front);
        async move { handle::handle(request, &front, &place).await }
    };
    // Whoever is not done then is cut off.
    let grace = async {
        stop.cancelled().await;
        pause(GRACE).await;
    };
    tokio::select! {
        () = server.serve(handle) => {}
        () = grace => {}
    }
}
