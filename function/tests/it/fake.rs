//! Fake servers in place of AWS services and the Runtime API, controlled by a test, and the program itself as a
//! child process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum time that a test waits for something.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A request that a fake server received.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl ReceivedRequest {
    /// Returns the operation of a DynamoDB request.
    pub(crate) fn operation(&self) -> &str {
        self.headers.get("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default()
    }
}

/// Reads one request; `None` if the client closed the connection.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<ReceivedRequest> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ")?;
        headers.insert(name.to_owned(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(ReceivedRequest {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// The reply of a fake server.
pub(crate) enum FakeReply {
    /// A complete response; the connection stays open.
    Json(u16, String),
    /// These bytes, after which the connection is closed.
    Raw(Vec<u8>),
    /// No reply; the connection stays open.
    Hang,
    /// A complete response, after which the connection is closed without notice.
    JsonThenClose(u16, String),
}

pub(crate) fn json_response(status: u16, body: &str, more: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A server whose replies the test chooses by the request and its number, from 0.
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    connections: Arc<Mutex<usize>>,
    closed: Arc<Mutex<usize>>,
}

impl FakeServer {
    pub(crate) fn serve(
        reply: impl Fn(usize, &ReceivedRequest) -> FakeReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (connections, closed) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let (log, count, reply) = (Arc::clone(&received), Arc::clone(&connections), Arc::new(reply));
        let closing = Arc::clone(&closed);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *count.lock().unwrap() += 1;
                let (log, reply, closing) = (Arc::clone(&log), Arc::clone(&reply), Arc::clone(&closing));
                thread::spawn(move || {
                    serve_connection(stream, &log, &*reply);
                    *closing.lock().unwrap() += 1;
                });
            }
        });
        Self { address, received, connections, closed }
    }

    /// Returns all requests so far.
    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Waits until the server has closed this many connections.
    pub(crate) fn wait_for_closed(&self, count: usize) {
        let until = Instant::now() + TEST_TIMEOUT;
        while *self.closed.lock().unwrap() < count {
            assert!(Instant::now() < until, "connection {count} was not closed in time");
            thread::yield_now();
        }
    }
}

fn serve_connection(
    stream: TcpStream,
    log: &Mutex<Vec<ReceivedRequest>>,
    reply: &dyn Fn(usize, &ReceivedRequest) -> FakeReply,
) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let (bytes, close) = match reply(number, &request) {
            FakeReply::Json(status, body) => {
                (json_response(status, &body, "x-amzn-requestid: REQ\r\n"), false)
            }
            FakeReply::JsonThenClose(status, body) => (json_response(status, &body, ""), true),
            FakeReply::Raw(bytes) => (bytes, true),
            FakeReply::Hang => {
                drop(reader.read(&mut [0]));
                return;
            }
        };
        if writer.write_all(&bytes).is_err() || close {
            return;
        }
    }
}

/// A request of the function to the Runtime API.
#[derive(Debug)]
pub(crate) struct RuntimeReport {
    pub(crate) path: String,
    pub(crate) error_type: Option<String>,
    pub(crate) body: String,
}

/// The program as a child process, with a Runtime API that serves one invocation at a time.
pub(crate) struct BootstrapProcess {
    events: Option<Sender<Vec<u8>>>,
    reports: Receiver<RuntimeReport>,
    child: Child,
}

/// Returns the environment of the program, as Lambda sets it.
pub(crate) fn environment(dynamodb: &str) -> Vec<(&'static str, String)> {
    [
        ("HITS_TABLE_NAME", "hits-test"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("DYNAMODB_ENDPOINT", dynamodb),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Returns the command that starts the function without environment variables. `HITCTL_TEST_RUNNER` is the command line of an emulator
/// for functions that this machine cannot run itself.
#[expect(clippy::disallowed_methods, reason = "tests choose the emulator by a variable")]
pub(crate) fn bootstrap_command() -> Command {
    let runner = std::env::var("HITCTL_TEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace().chain([env!("CARGO_BIN_EXE_bootstrap")]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env_clear();
    command
}

impl BootstrapProcess {
    /// Starts the program against DynamoDB at `dynamodb`.
    pub(crate) fn start(dynamodb: SocketAddr) -> Self {
        Self::start_with(environment(&format!("http://{dynamodb}")), 30_000)
    }

    /// Starts the program with this environment and `timeout_ms` for each invocation.
    pub(crate) fn start_with(environment: Vec<(&'static str, String)>, timeout_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (events, queue) = channel::<Vec<u8>>();
        let (sender, reports) = channel();
        thread::spawn(move || {
            // Serves one connection at a time, because there is one program. The thread ends when the test drops
            // the sender of the events.
            let mut number = 0;
            for stream in listener.incoming().map_while(Result::ok) {
                if !serve_runtime_api(&stream, &queue, &sender, &mut number, timeout_ms) {
                    return;
                }
            }
        });
        let child = bootstrap_command()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .envs(environment)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { events: Some(events), reports, child }
    }

    /// Sends the program an event and returns its report.
    pub(crate) fn invoke(&self, event: impl Into<Vec<u8>>) -> RuntimeReport {
        self.events.as_ref().unwrap().send(event.into()).unwrap();
        self.next_report()
    }

    pub(crate) fn next_report(&self) -> RuntimeReport {
        self.reports.recv_timeout(TEST_TIMEOUT).expect("expected a report from the program")
    }

    /// Sends the program a GET request and returns status and body.
    pub(crate) fn get(&self, route: &str, query: &str) -> (u16, String) {
        let (status, _, body) = self.request("GET", route, query);
        (status, body)
    }

    /// Sends a request like [`Self::get`], with any method, and also returns the headers.
    pub(crate) fn request(&self, method: &str, route: &str, query: &str) -> (u16, serde_json::Value, String) {
        let report = self.invoke(event(method, route, query));
        assert_eq!(report.error_type, None, "{report:?}");
        assert!(report.path.ends_with("/response"), "{report:?}");
        let response: serde_json::Value = serde_json::from_str(&report.body).unwrap();
        let status = response["statusCode"].as_u64().unwrap().try_into().unwrap();
        (status, response["headers"].clone(), response["body"].as_str().unwrap().to_owned())
    }

    /// Stops the Runtime API and returns the exit status and the log of the program.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.events = None;
        self.wait_for_exit()
    }

    /// Waits for the program to exit by itself.
    pub(crate) fn wait_for_exit(&mut self) -> (ExitStatus, String) {
        let until = Instant::now() + TEST_TIMEOUT;
        let mut log = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, log);
            }
            assert!(Instant::now() < until, "the program did not exit in time");
            thread::yield_now();
        }
    }
}

impl Drop for BootstrapProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves one connection of the program. Returns false once the test has stopped the API.
fn serve_runtime_api(
    stream: &TcpStream,
    queue: &Receiver<Vec<u8>>,
    reports: &Sender<RuntimeReport>,
    number: &mut u32,
    timeout_ms: u64,
) -> bool {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
        let response = if path == "/2018-06-01/runtime/invocation/next" {
            let Ok(event) = queue.recv() else { return false };
            *number += 1;
            invocation_response(*number, &event, timeout_ms)
        } else {
            let error_type = request.headers.get("lambda-runtime-function-error-type").cloned();
            if reports.send(RuntimeReport { path, error_type, body: request.body }).is_err() {
                return false;
            }
            json_response(202, "", "")
        };
        if writer.write_all(&response).is_err() {
            break;
        }
    }
    true
}

fn invocation_response(number: u32, event: &[u8], timeout_ms: u64) -> Vec<u8> {
    let deadline = now_ms() + timeout_ms;
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request-{number}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Content-Length: {}\r\n\r\n",
        event.len()
    )
    .into_bytes();
    response.extend_from_slice(event);
    response
}

#[expect(clippy::disallowed_methods, reason = "the program compares the deadline with the real clock")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// Returns an HTTP API event.
pub(crate) fn event(method: &str, route: &str, query: &str) -> String {
    format!(
        r#"{{"version":"2.0","routeKey":"ANY {route}","rawPath":"{route}","rawQueryString":"{query}","headers":{{}},"requestContext":{{"http":{{"method":"{method}","path":"{route}","sourceIp":"203.0.113.7"}},"stage":"$default"}},"isBase64Encoded":false}}"#
    )
}
