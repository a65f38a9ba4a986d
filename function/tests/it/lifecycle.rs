//! Tests of the life cycle: a failing start, invalid events, a panic, and a Runtime API that disappears.

use std::io::Write;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use hit_counter::invocation_error::InvocationError;
use hit_counter::lambda::{RuntimeClient, RuntimeInvocation};
use hit_counter::log::{Level, Logger};
use hit_counter::moment::Moment;
use hit_counter::serve::{self, InvocationHandler};

use crate::fake::{
    BootstrapProcess, FakeReply, FakeServer, TEST_TIMEOUT, bootstrap_command, environment, json_response,
    read_request,
};

fn counting() -> FakeServer {
    FakeServer::serve(|_, _| FakeReply::Json(200, r#"{"Attributes":{"hits":{"N":"1"}}}"#.to_owned()))
}

#[test]
fn start_without_settings_is_an_init_error() {
    let mut host = BootstrapProcess::start_with(Vec::new(), 1000);
    let report = host.next_report();
    assert_eq!(report.path, "/2018-06-01/runtime/init/error");
    assert_eq!(report.error_type.as_deref(), Some("Hitctl.Config"));
    insta::assert_snapshot!(report.body, @r#"{"errorMessage":"failed to start the function: HITS_TABLE_NAME is not set (the DynamoDB table to count in); AWS_REGION is not set (Lambda sets it); AWS_ACCESS_KEY_ID is not set (Lambda sets it from the function's role); AWS_SECRET_ACCESS_KEY is not set (Lambda sets it from the function's role)","errorType":"Hitctl.Config","stackTrace":[]}"#);
    let (status, log) = host.wait_for_exit();
    assert_eq!(status.code(), Some(1));
    assert!(
        log.contains(r#""message":"failed to start the function","cause":"HITS_TABLE_NAME is not set"#),
        "{log}"
    );
}

#[test]
fn program_outside_of_lambda_explains_itself() {
    let output = bootstrap_command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("run this program as the bootstrap of a Lambda function"), "{text}");
}

#[test]
fn invalid_event_fails_alone() {
    let fake = counting();
    let host = BootstrapProcess::start(fake.address);
    for (event, message) in [
        (r#"{"Records":[{"eventSource":"aws:sqs","body":"/x"}]}"#, "invalid SQS batch: "),
        ("{", "failed to read the event: "),
        ("", "failed to read the event: "),
        ("\u{0}", "failed to read the event: "),
    ] {
        let report = host.invoke(event);
        assert!(report.path.ends_with("/error"), "{report:?}");
        assert_eq!(report.error_type.as_deref(), Some("Hitctl.UnsupportedEvent"));
        let start = format!("{{\"errorMessage\":\"{message}");
        assert!(report.body.starts_with(&start), "{}", report.body);
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
    let (_, log) = host.stop();
    assert!(log.contains(r#""message":"the invocation failed","requestId":"request-1""#), "{log}");
}

#[test]
fn event_over_the_limit_fails_alone() {
    let host = BootstrapProcess::start(counting().address);
    let report = host.invoke(vec![b' '; 17 * 1024 * 1024]);
    assert_eq!(report.error_type.as_deref(), Some("Hitctl.EventTooLarge"));
    assert!(report.path.contains("request-1"));
    assert_eq!(host.get("/counter", "path=/x").0, 200);
}

#[test]
fn program_exits_when_the_runtime_api_closes() {
    let host = BootstrapProcess::start(counting().address);
    assert_eq!(host.get("/healthz", "").0, 200);
    let (status, log) = host.stop();
    assert_eq!(status.code(), Some(1));
    assert!(
        log.contains("failed to call the Runtime API: failed to receive the response: connection closed")
    );
}

#[test]
fn program_exits_when_the_runtime_api_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = bootstrap_command()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .envs(environment("http://127.0.0.1:9"))
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("failed to call the Runtime API: Connection refused")
    );
}

#[test]
fn program_exits_when_the_runtime_api_is_broken() {
    for (response, expected) in [
        (json_response(500, "{}", ""), "found status 500"),
        (json_response(200, "{}", ""), "expected an invocation, found status 200"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_vec(), "`Content-Length` is not a number"),
        (b"\0\0\0\0\r\n\r\n".to_vec(), "the response is not HTTP"),
        (vec![b'a'; 100_000], "the response is not HTTP"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            read_request(&mut std::io::BufReader::new(&stream)).unwrap();
            drop((&stream).write_all(&response));
        });
        let why =
            RuntimeClient::new(&address.to_string()).unwrap().next_invocation().unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
        server.join().unwrap();
    }
}

/// Starts a Runtime API that serves one request per connection, as some emulators do, and returns `events`
/// invocations.
fn one_request_per_connection(events: usize) -> (String, std::sync::mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, reports) = channel();
    thread::spawn(move || {
        let mut left = events;
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(request) = read_request(&mut std::io::BufReader::new(&stream)) else { return };
            let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
            if path.ends_with("/next") {
                if left == 0 {
                    return;
                }
                left -= 1;
                let head = b"HTTP/1.0 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\n\r\n{}";
                drop((&stream).write_all(head));
            } else {
                drop(sender.send((path, request.body)));
                drop((&stream).write_all(b"HTTP/1.0 202 Accepted\r\n\r\n"));
            }
        }
    });
    (address, reports)
}

/// Panics at its first invocation.
struct PanicsOnce(usize);

impl InvocationHandler for PanicsOnce {
    fn handle(&mut self, _: &RuntimeInvocation, _: &mut Logger) -> Result<String, InvocationError> {
        self.0 += 1;
        assert!(self.0 > 1, "the first one fails");
        Ok("{}".to_owned())
    }
}

#[test]
fn panic_fails_its_invocation_and_the_loop_continues() {
    serve::capture_panics();
    let (address, reports) = one_request_per_connection(2);
    let mut runtime = RuntimeClient::new(&address).unwrap();
    let mut log = Logger::new(Level::Error, || Moment::from_millis(0), Box::new(std::io::sink()));
    let error = serve::serve(&mut runtime, &mut log, &mut PanicsOnce(0));
    assert!(error.to_string().starts_with("failed to call the Runtime API"));
    let (path, body) = reports.recv_timeout(TEST_TIMEOUT).unwrap();
    assert!(path.ends_with("/invocation/r/error"), "{path}");
    assert!(body.contains("the first one fails") && body.contains("lifecycle.rs"), "{body}");
    assert!(body.contains(r#""errorType":"Hitctl.Panic""#), "{body}");
    let (path, body) = reports.recv_timeout(TEST_TIMEOUT).unwrap();
    assert!(path.ends_with("/invocation/r/response") && body == "{}", "{path}");
}
