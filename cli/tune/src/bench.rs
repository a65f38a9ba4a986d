//! Measures the function on this machine: starts the deployed binary in one new process after another, with temporary tables. All
//! temporary files are removed at the end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hitctl_artifact::Artifact;
use hitctl_engine::{Fault, Graph, resolve};
use hitctl_local::scratch::ScratchTables;
use hitctl_platform::{kill_group, set_own_group};
use hitctl_resources::{FunctionSpec, Spec as _, TableSpec};
use hitctl_stack::address;
use hitctl_stack::memory::{InvocationTiming, ProcessTimings};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::cpu_quota::CpuGroup;
use super::process_tag::ScratchDir;
use super::request::MeasuringRequest;
use super::runtime::{InvocationTimes, RuntimeApi};

/// The number of events that a process receives after its first event.
pub const WARM_CALLS: u32 = 20;
/// The timeout of a process for all its events.
const PROCESS_TIMEOUT: Duration = Duration::from_mins(1);
/// The time that a killed process may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// A shell script that waits for a line and then executes the function. The time before the line is not measured.
const LAUNCH_SCRIPT: &str = r#"read -r _; exec "$0" </dev/null"#;

/// A function that can be started, with its temporary tables and files.
pub struct Bench {
    bootstrap: PathBuf,
    environment: Vec<(String, String)>,
    output: PathBuf,
    // Dropped before the directory that contains its file.
    _tables: ScratchTables,
    _scratch_dir: ScratchDir,
    /// The number of the next request. Each request is from a different visitor.
    next_request: u32,
    /// The reason that the function gave for ignoring a request; `None` if it counted all requests.
    pub uncounted: Option<String>,
}

impl Bench {
    /// Unpacks the function into a directory in `base`, and creates the tables of the graph.
    pub fn open(base: &Path, graph: &Graph, artifact: &Artifact) -> Result<Self, Fault> {
        let io_fault = |error: &dyn std::fmt::Display| {
            Fault::fatal("tune_io", format!("failed to create temporary files in {}", base.display()))
                .caused_by(error.to_string())
                .hinted("make the directory writable, or set XDG_CACHE_HOME to one that is")
        };
        let dir = ScratchDir::new(base).map_err(|error| io_fault(&error))?;
        let zip = dir.path().join(format!("{}.zip", artifact.sha256));
        std::fs::write(&zip, artifact.read()?).map_err(|error| io_fault(&error))?;
        let code = hitctl_local::lambda::unpack(&dir.path().join("code"), dir.path(), &artifact.sha256)?;
        let tables: Vec<(String, TableSpec)> = graph
            .nodes()
            .iter()
            .filter(|node| node.address.kind() == TableSpec::KIND)
            .filter_map(|node| Some((node.name.clone(), parse_spec(node.spec()?)?)))
            .collect();
        let tables = ScratchTables::open(&dir.path().join("tables.db"), &tables)?;
        let node = graph.node(&address::counter());
        let function: FunctionSpec = node.and_then(|node| parse_spec(node.spec()?)).ok_or_else(|| {
            Fault::fatal(
                "tune_graph",
                "internal error: the resource graph has no function to measure; please report it",
            )
        })?;
        let name = node.map(|node| node.name.clone()).unwrap_or_default();
        let log_group = function.log_group.get().cloned().unwrap_or_default();
        let mut environment = hitctl_local::lambda::environment(
            &name,
            &function,
            &log_group,
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
            _scratch_dir: dir,
            next_request: 0,
            uncounted: None,
        })
    }

    /// Starts a process with this memory setting in a CPU group. Measures its first invocation and `warm` further ones.
    pub async fn measure(
        &mut self,
        memory_mb: u32,
        cpu_group: Option<&CpuGroup>,
        warm: u32,
    ) -> Result<ProcessTimings, Fault> {
        let events = (0..=warm).map(|n| MeasuringRequest::Hit.event(self.next_request + n)).collect();
        self.next_request += warm + 1;
        let failed = |reason: String| {
            let log = std::fs::read_to_string(&self.output).unwrap_or_default();
            let last_lines: Vec<&str> = log.lines().rev().take(3).collect();
            let last_lines: Vec<&str> = last_lines.into_iter().rev().collect();
            let cause = if last_lines.is_empty() {
                reason
            } else {
                format!("{reason}; last log lines: {}", last_lines.join(" | "))
            };
            Fault::fatal("tune_function", "failed to measure the function")
                .caused_by(cause)
                .hinted("test the function with `hitctl deploy --env local` and `hitctl invoke --path /`")
        };
        let start_failed = |error: std::io::Error| failed(format!("failed to start the process: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(start_failed)?;
        let api = RuntimeApi::new(events).map_err(start_failed)?;
        let output = std::fs::File::create(&self.output).map_err(start_failed)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LAUNCH_SCRIPT])
            .arg(&self.bootstrap)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address(&listener).map_err(start_failed)?)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string())
            .current_dir(self.bootstrap.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(start_failed)?)
            .stderr(output);
        set_own_group(command.as_std_mut());
        let mut process = Process(command.spawn().map_err(start_failed)?);
        if let (Some(cpu_group), Some(pid)) = (cpu_group, process.0.id()) {
            cpu_group
                .add(pid)
                .map_err(|error| failed(format!("failed to limit the CPU of the process: {error}")))?;
        }
        let mut stdin =
            process.0.stdin.take().ok_or_else(|| failed("the process has no standard input".to_owned()))?;
        let started = Instant::now();
        stdin.write_all(b"\n").await.map_err(start_failed)?;
        let times = tokio::select! {
            times = tokio::time::timeout(PROCESS_TIMEOUT, api.serve(&listener)) => match times {
                Ok(times) => times.map_err(failed)?,
                Err(_) => return Err(failed(format!("timed out after {} s", PROCESS_TIMEOUT.as_secs()))),
            },
            status = process.0.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(failed(format!("the process ended: {status}")));
            }
        };
        drop(process);
        if self.uncounted.is_none() {
            self.uncounted.clone_from(&times.uncounted);
        }
        timings(started, &times)
            .ok_or_else(|| failed("expected a response to each request, found fewer".to_owned()))
    }
}

/// Returns the timings of one process.
fn timings(started: Instant, times: &InvocationTimes) -> Option<ProcessTimings> {
    let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1_000.0;
    let first_request = times.first_request?;
    let mut calls = times.sent.iter().zip(&times.responded).map(|(sent, responded)| (*sent, *responded));
    let (_, first) = calls.next()?;
    let first = InvocationTiming {
        init_ms: Some(ms(started, first_request)),
        duration_ms: Some(ms(first_request, first)),
        ..InvocationTiming::default()
    };
    Some(ProcessTimings {
        first,
        warm: calls.map(|(sent, responded)| InvocationTiming::warm(ms(sent, responded))).collect(),
    })
}

/// Deserializes a spec after resolving its known references.
fn parse_spec<S: DeserializeOwned>(json: &Json) -> Option<S> {
    serde_json::from_value(resolve(json, &|_| None)).ok()
}

/// A process that is killed and reaped when this value is dropped. Only then can its CPU group be removed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // The process is not reaped yet, so no other process has its id.
        self.0.id().into_iter().for_each(kill_group);
        let started = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && started.elapsed() < KILL_TIMEOUT {
            std::thread::yield_now();
        }
    }
}
