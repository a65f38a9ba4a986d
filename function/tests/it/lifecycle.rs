//! From start to end: a start that cannot be, events that are none, a panic, a Runtime API that is gone.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use hit_counter::failure::Failure;
use hit_counter::lambda::{Invocation, Runtime};
use hit_counter::log::{Level, Log};
use hit_counter::moment::Moment;
use hit_counter::serve::{self, Handler};

use crate::fake::{Fake, Host, PATIENCE, Reply, environment, json_answer, read_request};

fn counting() -> Fake {
    Fake::serve(|_, _| Reply::Json(200, r#"{"Attributes":{"hits":{"N":"1"}}}"#.to_owned()))
}

#[test]
fn a_start_without_settings_is_an_init_error() {
    let mut host = Host::start_with(Vec::new(), 1000);
    let posted = host.posted();
    assert_eq!(posted.path, "/2018-06-01/runtime/init/error");
    assert_eq!(posted.error_type.as_deref(), Some("Hitctl.Config"));
    insta::assert_snapshot!(posted.body, @r#"{"errorMessage":"the function cannot start: HITS_TABLE_NAME is not set (the DynamoDB table to count in); AWS_REGION is not set (Lambda sets it); AWS_ACCESS_KEY_ID is not set (Lambda sets it from the function's role); AWS_SECRET_ACCESS_KEY is not set (Lambda sets it from the function's role)","errorType":"Hitctl.Config","stackTrace":[]}"#);
    let (status, log) = host.exited();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("HITS_TABLE_NAME is not set"), "{log}");
}

#[test]
fn outside_of_lambda_it_says_what_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap")).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("this program runs as the bootstrap of a Lambda function"), "{text}");
}

#[test]
fn an_event_that_is_none_fails_alone() {
    let fake = counting();
    let host = Host::start(fake.address);
    for event in [r#"{"Records":[{"eventSource":"aws:sqs","body":"/x"}]}"#, "{", "", "\u{0}"] {
        let posted = host.invoke(event);
        assert!(posted.path.ends_with("/error"), "{posted:?}");
        assert_eq!(posted.error_type.as_deref(), Some("Hitctl.UnsupportedEvent"));
        assert!(posted.body.starts_with("{\"errorMessage\":\"the event is "), "{}", posted.body);
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
    let (_, log) = host.end();
    assert!(log.contains(r#""message":"the invocation failed","requestId":"request-1""#), "{log}");
}

#[test]
fn an_event_over_the_limit_fails_alone() {
    let host = Host::start(counting().address);
    let posted = host.invoke(vec![b' '; 17 * 1024 * 1024]);
    assert_eq!(posted.error_type.as_deref(), Some("Hitctl.EventTooLarge"));
    assert!(posted.path.contains("request-1"));
    assert_eq!(host.get("/counter", "path=/x").0, 200);
}

#[test]
fn the_program_ends_when_the_runtime_api_does() {
    let host = Host::start(counting().address);
    assert_eq!(host.get("/healthz", "").0, 200);
    let (status, log) = host.end();
    assert_eq!(status.code(), Some(1));
    assert!(
        log.contains("the Runtime API is gone: the request was sent, its answer was lost: connection closed")
    );
}

#[test]
fn the_program_ends_when_no_runtime_api_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .envs(environment("http://127.0.0.1:9"))
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout).unwrap().contains("the Runtime API is gone: Connection refused")
    );
}

#[test]
fn a_runtime_api_that_breaks_ends_the_program() {
    for (answer, expected) in [
        (json_answer(500, "{}", ""), "it answered status 500"),
        (json_answer(200, "{}", ""), "it answered status 200 without an invocation"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_vec(), "the answer's length is not a number"),
        (b"\0\0\0\0\r\n\r\n".to_vec(), "the answer is not HTTP"),
        (vec![b'a'; 100_000], "the answer is not HTTP"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            read_request(&mut std::io::BufReader::new(&stream)).unwrap();
            drop((&stream).write_all(&answer));
        });
        let why = Runtime::new(&address.to_string()).unwrap().next_invocation().unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
        server.join().unwrap();
    }
}

/// A Runtime API that answers one request a connection, as some emulators do, and hands out `events` invocations.
fn one_request_a_connection(events: usize) -> (String, std::sync::mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (post, posted) = channel();
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
                drop(post.send((path, request.body)));
                drop((&stream).write_all(b"HTTP/1.0 202 Accepted\r\n\r\n"));
            }
        }
    });
    (address, posted)
}

/// Fails at its first invocation.
struct Second(usize);

impl Handler for Second {
    fn handle(&mut self, _: &Invocation, _: &mut Log) -> Result<String, Failure> {
        self.0 += 1;
        assert!(self.0 > 1, "the first one fails");
        Ok("{}".to_owned())
    }
}

#[test]
fn a_panic_is_its_invocations_error_and_the_loop_goes_on() {
    serve::keep_panics();
    let (address, posted) = one_request_a_connection(2);
    let mut runtime = Runtime::new(&address).unwrap();
    let mut log = Log::new(Level::Error, || Moment::from_millis(0), Box::new(std::io::sink()));
    let gone = serve::serve(&mut runtime, &mut log, &mut Second(0));
    assert!(gone.to_string().starts_with("the Runtime API is gone"));
    let (path, body) = posted.recv_timeout(PATIENCE).unwrap();
    assert!(path.ends_with("/invocation/r/error"), "{path}");
    assert!(body.contains("the first one fails") && body.contains("lifecycle.rs"), "{body}");
    assert!(body.contains(r#""errorType":"Hitctl.Panic""#), "{body}");
    let (path, body) = posted.recv_timeout(PATIENCE).unwrap();
    assert!(path.ends_with("/invocation/r/response") && body == "{}", "{path}");
}
