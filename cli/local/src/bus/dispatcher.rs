//! Processes deliveries: attempts each delivery when it is due, and records the outcome in the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::delivery::{
    AsyncInvokeConfig, AsyncInvokeResult, Delivery, DeliveryStage, DispatchResult, NextStep,
};
use super::{Inner, function_in_arn, queue_in_arn};
use crate::blocking::run_blocking;
use crate::clock::now_ms;
use crate::lambda::InvokeError;
use crate::lock::{lock, read};
use crate::queue_sender::{OutboundMessage, SendError};

/// The maximum number of concurrent dispatches. Deliveries that wait for a function do not count.
const MAX_CONCURRENT_DISPATCHES: usize = 64;
/// The delay before the next attempt after a failed access to the store or to a dead-letter queue, in milliseconds.
const RETRY_DELAY_MS: u64 = 1_000;

/// Processes deliveries until the bus stops. When idle, it waits for a new delivery or the next due time.
pub(super) async fn run(inner: Arc<Inner>) {
    let semaphore = Arc::new(Semaphore::new(MAX_CONCURRENT_DISPATCHES));
    loop {
        let Ok(permit) = Arc::clone(&semaphore).acquire_owned().await else { return };
        let id = tokio::select! {
            () = inner.stop.cancelled() => return,
            id = next_due(&inner) => id,
        };
        let shared = Arc::clone(&inner);
        tokio::spawn(async move { process(&shared, id, permit).await });
    }
}

/// Waits until a delivery is due, removes it from the schedule and returns its id.
async fn next_due(inner: &Inner) -> i64 {
    loop {
        let wait = {
            let mut scheduled = lock(&inner.scheduled);
            let now = now_ms();
            match scheduled.first().copied() {
                Some((due_ms, id)) if due_ms <= now => {
                    scheduled.remove(&(due_ms, id));
                    return id;
                }
                Some((due_ms, _)) => due_ms - now,
                // Nothing is scheduled. The sleep below lasts at most an hour.
                None => u64::MAX,
            }
        };
        let woken = inner.wake.notified();
        // After a timeout or a notification, the loop checks the schedule again.
        drop(tokio::time::timeout(Duration::from_millis(wait.min(3_600_000)), woken).await);
    }
}

/// Makes one attempt to deliver an event, and records the outcome.
async fn process(inner: &Arc<Inner>, id: i64, permit: OwnedSemaphorePermit) {
    let Some((event, delivery)) = load(inner, id).await else { return };
    if delivery.stage == DeliveryStage::EventBridge {
        let result = dispatch(inner, &delivery, &event).await;
        let next = delivery.clone().after_dispatch(result, &event, now_ms());
        return record_outcome(inner, id, delivery, next).await;
    }
    // A delivery that waits for a function must neither block other rules nor keep its event in memory. It is loaded
    // again below.
    drop((permit, event));
    let qualified_name = function_in_arn(&delivery.target_arn).unwrap_or_default();
    let name = qualified_name.split(':').next().unwrap_or_default();
    let limit = inner.concurrency.semaphore(name, inner.runner.reserved(name));
    let _slot = tokio::select! {
        slot = limit.acquire() => slot,
        () = inner.stop.cancelled() => return,
    };
    let Some((event, delivery)) = load(inner, id).await else { return };
    let config = inner.invoke_config_for(qualified_name);
    // `None` means that the daemon is stopping. The stored delivery is still correct for the next start.
    let Some(result) = invoke(inner, &delivery, &config, &event).await else { return };
    let next = delivery.clone().after_invoke(result, &config, &event, now_ms());
    record_outcome(inner, id, delivery, next).await;
}

/// Reads a delivery from the store. After a failed read it schedules another attempt and returns `None`.
async fn load(inner: &Arc<Inner>, id: i64) -> Option<(String, Delivery)> {
    let shared = Arc::clone(inner);
    run_blocking(move || shared.store.get(id)).await.unwrap_or_else(|_| {
        inner.schedule([(now_ms() + RETRY_DELAY_MS, id)]);
        None
    })
}

/// Records the outcome of an attempt: reschedules the delivery, sends it to the dead-letter queue, or removes it.
async fn record_outcome(inner: &Arc<Inner>, id: i64, previous: Delivery, next: NextStep) {
    let next = match next {
        NextStep::SendToDlq(message) => match send_to_dlq(inner, message).await {
            Ok(()) => NextStep::Remove,
            // Repeat the whole attempt: no event is lost, and the target may get an event twice.
            Err(()) => NextStep::AttemptAt(now_ms() + RETRY_DELAY_MS, previous),
        },
        next => next,
    };
    let shared = Arc::clone(inner);
    let (due, written) = match next {
        NextStep::AttemptAt(due, delivery) => {
            (Some(due), run_blocking(move || shared.store.put(id, due, &delivery)).await)
        }
        _ => (None, run_blocking(move || shared.store.remove(id)).await),
    };
    match (due, written) {
        (Some(due), Ok(())) => inner.schedule([(due, id)]),
        (None, Ok(())) => {}
        // The stored delivery is unchanged, so the attempt is repeated.
        (_, Err(_)) => inner.schedule([(now_ms() + RETRY_DELAY_MS, id)]),
    }
}

/// Dispatches an event to the target of its rule.
async fn dispatch(inner: &Inner, delivery: &Delivery, event: &str) -> DispatchResult {
    let Some(function) = function_in_arn(&delivery.target_arn) else {
        let message = OutboundMessage {
            queue_arn: delivery.target_arn.clone(),
            body: event.to_owned(),
            attributes: std::collections::BTreeMap::default(),
            sender_arn: Some(delivery.rule_arn.clone()),
        };
        let Err(error) = inner.queue_sender.send_message(message).await else {
            return DispatchResult::Delivered;
        };
        let (code, retryable) = match &error {
            SendError::NoQueue => ("NO_RESOURCE", false),
            SendError::Forbidden => ("NO_PERMISSIONS", false),
            SendError::Refused(_) => ("INVALID_PARAMETER", false),
            SendError::Failed(_) => ("SDK_CLIENT_ERROR", true),
        };
        let message = format!("{}: {error}", queue_in_arn(&delivery.target_arn).unwrap_or_default());
        return DispatchResult::Failed { code, message, retryable };
    };
    let rejected = |code, message: String| DispatchResult::Failed { code, message, retryable: false };
    let name = function.split(':').next().unwrap_or_default();
    if !inner.runner.has(name) {
        return rejected("NO_RESOURCE", format!("the function {name:?} does not exist"));
    }
    let is_permitted = read(&inner.permissions)
        .values()
        .any(|(permitted, rule)| permitted == function && *rule == delivery.rule_arn);
    if is_permitted {
        return DispatchResult::QueuedInLambda;
    }
    let message = format!(
        "the function's policy does not allow {} to invoke {}",
        delivery.rule_arn, delivery.target_arn
    );
    rejected("NO_PERMISSIONS", message)
}

/// Invokes the function with an event. Returns `None` if the daemon is stopping.
async fn invoke(
    inner: &Inner,
    delivery: &Delivery,
    config: &AsyncInvokeConfig,
    event: &str,
) -> Option<AsyncInvokeResult> {
    if delivery.is_too_old(config, now_ms()) {
        // `after_invoke` then ends the delivery because of its age.
        return Some(AsyncInvokeResult::NotStarted);
    }
    let name = function_in_arn(&delivery.target_arn)?.split(':').next().unwrap_or_default();
    match inner.runner.invoke(name, Bytes::copy_from_slice(event.as_bytes())).await {
        Ok(invocation) => Some(match invocation.function_error {
            None => AsyncInvokeResult::Succeeded,
            Some(ref error) => AsyncInvokeResult::Failed {
                payload: invocation.json_payload(),
                error: error.clone(),
                request_id: invocation.request_id,
            },
        }),
        Err(InvokeError::Stopping) => None,
        Err(_) => Some(AsyncInvokeResult::NotStarted),
    }
}

/// Sends a message to a dead-letter queue. If the queue rejects the message, it is dropped, as on AWS, and counted.
/// Returns an error if a retry may succeed.
async fn send_to_dlq(inner: &Inner, message: OutboundMessage) -> Result<(), ()> {
    match inner.queue_sender.send_message(message).await {
        Ok(_) => Ok(()),
        Err(SendError::Failed(_)) => Err(()),
        Err(SendError::NoQueue | SendError::Forbidden | SendError::Refused(_)) => {
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
}
