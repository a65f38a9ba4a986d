//! A client of AWS's REST services that signs requests and keeps one connection open. The caller decides which
//! requests are sent, and which may be sent twice.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::moment::Moment;
use crate::net::{Endpoint, Peer, PeerResponse, Tls};
use crate::sigv4::{Signer, sha256};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of attempts of a POST.
const MAX_ATTEMPTS: u32 = 4;
/// The maximum size of the response to a POST, in bytes.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// The reason why a call has no response.
#[derive(Debug)]
pub struct CallError(pub String);

/// An error response.
#[derive(Debug)]
pub struct AwsRestError {
    /// The description for the log.
    pub why: String,
    /// Whether a retry may succeed.
    pub is_retryable: bool,
}

/// A client of one endpoint.
#[derive(Debug)]
pub struct AwsRestClient {
    peer: Peer,
    signer: Signer,
}

impl AwsRestClient {
    /// Creates a client, without connecting.
    pub fn new(endpoint: Endpoint, tls: Tls, signer: Signer, clock: fn() -> Moment) -> Self {
        Self { peer: Peer::new(endpoint, tls, clock), signer }
    }

    /// Returns the host and port of the endpoint.
    #[cfg(test)]
    pub fn authority(&self) -> String {
        self.peer.endpoint.authority()
    }

    /// Sends a request and returns the response, whatever its status, if it arrives by `deadline`. A body above
    /// `limit` bytes is not read. The names in `extra_headers` must be in lower case.
    pub fn exchange(
        &mut self,
        method: &str,
        path: &str,
        extra_headers: &[(&str, &str)],
        body: &[u8],
        deadline: Instant,
        limit: usize,
    ) -> Result<PeerResponse, CallError> {
        let path = format!("{}{path}", self.peer.endpoint.prefix);
        let (authority, hash) = (self.peer.endpoint.authority(), sha256(body));
        let failed = |why: &dyn Display| CallError(format!("{authority}: {why}"));
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
        let (mut connection, now) = self.peer.take_connection(left).map_err(|error| failed(&error))?;
        let mut headers = vec![("host", authority.as_str()), ("x-amz-content-sha256", &hash)];
        headers.extend(extra_headers);
        let request = self.signer.request(method, &path, &headers, body, now);
        let response =
            connection.exchange(&request, Some(deadline), limit).map_err(|error| failed(&error))?;
        self.peer.keep_connection(connection, now);
        Ok(response)
    }

    /// Sends a POST until `check` accepts the response, the error is permanent, or time or attempts run out.
    /// Pauses double after each attempt; the first is twice `pause`.
    pub fn send_with_retries(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        deadline: Instant,
        pause: Duration,
        check: &dyn Fn(&PeerResponse) -> Result<(), AwsRestError>,
    ) -> Result<(), String> {
        let mut tries = 0;
        loop {
            let why =
                match self.exchange("POST", path, headers, body.as_bytes(), deadline, MAX_RESPONSE_BYTES) {
                    Ok(response) => match check(&response) {
                        Ok(()) => return Ok(()),
                        Err(AwsRestError { why, is_retryable: false }) => return Err(why),
                        Err(AwsRestError { why, .. }) => why,
                    },
                    Err(CallError(why)) => why,
                };
            tries += 1;
            if tries == MAX_ATTEMPTS || !sleep_within(pause * 2_u32.pow(tries), deadline) {
                return Err(why);
            }
        }
    }
}

/// Waits before a retry. Returns false, without waiting, if there is not enough time left.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the function waits, and never past the deadline"
)]
pub(crate) fn sleep_within(pause: Duration, deadline: Instant) -> bool {
    let fits = Instant::now() + pause < deadline;
    if fits {
        std::thread::sleep(pause);
    }
    fits
}
