//! Keeps credentials off unencrypted connections. It finds endpoints and requests that would expose
//! credentials. Dummy access keys of emulators may be exposed.

use std::collections::BTreeMap;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::service_config::{LoadServiceConfig as _, ServiceConfigKey};
use hitctl_engine::{Fault, FaultKind};

use super::credentials::{AccessKey, AwsProfiles};
use super::services::{ENDPOINT_VARIABLE, ServiceEndpoints, env_value, service_variable};
use crate::url::{host_and_port, is_loopback, is_secure};

/// Access keys that emulators and their documentation use, in lower case. AWS accepts none of them.
const DUMMY_KEYS: &[&str] = &[
    "access",
    "access_key",
    "accesskey",
    "accesskeyid",
    "admin",
    "anything",
    "bar",
    "dummy",
    "dummykey",
    "emulator",
    "example",
    "fake",
    "fakeaccesskey",
    "fakeid",
    "fakemykeyid",
    "floci",
    "foo",
    "foobar",
    "key",
    "local",
    "localstack",
    "ministack",
    "minio",
    "minioadmin",
    "mock",
    "mock_access_key",
    "moto",
    "motoserver",
    "none",
    "not-used",
    "notused",
    "null",
    "placeholder",
    "sample",
    "test",
    "testing",
    "unused",
    "x",
    "xxx",
];

/// The IDs of all services that are called, as endpoint settings name them.
const SERVICE_IDS: &[&str] = &[
    "STS",
    "Lambda",
    "IAM",
    "DynamoDB",
    "SQS",
    "EventBridge",
    "CloudWatch Logs",
    "ApiGatewayV2",
    "CloudFront",
    "Resource Groups Tagging API",
    "SSO",
    "SSO OIDC",
    "Signin",
];

/// The error for a request or an endpoint that would expose credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InsecureEndpoint {
    host: String,
    origin: Option<String>,
}

impl fmt::Display for InsecureEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials would be sent to {} unencrypted", self.host)
    }
}

impl std::error::Error for InsecureEndpoint {}

impl InsecureEndpoint {
    /// Returns the fault that ends the program.
    pub(super) fn to_fault(&self) -> Fault {
        let fault = Fault::fatal("insecure_endpoint", format!("failed to use http://{}: {self}", self.host))
            .hinted("use https, or pass `--insecure` if the network is trusted")
            .of_kind(FaultKind::Usage);
        match &self.origin {
            Some(origin) => fault.caused_by(format!("the endpoint comes from {origin}")),
            None => fault,
        }
    }
}

/// Checks the configured endpoints before anything is sent. `flag` is the endpoint from the command line,
/// `ambient` the endpoint from the environment or the profile.
///
/// # Errors
///
/// Fails if an endpoint is an `http://` URL on another machine and the access key is not a dummy. Without
/// credentials, every endpoint is accepted.
pub(super) fn check_endpoints(
    env: &BTreeMap<String, String>,
    profiles: &AwsProfiles,
    flag: Option<&str>,
    ambient: Option<&str>,
    services: &ServiceEndpoints,
) -> Result<(), InsecureEndpoint> {
    match AccessKey::resolve(env, profiles) {
        AccessKey::None => return Ok(()),
        AccessKey::Static(id) if is_dummy(id) => return Ok(()),
        AccessKey::Static(_) | AccessKey::Temporary => {}
    }
    let reject_exposed = |url: &str, origin: String| match exposed_host(url) {
        Some(host) => Err(InsecureEndpoint { host, origin: Some(origin) }),
        None => Ok(()),
    };
    let is_set_by = |variable: &str, url: &str| env_value(env, &[variable]) == Some(url);
    if let Some(url) = flag {
        let name =
            if is_set_by("HITCTL_ENDPOINT_URL", url) { "HITCTL_ENDPOINT_URL" } else { "--endpoint-url" };
        // The flag overrides all other endpoints.
        return reject_exposed(url, name.to_owned());
    }
    if let Some(url) = ambient {
        let profile = format!("`endpoint_url` of profile {}", profiles.name);
        reject_exposed(
            url,
            if is_set_by(ENDPOINT_VARIABLE, url) { ENDPOINT_VARIABLE.to_owned() } else { profile },
        )?;
    }
    for service in SERVICE_IDS {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env(ENDPOINT_VARIABLE)
            .profile("endpoint_url")
            .build();
        let Some(url) = key.ok().and_then(|key| services.load_config(key)) else { continue };
        let service_specific = service_variable(ENDPOINT_VARIABLE, service);
        let origin = if is_set_by(&service_specific, &url) {
            service_specific
        } else {
            format!("`endpoint_url` for {service} of profile {}", profiles.name)
        };
        reject_exposed(&url, origin)?;
    }
    Ok(())
}

/// Checks a request that is about to be sent. Returns an error if the request would carry real credentials to
/// another machine unencrypted. Requests to AWS's metadata services carry no credentials.
pub(super) fn check_request(request: &HttpRequest) -> Option<InsecureEndpoint> {
    let uri = request.uri();
    let host = exposed_host(uri)?;
    let headers = request.headers();
    let authorization = headers.get("authorization").unwrap_or_default();
    let token =
        ["x-amz-sso_bearer_token", "x-amz-security-token"].iter().any(|name| headers.get(*name).is_some());
    let signed = if authorization.starts_with("AWS4-") {
        !access_key(authorization, "Credential=").is_some_and(is_dummy)
    } else if uri.contains("X-Amz-Signature=") {
        !access_key(uri, "X-Amz-Credential=").is_some_and(is_dummy)
    } else {
        token
    };
    signed.then_some(InsecureEndpoint { host, origin: None })
}

/// Extracts the access key from a signature.
fn access_key<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let (_, scope) = text.split_once(marker)?;
    scope.split(['/', '%', ',', '&']).next()
}

/// Returns the host and port of a URL that is reached unencrypted over a network.
fn exposed_host(url: &str) -> Option<String> {
    (!is_secure(url) && !is_loopback(url)).then(|| host_and_port(url))
}

/// Whether an access key is a dummy: a word that emulators use, an account number, or an example from the AWS
/// documentation.
fn is_dummy(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let is_account_number = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_example = id.len() == 20
        && ["AKIA", "ASIA"].iter().any(|start| id.starts_with(start))
        && id.ends_with("EXAMPLE");
    // Access keys of LocalStack begin with L instead of A.
    let is_emulator_key = id.len() == 20 && ["LKIA", "LSIA"].iter().any(|start| id.starts_with(start));
    is_account_number || is_example || is_emulator_key || DUMMY_KEYS.contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &'static str)]) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(uri).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, *value);
        }
        request
    }

    const REAL: (&str, &str) = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAREAL/20261120/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0",
    );
    const DUMMY: (&str, &str) = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=test/20261120/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0",
    );

    #[test]
    fn is_dummy_distinguishes_dummy_keys_from_real_ones() {
        for id in [
            "test",
            "TEST",
            "testing",
            "dummy",
            "local",
            "localstack",
            "fake",
            "mock",
            "example",
            "foo",
            "bar",
            "none",
            "minioadmin",
            "000000000000",
            "123456789012",
            "AKIAIOSFODNN7EXAMPLE",
            "ASIAIOSFODNN7EXAMPLE",
            "LSIAQAAAAAAVNCBMPNSG",
        ] {
            assert!(is_dummy(id), "{id}");
        }
        for id in [
            "AKIAREAL",
            "AKIA2E0A8F3B244C9986",
            "ASIA2E0A8F3B244C9986",
            "",
            "1234567890123",
            "tests",
            "XEXAMPLE",
        ] {
            assert!(!is_dummy(id), "{id}");
        }
    }

    #[test]
    fn signed_request_over_http_to_another_machine_exposes_credentials() {
        let exposed = check_request(&request("http://10.0.0.1:4566/", &[REAL])).unwrap();
        assert_eq!(exposed.to_string(), "credentials would be sent to 10.0.0.1:4566 unencrypted");
        for (uri, headers) in [
            ("http://sts.example/", &[REAL][..]),
            ("HTTP://sts.example/", &[REAL]),
            ("http://[2001:db8::1]/", &[REAL]),
            ("http://localhost.example/", &[REAL]),
            ("http://portal.example/", &[("x-amz-sso_bearer_token", "t")]),
            ("http://s3.example/?X-Amz-Credential=AKIAREAL%2F20261120&X-Amz-Signature=0", &[]),
        ] {
            assert!(check_request(&request(uri, headers)).is_some(), "{uri}");
        }
        for (uri, headers) in [
            ("https://sts.example/", &[REAL][..]),
            ("http://127.0.0.1:4566/", &[REAL]),
            ("http://localhost:4566/", &[REAL]),
            ("http://[::1]/", &[REAL]),
            ("http://10.0.0.1:4566/", &[DUMMY]),
            ("http://169.254.169.254/latest/api/token", &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")]),
            ("http://169.254.170.2/v2/credentials", &[("authorization", "Basic abc")]),
            ("http://10.0.0.1:4566/", &[]),
        ] {
            assert_eq!(check_request(&request(uri, headers)), None, "{uri}");
        }
    }
}
