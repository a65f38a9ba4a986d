//! A signed call to one of AWS's REST services, over a connection that is made when it is first needed and kept while it
//! is good. What is asked is the caller's, and so is what may be asked twice.

use std::time::{Duration, Instant};

use crate::moment::Moment;
use crate::net::{Connection, Endpoint, Response, Tls};
use crate::sigv4::{Signer, sha256};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Well below a minute, after which AWS's servers begin to close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// Why a call has no answer.
#[derive(Debug)]
pub struct Unanswered(pub String);

/// A client of one endpoint.
#[derive(Debug)]
pub struct Rest {
    endpoint: Endpoint,
    signer: Signer,
    tls: Tls,
    clock: fn() -> Moment,
    idle: Option<(Connection, Moment)>,
}

impl Rest {
    /// A client; nothing is connected to yet.
    pub fn new(endpoint: Endpoint, tls: Tls, signer: Signer, clock: fn() -> Moment) -> Self {
        Self { endpoint, signer, tls, clock, idle: None }
    }

    /// The host that is asked.
    #[cfg(test)]
    pub fn authority(&self) -> String {
        self.endpoint.authority()
    }

    /// Asks, and returns whatever is answered until `deadline`. A body over `limit` is not read.
    pub fn exchange(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
        deadline: Instant,
        limit: usize,
    ) -> Result<Response, Unanswered> {
        self.exchange_with(method, path, &[("content-type", content_type)], body, deadline, limit)
    }

    /// As [`exchange`](Self::exchange), with other headers, their names in lower case; those without a value are left out.
    pub fn exchange_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        deadline: Instant,
        limit: usize,
    ) -> Result<Response, Unanswered> {
        let failed = |endpoint: &Endpoint, why: &dyn std::fmt::Display| {
            Unanswered(format!("{}: {why}", endpoint.authority()))
        };
        let now = (self.clock)();
        let fresh =
            |(connection, used): &(Connection, Moment)| connection.idle().max(now.since(*used)) < IDLE_LIMIT;
        let kept = self.idle.take().filter(fresh).map(|(connection, _)| connection);
        let kept = kept.and_then(|mut connection| connection.is_usable().then_some(connection));
        let mut connection = if let Some(connection) = kept {
            connection
        } else {
            let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_LIMIT);
            Connection::open(&self.endpoint, &mut self.tls, left)
                .map_err(|error| failed(&self.endpoint, &error))?
        };
        let request = self.request(method, path, headers, body, now);
        let answer = connection.exchange(&request, Some(deadline), limit);
        let response = answer.map_err(|lost| failed(&self.endpoint, &lost))?;
        self.idle = Some((connection, now));
        Ok(response)
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
        now: Moment,
    ) -> Vec<u8> {
        let path = format!("{}{path}", self.endpoint.prefix);
        let (authority, hash) = (self.endpoint.authority(), sha256(body));
        let mut headers = vec![("host", authority.as_str()), ("x-amz-content-sha256", &hash)];
        headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        let signed = self.signer.sign_as(method, &path, &headers, body, now);
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str(&signed);
        if method == "POST" {
            request.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// Waits before another try; false if there is no time left for that.
    #[expect(
        clippy::disallowed_methods,
        reason = "as the store's: waiting between tries, and not beyond the time that is left"
    )]
    pub fn pause(&self, pause: Duration, deadline: Instant) -> bool {
        let fits = Instant::now() + pause < deadline;
        if fits {
            std::thread::sleep(pause);
        }
        fits
    }
}
