//! Starting, finding, replacing and stopping the daemon, whatever state a killed one left behind.
//!
//! Who holds the lock of the state directory is the daemon; the endpoint file only says how to reach it. An endpoint that
//! nobody answers at, while the lock is free, is a dead daemon's, and is removed.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_engine::Fault;
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::calls::{Client, PROBE};
use crate::clock::pause;
use crate::codes;
use crate::journal;
use crate::protocol::Status;
use crate::state::{Endpoint, Lock, StateDir};

/// How long a start may take.
const START: Duration = Duration::from_secs(10);
/// How long a daemon of another build may take to stop before it is replaced.
const REPLACE: Duration = Duration::from_secs(30);
/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(5);
/// How long a daemon that did not even answer to being told to stop may take, before it is killed.
const DEAF: Duration = Duration::from_secs(5);
/// How long a running daemon may take to say where it is reached: it starts, or writes a lost endpoint anew.
const FINDABLE: Duration = Duration::from_secs(3);
/// How often to look for that. Looking takes the lock for a moment, which a starting daemon wants.
const LOOK: Duration = Duration::from_millis(50);
/// The step of polling for another process.
const STEP: Duration = Duration::from_millis(3);

/// What [`Client::ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was running, or was started by another call at the same time.
    Already,
    /// It was not, and is now.
    New,
    /// Another build of the program was running; this one took its place.
    Replaced,
}

/// What [`Client::stop`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing was running.
    NotRunning,
    /// It let what ran come to its end.
    Gracefully,
    /// It did not answer, and was killed. What it had acknowledged is safe.
    Killed,
}

impl Client {
    /// The daemon of a state directory; `None` when none is running. Starts nothing; forgets a dead one.
    pub async fn connect(state_dir: &Path) -> Result<Option<Self>, Fault> {
        match StateDir::existing(state_dir)? {
            Some(dir) => Ok(Self::find(&dir).await?.map(|(client, _)| client)),
            None => Ok(None),
        }
    }

    /// The daemon of a state directory, started (by `exe local serve --state-dir DIR`) when none is running, and replaced
    /// when it is of another build. Two calls at once give one daemon. Returns within about ten seconds.
    pub async fn ensure(state_dir: &Path, exe: &Path, build_id: &str) -> Result<(Self, Started), Fault> {
        let dir = StateDir::prepare(state_dir)?;
        let mut started = Started::New;
        if let Some((client, status)) = Self::find(&dir).await? {
            if status.build_id == build_id {
                return Ok((client, Started::Already));
            }
            Self::stop(state_dir, REPLACE).await?;
            started = Started::Replaced;
        }
        let mut child = spawn(&dir, exe)?;
        let ours = child.id();
        let client = Self::wait_for(&dir, &mut child).await?;
        if ours == Some(client.endpoint.pid) {
            return Ok((client, started));
        }
        // Another start was quicker. Ours has no lock, so it has nothing to lose; it must not wait for its chance.
        drop(child.kill().await);
        Ok((client, Started::Already))
    }

    /// Stops the daemon of a state directory and returns once it is gone. One that does not end `within` is killed.
    pub async fn stop(state_dir: &Path, within: Duration) -> Result<Stopped, Fault> {
        match StateDir::to_remove(state_dir)? {
            Some(dir) => Self::stop_and_lock(&dir, within).await.map(|(stopped, _)| stopped),
            None => Ok(Stopped::NotRunning),
        }
    }

    /// Stops the daemon and removes everything that it kept in its state directory, counts included. A directory that is
    /// not a state directory is refused; files in it that are not ours stay.
    pub async fn reset(state_dir: &Path, within: Duration) -> Result<(), Fault> {
        let Some(dir) = StateDir::to_remove(state_dir)? else { return Ok(()) };
        let (_, lock) = Self::stop_and_lock(&dir, within).await?;
        dir.remove_all(lock)
    }

    /// The daemon, if one runs. One that holds its lock but does not say where it is reached is given a moment.
    async fn find(dir: &StateDir) -> Result<Option<(Self, Status)>, Fault> {
        let since = Instant::now();
        loop {
            if let Some(found) = Self::probe(dir).await? {
                return Ok(Some(found));
            }
            let silent = dir.endpoint()?.is_none() && matches!(dir.try_lock(), Ok(None));
            if !silent || since.elapsed() > FINDABLE {
                return Ok(None);
            }
            pause(LOOK).await;
        }
    }

    /// Whoever answers at the endpoint, if it is the daemon.
    async fn probe(dir: &StateDir) -> Result<Option<(Self, Status)>, Fault> {
        let Some(endpoint) = dir.endpoint()? else { return Ok(None) };
        let client = Self::new(dir.clone(), endpoint);
        match client.json::<Status>(Method::GET, "/v1/status", Bytes::new(), PROBE).await {
            Ok(status) if status.pid == client.endpoint.pid => Ok(Some((client, status))),
            // A stopped or hanging daemon still holds its lock; another program that has its port now does not.
            Err(fault) if fault.code == codes::UNRESPONSIVE && dir.try_lock()?.is_none() => Err(fault),
            _ => {
                // While a daemon starts or ends, it holds the lock and sees to the file itself. A directory that we
                // cannot write to has no running daemon either.
                if let Ok(Some(lock)) = dir.try_lock() {
                    dir.remove_endpoint(&lock);
                }
                Ok(None)
            }
        }
    }

    /// Waits until a started daemon, or one that another program started at the same time, answers.
    async fn wait_for(dir: &StateDir, child: &mut Child) -> Result<Self, Fault> {
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
                // It ended because another one has the lock: that one will answer.
                if dir.try_lock()?.is_some() {
                    return Err(start_failed(dir, pid, &format!("the daemon ended at once ({exit})")));
                }
            }
            if since.elapsed() > START {
                let what = format!("the daemon did not answer within {} s", START.as_secs());
                return Err(start_failed(dir, pid, &what));
            }
            pause(STEP).await;
        }
    }

    /// Where the holder of the lock says it is reached; `None` when it does not say so, or let go of the lock.
    async fn holder(dir: &StateDir) -> Result<Option<Endpoint>, Fault> {
        let found = poll(LOOK, FINDABLE, || match dir.endpoint()? {
            None if dir.try_lock()?.is_none() => Ok(None),
            endpoint => Ok(Some(endpoint)),
        });
        Ok(found.await?.flatten())
    }

    pub(super) async fn stop_and_lock(dir: &StateDir, within: Duration) -> Result<(Stopped, Lock), Fault> {
        if let Some(lock) = dir.try_lock()? {
            dir.remove_endpoint(&lock);
            return Ok((Stopped::NotRunning, lock));
        }
        let endpoint = Self::holder(dir).await?;
        let mut within = within;
        if let Some(endpoint) = endpoint.clone() {
            let client = Self::new(dir.clone(), endpoint);
            let told = client.call(Method::POST, "/v1/stop", Bytes::new(), PROBE.min(within)).await;
            if told.is_err_and(|fault| fault.code == codes::UNRESPONSIVE) {
                within = within.min(DEAF);
            }
        }
        if let Some(lock) = poll(STEP, within, || dir.try_lock()).await? {
            return Ok((Stopped::Gracefully, lock));
        }
        // The holder of the lock wrote the endpoint; it has been the same all this time, so its pid is the holder's.
        let holder = dir.endpoint()?.filter(|now| Some(now) == endpoint.as_ref());
        let pid = holder.and_then(|endpoint| i32::try_from(endpoint.pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::KILL);
            if let Some(lock) = poll(STEP, KILL, || dir.try_lock()).await? {
                dir.remove_endpoint(&lock);
                return Ok((Stopped::Killed, lock));
            }
        }
        Err(Fault::fatal(
            "local_stop_failed",
            format!("the local cloud in {} did not stop within {} s", dir.path().display(), within.as_secs()),
        )
        .hinted("look for a process `hitctl local serve` and end it"))
    }
}

/// The last words of a start that failed: what it said went wrong, and what to do about it.
fn last_words(log: &str, pid: Option<u32>) -> (Option<&str>, Option<&str>) {
    let said = |what: &str| {
        let mark = format!("[{}] {what}: ", pid?);
        log.lines().rev().find_map(|line| line.split_once(&mark).map(|(_, words)| words))
    };
    (said("error"), said("hint"))
}

/// Looks until something is found; gives up after `within`.
async fn poll<T>(
    step: Duration,
    within: Duration,
    look: impl Fn() -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let since = Instant::now();
    loop {
        let found = look()?;
        if found.is_some() || since.elapsed() > within {
            return Ok(found);
        }
        pause(step).await;
    }
}

/// Starts the daemon apart from this program's terminal: it goes on when that is closed.
fn spawn(dir: &StateDir, exe: &Path) -> Result<Child, Fault> {
    let failed = |error: std::io::Error| {
        Fault::fatal("local_start_failed", format!("could not start {} as the local cloud", exe.display()))
            .caused_by(error)
    };
    let log = journal::open(dir)?;
    let errors = log.try_clone().map_err(failed)?;
    Command::new(exe)
        .args(["local", "serve", "--state-dir"])
        .arg(dir.path())
        .current_dir("/")
        // A pool of memory for each thread costs more than it brings to something that mostly idles.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(failed)
}

fn start_failed(dir: &StateDir, pid: Option<u32>, what: &str) -> Fault {
    let tail = dir.log_tail(12);
    let (error, hint) = last_words(&tail, pid);
    let cause = error.unwrap_or_else(|| tail.trim());
    let log = dir.path().join(crate::state::DAEMON_LOG);
    Fault::fatal("local_start_failed", format!("the local cloud did not start: {what}"))
        .caused_by(if cause.is_empty() { "it said nothing" } else { cause })
        .hinted(
            hint.map_or_else(|| format!("read {}, then run `hitctl doctor`", log.display()), str::to_owned),
        )
}
