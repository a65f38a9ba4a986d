//! Parses the address of a peer and connects to it. Sends no requests.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A base URL: scheme, host, port and an optional path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the endpoint uses TLS.
    pub tls: bool,
    /// The host name or address. An IPv6 address has no brackets.
    pub host: String,
    /// The port, given or implied by the scheme.
    pub port: u16,
    /// The path that precedes every request's path, without a trailing slash; usually empty.
    pub prefix: String,
}

impl Endpoint {
    /// Parses a URL such as `http://host:port/prefix`. A URL without a scheme is plain HTTP, as in
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("expected an endpoint URL, found `{url}`: {why}"));
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((scheme, _)) => return bad(&format!("the scheme {scheme} is neither http nor https")),
            None => (false, url),
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_valid_characters =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\\".contains(&byte));
        if !has_valid_characters(rest) {
            return bad("it contains an invalid character");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return bad("the host is missing");
        }
        let port = match port.map(str::parse) {
            None if tls => 443,
            None => 80,
            Some(Ok(port)) => port,
            Some(Err(_)) => return bad("the port is not a number from 0 to 65535"),
        };
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { tls, host: host.to_owned(), port, prefix })
    }

    /// Returns the value of the `Host` header. It omits the default port, as signatures require.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.tls { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// Connects within `limit`, trying each address of the host in turn.
    pub(super) fn connect(&self, limit: Duration) -> io::Result<TcpStream> {
        let until = Instant::now() + limit;
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        // An address literal needs no lookup, so local use never loads the resolver.
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(tls: bool, host: &str, port: u16, prefix: &str) -> Endpoint {
        Endpoint { tls, host: host.to_owned(), port, prefix: prefix.to_owned() }
    }

    #[test]
    fn endpoint_urls_of_lambda_and_sdks_are_parsed() {
        for (url, expected, authority) in [
            ("127.0.0.1:9001", endpoint(false, "127.0.0.1", 9001, ""), "127.0.0.1:9001"),
            ("localhost:80/a/b/", endpoint(false, "localhost", 80, "/a/b"), "localhost"),
            ("http://localhost:8000/", endpoint(false, "localhost", 8000, ""), "localhost:8000"),
            (
                "https://dynamodb.eu-central-1.amazonaws.com",
                endpoint(true, "dynamodb.eu-central-1.amazonaws.com", 443, ""),
                "dynamodb.eu-central-1.amazonaws.com",
            ),
            ("http://[::1]:8000", endpoint(false, "::1", 8000, ""), "[::1]:8000"),
            ("https://[::1]", endpoint(true, "::1", 443, ""), "[::1]"),
        ] {
            let parsed = Endpoint::parse(url).unwrap();
            assert_eq!(parsed, expected);
            assert_eq!(parsed.authority(), authority);
        }
    }

    #[test]
    fn invalid_endpoint_urls_are_rejected() {
        for url in [
            "",
            "http://",
            "ftp://a",
            "http://a:b",
            "http://a:70000",
            "http://a b",
            "http://a\r\nx",
            "http://u@a",
            "a?b",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url:?}");
        }
        let why = Endpoint::parse("http://a:b").unwrap_err();
        insta::assert_snapshot!(why, @"expected an endpoint URL, found `http://a:b`: the port is not a number from 0 to 65535");
    }
}
