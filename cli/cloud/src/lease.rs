//! The lease: who changes an environment has it, and nobody else does meanwhile.
//!
//! It is an item of the counts table, taken and given back by conditional writes. Its holder gives signs of life; when
//! these cannot be given, or somebody else has taken it, the run stops. `watch` says when another may take it.

pub(crate) mod gate;
pub(crate) mod holder;
pub(crate) mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hitctl_config::contract::ATTR_PATH;
use hitctl_engine::{Address, Cx, Event, Fault, FaultKind, Phase, Sink, Wait};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::holder::Holder;
use self::watch::{ATTR_BEAT, ATTR_EXPIRES, ATTR_OWNER, KEY, Seen, Watch, beats_every, gives_up_after};
use crate::table::{GONE, Put, Table, number, text};

/// The part of a run that waits for the lease.
pub const LEASE_PHASE: Phase = Phase::new("lease");

/// The code of the fault that another run holds the lease.
const HELD: &str = "lease_held";

/// How often a lease that is held is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How soon a sign of life that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long giving it back may take.
const RELEASE: Duration = Duration::from_secs(5);

/// How a lease is taken.
#[derive(Clone)]
pub struct LeaseRequest {
    /// The table that it is in.
    pub table: Table,
    /// Who takes it.
    pub holder: Holder,
    /// How long it is held without a sign of life: [`LASTS`](watch::LASTS), but in tests.
    pub lasts: Duration,
    /// How long to wait for another holder.
    pub patience: Duration,
    /// Where waiting is told.
    pub sink: Sink,
    /// Ends waiting.
    pub stop: CancellationToken,
    /// Cancelled when the lease is lost.
    pub run: CancellationToken,
    /// The time of day in seconds since 1970.
    pub clock: fn() -> u64,
}

/// A lease that is held.
pub struct Lease {
    table: Table,
    holder: Holder,
    ended: CancellationToken,
    beating: Option<JoinHandle<()>>,
    lost: Arc<Mutex<Option<String>>>,
}

impl Lease {
    /// Takes the lease; says besides whether somebody else had it until then, so that what was read before is old.
    pub async fn take(taking: &LeaseRequest) -> Result<(Self, bool), Fault> {
        let begun = Instant::now();
        let cx = Cx::new(Address::new("table", "hits"), Sink::none(), taking.stop.clone());
        let policy =
            Wait { first: LOOK, longest: LOOK, attempt: Duration::from_mins(1), budget: taking.patience };
        let told = Mutex::new((Watch::default(), None::<Seen>, begun));
        let look = || async {
            let found = attempt(taking, |seen| {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.0.may_steal(seen, begun.elapsed(), (taking.clock)())
            });
            let (held, begun) = match found.await? {
                Found::Taken(begun) => (None, begun),
                Found::Held(seen) => (Some(seen), begun),
            };
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.2 = begun;
            let Some(seen) = held else { return Ok(()) };
            if told.1.is_none() {
                let detail = format!("waiting for the lease, held by {}", whose(&seen));
                taking.sink.send(Event::PhaseStarted { phase: LEASE_PHASE, detail });
            }
            told.1 = Some(seen);
            Err(Fault::transient(HELD, "another deploy holds the lease"))
        };
        let taken = cx.wait(&policy, "waiting for the lease", look).await;
        let (_, held, last) = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            let took_ms = hitctl_engine::millis(begun.elapsed());
            taking.sink.send(Event::PhaseEnded { phase: LEASE_PHASE, ok: taken.is_ok(), took_ms });
        }
        match (taken, &held) {
            (Ok(()), _) => Ok((Self::begin(taking, last), held.is_some())),
            (Err(fault), Some(seen)) if fault.code == HELD => Err(is_held(seen, (taking.clock)())),
            (Err(fault), _) => Err(fault),
        }
    }

    /// Starts to give signs of life; the first one was at `alive`.
    fn begin(taking: &LeaseRequest, alive: Instant) -> Self {
        taking.holder.holds();
        let (ended, lost) = (CancellationToken::new(), Arc::default());
        let beating = tokio::spawn(beat(taking.clone(), alive, ended.clone(), Arc::clone(&lost)));
        let (table, holder) = (taking.table.clone(), taking.holder.clone());
        Self { table, holder, ended, beating: Some(beating), lost }
    }

    /// Why it was lost; `None` while it is held.
    pub fn lost(&self) -> Option<Fault> {
        let why = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(
            Fault::fatal("lease_lost", "the lease was lost, and the rest was not done")
                .caused_by(why)
                .hinted("run the same command again; it continues where it stopped"),
        )
    }

    /// Gives it back. What cannot be given back ends by itself.
    pub async fn release(mut self) {
        self.end().await;
        if self.lost().is_none() {
            drop(timeout(RELEASE, self.table.remove(KEY, ATTR_OWNER, &self.holder.owner)).await);
        }
    }

    /// Forgets it, since the table that it was in is gone.
    pub async fn forget(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        self.ended.cancel();
        if let Some(beating) = self.beating.take() {
            drop(beating.await);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ended.cancel();
        self.holder.lets_go();
    }
}

/// What an attempt to take it came to.
enum Found {
    /// It is ours; the sign of life was on its way then.
    Taken(Instant),
    /// It is another's.
    Held(Seen),
}

async fn attempt(taking: &LeaseRequest, may_steal: impl Fn(&Seen) -> bool) -> Result<Found, Fault> {
    let begun = Instant::now();
    let ours = Seen::new(taking.holder.clone(), (taking.clock)(), taking.lasts);
    let absent = taking.table.put(ours.item(), "attribute_not_exists(#p)", &[("#p", ATTR_PATH)], vec![]);
    let there = match absent.await.map_err(not_yet)? {
        Put::Done => return Ok(Found::Taken(begun)),
        Put::Refused(Some(item)) => item,
        Put::Refused(None) => match taking.table.get(KEY).await? {
            Some(item) => item,
            None => return Err(Fault::transient("busy", "the lease was just given back")),
        },
    };
    let seen = Seen::of(&there);
    // The answer to an attempt that came through may have been lost.
    if seen.holder.owner == taking.holder.owner {
        return Ok(Found::Taken(begun));
    }
    if !may_steal(&seen) {
        return Ok(Found::Held(seen));
    }
    let begun = Instant::now();
    let same = "(attribute_not_exists(#o) OR #o = :o) AND (attribute_not_exists(#b) OR #b = :b)";
    let names = [("#o", ATTR_OWNER), ("#b", ATTR_BEAT)];
    let values = vec![(":o", text(&seen.holder.owner)), (":b", number(seen.beat))];
    match taking.table.put(ours.item(), same, &names, values).await? {
        Put::Done => Ok(Found::Taken(begun)),
        Put::Refused(_) => Ok(Found::Held(seen)),
    }
}

/// A table that is being made takes no items yet.
fn not_yet(fault: Fault) -> Fault {
    if fault.code == GONE {
        return Fault { kind: FaultKind::Transient, ..fault };
    }
    fault
}

/// Gives signs of life until the lease has ended, or is lost.
async fn beat(
    taking: LeaseRequest,
    mut alive: Instant,
    ended: CancellationToken,
    lost: Arc<Mutex<Option<String>>>,
) {
    let owner = &taking.holder.owner;
    let mut pause = beats_every(taking.lasts);
    for beat in 1.. {
        if timeout(pause, ended.cancelled()).await.is_ok() {
            return;
        }
        let begun = Instant::now();
        let left = (alive + gives_up_after(taking.lasts)).saturating_duration_since(begun);
        let update = taking
            .table
            .updating(KEY)
            .update_expression("SET #b = :b, #e = :e")
            .condition_expression("#o = :o")
            .expression_attribute_names("#b", ATTR_BEAT)
            .expression_attribute_names("#e", ATTR_EXPIRES)
            .expression_attribute_names("#o", ATTR_OWNER)
            .expression_attribute_values(":b", number(beat))
            .expression_attribute_values(
                ":e",
                number((taking.clock)().saturating_add(taking.lasts.as_secs())),
            )
            .expression_attribute_values(":o", text(owner));
        let Ok(update) = update.build() else { return };
        let why = match timeout(left, taking.table.update(update)).await {
            Ok(Ok(true)) => {
                (alive, pause) = (begun, beats_every(taking.lasts));
                continue;
            }
            // The lease went with its table.
            Ok(Err(fault)) if fault.code == GONE => return,
            Ok(Err(_)) if begun.elapsed() < left => {
                pause = AGAIN;
                continue;
            }
            Ok(Ok(false)) => "somebody else has taken it".to_owned(),
            Ok(Err(fault)) => fault.cause.map_or(fault.message, String::from),
            Err(_) => "the table did not answer in time".to_owned(),
        };
        *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        taking.run.cancel();
        return;
    }
}

fn whose(seen: &Seen) -> String {
    let who = if seen.holder.who.is_empty() { "somebody" } else { &seen.holder.who };
    format!("{who}, since {}", time(seen.since))
}

fn is_held(seen: &Seen, now: u64) -> Fault {
    let expires = match seen.expires.checked_sub(now) {
        Some(left) if left > 0 => format!("expires in {left} s unless it goes on"),
        _ => "looks expired, but may only be of a clock that is off".to_owned(),
    };
    Fault::fatal(HELD, format!("another deploy holds the lease: {} ({expires})", whose(seen)))
        .of_kind(FaultKind::Busy)
        .hinted("wait until it has ended, or run the same command with `--lock-timeout 5m`")
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{seconds} s"), |time| time.to_string())
}
