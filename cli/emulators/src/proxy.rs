//! A proxy in front of an emulator, or of any other AWS endpoint. It records each call, validates it against the
//! service's model, and injects the faults that a rule selects.

mod call;
mod fault;

use std::collections::HashSet;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::model;

pub use call::RecordedCall;
pub use fault::{FaultHook, InjectedFault};

/// A function that decides which fault to inject into a call. It is called for each call, in the order of arrival.
pub type FaultRule = Box<dyn FnMut(&RecordedCall) -> Option<InjectedFault> + Send>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A proxy to one endpoint, on its own port. Requests that are not calls of an AWS SDK (requests of visitors, calls of the
/// deployed function) are forwarded without being recorded. A call that AWS's service model does not allow is rejected, and fails
/// the test when the proxy is dropped.
pub struct RecordingProxy {
    endpoint: String,
    state: Arc<Mutex<ProxyState>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct ProxyState {
    calls: Vec<RecordedCall>,
    write_count: usize,
    rule: Option<FaultRule>,
    latency: Duration,
    clock_skew: SignedDuration,
    violations: Vec<String>,
    /// The connected clients. Clients that sent a request of a visitor or of a deployed function are removed.
    callers: HashSet<SocketAddr>,
}

impl RecordingProxy {
    /// Starts a proxy to the endpoint `upstream`.
    ///
    /// # Panics
    ///
    /// Panics when the endpoint is not of the form `http://ADDRESS:PORT`, or when no loopback port is available.
    pub fn new(upstream: &str) -> Self {
        let address = upstream.trim_start_matches("http://").trim_end_matches('/');
        let upstream: SocketAddr =
            address.parse().unwrap_or_else(|_| panic!("expected http://ADDRESS:PORT, found {upstream}"));
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be started");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("the listener is bound"));
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener).expect("the listener is a non-blocking socket")
        };
        let state = Arc::default();
        runtime.spawn(serve_connections(listener, upstream, Arc::clone(&state)));
        Self { endpoint, state, runtime: Some(runtime) }
    }

    /// Returns the base URL of the proxy: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sets the rule that selects the fault for each later call.
    pub fn set_fault_rule(&self, rule: impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static) {
        lock(&self.state).rule = Some(Box::new(rule));
    }

    /// Injects `fault` into the n-th call since the last [reset](Self::reset), counted from 1.
    pub fn fail_call(&self, n: usize, fault: InjectedFault) {
        self.set_fault_rule(move |call| (call.number == n).then(|| fault.clone()));
    }

    /// Injects `fault` into the n-th write call since the last [reset](Self::reset), counted from 1.
    pub fn fail_write(&self, n: usize, fault: InjectedFault) {
        self.set_fault_rule(move |call| (call.write_number == n).then(|| fault.clone()));
    }

    /// Removes the fault rule.
    pub fn clear_fault_rule(&self) {
        lock(&self.state).rule = None;
    }

    /// Delays each later call by `latency`.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.state).latency = latency;
    }

    /// Shifts the `Date` header of each response by `skew`.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        lock(&self.state).clock_skew = skew;
    }

    /// Removes and returns the violations of AWS's service models so far, for a test that expects them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).violations)
    }

    /// Returns the calls so far, in the order of arrival.
    pub fn calls(&self) -> Vec<RecordedCall> {
        lock(&self.state).calls.clone()
    }

    /// Returns the names of the calls so far: `dynamodb:CreateTable`.
    pub fn call_names(&self) -> Vec<String> {
        self.calls().iter().map(ToString::to_string).collect()
    }

    /// Returns the names of the write calls so far.
    pub fn write_names(&self) -> Vec<String> {
        self.calls().iter().filter(|call| call.is_write()).map(ToString::to_string).collect()
    }

    /// Waits until all calls of programs that have ended have been handled. A killed process leaves connections with
    /// pending requests behind.
    ///
    /// # Panics
    ///
    /// Panics when a caller is still connected after 30 seconds.
    pub fn wait_for_disconnects(&self) {
        // Connections are accepted in order: when this one is accepted, all earlier ones have been accepted.
        let address = self.endpoint.trim_start_matches("http://");
        let probe = std::net::TcpStream::connect(address).expect("the proxy accepts connections");
        let probe = HashSet::from([probe.local_addr().expect("the probe is connected")]);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if lock(&self.state).callers == probe {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("callers are still connected: {:?}", lock(&self.state).callers);
    }

    /// Clears the recorded calls and the fault rule.
    pub fn reset(&self) {
        let mut state = lock(&self.state);
        state.calls.clear();
        state.write_count = 0;
        state.rule = None;
    }
}

impl fmt::Debug for RecordingProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingProxy").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        // An asynchronous test may drop the proxy, where a blocking shutdown would panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let violations = std::mem::take(&mut lock(&self.state).violations);
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "calls that AWS would reject:\n{}", violations.join("\n"));
        }
    }
}

/// Locks the state. A lock poisoned by a panicking rule is used anyway: the panic fails the test, not the proxy.
fn lock(state: &Mutex<ProxyState>) -> MutexGuard<'_, ProxyState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProxyState {
    /// Numbers and records a call, and returns it with the fault to inject.
    fn record(&mut self, mut call: RecordedCall) -> (RecordedCall, Option<InjectedFault>) {
        call.number = self.calls.len() + 1;
        if call.is_write() {
            self.write_count += 1;
            call.write_number = self.write_count;
        }
        self.calls.push(call.clone());
        let fault = self.rule.as_mut().and_then(|rule| rule(&call));
        (call, fault)
    }
}

async fn serve_connections(listener: TcpListener, upstream: SocketAddr, state: Arc<Mutex<ProxyState>>) {
    while let Ok((stream, client)) = listener.accept().await {
        let state = Arc::clone(&state);
        lock(&state).callers.insert(client);
        tokio::spawn(async move {
            // A response is written in two parts. Nagle's algorithm would delay the second one.
            drop(stream.set_nodelay(true));
            let service = service_fn(|request| handle_request(request, client, upstream, &state));
            // An error closes the connection. Faults use this to drop calls.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
            lock(&state).callers.remove(&client);
        });
    }
}

/// Forwards a request and returns its response, with the fault that the rule injects.
async fn handle_request(
    request: Request<Incoming>,
    client: SocketAddr,
    upstream: SocketAddr,
    state: &Mutex<ProxyState>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let Some(call) = call::parse(&parts, &body) else {
        lock(state).callers.remove(&client);
        return forward(Request::from_parts(parts, Full::new(body)), upstream).await;
    };
    let (call, fault, latency, skew) = {
        let mut state = lock(state);
        let (call, fault) = state.record(call);
        (call, fault, state.latency, state.clock_skew)
    };
    sleep(latency).await;
    let (parts, body, violations) = {
        let service = call.service.clone();
        let validate = move || {
            let violations = model::violations(&service, &parts, &body);
            (parts, body, violations)
        };
        tokio::task::spawn_blocking(validate).await?
    };
    if !violations.is_empty() {
        let message = format!("{call}: {}", violations.join("; "));
        lock(state).violations.push(message.clone());
        return Ok(fault::error_response(&call, 400, "ModelViolation", &message));
    }
    let request = Request::from_parts(parts, Full::new(body));
    let connection_closed = || Err(format!("the connection of {call} was closed").into());
    let mut response = match fault {
        None => forward(request, upstream).await?,
        Some(InjectedFault::Delay(delay)) => {
            sleep(delay).await;
            forward(request, upstream).await?
        }
        Some(InjectedFault::ServiceError { status, code, message }) => {
            fault::error_response(&call, status, &code, &message)
        }
        Some(InjectedFault::Response { status, content_type, body }) => {
            fault::response(status, &content_type, body)
        }
        Some(InjectedFault::DropRequest) => return connection_closed(),
        Some(InjectedFault::DropResponse) => {
            forward(request, upstream).await?;
            return connection_closed();
        }
        Some(InjectedFault::HookBefore(hook)) => {
            tokio::task::spawn_blocking(move || hook()).await?;
            return connection_closed();
        }
        Some(InjectedFault::HookAfter(hook)) => {
            forward(request, upstream).await?;
            tokio::task::spawn_blocking(move || hook()).await?;
            return connection_closed();
        }
    };
    if !skew.is_zero() {
        let mut date = String::new();
        rfc2822::DateTimePrinter::new().print_timestamp_rfc9110(&(Timestamp::now() + skew), &mut date)?;
        response.headers_mut().insert(DATE, date.parse()?);
    }
    Ok(response)
}

/// Sleeps for a simulated latency.
async fn sleep(time: Duration) {
    if !time.is_zero() {
        drop(timeout(time, pending::<()>()).await);
    }
}

/// Sends a request to `upstream` on a new connection.
async fn forward(
    mut request: Request<Full<Bytes>>,
    upstream: SocketAddr,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let head_only = request.method() == Method::HEAD;
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        request.headers_mut().remove(name);
    }
    let (mut parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    if !head_only {
        parts.headers.remove(CONTENT_LENGTH);
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}
