//! Tests with a DynamoDB that is unreachable, slow, overloaded or broken: the response to the visitor, the log, and
//! how often a hit is sent.

use std::net::TcpListener;

use crate::fake::{BootstrapProcess, FakeReply, FakeServer, environment, json_response};

const COUNTED: &str = r#"{"Attributes":{"path":{"S":"/x"},"hits":{"N":"7"}}}"#;

fn counted() -> FakeReply {
    FakeReply::Json(200, COUNTED.to_owned())
}

/// Sends one hit on `/x`. DynamoDB replies to the first request with `first`, and counts later ones. Returns the
/// status, the `retry-after` header, the number of requests to DynamoDB, and the log.
fn hit(first: impl Fn() -> FakeReply + Send + Sync + 'static) -> (u16, String, usize, String) {
    request("GET", "/counter", "path=/x", first, counted)
}

fn request(
    method: &str,
    route: &str,
    query: &str,
    first: impl Fn() -> FakeReply + Send + Sync + 'static,
    later: impl Fn() -> FakeReply + Send + Sync + 'static,
) -> (u16, String, usize, String) {
    let fake = FakeServer::serve(move |number, _| if number == 0 { first() } else { later() });
    let environment = environment(&format!("http://{}", fake.address));
    // The short deadline of the invocation keeps the test short.
    let host = BootstrapProcess::start_with(environment, 1500);
    let (status, headers, _) = host.request(method, route, query);
    let after = headers["retry-after"].as_str().unwrap_or_default().to_owned();
    let requests = fake.received().len();
    (status, after, requests, host.stop().1.replace(&fake.address.to_string(), "ADDRESS"))
}

/// Returns the cause in the only error line before the final one.
fn cause(log: &str) -> String {
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!((&lines[0]["level"], &lines[0]["requestId"]), (&"ERROR".into(), &"request-1".into()));
    lines[0]["cause"].as_str().unwrap().to_owned()
}

fn error(kind: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"because"}}"#)
}

#[test]
fn throttling_is_503_with_retry_after_and_is_not_repeated() {
    for kind in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        let (status, after, requests, log) = hit(move || FakeReply::Json(400, error(kind)));
        assert_eq!((status, after.as_str(), requests), (503, "1", 1));
        assert!(cause(&log).contains(kind));
    }
}

#[test]
fn errors_are_503_and_the_log_has_the_details() {
    let (status, after, requests, log) = hit(|| FakeReply::Json(400, error("ResourceNotFoundException")));
    assert_eq!((status, after.as_str(), requests), (503, "5", 1));
    insta::assert_snapshot!(cause(&log), @"dynamodb UpdateItem, table hits-test, ADDRESS: status 400 ResourceNotFoundException: because (request REQ)");
}

#[test]
fn hit_is_not_repeated_after_a_server_error() {
    for status in [500, 503] {
        let (status, _, requests, log) = hit(move || FakeReply::Json(status, "<html>".to_owned()));
        assert_eq!((status, requests), (503, 1));
        assert!(cause(&log).contains("status 5"));
    }
}

#[test]
fn hit_is_not_repeated_after_an_incomplete_response() {
    let partial = json_response(200, COUNTED, "");
    for (bytes, expected) in [
        (Vec::new(), "failed to receive the response: connection closed"),
        (partial[..partial.len() - 9].to_vec(), "failed to receive the response: connection closed"),
        (partial[..20].to_vec(), "failed to receive the response: connection closed"),
        (b"SSH-2.0-x\r\n\r\n".to_vec(), "failed to receive the response: the response is not HTTP: "),
        (json_response(200, "{\"Attributes\":", ""), "unexpected response: "),
        (json_response(200, "{}", ""), "unexpected response: missing field `Attributes`"),
    ] {
        let (status, after, requests, log) = hit(move || FakeReply::Raw(bytes.clone()));
        assert_eq!((status, after.as_str(), requests), (503, "5", 1));
        let cause = cause(&log);
        assert!(cause.contains(expected), "{cause}");
    }
}

#[test]
fn hanging_hit_ends_before_the_invocation_does() {
    let (status, _, requests, log) = hit(|| FakeReply::Hang);
    assert_eq!((status, requests), (503, 1));
    assert!(cause(&log).ends_with("failed to receive the response: timed out"), "{log}");
}

#[test]
fn reads_are_repeated_once() {
    let item = || FakeReply::Json(200, r#"{"Item":{"hits":{"N":"7"}}}"#.to_owned());
    let (status, _, requests, _) =
        request("GET", "/v1/count", "path=/x", || FakeReply::Raw(Vec::new()), item);
    assert_eq!((status, requests), (200, 2));
    let (status, _, requests, _) =
        request("HEAD", "/counter", "path=/x", || FakeReply::Json(500, "{}".to_owned()), item);
    assert_eq!((status, requests), (200, 2));
    let failing = || FakeReply::Json(500, "{}".to_owned());
    let (status, _, requests, _) = request("GET", "/v1/count", "", failing, failing);
    assert_eq!((status, requests), (503, 2));
}

#[test]
fn unprocessed_keys_of_a_batch_are_requested_again() {
    let first_reply = r#"{"Responses":{"hits-test":[{"path":{"S":"/a"},"hits":{"N":"1"}}]},"UnprocessedKeys":{"hits-test":{"Keys":[{"path":{"S":"/b"}}]}}}"#;
    let second_reply =
        r#"{"Responses":{"hits-test":[{"path":{"S":"/b"},"hits":{"N":"2"}}]},"UnprocessedKeys":{}}"#;
    let fake = FakeServer::serve(move |number, _| {
        FakeReply::Json(200, if number == 0 { first_reply } else { second_reply }.to_owned())
    });
    let host = BootstrapProcess::start(fake.address);
    let body = host.get("/v1/count", "path=/a&path=/b").1;
    assert_eq!(
        body,
        r#"{"v":1,"counts":[{"path":"/a","hits":1,"today":{"hits":0}},{"path":"/b","hits":2,"today":{"hits":0}}]}"#
    );
    let received = fake.received();
    assert_eq!(received[1].body, r#"{"RequestItems":{"hits-test":{"Keys":[{"path":{"S":"/b"}}]}}}"#);
    let always = FakeServer::serve(move |_, _| FakeReply::Json(200, first_reply.to_owned()));
    let host = BootstrapProcess::start(always.address);
    assert_eq!(host.get("/v1/count", "path=/a&path=/b").0, 503);
    assert_eq!(always.received().len(), 4);
}

#[test]
fn unreachable_endpoint_is_503_and_the_program_continues() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let host = BootstrapProcess::start(address);
    assert_eq!(host.get("/counter", "path=/x").0, 503);
    assert_eq!(host.get("/healthz", "").0, 200);
    let (_, log) = host.stop();
    assert!(log.contains("connect"), "{log}");
}

#[test]
fn connection_closed_while_idle_is_replaced() {
    let fake = FakeServer::serve(|_, _| FakeReply::JsonThenClose(200, COUNTED.to_owned()));
    let host = BootstrapProcess::start(fake.address);
    for count in 1..=5 {
        assert_eq!(host.get("/counter", "path=/x").0, 200);
        fake.wait_for_closed(count);
    }
    assert_eq!((fake.received().len(), fake.connections()), (5, 5));
}

#[test]
fn other_response_framings_are_parsed() {
    let chunked = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x=y\r\n{}\r\n{:x}\r\n{}\r\n0\r\nT: x\r\n\r\n",
        10,
        &COUNTED[..10],
        COUNTED.len() - 10,
        &COUNTED[10..]
    );
    let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{COUNTED}");
    for bytes in [chunked.into_bytes(), until_closed.into_bytes()] {
        let fake = FakeServer::serve(move |_, _| FakeReply::Raw(bytes.clone()));
        let host = BootstrapProcess::start(fake.address);
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
}

#[test]
fn debug_level_logs_one_line_per_request_and_info_none() {
    for (level, lines) in [("debug", 2), ("info", 0), ("loud", 1)] {
        let fake = FakeServer::serve(|_, _| counted());
        let mut environment = environment(&format!("http://{}", fake.address));
        environment.push(("LOG_LEVEL", level.to_owned()));
        let host = BootstrapProcess::start_with(environment, 30_000);
        host.get("/counter", "path=/x");
        host.get("/nowhere", "");
        let log = host.stop().1;
        // The last line reports that the program failed to call the Runtime API.
        let log: Vec<&str> = log.lines().collect();
        assert_eq!(log.len(), lines + 1, "{log:?}");
        let expected = match level {
            "debug" => [
                r#"{"level":"DEBUG","message":"counted","requestId":"request-1","route":"/counter","status":200,"key":"/x"}"#,
                r#"{"level":"DEBUG","message":"responded","requestId":"request-2","route":"/nowhere","status":404}"#,
            ]
            .as_slice(),
            "info" => &[],
            _ => &[r#"{"level":"WARN","message":"invalid LOG_LEVEL: expected debug, info, warn or error; using info","value":"loud"}"#],
        };
        assert_eq!(log[..lines].iter().map(|line| without_time(line)).collect::<Vec<_>>(), expected);
        assert!(!log.concat().contains("203.0.113.7"), "the log contains the address of a client");
    }
}

/// Removes the timestamp from a line and checks its format.
fn without_time(line: &str) -> String {
    let rest = line.strip_prefix(r#"{"timestamp":""#).unwrap();
    let (time, rest) = rest.split_at(24);
    assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.as_bytes()[19] == b'.', "{time}");
    format!("{{{}", rest.strip_prefix("\",").unwrap())
}
