//! The HTTP front of the tables: what any AWS SDK speaks, for programs on this machine and for no web page.
//!
//! A browser can be made to send requests to loopback by any page that it shows, so whatever a browser sends is refused:
//! a request with an Origin, and one whose Host is a name that is not loopback's (DNS rebinding).

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use dynoxide::auth_material::{AuthMaterial, validate};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Tables, dispatch, expiry};
use crate::clock::{hex, random};
use crate::host::is_loopback;

/// DynamoDB's own limit of a request.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long requests in flight may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);
const JSON: &str = "application/x-amz-json-1.0";
const TARGET: &str = "DynamoDB_20120810.";

/// The running front.
pub(crate) struct Front {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Serves the tables on a listener that does not block, and deletes from them what has expired.
    pub(crate) fn start(listener: TcpListener, tables: Tables) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let sweeps = expiry::sweeps(tables.clone(), stop.clone());
        let accept = accept(listener, tables, stop.clone());
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

async fn accept(listener: tokio::net::TcpListener, tables: Tables, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are small and single; waiting to fill a packet only delays them.
                    drop(stream.set_nodelay(true));
                    connections.spawn(serve(stream, tables.clone(), stop.clone()));
                }
                // Out of file descriptors: those in use come back.
                Err(_) => crate::clock::pause(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: tokio::net::TcpStream, tables: Tables, stop: CancellationToken) {
    let service = service_fn(|request| {
        let tables = tables.clone();
        async move { Ok::<_, Infallible>(handle(&tables, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

async fn handle(tables: &Tables, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if head.headers.contains_key(ORIGIN) || !text(HOST).is_some_and(is_loopback) {
        return error(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "the local tables answer programs, not web pages",
        );
    }
    if head.method == Method::GET {
        return respond(StatusCode::OK, "text/plain", "healthy: dynamodb on this machine\n".into());
    }
    let kind = text(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if head.method != Method::POST || !(kind == JSON || kind == "application/json") {
        return respond(StatusCode::NOT_FOUND, "text/xml", "<UnknownOperationException/>\n".into());
    }
    let operation = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some(operation) = operation.and_then(|target| target.strip_prefix(TARGET)) else {
        return unknown();
    };
    if let Some(refusal) = unsigned(&head.headers, head.uri.query().unwrap_or_default()) {
        return respond(StatusCode::BAD_REQUEST, JSON, refusal);
    }
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "a request has at most 16 MB",
        );
    };
    match dispatch::run(&tables.db, operation, &body.to_bytes()) {
        Some((status, body)) => {
            respond(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), JSON, body)
        }
        None => unknown(),
    }
}

/// What DynamoDB says to a request that is not signed. Signatures themselves are not checked: there is no secret here.
fn unsigned(headers: &HeaderMap, query: &str) -> Option<String> {
    validate(AuthMaterial {
        authorization: headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query,
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(DATE),
    })
}

fn unknown() -> Response<Full<Bytes>> {
    let body = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
    respond(StatusCode::BAD_REQUEST, JSON, body.to_owned())
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let kind = format!("com.amazon.coral.service#{kind}");
    respond(status, JSON, serde_json::json!({ "__type": kind, "message": message }).to_string())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let builder = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        // SDKs that know this header check it.
        .header("x-amz-crc32", crc32(body.as_bytes()))
        .header("x-amzn-requestid", request_id());
    builder.body(Full::from(body)).unwrap_or_default()
}

/// An id in the form of DynamoDB's: 52 upper-case characters; unique within a machine's memory of it.
fn request_id() -> String {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static PREFIX: LazyLock<String> =
        LazyLock::new(|| hex(&random::<18>().unwrap_or_default()).to_ascii_uppercase());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}{:016X}", *PREFIX, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        TABLE[index as usize] ^ (crc >> 8)
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value: u32 = byte;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[byte as usize] = value;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn ids_look_like_dynamodbs() {
        let id = request_id();
        assert_eq!(id.len(), 52);
        assert_ne!(id, request_id());
        assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    }
}
