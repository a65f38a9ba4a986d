//! State that the functions and processes of one runner share: its settings, its code, and the list of living processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl_engine::Fault;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::code;
use super::limits::Account;
use super::orphans::Orphans;
use crate::lock::lock;
use crate::logs::Logs;

/// The time that `stop` waits for running invocations, and then for killed processes.
const STOP_WAIT: Duration = Duration::from_secs(10);
const KILL_WAIT: Duration = Duration::from_secs(3);

/// The folders and the identity of a [`Runner`](super::Runner).
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Directory for unpacked code, one directory a zip. Only one runner may use it at a time.
    pub code_dir: PathBuf,
    /// Directory with the zips, named `SHA256.zip`.
    pub zip_dir: PathBuf,
    /// The region that functions are told they are in.
    pub region: String,
    /// The account id in their ARNs.
    pub account: String,
    /// URL of this cloud's services, for functions whose spec names no other.
    pub endpoint: String,
    /// The limit of invocations at the same time in the whole account.
    pub account_concurrency: u32,
}

/// Everything that the parts of the runner share.
pub(super) struct Shared {
    pub(super) config: RunnerConfig,
    pub(super) logs: Logs,
    pub(super) account: Arc<Account>,
    /// Held while code is unpacked and taken into use, and while old code is removed.
    pub(super) code: tokio::sync::Mutex<()>,
    /// Every living process, by a number of its own: the system gives a pid again.
    living: Mutex<BTreeMap<u64, Living>>,
    next: AtomicU64,
    died: Notify,
    orphans: Orphans,
    stopping: AtomicBool,
}

/// Facts about a living process.
struct Living {
    /// The directory with its code.
    dir: PathBuf,
    kill: CancellationToken,
}

/// A process among the living ones, until this is dropped.
pub(super) struct Registration {
    shared: Arc<Shared>,
    number: u64,
    pid: u32,
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.shared.living).remove(&self.number);
        self.shared.orphans.remove(self.pid);
        self.shared.died.notify_waiters();
    }
}

impl Shared {
    /// Ends processes that an earlier, killed daemon left behind.
    pub(super) fn new(config: RunnerConfig, logs: Logs) -> Self {
        Self {
            account: Arc::new(Account::new(config.account_concurrency)),
            orphans: Orphans::end_those_in(&config.code_dir),
            config,
            logs,
            living: Mutex::default(),
            next: AtomicU64::new(0),
            died: Notify::new(),
            stopping: AtomicBool::new(false),
            code: tokio::sync::Mutex::default(),
        }
    }

    /// Adds a process, which `kill` ends. While the runner stops it is ended at once.
    pub(super) fn register(
        self: &Arc<Self>,
        pid: u32,
        dir: PathBuf,
        kill: &CancellationToken,
    ) -> Registration {
        self.orphans.add(pid);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.living).insert(number, Living { dir, kill: kill.clone() });
        if self.is_stopping() {
            kill.cancel();
        }
        Registration { shared: Arc::clone(self), number, pid }
    }

    /// Whether new invocations are refused.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Refuses new invocations, lets running ones finish, and ends every process; bounded in time.
    pub(super) async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // Whoever is still running then is killed.
        drop(tokio::time::timeout(STOP_WAIT, self.account.quiet()).await);
        for process in lock(&self.living).values() {
            process.kill.cancel();
        }
        let all_dead = async {
            loop {
                let died = self.died.notified();
                if lock(&self.living).is_empty() {
                    return;
                }
                died.await;
            }
        };
        drop(tokio::time::timeout(KILL_WAIT, all_dead).await);
    }

    /// Unpacks the code of the zip `sha`, unless it is there and intact. The caller holds [`Shared::code`].
    pub(super) async fn unpack(&self, sha: &str) -> Result<PathBuf, Fault> {
        let (config, sha) = (self.config.clone(), sha.to_owned());
        tokio::task::spawn_blocking(move || code::unpack(&config.code_dir, &config.zip_dir, &sha))
            .await
            .map_err(|error| Fault::fatal("internal", "the code could not be unpacked").caused_by(error))?
    }

    /// Unpacks the code of a function again, unless it is intact.
    pub(super) async fn repair(&self, sha: &str) -> Result<(), Fault> {
        let _code = self.code.lock().await;
        self.unpack(sha).await.map(drop)
    }

    /// Removes unpacked code that is older than `age` and neither in `used` nor run by a process.
    pub(super) async fn sweep(&self, used: impl FnOnce() -> BTreeSet<PathBuf>, age: Duration) {
        let _code = self.code.lock().await;
        let mut used = used();
        used.extend(lock(&self.living).values().map(|process| process.dir.clone()));
        let dir = self.config.code_dir.clone();
        // It does no harm when it fails: the code stays until the next time.
        drop(tokio::task::spawn_blocking(move || code::sweep(&dir, &used, age)).await);
    }
}
