//! Sessions whose endpoint is broken, or would expose credentials: what is said, and what is not sent.

use hitctl_resources::aws::fault::{Doing, ToFault as _};

use aws_types::service_config::ServiceConfigKey;

use super::tests::{Home, KEYS, Sts};
use super::*;

/// The behaviour of a connection that does not respond.
#[derive(Clone, Copy)]
enum Broken {
    Closes,
    SaysGarbage,
    Hangs,
}

async fn broken(how: Broken) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            match how {
                Broken::Closes => {}
                Broken::SaysGarbage => {
                    let _read = stream.read(&mut [0; 8192]).await;
                    let _written = stream.write_all(b"garbage, and no HTTP\r\n\r\n").await;
                }
                Broken::Hangs => open.push(stream),
            }
        }
    });
    url
}

#[tokio::test]
async fn call_without_an_answer_says_why_in_words() {
    let home = Home::new("");
    let table = [
        ("http://127.0.0.1:1".to_owned(), "Connection refused (os error 111)"),
        (broken(Broken::Closes).await, "onnection"),
        (broken(Broken::SaysGarbage).await, "the answer is not HTTP (invalid HTTP version parsed)"),
        (broken(Broken::Hangs).await, "no answer within 300ms"),
    ];
    for (url, words) in table {
        let options = AwsOptions {
            region: Some("eu-west-1"),
            endpoint: Some(&url),
            call_timeout: Some(Duration::from_millis(300)),
            ..AwsOptions::default()
        };
        let opening = UnverifiedSession::new(&home.env(&KEYS), options).await.unwrap();
        // A driver's call, without the repetitions, which have a word of their own.
        let config = aws_sdk_dynamodb::config::Builder::from(&opening.config)
            .retry_config(RetryConfig::disabled())
            .build();
        let call = aws_sdk_dynamodb::Client::from_conf(config).describe_table().table_name("t").send().await;
        let fault = call.unwrap_err().fault(&Doing::new("read", "table t", "dynamodb:DescribeTable"));
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("no_answer", "failed to read table t: no answer")
        );
        let cause = fault.cause.unwrap();
        assert!(
            cause.starts_with("no answer (dynamodb:DescribeTable): ") && cause.contains(words),
            "{cause}"
        );

        let failure = opening.identify().await.unwrap_err();
        assert_eq!(failure.code, "unreachable");
        let cause = failure.cause.as_deref().unwrap().to_owned();
        // Repeated calls may use up their time before the last one has failed.
        assert!(cause.contains(words) || cause.contains("no answer within 300ms"), "{cause}");
        for dump in ["Failure", "Error {", "Error(", "source:", "kind:"] {
            assert!(!cause.contains(dump), "{cause}");
        }
    }
}

#[tokio::test]
async fn call_that_would_expose_credentials_is_not_sent_and_not_repeated() {
    let home = Home::new("");
    let options = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let opening = UnverifiedSession::new(&home.env(&KEYS), options).await.unwrap();
    // An endpoint that no check has seen.
    let config = aws_sdk_dynamodb::config::Builder::from(&opening.config)
        .endpoint_url("http://192.0.2.1:4566")
        .build();
    let call = aws_sdk_dynamodb::Client::from_conf(config).describe_table().table_name("t").send().await;
    let fault = call.unwrap_err().fault(&Doing::new("read", "table t", "dynamodb:DescribeTable"));
    assert_eq!((fault.code.as_str(), fault.kind), ("not_sent", hitctl_engine::FaultKind::Fatal));
    assert_eq!(
        fault.message,
        "failed to read table t: credentials would be sent to 192.0.2.1:4566 unencrypted"
    );

    let mut opening = opening;
    let mut config = opening.config.clone().into_builder();
    config.set_endpoint_url(Some("http://192.0.2.1:4566".to_owned()));
    opening.config = config.build();
    let failure = opening.identify().await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.kind), ("insecure_endpoint", FaultKind::Usage));
}

#[tokio::test]
async fn ignored_endpoints_of_services_are_ignored() {
    let (home, one) = (Home::new(""), Sts::me().await);
    let pairs = [
        KEYS[0],
        KEYS[1],
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_ENDPOINT_URL", one.url.as_str()),
        ("AWS_ENDPOINT_URL_STS", one.url.as_str()),
    ];
    let options = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let opening = UnverifiedSession::new(&home.env(&pairs), options).await.unwrap();
    let key =
        ServiceConfigKey::builder().service_id("STS").env(ENDPOINT_VARIABLE).profile("endpoint_url").build();
    assert_eq!(opening.config.service_config().unwrap().load_config(key.unwrap()), None);
}
