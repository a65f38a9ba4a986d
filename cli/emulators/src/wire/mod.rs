//! A proxy in front of an emulator, or of anything that speaks AWS: every call is written down and held against the service's
//! model, and rules say what goes wrong with which.

mod fault;
mod name;

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

pub use fault::{Fault, Hook};
pub use name::Call;

/// Says what goes wrong with a call; asked at each, in the order in which they arrive.
pub type Rule = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

type Anything = Box<dyn std::error::Error + Send + Sync>;

/// A proxy to one place, on a port of its own, for as long as it lives. What is no AWS call (a visitor's request, a call of
/// the deployed function) passes it unseen. A call that AWS's service model does not allow is refused, and fails the test when
/// the wire is dropped.
pub struct Wire {
    endpoint: String,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    writes: usize,
    rule: Option<Rule>,
    latency: Duration,
    skew: SignedDuration,
    violations: Vec<String>,
    /// The clients that are connected, without those known to be visitors or deployed functions.
    callers: HashSet<SocketAddr>,
}

impl Wire {
    /// A wire to that endpoint.
    ///
    /// # Panics
    ///
    /// When the endpoint is no `http://ADDRESS:PORT`, or no loopback port can be had.
    pub fn new(upstream: &str) -> Self {
        let address = upstream.trim_start_matches("http://").trim_end_matches('/');
        let upstream: SocketAddr = address.parse().unwrap_or_else(|_| panic!("{upstream} is no address"));
        let runtime =
            Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port can be had");
        let endpoint = format!("http://{}", listener.local_addr().expect("it was bound"));
        listener.set_nonblocking(true).expect("any socket can be");
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).expect("it is a socket")
        };
        let state = Arc::default();
        runtime.spawn(accept(listener, upstream, Arc::clone(&state)));
        Self { endpoint, state, runtime: Some(runtime) }
    }

    /// Where it answers: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on, each call goes wrong as the rule says.
    pub fn rule(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        lock(&self.state).rule = Some(Box::new(rule));
    }

    /// The n-th call from the last [reset](Self::reset), counted from 1, goes wrong.
    pub fn at(&self, n: usize, fault: Fault) {
        self.rule(move |call| (call.n == n).then(|| fault.clone()));
    }

    /// The n-th writing call from the last [reset](Self::reset), counted from 1, goes wrong.
    pub fn at_write(&self, n: usize, fault: Fault) {
        self.rule(move |call| (call.write == n).then(|| fault.clone()));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        lock(&self.state).rule = None;
    }

    /// Adds that much to every call.
    pub fn latency(&self, latency: Duration) {
        lock(&self.state).latency = latency;
    }

    /// Puts the clock of every answer forward, or back.
    pub fn skew(&self, skew: SignedDuration) {
        lock(&self.state).skew = skew;
    }

    /// Takes the violations of AWS's service models that the calls so far had. A test that takes them expects them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).violations)
    }

    /// The calls so far, in the order in which they arrived.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// The names of the calls so far: `dynamodb:CreateTable`.
    pub fn names(&self) -> Vec<String> {
        self.calls().iter().map(ToString::to_string).collect()
    }

    /// The names of the calls so far that may have changed something.
    pub fn writes(&self) -> Vec<String> {
        self.calls().iter().filter(|call| call.writes()).map(ToString::to_string).collect()
    }

    /// Waits until the calls of programs that are gone have all been handled: a process that is killed leaves connections behind,
    /// and requests in them.
    ///
    /// # Panics
    ///
    /// When a caller is still connected after 30 seconds.
    pub fn wait_until_quiet(&self) {
        // Connections are accepted in their order: with this one, everything before it has been accepted too.
        let address = self.endpoint.trim_start_matches("http://");
        let last = std::net::TcpStream::connect(address).expect("the wire accepts connections");
        let last = HashSet::from([last.local_addr().expect("it is connected")]);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if lock(&self.state).callers == last {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("callers are still connected: {:?}", lock(&self.state).callers);
    }

    /// Forgets the calls, and heals.
    pub fn reset(&self) {
        let mut state = lock(&self.state);
        state.calls.clear();
        state.writes = 0;
        state.rule = None;
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A wire may be dropped by a test that is itself asynchronous.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let violations = std::mem::take(&mut lock(&self.state).violations);
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "calls that AWS would refuse:\n{}", violations.join("\n"));
        }
    }
}

/// A rule that panicked is the test's failure, not the wire's.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Numbers a call, writes it down, and says what goes wrong with it.
    fn note(&mut self, mut call: Call) -> (Call, Option<Fault>) {
        call.n = self.calls.len() + 1;
        if call.writes() {
            self.writes += 1;
            call.write = self.writes;
        }
        self.calls.push(call.clone());
        let fault = self.rule.as_mut().and_then(|rule| rule(&call));
        (call, fault)
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, state: Arc<Mutex<State>>) {
    while let Ok((stream, client)) = listener.accept().await {
        let state = Arc::clone(&state);
        lock(&state).callers.insert(client);
        tokio::spawn(async move {
            // An answer is written in two pieces, which must not wait for each other.
            drop(stream.set_nodelay(true));
            let service = service_fn(|request| relay(request, client, upstream, &state));
            // An error closes the connection, which is how calls are cut.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
            lock(&state).callers.remove(&client);
        });
    }
}

/// Passes one request on, and its answer back, unless something goes wrong with it.
async fn relay(
    request: Request<Incoming>,
    client: SocketAddr,
    upstream: SocketAddr,
    state: &Mutex<State>,
) -> Result<Response<Full<Bytes>>, Anything> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let Some(call) = name::name(&parts, &body) else {
        lock(state).callers.remove(&client);
        return forward(Request::from_parts(parts, Full::new(body)), upstream).await;
    };
    let (call, fault, latency, skew) = {
        let mut state = lock(state);
        let (call, fault) = state.note(call);
        (call, fault, state.latency, state.skew)
    };
    pass(latency).await;
    let (parts, body, violations) = {
        let service = call.service.clone();
        let judge = move || {
            let violations = model::violations(&service, &parts, &body);
            (parts, body, violations)
        };
        tokio::task::spawn_blocking(judge).await?
    };
    if !violations.is_empty() {
        let message = format!("{call}: {}", violations.join("; "));
        lock(state).violations.push(message.clone());
        return Ok(fault::refusal(&call, 400, "ModelViolation", &message));
    }
    let request = Request::from_parts(parts, Full::new(body));
    let cut = || Err(format!("{call} was cut").into());
    let mut response = match fault {
        None => forward(request, upstream).await?,
        Some(Fault::Delay(delay)) => {
            pass(delay).await;
            forward(request, upstream).await?
        }
        Some(Fault::Status { status, code, message }) => fault::refusal(&call, status, &code, &message),
        Some(Fault::Answer { status, content_type, body }) => fault::answer(status, &content_type, body),
        Some(Fault::Cut) => return cut(),
        Some(Fault::LostAnswer) => {
            forward(request, upstream).await?;
            return cut();
        }
        Some(Fault::Before(hook)) => {
            tokio::task::spawn_blocking(move || hook()).await?;
            return cut();
        }
        Some(Fault::After(hook)) => {
            forward(request, upstream).await?;
            tokio::task::spawn_blocking(move || hook()).await?;
            return cut();
        }
    };
    if !skew.is_zero() {
        let mut date = String::new();
        rfc2822::DateTimePrinter::new().print_timestamp_rfc9110(&(Timestamp::now() + skew), &mut date)?;
        response.headers_mut().insert(DATE, date.parse()?);
    }
    Ok(response)
}

/// Lets time pass: this is a slow wire, and waits for nothing.
async fn pass(time: Duration) {
    if !time.is_zero() {
        drop(timeout(time, pending::<()>()).await);
    }
}

/// One request, on a connection of its own.
async fn forward(
    mut request: Request<Full<Bytes>>,
    upstream: SocketAddr,
) -> Result<Response<Full<Bytes>>, Anything> {
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
