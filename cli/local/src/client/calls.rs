//! The calls of the control API: bounded, and with faults that say what to do next.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hitctl_engine::Fault;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::codes;
use crate::logs::Query;
use crate::protocol::{Hold, Invalidation, Invoked, LogPage, Put, Resources, Status, Stored, bearer};
use crate::state::{Endpoint, StateDir};

/// The time limit of a usual call.
const CALL: Duration = Duration::from_secs(10);
/// The time limit of the check whether a daemon runs.
pub(super) const PROBE: Duration = Duration::from_secs(2);
/// The time limit of creating a resource, or of an upload.
const CHANGE: Duration = Duration::from_mins(1);
/// The time limit of an invocation: Lambda's 15 minutes and a start.
const INVOCATION: Duration = Duration::from_mins(16);
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A running local cloud. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    dir: StateDir,
    pub(super) endpoint: Endpoint,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(super) fn new(dir: StateDir, endpoint: Endpoint) -> Self {
        let http = Http::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { dir, endpoint, http }
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address of the daemon.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the state of the daemon.
    pub async fn status(&self) -> Result<Status, Fault> {
        self.json(Method::GET, "/v1/status", Bytes::new(), CALL).await
    }

    /// Everything that is deployed.
    pub async fn resources(&self) -> Result<Resources, Fault> {
        self.json(Method::GET, "/v1/resources", Bytes::new(), CALL).await
    }

    /// One resource; `None` when there is none.
    pub async fn resource(&self, kind: &str, name: &str) -> Result<Option<Stored>, Fault> {
        match self.json(Method::GET, &resource_path(kind, name), Bytes::new(), CALL).await {
            Ok(stored) => Ok(Some(stored)),
            Err(fault) if fault.code == codes::NOT_FOUND => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Makes a resource, or changes it to what is wanted.
    pub async fn put_resource(&self, kind: &str, name: &str, spec: &Json) -> Result<Stored, Fault> {
        let body = serde_json::to_vec(&Put { spec: spec.clone() }).unwrap_or_default();
        self.json(Method::PUT, &resource_path(kind, name), body.into(), CHANGE).await
    }

    /// Removes a resource; one that is gone is fine.
    pub async fn delete_resource(&self, kind: &str, name: &str) -> Result<(), Fault> {
        self.call(Method::DELETE, &resource_path(kind, name), Bytes::new(), CHANGE).await.map(drop)
    }

    /// Whether a zip of that SHA-256 is there.
    pub async fn has_code(&self, sha256: &str) -> Result<bool, Fault> {
        let (status, _) = self.send(Method::HEAD, &format!("/v1/code/{sha256}"), Bytes::new(), CALL).await?;
        Ok(status == StatusCode::OK)
    }

    /// Uploads a zip of that SHA-256, unless it is there.
    pub async fn put_code(&self, sha256: &str, zip: &Path) -> Result<(), Fault> {
        if self.has_code(sha256).await? {
            return Ok(());
        }
        let bytes = tokio::fs::read(zip).await.map_err(|error| {
            Fault::fatal("artifact", format!("could not read {}", zip.display()))
                .caused_by(error)
                .hinted("build the function again: `hitctl build`")
        })?;
        self.call(Method::PUT, &format!("/v1/code/{sha256}"), bytes.into(), CHANGE).await.map(drop)
    }

    /// Calls a function with an event and waits for its answer. Over its concurrency it is refused with
    /// `TooManyRequestsException`.
    pub async fn invoke(&self, name: &str, event: Bytes) -> Result<Invoked, Fault> {
        let path = format!("/v1/functions/{}/invocations", escape(name));
        self.json(Method::POST, &path, event, INVOCATION).await
    }

    /// Reads events of a log group, oldest first.
    pub async fn logs(&self, group: &str, query: &Query) -> Result<LogPage, Fault> {
        let after =
            query.after.as_deref().map(|after| format!("&after={}", escape(after))).unwrap_or_default();
        let Query { since_ms, limit, .. } = query;
        let path = format!("/v1/logs?group={}&since={since_ms}&limit={limit}{after}", escape(group));
        self.json(Method::GET, &path, Bytes::new(), CALL).await
    }

    /// Returns the recorded invalidations of `CloudFront`, the oldest first.
    pub async fn invalidations(&self) -> Result<Vec<Invalidation>, Fault> {
        self.json(Method::GET, "/v1/invalidations", Bytes::new(), CALL).await
    }

    /// Says how long invalidations take from now on, in seconds: with many in progress `CloudFront` refuses more.
    pub async fn hold_invalidations(&self, in_progress_s: u32) -> Result<(), Fault> {
        let body = serde_json::to_vec(&Hold { in_progress_s }).unwrap_or_default();
        self.call(Method::PUT, "/v1/invalidations", body.into(), CALL).await.map(drop)
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<T, Fault> {
        let body = self.call(method, path, body, within).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Fault::fatal("local_answer", "the local cloud gave an answer that makes no sense")
                .caused_by(error)
                .hinted(
                    "run `hitctl local stop`, then the command again: the daemon may be of another version",
                )
        })
    }

    /// Sends a request; an answer that is no success becomes the fault that it carries.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, Fault> {
        let (status, body) = self.send(method, path, body, within).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            Fault::fatal("local_answer", format!("the local cloud answered {status}"))
                .caused_by(String::from_utf8_lossy(&body))
        }))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.control))
            .header(AUTHORIZATION, bearer(&self.endpoint.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| Fault::fatal("local_call", "a call could not be made").caused_by(error))?;
        self.exchange(request, within).await
    }

    /// One request and its answer, bounded in time and size.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| self.failed(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| lost(error.as_ref()))?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| Err(self.unresponsive(within)))
    }

    fn failed(&self, error: &hyper_util::client::legacy::Error) -> Fault {
        if error.is_connect() {
            return unreachable(self.dir.path()).caused_by(innermost(error));
        }
        lost(error)
    }

    fn unresponsive(&self, within: Duration) -> Fault {
        let pid = self.endpoint.pid;
        Fault::fatal(
            codes::UNRESPONSIVE,
            format!("the local cloud (pid {pid}) did not answer within {} s", within.as_secs()),
        )
        .hinted("run `hitctl local stop`, then the command again")
    }
}

/// Nobody is there.
pub(crate) fn unreachable(dir: &Path) -> Fault {
    Fault::fatal("local_unreachable", format!("the local cloud in {} is not running", dir.display()))
        .hinted("run `hitctl local start`")
}

/// The connection broke in the middle: the call may have been done, or not.
fn lost(error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault::transient(
        "local_connection_lost",
        "the connection to the local cloud broke in the middle of a call",
    )
    .caused_by(innermost(error))
    .hinted("run the command again; it continues where it stopped")
}

/// The innermost cause of an error.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn resource_path(kind: &str, name: &str) -> String {
    format!("/v1/resources/{}/{}", escape(kind), escape(name))
}

/// Text as one segment of a path, or one value of a query.
fn escape(text: &str) -> impl Display {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, ESCAPED)
}
