//! Keeps credentials off unencrypted connections: which endpoints would expose them, and which credentials are worth nothing.

use std::collections::BTreeMap;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::service_config::{LoadServiceConfig as _, ServiceConfigKey};
use hitctl_engine::{Fault, FaultKind};

use super::credentials::{AccessKey, Profiles};
use super::services::{ENDPOINT_VARIABLE, Services, service_variable, set};
use crate::url::{host, is_loopback, is_secure};

/// Access keys that emulators and their documentation use, in lower case. They open nothing.
const DUMMIES: &[&str] = &[
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

/// The services that are called, as their endpoints are configured.
const SERVICES: &[&str] = &[
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

/// A request that was not sent, since it would expose credentials.
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
    /// The failure that ends the program.
    pub(super) fn failure(&self) -> Fault {
        let failure =
            Fault::fatal("insecure_endpoint", format!("failed to use http://{}: {self}", self.host))
                .hinted("use https, or pass --insecure if nobody can listen in")
                .of_kind(FaultKind::Usage);
        match &self.origin {
            Some(origin) => failure.caused_by(format!("the endpoint comes from {origin}")),
            None => failure,
        }
    }
}

/// Finds an endpoint that credentials must not be sent to, before anything is sent: plain `http://` to another machine, with
/// an access key that is not a dummy. Without any credentials there is nothing to expose.
pub(super) fn check(
    env: &BTreeMap<String, String>,
    profiles: &Profiles,
    flag: Option<&str>,
    ambient: Option<&str>,
    services: &Services,
) -> Result<(), InsecureEndpoint> {
    match AccessKey::of(env, profiles) {
        AccessKey::None => return Ok(()),
        AccessKey::Static(id) if is_dummy(id) => return Ok(()),
        AccessKey::Static(_) | AccessKey::Temporary => {}
    }
    let refuse = |url: &str, origin: String| match exposed_host(url) {
        Some(host) => Err(InsecureEndpoint { host, origin: Some(origin) }),
        None => Ok(()),
    };
    let is = |variable: &str, url: &str| set(env, &[variable]) == Some(url);
    if let Some(url) = flag {
        let name = if is("HITCTL_ENDPOINT_URL", url) { "HITCTL_ENDPOINT_URL" } else { "--endpoint-url" };
        // It wins over all others.
        return refuse(url, name.to_owned());
    }
    if let Some(url) = ambient {
        let profile = format!("`endpoint_url` of profile {}", profiles.name);
        refuse(url, if is(ENDPOINT_VARIABLE, url) { ENDPOINT_VARIABLE.to_owned() } else { profile })?;
    }
    for service in SERVICES {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env(ENDPOINT_VARIABLE)
            .profile("endpoint_url")
            .build();
        let Some(url) = key.ok().and_then(|key| services.load_config(key)) else { continue };
        let variable = service_variable(ENDPOINT_VARIABLE, service);
        let origin = if is(&variable, &url) {
            variable
        } else {
            format!("`endpoint_url` for {service} of profile {}", profiles.name)
        };
        refuse(&url, origin)?;
    }
    Ok(())
}

/// Looks at a request that is about to be sent: whether it carries credentials that are not dummies, unencrypted, to another
/// machine. The metadata services of AWS are asked without any.
pub(super) fn exposes(request: &HttpRequest) -> Option<InsecureEndpoint> {
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

/// The access key of a signature.
fn access_key<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (_, scope) = text.split_once(mark)?;
    scope.split(['/', '%', ',', '&']).next()
}

/// The host and port of an address that is reached unencrypted over a network.
fn exposed_host(url: &str) -> Option<String> {
    (!is_secure(url) && !is_loopback(url)).then(|| host(url))
}

/// Whether an access key opens nothing: a word that emulators use, an account's number, or an example of AWS's documentation.
fn is_dummy(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let number = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    // LocalStack gives out keys that begin with L where those of AWS begin with A.
    let example = id.len() == 20
        && ["AKIA", "ASIA"].iter().any(|start| id.starts_with(start))
        && id.ends_with("EXAMPLE");
    let emulated = id.len() == 20 && ["LKIA", "LSIA"].iter().any(|start| id.starts_with(start));
    number || example || emulated || DUMMIES.contains(&lower.as_str())
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
    fn dummy_keys_are_told_from_real_ones() {
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
    fn signed_request_over_http_to_another_machine_exposes_its_key() {
        let told = exposes(&request("http://10.0.0.1:4566/", &[REAL])).unwrap();
        assert_eq!(told.to_string(), "credentials would be sent to 10.0.0.1:4566 unencrypted");
        for (uri, headers) in [
            ("http://sts.example/", &[REAL][..]),
            ("HTTP://sts.example/", &[REAL]),
            ("http://[2001:db8::1]/", &[REAL]),
            ("http://localhost.example/", &[REAL]),
            ("http://portal.example/", &[("x-amz-sso_bearer_token", "t")]),
            ("http://s3.example/?X-Amz-Credential=AKIAREAL%2F20261120&X-Amz-Signature=0", &[]),
        ] {
            assert!(exposes(&request(uri, headers)).is_some(), "{uri}");
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
            assert_eq!(exposes(&request(uri, headers)), None, "{uri}");
        }
    }
}
