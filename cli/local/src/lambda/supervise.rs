//! Starts a process of a function and watches it until it has exited.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hitctl_platform::{is_missing_program, set_own_group};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::RuntimeApiSecret;
use super::code::BOOTSTRAP;
use super::function::FunctionConfig;
use super::memory::MemoryMonitor;
use super::output::ProcessOutput;
use super::process::{FunctionProcess, FunctionVersion, InvocationRequest};
use super::runner_state::ProcessRegistration;
use super::{report, runtime_api};
use crate::fault::with_cause_and_hint;
use crate::invocation::Invocation;
use crate::{clock, ids};

/// The maximum time to read a response that a process sent before it exited.
const LAST_RESPONSE_TIMEOUT: Duration = Duration::from_millis(200);
/// The time that a killed process may take to exit.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of retries of a start while another child process has the program file open for writing.
const BUSY_RETRIES: u32 = 20;

/// Assigns `request` to an idle process or to a new one. If no process could be started, returns the result
/// of the invocation as an error.
pub(super) async fn dispatch(
    version: &Arc<FunctionVersion>,
    mut request: InvocationRequest,
) -> Result<(), Box<Invocation>> {
    while let Some(process) = version.pool.take() {
        match process.assign(request) {
            Ok(()) => return Ok(()),
            Err(returned) => request = returned,
        }
    }
    start(version, request).await.map_err(|(request, error)| {
        let function = &version.function;
        let program = function.dir.join(BOOTSTRAP);
        let message =
            format!("RequestId: {} Error: fork/exec {}: {error}", request.request_id, program.display());
        function.shared.logs.write(&function.group, &message);
        Box::new(Invocation {
            payload: report::error_payload("Runtime.InvalidEntrypoint", &message).into(),
            request_id: request.request_id,
            function_error: Some("Unhandled".to_owned()),
            duration_ms: 0.0,
            init_ms: None,
            max_memory_mb: 0,
            log_tail: message,
        })
    })
}

/// Starts a process and assigns `request` to it. If the process cannot be started, returns the request and the
/// reason.
async fn start(
    version: &Arc<FunctionVersion>,
    request: InvocationRequest,
) -> Result<(), (InvocationRequest, io::Error)> {
    let LaunchedProcess { child, listener, secret, output } = match launch(&version.function).await {
        Ok(process) => process,
        Err(error) => return Err((request, error)),
    };
    let Some(pid) = child.id() else {
        return Err((request, io::Error::other("the process exited immediately")));
    };
    let process =
        Arc::new(FunctionProcess::new(Arc::clone(version), output, MemoryMonitor::open(pid), request));
    let FunctionConfig { shared, dir, .. } = process.function();
    let registration = shared.register(pid, dir.clone(), &process.kill);
    let exited = CancellationToken::new();
    let api_server = tokio::spawn(runtime_api::serve(listener, secret, Arc::clone(&process), exited.clone()));
    tokio::spawn({
        let process = Arc::clone(&process);
        async move {
            tokio::select! {
                () = process.output.read_to_end() => {}
                () = process.finished.cancelled() => {}
            }
        }
    });
    tokio::spawn(supervise(process, registration, child, api_server, exited));
    Ok(())
}

/// A process that was just started, and the listener and secret of its Runtime API.
struct LaunchedProcess {
    child: Child,
    listener: TcpListener,
    secret: RuntimeApiSecret,
    output: ProcessOutput,
}

async fn launch(function: &FunctionConfig) -> io::Result<LaunchedProcess> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let secret = RuntimeApiSecret::new()?;
    let (read, write) = io::pipe()?;
    let output =
        ProcessOutput::new(read, &function.group, function.min_log_level, function.shared.logs.clone())?;
    output.log_line(&format!(
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
        .kill_on_drop(true);
    // A Ctrl-C in the daemon's terminal then does not reach the process, and its children can be killed with it.
    set_own_group(command.as_std_mut());
    let (mut retries, mut is_repaired) = (0, false);
    let child = loop {
        match command.spawn() {
            // Another thread started a child process while the program file was being written. The child
            // has inherited the open file until it executes its own program, a moment later.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && retries < BUSY_RETRIES => {
                retries += 1;
                clock::sleep(Duration::from_millis(5)).await;
            }
            Err(error) if is_missing_program(&error) && !is_repaired => {
                is_repaired = true;
                function.shared.repair(&function.code_sha256).await.map_err(|fault| {
                    io::Error::new(error.kind(), format!("{error}; {}", with_cause_and_hint(&fault)))
                })?;
            }
            spawned => break spawned?,
        }
    };
    Ok(LaunchedProcess { child, listener, secret, output })
}

/// Watches a process until it has exited, then ends its open invocation.
async fn supervise(
    process: Arc<FunctionProcess>,
    registration: ProcessRegistration,
    mut child: Child,
    api_server: JoinHandle<()>,
    exited: CancellationToken,
) {
    let status = loop {
        let next_check = process.next_check();
        tokio::select! {
            status = child.wait() => break status.ok(),
            () = process.kill.cancelled() => {
                kill_group(&child);
                break tokio::time::timeout(KILL_TIMEOUT, child.wait()).await.ok().and_then(Result::ok);
            }
            () = sleep_until(next_check) => process.check_limits(),
            () = process.supervisor_wake.notified(), if next_check.is_none() => {}
        }
    };
    exited.cancel();
    if !process.kill.is_cancelled() {
        // The process may have sent a response before it exited. The API server must still read it.
        drop(tokio::time::timeout(LAST_RESPONSE_TIMEOUT, api_server).await);
    }
    process.finish(status);
    drop(registration);
}

/// Kills the process and its children. Nobody has waited for the process yet, so its pid has not been reused.
fn kill_group(child: &Child) {
    child.id().into_iter().for_each(hitctl_platform::kill_group);
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
