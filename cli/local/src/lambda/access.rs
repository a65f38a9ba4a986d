//! Restricts a Runtime API to the process that received its address.
//!
//! Every user of this machine, and every web page in a browser on it, can connect to a loopback port. The
//! address of a Runtime API therefore ends in a secret, which is checked before anything else in a request.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HOST, HeaderValue, ORIGIN};
use hyper::{Request, Response, StatusCode};

use super::report;
use crate::host::is_loopback;
use crate::{response, secret};

/// The secret in the address of one Runtime API. Its `Debug` form does not print it.
pub struct RuntimeApiSecret(String);

impl fmt::Debug for RuntimeApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuntimeApiSecret(..)")
    }
}

/// The reason for refusing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The path does not begin with the secret.
    #[error("the path does not begin with the secret of AWS_LAMBDA_RUNTIME_API")]
    NoSecret,
    /// The `Host` is missing, or is not a loopback name or address.
    #[error("the Runtime API accepts only loopback host names")]
    ForeignHost,
    /// The request has an `Origin`: a web page sent it.
    #[error("the Runtime API rejects requests from web pages")]
    WebPage,
}

impl RuntimeApiSecret {
    /// Creates a secret from the system's randomness. Each process of a function needs its own.
    pub fn new() -> io::Result<Self> {
        secret::new().map(Self)
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API` for a process: `HOST:PORT/SECRET`.
    pub fn address(&self, listener: SocketAddr) -> String {
        format!("{listener}/{}", self.0)
    }

    /// Checks a request and returns its path after the secret, such as `/2018-06-01/runtime/invocation/next`.
    pub fn check<'a, B>(&self, request: &'a Request<B>) -> Result<&'a str, AccessDenied> {
        let headers = request.headers();
        if headers.contains_key(ORIGIN) {
            return Err(AccessDenied::WebPage);
        }
        let mut hosts = headers.get_all(HOST).iter().peekable();
        if hosts.peek().is_none() || !hosts.all(|host| host.to_str().is_ok_and(is_loopback)) {
            return Err(AccessDenied::ForeignHost);
        }
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let (shown, call) = path.split_at(path.find('/').unwrap_or(path.len()));
        if secret::equal(shown.as_bytes(), self.0.as_bytes()) {
            Ok(call)
        } else {
            Err(AccessDenied::NoSecret)
        }
    }
}

impl AccessDenied {
    /// Returns the response to a refused request: status 403, in the format of the Runtime API's errors.
    pub fn response(self) -> Response<Full<Bytes>> {
        let payload = report::error_payload("Forbidden", &self.to_string());
        let mut response = response::json(StatusCode::FORBIDDEN, payload);
        // The number of connections is limited, and the function needs them, so this one is closed.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response.map(Full::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "/2018-06-01/runtime/invocation/next";

    fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let request = headers
            .iter()
            .fold(Request::builder().uri(path), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap()
    }

    #[test]
    fn check_of_address_of_process_returns_call() {
        let secret = RuntimeApiSecret::new().unwrap();
        let address = secret.address("127.0.0.1:9001".parse().unwrap());
        let (host, prefix) = address.split_at(address.find('/').unwrap());
        assert_eq!(host, "127.0.0.1:9001");
        assert!(prefix.len() > 32, "{}", prefix.len());
        for host in [host, "localhost:9001", "[::1]:9001"] {
            let allowed = request(&format!("{prefix}{CALL}"), &[("host", host)]);
            assert_eq!(secret.check(&allowed), Ok(CALL), "{host}");
        }
    }

    #[test]
    fn check_without_whole_secret_is_refused() {
        let secret = RuntimeApiSecret::new().unwrap();
        let other = RuntimeApiSecret::new().unwrap();
        let whole = secret.0.clone();
        let paths = [
            CALL.to_owned(),
            format!("/{CALL}"),
            format!("/{}{CALL}", &whole[1..]),
            format!("/{whole}0{CALL}"),
            format!("/x/{whole}{CALL}"),
            format!("//{whole}{CALL}"),
            format!("/{}{CALL}", other.0),
            format!("{CALL}?{whole}"),
            "/".to_owned(),
        ];
        for path in paths {
            let refused = request(&path, &[("host", "127.0.0.1")]);
            assert_eq!(secret.check(&refused), Err(AccessDenied::NoSecret), "{path}");
        }
    }

    #[test]
    fn check_of_foreign_host_or_web_page_is_refused_despite_secret() {
        let secret = RuntimeApiSecret::new().unwrap();
        let path = format!("/{}{CALL}", secret.0);
        for hosts in [
            vec![],
            vec![("host", "rebound.example:9001")],
            vec![("host", "127.0.0.1"), ("host", "rebound.example")],
        ] {
            assert_eq!(secret.check(&request(&path, &hosts)), Err(AccessDenied::ForeignHost), "{hosts:?}");
        }
        for origin in ["https://page.example", "null", "http://127.0.0.1"] {
            let page = request(&path, &[("host", "127.0.0.1"), ("origin", origin)]);
            assert_eq!(secret.check(&page), Err(AccessDenied::WebPage), "{origin}");
        }
    }

    #[test]
    fn secret_is_neither_in_debug_form_nor_in_refusal() {
        let secret = RuntimeApiSecret::new().unwrap();
        assert_eq!(format!("{secret:?}"), "RuntimeApiSecret(..)");
        let refused = secret.check(&request("/x", &[("host", "localhost")])).unwrap_err();
        assert_eq!(refused.response().status(), StatusCode::FORBIDDEN);
        assert!(!refused.to_string().contains(&secret.0));
    }
}
