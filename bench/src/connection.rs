//! One keep-alive HTTP/1.1 connection: writes a request, reads the answer to its end, and knows nothing else of HTTP.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::target::Target;

/// No answer of a counter is larger; what is larger is an error, not memory.
const MAX_ANSWER: usize = 1 << 20;

/// A connection that is opened when it is first needed, and again after the server closed it.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends the request whose turn it is and reads the whole answer. Returns its status.
    pub(crate) async fn ask(&mut self, target: &Target, turn: u32) -> std::io::Result<u16> {
        // Taken out, and put back only after a complete answer: a cut or cancelled exchange never leaves half an answer.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(target).await?,
        };
        let request = &target.requests[turn as usize % target.requests.len()];
        stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if let Some(answer) = parse(&self.buffer)? {
                if !answer.close {
                    self.stream = Some(stream);
                }
                return Ok(answer.status);
            }
            if self.buffer.len() > MAX_ANSWER {
                return Err(Error::new(ErrorKind::InvalidData, "the answer is larger than 1 MiB"));
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Error::new(
                    ErrorKind::UnexpectedEof,
                    "the server closed before the answer ended",
                ));
            }
        }
    }
}

async fn connect(target: &Target) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    close: bool,
}

/// Reads a complete answer at the start of `bytes`; `None` while some of it is missing.
fn parse(bytes: &[u8]) -> std::io::Result<Option<Answer>> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid("its head is no text"))?;
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(status_of).ok_or_else(|| invalid("it begins with no status line"))?;
    let (mut length, mut chunked, mut close) = (None, false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().map_err(|_| invalid("its content-length is no number"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        }
    }
    let complete = match length {
        _ if chunked => chunks_end(body)?,
        _ if status == 204 || status == 304 => true,
        Some(length) => body.len() >= length,
        None => return Err(invalid("it has neither a content-length nor chunks")),
    };
    Ok(complete.then_some(Answer { status, close }))
}

fn status_of(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Whether `body` has all its chunks, the last of length zero.
fn chunks_end(mut body: &[u8]) -> std::io::Result<bool> {
    loop {
        let Some(end) = find(body, b"\r\n") else { return Ok(false) };
        let size = std::str::from_utf8(&body[..end]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| invalid("a chunk has no length"))?;
        if size > MAX_ANSWER {
            return Err(invalid("a chunk is larger than 1 MiB"));
        }
        let next = end + 2 + size + 2;
        if body.len() < next {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        body = &body[next..];
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the answer cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};

    /// Every way of cutting the answer short is "not yet", and the whole of it is the answer.
    fn whole(text: &str, status: u16, close: bool) {
        for cut in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..cut]).unwrap(), None, "{:?}", &text[..cut]);
        }
        assert_eq!(parse(text.as_bytes()).unwrap(), Some(Answer { status, close }));
    }

    #[test]
    fn answers_are_read_to_their_end() {
        whole("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, false);
        whole("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 503, true);
        whole(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n",
            200,
            false,
        );
        whole("HTTP/1.1 204 No Content\r\n\r\n", 204, false);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
