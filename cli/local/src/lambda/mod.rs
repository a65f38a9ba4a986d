//! Lambda on this machine: runs the processes of functions, and speaks the Runtime API with them.
//!
//! As on Lambda: one invocation at a time a process; the process used last is used first; a reservation is exact, and a
//! call over it is refused; what takes too long or too much memory is killed and says so in Lambda's words; an invocation
//! goes on when its caller does not. Different from Lambda: a start that fails is not tried again in the same invocation,
//! the CPU is not throttled to the memory's share, and there is no limit of ten requests a second and process. This
//! module knows nothing of HTTP APIs, and nothing of what a function is for.

mod access;
mod code;
mod environment;
mod function;
mod level;
mod limits;
mod memory;
mod orphans;
mod output;
mod process;
mod report;
mod runtime_api;
mod supervise;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_engine::Fault;
use hitctl_resources::FunctionSpec;
use tokio::sync::Notify;

use crate::lock::{lock, read, write};
use crate::logs::Logs;
pub use access::{AccessDenied, RuntimeApiSecret};
pub use code::unpack;
pub use environment::common as environment;
use function::Function;
use level::Level;
pub use limits::{ACCOUNT_LIMIT, RESERVED_LIMIT};
use limits::{Account, Load, Permit};
use orphans::Orphans;
use process::{Process, Reply};

/// The largest payload of a synchronous invocation: 6 MB.
const MAX_REQUEST_BYTES: usize = 6 * 1024 * 1024;
/// The largest answer: Lambda leaves a hundred bytes for the envelope.
const MAX_RESPONSE_BYTES: usize = MAX_REQUEST_BYTES + 100;
/// How often idle processes are counted.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// How often old code is looked for, in the same ticks, and how old it must be.
const SWEEP_EVERY: u32 = 60;
const SWEEP_AGE: Duration = Duration::from_hours(1);
/// How long `stop` waits for running invocations, and then for killed processes.
const STOP_WAIT: Duration = Duration::from_secs(10);
const KILL_WAIT: Duration = Duration::from_secs(3);
/// How often a job that its process never saw is given to another one.
const TRIES: u32 = 4;

/// Where a [`Runner`] works, and as whom.
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
    /// How many invocations may run at once in the whole account.
    pub account_concurrency: u32,
}

/// What an invocation gave, be it the function's result or its failure.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// The result, or the error as JSON when `function_error` is set.
    pub payload: Bytes,
    /// `Unhandled` when the function failed.
    pub function_error: Option<String>,
    /// How long it ran, in milliseconds, without init.
    pub duration_ms: f64,
    /// How long the process took to start, in milliseconds, when it was started for this.
    pub init_ms: Option<f64>,
    /// The most memory that the process has used so far, in MB.
    pub max_memory_mb: u32,
    /// The last 4 KB of the invocation's log.
    pub log_tail: String,
}

/// Why an invocation did not take place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no function of that name.
    #[error("there is no such function")]
    NoSuchFunction,
    /// A concurrency limit is reached.
    #[error("too many requests: {reason}")]
    TooManyRequests {
        /// Lambda's own word for which limit: [`RESERVED_LIMIT`] or [`ACCOUNT_LIMIT`].
        reason: &'static str,
    },
    /// The payload is over 6 MB.
    #[error("the payload is larger than {MAX_REQUEST_BYTES} bytes")]
    PayloadTooLarge,
    /// The runner is stopping.
    #[error("the local cloud is stopping")]
    Stopping,
    /// Process after process went away before it took the event.
    #[error("the function's processes end before they take an event")]
    NeverStarted,
}

/// Everything that the parts of the runner share.
struct Shared {
    config: RunnerConfig,
    logs: Logs,
    account: Arc<Account>,
    functions: RwLock<HashMap<String, Entry>>,
    /// Every living process, by pid.
    living: Mutex<BTreeMap<u32, Arc<Process>>>,
    died: Notify,
    orphans: Orphans,
    stopping: AtomicBool,
    /// Held while code is unpacked and taken into use, and while old code is removed.
    code: tokio::sync::Mutex<()>,
}

struct Entry {
    spec: FunctionSpec,
    load: Arc<Load>,
    version: Arc<Function>,
}

impl Shared {
    fn born(&self, process: &Arc<Process>) {
        lock(&self.living).insert(process.pid, Arc::clone(process));
        if self.stopping.load(Ordering::Acquire) {
            process.kill.cancel();
        }
    }

    fn died(&self, process: &Arc<Process>) {
        let mut living = lock(&self.living);
        if living.get(&process.pid).is_some_and(|known| Arc::ptr_eq(known, process)) {
            living.remove(&process.pid);
        }
        drop(living);
        self.orphans.remove(process.pid);
        self.died.notify_waiters();
    }

    fn trim(&self, now: Instant) {
        for entry in read(&self.functions).values() {
            entry.version.trim(now);
        }
    }

    /// Unpacks the code of the zip `sha`, unless it is there and intact. The caller holds [`Shared::code`].
    async fn unpack(&self, sha: &str) -> Result<PathBuf, Fault> {
        let (config, sha) = (self.config.clone(), sha.to_owned());
        tokio::task::spawn_blocking(move || code::unpack(&config.code_dir, &config.zip_dir, &sha))
            .await
            .map_err(|error| Fault::fatal("internal", "the code could not be unpacked").caused_by(error))?
    }

    /// Unpacks the code of a function again, unless it is intact.
    async fn repair(&self, function: &Function) -> Result<(), Fault> {
        let _code = self.code.lock().await;
        self.unpack(&function.code_sha256).await.map(drop)
    }

    /// Removes unpacked code that nothing uses and that is older than `age`.
    async fn sweep(&self, age: Duration) {
        let _code = self.code.lock().await;
        let mut used: BTreeSet<PathBuf> =
            read(&self.functions).values().map(|entry| entry.version.dir.clone()).collect();
        used.extend(lock(&self.living).values().map(|process| process.function.dir.clone()));
        let dir = self.config.code_dir.clone();
        // It does no harm when it fails: the code stays until the next time.
        drop(tokio::task::spawn_blocking(move || code::sweep(&dir, &used, age)).await);
    }

    /// What is reserved is taken from everyone else.
    fn share_out(&self, functions: &HashMap<String, Entry>) {
        let reserved =
            functions.values().filter_map(|entry| entry.load.reserved()).fold(0, u32::saturating_add);
        self.account.set_unreserved_limit(self.config.account_concurrency.saturating_sub(reserved));
    }
}

/// Runs functions. Clones are the same runner.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

impl Runner {
    /// A runner without functions. Processes that an earlier, killed daemon left behind in `code_dir` are ended.
    ///
    /// Must be called within a tokio runtime: a task looks after idle processes.
    pub fn new(config: RunnerConfig, logs: Logs) -> Self {
        let shared = Arc::new(Shared {
            account: Arc::new(Account::new(config.account_concurrency)),
            orphans: Orphans::end_those_in(&config.code_dir),
            config,
            logs,
            functions: RwLock::default(),
            living: Mutex::default(),
            died: Notify::new(),
            stopping: AtomicBool::new(false),
            code: tokio::sync::Mutex::default(),
        });
        tokio::spawn(keep_trim(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// Makes or changes a function. What runs of an earlier version finishes in it; its idle processes end.
    ///
    /// A change of the reservation, the role or the tags alone keeps the processes.
    pub async fn put(&self, name: &str, spec: &FunctionSpec) -> Result<(), Fault> {
        let _code = self.shared.code.lock().await;
        let dir = self.shared.unpack(&spec.code_sha256).await?;
        let group = spec.log_group.get().cloned().unwrap_or_else(|| format!("/aws/lambda/{name}"));
        let version = || {
            let RunnerConfig { region, account, endpoint, .. } = &self.shared.config;
            Arc::new(Function {
                name: name.to_owned(),
                arn: format!("arn:aws:lambda:{region}:{account}:function:{name}"),
                environment: environment::common(name, spec, &group, &dir, region, endpoint),
                group: group.clone(),
                least_level: least_level(spec),
                memory_mb: spec.memory_mb,
                timeout: Duration::from_secs(u64::from(spec.timeout_s)),
                dir: dir.clone(),
                code_sha256: spec.code_sha256.clone(),
                shared: Arc::clone(&self.shared),
                pool: Mutex::default(),
            })
        };
        let mut functions = write(&self.shared.functions);
        let retired = if let Some(entry) = functions.get_mut(name) {
            entry.load.reserve(spec.reserved_concurrency);
            let same = same_process(&entry.spec, spec);
            entry.spec = spec.clone();
            (!same).then(|| std::mem::replace(&mut entry.version, version()))
        } else {
            let load = Arc::new(Load::new(spec.reserved_concurrency));
            functions.insert(name.to_owned(), Entry { spec: spec.clone(), load, version: version() });
            None
        };
        self.shared.share_out(&functions);
        drop(functions);
        if let Some(retired) = retired {
            retired.retire();
        }
        Ok(())
    }

    /// Removes a function. What runs finishes.
    #[expect(clippy::unused_async, reason = "deleting may wait one day; callers are ready for it")]
    pub async fn delete(&self, name: &str) {
        let removed = {
            let mut functions = write(&self.shared.functions);
            let removed = functions.remove(name);
            self.shared.share_out(&functions);
            removed
        };
        if let Some(removed) = removed {
            removed.version.retire();
        }
    }

    /// Invokes a function and waits for its answer. Dropping the future does not end the invocation.
    pub async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invocation, InvokeError> {
        if self.shared.stopping.load(Ordering::Acquire) {
            return Err(InvokeError::Stopping);
        }
        if payload.len() > MAX_REQUEST_BYTES {
            return Err(InvokeError::PayloadTooLarge);
        }
        let (function, load) = {
            let functions = read(&self.shared.functions);
            let entry = functions.get(name).ok_or(InvokeError::NoSuchFunction)?;
            (Arc::clone(&entry.version), Arc::clone(&entry.load))
        };
        let mut permit = Permit::take(&self.shared.account, &load)
            .map_err(|reason| InvokeError::TooManyRequests { reason })?;
        let mut payload = payload;
        for _ in 0..TRIES {
            let (job, replied) = process::job(payload, permit);
            if let Err(failed) = function.dispatch(job).await {
                return Ok(*failed);
            }
            match replied.await {
                Ok(Reply::Done(invocation)) => return Ok(*invocation),
                Ok(Reply::NotStarted(the_payload, the_permit)) => {
                    (payload, permit) = (the_payload, the_permit);
                }
                Err(_) => break,
            }
            if self.shared.stopping.load(Ordering::Acquire) {
                return Err(InvokeError::Stopping);
            }
        }
        Err(InvokeError::NeverStarted)
    }

    /// Refuses new invocations, lets running ones finish (for ten seconds), and ends every process.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Whoever is still running then is killed.
        drop(tokio::time::timeout(STOP_WAIT, self.shared.account.quiet()).await);
        for process in lock(&self.shared.living).values() {
            process.kill.cancel();
        }
        let all_dead = async {
            loop {
                let died = self.shared.died.notified();
                if lock(&self.shared.living).is_empty() {
                    return;
                }
                died.await;
            }
        };
        drop(tokio::time::timeout(KILL_WAIT, all_dead).await);
    }

    /// Whether there is a function of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        read(&self.shared.functions).contains_key(name)
    }

    /// Whether there is a function of that name whose zip and unpacked code are intact. Reads all of both.
    pub(crate) async fn has_intact_code(&self, name: &str) -> bool {
        let _code = self.shared.code.lock().await;
        let sha = read(&self.shared.functions).get(name).map(|entry| entry.spec.code_sha256.clone());
        let Some(sha) = sha else { return false };
        let config = self.shared.config.clone();
        let is_unpacked =
            tokio::task::spawn_blocking(move || code::is_unpacked(&config.code_dir, &config.zip_dir, &sha));
        is_unpacked.await.unwrap_or(false)
    }

    /// How many invocations of a function may run at once at most; `None` if that is not reserved for it.
    pub(crate) fn reserved(&self, name: &str) -> Option<u32> {
        read(&self.shared.functions).get(name)?.load.reserved()
    }

    /// How many processes of a function wait for work.
    pub fn idle_processes(&self, name: &str) -> usize {
        read(&self.shared.functions).get(name).map_or(0, |entry| entry.version.idle())
    }
}

/// Whether a change from `old` to `new` can keep the running processes.
fn same_process(old: &FunctionSpec, new: &FunctionSpec) -> bool {
    let mut old = old.clone();
    old.reserved_concurrency = new.reserved_concurrency;
    old.role_arn.clone_from(&new.role_arn);
    old.tags.clone_from(&new.tags);
    old == *new
}

/// The least level of the function's own lines that Lambda would let through: it filters where the format is JSON.
fn least_level(spec: &FunctionSpec) -> Option<Level> {
    let level = spec.app_log_level.as_deref().and_then(Level::parse);
    (spec.log_format == "JSON").then(|| level.unwrap_or(Level::Info))
}

async fn keep_trim(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(TRIM_EVERY);
    let mut until_sweep = SWEEP_EVERY;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.trim(Instant::now());
        until_sweep -= 1;
        if until_sweep == 0 {
            until_sweep = SWEEP_EVERY;
            shared.sweep(SWEEP_AGE).await;
        }
    }
}
