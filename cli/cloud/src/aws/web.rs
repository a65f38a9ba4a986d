//! HTTP clients for AWS's APIs and for the smoke test of the live URL. TLS uses rustls and ring, with the
//! system's root certificates and those of `AWS_CA_BUNDLE`. Proxies follow the usual variables, and every
//! wait has a time limit.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings, SharedHttpClient};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hitctl_engine::{Fault, FaultKind};
use hitctl_resources::aws::describe_error;
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::connector::{CallPolicy, SchemeClient};
use super::services::env_value;
use crate::url::is_secure;

/// The time limit of connecting. It is the SDK's default.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// The time limit of fetching one URL with its body.
const FETCH_TIMEOUT: Duration = Duration::from_mins(1);
/// The maximum number of redirects to follow.
const MAX_REDIRECTS: usize = 5;

/// Hosts that never use a proxy, as in Go and curl.
const NO_PROXY_HOSTS: &str = "localhost,127.0.0.0/8,::1";

/// The TLS roots and proxies that the environment configures.
#[derive(Clone, Debug)]
pub struct WebClient {
    roots: TrustStore,
    http_proxy: ProxyConfig,
    https_proxy: ProxyConfig,
}

/// A response whose body was read completely.
#[derive(Debug)]
pub struct WebResponse {
    /// The HTTP status.
    pub status: u16,
    /// The value of the requested header.
    pub header: Option<String>,
}

impl WebClient {
    /// Reads the proxies and `AWS_CA_BUNDLE` from the environment.
    ///
    /// # Errors
    ///
    /// `bad_ca_bundle` or `bad_proxy`, with the name of the variable, if a bundle or a proxy cannot be used.
    pub fn new(env: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut roots = TrustStore::default();
        if let Some(path) = env_value(env, &["AWS_CA_BUNDLE"]) {
            roots.add_pem_certificate(read_ca_bundle(path)?);
        }
        Ok(Self {
            roots,
            http_proxy: proxy_config(
                env,
                &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
                ProxyConfig::http,
            )?,
            https_proxy: proxy_config(
                env,
                &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
                ProxyConfig::https,
            )?,
        })
    }

    /// Returns a client for the SDK. TLS and its roots are loaded when the first `https://` URL is called.
    pub(crate) fn client(&self, policy: CallPolicy) -> SharedHttpClient {
        let (http, https) = (self.clone(), self.clone());
        SharedHttpClient::new(SchemeClient {
            policy,
            http: Builder::new().build_with_connector_fn(move |settings, _| http.http_connector(settings)),
            https: Builder::new().build_with_connector_fn(move |settings, _| https.https_connector(settings)),
        })
    }

    /// Fetches a URL and follows redirects. The body may have `max_body` bytes. A status other than 200 is an
    /// error.
    pub async fn fetch(&self, url: &str, max_body: u64) -> Result<Vec<u8>, String> {
        let max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let result = tokio::time::timeout(FETCH_TIMEOUT, self.get(&url, "location", max_body)).await;
            let (response, body) =
                result.map_err(|_| format!("no response within {} s", FETCH_TIMEOUT.as_secs()))??;
            match (response.status, response.header) {
                (200, _) => return Ok(body.into()),
                (301 | 302 | 303 | 307 | 308, Some(to)) => {
                    url = redirect_target(&url, &to)
                        .ok_or_else(|| format!("unsupported redirect to {to:?}"))?;
                }
                (status, _) => return Err(format!("expected HTTP 200, found {status}")),
            }
        }
        Err(format!("more than {MAX_REDIRECTS} redirects"))
    }

    /// Requests a URL and reads the body of at most `max_body` bytes. Each request opens a new connection, so
    /// that it reaches the version that is live at that time.
    pub async fn get(
        &self,
        url: &str,
        header: &str,
        max_body: usize,
    ) -> Result<(WebResponse, Bytes), String> {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = if is_secure(url) {
            self.https_connector(Some(&settings))
        } else {
            self.http_connector(Some(&settings))
        };
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|error| error.to_string())?;
        // Some servers reject requests without a user agent.
        request.headers_mut().insert("user-agent", concat!("hitctl/", env!("CARGO_PKG_VERSION")));
        let response = connector.call(request).await.map_err(|error| describe_error(&error))?;
        let status = response.status().as_u16();
        let header = response.headers().get(header).map(str::to_owned);
        let body = Limited::new(response.into_body(), max_body).collect().await;
        Ok((WebResponse { status, header }, body.map_err(|error| error.to_string())?.to_bytes()))
    }

    fn http_connector(&self, settings: Option<&HttpConnectorSettings>) -> Connector {
        let mut builder = Connector::builder().proxy_config(self.http_proxy.clone());
        builder.set_connector_settings(settings.cloned());
        builder.build_http()
    }

    fn https_connector(&self, settings: Option<&HttpConnectorSettings>) -> Connector {
        let mut builder = Connector::builder()
            .proxy_config(self.https_proxy.clone())
            .tls_provider(Provider::rustls(CryptoMode::Ring));
        builder.set_connector_settings(settings.cloned());
        // Building a context cannot fail. Without a context, the system's roots apply.
        if let Ok(context) = TlsContext::builder().with_trust_store(self.roots.clone()).build() {
            builder.set_tls_context(context);
        }
        builder.build()
    }
}

/// Returns the target of a redirect: another URL, or another path on the same host. `None` for other schemes,
/// and for a redirect from `https://` to `http://`.
fn redirect_target(from: &str, location: &str) -> Option<String> {
    let origin_end = from.find("://").map(|at| at + 3)?;
    let origin_end = from[origin_end..].find(['/', '?', '#']).map_or(from.len(), |at| origin_end + at);
    let url = if location.starts_with('/') && !location.starts_with("//") {
        format!("{}{location}", &from[..origin_end])
    } else {
        location.to_owned()
    };
    let is_plain = url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    (is_secure(&url) || is_plain && !is_secure(from)).then_some(url)
}

fn proxy_config(
    env: &BTreeMap<String, String>,
    names: &[&str],
    make: impl Fn(String) -> Result<ProxyConfig, aws_smithy_http_client::proxy::ProxyError>,
) -> Result<ProxyConfig, Fault> {
    let Some(url) = env_value(env, names) else { return Ok(ProxyConfig::disabled()) };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let no_proxy =
        env_value(env, &["no_proxy", "NO_PROXY"]).map_or_else(String::new, |rules| format!(",{rules}"));
    // The URL may contain a password, so the error names only the variable.
    let invalid = |_| {
        let name = names.iter().find(|name| env_value(env, &[name]).is_some()).unwrap_or(&"HTTPS_PROXY");
        Fault::fatal("bad_proxy", format!("{name}: expected a proxy URL"))
            .hinted(format!("run `export {name}=http://proxy.example:3128`, or unset it"))
            .of_kind(FaultKind::Usage)
    };
    Ok(make(url).map_err(invalid)?.no_proxy(format!("{NO_PROXY_HOSTS}{no_proxy}")))
}

/// Reads the certificates of a PEM file and validates them, because the HTTP client that uses them later cannot
/// report an error.
fn read_ca_bundle(path: &str) -> Result<Vec<u8>, Fault> {
    let invalid = |cause: String| {
        Fault::fatal("bad_ca_bundle", format!("failed to read the AWS_CA_BUNDLE {path}"))
            .caused_by(cause)
            .hinted("set AWS_CA_BUNDLE to a file of PEM certificates, or unset it")
            .of_kind(FaultKind::Usage)
    };
    let pem = fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let mut roots = rustls::RootCertStore::empty();
    let mut count = 0_u32;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(invalid("it contains no certificate".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests;
