//! The daemon: opens the state directory, restores every resource, and serves until it is stopped.
//!
//! It holds the lock of its state directory for its lifetime, and publishes its endpoint only once it can be
//! reached. It logs to `daemon.log` and prints nothing.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl_engine::Fault;
use hitctl_platform::StopSignals;
use tokio_util::sync::CancellationToken;

use crate::blocking::run_blocking;
use crate::bus::EventBuses;
use crate::clock::{no_random_fault, now_ms, sleep};
use crate::cloud::CloudServices;
use crate::cloudfront::{self, CloudFront};
use crate::code::{self, CodeStore};
use crate::constants::{ACCOUNT, REGION};
use crate::control::{self, ControlState};
use crate::endpoint::{EndpointServer, ServiceRouter};
use crate::fault::with_cause;
use crate::gateway::Gateway;
use crate::invoke::{self, InvokeApi};
use crate::journal::Journal;
use crate::lambda::{Runner, RunnerConfig};
use crate::lock::lock;
use crate::logs::Logs;
use crate::mapping::EventSourceMappings;
use crate::queue::Queues;
use crate::registry::Registry;
use crate::state::version::STATE_VERSION;
use crate::state::{self, DaemonEndpoint, DaemonLock, StateDir};
use crate::table::Tables;
use crate::{connections, inventory, ports, secret};

/// The maximum number of concurrent invocations in the account. Functions without a reservation share the
/// remainder after all reservations.
const ACCOUNT_CONCURRENCY: u32 = 100;
/// The time that gateways may take to finish when the daemon stops, while invocations still run.
const GATEWAY_STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that functions may take to finish. The runner has its own, shorter limit, after which it kills the
/// processes.
const RUNNER_STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// The interval at which the daemon checks that its directory and its endpoint file still exist.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of attempts to acquire the lock, because a command that checks for a stale lock holds it
/// for a moment.
const LOCK_ATTEMPTS: u32 = 20;

/// The options of the daemon.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The state directory. It is created if it does not exist.
    pub state_dir: PathBuf,
    /// The build of this program. Callers of another build replace the daemon.
    pub build_id: String,
}

/// Runs the daemon on its own runtime, which is small because the daemon is mostly idle. Blocks until the
/// daemon stops.
pub fn run(options: ServeOptions) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(2))
        .enable_all()
        .build()
        .map_err(|error| {
            Fault::fatal("local_start_failed", "failed to start the local cloud").caused_by(error)
        })?;
    let result = runtime.block_on(serve(options));
    // Work that still runs has exceeded its time limit; the process exits without it.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Runs the daemon until SIGTERM, SIGINT or a call of `/v1/stop`. Then lets running work finish, within time
/// limits.
pub async fn serve(options: ServeOptions) -> Result<(), Fault> {
    connections::raise_open_files();
    // Before everything that takes time, so that no signal is missed.
    let stop = stop_on_signals()?;
    let dir = StateDir::prepare(&options.state_dir)?;
    let journal = Journal::open(&dir)?;
    let result = start_and_serve(&dir, &journal, options.build_id, stop).await;
    if let Err(fault) = &result {
        journal.write_line(&format!("error: {}", with_cause(fault)));
        if let Some(hint) = &fault.hint {
            journal.write_line(&format!("hint: {hint}"));
        }
    }
    result
}

async fn start_and_serve(
    dir: &StateDir,
    journal: &Journal,
    build_id: String,
    stop: CancellationToken,
) -> Result<(), Fault> {
    let lock = acquire_lock(dir).await?;
    dir.remove_endpoint(&lock);
    dir.sweep(&lock);
    let daemon = Daemon::open(dir.clone(), build_id, stop.clone()).await?;
    let endpoint = daemon.control.endpoint.clone();
    dir.write_endpoint(&endpoint)?;
    journal.write_line(&format!(
        "ready: control {}, table {}, pid {}",
        endpoint.control, endpoint.table, endpoint.pid
    ));
    for notice in daemon.notices() {
        journal.write_line(&notice);
    }
    let lock = Arc::new(lock);
    let watch = tokio::spawn(keep_reachable(dir.clone(), endpoint, Arc::clone(&lock), stop.clone()));
    daemon.serve(stop).await;
    // The watch task ends once `stop` is cancelled. Until then it could write the endpoint file again.
    drop(watch.await);
    // If the directory was removed, another daemon may have created it again.
    if lock.is_still_at_path() {
        dir.remove_endpoint(&lock);
    }
    journal.write_line("stopped");
    Ok(())
}

/// Keeps the daemon reachable, because otherwise no command could stop it. Stops it when its directory was
/// removed, and writes its endpoint again when the file was removed or damaged.
async fn keep_reachable(
    dir: StateDir,
    endpoint: DaemonEndpoint,
    lock: Arc<DaemonLock>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(WATCH_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        if !lock.is_still_at_path() {
            return stop.cancel();
        }
        // An endpoint with our token leads to this daemon, even if its addresses differ: a proxy may listen
        // in between.
        let is_ours = |found: DaemonEndpoint| found.pid == endpoint.pid && found.token == endpoint.token;
        if dir.endpoint().is_ok_and(|found| !found.is_some_and(is_ours)) {
            // If the disk is full, the next tick tries again.
            drop(dir.write_endpoint(&endpoint));
        }
    }
}

/// The running daemon.
struct Daemon {
    control: Arc<ControlState>,
    listener: TcpListener,
    endpoint_server: EndpointServer,
}

impl Daemon {
    async fn open(dir: StateDir, build_id: String, stop: CancellationToken) -> Result<Self, Fault> {
        let registry = Registry::open(&dir)?;
        inventory::check_files(&dir, &registry)?;
        let logs_dir = dir.path().join(state::LOGS);
        let logs = Logs::open(&logs_dir).map_err(|error| state::io_fault("open", &logs_dir, &error))?;
        let code = CodeStore::open(dir.path().join(state::ZIPS))?;
        let code_dir = dir.path().join(state::CODE);
        let in_use = registry.code_in_use();
        code.remove_unused(&in_use);
        code::remove_unused(&code_dir, &in_use);
        let (tables, stored_tables) = {
            let path = dir.path().join(state::TABLES);
            run_blocking(move || Tables::open(&path).and_then(|tables| Ok((tables.clone(), tables.names()?))))
                .await?
        };
        inventory::TABLES.check(&dir, &registry, &stored_tables)?;
        let (table_listener, moved_notice) = listen_for_tables(&dir, &registry)?;
        let table = url_of(&table_listener)?;
        let queues = {
            let (path, base) = (dir.path().join(state::QUEUES), table.clone());
            let now = Arc::new(|| i64::try_from(now_ms()).unwrap_or(i64::MAX));
            run_blocking(move || Queues::open(&path, base, now)).await?
        };
        inventory::QUEUES.check(&dir, &registry, &queues.stored_names().await?)?;
        let listener = ports::listen(0).map_err(|error| listen_fault(&error))?;
        let runner = Runner::new(
            RunnerConfig {
                code_dir,
                zip_dir: dir.path().join(state::ZIPS),
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
                endpoint: table.clone(),
                account_concurrency: ACCOUNT_CONCURRENCY,
            },
            logs.clone(),
        );
        let gateway = Gateway::new(runner.clone(), REGION.to_owned(), ACCOUNT.to_owned());
        let mappings = EventSourceMappings::new(queues.clone(), Arc::new(runner.clone()));
        gateway.set_queue_sender(Arc::new(queues.clone()));
        let bus = {
            let (path, runner) = (dir.path().join(state::EVENTS), runner.clone());
            let queue_sender = Arc::new(queues.clone());
            run_blocking(move || EventBuses::open(&path, runner, queue_sender)).await?
        };
        let cloudfront = CloudFront::open(&dir)?;
        let endpoint = DaemonEndpoint {
            v: STATE_VERSION,
            pid: std::process::id(),
            control: url_of(&listener)?,
            table,
            token: secret::new().map_err(no_random_fault)?,
            build_id,
            started_ms: now_ms(),
        };
        let cloud = Arc::new(CloudServices {
            dir,
            registry,
            tables,
            queues,
            mappings,
            bus,
            cloudfront,
            runner,
            gateway,
            logs,
            code,
            change_lock: tokio::sync::Mutex::new(()),
            notices: Mutex::new(moved_notice.into_iter().collect()),
        });
        // Every service of the DynamoDB endpoint is registered here.
        let services = ServiceRouter::new(cloud.tables.clone())
            .with_target("AmazonSQS.", Arc::new(cloud.queues.clone()))
            .with_target("AWSEvents.", Arc::new(cloud.bus.clone()))
            .with_path(cloudfront::PREFIX, Arc::new(cloud.cloudfront.clone()))
            .with_path(
                invoke::PREFIX,
                Arc::new(InvokeApi { runner: cloud.runner.clone(), bus: cloud.bus.clone() }),
            );
        let endpoint_server =
            EndpointServer::start(table_listener, services).map_err(|error| listen_fault(&error))?;
        cloud.restore().await;
        // Deliver pending events only now: their targets did not exist before.
        cloud.bus.start();
        Ok(Self { control: Arc::new(ControlState { cloud, endpoint, stop }), listener, endpoint_server })
    }

    fn notices(&self) -> Vec<String> {
        lock(&self.control.cloud.notices).clone()
    }

    /// Serves until `stop` is cancelled. Then stops everything in the order in which a hit travels: gateways,
    /// queues, functions, tables, logs.
    async fn serve(self, stop: CancellationToken) {
        let Self { control, listener, endpoint_server } = self;
        let cloud = Arc::clone(&control.cloud);
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => tokio::spawn(control::serve(listener, control, stop.clone())),
            // This cannot happen: the socket is already listening.
            Err(_) => tokio::spawn(async {}),
        };
        stop.cancelled().await;
        drop(tokio::time::timeout(GATEWAY_STOP_TIMEOUT, cloud.gateway.stop()).await);
        cloud.mappings.stop();
        cloud.bus.stop();
        cloud.queues.stop();
        drop(tokio::time::timeout(RUNNER_STOP_TIMEOUT, cloud.runner.stop()).await);
        endpoint_server.drain().await;
        drop(tokio::time::timeout(Duration::from_secs(2), cloud.mappings.drain()).await);
        drop(tokio::time::timeout(Duration::from_secs(1), served).await);
        let logs = cloud.logs.clone();
        drop(tokio::task::spawn_blocking(move || logs.flush()).await);
    }
}

/// Listens on the previous port of the tables. Returns a notice if the port had to change.
fn listen_for_tables(dir: &StateDir, registry: &Registry) -> Result<(TcpListener, Option<String>), Fault> {
    let previous = registry.table_port();
    let first = previous.unwrap_or_else(|| ports::preferred(dir.path(), "table"));
    let listener = ports::listen(first).map_err(|error| listen_fault(&error))?;
    let port = listener.local_addr().map_err(|error| listen_fault(&error))?.port();
    if previous == Some(port) {
        return Ok((listener, None));
    }
    registry.set_table_port(port)?;
    let notice = previous.map(|previous| {
        format!("the tables moved from http://127.0.0.1:{previous} to http://127.0.0.1:{port}: another program uses the port")
    });
    Ok((listener, notice))
}

async fn acquire_lock(dir: &StateDir) -> Result<DaemonLock, Fault> {
    let mut attempts = 0;
    while attempts < LOCK_ATTEMPTS {
        if let Some(lock) = dir.try_lock()? {
            return Ok(lock);
        }
        // If an endpoint is published, a daemon holds the lock, and not a command that only checks it. Then give
        // up after fewer attempts.
        attempts += if dir.endpoint()?.is_some() { LOCK_ATTEMPTS / 4 } else { 1 };
        sleep(Duration::from_millis(10)).await;
    }
    let holder = dir.endpoint()?.map_or_else(String::new, |endpoint| format!(" (pid {})", endpoint.pid));
    Err(Fault::fatal(
        "local_running",
        format!("a local cloud{holder} is already running in {}", dir.path().display()),
    )
    .hinted("use it, or run `hitctl local stop` first"))
}

/// Returns a token that a signal to stop cancels. The daemon outlives its terminal.
fn stop_on_signals() -> Result<CancellationToken, Fault> {
    let failed =
        |error| Fault::fatal("local_start_failed", "failed to register signal handlers").caused_by(error);
    let mut signals = StopSignals::listen_detached().map_err(failed)?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        signals.recv().await;
        cancelled.cancel();
    });
    Ok(stop)
}

fn url_of(listener: &TcpListener) -> Result<String, Fault> {
    listener.local_addr().map(|address| format!("http://{address}")).map_err(|error| listen_fault(&error))
}

fn listen_fault(error: &std::io::Error) -> Fault {
    Fault::fatal("local_port", "failed to listen on 127.0.0.1").caused_by(error.to_string())
}
