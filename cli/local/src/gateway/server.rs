//! Listens for requests to an API, and limits its connections.

use std::sync::Arc;
use std::time::Duration;

use hitctl_engine::Fault;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::api_state::ApiState;
use super::handle;
use crate::clock::sleep;
use crate::connections::ConnectionSlot;
use crate::server::HttpServer;

/// The first port to try.
pub const FIRST_PORT: u16 = 4487;
/// The number of ports to try.
const PORT_COUNT: u16 = 512;
/// The time in which a client must send the head of a request, and the time that a connection may be idle
/// between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head that is read, in bytes. It is above API Gateway's limit, so that a head over that limit gets
/// API Gateway's error response.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The time that open requests may take when the API is removed.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Listens on loopback: on `wanted` if it is free, or else on the first free port from 4487 upwards.
pub(super) async fn listen(wanted: Option<u16>) -> Result<(TcpListener, u16), Fault> {
    let mut last_error = None;
    for port in wanted.into_iter().chain(FIRST_PORT..FIRST_PORT + PORT_COUNT) {
        match TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await.and_then(|listener| {
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        }) {
            Ok(bound) => return Ok(bound),
            Err(error) => last_error = Some(error),
        }
    }
    let fault = Fault::fatal(
        "no_port",
        format!(
            "failed to listen on a port from {FIRST_PORT} to {} on 127.0.0.1",
            FIRST_PORT + PORT_COUNT - 1
        ),
    )
    .hinted("stop a program that uses one of these ports, then deploy again");
    Err(Fault { cause: last_error.map(hitctl_engine::FaultCause::new), ..fault })
}

/// Serves until `stop` is cancelled. Then lets open requests finish, for a limited time.
pub(super) async fn serve(listener: TcpListener, api: Arc<ApiState>, stop: CancellationToken) {
    let mut server = HttpServer::new(listener, HEAD_TIMEOUT, stop.clone());
    server.http.max_buf_size(MAX_HEAD_BYTES).max_headers(512);
    let handle = move |request, slot: Arc<ConnectionSlot>| {
        let api = Arc::clone(&api);
        async move { handle::handle(request, &api, &slot).await }
    };
    // Requests that are still open after the grace period are aborted.
    let grace = async {
        stop.cancelled().await;
        sleep(SHUTDOWN_GRACE_PERIOD).await;
    };
    tokio::select! {
        () = server.serve(handle) => {}
        () = grace => {}
    }
}
