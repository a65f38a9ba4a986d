//! A Lambda Runtime API for one measured process: it returns events one by one and records the times. It does not run under the CPU
//! quota of the process.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hitctl_local::lambda::RuntimeApiSecret;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::request;

/// The pause before each event, so that each hit starts with the full CPU quota of a new period.
const EVENT_INTERVAL: Duration = Duration::from_millis(25);
/// The time between an event and the deadline that is sent with it, in milliseconds.
const DEADLINE_MS: u128 = 30_000;
/// Lambda's limit for the size of a response: 6 MB.
const MAX_RESPONSE_BYTES: usize = 6 * 1024 * 1024;

/// The times of the invocations of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct InvocationTimes {
    /// When the process requested its first event.
    pub(super) first_request: Option<Instant>,
    /// When each event was sent.
    pub(super) sent: Vec<Instant>,
    /// When each response arrived.
    pub(super) responded: Vec<Instant>,
    /// The reason that the function gave for ignoring a request; `None` if it counted all requests.
    pub(super) uncounted: Option<String>,
}

#[derive(Default)]
struct ApiState {
    times: InvocationTimes,
    /// The reason why the measurement failed.
    failed: Option<String>,
}

/// The Runtime API of one process.
pub(super) struct RuntimeApi {
    secret: RuntimeApiSecret,
    events: Vec<Json>,
    state: Mutex<ApiState>,
    finished: Notify,
}

impl RuntimeApi {
    /// Creates an API that sends these events to the process that connects to its address.
    pub(super) fn new(events: Vec<Json>) -> io::Result<Arc<Self>> {
        let secret = RuntimeApiSecret::new()?;
        Ok(Arc::new(Self { secret, events, state: Mutex::default(), finished: Notify::new() }))
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API` for the process.
    pub(super) fn address(&self, listener: &TcpListener) -> io::Result<String> {
        Ok(self.secret.address(listener.local_addr()?))
    }

    /// Serves the process until it has responded to every event, or has failed.
    pub(super) async fn serve(self: &Arc<Self>, listener: &TcpListener) -> Result<InvocationTimes, String> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(serve_connection(stream, Arc::clone(self)))),
                    Err(error) => return Err(format!("failed to accept a connection of the function: {error}")),
                },
                Some(_) = connections.join_next() => {}
                () = self.finished.notified() => break,
            }
        }
        self.with_state(|state| match state.failed.take() {
            Some(reason) => Err(reason),
            None => Ok(std::mem::take(&mut state.times)),
        })
    }

    fn with_state<T>(&self, f: impl FnOnce(&mut ApiState) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, reason: String) {
        self.with_state(|state| drop(state.failed.replace(reason)));
        self.finished.notify_one();
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = match self.secret.check(&request) {
            Ok(path) => path.to_owned(),
            Err(denied) => return denied.response(),
        };
        let Some(operation) = path.strip_prefix("/2018-06-01/runtime/") else {
            return response(StatusCode::NOT_FOUND, "");
        };
        if request.method() == Method::GET && operation == "invocation/next" {
            return self.next().await;
        }
        let is_response = operation.starts_with("invocation/") && operation.ends_with("/response");
        let body = match Limited::new(request.into_body(), MAX_RESPONSE_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                self.fail(format!("failed to receive the response: {error}"));
                return response(StatusCode::BAD_REQUEST, "");
            }
        };
        if is_response {
            self.record_response(&body);
        } else {
            self.fail(format!("the function failed: {}", String::from_utf8_lossy(&body)));
        }
        response(StatusCode::ACCEPTED, "")
    }

    /// Returns the next event after the pause.
    async fn next(&self) -> Response<Full<Bytes>> {
        let now = Instant::now();
        let (number, last_response) = self.with_state(|state| {
            state.times.first_request.get_or_insert(now);
            (state.times.sent.len(), state.times.responded.last().copied())
        });
        let Some(event) = self.events.get(number) else {
            // All events were processed. `Bench` ends the process.
            return std::future::pending().await;
        };
        if let Some(last_response) = last_response {
            tokio::time::sleep_until((last_response + EVENT_INTERVAL).into()).await;
        }
        let event = event.to_string();
        self.with_state(|state| state.times.sent.push(Instant::now()));
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", format!("00000000-0000-4000-8000-{number:012}"))
            .header("lambda-runtime-deadline-ms", (now_ms() + DEADLINE_MS).to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function:tune")
            .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0")
            .body(Full::from(event));
        response.unwrap_or_default()
    }

    fn record_response(&self, body: &Bytes) {
        let now = Instant::now();
        let json: Json = serde_json::from_slice(body).unwrap_or(Json::Null);
        if let Some(reason) = request::response_error(&json) {
            return self.fail(reason);
        }
        let is_last = self.with_state(|state| {
            state.times.responded.push(now);
            if state.times.uncounted.is_none() {
                state.times.uncounted = request::uncounted_reason(&json);
            }
            state.times.responded.len() == self.events.len()
        });
        if is_last {
            self.finished.notify_one();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the Runtime API sends the deadline as a time of day")]
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

async fn serve_connection(stream: TcpStream, api: Arc<RuntimeApi>) {
    // Nagle's algorithm would delay some of the small responses by 40 ms. This cannot fail on a live socket.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.handle(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    // A broken connection means that the process ended, which `Bench` detects.
    drop(connection.await);
}

fn response(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn send_request(address: &str, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = r#"{"statusCode":200}"#;
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn serve_rejects_requests_without_secret_and_serves_the_process() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let api = RuntimeApi::new(vec![serde_json::json!({ "a": 1 })]).unwrap();
        let address = api.address(&listener).unwrap();
        let served = tokio::spawn(async move { api.serve(&listener).await });
        let (host, secret) = address.split_once('/').unwrap();
        let base = "2018-06-01/runtime";
        let host_header = format!("host: {host}\r\n");
        let foreign_requests = [
            (format!("/{base}/invocation/next"), host_header.clone()),
            (format!("/{base}/init/error"), host_header.clone()),
            (format!("/{secret}/{base}/invocation/next"), "host: rebound.example\r\n".to_owned()),
            (
                format!("/{secret}/{base}/init/error"),
                format!("{host_header}origin: https://page.example\r\n"),
            ),
        ];
        for (path, headers) in &foreign_requests {
            let method = if path.ends_with("next") { "GET" } else { "POST" };
            let response = send_request(host, method, path, headers).await;
            assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
        }
        let next =
            send_request(host, "GET", &format!("/{secret}/{base}/invocation/next"), &host_header).await;
        assert!(next.ends_with(r#"{"a":1}"#), "{next}");
        let id = "00000000-0000-4000-8000-000000000000";
        send_request(host, "POST", &format!("/{secret}/{base}/invocation/{id}/response"), &host_header).await;
        let times = served.await.unwrap().unwrap();
        assert_eq!((times.sent.len(), times.responded.len()), (1, 1));
    }
}
