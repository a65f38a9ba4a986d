//! DynamoDB that is down, slow, wrong or overloaded: what the visitor is told, what the log says, and above all how
//! often a hit was sent.

use std::net::TcpListener;

use crate::fake::{Fake, Host, Reply, environment, json_answer};

const COUNTED: &str = r#"{"Attributes":{"path":{"S":"/x"},"hits":{"N":"7"}}}"#;

fn counted() -> Reply {
    Reply::Json(200, COUNTED.to_owned())
}

/// Hits `/x` once on a DynamoDB that answers the first request so and later ones well; returns the answer's status,
/// its `retry-after`, how often DynamoDB was asked, and the log.
fn hit(first: impl Fn() -> Reply + Send + Sync + 'static) -> (u16, String, usize, String) {
    request("GET", "/counter", "path=/x", first, counted)
}

fn request(
    method: &str,
    route: &str,
    query: &str,
    first: impl Fn() -> Reply + Send + Sync + 'static,
    later: impl Fn() -> Reply + Send + Sync + 'static,
) -> (u16, String, usize, String) {
    let fake = Fake::serve(move |number, _| if number == 0 { first() } else { later() });
    let environment = environment(&format!("http://{}", fake.address));
    // A short deadline stands for a long wait.
    let host = Host::start_with(environment, 1500);
    let (status, headers, _) = host.request(method, route, query);
    let after = headers["retry-after"].as_str().unwrap_or_default().to_owned();
    let asked = fake.received().len();
    (status, after, asked, host.end().1.replace(&fake.address.to_string(), "ADDRESS"))
}

/// The cause in the only line at error before the end.
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
        let (status, after, asked, log) = hit(move || Reply::Json(400, error(kind)));
        assert_eq!((status, after.as_str(), asked), (503, "1", 1));
        assert!(cause(&log).contains(kind));
    }
}

#[test]
fn errors_are_503_and_the_log_says_all() {
    let (status, after, asked, log) = hit(|| Reply::Json(400, error("ResourceNotFoundException")));
    assert_eq!((status, after.as_str(), asked), (503, "5", 1));
    insta::assert_snapshot!(cause(&log), @"dynamodb UpdateItem, table hits-test, ADDRESS: status 400 ResourceNotFoundException: because (request REQ)");
}

#[test]
fn a_hit_is_not_repeated_after_a_server_error() {
    for status in [500, 503] {
        let (status, _, asked, log) = hit(move || Reply::Json(status, "<html>".to_owned()));
        assert_eq!((status, asked), (503, 1));
        assert!(cause(&log).contains("status 5"));
    }
}

#[test]
fn a_hit_is_not_repeated_after_a_lost_answer() {
    let half = json_answer(200, COUNTED, "");
    for (bytes, expected) in [
        (Vec::new(), "the request was sent, its answer was lost: connection closed"),
        (half[..half.len() - 9].to_vec(), "the request was sent, its answer was lost: connection closed"),
        (half[..20].to_vec(), "the request was sent, its answer was lost: connection closed"),
        (
            b"SSH-2.0-x\r\n\r\n".to_vec(),
            "the request was sent, its answer was lost: the answer is not HTTP: ",
        ),
        (json_answer(200, "{\"Attributes\":", ""), "the answer is not understood: "),
        (json_answer(200, "{}", ""), "the answer is not understood: missing field `Attributes`"),
    ] {
        let (status, after, asked, log) = hit(move || Reply::Raw(bytes.clone()));
        assert_eq!((status, after.as_str(), asked), (503, "5", 1));
        let cause = cause(&log);
        assert!(cause.contains(expected), "{cause}");
    }
}

#[test]
fn a_hit_that_hangs_ends_before_the_invocation_does() {
    let (status, _, asked, log) = hit(|| Reply::Hang);
    assert_eq!((status, asked), (503, 1));
    assert!(cause(&log).ends_with("the request was sent, its answer was lost: timed out"), "{log}");
}

#[test]
fn reads_are_repeated_once() {
    let item = || Reply::Json(200, r#"{"Item":{"hits":{"N":"7"}}}"#.to_owned());
    let (status, _, asked, _) = request("GET", "/v1/count", "path=/x", || Reply::Raw(Vec::new()), item);
    assert_eq!((status, asked), (200, 2));
    let (status, _, asked, _) =
        request("HEAD", "/counter", "path=/x", || Reply::Json(500, "{}".to_owned()), item);
    assert_eq!((status, asked), (200, 2));
    let failing = || Reply::Json(500, "{}".to_owned());
    let (status, _, asked, _) = request("GET", "/v1/count", "", failing, failing);
    assert_eq!((status, asked), (503, 2));
}

#[test]
fn keys_that_a_batch_leaves_over_are_asked_for_again() {
    let left = r#"{"Responses":{"hits-test":[{"path":{"S":"/a"},"hits":{"N":"1"}}]},"UnprocessedKeys":{"hits-test":{"Keys":[{"path":{"S":"/b"}}]}}}"#;
    let rest = r#"{"Responses":{"hits-test":[{"path":{"S":"/b"},"hits":{"N":"2"}}]},"UnprocessedKeys":{}}"#;
    let fake =
        Fake::serve(move |number, _| Reply::Json(200, if number == 0 { left } else { rest }.to_owned()));
    let host = Host::start(fake.address);
    let body = host.get("/v1/count", "path=/a&path=/b").1;
    assert_eq!(
        body,
        r#"{"v":1,"counts":[{"path":"/a","hits":1,"today":{"hits":0}},{"path":"/b","hits":2,"today":{"hits":0}}]}"#
    );
    let received = fake.received();
    assert_eq!(received[1].body, r#"{"RequestItems":{"hits-test":{"Keys":[{"path":{"S":"/b"}}]}}}"#);
    let always = Fake::serve(move |_, _| Reply::Json(200, left.to_owned()));
    let host = Host::start(always.address);
    assert_eq!(host.get("/v1/count", "path=/a&path=/b").0, 503);
    assert_eq!(always.received().len(), 4);
}

#[test]
fn an_endpoint_that_is_down_is_503_at_once_and_the_next_hit_recovers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let host = Host::start(address);
    assert_eq!(host.get("/counter", "path=/x").0, 503);
    assert_eq!(host.get("/healthz", "").0, 200);
    let (_, log) = host.end();
    assert!(log.contains("connect"), "{log}");
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced() {
    let fake = Fake::serve(|_, _| Reply::JsonThenClose(200, COUNTED.to_owned()));
    let host = Host::start(fake.address);
    for count in 1..=5 {
        assert_eq!(host.get("/counter", "path=/x").0, 200);
        fake.wait_for_closed(count);
    }
    assert_eq!((fake.received().len(), fake.connections()), (5, 5));
}

#[test]
fn other_framings_of_answers_are_understood() {
    let chunked = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x=y\r\n{}\r\n{:x}\r\n{}\r\n0\r\nT: x\r\n\r\n",
        10,
        &COUNTED[..10],
        COUNTED.len() - 10,
        &COUNTED[10..]
    );
    let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{COUNTED}");
    for bytes in [chunked.into_bytes(), until_closed.into_bytes()] {
        let fake = Fake::serve(move |_, _| Reply::Raw(bytes.clone()));
        let host = Host::start(fake.address);
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
}

#[test]
fn debug_logs_one_line_a_request_and_info_none() {
    for (level, lines) in [("debug", 2), ("info", 0), ("loud", 1)] {
        let fake = Fake::serve(|_, _| counted());
        let mut environment = environment(&format!("http://{}", fake.address));
        environment.push(("LOG_LEVEL", level.to_owned()));
        let host = Host::start_with(environment, 30_000);
        host.get("/counter", "path=/x");
        host.get("/nowhere", "");
        let log = host.end().1;
        // The last line says that the Runtime API is gone.
        let log: Vec<&str> = log.lines().collect();
        assert_eq!(log.len(), lines + 1, "{log:?}");
        let expected = match level {
            "debug" => [
                r#"{"level":"DEBUG","message":"counted","requestId":"request-1","route":"/counter","status":200,"key":"/x"}"#,
                r#"{"level":"DEBUG","message":"answered","requestId":"request-2","route":"/nowhere","status":404}"#,
            ]
            .as_slice(),
            "info" => &[],
            _ => &[r#"{"level":"WARN","message":"LOG_LEVEL is none of debug, info, warn, error; it is info now","value":"loud"}"#],
        };
        assert_eq!(log[..lines].iter().map(|line| without_time(line)).collect::<Vec<_>>(), expected);
        assert!(!log.concat().contains("203.0.113.7"), "no address of a client in the log");
    }
}

/// A line without its timestamp, which must look like one.
fn without_time(line: &str) -> String {
    let rest = line.strip_prefix(r#"{"timestamp":""#).unwrap();
    let (time, rest) = rest.split_at(24);
    assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.as_bytes()[19] == b'.', "{time}");
    format!("{{{}", rest.strip_prefix("\",").unwrap())
}
