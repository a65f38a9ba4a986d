//! One connection with one exchange at a time. A hit must never be counted twice, so [`ExchangeError`] says
//! whether the peer may have carried out a failed request.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::tls::{self, Tls, TlsStream};

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The maximum size of a buffer that is kept after use, in bytes. A larger buffer is released, so that one large
/// response does not increase the memory usage permanently.
const MAX_KEPT_BUFFER_BYTES: usize = 64 * 1024;

/// The directions of a socket, as indexes of [`PeerConnection::timeouts`].
const READ: usize = 0;
const WRITE: usize = 1;

/// The reason why an exchange has no response.
#[derive(Debug)]
pub enum ExchangeError {
    /// The request was not sent completely, so the peer cannot have carried it out.
    NotSent(io::Error),
    /// The request was sent but the response did not arrive; the outcome is unknown.
    NoResponse(io::Error),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "failed to send the request: {}", describe(error)),
            Self::NoResponse(error) => {
                write!(f, "failed to receive the response: {}", describe(error))
            }
        }
    }
}

/// Describes an I/O error, with the same words for timeouts on all platforms.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct PeerResponse {
    /// The status code.
    pub status: u16,
    /// The raw head.
    head: Vec<u8>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    /// The body; empty if it was [too large](Self::too_large).
    pub body: Vec<u8>,
    /// Whether the body exceeded the caller's limit and was not read.
    pub too_large: bool,
}

impl PeerResponse {
    /// Returns the value of a header, by its name in any case. A value that is not UTF-8 reads as empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| self.head[other.clone()].eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| std::str::from_utf8(&self.head[value.clone()]).unwrap_or_default())
    }
}

/// How the end of a body is determined.
enum BodyFraming {
    Length(usize),
    Chunked,
    UntilClosed,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// A connection to one peer.
pub struct PeerConnection {
    stream: Transport,
    /// Bytes that were read but not used yet.
    input: Vec<u8>,
    reusable: bool,
    last_used: Instant,
    /// The timeouts last set on the socket, for reads and for writes.
    timeouts: [Option<Duration>; 2],
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection").field("reusable", &self.reusable).finish_non_exhaustive()
    }
}

impl PeerConnection {
    /// Connects within `limit`, which includes the TLS handshake if the endpoint uses TLS.
    pub fn open(endpoint: &Endpoint, tls: &mut Tls, limit: Duration) -> io::Result<Self> {
        let until = Instant::now() + limit;
        let stream = endpoint.connect(limit)?;
        let stream = if endpoint.tls {
            let left = time_left(until)?;
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            Transport::Tls(Box::new(tls.connect(&endpoint.host, stream)?))
        } else {
            Transport::Plain(stream)
        };
        Ok(Self { stream, input: Vec::new(), reusable: true, last_used: Instant::now(), timeouts: [None; 2] })
    }

    /// Returns the time since the last exchange.
    pub fn idle_time(&self) -> Duration {
        self.last_used.elapsed()
    }

    /// Returns whether the last response was read completely and allows another request. The peer may have
    /// closed the connection since then.
    pub fn is_clean(&self) -> bool {
        self.reusable && self.input.is_empty()
    }

    /// Returns whether another request may be sent: the connection is [clean](Self::is_clean), and the peer has
    /// neither closed it nor sent unexpected data since the last response.
    pub fn is_usable(&mut self) -> bool {
        if !self.is_clean() || self.socket().set_nonblocking(true).is_err() {
            return false;
        }
        let quiet = match &mut self.stream {
            Transport::Plain(stream) => {
                matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Transport::Tls(stream) => tls::is_quiet(stream),
        };
        self.socket().set_nonblocking(false).is_ok() && quiet
    }

    /// Sends a request with one write and reads its response until `deadline`; `None` waits indefinitely.
    /// Bodies above `limit` bytes are not read.
    pub fn exchange(
        &mut self,
        request: &[u8],
        deadline: Option<Instant>,
        limit: usize,
    ) -> Result<PeerResponse, ExchangeError> {
        self.reusable = false;
        self.send(request, deadline).map_err(ExchangeError::NotSent)?;
        let response = self.receive(deadline, limit).map_err(ExchangeError::NoResponse)?;
        self.last_used = Instant::now();
        Ok(response)
    }

    fn send(&mut self, request: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        self.set_timeout(WRITE, deadline)?;
        match &mut self.stream {
            Transport::Plain(stream) => stream.write_all(request),
            Transport::Tls(stream) => tls::write(stream, request),
        }
    }

    fn receive(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<PeerResponse> {
        let (mut response, framing, keep) = loop {
            if let Some(head) = self.parse_head()? {
                // The final response follows a response with a status of 1xx.
                if head.0.status >= 200 {
                    break head;
                }
                continue;
            }
            if self.input.len() > MAX_HEAD_BYTES {
                return Err(invalid_data("the response headers are too long"));
            }
            self.fill(deadline)?;
        };
        let body = match framing {
            BodyFraming::Length(length) if length > limit => None,
            BodyFraming::Length(length) => {
                self.fill_to(length, deadline)?;
                Some(self.input.drain(..length).collect())
            }
            BodyFraming::Chunked => self.read_chunked(deadline, limit)?,
            BodyFraming::UntilClosed => self.read_until_close(deadline, limit)?,
        };
        self.reusable = keep && body.is_some();
        response.too_large = body.is_none();
        response.body = body.unwrap_or_default();
        if self.input.is_empty() && self.input.capacity() > MAX_KEPT_BUFFER_BYTES {
            self.input = Vec::new();
        }
        Ok(response)
    }

    /// Removes the head of a response from the input, if it is complete. Returns the response without its body,
    /// the framing of the body, and whether the connection may be kept.
    fn parse_head(&mut self) -> io::Result<Option<(PeerResponse, BodyFraming, bool)>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(&self.input) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(invalid_data(&format!("the response is not HTTP: {error}"))),
        };
        let start = self.input.as_ptr().addr();
        let range_of = |part: &[u8]| {
            let from = part.as_ptr().addr() - start;
            from..from + part.len()
        };
        let headers =
            head.headers.iter().map(|header| (range_of(header.name.as_bytes()), range_of(header.value)));
        let response = PeerResponse {
            status: head.code.unwrap_or_default(),
            headers: headers.collect(),
            head: self.input[..length].to_vec(),
            body: Vec::new(),
            too_large: false,
        };
        let has = |name: &str, word: &str| {
            response.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        let is_http_1_1 = head.version == Some(1);
        let keep = if is_http_1_1 { !has("connection", "close") } else { has("connection", "keep-alive") };
        let framing = if matches!(response.status, 100..=199 | 204 | 304) {
            BodyFraming::Length(0)
        } else if has("transfer-encoding", "chunked") {
            BodyFraming::Chunked
        } else if let Some(length) = response.header("content-length") {
            BodyFraming::Length(
                length.trim().parse().map_err(|_| invalid_data("`Content-Length` is not a number"))?,
            )
        } else {
            BodyFraming::UntilClosed
        };
        let keep = keep && !matches!(framing, BodyFraming::UntilClosed);
        self.input.drain(..length);
        Ok(Some((response, framing, keep)))
    }

    /// Reads a chunked body; `None` if it exceeds `limit`.
    fn read_chunked(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line(deadline)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| invalid_data("a chunk's size is not a number"))?;
            if size == 0 {
                while !self.read_line(deadline)?.is_empty() {}
                return Ok(Some(body));
            }
            if size > limit.saturating_sub(body.len()) {
                return Ok(None);
            }
            self.fill_to(size + 2, deadline)?;
            body.extend(self.input.drain(..size));
            self.input.drain(..2);
        }
    }

    /// Reads a body that ends with the connection; `None` if it exceeds `limit`.
    fn read_until_close(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.input.len() > limit {
                return Ok(None);
            }
            match self.fill(deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Some(std::mem::take(&mut self.input)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn read_line(&mut self, deadline: Option<Instant>) -> io::Result<String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.input.len() > MAX_HEAD_BYTES {
                return Err(invalid_data("a line of the response is too long"));
            }
            self.fill(deadline)?;
        }
    }

    fn fill_to(&mut self, length: usize, deadline: Option<Instant>) -> io::Result<()> {
        self.input.reserve(length.saturating_sub(self.input.len()));
        while self.input.len() < length {
            self.fill(deadline)?;
        }
        Ok(())
    }

    /// Reads from the socket once. The end of the connection is an error.
    fn fill(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_timeout(READ, deadline)?;
        let used = self.input.len();
        let free = (self.input.capacity() - used).clamp(4096, 256 * 1024);
        self.input.resize(used + free, 0);
        let read = loop {
            let into = &mut self.input[used..];
            let read = match &mut self.stream {
                Transport::Plain(stream) => stream.read(into),
                Transport::Tls(stream) => stream.read(into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.input.truncate(used + read.as_ref().map_or(0, |&read| read));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sets the timeout for the socket's next read or write. If the last timeout differs by at most 1/64, it is
    /// kept to save a system call: consecutive requests have nearly the same timeout.
    fn set_timeout(&mut self, direction: usize, deadline: Option<Instant>) -> io::Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        let left = time_left(deadline)?;
        if self.timeouts[direction].is_some_and(|timeout| timeout.abs_diff(left) <= left / 64) {
            return Ok(());
        }
        match direction {
            READ => self.socket().set_read_timeout(Some(left))?,
            _ => self.socket().set_write_timeout(Some(left))?,
        }
        self.timeouts[direction] = Some(left);
        Ok(())
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => &stream.sock,
        }
    }
}

/// Returns the time until `until`, or a timeout error if it has passed.
fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn invalid_data(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
