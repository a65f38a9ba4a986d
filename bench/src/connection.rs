//! A keep-alive HTTP/1.1 connection that sends a request and reads its response to the end. It supports no other part of HTTP.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::target::LoadTarget;

/// The maximum size of a response in bytes, which limits the memory. Responses of a counter are smaller.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// A connection that is opened on first use, and again after the server closed it.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends the request for this sequence number, reads the whole response and returns its status.
    pub(crate) async fn send(&mut self, target: &LoadTarget, sequence: u32) -> std::io::Result<u16> {
        // The stream is put back only after a complete response, so that an interrupted exchange leaves no partial response in it.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(target).await?,
        };
        let request = &target.requests[sequence as usize % target.requests.len()];
        stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if let Some(response) = parse(&self.buffer)? {
                if !response.close {
                    self.stream = Some(stream);
                }
                return Ok(response.status);
            }
            if self.buffer.len() > MAX_RESPONSE_BYTES {
                return Err(Error::new(ErrorKind::InvalidData, "the response is larger than 1 MiB"));
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Error::new(
                    ErrorKind::UnexpectedEof,
                    "the server closed the connection before the end of the response",
                ));
            }
        }
    }
}

async fn connect(target: &LoadTarget) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status of a complete response.
#[derive(Debug, PartialEq, Eq)]
struct ResponseStatus {
    status: u16,
    close: bool,
}

/// Parses a response at the start of `bytes`. Returns `None` while it is incomplete.
fn parse(bytes: &[u8]) -> std::io::Result<Option<ResponseStatus>> {
    let Some(end) = find_bytes(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid_response("the head is not UTF-8"))?;
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(parse_status)
        .ok_or_else(|| invalid_response("the status line is missing or invalid"))?;
    let (mut length, mut chunked, mut close) = (None, false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(
                value.parse::<usize>().map_err(|_| invalid_response("the content-length is not a number"))?,
            );
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        }
    }
    let complete = match length {
        _ if chunked => has_all_chunks(body)?,
        _ if status == 204 || status == 304 => true,
        Some(length) => body.len() >= length,
        None => return Err(invalid_response("the content-length is missing, and the body is not chunked")),
    };
    Ok(complete.then_some(ResponseStatus { status, close }))
}

fn parse_status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Whether `body` has all its chunks, up to the last one of length zero.
fn has_all_chunks(mut body: &[u8]) -> std::io::Result<bool> {
    loop {
        let Some(end) = find_bytes(body, b"\r\n") else { return Ok(false) };
        let size = std::str::from_utf8(&body[..end]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| invalid_response("a chunk has no length"))?;
        if size > MAX_RESPONSE_BYTES {
            return Err(invalid_response("a chunk is larger than 1 MiB"));
        }
        // A line break follows the length, and another one follows the chunk.
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

fn find_bytes(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn invalid_response(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("failed to parse the response: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::{ResponseStatus, parse};

    /// Checks that every proper prefix of a response is incomplete, and that the whole response is parsed.
    fn assert_parsed(text: &str, status: u16, close: bool) {
        for cut in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..cut]).unwrap(), None, "{:?}", &text[..cut]);
        }
        assert_eq!(parse(text.as_bytes()).unwrap(), Some(ResponseStatus { status, close }));
    }

    #[test]
    fn parse_reads_complete_responses() {
        assert_parsed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, false);
        assert_parsed("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 503, true);
        assert_parsed(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n",
            200,
            false,
        );
        assert_parsed("HTTP/1.1 204 No Content\r\n\r\n", 204, false);
    }

    #[test]
    fn parse_rejects_invalid_responses() {
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
