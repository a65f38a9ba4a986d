//! The HTTP client of the SDK: TLS only where it is needed, nothing secret over plain HTTP, and a word about a server that
//! takes long.

use std::sync::OnceLock;

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::http::is_secure;
use super::insecure;
use super::session::host;
use crate::report::Notifier;

/// Rules for every call of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallPolicy {
    /// Reports a host that has not answered yet; `None` reports nothing.
    pub(crate) notifier: Option<Notifier>,
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
pub(crate) fn local(notifier: &Notifier) -> SharedHttpClient {
    let http = Builder::new().build_http();
    let policy = CallPolicy { notifier: Some(notifier.clone()), insecure: false };
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
        let answer = if is_secure(request.uri()) {
            let open = || self.client.http_connector(&self.settings, &self.components);
            self.secure.get_or_init(open).call(request)
        } else {
            self.plain.call(request)
        };
        match self.policy.notifier.clone() {
            Some(notifier) => HttpConnectorFuture::new(notifier.watch(host, answer)),
            None => answer,
        }
    }
}
