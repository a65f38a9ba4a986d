//! Client of the Lambda Runtime API: fetches the next invocation, sends its response, and reports errors.
//! Waiting for an invocation has no timeout, because Lambda may freeze the environment meanwhile. The client
//! returns an error as soon as the API is unreachable, so that the process does not outlive its environment.

use std::fmt;
use std::time::Duration;

use crate::invocation_error::InvocationError;
use crate::moment::Moment;
use crate::net::{Endpoint, ExchangeError, PeerConnection, PeerResponse, Tls};

const BASE: &str = "/2018-06-01/runtime";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum size of an event, in bytes. Lambda's own limit for a synchronous event is 6 MB.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// The error that the Runtime API is no longer usable, so that the process has to exit.
#[derive(Debug)]
pub struct RuntimeClosed(String);

impl fmt::Display for RuntimeClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to call the Runtime API: {}", self.0)
    }
}

impl std::error::Error for RuntimeClosed {}

/// One invocation of the function.
#[derive(Debug)]
pub struct RuntimeInvocation {
    /// The request ID.
    pub id: String,
    /// The time at which the invocation times out.
    pub deadline: Option<Moment>,
    /// The event, or `None` if it exceeds the size limit.
    pub event: Option<Vec<u8>>,
}

/// The Runtime API's result for a response or an error report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitResult {
    /// Lambda accepted the response or report.
    Accepted,
    /// Lambda rejected it with this status. For example, the invocation timed out meanwhile.
    Rejected(u16),
}

/// A client of the Runtime API, with at most one open connection.
#[derive(Debug)]
pub struct RuntimeClient {
    endpoint: Endpoint,
    connection: Option<PeerConnection>,
}

impl RuntimeClient {
    /// Creates a client of the API at `address`, the value of `AWS_LAMBDA_RUNTIME_API`. Does not connect yet.
    pub fn new(address: &str) -> Result<Self, String> {
        let endpoint = Endpoint::parse(address)?;
        if endpoint.tls {
            Err(format!("expected a plain HTTP address, found `{address}`"))
        } else {
            Ok(Self { endpoint, connection: None })
        }
    }

    /// Waits for the next invocation, without a timeout.
    pub fn next_invocation(&mut self) -> Result<RuntimeInvocation, RuntimeClosed> {
        let response = self.exchange("GET", "/invocation/next", None, "")?;
        let id = response.header("lambda-runtime-aws-request-id").map(str::to_owned);
        let (200, Some(id)) = (response.status, id) else {
            return Err(RuntimeClosed(format!("expected an invocation, found status {}", response.status)));
        };
        let deadline = response.header("lambda-runtime-deadline-ms").and_then(|ms| ms.trim().parse().ok());
        let event = (!response.too_large).then_some(response.body);
        Ok(RuntimeInvocation { id, deadline: deadline.map(Moment::from_millis), event })
    }

    /// Sends the response of an invocation, as JSON.
    pub fn send_response(&mut self, id: &str, json: &str) -> Result<SubmitResult, RuntimeClosed> {
        self.submit(&format!("/invocation/{id}/response"), None, json)
    }

    /// Reports that an invocation failed.
    pub fn send_error(&mut self, id: &str, failure: &InvocationError) -> Result<SubmitResult, RuntimeClosed> {
        self.submit(&format!("/invocation/{id}/error"), Some(failure.kind), &failure.json())
    }

    /// Reports that the program cannot start.
    pub fn send_init_error(&mut self, failure: &InvocationError) -> Result<SubmitResult, RuntimeClosed> {
        self.submit("/init/error", Some(failure.kind), &failure.json())
    }

    fn submit(&mut self, path: &str, error: Option<&str>, json: &str) -> Result<SubmitResult, RuntimeClosed> {
        let response = self.exchange("POST", path, error, json)?;
        match response.status {
            200..=299 => Ok(SubmitResult::Accepted),
            status @ 400..=499 => Ok(SubmitResult::Rejected(status)),
            // AWS: "non-recoverable state. Runtime should exit promptly."
            status => Err(RuntimeClosed(format!("it returned status {status}"))),
        }
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        error: Option<&str>,
        body: &str,
    ) -> Result<PeerResponse, RuntimeClosed> {
        let kind =
            error.map(|kind| format!("lambda-runtime-function-error-type: {kind}\r\n")).unwrap_or_default();
        let content = match method {
            "POST" => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
            _ => String::new(),
        };
        let Endpoint { prefix, .. } = &self.endpoint;
        let host = self.endpoint.authority();
        let request = format!(
            "{method} {prefix}{BASE}{path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: hit-counter\r\n{kind}{content}\r\n{body}"
        );
        let mut kept = self.connection.take();
        // A POST may safely be sent twice, so it is not necessary to check whether the peer closed the connection.
        let is_post = method == "POST";
        if !kept.as_mut().is_some_and(|kept| if is_post { kept.is_clean() } else { kept.is_usable() }) {
            kept = None;
        }
        // If a kept connection fails, the peer may only have closed it, so a new one is tried. If a new connection
        // fails, the API is down.
        let mut may_reconnect = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect()?,
        };
        loop {
            match connection.exchange(request.as_bytes(), None, MAX_EVENT_BYTES) {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok(response);
                }
                Err(ExchangeError::NotSent(_)) if may_reconnect => may_reconnect = false,
                // Posting twice is harmless; requesting the next invocation twice could lose an event.
                Err(ExchangeError::NoResponse(_)) if may_reconnect && is_post => may_reconnect = false,
                Err(error) => return Err(RuntimeClosed(error.to_string())),
            }
            connection = self.connect()?;
        }
    }

    fn connect(&self) -> Result<PeerConnection, RuntimeClosed> {
        PeerConnection::open(&self.endpoint, &mut Tls::default(), CONNECT_TIMEOUT)
            .map_err(|error| RuntimeClosed(error.to_string()))
    }
}
