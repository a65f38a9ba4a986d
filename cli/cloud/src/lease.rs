//! The deploy lock of an environment: only the holder of the lease may change the environment.
//!
//! The lease is an item of the table of counts, which conditional writes create, renew and delete. The holder's
//! run is cancelled if its heartbeats fail or if another run takes the lease; `observer` decides when another run
//! may take it.

pub(crate) mod guarded_drivers;
pub(crate) mod holder;
pub(crate) mod observer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hitctl_config::contract::ATTR_PATH;
use hitctl_engine::{Address, DriverContext, Event, EventSink, Fault, FaultKind, Phase, RetryPolicy};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::holder::LeaseHolder;
use self::observer::{
    ATTR_EXPIRES, ATTR_HEARTBEAT, ATTR_OWNER, KEY, LeaseItem, LeaseObserver, give_up_after,
    heartbeat_interval,
};
use crate::table::{DynamoDbTable, NOT_FOUND, PutResult, number_value, string_value};

/// The phase in which a run waits for the lease.
pub const LEASE_PHASE: Phase = Phase::new("lease");

/// The fault code for a lease that another run holds.
const LEASE_HELD: &str = "lease_held";

/// The interval at which a waiting run reads the lease.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before a failed heartbeat is retried.
const HEARTBEAT_RETRY: Duration = Duration::from_secs(1);
/// The time limit of releasing the lease.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A request for the lease.
#[derive(Clone)]
pub struct LeaseRequest {
    /// The table that holds the lease.
    pub table: DynamoDbTable,
    /// The run that requests the lease.
    pub holder: LeaseHolder,
    /// The duration of the lease without a heartbeat. It is [`LEASE_DURATION`](observer::LEASE_DURATION),
    /// except in tests.
    pub duration: Duration,
    /// How long to wait while another run holds the lease.
    pub max_wait: Duration,
    /// Receives the events of the wait.
    pub sink: EventSink,
    /// The token that ends the wait when it is cancelled.
    pub stop: CancellationToken,
    /// The token that is cancelled when the lease is lost.
    pub run: CancellationToken,
    /// The time of day in seconds since 1970.
    pub clock: fn() -> u64,
}

/// A lease that this run holds.
pub struct Lease {
    table: DynamoDbTable,
    holder: LeaseHolder,
    stop_heartbeats: CancellationToken,
    heartbeat_task: Option<JoinHandle<()>>,
    loss_reason: Arc<Mutex<Option<String>>>,
}

impl Lease {
    /// Takes the lease, and waits while another run holds it. The returned flag is true if it had to wait;
    /// earlier reads of the environment are then outdated.
    pub async fn take(request: &LeaseRequest) -> Result<(Self, bool), Fault> {
        let started = Instant::now();
        let cx = DriverContext::new(Address::new("table", "hits"), EventSink::none(), request.stop.clone());
        let policy = RetryPolicy {
            initial_delay: POLL_INTERVAL,
            max_delay: POLL_INTERVAL,
            attempt_timeout: Duration::from_mins(1),
            budget: request.max_wait,
        };
        // The observer, the last lease of another run, and the start of the last attempt.
        let state = Mutex::new((LeaseObserver::default(), None::<LeaseItem>, started));
        let poll = || async {
            let result = attempt(request, |lease| {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.0.may_steal(lease, started.elapsed(), (request.clock)())
            });
            let (held, started) = match result.await? {
                AttemptResult::Taken(started) => (None, started),
                AttemptResult::Held(lease) => (Some(lease), started),
            };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.2 = started;
            let Some(lease) = held else { return Ok(()) };
            if state.1.is_none() {
                let detail = format!("waiting for the lease, held by {}", describe_holder(&lease));
                request.sink.send(Event::PhaseStarted { phase: LEASE_PHASE, detail });
            }
            state.1 = Some(lease);
            Err(Fault::transient(LEASE_HELD, "another deploy holds the lease"))
        };
        let taken = cx.retry(&policy, "waiting for the lease", poll).await;
        let (_, held, written_at) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            let took_ms = hitctl_engine::millis(started.elapsed());
            request.sink.send(Event::PhaseEnded { phase: LEASE_PHASE, ok: taken.is_ok(), took_ms });
        }
        match (taken, &held) {
            (Ok(()), _) => Ok((Self::start_heartbeats(request, written_at), held.is_some())),
            (Err(fault), Some(lease)) if fault.code == LEASE_HELD => {
                Err(held_fault(lease, (request.clock)()))
            }
            (Err(fault), _) => Err(fault),
        }
    }

    /// Starts the heartbeats. `last_heartbeat` is the time at which the lease was written.
    fn start_heartbeats(request: &LeaseRequest, last_heartbeat: Instant) -> Self {
        request.holder.record_held();
        let (stop_heartbeats, loss_reason) = (CancellationToken::new(), Arc::default());
        let heartbeat_task = tokio::spawn(send_heartbeats(
            request.clone(),
            last_heartbeat,
            stop_heartbeats.clone(),
            Arc::clone(&loss_reason),
        ));
        let (table, holder) = (request.table.clone(), request.holder.clone());
        Self { table, holder, stop_heartbeats, heartbeat_task: Some(heartbeat_task), loss_reason }
    }

    /// Returns the fault if the lease was lost. `None` while it is held.
    pub fn loss(&self) -> Option<Fault> {
        let reason = self.loss_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(
            Fault::fatal("lease_lost", "the lease was lost; the remaining steps were not done")
                .caused_by(reason)
                .hinted("run the same command again; it continues where it stopped"),
        )
    }

    /// Releases the lease. If the call fails, the lease expires.
    pub async fn release(mut self) {
        self.stop().await;
        if self.loss().is_none() {
            drop(timeout(RELEASE_TIMEOUT, self.table.delete_if(KEY, ATTR_OWNER, &self.holder.owner)).await);
        }
    }

    /// Stops the heartbeats without a release, because the table was deleted.
    pub async fn abandon(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        self.stop_heartbeats.cancel();
        if let Some(heartbeat_task) = self.heartbeat_task.take() {
            drop(heartbeat_task.await);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop_heartbeats.cancel();
        self.holder.record_released();
    }
}

/// The result of one attempt to take the lease.
enum AttemptResult {
    /// The lease was taken. Contains the time before the write.
    Taken(Instant),
    /// Another run holds the lease.
    Held(LeaseItem),
}

/// Tries to take the lease once. This succeeds if there is no lease, if this run already holds it, or if
/// `may_steal` allows taking it from another run.
async fn attempt(
    request: &LeaseRequest,
    may_steal: impl Fn(&LeaseItem) -> bool,
) -> Result<AttemptResult, Fault> {
    let started = Instant::now();
    let ours = LeaseItem::new(request.holder.clone(), (request.clock)(), request.duration);
    let put_if_absent =
        request.table.put(ours.item(), "attribute_not_exists(#p)", &[("#p", ATTR_PATH)], vec![]);
    let existing = match put_if_absent.await.map_err(retry_if_not_found)? {
        PutResult::Written => return Ok(AttemptResult::Taken(started)),
        PutResult::ConditionFailed(Some(item)) => item,
        PutResult::ConditionFailed(None) => match request.table.get(KEY).await? {
            Some(item) => item,
            None => return Err(Fault::transient("busy", "the lease was just released")),
        },
    };
    let lease = LeaseItem::from_item(&existing);
    // An earlier attempt may have succeeded although its response was lost.
    if lease.holder.owner == request.holder.owner {
        return Ok(AttemptResult::Taken(started));
    }
    if !may_steal(&lease) {
        return Ok(AttemptResult::Held(lease));
    }
    let started = Instant::now();
    // The lease must be unchanged since it was read. An invalid item may lack these attributes.
    let condition = "(attribute_not_exists(#o) OR #o = :o) AND (attribute_not_exists(#b) OR #b = :b)";
    let names = [("#o", ATTR_OWNER), ("#b", ATTR_HEARTBEAT)];
    let values = vec![(":o", string_value(&lease.holder.owner)), (":b", number_value(lease.heartbeat))];
    match request.table.put(ours.item(), condition, &names, values).await? {
        PutResult::Written => Ok(AttemptResult::Taken(started)),
        PutResult::ConditionFailed(_) => Ok(AttemptResult::Held(lease)),
    }
}

/// Makes the fault transient if the table does not accept items yet.
fn retry_if_not_found(fault: Fault) -> Fault {
    if fault.code == NOT_FOUND {
        return Fault { kind: FaultKind::Transient, ..fault };
    }
    fault
}

/// Sends heartbeats until the lease is released or lost.
async fn send_heartbeats(
    request: LeaseRequest,
    mut last_heartbeat: Instant,
    stop_heartbeats: CancellationToken,
    loss_reason: Arc<Mutex<Option<String>>>,
) {
    let owner = &request.holder.owner;
    let mut interval = heartbeat_interval(request.duration);
    for heartbeat in 1.. {
        if timeout(interval, stop_heartbeats.cancelled()).await.is_ok() {
            return;
        }
        let started = Instant::now();
        let remaining = (last_heartbeat + give_up_after(request.duration)).saturating_duration_since(started);
        let update = request
            .table
            .update_builder(KEY)
            .update_expression("SET #b = :b, #e = :e")
            .condition_expression("#o = :o")
            .expression_attribute_names("#b", ATTR_HEARTBEAT)
            .expression_attribute_names("#e", ATTR_EXPIRES)
            .expression_attribute_names("#o", ATTR_OWNER)
            .expression_attribute_values(":b", number_value(heartbeat))
            .expression_attribute_values(
                ":e",
                number_value((request.clock)().saturating_add(request.duration.as_secs())),
            )
            .expression_attribute_values(":o", string_value(owner));
        let Ok(update) = update.build() else { return };
        let reason = match timeout(remaining, request.table.update(update)).await {
            Ok(Ok(true)) => {
                (last_heartbeat, interval) = (started, heartbeat_interval(request.duration));
                continue;
            }
            // The lease was deleted with its table.
            Ok(Err(fault)) if fault.code == NOT_FOUND => return,
            Ok(Err(_)) if started.elapsed() < remaining => {
                interval = HEARTBEAT_RETRY;
                continue;
            }
            Ok(Ok(false)) => "another run has taken it".to_owned(),
            Ok(Err(fault)) => fault.cause.map_or(fault.message, String::from),
            Err(_) => "the table did not respond in time".to_owned(),
        };
        *loss_reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        request.run.cancel();
        return;
    }
}

fn describe_holder(lease: &LeaseItem) -> String {
    let name = if lease.holder.description.is_empty() { "an unknown run" } else { &lease.holder.description };
    format!("{name}, since {}", format_time(lease.since))
}

fn held_fault(lease: &LeaseItem, now: u64) -> Fault {
    let expires = match lease.expires.checked_sub(now) {
        Some(remaining) if remaining > 0 => format!("expires in {remaining} s unless it is renewed"),
        _ => "appears expired, or the system clock is wrong".to_owned(),
    };
    Fault::fatal(
        LEASE_HELD,
        format!("another deploy holds the lease: {} ({expires})", describe_holder(lease)),
    )
    .of_kind(FaultKind::Busy)
    .hinted("wait until it ends, or run the same command with `--lock-timeout 5m`")
}

fn format_time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{seconds} s"), |time| time.to_string())
}
