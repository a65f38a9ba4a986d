//! Tests of requests to the Runtime API of a process by other users of this machine and by web pages.

use hitctl_local::lambda::Invocation;
use serde_json::Value as Json;

use crate::harness::{FunctionTestEnv, GROUP, HttpConnection, RawResponse};

/// The calls that a runtime makes. Programs without the secret must not be able to make any of them.
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

/// Returns the address that the process of `f` received: its port, and the path prefix of each call.
async fn runtime_api_address(env: &FunctionTestEnv) -> (u16, String) {
    let response = env.invoke(r#""do=env""#).await;
    let variables: Json = serde_json::from_str(text(&response)).unwrap();
    let runtime_api_address = variables["AWS_LAMBDA_RUNTIME_API"].as_str().unwrap();
    let (host, prefix) = runtime_api_address.split_once('/').unwrap();
    (host.strip_prefix("127.0.0.1:").unwrap().parse().unwrap(), format!("/{prefix}"))
}

async fn send(port: u16, method: &str, path: &str, headers: &str) -> RawResponse {
    let mut connection = HttpConnection::connect(port).await;
    connection.send(format!("{method} {path} HTTP/1.1\r\n{headers}content-length: 2\r\n\r\n{{}}")).await;
    connection.read_response(false).await
}

fn assert_refused(response: &RawResponse, context: &str) {
    assert_eq!(response.status, 403, "{context}: {response:?}");
    let body = response.json();
    assert_eq!(body["errorType"], "Forbidden", "{context}: {response:?}");
    assert!(body["errorMessage"].is_string(), "{context}: {response:?}");
}

#[tokio::test]
async fn runtime_api_call_without_secret_is_refused_and_takes_no_event() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let (port, prefix) = runtime_api_address(&env).await;
    assert!(prefix.len() > 32, "{}", prefix.len());
    let wrong = format!("/{}", "0".repeat(prefix.len() - 1));
    for (method, call) in CALLS {
        for path in [(*call).to_owned(), format!("{wrong}{call}"), format!("{}{call}", &prefix[..20])] {
            let context = format!("{method} {path}");
            let response = send(port, method, &path, "host: 127.0.0.1\r\n").await;
            assert_refused(&response, &context);
            assert!(!response.body.contains(&prefix[1..]), "{context}");
        }
    }
    assert_still_works(&env, &prefix).await;
}

#[tokio::test]
async fn runtime_api_call_of_web_page_is_refused_despite_secret() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let (port, prefix) = runtime_api_address(&env).await;
    for (method, call) in CALLS {
        for headers in [
            "host: rebound.example\r\n".to_owned(),
            format!("host: rebound.example:{port}\r\n"),
            "host: 127.0.0.1\r\norigin: https://page.example\r\n".to_owned(),
            "host: localhost\r\norigin: null\r\n".to_owned(),
        ] {
            let response = send(port, method, &format!("{prefix}{call}"), &headers).await;
            assert_refused(&response, &format!("{method} {call} {headers}"));
        }
    }
    assert_still_works(&env, &prefix).await;
}

#[tokio::test]
async fn runtime_api_with_secret_answers_extension_and_another_process_has_another_secret() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let (port, prefix) = runtime_api_address(&env).await;
    let path = format!("{prefix}/2020-01-01/extension/register");
    let registered = send(port, "POST", &path, "host: localhost\r\n").await;
    assert_eq!((registered.status, registered.json()["functionName"].as_str()), (200, Some("f")));
    env.invoke(r#""do=crash:1""#).await;
    let (_, other) = runtime_api_address(&env).await;
    assert_ne!(other, prefix);
}

/// Checks that the same process still responds, and that its secret is not in the log.
async fn assert_still_works(env: &FunctionTestEnv, prefix: &str) {
    for payload in [r#""a""#, r#""b""#] {
        let response = env.invoke(payload).await;
        assert_eq!(
            (text(&response), response.function_error.as_deref(), response.init_ms),
            (payload, None, None)
        );
    }
    let log = env.log().join("\n");
    assert!(!log.contains(&prefix[1..]), "the secret is in the log group {GROUP}");
}
