//! Tests of sessions with a broken endpoint, or one that would expose credentials.

use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};

use aws_types::service_config::ServiceConfigKey;

use super::tests::{KEYS, StubSts, TestHome};
use super::*;

/// The behaviour of an endpoint that sends no HTTP response.
#[derive(Clone, Copy)]
enum BrokenEndpoint {
    Closes,
    SendsGarbage,
    Hangs,
}

async fn start_broken_endpoint(behaviour: BrokenEndpoint) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // The connections of an endpoint that hangs are kept open.
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            match behaviour {
                BrokenEndpoint::Closes => {}
                BrokenEndpoint::SendsGarbage => {
                    let _read = stream.read(&mut [0; 8192]).await;
                    let _written = stream.write_all(b"garbage, and no HTTP\r\n\r\n").await;
                }
                BrokenEndpoint::Hangs => open.push(stream),
            }
        }
    });
    url
}

#[tokio::test]
async fn failed_call_reports_transport_error_as_cause() {
    let home = TestHome::new("");
    let table = [
        ("http://127.0.0.1:1".to_owned(), "Connection refused (os error 111)"),
        (start_broken_endpoint(BrokenEndpoint::Closes).await, "onnection"),
        (
            start_broken_endpoint(BrokenEndpoint::SendsGarbage).await,
            "the response is not HTTP (invalid HTTP version parsed)",
        ),
        (start_broken_endpoint(BrokenEndpoint::Hangs).await, "no response within 300ms"),
    ];
    for (url, expected_text) in table {
        let options = AwsOptions {
            region: Some("eu-west-1"),
            endpoint: Some(&url),
            call_timeout: Some(Duration::from_millis(300)),
            ..AwsOptions::default()
        };
        let session = UnverifiedSession::new(&home.env(&KEYS), options).await.unwrap();
        // A driver's call, but without retries: after retries, the SDK words the error differently.
        let config = aws_sdk_dynamodb::config::Builder::from(&session.config)
            .retry_config(RetryConfig::disabled())
            .build();
        let call = aws_sdk_dynamodb::Client::from_conf(config).describe_table().table_name("t").send().await;
        let fault =
            call.unwrap_err().to_fault(&ApiOperation::new("read", "table t", "dynamodb:DescribeTable"));
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("no_answer", "failed to read table t: no response")
        );
        let cause = fault.cause.unwrap();
        assert!(
            cause.starts_with("no response (dynamodb:DescribeTable): ") && cause.contains(expected_text),
            "{cause}"
        );

        let failure = session.identify().await.unwrap_err();
        assert_eq!(failure.code, "unreachable");
        let cause = failure.cause.as_deref().unwrap().to_owned();
        // Retries may use up the operation timeout before the last attempt has failed.
        assert!(cause.contains(expected_text) || cause.contains("no response within 300ms"), "{cause}");
        for dump in ["Failure", "Error {", "Error(", "source:", "kind:"] {
            assert!(!cause.contains(dump), "{cause}");
        }
    }
}

#[tokio::test]
async fn request_that_would_expose_credentials_is_neither_sent_nor_retried() {
    let home = TestHome::new("");
    let options = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let session = UnverifiedSession::new(&home.env(&KEYS), options).await.unwrap();
    // An endpoint that the check at session start has not seen.
    let config = aws_sdk_dynamodb::config::Builder::from(&session.config)
        .endpoint_url("http://192.0.2.1:4566")
        .build();
    let call = aws_sdk_dynamodb::Client::from_conf(config).describe_table().table_name("t").send().await;
    let fault = call.unwrap_err().to_fault(&ApiOperation::new("read", "table t", "dynamodb:DescribeTable"));
    assert_eq!((fault.code.as_str(), fault.kind), ("not_sent", hitctl_engine::FaultKind::Fatal));
    assert_eq!(
        fault.message,
        "failed to read table t: credentials would be sent to 192.0.2.1:4566 unencrypted"
    );

    let mut session = session;
    let mut config = session.config.clone().into_builder();
    config.set_endpoint_url(Some("http://192.0.2.1:4566".to_owned()));
    session.config = config.build();
    let failure = session.identify().await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.kind), ("insecure_endpoint", FaultKind::Usage));
}

#[tokio::test]
async fn service_endpoints_with_ignore_variable_are_not_used() {
    let (home, sts) = (TestHome::new(""), StubSts::authenticated().await);
    let pairs = [
        KEYS[0],
        KEYS[1],
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_ENDPOINT_URL", sts.url.as_str()),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
    ];
    let options = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let session = UnverifiedSession::new(&home.env(&pairs), options).await.unwrap();
    let key =
        ServiceConfigKey::builder().service_id("STS").env(ENDPOINT_VARIABLE).profile("endpoint_url").build();
    assert_eq!(session.config.service_config().unwrap().load_config(key.unwrap()), None);
}
