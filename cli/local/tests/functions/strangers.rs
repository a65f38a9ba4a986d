//! Responses of the Runtime API of a process to other users of this machine and to web pages.

use hitctl_local::lambda::Invocation;
use serde_json::Value as Json;

use crate::harness::{Answer, Client, Cloud, GROUP};

/// The calls that a runtime makes, each with what would go wrong if a stranger could make it.
const CALLS: &[(&str, &str)] = &[
    ("GET", "/2018-06-01/runtime/invocation/next"),
    ("POST", "/2018-06-01/runtime/invocation/00000000-0000-4000-8000-000000000000/response"),
    ("POST", "/2018-06-01/runtime/invocation/00000000-0000-4000-8000-000000000000/error"),
    ("POST", "/2018-06-01/runtime/init/error"),
    ("POST", "/2020-01-01/extension/register"),
    ("GET", "/2020-01-01/extension/event/next"),
];

fn text(invocation: &Invocation) -> &str {
    std::str::from_utf8(&invocation.payload).unwrap()
}

/// The address that the process of `f` was given: its port, and the path before each call.
async fn address(cloud: &Cloud) -> (u16, String) {
    let answer = cloud.invoke(r#""do=env""#).await;
    let all: Json = serde_json::from_str(text(&answer)).unwrap();
    let address = all["AWS_LAMBDA_RUNTIME_API"].as_str().unwrap();
    let (host, prefix) = address.split_once('/').unwrap();
    (host.strip_prefix("127.0.0.1:").unwrap().parse().unwrap(), format!("/{prefix}"))
}

async fn send(port: u16, method: &str, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(port).await;
    client.send(format!("{method} {path} HTTP/1.1\r\n{headers}content-length: 2\r\n\r\n{{}}")).await;
    client.answer(false).await
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {answer:?}");
    let body = answer.json();
    assert_eq!(body["errorType"], "Forbidden", "{what}: {answer:?}");
    assert!(body["errorMessage"].is_string(), "{what}: {answer:?}");
}

#[tokio::test]
async fn runtime_api_call_without_secret_is_refused_and_takes_no_event() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let (port, prefix) = address(&cloud).await;
    assert!(prefix.len() > 32, "{}", prefix.len());
    let wrong = format!("/{}", "0".repeat(prefix.len() - 1));
    for (method, call) in CALLS {
        for path in [(*call).to_owned(), format!("{wrong}{call}"), format!("{}{call}", &prefix[..20])] {
            let what = format!("{method} {path}");
            let answer = send(port, method, &path, "host: 127.0.0.1\r\n").await;
            assert_refused(&answer, &what);
            assert!(!answer.body.contains(&prefix[1..]), "{what}");
        }
    }
    assert_still_works(&cloud, &prefix).await;
}

#[tokio::test]
async fn runtime_api_call_of_web_page_is_refused_despite_secret() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let (port, prefix) = address(&cloud).await;
    for (method, call) in CALLS {
        for headers in [
            "host: rebound.example\r\n".to_owned(),
            format!("host: rebound.example:{port}\r\n"),
            "host: 127.0.0.1\r\norigin: https://page.example\r\n".to_owned(),
            "host: localhost\r\norigin: null\r\n".to_owned(),
        ] {
            let answer = send(port, method, &format!("{prefix}{call}"), &headers).await;
            assert_refused(&answer, &format!("{method} {call} {headers}"));
        }
    }
    assert_still_works(&cloud, &prefix).await;
}

#[tokio::test]
async fn runtime_api_with_secret_answers_extension_and_another_process_has_another_secret() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let (port, prefix) = address(&cloud).await;
    let path = format!("{prefix}/2020-01-01/extension/register");
    let registered = send(port, "POST", &path, "host: localhost\r\n").await;
    assert_eq!((registered.status, registered.json()["functionName"].as_str()), (200, Some("f")));
    cloud.invoke(r#""do=crash:1""#).await;
    let (_, other) = address(&cloud).await;
    assert_ne!(other, prefix);
}

/// The same process answers as before, and nothing of its secret is in the log.
async fn assert_still_works(cloud: &Cloud, prefix: &str) {
    for payload in [r#""a""#, r#""b""#] {
        let answer = cloud.invoke(payload).await;
        assert_eq!((text(&answer), answer.function_error.as_deref(), answer.init_ms), (payload, None, None));
    }
    let log = cloud.log().join("\n");
    assert!(!log.contains(&prefix[1..]), "the secret is in the log group {GROUP}");
}
