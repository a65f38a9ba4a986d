//! Carries events to their targets: takes what is due, tries, and writes down what became of it before it goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::{Handed, Holder, Job, Next, Ran, Settings};
use super::{Inner, function, queue};
use crate::blocking::blocking;
use crate::clock::now_ms;
use crate::lambda::InvokeError;
use crate::lock::{lock, read};
use crate::queue_sender::{OutboundMessage, SendError};

/// How many events are handed over at once. Those that wait for a function are not among them.
const AT_ONCE: usize = 64;
/// How long to wait where the disk refuses to say or to take something.
const DISK_PAUSE_MS: u64 = 1_000;

/// Delivers until told to stop. Idle it waits for the next event, or for the next that is due.
pub(super) async fn run(inner: Arc<Inner>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let taken = tokio::select! {
            () = inner.stop.cancelled() => return,
            taken = next(&inner) => taken,
        };
        let carrier = Arc::clone(&inner);
        tokio::spawn(async move { carry(&carrier, taken, place).await });
    }
}

/// Waits for the first that is due, and takes it.
async fn next(inner: &Inner) -> i64 {
    loop {
        let wait = {
            let mut due = lock(&inner.due);
            let now = now_ms();
            match due.first().copied() {
                Some(first) if first.0 <= now => {
                    due.remove(&first);
                    return first.1;
                }
                Some((at, _)) => at - now,
                None => u64::MAX,
            }
        };
        let woken = inner.wake.notified();
        // Its end only means that the first is due.
        drop(tokio::time::timeout(Duration::from_millis(wait.min(3_600_000)), woken).await);
    }
}

/// One try of one job.
async fn carry(inner: &Arc<Inner>, id: i64, place: OwnedSemaphorePermit) {
    let Some((event, job)) = look(inner, id).await else { return };
    if job.holder == Holder::EventBridge {
        let handed = hand(inner, &job, &event).await;
        let next = job.clone().handed(handed, &event, now_ms());
        return settle(inner, id, job, next).await;
    }
    // Whatever waits here for a function holds up no other rule, and keeps no event in memory.
    drop((place, event));
    let qualified = function(&job.target_arn).unwrap_or_default();
    let name = qualified.split(':').next().unwrap_or_default();
    let gate = inner.gates.of(name, inner.runner.reserved(name));
    let _passed = tokio::select! {
        passed = gate.acquire() => passed,
        () = inner.stop.cancelled() => return,
    };
    let Some((event, job)) = look(inner, id).await else { return };
    let settings = inner.settings_of(qualified);
    // The daemon is stopping: what it knows of the job is true for the next one.
    let Some(ran) = invoke(inner, &job, &settings, &event).await else { return };
    let next = job.clone().ran(ran, &settings, &event, now_ms());
    settle(inner, id, job, next).await;
}

/// Reads a job; one that cannot be read now is tried again later.
async fn look(inner: &Arc<Inner>, id: i64) -> Option<(String, Job)> {
    let at = Arc::clone(inner);
    blocking(move || at.store.get(id)).await.unwrap_or_else(|_| {
        inner.schedule([(now_ms() + DISK_PAUSE_MS, id)]);
        None
    })
}

/// Writes down what became of a job.
async fn settle(inner: &Arc<Inner>, id: i64, before: Job, next: Next) {
    let next = match next {
        Next::SendToDlq(message) => match send_to_dlq(inner, message).await {
            Ok(()) => Next::Forget,
            // The whole try is made again: nothing is lost, and twice is allowed.
            Err(()) => Next::At(now_ms() + DISK_PAUSE_MS, before),
        },
        next => next,
    };
    let at = Arc::clone(inner);
    let (due, written) = match next {
        Next::At(due, job) => (Some(due), blocking(move || at.store.put(id, due, &job)).await),
        _ => (None, blocking(move || at.store.remove(id)).await),
    };
    match (due, written) {
        (Some(due), Ok(())) => inner.schedule([(due, id)]),
        (None, Ok(())) => {}
        (_, Err(_)) => inner.schedule([(now_ms() + DISK_PAUSE_MS, id)]),
    }
}

/// Hands an event to the target of its rule.
async fn hand(inner: &Inner, job: &Job, event: &str) -> Handed {
    let Some(function) = function(&job.target_arn) else {
        let message = OutboundMessage {
            queue_arn: job.target_arn.clone(),
            body: event.to_owned(),
            attributes: std::collections::BTreeMap::default(),
            sender_arn: Some(job.rule_arn.clone()),
        };
        let Err(why) = inner.post.send_message(message).await else { return Handed::Done };
        let (code, again) = match &why {
            SendError::NoQueue => ("NO_RESOURCE", false),
            SendError::Forbidden => ("NO_PERMISSIONS", false),
            SendError::Refused(_) => ("INVALID_PARAMETER", false),
            SendError::Failed(_) => ("SDK_CLIENT_ERROR", true),
        };
        let message = format!("{}: {why}", queue(&job.target_arn).unwrap_or_default());
        return Handed::Failed { code, message, again };
    };
    let refused = |code, message: String| Handed::Failed { code, message, again: false };
    let name = function.split(':').next().unwrap_or_default();
    if !inner.runner.has(name) {
        return refused("NO_RESOURCE", format!("there is no function {name}"));
    }
    let permitted =
        read(&inner.permits).values().any(|(allowed, rule)| allowed == function && *rule == job.rule_arn);
    if permitted {
        return Handed::ToLambda;
    }
    let message = format!("the function's policy does not let {} invoke {}", job.rule_arn, job.target_arn);
    refused("NO_PERMISSIONS", message)
}

/// Runs the function with an event; `None` if the daemon is stopping.
async fn invoke(inner: &Inner, job: &Job, settings: &Settings, event: &str) -> Option<Ran> {
    if job.is_too_old(settings, now_ms()) {
        return Some(Ran::NotYet);
    }
    let name = function(&job.target_arn)?.split(':').next().unwrap_or_default();
    match inner.runner.invoke(name, Bytes::copy_from_slice(event.as_bytes())).await {
        Ok(done) => Some(match done.function_error {
            None => Ran::Done,
            Some(ref error) => Ran::Failed {
                payload: done.json_payload(),
                error: error.clone(),
                request_id: done.request_id,
            },
        }),
        Err(InvokeError::Stopping) => None,
        Err(_) => Some(Ran::NotYet),
    }
}

/// Writes a dead message. Where no queue takes it, it is dropped, as on AWS, and counted.
async fn send_to_dlq(inner: &Inner, message: OutboundMessage) -> Result<(), ()> {
    match inner.post.send_message(message).await {
        Ok(_) => Ok(()),
        Err(SendError::Failed(_)) => Err(()),
        Err(SendError::NoQueue | SendError::Forbidden | SendError::Refused(_)) => {
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
}
