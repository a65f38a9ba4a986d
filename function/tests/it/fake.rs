//! The two peers of the function, as threads that a test scripts, and the program itself as a child process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request that a fake was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    /// DynamoDB's operation, for a request to it.
    pub(crate) fn operation(&self) -> &str {
        self.headers.get("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default()
    }
}

/// Reads one request; `None` if the client went away.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<Received> {
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
    Some(Received { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() })
}

/// What a fake does with a request.
pub(crate) enum Reply {
    /// A whole answer, connection kept.
    Json(u16, String),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing at all; the connection stays open.
    Hang,
    /// An answer, and the connection is closed behind it without a word.
    JsonThenClose(u16, String),
}

pub(crate) fn json_answer(status: u16, body: &str, more: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A server whose answers the test chooses by the request and its number.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
    closed: Arc<Mutex<usize>>,
}

impl Fake {
    pub(crate) fn serve(reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
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
                    converse(stream, &log, &*reply);
                    *closing.lock().unwrap() += 1;
                });
            }
        });
        Self { address, received, connections, closed }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Waits until this many connections were closed by the fake.
    pub(crate) fn wait_for_closed(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        while *self.closed.lock().unwrap() < count {
            assert!(Instant::now() < until, "connection {count} stays open");
            thread::yield_now();
        }
    }
}

fn converse(stream: TcpStream, log: &Mutex<Vec<Received>>, reply: &dyn Fn(usize, &Received) -> Reply) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let (bytes, close) = match reply(number, &request) {
            Reply::Json(status, body) => (json_answer(status, &body, "x-amzn-requestid: REQ\r\n"), false),
            Reply::JsonThenClose(status, body) => (json_answer(status, &body, ""), true),
            Reply::Raw(bytes) => (bytes, true),
            Reply::Hang => {
                drop(reader.read(&mut [0]));
                return;
            }
        };
        if writer.write_all(&bytes).is_err() || close {
            return;
        }
    }
}

/// What the function posted to the Runtime API.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) error_type: Option<String>,
    pub(crate) body: String,
}

/// A Runtime API with one invocation at a time, and the program that it runs.
pub(crate) struct Host {
    events: Option<Sender<Vec<u8>>>,
    posted: Receiver<Posted>,
    child: Child,
}

/// The environment of the program; Lambda's own unless a test takes it away.
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

impl Host {
    /// Starts the program against DynamoDB at `address`.
    pub(crate) fn start(dynamodb: SocketAddr) -> Self {
        Self::start_with(environment(&format!("http://{dynamodb}")), 30_000)
    }

    /// Starts the program with this environment, and `timeout_ms` for each invocation.
    pub(crate) fn start_with(environment: Vec<(&'static str, String)>, timeout_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (events, queue) = channel::<Vec<u8>>();
        let (post, posted) = channel();
        thread::spawn(move || {
            // One connection after the other, as there is one program; it ends when the test drops its end.
            let mut number = 0;
            for stream in listener.incoming().map_while(Result::ok) {
                if !host(&stream, &queue, &post, &mut number, timeout_ms) {
                    return;
                }
            }
        });
        let child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .envs(environment)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { events: Some(events), posted, child }
    }

    /// Hands the program an event; returns what it posts.
    pub(crate) fn invoke(&self, event: impl Into<Vec<u8>>) -> Posted {
        self.events.as_ref().unwrap().send(event.into()).unwrap();
        self.posted()
    }

    pub(crate) fn posted(&self) -> Posted {
        self.posted.recv_timeout(PATIENCE).expect("the program posts something")
    }

    /// Asks the program for a route; returns status and body.
    pub(crate) fn get(&self, route: &str, query: &str) -> (u16, String) {
        let (status, _, body) = self.request("GET", route, query);
        (status, body)
    }

    /// As [`Self::get`], with any method, and the headers too.
    pub(crate) fn request(&self, method: &str, route: &str, query: &str) -> (u16, serde_json::Value, String) {
        let posted = self.invoke(event(method, route, query));
        assert_eq!(posted.error_type, None, "{posted:?}");
        assert!(posted.path.ends_with("/response"), "{posted:?}");
        let answer: serde_json::Value = serde_json::from_str(&posted.body).unwrap();
        let status = answer["statusCode"].as_u64().unwrap().try_into().unwrap();
        (status, answer["headers"].clone(), answer["body"].as_str().unwrap().to_owned())
    }

    /// Ends the Runtime API; returns how the program ended and what it had logged.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.events = None;
        self.exited()
    }

    /// Waits for the program to end by itself.
    pub(crate) fn exited(&mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        let mut log = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, log);
            }
            assert!(Instant::now() < until, "the program lingers");
            thread::yield_now();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves one connection of the program; false once the test has ended the API.
fn host(
    stream: &TcpStream,
    queue: &Receiver<Vec<u8>>,
    post: &Sender<Posted>,
    number: &mut u32,
    timeout_ms: u64,
) -> bool {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = if path == "/2018-06-01/runtime/invocation/next" {
            let Ok(event) = queue.recv() else { return false };
            *number += 1;
            next(*number, &event, timeout_ms)
        } else {
            let error_type = request.headers.get("lambda-runtime-function-error-type").cloned();
            if post.send(Posted { path, error_type, body: request.body }).is_err() {
                return false;
            }
            json_answer(202, "", "")
        };
        if writer.write_all(&answer).is_err() {
            break;
        }
    }
    true
}

fn next(number: u32, event: &[u8], timeout_ms: u64) -> Vec<u8> {
    let deadline = now_ms() + timeout_ms;
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request-{number}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Content-Length: {}\r\n\r\n",
        event.len()
    )
    .into_bytes();
    answer.extend_from_slice(event);
    answer
}

#[expect(clippy::disallowed_methods, reason = "Lambda's deadlines are by the real clock")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// An HTTP API event.
pub(crate) fn event(method: &str, route: &str, query: &str) -> String {
    format!(
        r#"{{"version":"2.0","routeKey":"ANY {route}","rawPath":"{route}","rawQueryString":"{query}","headers":{{}},"requestContext":{{"http":{{"method":"{method}","path":"{route}","sourceIp":"203.0.113.7"}},"stage":"$default"}},"isBase64Encoded":false}}"#
    )
}
