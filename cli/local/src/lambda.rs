//! A local Lambda: runs the processes of functions and serves the Runtime API to them.
//!
//! This module must not depend on HTTP APIs, or know what the functions do.

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
mod runner_state;
mod runtime_api;
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
use function::FunctionConfig;
pub use limits::{ACCOUNT_LIMIT, RESERVED_LIMIT};
use limits::{FunctionConcurrency, InvocationPermit};
use pool::IdlePool;
use process::{FunctionVersion, InvocationOutcome};
pub use runner_state::RunnerConfig;
use runner_state::RunnerState;

/// The interval at which processes that have been idle for too long are ended.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// Unused code is removed once per this number of trim intervals.
const SWEEP_TICKS: u32 = 60;
/// The age below which unused code is kept.
const SWEEP_AGE: Duration = Duration::from_hours(1);
/// The maximum number of attempts to start an invocation. An attempt fails if the process exits before it
/// receives the invocation.
const DISPATCH_ATTEMPTS: u32 = 4;

type Functions = RwLock<HashMap<String, FunctionEntry>>;

struct FunctionEntry {
    spec: FunctionSpec,
    concurrency: Arc<FunctionConcurrency>,
    version: Arc<FunctionVersion>,
}

/// Runs functions. Clones share the same runner.
///
/// As on Lambda, a process handles one invocation at a time, and the most recently used process is used first.
/// Reserved concurrency is enforced exactly: calls beyond it are throttled. A process that exceeds its time or
/// memory limit is killed, with Lambda's messages. An invocation continues when its caller disconnects.
///
/// There are three differences from Lambda. A failed start is not retried in the same invocation. The memory
/// size does not limit the CPU. The number of requests per second and process is not limited to ten.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<RunnerState>,
    functions: Arc<Functions>,
}

impl Runner {
    /// Creates a runner without functions. Kills processes that an earlier, killed daemon left behind in
    /// `code_dir`.
    ///
    /// Must be called within a tokio runtime, because a task manages idle processes.
    pub fn new(config: RunnerConfig, logs: Logs) -> Self {
        let runner = Self { shared: Arc::new(RunnerState::new(config, logs)), functions: Arc::default() };
        tokio::spawn(maintain(Arc::downgrade(&runner.shared), Arc::downgrade(&runner.functions)));
        runner
    }

    /// Creates or updates a function. Running invocations finish on the earlier version. Its idle processes are
    /// ended.
    ///
    /// If only the reservation, the role or the tags change, the processes are kept.
    pub async fn put(&self, name: &str, spec: &FunctionSpec) -> Result<(), Fault> {
        let _guard = self.shared.code_lock.lock().await;
        let dir = self.shared.unpack(&spec.code_sha256).await?;
        let version = || {
            let function = FunctionConfig::new(name, spec, dir, &self.shared);
            Arc::new(FunctionVersion { function, pool: IdlePool::new() })
        };
        let mut functions = write(&self.functions);
        let retired = if let Some(entry) = functions.get_mut(name) {
            entry.concurrency.set_reserved(spec.reserved_concurrency);
            let can_keep = can_keep_processes(&entry.spec, spec);
            entry.spec = spec.clone();
            (!can_keep).then(|| std::mem::replace(&mut entry.version, version()))
        } else {
            let concurrency = Arc::new(FunctionConcurrency::new(spec.reserved_concurrency));
            functions.insert(
                name.to_owned(),
                FunctionEntry { spec: spec.clone(), concurrency, version: version() },
            );
            None
        };
        self.update_unreserved_limit(&functions);
        drop(functions);
        if let Some(retired) = retired {
            retired.pool.retire();
        }
        Ok(())
    }

    /// Removes a function. Running invocations finish.
    #[expect(clippy::unused_async, reason = "callers await it, so that it can become asynchronous")]
    pub async fn delete(&self, name: &str) {
        let removed = {
            let mut functions = write(&self.functions);
            let removed = functions.remove(name);
            self.update_unreserved_limit(&functions);
            removed
        };
        if let Some(removed) = removed {
            removed.version.pool.retire();
        }
    }

    /// Invokes a function and waits for its result. The invocation continues if the future is dropped.
    pub async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invocation, InvokeError> {
        if self.shared.is_stopping() {
            return Err(InvokeError::Stopping);
        }
        if payload.len() > MAX_REQUEST_BYTES {
            return Err(InvokeError::PayloadTooLarge);
        }
        let (version, concurrency) = {
            let functions = read(&self.functions);
            let entry = functions.get(name).ok_or(InvokeError::NoSuchFunction)?;
            (Arc::clone(&entry.version), Arc::clone(&entry.concurrency))
        };
        let mut permit = InvocationPermit::acquire(&self.shared.account, &concurrency)
            .map_err(|reason| InvokeError::TooManyRequests { reason })?;
        let mut payload = payload;
        for _ in 0..DISPATCH_ATTEMPTS {
            let (request, outcome) = process::invocation_request(payload, permit);
            if let Err(failed) = supervise::dispatch(&version, request).await {
                return Ok(*failed);
            }
            match outcome.await {
                Ok(InvocationOutcome::Completed(invocation)) => return Ok(*invocation),
                Ok(InvocationOutcome::NotStarted(returned_payload, returned_permit)) => {
                    (payload, permit) = (returned_payload, returned_permit);
                }
                Err(_) => break,
            }
            if self.shared.is_stopping() {
                return Err(InvokeError::Stopping);
            }
        }
        Err(InvokeError::NeverStarted)
    }

    /// Refuses new invocations, waits at most ten seconds for running ones, and ends every process.
    pub async fn stop(&self) {
        self.shared.stop().await;
    }

    /// Sets the concurrency that functions without a reservation share: the account's limit minus all
    /// reservations.
    fn update_unreserved_limit(&self, functions: &HashMap<String, FunctionEntry>) {
        let reserved =
            functions.values().filter_map(|entry| entry.concurrency.reserved()).fold(0, u32::saturating_add);
        self.shared
            .account
            .set_unreserved_limit(self.shared.config.account_concurrency.saturating_sub(reserved));
    }

    /// Whether the function `name` exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        read(&self.functions).contains_key(name)
    }

    /// Whether the function `name` exists and its zip and unpacked code are intact. Reads both
    /// completely.
    pub(crate) async fn has_intact_code(&self, name: &str) -> bool {
        let _guard = self.shared.code_lock.lock().await;
        let sha = read(&self.functions).get(name).map(|entry| entry.spec.code_sha256.clone());
        let Some(sha) = sha else { return false };
        let config = self.shared.config.clone();
        let is_unpacked =
            tokio::task::spawn_blocking(move || code::is_unpacked(&config.code_dir, &config.zip_dir, &sha));
        is_unpacked.await.unwrap_or(false)
    }

    /// Returns the reserved concurrency of a function; `None` if it has none.
    pub(crate) fn reserved(&self, name: &str) -> Option<u32> {
        read(&self.functions).get(name)?.concurrency.reserved()
    }

    /// Returns the number of idle processes of a function.
    pub fn idle_processes(&self, name: &str) -> usize {
        read(&self.functions).get(name).map_or(0, |entry| entry.version.pool.idle_count())
    }
}

/// Whether a change from `old` to `new` can keep the running processes.
fn can_keep_processes(old: &FunctionSpec, new: &FunctionSpec) -> bool {
    let mut old = old.clone();
    old.reserved_concurrency = new.reserved_concurrency;
    old.role_arn.clone_from(&new.role_arn);
    old.tags.clone_from(&new.tags);
    old == *new
}

/// Ends processes that have been idle for too long, and removes unused code, until the runner is dropped.
async fn maintain(shared: Weak<RunnerState>, functions: Weak<Functions>) {
    let mut ticks = tokio::time::interval(TRIM_INTERVAL);
    let mut until_sweep = SWEEP_TICKS;
    loop {
        ticks.tick().await;
        let (Some(shared), Some(functions)) = (shared.upgrade(), functions.upgrade()) else { return };
        let now = Instant::now();
        read(&functions).values().for_each(|entry| entry.version.pool.trim(now));
        until_sweep -= 1;
        if until_sweep == 0 {
            until_sweep = SWEEP_TICKS;
            let used = || read(&functions).values().map(|entry| entry.version.function.dir.clone()).collect();
            shared.sweep(used, SWEEP_AGE).await;
        }
    }
}
