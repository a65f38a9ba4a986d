//! The measuring on this machine: the function as it is deployed, one fresh process after another, against tables that nobody else
//! has. All of it goes when this is dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hitctl_artifact::Artifact;
use hitctl_engine::{Fault, Graph, resolve};
use hitctl_local::scratch::ScratchTables;
use hitctl_resources::{FunctionSpec, Spec as _, TableSpec};
use hitctl_stack::address;
use hitctl_stack::memory::{Call, Start};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::cpu_quota::Share;
use super::process_tag::Scratch;
use super::request::Asks;
use super::runtime::{RuntimeApi, Times};

/// How many events a process gets after its first.
pub const WARM_CALLS: u32 = 20;
/// How long one process may take with all of its events.
const LIMIT: Duration = Duration::from_mins(1);
/// Waits for a word, and becomes the function: what comes before the word is nobody's time.
const LAUNCHER: &str = r#"read -r _; exec "$0" </dev/null"#;

/// A function that can be started, and what it needs.
pub struct Bench {
    bootstrap: PathBuf,
    environment: Vec<(String, String)>,
    output: PathBuf,
    // Before the directory that its file is in.
    _tables: ScratchTables,
    _dir: Scratch,
    /// The next request's number: each is another visitor's.
    next: u32,
    /// Why the function did not count what it was asked to, if it did not.
    pub uncounted: Option<String>,
}

impl Bench {
    /// Unpacks the function below `base`, and makes the tables that the graph has.
    pub fn open(base: &Path, graph: &Graph, artifact: &Artifact) -> Result<Self, Fault> {
        let refused = |error: &dyn std::fmt::Display| {
            Fault::fatal("tune_io", format!("failed to prepare a directory below {}", base.display()))
                .caused_by(error.to_string())
                .hinted("make the directory writable, or set XDG_CACHE_HOME to one that is")
        };
        let dir = Scratch::new(base).map_err(|error| refused(&error))?;
        let zip = dir.path().join(format!("{}.zip", artifact.sha256));
        std::fs::write(&zip, artifact.read()?).map_err(|error| refused(&error))?;
        let code = hitctl_local::lambda::unpack(&dir.path().join("code"), dir.path(), &artifact.sha256)?;
        let tables: Vec<(String, TableSpec)> = graph
            .nodes()
            .iter()
            .filter(|node| node.address.kind() == TableSpec::KIND)
            .filter_map(|node| Some((node.name.clone(), spec(node.spec()?)?)))
            .collect();
        let tables = ScratchTables::open(&dir.path().join("tables.db"), &tables)?;
        let node = graph.node(&address::counter());
        let function: FunctionSpec = node
            .and_then(|node| spec(node.spec()?))
            .ok_or_else(|| Fault::fatal("tune_graph", "the app has no function to measure"))?;
        let name = node.map(|node| node.name.clone()).unwrap_or_default();
        let group = function.log_group.get().cloned().unwrap_or_default();
        let mut environment = hitctl_local::lambda::environment(
            &name,
            &function,
            &group,
            &code,
            hitctl_local::REGION,
            tables.endpoint(),
        );
        environment.push(("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), "tune".to_owned()));
        Ok(Self {
            bootstrap: code.join("bootstrap"),
            environment,
            output: dir.path().join("output.log"),
            _tables: tables,
            _dir: dir,
            next: 0,
            uncounted: None,
        })
    }

    /// Starts a process, with that share of the CPU and memory setting, and asks it so often after its first answer.
    pub async fn start(&mut self, memory_mb: u32, share: Option<&Share>, warm: u32) -> Result<Start, Fault> {
        let events = (0..=warm).map(|n| Asks::Counting.event(self.next + n)).collect();
        self.next += warm + 1;
        let failed = |why: String| {
            let said = std::fs::read_to_string(&self.output).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            let cause = if last.is_empty() { why } else { format!("{why}; it logged: {}", last.join(" | ")) };
            Fault::fatal("tune_function", "the function cannot be measured: it did not answer as it should")
                .caused_by(cause)
                .hinted("try it with `hitctl deploy --env local` and `hitctl invoke --path /`")
        };
        let io = |error: std::io::Error| failed(format!("its process was not started: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let api = RuntimeApi::new(events).map_err(io)?;
        let output = std::fs::File::create(&self.output).map_err(io)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LAUNCHER])
            .arg(&self.bootstrap)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address(&listener).map_err(io)?)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string())
            .current_dir(self.bootstrap.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(io)?)
            .stderr(output)
            .process_group(0);
        let mut process = Process(command.spawn().map_err(io)?);
        if let (Some(share), Some(pid)) = (share, process.0.id()) {
            share.add(pid).map_err(|error| failed(format!("it was not limited: {error}")))?;
        }
        let mut stdin = process.0.stdin.take().ok_or_else(|| failed("it has no input".to_owned()))?;
        let born = Instant::now();
        stdin.write_all(b"\n").await.map_err(io)?;
        let times = tokio::select! {
            times = tokio::time::timeout(LIMIT, api.serve(&listener)) => match times {
                Ok(times) => times.map_err(failed)?,
                Err(_) => return Err(failed(format!("it took more than {} s", LIMIT.as_secs()))),
            },
            status = process.0.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(failed(format!("it ended: {status}")));
            }
        };
        drop(process);
        if self.uncounted.is_none() {
            self.uncounted.clone_from(&times.uncounted);
        }
        measured(born, &times).ok_or_else(|| failed("it answered what it was not asked".to_owned()))
    }
}

/// The figures of one process.
fn measured(born: Instant, times: &Times) -> Option<Start> {
    let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1_000.0;
    let asked = times.asked?;
    let mut calls = times.given.iter().zip(&times.answered).map(|(given, answered)| (*given, *answered));
    let (_, first) = calls.next()?;
    let first =
        Call { init_ms: Some(ms(born, asked)), duration_ms: Some(ms(asked, first)), ..Call::default() };
    Some(Start { first, warm: calls.map(|(given, answered)| Call::warm(ms(given, answered))).collect() })
}

/// A wanted spec, with what is known of it.
fn spec<S: DeserializeOwned>(json: &Json) -> Option<S> {
    serde_json::from_value(resolve(json, &|_| None)).ok()
}

/// A process, which is no more when this is dropped: only then can its group be removed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Not reaped yet, so the id is still its own.
        if let Some(pid) = self.0.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            // It may have gone by itself in between.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}
