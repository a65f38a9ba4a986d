//! The HTTP client of the SDK: TLS only where it is needed, nothing secret over plain HTTP, and a word about a server that
//! takes long.

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
use crate::slow_calls::SlowCalls;
use crate::url::{host, is_secure};

/// Rules for every call of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPolicy {
    /// Reports a host that has not answered yet; `None` reports nothing.
    pub(crate) slow_calls: Option<SlowCalls>,
    /// Whether credentials may be sent unencrypted: `--insecure`.
    pub(crate) insecure: bool,
}

/// A client that chooses by the scheme: an emulator on this machine costs no TLS.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) plain: SharedHttpClient,
    pub(super) secure: SharedHttpClient,
    pub(super) policy: CallPolicy,
}

/// A client for the cloud on this machine: no TLS, and no proxy.
pub(crate) fn local(slow_calls: &SlowCalls) -> SharedHttpClient {
    let http = Builder::new().build_http();
    let policy = CallPolicy { slow_calls: Some(slow_calls.clone()), insecure: false };
    SharedHttpClient::new(Client { plain: http.clone(), secure: http, policy })
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ByScheme {
            plain: self.plain.http_connector(settings, components),
            secure: OnceLock::new(),
            client: self.secure.clone(),
            settings: settings.clone(),
            components: components.clone(),
            policy: self.policy.clone(),
        })
    }
}

#[derive(Debug)]
struct ByScheme {
    plain: SharedHttpConnector,
    secure: OnceLock<SharedHttpConnector>,
    client: SharedHttpClient,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
    policy: CallPolicy,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !self.policy.insecure
            && let Some(exposed) = insecure::exposes(&request)
        {
            // An error of the user is not retried.
            return HttpConnectorFuture::ready(Err(ConnectorError::user(exposed.into())));
        }
        let host = host(request.uri());
        let call = LoggedCall::of(&request, &host);
        let answer = if is_secure(request.uri()) {
            let open = || self.client.http_connector(&self.settings, &self.components);
            self.secure.get_or_init(open).call(request)
        } else {
            self.plain.call(request)
        };
        let slow_calls = self.policy.slow_calls.clone();
        HttpConnectorFuture::new(async move {
            let answer = match slow_calls {
                Some(slow_calls) => slow_calls.watch(host, answer).await,
                None => answer.await,
            };
            call.log(&answer);
            answer
        })
    }
}

/// A call, as the diagnostics show it: without its query and its body, which may hold secrets.
struct LoggedCall {
    started: Instant,
    host: String,
    method: String,
    operation: String,
}

impl LoggedCall {
    fn of(request: &HttpRequest, host: &str) -> Self {
        // JSON protocols name the operation in a header, the others by method and path.
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

    fn log(&self, answer: &Result<HttpResponse, ConnectorError>) {
        let Self { host, method, operation, .. } = self;
        let took_ms = self.started.elapsed().as_millis();
        match answer {
            Ok(answer) => {
                let header = |name| answer.headers().get(name);
                let request_id =
                    header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).unwrap_or("none");
                let status = answer.status().as_u16();
                tracing::debug!(host, method, operation, status, request_id, took_ms, "AWS call");
            }
            Err(error) => tracing::debug!(host, method, operation, %error, took_ms, "AWS call failed"),
        }
    }
}
