//! How HTTP leaves the program, for AWS's APIs and for the look at the live URL. TLS by rustls and ring, the
//! system's root certificates and those of `AWS_CA_BUNDLE`, proxies by the usual variables, and a bound on every wait.

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
use hitctl_resources::aws::error_in_words;
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::connector::{CallPolicy, Client};
use super::services::set;
use crate::url::is_secure;

/// How long a connection may take to come up: the SDK's own choice.
pub(crate) const CONNECT: Duration = Duration::from_millis(3_100);

/// How long it may take to get something whole.
const FETCH: Duration = Duration::from_mins(1);
/// How often an address may lead to another one.
const MOST_REDIRECTIONS: usize = 5;

/// Always reached directly, as Go's and curl's users expect of their own machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// What the environment says about the way out.
#[derive(Clone, Debug)]
pub struct Web {
    roots: TrustStore,
    for_http: ProxyConfig,
    for_https: ProxyConfig,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct WebResponse {
    /// The HTTP status.
    pub status: u16,
    /// The value of the header that was asked for.
    pub header: Option<String>,
}

impl Web {
    /// Reads the environment. A bundle or a proxy that cannot be used is said now, and by the variable's name.
    pub fn new(env: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut roots = TrustStore::default();
        if let Some(path) = set(env, &["AWS_CA_BUNDLE"]) {
            roots.add_pem_certificate(bundle(path)?);
        }
        Ok(Self {
            roots,
            for_http: proxy(env, &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"], ProxyConfig::http)?,
            for_https: proxy(
                env,
                &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
                ProxyConfig::https,
            )?,
        })
    }

    /// A client for the SDK. TLS and its roots are loaded when the first `https://` address is asked.
    pub(crate) fn client(&self, policy: CallPolicy) -> SharedHttpClient {
        let (plain, secure) = (self.clone(), self.clone());
        SharedHttpClient::new(Client {
            policy,
            plain: Builder::new().build_with_connector_fn(move |settings, _| plain.plain(settings)),
            secure: Builder::new().build_with_connector_fn(move |settings, _| secure.secure(settings)),
        })
    }

    /// Gets what is at a URL, over redirections; of at most so many bytes. Anything but 200 is no answer.
    pub async fn fetch(&self, url: &str, max_body: u64) -> Result<Vec<u8>, String> {
        let max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTIONS {
            let asked = tokio::time::timeout(FETCH, self.ask(&url, "location", max_body)).await;
            let (answer, body) = asked.map_err(|_| format!("no answer within {} s", FETCH.as_secs()))??;
            match (answer.status, answer.header) {
                (200, _) => return Ok(body.into()),
                (301 | 302 | 303 | 307 | 308, Some(to)) => {
                    url = redirected(&url, &to).ok_or_else(|| format!("it leads to {to:?}"))?;
                }
                (status, _) => return Err(format!("the answer was HTTP {status}")),
            }
        }
        Err(format!("it leads on more than {MOST_REDIRECTIONS} times"))
    }

    /// Asks a URL and reads the whole answer, of at most so many bytes. Each question uses a connection of its own: the
    /// next one is to reach whatever answers then.
    pub async fn ask(
        &self,
        url: &str,
        header: &str,
        max_body: usize,
    ) -> Result<(WebResponse, Bytes), String> {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).build();
        let connector =
            if is_secure(url) { self.secure(Some(&settings)) } else { self.plain(Some(&settings)) };
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|error| error.to_string())?;
        // Some servers answer nobody who does not say who asks.
        request.headers_mut().insert("user-agent", concat!("hitctl/", env!("CARGO_PKG_VERSION")));
        let answer = connector.call(request).await.map_err(|error| error_in_words(&error))?;
        let status = answer.status().as_u16();
        let header = answer.headers().get(header).map(str::to_owned);
        let body = Limited::new(answer.into_body(), max_body).collect().await;
        Ok((WebResponse { status, header }, body.map_err(|error| error.to_string())?.to_bytes()))
    }

    fn plain(&self, settings: Option<&HttpConnectorSettings>) -> Connector {
        let mut builder = Connector::builder().proxy_config(self.for_http.clone());
        builder.set_connector_settings(settings.cloned());
        builder.build_http()
    }

    fn secure(&self, settings: Option<&HttpConnectorSettings>) -> Connector {
        let mut builder = Connector::builder()
            .proxy_config(self.for_https.clone())
            .tls_provider(Provider::rustls(CryptoMode::Ring));
        builder.set_connector_settings(settings.cloned());
        // Building a context cannot fail; without one the system's roots count.
        if let Ok(context) = TlsContext::builder().with_trust_store(self.roots.clone()).build() {
            builder.set_tls_context(context);
        }
        builder.build()
    }
}

/// Where a redirection leads: another address, or another path at the same place. From TLS it must not lead out of it.
fn redirected(from: &str, to: &str) -> Option<String> {
    let origin_ends = from.find("://").map(|at| at + 3)?;
    let origin_ends = from[origin_ends..].find(['/', '?', '#']).map_or(from.len(), |at| origin_ends + at);
    let whole = if to.starts_with('/') && !to.starts_with("//") {
        format!("{}{to}", &from[..origin_ends])
    } else {
        to.to_owned()
    };
    let is_plain = whole.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    (is_secure(&whole) || is_plain && !is_secure(from)).then_some(whole)
}

fn proxy(
    env: &BTreeMap<String, String>,
    names: &[&str],
    make: impl Fn(String) -> Result<ProxyConfig, aws_smithy_http_client::proxy::ProxyError>,
) -> Result<ProxyConfig, Fault> {
    let Some(url) = set(env, names) else { return Ok(ProxyConfig::disabled()) };
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let direct = set(env, &["no_proxy", "NO_PROXY"]).map_or_else(String::new, |rules| format!(",{rules}"));
    // The address may hold a password: only the variable is named.
    let wrong = |_| {
        let name = names.iter().find(|name| set(env, &[name]).is_some()).unwrap_or(&"HTTPS_PROXY");
        Fault::fatal("bad_proxy", format!("{name} is not the address of a proxy"))
            .hinted(format!("set it as in `export {name}=http://proxy.example:3128`, or unset it"))
            .of_kind(FaultKind::Usage)
    };
    Ok(make(whole).map_err(wrong)?.no_proxy(format!("{LOOPBACK}{direct}")))
}

/// The certificates of a PEM file, checked: what uses them later has no way to say what is wrong with them.
fn bundle(path: &str) -> Result<Vec<u8>, Fault> {
    let wrong = |what: String| {
        Fault::fatal("bad_ca_bundle", format!("AWS_CA_BUNDLE names {path}, which cannot be used"))
            .caused_by(what)
            .hinted("name a file of PEM certificates in AWS_CA_BUNDLE, or unset it")
            .of_kind(FaultKind::Usage)
    };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = rustls::RootCertStore::empty();
    let mut count = 0_u32;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
#[path = "web_tests.rs"]
mod tests;
