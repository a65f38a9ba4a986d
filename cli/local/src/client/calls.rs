//! The calls of the control API, limited in time and size, with faults that say what to do next.

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
use crate::logs::LogEventQuery;
use crate::protocol::{
    DaemonStatus, DeployedResource, DeployedResources, InvalidationRecord, InvalidationSettings,
    JsonInvocation, LogEventPage, PutResourceRequest, bearer_header,
};
use crate::state::{DaemonEndpoint, StateDir};

/// The time limit of most calls.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of the check whether a daemon runs.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit of creating a resource, or of an upload.
const CHANGE_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit of an invocation: Lambda's 15 minutes and the start of a process.
const INVOCATION_TIMEOUT: Duration = Duration::from_mins(16);
/// The largest response, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// A client of a running local cloud. Clones share their connections.
#[derive(Clone, Debug)]
pub struct LocalClient {
    dir: StateDir,
    pub(super) endpoint: DaemonEndpoint,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl LocalClient {
    pub(super) fn new(dir: StateDir, endpoint: DaemonEndpoint) -> Self {
        let http = Http::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { dir, endpoint, http }
    }

    /// Returns the path of the state directory.
    pub fn state_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the addresses of the daemon.
    pub fn endpoint(&self) -> &DaemonEndpoint {
        &self.endpoint
    }

    /// Returns the status of the daemon.
    pub async fn status(&self) -> Result<DaemonStatus, Fault> {
        self.call_json(Method::GET, "/v1/status", Bytes::new(), CALL_TIMEOUT).await
    }

    /// Returns every deployed resource.
    pub async fn resources(&self) -> Result<DeployedResources, Fault> {
        self.call_json(Method::GET, "/v1/resources", Bytes::new(), CALL_TIMEOUT).await
    }

    /// Returns one resource; `None` if it does not exist.
    pub async fn resource(&self, kind: &str, name: &str) -> Result<Option<DeployedResource>, Fault> {
        match self.call_json(Method::GET, &resource_path(kind, name), Bytes::new(), CALL_TIMEOUT).await {
            Ok(stored) => Ok(Some(stored)),
            Err(fault) if fault.code == codes::NOT_FOUND => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Creates or updates a resource.
    pub async fn put_resource(&self, kind: &str, name: &str, spec: &Json) -> Result<DeployedResource, Fault> {
        let body = serde_json::to_vec(&PutResourceRequest { spec: spec.clone() }).unwrap_or_default();
        self.call_json(Method::PUT, &resource_path(kind, name), body.into(), CHANGE_TIMEOUT).await
    }

    /// Removes a resource. Succeeds if it does not exist.
    pub async fn delete_resource(&self, kind: &str, name: &str) -> Result<(), Fault> {
        self.call(Method::DELETE, &resource_path(kind, name), Bytes::new(), CHANGE_TIMEOUT).await.map(drop)
    }

    /// Whether the zip with the hash `sha256` is stored and intact.
    pub async fn has_code(&self, sha256: &str) -> Result<bool, Fault> {
        let (status, _) =
            self.send(Method::HEAD, &format!("/v1/code/{sha256}"), Bytes::new(), CALL_TIMEOUT).await?;
        Ok(status == StatusCode::OK)
    }

    /// Uploads the file `zip`, whose hash is `sha256`, unless it is already stored.
    pub async fn put_code(&self, sha256: &str, zip: &Path) -> Result<(), Fault> {
        if self.has_code(sha256).await? {
            return Ok(());
        }
        let bytes = tokio::fs::read(zip).await.map_err(|error| {
            Fault::fatal("artifact", format!("failed to read {}", zip.display()))
                .caused_by(error)
                .hinted("run `hitctl build` to build the function again")
        })?;
        self.call(Method::PUT, &format!("/v1/code/{sha256}"), bytes.into(), CHANGE_TIMEOUT).await.map(drop)
    }

    /// Invokes a function with an event and waits for its result. Fails with `TooManyRequestsException` if the
    /// function has reached its concurrency limit.
    pub async fn invoke(&self, name: &str, event: Bytes) -> Result<JsonInvocation, Fault> {
        let path = format!("/v1/functions/{}/invocations", escape(name));
        self.call_json(Method::POST, &path, event, INVOCATION_TIMEOUT).await
    }

    /// Reads events of a log group, oldest first.
    pub async fn logs(&self, group: &str, query: &LogEventQuery) -> Result<LogEventPage, Fault> {
        let after =
            query.after.as_deref().map(|after| format!("&after={}", escape(after))).unwrap_or_default();
        let LogEventQuery { since_ms, limit, .. } = query;
        let path = format!("/v1/logs?group={}&since={since_ms}&limit={limit}{after}", escape(group));
        self.call_json(Method::GET, &path, Bytes::new(), CALL_TIMEOUT).await
    }

    /// Returns the recorded invalidations of `CloudFront`, oldest first.
    pub async fn invalidations(&self) -> Result<Vec<InvalidationRecord>, Fault> {
        self.call_json(Method::GET, "/v1/invalidations", Bytes::new(), CALL_TIMEOUT).await
    }

    /// Sets how long new invalidations take, in seconds. If too many are in progress, `CloudFront` refuses new
    /// ones.
    pub async fn set_invalidation_duration(&self, in_progress_s: u32) -> Result<(), Fault> {
        let body = serde_json::to_vec(&InvalidationSettings { in_progress_s }).unwrap_or_default();
        self.call(Method::PUT, "/v1/invalidations", body.into(), CALL_TIMEOUT).await.map(drop)
    }

    pub(super) async fn call_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<T, Fault> {
        let body = self.call(method, path, body, within).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Fault::fatal("local_answer", "failed to parse the response of the local cloud")
                .caused_by(error)
                .hinted(
                    "run `hitctl local stop`, then run the command again; the daemon may be another version of hitctl",
                )
        })
    }

    /// Sends a request. Converts an error response into the fault in its body.
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
            Fault::fatal("local_answer", format!("the local cloud returned {status}"))
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
            .header(AUTHORIZATION, bearer_header(&self.endpoint.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| {
                Fault::fatal(
                    "local_call",
                    "internal error: failed to create a request to the local cloud; please report it",
                )
                .caused_by(error)
            })?;
        self.exchange(request, within).await
    }

    /// Sends one request and reads its response, limited in time and size.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| self.transport_fault(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
            let body = body.map_err(|error| connection_lost_fault(error.as_ref()))?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| Err(self.unresponsive_fault(within)))
    }

    fn transport_fault(&self, error: &hyper_util::client::legacy::Error) -> Fault {
        if error.is_connect() {
            return not_running_fault(self.dir.path()).caused_by(innermost(error));
        }
        connection_lost_fault(error)
    }

    fn unresponsive_fault(&self, within: Duration) -> Fault {
        let pid = self.endpoint.pid;
        Fault::fatal(
            codes::UNRESPONSIVE,
            format!("the local cloud (pid {pid}) did not respond within {} s", within.as_secs()),
        )
        .hinted("run `hitctl local stop`, then run the command again")
    }
}

/// Returns the fault for a local cloud that is not running.
pub(crate) fn not_running_fault(dir: &Path) -> Fault {
    Fault::fatal("local_unreachable", format!("the local cloud in {} is not running", dir.display()))
        .hinted("run `hitctl local start`")
}

/// Returns the fault for a connection that broke in the middle. The call may or may not have taken effect.
fn connection_lost_fault(error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault::transient("local_connection_lost", "the connection to the local cloud was lost during a request")
        .caused_by(innermost(error))
        .hinted("run the command again; it continues where it stopped")
}

/// Returns the innermost cause of an error.
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

/// Escapes text for one segment of a path or one value of a query.
fn escape(text: &str) -> impl Display {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, ESCAPED)
}
