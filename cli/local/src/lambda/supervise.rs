//! Starts a process of a function and watches it until it has ended.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::RuntimeApiSecret;
use super::code::BOOTSTRAP;
use super::function::Function;
use super::memory::Memory;
use super::output::Output;
use super::process::{Job, Process, Version};
use super::shared::Registration;
use super::{report, runtime_api};
use crate::fault::in_full;
use crate::invocation::Invocation;
use crate::{clock, ids};

/// How long what a process said last may take to be read once it has exited.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a killed process may take to go away before it is given up on.
const KILL_WAIT: Duration = Duration::from_secs(2);
/// How often a program that is still open for writing in some half-started child is tried again.
const BUSY_TRIES: u32 = 20;

/// Hands `job` to an idle process, or to a new one. `Err`: no process could be started, and this is the answer.
pub(super) async fn dispatch(version: &Arc<Version>, mut job: Job) -> Result<(), Box<Invocation>> {
    while let Some(process) = version.pool.take() {
        match process.assign(job) {
            Ok(()) => return Ok(()),
            Err(back) => job = back,
        }
    }
    start(version, job).await.map_err(|(job, error)| {
        let function = &version.function;
        let program = function.dir.join(BOOTSTRAP);
        let message =
            format!("RequestId: {} Error: fork/exec {}: {error}", job.request_id, program.display());
        function.shared.logs.write(&function.group, &message);
        Box::new(Invocation {
            payload: report::payload("Runtime.InvalidEntrypoint", &message).into(),
            request_id: job.request_id,
            function_error: Some("Unhandled".to_owned()),
            duration_ms: 0.0,
            init_ms: None,
            max_memory_mb: 0,
            log_tail: message,
        })
    })
}

/// Starts a process that begins with `job`. When it cannot be started, the job comes back with the reason.
async fn start(version: &Arc<Version>, job: Job) -> Result<(), (Job, io::Error)> {
    let Launched { child, listener, secret, output } = match launch(&version.function).await {
        Ok(launched) => launched,
        Err(error) => return Err((job, error)),
    };
    let Some(pid) = child.id() else {
        return Err((job, io::Error::other("it ended before it began")));
    };
    let process = Arc::new(Process::new(Arc::clone(version), output, Memory::of(pid), job));
    let Function { shared, dir, .. } = process.function();
    let registration = shared.register(pid, dir.clone(), &process.kill);
    let exited = CancellationToken::new();
    let conversation =
        tokio::spawn(runtime_api::serve(listener, secret, Arc::clone(&process), exited.clone()));
    tokio::spawn({
        let process = Arc::clone(&process);
        async move {
            tokio::select! {
                () = process.output.follow() => {}
                () = process.gone.cancelled() => {}
            }
        }
    });
    tokio::spawn(supervise(process, registration, child, conversation, exited));
    Ok(())
}

/// A process that was just started, and its end of the Runtime API.
struct Launched {
    child: Child,
    listener: TcpListener,
    secret: RuntimeApiSecret,
    output: Output,
}

async fn launch(function: &Function) -> io::Result<Launched> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let secret = RuntimeApiSecret::new()?;
    let (read, write) = io::pipe()?;
    let output = Output::new(read, &function.group, function.least_level, function.shared.logs.clone())?;
    output.line(&format!(
        "INIT_START Runtime Version: provided:al2023.local\tRuntime Version ARN: arn:aws:lambda:{}::runtime:local",
        function.shared.config.region
    ));
    let mut command = Command::new(function.dir.join(BOOTSTRAP));
    command
        .env_clear()
        .envs(function.environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", secret.address(listener.local_addr()?))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", ids::uuid().replace('-', "")))
        .current_dir(&function.dir)
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write)
        // Its own group: a Ctrl-C in the daemon's terminal is not for it, and its children go with it.
        .process_group(0)
        .kill_on_drop(true);
    let (mut tries, mut is_repaired) = (0, false);
    let child =
        loop {
            match command.spawn() {
                // Another thread was starting a child while the code was being written: that child holds the file open
                // for writing until it has become its own program, a moment later.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                    tries += 1;
                    clock::pause(Duration::from_millis(5)).await;
                }
                Err(error) if is_damaged(&error) && !is_repaired => {
                    is_repaired = true;
                    function.shared.repair(&function.code_sha256).await.map_err(|fault| {
                        io::Error::new(error.kind(), format!("{error}; {}", in_full(&fault)))
                    })?;
                }
                spawned => break spawned?,
            }
        };
    Ok(Launched { child, listener, secret, output })
}

/// Whether a start failed because the program is missing or is not executable.
fn is_damaged(error: &io::Error) -> bool {
    let damaged = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::ACCESS, Errno::NOEXEC];
    Errno::from_io_error(error).is_some_and(|errno| damaged.contains(&errno))
}

async fn supervise(
    process: Arc<Process>,
    registration: Registration,
    mut child: Child,
    conversation: JoinHandle<()>,
    exited: CancellationToken,
) {
    let status = loop {
        let look = process.next_look();
        tokio::select! {
            status = child.wait() => break status.ok(),
            () = process.kill.cancelled() => {
                end(&child);
                break tokio::time::timeout(KILL_WAIT, child.wait()).await.ok().and_then(Result::ok);
            }
            () = until(look) => process.look(),
            () = process.work_there.notified(), if look.is_none() => {}
        }
    };
    exited.cancel();
    if !process.kill.is_cancelled() {
        // It may have answered before it exited, and that answer is still in a socket.
        drop(tokio::time::timeout(LAST_WORDS, conversation).await);
    }
    process.finish(status);
    drop(registration);
}

/// Kills the process with its children. It is not reaped yet, so the pid is still its own.
fn end(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        // It may have gone by itself in between.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
