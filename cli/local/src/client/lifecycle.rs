//! Finds, starts, replaces and stops the daemon, even if a killed daemon left files behind.
//!
//! The process that holds the lock of the state directory is the daemon; the endpoint file only says how to reach
//! it. If nothing responds at the endpoint and the lock is free, the file belongs to a dead daemon and is removed.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_engine::Fault;
use hitctl_platform::set_detached;
use hyper::Method;
use tokio::process::{Child, Command};

use super::calls::{LocalClient, PROBE_TIMEOUT};
use crate::clock::sleep;
use crate::codes;
use crate::journal;
use crate::protocol::DaemonStatus;
use crate::state::{DaemonEndpoint, DaemonLock, StateDir};

/// The time that a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that a daemon of another build may take to stop before it is replaced.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that a killed process may take to exit.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that a daemon that did not respond to the stop request may take to exit before it is killed.
const UNRESPONSIVE_STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that a running daemon may take to publish its endpoint, when it starts or after the file was lost.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(3);
/// The interval of checks for a published endpoint. It is not shorter, because each check holds the lock for a
/// moment, and a starting daemon needs the lock.
const ENDPOINT_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The interval of checks whether another process is ready or has exited.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// The result of [`LocalClient::ensure_running`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// The daemon was running, or another call started it at the same time.
    AlreadyRunning,
    /// This call started the daemon.
    Started,
    /// A daemon of another build was running, and was replaced.
    Replaced,
}

/// The result of [`LocalClient::stop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// No daemon was running.
    NotRunning,
    /// The daemon let running work finish.
    Gracefully,
    /// The daemon did not respond, and was killed. Every change that it had acknowledged is safe.
    Killed,
}

impl LocalClient {
    /// Connects to the daemon of a state directory; returns `None` if none is running. Starts nothing.
    /// Removes the endpoint of a dead daemon.
    pub async fn connect(state_dir: &Path) -> Result<Option<Self>, Fault> {
        match StateDir::existing(state_dir)? {
            Some(dir) => Ok(Self::find_daemon(&dir).await?.map(|(client, _)| client)),
            None => Ok(None),
        }
    }

    /// Connects to the daemon of a state directory. Starts it (with `exe local serve --state-dir DIR`) if
    /// none is running, and replaces one of another build. Concurrent calls start only one daemon. Returns
    /// within about ten seconds.
    pub async fn ensure_running(
        state_dir: &Path,
        exe: &Path,
        build_id: &str,
    ) -> Result<(Self, StartOutcome), Fault> {
        let dir = StateDir::prepare(state_dir)?;
        let mut outcome = StartOutcome::Started;
        if let Some((client, status)) = Self::find_daemon(&dir).await? {
            if status.build_id == build_id {
                return Ok((client, StartOutcome::AlreadyRunning));
            }
            Self::stop(state_dir, REPLACE_TIMEOUT).await?;
            outcome = StartOutcome::Replaced;
        }
        let mut child = spawn(&dir, exe)?;
        let own_pid = child.id();
        let client = Self::wait_until_ready(&dir, &mut child).await?;
        if own_pid == Some(client.endpoint.pid) {
            return Ok((client, outcome));
        }
        // Another command started a daemon first. Our process does not hold the lock and has changed nothing, so
        // it is killed instead of waiting for the lock.
        drop(child.kill().await);
        Ok((client, StartOutcome::AlreadyRunning))
    }

    /// Stops the daemon of a state directory and returns once it has exited. Kills it if it does not exit
    /// `within` that time.
    pub async fn stop(state_dir: &Path, within: Duration) -> Result<StopOutcome, Fault> {
        match StateDir::existing_any_version(state_dir)? {
            Some(dir) => Self::stop_and_lock(&dir, within).await.map(|(stopped, _)| stopped),
            None => Ok(StopOutcome::NotRunning),
        }
    }

    /// Stops the daemon and removes everything that it stored in its state directory, including the counts.
    /// Refuses a directory that is not a state directory. Keeps files that hitctl did not create.
    pub async fn reset(state_dir: &Path, within: Duration) -> Result<(), Fault> {
        let Some(dir) = StateDir::existing_any_version(state_dir)? else { return Ok(()) };
        let (_, lock) = Self::stop_and_lock(&dir, within).await?;
        dir.remove_all(lock)
    }

    /// Returns the daemon if one runs. Waits a moment for a daemon that holds its lock but has not published its
    /// endpoint.
    async fn find_daemon(dir: &StateDir) -> Result<Option<(Self, DaemonStatus)>, Fault> {
        let since = Instant::now();
        loop {
            if let Some(found) = Self::probe(dir).await? {
                return Ok(Some(found));
            }
            let is_unpublished = dir.endpoint()?.is_none() && matches!(dir.try_lock(), Ok(None));
            if !is_unpublished || since.elapsed() > ENDPOINT_TIMEOUT {
                return Ok(None);
            }
            sleep(ENDPOINT_POLL_INTERVAL).await;
        }
    }

    /// Returns the daemon if it responds at the endpoint.
    async fn probe(dir: &StateDir) -> Result<Option<(Self, DaemonStatus)>, Fault> {
        let Some(endpoint) = dir.endpoint()? else { return Ok(None) };
        let client = Self::new(dir.clone(), endpoint);
        match client.call_json::<DaemonStatus>(Method::GET, "/v1/status", Bytes::new(), PROBE_TIMEOUT).await {
            Ok(status) if status.pid == client.endpoint.pid => Ok(Some((client, status))),
            // A suspended or hanging daemon still holds its lock. If the lock is free, another program uses the
            // port of a dead daemon.
            Err(fault) if fault.code == codes::UNRESPONSIVE && dir.try_lock()?.is_none() => Err(fault),
            _ => {
                // A daemon that starts or stops holds the lock and manages the file itself. An error is ignored,
                // because no daemon can run in a directory that we cannot write to.
                if let Ok(Some(lock)) = dir.try_lock() {
                    dir.remove_endpoint(&lock);
                }
                Ok(None)
            }
        }
    }

    /// Waits until the started daemon, or one that another program started at the same time, responds.
    async fn wait_until_ready(dir: &StateDir, child: &mut Child) -> Result<Self, Fault> {
        let since = Instant::now();
        let pid = child.id();
        let mut ended = None;
        loop {
            if let Some((client, _)) = Self::probe(dir).await? {
                return Ok(client);
            }
            if ended.is_none() {
                ended = child.try_wait().ok().flatten();
            }
            if let Some(exit) = ended {
                // If the lock is held, our process exited because of another daemon, which will respond.
                if dir.try_lock()?.is_some() {
                    return Err(start_failed(dir, pid, &format!("the daemon exited immediately ({exit})")));
                }
            }
            if since.elapsed() > START_TIMEOUT {
                let reason = format!("the daemon did not respond within {} s", START_TIMEOUT.as_secs());
                return Err(start_failed(dir, pid, &reason));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits for the endpoint of the daemon that holds the lock. Returns `None` if it publishes none in time, or if
    /// the lock was released.
    async fn lock_holder(dir: &StateDir) -> Result<Option<DaemonEndpoint>, Fault> {
        let found = poll(ENDPOINT_POLL_INTERVAL, ENDPOINT_TIMEOUT, || match dir.endpoint()? {
            None if dir.try_lock()?.is_none() => Ok(None),
            endpoint => Ok(Some(endpoint)),
        });
        Ok(found.await?.flatten())
    }

    /// Stops the daemon, kills it if it does not exit `within` that time, and returns the lock of its directory.
    pub(super) async fn stop_and_lock(
        dir: &StateDir,
        within: Duration,
    ) -> Result<(StopOutcome, DaemonLock), Fault> {
        if let Some(lock) = dir.try_lock()? {
            dir.remove_endpoint(&lock);
            return Ok((StopOutcome::NotRunning, lock));
        }
        let endpoint = Self::lock_holder(dir).await?;
        let mut within = within;
        if let Some(endpoint) = endpoint.clone() {
            let client = Self::new(dir.clone(), endpoint);
            let response =
                client.call(Method::POST, "/v1/stop", Bytes::new(), PROBE_TIMEOUT.min(within)).await;
            if response.is_err_and(|fault| fault.code == codes::UNRESPONSIVE) {
                within = within.min(UNRESPONSIVE_STOP_TIMEOUT);
            }
        }
        if let Some(lock) = poll(POLL_INTERVAL, within, || dir.try_lock()).await? {
            return Ok((StopOutcome::Gracefully, lock));
        }
        // The holder of the lock wrote the endpoint. If the endpoint has not changed since, its pid is still that
        // of the holder.
        let owner = dir.endpoint()?.filter(|now| Some(now) == endpoint.as_ref());
        if let Some(owner) = owner {
            hitctl_platform::kill(owner.pid);
            if let Some(lock) = poll(POLL_INTERVAL, KILL_TIMEOUT, || dir.try_lock()).await? {
                dir.remove_endpoint(&lock);
                return Ok((StopOutcome::Killed, lock));
            }
        }
        Err(Fault::fatal(
            "local_stop_failed",
            format!("the local cloud in {} did not stop within {} s", dir.path().display(), within.as_secs()),
        )
        .hinted("kill the process `hitctl local serve`, then run the command again"))
    }
}

/// Returns the error and the hint that a failed start logged.
fn logged_error(log: &str, pid: Option<u32>) -> (Option<&str>, Option<&str>) {
    let logged = |reason: &str| {
        let prefix = format!("[{}] {reason}: ", pid?);
        log.lines().rev().find_map(|line| line.split_once(&prefix).map(|(_, text)| text))
    };
    (logged("error"), logged("hint"))
}

/// Runs `check` until it returns a value; gives up after `within`.
async fn poll<T>(
    interval: Duration,
    within: Duration,
    check: impl Fn() -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let since = Instant::now();
    loop {
        let found = check()?;
        if found.is_some() || since.elapsed() > within {
            return Ok(found);
        }
        sleep(interval).await;
    }
}

/// Starts the daemon detached from this program's terminal, so that it continues when the terminal is closed.
fn spawn(dir: &StateDir, exe: &Path) -> Result<Child, Fault> {
    let failed = |error: std::io::Error| {
        Fault::fatal("local_start_failed", format!("failed to start {} as the local cloud", exe.display()))
            .caused_by(error)
    };
    let log = journal::open(dir)?;
    let errors = log.try_clone().map_err(failed)?;
    let mut command = Command::new(exe);
    set_detached(command.as_std_mut());
    command
        .args(["local", "serve", "--state-dir"])
        .arg(dir.path())
        .current_dir("/")
        // A memory arena per thread uses much memory, and has no benefit for a program that is mostly idle.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(failed)
}

fn start_failed(dir: &StateDir, pid: Option<u32>, reason: &str) -> Fault {
    let tail = dir.log_tail(12);
    let (error, hint) = logged_error(&tail, pid);
    let cause = error.unwrap_or_else(|| tail.trim());
    let log = dir.path().join(crate::state::DAEMON_LOG);
    Fault::fatal("local_start_failed", format!("failed to start the local cloud: {reason}"))
        .caused_by(if cause.is_empty() { "the daemon log is empty" } else { cause })
        .hinted(
            hint.map_or_else(|| format!("read {}, then run `hitctl doctor`", log.display()), str::to_owned),
        )
}
