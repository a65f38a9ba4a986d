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
mod pool;
mod process;
mod report;
mod runtime_api;
mod shared;
mod supervise;

use std::collections::HashMap;
use std::sync::{Arc, RwLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_engine::Fault;
use hitctl_resources::FunctionSpec;

use crate::invocation::MAX_REQUEST_BYTES;
pub use crate::invocation::{Invocation, InvokeError};
use crate::lock::{read, write};
use crate::logs::Logs;
pub use access::{AccessDenied, RuntimeApiSecret};
pub use code::unpack;
pub use environment::common as environment;
use function::Function;
pub use limits::{ACCOUNT_LIMIT, RESERVED_LIMIT};
use limits::{Load, Permit};
use pool::Pool;
use process::{Reply, Version};
pub use shared::RunnerConfig;
use shared::Shared;

/// How often idle processes are counted.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// How often old code is looked for, in the same ticks, and how old it must be.
const SWEEP_EVERY: u32 = 60;
const SWEEP_AGE: Duration = Duration::from_hours(1);
/// How often a job that its process never saw is given to another one.
const TRIES: u32 = 4;

/// The functions by name.
type Functions = RwLock<HashMap<String, Entry>>;

struct Entry {
    spec: FunctionSpec,
    load: Arc<Load>,
    version: Arc<Version>,
}

/// Runs functions. Clones are the same runner.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
    functions: Arc<Functions>,
}

impl Runner {
    /// A runner without functions. Processes that an earlier, killed daemon left behind in `code_dir` are ended.
    ///
    /// Must be called within a tokio runtime: a task looks after idle processes.
    pub fn new(config: RunnerConfig, logs: Logs) -> Self {
        let runner = Self { shared: Arc::new(Shared::new(config, logs)), functions: Arc::default() };
        tokio::spawn(keep_trim(Arc::downgrade(&runner.shared), Arc::downgrade(&runner.functions)));
        runner
    }

    /// Makes or changes a function. What runs of an earlier version finishes in it; its idle processes end.
    ///
    /// A change of the reservation, the role or the tags alone keeps the processes.
    pub async fn put(&self, name: &str, spec: &FunctionSpec) -> Result<(), Fault> {
        let _code = self.shared.code.lock().await;
        let dir = self.shared.unpack(&spec.code_sha256).await?;
        let version = || {
            let function = Function::new(name, spec, dir, &self.shared);
            Arc::new(Version { function, pool: Pool::new() })
        };
        let mut functions = write(&self.functions);
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
        self.share_out(&functions);
        drop(functions);
        if let Some(retired) = retired {
            retired.pool.retire();
        }
        Ok(())
    }

    /// Removes a function. What runs finishes.
    #[expect(clippy::unused_async, reason = "deleting may wait one day; callers are ready for it")]
    pub async fn delete(&self, name: &str) {
        let removed = {
            let mut functions = write(&self.functions);
            let removed = functions.remove(name);
            self.share_out(&functions);
            removed
        };
        if let Some(removed) = removed {
            removed.version.pool.retire();
        }
    }

    /// Invokes a function and waits for its answer. Dropping the future does not end the invocation.
    pub async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invocation, InvokeError> {
        if self.shared.is_stopping() {
            return Err(InvokeError::Stopping);
        }
        if payload.len() > MAX_REQUEST_BYTES {
            return Err(InvokeError::PayloadTooLarge);
        }
        let (version, load) = {
            let functions = read(&self.functions);
            let entry = functions.get(name).ok_or(InvokeError::NoSuchFunction)?;
            (Arc::clone(&entry.version), Arc::clone(&entry.load))
        };
        let mut permit = Permit::take(&self.shared.account, &load)
            .map_err(|reason| InvokeError::TooManyRequests { reason })?;
        let mut payload = payload;
        for _ in 0..TRIES {
            let (job, replied) = process::job(payload, permit);
            if let Err(failed) = supervise::dispatch(&version, job).await {
                return Ok(*failed);
            }
            match replied.await {
                Ok(Reply::Done(invocation)) => return Ok(*invocation),
                Ok(Reply::NotStarted(the_payload, the_permit)) => {
                    (payload, permit) = (the_payload, the_permit);
                }
                Err(_) => break,
            }
            if self.shared.is_stopping() {
                return Err(InvokeError::Stopping);
            }
        }
        Err(InvokeError::NeverStarted)
    }

    /// Refuses new invocations, lets running ones finish (for ten seconds), and ends every process.
    pub async fn stop(&self) {
        self.shared.stop().await;
    }

    /// What is reserved is taken from everyone else.
    fn share_out(&self, functions: &HashMap<String, Entry>) {
        let reserved =
            functions.values().filter_map(|entry| entry.load.reserved()).fold(0, u32::saturating_add);
        self.shared
            .account
            .set_unreserved_limit(self.shared.config.account_concurrency.saturating_sub(reserved));
    }

    /// Whether there is a function of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        read(&self.functions).contains_key(name)
    }

    /// Whether there is a function of that name whose zip and unpacked code are intact. Reads all of both.
    pub(crate) async fn has_intact_code(&self, name: &str) -> bool {
        let _code = self.shared.code.lock().await;
        let sha = read(&self.functions).get(name).map(|entry| entry.spec.code_sha256.clone());
        let Some(sha) = sha else { return false };
        let config = self.shared.config.clone();
        let is_unpacked =
            tokio::task::spawn_blocking(move || code::is_unpacked(&config.code_dir, &config.zip_dir, &sha));
        is_unpacked.await.unwrap_or(false)
    }

    /// How many invocations of a function may run at once at most; `None` if that is not reserved for it.
    pub(crate) fn reserved(&self, name: &str) -> Option<u32> {
        read(&self.functions).get(name)?.load.reserved()
    }

    /// How many processes of a function wait for work.
    pub fn idle_processes(&self, name: &str) -> usize {
        read(&self.functions).get(name).map_or(0, |entry| entry.version.pool.idle())
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

async fn keep_trim(shared: Weak<Shared>, functions: Weak<Functions>) {
    let mut ticks = tokio::time::interval(TRIM_EVERY);
    let mut until_sweep = SWEEP_EVERY;
    loop {
        ticks.tick().await;
        let (Some(shared), Some(functions)) = (shared.upgrade(), functions.upgrade()) else { return };
        let now = Instant::now();
        read(&functions).values().for_each(|entry| entry.version.pool.trim(now));
        until_sweep -= 1;
        if until_sweep == 0 {
            until_sweep = SWEEP_EVERY;
            let used = || read(&functions).values().map(|entry| entry.version.function.dir.clone()).collect();
            shared.sweep(used, SWEEP_AGE).await;
        }
    }
}
