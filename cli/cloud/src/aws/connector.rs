//! The HTTP client of the SDK. It uses TLS only for `https://` URLs, refuses to send credentials over plain
//! HTTP, and reports hosts that respond slowly.

use std::sync::OnceLock;
use std::time::Instant;

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::insecure;
use crate::slow_calls::SlowCallReporter;
use crate::url::{host_and_port, is_secure};

/// Rules for every call of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPolicy {
    /// Reports a host that has not responded yet; `None` reports nothing.
    pub(crate) slow_calls: Option<SlowCallReporter>,
    /// Whether credentials may be sent unencrypted: `--insecure`.
    pub(crate) insecure: bool,
}

/// An HTTP client that chooses the connector by the URL's scheme. Calls to a local emulator do not load TLS.
#[derive(Debug)]
pub(super) struct SchemeClient {
    pub(super) http: SharedHttpClient,
    pub(super) https: SharedHttpClient,
    pub(super) policy: CallPolicy,
}

/// Returns a client for the local cloud: without TLS and without a proxy.
pub(crate) fn local_client(slow_calls: &SlowCallReporter) -> SharedHttpClient {
    // The URLs of the local cloud are `http://`, so the `https` client is never used.
    let http = Builder::new().build_http();
    let policy = CallPolicy { slow_calls: Some(slow_calls.clone()), insecure: false };
    SharedHttpClient::new(SchemeClient { http: http.clone(), https: http, policy })
}

impl HttpClient for SchemeClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(SchemeConnector {
            http: self.http.http_connector(settings, components),
            https: OnceLock::new(),
            https_client: self.https.clone(),
            settings: settings.clone(),
            components: components.clone(),
            policy: self.policy.clone(),
        })
    }
}

#[derive(Debug)]
struct SchemeConnector {
    http: SharedHttpConnector,
    /// The connector of `https_client`, created by the first `https://` call.
    https: OnceLock<SharedHttpConnector>,
    https_client: SharedHttpClient,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
    policy: CallPolicy,
}

impl HttpConnector for SchemeConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !self.policy.insecure
            && let Some(exposed) = insecure::check_request(&request)
        {
            // The SDK does not retry a user error.
            return HttpConnectorFuture::ready(Err(ConnectorError::user(exposed.into())));
        }
        let host = host_and_port(request.uri());
        let call = LoggedCall::new(&request, &host);
        let response = if is_secure(request.uri()) {
            let open = || self.https_client.http_connector(&self.settings, &self.components);
            self.https.get_or_init(open).call(request)
        } else {
            self.http.call(request)
        };
        let slow_calls = self.policy.slow_calls.clone();
        HttpConnectorFuture::new(async move {
            let response = match slow_calls {
                Some(slow_calls) => slow_calls.watch(host, response).await,
                None => response.await,
            };
            call.log(&response);
            response
        })
    }
}

/// A call as debug logs show it. The query and the body are omitted, because they may contain secrets.
struct LoggedCall {
    started: Instant,
    host: String,
    method: String,
    operation: String,
}

impl LoggedCall {
    fn new(request: &HttpRequest, host: &str) -> Self {
        // JSON protocols name the operation in a header; the other protocols encode it in the method and the path.
        let target = request.headers().get("x-amz-target");
        let uri = request.uri();
        let path = uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.map_or("/", |path| path.split('?').next().unwrap_or(path));
        Self {
            started: Instant::now(),
            host: host.to_owned(),
            method: request.method().to_owned(),
            operation: target.unwrap_or(path).to_owned(),
        }
    }

    fn log(&self, response: &Result<HttpResponse, ConnectorError>) {
        let Self { host, method, operation, .. } = self;
        let took_ms = self.started.elapsed().as_millis();
        match response {
            Ok(response) => {
                let header = |name| response.headers().get(name);
                let request_id =
                    header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).unwrap_or("none");
                let status = response.status().as_u16();
                tracing::debug!(host, method, operation, status, request_id, took_ms, "AWS call");
            }
            Err(error) => tracing::debug!(host, method, operation, %error, took_ms, "AWS call failed"),
        }
    }
}
