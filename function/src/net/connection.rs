//! One connection and one exchange at a time. The point of it is [`Lost`]: a hit must never be counted twice, so a
//! caller has to know whether a request that failed can have been carried out.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::tls::{self, Tls, TlsStream};

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// A buffer that grew for one large message is given back, so that one event does not set the peak for good.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;

/// The ways of a socket, as places in [`Connection::armed`].
const READ: usize = 0;
const WRITE: usize = 1;

/// Why an exchange has no answer.
#[derive(Debug)]
pub enum Lost {
    /// The request did not leave whole: the peer cannot have carried it out.
    Unsent(io::Error),
    /// The request left, the answer did not come: nobody knows.
    Unanswered(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(error) => write!(f, "the request could not be sent: {}", plain(error)),
            Self::Unanswered(error) => {
                write!(f, "the request was sent, its answer was lost: {}", plain(error))
            }
        }
    }
}

/// An I/O error in words that do not depend on the platform's for timeouts.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The head as it came, and where in it the names and values are.
    head: Vec<u8>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    /// The body; empty if it was [too large](Self::too_large).
    pub body: Vec<u8>,
    /// Whether the body was over the caller's limit and was not read.
    pub too_large: bool,
}

impl Response {
    /// The value of a header, its name in any case; empty if it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| self.head[other.clone()].eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| std::str::from_utf8(&self.head[value.clone()]).unwrap_or_default())
    }
}

/// What is left to read of an answer whose head was read.
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// A connection to one peer.
pub struct Connection {
    stream: Stream,
    /// Bytes that were read and not yet used.
    input: Vec<u8>,
    reusable: bool,
    used: Instant,
    /// The socket's limits as they were last set, of a read and of a write.
    armed: [Option<Duration>; 2],
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("reusable", &self.reusable).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, and shakes hands where the endpoint speaks TLS, within `limit`.
    pub fn open(endpoint: &Endpoint, tls: &mut Tls, limit: Duration) -> io::Result<Self> {
        let until = Instant::now() + limit;
        let stream = endpoint.dial(limit)?;
        let stream = if endpoint.tls {
            let left = time_left(until)?;
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            Stream::Tls(Box::new(tls.connect(&endpoint.host, stream)?))
        } else {
            Stream::Plain(stream)
        };
        Ok(Self { stream, input: Vec::new(), reusable: true, used: Instant::now(), armed: [None; 2] })
    }

    /// For how long nothing was exchanged.
    pub fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    /// Whether the last answer ended cleanly and allowed another request; the peer may have closed since.
    pub fn is_clean(&self) -> bool {
        self.reusable && self.input.is_empty()
    }

    /// Whether another request may be sent: the last answer ended cleanly, allowed it, and the peer has neither
    /// closed since nor sent what nobody asked for.
    pub fn is_usable(&mut self) -> bool {
        if !self.is_clean() || self.socket().set_nonblocking(true).is_err() {
            return false;
        }
        let quiet = match &mut self.stream {
            Stream::Plain(stream) => {
                matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Stream::Tls(stream) => tls::is_quiet(stream),
        };
        self.socket().set_nonblocking(false).is_ok() && quiet
    }

    /// Sends a whole request with one write and reads its answer until `deadline` (`None`: for as long as it takes).
    /// Bodies above `limit` bytes are not read.
    pub fn exchange(
        &mut self,
        request: &[u8],
        deadline: Option<Instant>,
        limit: usize,
    ) -> Result<Response, Lost> {
        self.reusable = false;
        self.send(request, deadline).map_err(Lost::Unsent)?;
        let response = self.receive(deadline, limit).map_err(Lost::Unanswered)?;
        self.used = Instant::now();
        Ok(response)
    }

    fn send(&mut self, request: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        self.arm(WRITE, deadline)?;
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(request),
            Stream::Tls(stream) => tls::write(stream, request),
        }
    }

    fn receive(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<Response> {
        let (mut response, framing, keep) = loop {
            if let Some(head) = self.head()? {
                // 1xx: the real answer follows.
                if head.0.status >= 200 {
                    break head;
                }
                continue;
            }
            if self.input.len() > MAX_HEAD_BYTES {
                return Err(bad("the answer's head is too long"));
            }
            self.fill(deadline)?;
        };
        let body = match framing {
            Framing::Length(length) if length > limit => None,
            Framing::Length(length) => {
                self.fill_to(length, deadline)?;
                Some(self.input.drain(..length).collect())
            }
            Framing::Chunked => self.chunks(deadline, limit)?,
            Framing::UntilClosed => self.rest(deadline, limit)?,
        };
        self.reusable = keep && body.is_some();
        response.too_large = body.is_none();
        response.body = body.unwrap_or_default();
        if self.input.is_empty() && self.input.capacity() > KEPT_BUFFER_BYTES {
            self.input = Vec::new();
        }
        Ok(response)
    }

    /// Takes the head of an answer off the input, if all of it is there.
    fn head(&mut self) -> io::Result<Option<(Response, Framing, bool)>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(&self.input) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(bad(&format!("the answer is not HTTP: {error}"))),
        };
        let start = self.input.as_ptr().addr();
        let place = |part: &[u8]| {
            let from = part.as_ptr().addr() - start;
            from..from + part.len()
        };
        let headers = head.headers.iter().map(|header| (place(header.name.as_bytes()), place(header.value)));
        let response = Response {
            status: head.code.unwrap_or_default(),
            headers: headers.collect(),
            head: self.input[..length].to_vec(),
            body: Vec::new(),
            too_large: false,
        };
        let has = |name: &str, word: &str| {
            response.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        let current = head.version == Some(1);
        let keep = if current { !has("connection", "close") } else { has("connection", "keep-alive") };
        let framing = if matches!(response.status, 100..=199 | 204 | 304) {
            Framing::Length(0)
        } else if has("transfer-encoding", "chunked") {
            Framing::Chunked
        } else if let Some(length) = response.header("content-length") {
            Framing::Length(length.trim().parse().map_err(|_| bad("the answer's length is not a number"))?)
        } else {
            Framing::UntilClosed
        };
        let keep = keep && !matches!(framing, Framing::UntilClosed);
        self.input.drain(..length);
        Ok(Some((response, framing, keep)))
    }

    /// A chunked body, or `None` if it is over `limit`.
    fn chunks(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(deadline)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| bad("a chunk's size is not a number"))?;
            if size == 0 {
                while !self.line(deadline)?.is_empty() {}
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

    /// A body that ends with the connection, or `None` if it is over `limit`.
    fn rest(&mut self, deadline: Option<Instant>, limit: usize) -> io::Result<Option<Vec<u8>>> {
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

    fn line(&mut self, deadline: Option<Instant>) -> io::Result<String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.input.len() > MAX_HEAD_BYTES {
                return Err(bad("a line of the answer is too long"));
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

    /// Reads once; the end of the connection is an error.
    fn fill(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.arm(READ, deadline)?;
        let used = self.input.len();
        let room = (self.input.capacity() - used).clamp(4096, 256 * 1024);
        self.input.resize(used + room, 0);
        let read = loop {
            let into = &mut self.input[used..];
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(into),
                Stream::Tls(stream) => stream.read(into),
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

    /// Bounds the socket's next read or write by `deadline`. A limit that stands and is about right is left: one request
    /// after the other has nearly the same.
    fn arm(&mut self, way: usize, deadline: Option<Instant>) -> io::Result<()> {
        let Some(deadline) = deadline else { return Ok(()) };
        let left = time_left(deadline)?;
        if self.armed[way].is_some_and(|armed| armed.abs_diff(left) <= left / 64) {
            return Ok(());
        }
        match way {
            READ => self.socket().set_read_timeout(Some(left))?,
            _ => self.socket().set_write_timeout(Some(left))?,
        }
        self.armed[way] = Some(left);
        Ok(())
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

/// What is left until `until`; nothing is an error.
fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
