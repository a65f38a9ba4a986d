//! A proxy between the program and the local cloud. It records every call and can cut the n-th one. It writes its own
//! addresses to `daemon.json`, so the program needs no support for it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::support::TestEnv;

/// How a call is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The request does not reach the cloud.
    RequestLost,
    /// The cloud executes the call, and its response is lost.
    ResponseLost,
    /// The cloud is killed while it executes the call.
    CloudKilledDuring,
    /// The cloud is killed after it has executed the call, before the response arrives.
    CloudKilledAfter,
    /// The program is killed before the request is forwarded.
    ProgramKilledBefore,
    /// The program is killed after the call was executed, before it receives the response.
    ProgramKilledAfter,
}

impl Cut {
    /// Whether this cut kills the program, which then has to run as a separate process.
    pub(crate) fn kills_program(self) -> bool {
        matches!(self, Self::ProgramKilledBefore | Self::ProgramKilledAfter)
    }
}

/// A proxy in front of the local cloud of one test environment. Dropping it restores the direct connection.
pub(crate) struct CloudProxy {
    endpoint: PathBuf,
    /// The content of `daemon.json` without the proxy.
    direct: Vec<u8>,
    /// The content of `daemon.json` with the addresses of the proxy.
    proxied: Vec<u8>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    cloud: Option<Pid>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    /// The number of the call to cut, from 1, and how.
    cut: Option<(usize, Cut)>,
    /// The call that was cut.
    cut_call: Option<String>,
    program: Option<Pid>,
    dropped: bool,
}

impl CloudProxy {
    /// Starts a proxy in front of a running local cloud.
    pub(crate) fn attach(test_env: &TestEnv) -> Self {
        let endpoint = test_env.state().join("daemon.json");
        let direct = std::fs::read(&endpoint).unwrap();
        let mut addresses: Json = serde_json::from_slice(&direct).unwrap();
        let cloud = addresses["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
        let shared = Arc::new(Shared { cloud, ..Shared::default() });
        for service in ["control", "table"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let upstream = addresses[service].as_str().unwrap().trim_start_matches("http://").to_owned();
            addresses[service] = format!("http://{}", listener.local_addr().unwrap()).into();
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &upstream, &shared));
        }
        let proxied = serde_json::to_vec(&addresses).unwrap();
        replace(&endpoint, &proxied);
        Self { endpoint, direct, proxied, shared }
    }

    /// Cuts the n-th call from now on, counted from 1.
    pub(crate) fn cut(&self, n: usize, cut: Cut) {
        let mut state = self.shared.state.lock().unwrap();
        state.calls.clear();
        (state.cut, state.cut_call) = (Some((n, cut)), None);
    }

    /// Returns the call that was cut; `None` if the run made fewer calls.
    pub(crate) fn cut_call(&self) -> Option<String> {
        self.shared.state.lock().unwrap().cut_call.clone()
    }

    /// Sets the program that a cut may kill.
    pub(crate) fn set_program(&self, program: &Child) {
        self.shared.state.lock().unwrap().program = Some(Pid::from_child(program));
        self.shared.changed.notify_all();
    }

    /// Takes the calls recorded so far. Calls that ran at the same time are sorted alphabetically.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        sorted(std::mem::take(&mut self.shared.state.lock().unwrap().calls))
    }
}

impl Drop for CloudProxy {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().dropped = true;
        self.shared.changed.notify_all();
        // A cloud that was restarted in the meantime has written its own file.
        if std::fs::read(&self.endpoint).is_ok_and(|now| now == self.proxied) {
            replace(&self.endpoint, &self.direct);
        }
    }
}

/// Replaces the file atomically, since the cloud reads it too and would repair a half-written file.
fn replace(endpoint: &Path, content: &[u8]) {
    let temporary = endpoint.with_file_name(".wire");
    std::fs::write(&temporary, content).unwrap();
    std::fs::rename(temporary, endpoint).unwrap();
}

/// Sorts calls that run at the same time by their resources: reads, and changes of resources without dependencies. The
/// calls for one resource keep their order.
fn sorted(mut calls: Vec<String>) -> Vec<String> {
    let group = |call: &str| match call.split(' ').collect::<Vec<_>>()[..] {
        ["GET", ..] => Some("read"),
        ["PUT" | "DELETE", "table" | "role" | "log_group", _] => Some("change"),
        _ => None,
    };
    for run in calls.chunk_by_mut(|a, b| group(a).is_some() && group(a) == group(b)) {
        run.sort_by_key(|call| call.split_once(' ').map(|(_, resource)| resource.to_owned()));
    }
    calls
}

fn accept(listener: &TcpListener, upstream: &str, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let (upstream, shared) = (upstream.to_owned(), Arc::clone(shared));
        std::thread::spawn(move || {
            // An error here closes the connection, which is how the program notices it.
            drop(relay(stream, &upstream, &shared));
        });
    }
}

/// Forwards requests and their responses, one after the other.
fn relay(mut program: TcpStream, upstream: &str, shared: &Shared) -> std::io::Result<()> {
    program.set_nodelay(true)?;
    let mut cloud = TcpStream::connect(upstream)?;
    cloud.set_nodelay(true)?;
    cloud.set_read_timeout(Some(Duration::from_secs(30)))?;
    while let Some(request) = read_message(&mut program, false)? {
        let cut = shared.record(&request);
        match cut {
            Some(Cut::RequestLost) => return Ok(()),
            Some(Cut::ProgramKilledBefore) => return shared.kill_program(),
            _ => cloud.write_all(&request)?,
        }
        if cut == Some(Cut::CloudKilledDuring) {
            return shared.kill_cloud();
        }
        let response = read_message(&mut cloud, request.starts_with(b"HEAD "))?;
        match cut {
            Some(Cut::ResponseLost) => return Ok(()),
            Some(Cut::CloudKilledAfter) => return shared.kill_cloud(),
            Some(Cut::ProgramKilledAfter) => return shared.kill_program(),
            _ => program.write_all(&response.ok_or(std::io::ErrorKind::UnexpectedEof)?)?,
        }
    }
    Ok(())
}

impl Shared {
    /// Records a call. Returns how to cut it, if it is the one to cut.
    fn record(&self, request: &[u8]) -> Option<Cut> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call_name(request));
        let n = state.calls.len();
        let cut = state.cut.filter(|(at, _)| *at == n).map(|(_, cut)| cut)?;
        state.cut_call = state.calls.last().cloned();
        Some(cut)
    }

    fn kill_cloud(&self) -> std::io::Result<()> {
        Ok(kill_process(self.cloud.expect("daemon.json names a process"), Signal::KILL)?)
    }

    fn kill_program(&self) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap();
        // The first calls may arrive before the test has set the program.
        while state.program.is_none() && !state.dropped {
            state = self.changed.wait(state).unwrap();
        }
        state.program.map_or(Ok(()), |program| Ok(kill_process(program, Signal::KILL)?))
    }
}

/// Returns the name of a call: its method and resource, or its operation on a table or queue.
fn call_name(request: &[u8]) -> String {
    let head = String::from_utf8_lossy(request);
    let operation = head.lines().find_map(|line| line.strip_prefix("x-amz-target: DynamoDB_20120810."));
    if let Some(operation) = operation {
        return format!("dynamodb:{}", operation.trim());
    }
    if let Some(operation) = head.lines().find_map(|line| line.strip_prefix("x-amz-target: AmazonSQS.")) {
        return format!("sqs:{}", operation.trim());
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default().replace("%2F", "/").replace("%2f", "/");
    let path = path.replace("%3A", ":").replace("%3a", ":");
    match path.strip_prefix("/v1/resources/").and_then(|rest| rest.split_once('/')) {
        Some((kind, name)) => format!("{method} {kind} {name}"),
        None if path.starts_with("/v1/code/") => format!("{method} code"),
        None => format!("{method} {}", path.trim_start_matches("/v1/")),
    }
}

/// Reads one complete HTTP message; `None` at the end of the connection.
fn read_message(stream: &mut TcpStream, head_only: bool) -> std::io::Result<Option<Vec<u8>>> {
    let (mut received, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let total = end + 4 + if head_only { 0 } else { length.unwrap_or(0) };
            if received.len() >= total {
                return Ok(Some(received));
            }
            received.reserve(total - received.len());
            while received.len() < total {
                match stream.read(&mut chunk)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    n => received.extend_from_slice(&chunk[..n]),
                }
            }
            return Ok(Some(received));
        }
        match stream.read(&mut chunk)? {
            0 if received.is_empty() => return Ok(None),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => received.extend_from_slice(&chunk[..n]),
        }
    }
}
