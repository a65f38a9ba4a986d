//! The Lambda Runtime API: asks for the next invocation, answers it, reports what failed. It has no timeout while it
//! waits (the environment may be frozen in between) and ends as soon as the API is gone: a program that outlives its
//! host must not linger or knock.

use std::fmt;
use std::time::Duration;

use crate::failure::Failure;
use crate::moment::Moment;
use crate::net::{Connection, Endpoint, Lost, Response, Tls};

const BASE: &str = "/2018-06-01/runtime";
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Lambda's own limit for a synchronous event is 6 MB.
const EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// The end of the Runtime API: the only thing to do is to exit.
#[derive(Debug)]
pub struct Gone(String);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Runtime API is gone: {}", self.0)
    }
}

impl std::error::Error for Gone {}

/// One event to handle.
#[derive(Debug)]
pub struct Invocation {
    /// The request id.
    pub id: String,
    /// When Lambda gives up on it.
    pub deadline: Option<Moment>,
    /// The event, or `None` if it is too large to be read.
    pub event: Option<Vec<u8>>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Lambda took it.
    Taken,
    /// Lambda refused it with this status; the invocation may have timed out meanwhile.
    Refused(u16),
}

/// A client of the Runtime API.
#[derive(Debug)]
pub struct Runtime {
    endpoint: Endpoint,
    connection: Option<Connection>,
}

impl Runtime {
    /// A client of the API at `address`, which is what `AWS_LAMBDA_RUNTIME_API` holds.
    pub fn new(address: &str) -> Result<Self, String> {
        let endpoint = Endpoint::parse(address)?;
        if endpoint.tls {
            Err(format!("`{address}` is not plain HTTP"))
        } else {
            Ok(Self { endpoint, connection: None })
        }
    }

    /// Waits for the next invocation, for as long as it takes.
    pub fn next_invocation(&mut self) -> Result<Invocation, Gone> {
        let response = self.exchange("GET", "/invocation/next", None, "")?;
        let id = response.header("lambda-runtime-aws-request-id").map(str::to_owned);
        let (200, Some(id)) = (response.status, id) else {
            return Err(Gone(format!("it answered status {} without an invocation", response.status)));
        };
        let deadline = response.header("lambda-runtime-deadline-ms").and_then(|ms| ms.trim().parse().ok());
        let event = (!response.too_large).then_some(response.body);
        Ok(Invocation { id, deadline: deadline.map(Moment::from_millis), event })
    }

    /// Answers an invocation with JSON.
    pub fn answer(&mut self, id: &str, json: &str) -> Result<Posted, Gone> {
        self.post(&format!("/invocation/{id}/response"), None, json)
    }

    /// Reports that an invocation failed.
    pub fn fail(&mut self, id: &str, failure: &Failure) -> Result<Posted, Gone> {
        self.post(&format!("/invocation/{id}/error"), Some(failure.kind), &failure.json())
    }

    /// Reports that the program cannot start.
    pub fn fail_init(&mut self, failure: &Failure) -> Result<Posted, Gone> {
        self.post("/init/error", Some(failure.kind), &failure.json())
    }

    fn post(&mut self, path: &str, error: Option<&str>, json: &str) -> Result<Posted, Gone> {
        let response = self.exchange("POST", path, error, json)?;
        match response.status {
            200..=299 => Ok(Posted::Taken),
            status @ 400..=499 => Ok(Posted::Refused(status)),
            // AWS: "non-recoverable state. Runtime should exit promptly."
            status => Err(Gone(format!("it answered status {status}"))),
        }
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        error: Option<&str>,
        body: &str,
    ) -> Result<Response, Gone> {
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
        let mut old = self.connection.take();
        // Before a POST there is no need to look: it may be sent twice.
        let post = method == "POST";
        if !old.as_mut().is_some_and(|old| if post { old.is_clean() } else { old.is_usable() }) {
            old = None;
        }
        // A kept connection may have died unseen; that is no proof that the API did. A second connection is.
        let mut second = old.is_some();
        let mut connection = match old {
            Some(connection) => connection,
            None => self.connect()?,
        };
        loop {
            match connection.exchange(request.as_bytes(), None, EVENT_LIMIT) {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok(response);
                }
                Err(Lost::Unsent(_)) if second => second = false,
                // Posting twice is harmless; asking twice could lose an event.
                Err(Lost::Unanswered(_)) if second && post => second = false,
                Err(lost) => return Err(Gone(lost.to_string())),
            }
            connection = self.connect()?;
        }
    }

    fn connect(&self) -> Result<Connection, Gone> {
        Connection::open(&self.endpoint, &mut Tls::default(), CONNECT_LIMIT)
            .map_err(|error| Gone(error.to_string()))
    }
}
