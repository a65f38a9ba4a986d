//! The wire between the program and the local cloud, with the test on it: every call is written down, and the n-th can be
//! cut. Nothing in the program knows of it: `daemon.json` says where the cloud is, and a test may say something else there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::support::Yard;

/// How a call is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not arrive.
    Unsent,
    /// It is done, and its answer is lost.
    Unanswered,
    /// The cloud is killed while it works on it.
    CloudDuring,
    /// The cloud is killed when it has acknowledged it, before the answer arrives.
    CloudAfter,
    /// The program is killed before the call leaves.
    ProgramBefore,
    /// The program is killed when the call is done, before it knows.
    ProgramAfter,
}

impl Cut {
    /// Whether the program is killed by it, and so has to be a process of its own.
    pub(crate) fn kills_the_program(self) -> bool {
        matches!(self, Self::ProgramBefore | Self::ProgramAfter)
    }
}

/// A hold on the wire of one yard. When it is let go, the program speaks with the cloud itself again.
pub(crate) struct Wire {
    endpoint: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
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
    cut: Option<(usize, Cut)>,
    /// The call that was cut.
    was_cut: Option<String>,
    program: Option<Pid>,
    let_go: bool,
}

impl Wire {
    /// Takes hold of the wire to a running cloud.
    pub(crate) fn tap(yard: &Yard) -> Self {
        let endpoint = yard.state().join("daemon.json");
        let before = std::fs::read(&endpoint).unwrap();
        let mut said: Json = serde_json::from_slice(&before).unwrap();
        let cloud = said["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
        let shared = Arc::new(Shared { cloud, ..Shared::default() });
        for door in ["control", "table"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let there = said[door].as_str().unwrap().trim_start_matches("http://").to_owned();
            said[door] = format!("http://{}", listener.local_addr().unwrap()).into();
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &there, &shared));
        }
        let after = serde_json::to_vec(&said).unwrap();
        replace(&endpoint, &after);
        Self { endpoint, before, after, shared }
    }

    /// Cuts the n-th call from now on, counted from 1.
    pub(crate) fn cut(&self, n: usize, cut: Cut) {
        let mut state = self.shared.state.lock().unwrap();
        state.calls.clear();
        (state.cut, state.was_cut) = (Some((n, cut)), None);
    }

    /// The call that was cut, if the run made so many.
    pub(crate) fn was_cut(&self) -> Option<String> {
        self.shared.state.lock().unwrap().was_cut.clone()
    }

    /// The program that a cut may kill.
    pub(crate) fn holds(&self, program: &Child) {
        self.shared.state.lock().unwrap().program = Some(Pid::from_child(program));
        self.shared.changed.notify_all();
    }

    /// The calls so far, and none from now on: what was in flight at once stands in the order of the alphabet.
    pub(crate) fn calls(&self) -> Vec<String> {
        in_order(std::mem::take(&mut self.shared.state.lock().unwrap().calls))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().let_go = true;
        self.shared.changed.notify_all();
        // A cloud that was started meanwhile has written its own.
        if std::fs::read(&self.endpoint).is_ok_and(|now| now == self.after) {
            replace(&self.endpoint, &self.before);
        }
    }
}

/// As a whole: the cloud looks at this file too, and mends one that is half-written.
fn replace(endpoint: &Path, content: &[u8]) {
    let beside = endpoint.with_file_name(".wire");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, endpoint).unwrap();
}

/// Reads go out all at once, and so do the changes of what depends on nothing: those of one resource stay in their order.
fn in_order(mut calls: Vec<String>) -> Vec<String> {
    let alike = |call: &str| match call.split(' ').collect::<Vec<_>>()[..] {
        ["GET", ..] => Some("read"),
        ["PUT" | "DELETE", "table" | "role" | "log_group", _] => Some("change"),
        _ => None,
    };
    for run in calls.chunk_by_mut(|a, b| alike(a).is_some() && alike(a) == alike(b)) {
        run.sort_by_key(|call| call.split_once(' ').map(|(_, resource)| resource.to_owned()));
    }
    calls
}

fn accept(listener: &TcpListener, there: &str, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let (there, shared) = (there.to_owned(), Arc::clone(shared));
        std::thread::spawn(move || {
            // Whatever breaks here breaks the connection, which is what the program sees.
            drop(relay(stream, &there, &shared));
        });
    }
}

/// Passes on one request after the other, and their answers.
fn relay(mut program: TcpStream, there: &str, shared: &Shared) -> std::io::Result<()> {
    program.set_nodelay(true)?;
    let mut cloud = TcpStream::connect(there)?;
    cloud.set_nodelay(true)?;
    cloud.set_read_timeout(Some(Duration::from_secs(30)))?;
    while let Some(request) = message(&mut program, false)? {
        let cut = shared.note(&request);
        match cut {
            Some(Cut::Unsent) => return Ok(()),
            Some(Cut::ProgramBefore) => return shared.kill_program(),
            _ => cloud.write_all(&request)?,
        }
        if cut == Some(Cut::CloudDuring) {
            return shared.kill_cloud();
        }
        let answer = message(&mut cloud, request.starts_with(b"HEAD "))?;
        match cut {
            Some(Cut::Unanswered) => return Ok(()),
            Some(Cut::CloudAfter) => return shared.kill_cloud(),
            Some(Cut::ProgramAfter) => return shared.kill_program(),
            _ => program.write_all(&answer.ok_or(std::io::ErrorKind::UnexpectedEof)?)?,
        }
    }
    Ok(())
}

impl Shared {
    /// Writes a call down, and says how it is to be cut.
    fn note(&self, request: &[u8]) -> Option<Cut> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(name(request));
        let n = state.calls.len();
        let cut = state.cut.filter(|(at, _)| *at == n).map(|(_, cut)| cut)?;
        state.was_cut = state.calls.last().cloned();
        Some(cut)
    }

    fn kill_cloud(&self) -> std::io::Result<()> {
        Ok(kill_process(self.cloud.expect("daemon.json names a process"), Signal::KILL)?)
    }

    fn kill_program(&self) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap();
        while state.program.is_none() && !state.let_go {
            state = self.changed.wait(state).unwrap();
        }
        state.program.map_or(Ok(()), |program| Ok(kill_process(program, Signal::KILL)?))
    }
}

/// What a call is called in a list: the method and what it is about, or the operation of a table or queue.
fn name(request: &[u8]) -> String {
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

/// One HTTP message, whole; `None` at the end of the connection.
fn message(stream: &mut TcpStream, head_only: bool) -> std::io::Result<Option<Vec<u8>>> {
    let (mut seen, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let whole = end + 4 + if head_only { 0 } else { length.unwrap_or(0) };
            if seen.len() >= whole {
                return Ok(Some(seen));
            }
            seen.reserve(whole - seen.len());
            while seen.len() < whole {
                match stream.read(&mut chunk)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    n => seen.extend_from_slice(&chunk[..n]),
                }
            }
            return Ok(Some(seen));
        }
        match stream.read(&mut chunk)? {
            0 if seen.is_empty() => return Ok(None),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => seen.extend_from_slice(&chunk[..n]),
        }
    }
}
