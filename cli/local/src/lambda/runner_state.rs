//! The state that the functions and processes of one runner share: its configuration, its code, and the
//! running processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl_engine::Fault;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::code;
use super::limits::AccountConcurrency;
use super::orphans::ProcessList;
use crate::lock::lock;
use crate::logs::Logs;

/// The time that `stop` waits for running invocations.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that `stop` waits for killed processes to exit.
const KILL_TIMEOUT: Duration = Duration::from_secs(3);

/// The directories and the identity of a [`Runner`](super::Runner).
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// The directory for unpacked code, with one directory per zip. Only one runner may use it at a time.
    pub code_dir: PathBuf,
    /// The directory with the zips, each named `SHA256.zip`.
    pub zip_dir: PathBuf,
    /// The region in the environment of functions.
    pub region: String,
    /// The account id in ARNs.
    pub account: String,
    /// The URL of the local services, for functions whose spec names no other.
    pub endpoint: String,
    /// The maximum number of concurrent invocations in the whole account.
    pub account_concurrency: u32,
}

/// The state that all parts of a runner share.
pub(super) struct RunnerState {
    pub(super) config: RunnerConfig,
    pub(super) logs: Logs,
    pub(super) account: Arc<AccountConcurrency>,
    /// Locked while code is unpacked and put to use, and while unused code is removed.
    pub(super) code_lock: tokio::sync::Mutex<()>,
    /// The running processes by a unique number, because the system reuses pids.
    processes: Mutex<BTreeMap<u64, RunningProcess>>,
    next_number: AtomicU64,
    process_exited: Notify,
    orphans: ProcessList,
    stopping: AtomicBool,
}

/// A process of a function that is not finished.
struct RunningProcess {
    /// The directory with its code.
    dir: PathBuf,
    kill: CancellationToken,
}

/// Registers a running process until this value is dropped.
pub(super) struct ProcessRegistration {
    shared: Arc<RunnerState>,
    number: u64,
    pid: u32,
}

impl Drop for ProcessRegistration {
    fn drop(&mut self) {
        lock(&self.shared.processes).remove(&self.number);
        self.shared.orphans.remove(self.pid);
        self.shared.process_exited.notify_waiters();
    }
}

impl RunnerState {
    /// Creates the state. Kills processes that an earlier, killed daemon left behind.
    pub(super) fn new(config: RunnerConfig, logs: Logs) -> Self {
        Self {
            account: Arc::new(AccountConcurrency::new(config.account_concurrency)),
            orphans: ProcessList::take_over_list(&config.code_dir),
            config,
            logs,
            processes: Mutex::default(),
            next_number: AtomicU64::new(0),
            process_exited: Notify::new(),
            stopping: AtomicBool::new(false),
            code_lock: tokio::sync::Mutex::default(),
        }
    }

    /// Registers a process, which is killed when `kill` is cancelled. While the runner stops, `kill` is cancelled
    /// at once.
    pub(super) fn register(
        self: &Arc<Self>,
        pid: u32,
        dir: PathBuf,
        kill: &CancellationToken,
    ) -> ProcessRegistration {
        self.orphans.add(pid);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        lock(&self.processes).insert(number, RunningProcess { dir, kill: kill.clone() });
        if self.is_stopping() {
            kill.cancel();
        }
        ProcessRegistration { shared: Arc::clone(self), number, pid }
    }

    /// Whether new invocations are refused.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Refuses new invocations, lets running ones finish, and kills every process, within time limits.
    pub(super) async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // Invocations that still run after this are killed.
        drop(tokio::time::timeout(STOP_TIMEOUT, self.account.wait_until_idle()).await);
        for process in lock(&self.processes).values() {
            process.kill.cancel();
        }
        let all_exited = async {
            loop {
                let process_exited = self.process_exited.notified();
                if lock(&self.processes).is_empty() {
                    return;
                }
                process_exited.await;
            }
        };
        drop(tokio::time::timeout(KILL_TIMEOUT, all_exited).await);
    }

    /// Unpacks the code of the zip `sha`, unless it is already unpacked and intact. The caller must
    /// hold [`RunnerState::code_lock`].
    pub(super) async fn unpack(&self, sha: &str) -> Result<PathBuf, Fault> {
        let (config, sha) = (self.config.clone(), sha.to_owned());
        tokio::task::spawn_blocking(move || code::unpack(&config.code_dir, &config.zip_dir, &sha))
            .await
            .map_err(|error| {
                Fault::fatal("internal", "internal error: a task that unpacks code failed; please report it")
                    .caused_by(error)
            })?
    }

    /// Unpacks the code of a function again, unless it is intact.
    pub(super) async fn repair(&self, sha: &str) -> Result<(), Fault> {
        let _guard = self.code_lock.lock().await;
        self.unpack(sha).await.map(drop)
    }

    /// Removes unpacked code that is older than `age`, not in `used`, and not run by a process.
    pub(super) async fn sweep(&self, used: impl FnOnce() -> BTreeSet<PathBuf>, age: Duration) {
        let _guard = self.code_lock.lock().await;
        let mut used = used();
        used.extend(lock(&self.processes).values().map(|process| process.dir.clone()));
        let dir = self.config.code_dir.clone();
        // If this fails, the next sweep tries again.
        drop(tokio::task::spawn_blocking(move || code::sweep(&dir, &used, age)).await);
    }
}
