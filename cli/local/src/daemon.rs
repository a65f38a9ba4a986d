//! The daemon: opens the state, listens, brings everything back, serves until it is told to stop.
//!
//! It holds the lock of its state directory for its life and says where it is reached only once it can be reached. Its
//! own talk goes to `daemon.log`; nothing is printed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitctl_engine::Fault;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;
use crate::bus::Bus;
use crate::clock::{no_random, now_ms, pause};
use crate::cloud::Cloud;
use crate::cloudfront::{self, CloudFront};
use crate::code::{self, CodeStore};
use crate::constants::{ACCOUNT, REGION};
use crate::control::{self, Control};
use crate::fault::with_cause;
use crate::front::{Front, Services};
use crate::gateway::Gateway;
use crate::invoke::{self, Invocations};
use crate::journal::Journal;
use crate::lambda::{Runner, RunnerConfig};
use crate::lock::lock;
use crate::logs::Logs;
use crate::mapping::Mappings;
use crate::queue::Queues;
use crate::registry::Registry;
use crate::state::version::STATE_VERSION;
use crate::state::{self, Endpoint, Lock, StateDir};
use crate::table::Tables;
use crate::{connections, inventory, ports, secret};

/// How many invocations run at once in this cloud: the pool of functions without reserved concurrency.
const ACCOUNT_CONCURRENCY: u32 = 100;
/// How long gateways may take to come to their end when the daemon stops, while invocations run on.
const GATEWAY_WAIT: Duration = Duration::from_secs(10);
/// How long functions may take: the runner bounds itself, and ends processes when its time is up.
const RUNNER_WAIT: Duration = Duration::from_secs(15);
/// How often the daemon looks whether its directory and its endpoint are still there.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// A caller that looks whether a lock is stale holds it for a moment; a start waits that long for it.
const LOCK_TRIES: u32 = 20;

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where everything is kept; made when it is not there.
    pub state_dir: PathBuf,
    /// Which build of the program this is: callers of another build replace the daemon.
    pub build_id: String,
}

/// Runs the daemon on a runtime of its own, small enough for something that mostly idles. Blocks until it stops.
pub fn run(options: ServeOptions) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(2))
        .enable_all()
        .build()
        .map_err(|error| {
            Fault::fatal("local_start_failed", "the local cloud could not start").caused_by(error)
        })?;
    let served = runtime.block_on(serve(options));
    // What still runs is past its bound; the process ends without it.
    runtime.shutdown_timeout(Duration::from_millis(200));
    served
}

/// Runs the daemon until SIGTERM, SIGINT or a call of `/v1/stop`; then lets what runs come to its end, bounded.
pub async fn serve(options: ServeOptions) -> Result<(), Fault> {
    connections::raise_open_files();
    // First, so that no signal is missed.
    let stop = stop_on_signals()?;
    let dir = StateDir::prepare(&options.state_dir)?;
    let journal = Journal::open(&dir)?;
    let served = start_and_serve(&dir, &journal, options.build_id, stop).await;
    if let Err(fault) = &served {
        journal.say(&format!("error: {}", with_cause(fault)));
        if let Some(hint) = &fault.hint {
            journal.say(&format!("hint: {hint}"));
        }
    }
    served
}

async fn start_and_serve(
    dir: &StateDir,
    journal: &Journal,
    build_id: String,
    stop: CancellationToken,
) -> Result<(), Fault> {
    let lock = take_lock(dir).await?;
    dir.remove_endpoint(&lock);
    dir.sweep(&lock);
    let daemon = Daemon::open(dir.clone(), build_id, stop.clone()).await?;
    let endpoint = daemon.control.endpoint.clone();
    dir.write_endpoint(&endpoint)?;
    journal
        .say(&format!("ready: control {}, table {}, pid {}", endpoint.control, endpoint.table, endpoint.pid));
    for notice in daemon.notices() {
        journal.say(&notice);
    }
    let lock = Arc::new(lock);
    let watch = tokio::spawn(watch(dir.clone(), endpoint, Arc::clone(&lock), stop.clone()));
    daemon.serve(stop).await;
    // It ends with `stop`; until it has, it could write the endpoint anew.
    drop(watch.await);
    // In a directory that somebody removed, another daemon may be at home by now.
    if lock.is_in_place() {
        dir.remove_endpoint(&lock);
    }
    journal.say("stopped");
    Ok(())
}

/// Keeps a daemon findable: stops one whose directory was removed under it, and writes its endpoint anew when somebody
/// removed or damaged that. Nobody could stop it otherwise.
async fn watch(dir: StateDir, endpoint: Endpoint, lock: Arc<Lock>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        if !lock.is_in_place() {
            return stop.cancel();
        }
        // With our token in it, it leads here, if by another way: somebody may listen in between.
        let leads_here = |found: Endpoint| found.pid == endpoint.pid && found.token == endpoint.token;
        if dir.endpoint().is_ok_and(|found| !found.is_some_and(leads_here)) {
            // A full disk may have space again at the next tick.
            drop(dir.write_endpoint(&endpoint));
        }
    }
}

/// Everything that runs.
struct Daemon {
    control: Arc<Control>,
    listener: TcpListener,
    front: Front,
}

impl Daemon {
    async fn open(dir: StateDir, build_id: String, stop: CancellationToken) -> Result<Self, Fault> {
        let registry = Registry::open(&dir)?;
        inventory::check_files(&dir, &registry)?;
        let logs_dir = dir.path().join(state::LOGS);
        let logs = Logs::open(&logs_dir).map_err(|error| state::fault("open", &logs_dir, &error))?;
        let code = CodeStore::open(dir.path().join(state::ZIPS))?;
        let code_dir = dir.path().join(state::CODE);
        let in_use = registry.code_in_use();
        code.collect(&in_use);
        code::collect(&code_dir, &in_use);
        let (tables, found) = {
            let path = dir.path().join(state::TABLES);
            blocking(move || Tables::open(&path).and_then(|tables| Ok((tables.clone(), tables.names()?))))
                .await?
        };
        inventory::TABLES.check(&dir, &registry, &found)?;
        let (table_listener, moved) = listen_for_tables(&dir, &registry)?;
        let table = url_of(&table_listener)?;
        let queues = {
            let (path, base) = (dir.path().join(state::QUEUES), table.clone());
            let now = Arc::new(|| i64::try_from(now_ms()).unwrap_or(i64::MAX));
            blocking(move || Queues::open(&path, base, now)).await?
        };
        inventory::QUEUES.check(&dir, &registry, &queues.stored().await?)?;
        let listener = ports::listen(0).map_err(|error| no_port(&error))?;
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
        let mappings = Mappings::new(queues.clone(), Arc::new(runner.clone()));
        gateway.post_to(Arc::new(queues.clone()));
        let bus = {
            let (path, runner) = (dir.path().join(state::EVENTS), runner.clone());
            let post = Arc::new(queues.clone());
            blocking(move || Bus::open(&path, runner, post)).await?
        };
        let cloudfront = CloudFront::open(&dir)?;
        let endpoint = Endpoint {
            v: STATE_VERSION,
            pid: std::process::id(),
            control: url_of(&listener)?,
            table,
            token: secret::new().map_err(no_random)?,
            build_id,
            started_ms: now_ms(),
        };
        let cloud = Arc::new(Cloud {
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
            changing: tokio::sync::Mutex::new(()),
            notices: Mutex::new(moved.into_iter().collect()),
        });
        // Who answers at the one endpoint: every service is registered here.
        let services = Services::new(cloud.tables.clone())
            .target("AmazonSQS.", Arc::new(cloud.queues.clone()))
            .target("AWSEvents.", Arc::new(cloud.bus.clone()))
            .path(cloudfront::PREFIX, Arc::new(cloud.cloudfront.clone()))
            .path(
                invoke::PREFIX,
                Arc::new(Invocations { runner: cloud.runner.clone(), bus: cloud.bus.clone() }),
            );
        let front = Front::start(table_listener, services).map_err(|error| no_port(&error))?;
        cloud.restore().await;
        // Not before: an event on its way would find no target.
        cloud.bus.start();
        Ok(Self { control: Arc::new(Control { cloud, endpoint, stop }), listener, front })
    }

    fn notices(&self) -> Vec<String> {
        lock(&self.control.cloud.notices).clone()
    }

    /// Serves until `stop`, then ends in the order in which a hit travels: gateways, queues, functions, tables, logs.
    async fn serve(self, stop: CancellationToken) {
        let Self { control, listener, front } = self;
        let cloud = Arc::clone(&control.cloud);
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => tokio::spawn(control::serve(listener, control, stop.clone())),
            // It was a listener a moment ago.
            Err(_) => tokio::spawn(async {}),
        };
        stop.cancelled().await;
        drop(tokio::time::timeout(GATEWAY_WAIT, cloud.gateway.stop()).await);
        cloud.mappings.stop();
        cloud.bus.stop();
        cloud.queues.stop();
        drop(tokio::time::timeout(RUNNER_WAIT, cloud.runner.stop()).await);
        front.stop().await;
        drop(tokio::time::timeout(Duration::from_secs(2), cloud.mappings.settle()).await);
        drop(tokio::time::timeout(Duration::from_secs(1), served).await);
        let logs = cloud.logs.clone();
        drop(tokio::task::spawn_blocking(move || logs.flush()).await);
    }
}

/// Listens for the tables where they were served before; says so when that is another place now.
fn listen_for_tables(dir: &StateDir, registry: &Registry) -> Result<(TcpListener, Option<String>), Fault> {
    let before = registry.table_port();
    let first = before.unwrap_or_else(|| ports::preferred(dir.path(), "table"));
    let listener = ports::listen(first).map_err(|error| no_port(&error))?;
    let port = listener.local_addr().map_err(|error| no_port(&error))?.port();
    if before == Some(port) {
        return Ok((listener, None));
    }
    registry.set_table_port(port)?;
    let moved = before.map(|before| {
        format!("the tables moved from http://127.0.0.1:{before} to http://127.0.0.1:{port}: another program has the port")
    });
    Ok((listener, moved))
}

async fn take_lock(dir: &StateDir) -> Result<Lock, Fault> {
    let mut tries = 0;
    while tries < LOCK_TRIES {
        if let Some(lock) = dir.try_lock()? {
            return Ok(lock);
        }
        // Who says where it is reached is no caller that only looks: after a few tries more it is a daemon.
        tries += if dir.endpoint()?.is_some() { LOCK_TRIES / 4 } else { 1 };
        pause(Duration::from_millis(10)).await;
    }
    let who = dir.endpoint()?.map_or_else(String::new, |endpoint| format!(" (pid {})", endpoint.pid));
    Err(Fault::fatal(
        "local_running",
        format!("a local cloud{who} is running in {} already", dir.path().display()),
    )
    .hinted("use it, or run `hitctl local stop` first"))
}

/// A token that is cancelled by SIGTERM and SIGINT. SIGHUP means nothing: the daemon outlives its terminal.
fn stop_on_signals() -> Result<CancellationToken, Fault> {
    let failed = |error| Fault::fatal("local_start_failed", "signals could not be watched").caused_by(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {}
            }
        }
        told.cancel();
    });
    Ok(stop)
}

fn url_of(listener: &TcpListener) -> Result<String, Fault> {
    listener.local_addr().map(|address| format!("http://{address}")).map_err(|error| no_port(&error))
}

fn no_port(error: &std::io::Error) -> Fault {
    Fault::fatal("local_port", "could not listen on 127.0.0.1").caused_by(error.to_string())
}
