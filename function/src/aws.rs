//! A signed call to one of AWS's REST services, over a connection that is made when it is first needed and kept while it
//! is good. What is asked is the caller's, and so is what may be asked twice.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::moment::Moment;
use crate::net::{Endpoint, Peer, Response, Tls};
use crate::sigv4::{Signer, sha256};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How often a POST is sent before it is given up.
const TRIES: u32 = 4;
/// The largest answer to a POST that is read.
const ANSWER_LIMIT: usize = 256 * 1024;

/// Why a call has no answer.
#[derive(Debug)]
pub struct Unanswered(pub String);

/// An answer that is an error.
#[derive(Debug)]
pub struct Refusal {
    /// A sentence for the log.
    pub why: String,
    /// Whether another time may do.
    pub may_pass: bool,
}

/// A client of one endpoint.
#[derive(Debug)]
pub struct Rest {
    peer: Peer,
    signer: Signer,
}

impl Rest {
    /// A client; nothing is connected to yet.
    pub fn new(endpoint: Endpoint, tls: Tls, signer: Signer, clock: fn() -> Moment) -> Self {
        Self { peer: Peer::new(endpoint, tls, clock), signer }
    }

    /// The host that is asked.
    #[cfg(test)]
    pub fn authority(&self) -> String {
        self.peer.endpoint.authority()
    }

    /// Asks, and returns whatever is answered until `deadline`. A body over `limit` is not read. The names of headers are in lower
    /// case.
    pub fn exchange(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
        deadline: Instant,
        limit: usize,
    ) -> Result<Response, Unanswered> {
        let path = format!("{}{path}", self.peer.endpoint.prefix);
        let (authority, hash) = (self.peer.endpoint.authority(), sha256(body));
        let failed = |why: &dyn Display| Unanswered(format!("{authority}: {why}"));
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_LIMIT);
        let (mut connection, now) = self.peer.take(left).map_err(|error| failed(&error))?;
        let mut headers = vec![("host", authority.as_str()), ("x-amz-content-sha256", &hash)];
        headers.extend(more);
        let request = self.signer.request(method, &path, &headers, body, now);
        let response = connection.exchange(&request, Some(deadline), limit).map_err(|lost| failed(&lost))?;
        self.peer.keep(connection, now);
        Ok(response)
    }

    /// Posts until an answer is no error for `judge`, none that may pass, or there is no time left. Each pause is twice as long as
    /// the one before, and `pause` half of the first.
    pub fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        deadline: Instant,
        pause: Duration,
        judge: &dyn Fn(&Response) -> Result<(), Refusal>,
    ) -> Result<(), String> {
        let mut tries = 0;
        loop {
            let why = match self.exchange("POST", path, headers, body.as_bytes(), deadline, ANSWER_LIMIT) {
                Ok(response) => match judge(&response) {
                    Ok(()) => return Ok(()),
                    Err(Refusal { why, may_pass: false }) => return Err(why),
                    Err(Refusal { why, .. }) => why,
                },
                Err(Unanswered(why)) => why,
            };
            tries += 1;
            if tries == TRIES || !sleep_within(pause * 2_u32.pow(tries), deadline) {
                return Err(why);
            }
        }
    }
}

/// Waits before another try; false if there is no time left for that.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the function waits, and not beyond its time"
)]
pub(crate) fn sleep_within(pause: Duration, deadline: Instant) -> bool {
    let fits = Instant::now() + pause < deadline;
    if fits {
        std::thread::sleep(pause);
    }
    fits
}
