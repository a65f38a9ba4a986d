//! Event source mappings: receive messages from a queue and invoke a function with them, as Lambda's pollers do.

mod batch_response;
mod collect;
mod event;
mod slots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_resources::EventSourceMappingSpec;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lambda::{InvokeError, Runner};
use crate::lock::lock;
use crate::queue::{Queues, Receipt};
use collect::MessageBatch;
use slots::{InvocationSlot, InvocationSlots};

/// The pause after the first throttled attempt. Each further attempt doubles it, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The outcome of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvokeOutcome {
    /// The function returned this payload.
    Succeeded(Bytes),
    /// The function failed, timed out, or does not exist.
    Failed,
    /// A concurrency limit is reached; the function was not invoked.
    Throttled,
    /// The local cloud is stopping; the function was not invoked.
    Stopping,
}

/// Invokes functions for mappings.
pub(crate) trait Invoker: Send + Sync {
    /// Invokes the function with that name.
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, InvokeOutcome>;
}

impl Invoker for Runner {
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, InvokeOutcome> {
        let (runner, function) = (self.clone(), function.to_owned());
        async move {
            match Runner::invoke(&runner, &function, event).await {
                Ok(invocation) if invocation.function_error.is_none() => {
                    InvokeOutcome::Succeeded(invocation.payload)
                }
                Err(InvokeError::TooManyRequests { .. }) => InvokeOutcome::Throttled,
                Err(InvokeError::Stopping) => InvokeOutcome::Stopping,
                Ok(_)
                | Err(
                    InvokeError::NoSuchFunction | InvokeError::PayloadTooLarge | InvokeError::NeverStarted,
                ) => InvokeOutcome::Failed,
            }
        }
        .boxed()
    }
}

/// The event source mappings of the local cloud. Clones share their state.
///
/// As on AWS, a batch is collected from its first message until the batching window ends or the batch is full. The
/// number of concurrent invocations is limited. Messages that the function reports as failed reappear after their
/// visibility timeout, as do all messages of a batch whose invocation fails. A throttled batch is retried until its
/// visibility timeout ends.
///
/// Differences from AWS: each mapping has one poller, which receives nothing while the concurrency limit is reached and
/// does not slow down after errors. When the local cloud stops, messages that no function has seen are returned to the
/// queue as if they had not been received. The poller waits for notifications instead of polling at intervals.
#[derive(Clone)]
pub(crate) struct EventSourceMappings {
    inner: Arc<Inner>,
}

struct Inner {
    queues: Queues,
    invoker: Arc<dyn Invoker>,
    running: Mutex<HashMap<String, RunningMapping>>,
}

struct RunningMapping {
    stop: CancellationToken,
    task: JoinHandle<()>,
    slots: Arc<InvocationSlots>,
}

/// The state that a poller shares with its invocations.
#[derive(Clone)]
struct QueuePoller {
    queues: Queues,
    invoker: Arc<dyn Invoker>,
    spec: Arc<EventSourceMappingSpec>,
    slots: Arc<InvocationSlots>,
    stop: CancellationToken,
}

impl EventSourceMappings {
    pub(crate) fn new(queues: Queues, invoker: Arc<dyn Invoker>) -> Self {
        Self { inner: Arc::new(Inner { queues, invoker, running: Mutex::default() }) }
    }

    /// Creates or updates a mapping. Running invocations continue and count against the new concurrency limit.
    pub(crate) async fn put(&self, name: &str, spec: &EventSourceMappingSpec) {
        let slots = self.stop_poller(name).await.unwrap_or_default();
        slots.set_limit(usize::try_from(spec.max_concurrency).unwrap_or(usize::MAX).max(1));
        let stop = CancellationToken::new();
        let poller = QueuePoller {
            queues: self.inner.queues.clone(),
            invoker: Arc::clone(&self.inner.invoker),
            spec: Arc::new(spec.clone()),
            slots: Arc::clone(&slots),
            stop: stop.clone(),
        };
        let enabled = spec.enabled;
        let task = tokio::spawn(async move {
            if enabled {
                poller.poll().await;
            }
        });
        lock(&self.inner.running).insert(name.to_owned(), RunningMapping { stop, task, slots });
    }

    /// Deletes a mapping. Running invocations continue.
    pub(crate) async fn delete(&self, name: &str) {
        self.stop_poller(name).await;
    }

    /// Stops all pollers. The messages that they have collected are returned to the queues.
    pub(crate) fn stop(&self) {
        lock(&self.inner.running).values().for_each(|running| running.stop.cancel());
    }

    /// Waits until all invocations have ended and their results are written.
    pub(crate) async fn drain(&self) {
        let all: Vec<_> = lock(&self.inner.running).drain().map(|(_, running)| running).collect();
        for RunningMapping { task, slots, .. } in all {
            drop(task.await);
            slots.wait_until_idle().await;
        }
        self.inner.queues.flush().await;
    }

    async fn stop_poller(&self, name: &str) -> Option<Arc<InvocationSlots>> {
        let RunningMapping { stop, task, slots } = lock(&self.inner.running).remove(name)?;
        stop.cancel();
        drop(task.await);
        Some(slots)
    }
}

impl QueuePoller {
    async fn poll(self) {
        loop {
            let batch = async {
                // Receives nothing until the function can be invoked at once.
                let slot = Arc::clone(&self.slots).acquire().await;
                (slot, self.next_batch().await)
            };
            let Some((slot, batch)) = self.stop.run_until_cancelled(batch).await else { return };
            tokio::spawn(self.clone().process(batch, slot));
        }
    }

    /// Invokes the function with a batch and deletes the messages that the function processed.
    async fn process(self, batch: MessageBatch, slot: InvocationSlot) {
        let event = batch.event();
        let arn = self.spec.function_arn.get().map(String::as_str).unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        let outcome = loop {
            let outcome = self.invoker.invoke(function_name(arn), event.clone()).await;
            if outcome != InvokeOutcome::Throttled || Instant::now() + pause >= batch.visible_again_at {
                break outcome;
            }
            if tokio::time::timeout(pause, self.stop.cancelled()).await.is_ok() {
                break InvokeOutcome::Stopping;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        match outcome {
            // No function has seen the messages. Dropping the batch returns them to the queue.
            InvokeOutcome::Stopping => drop(batch),
            InvokeOutcome::Succeeded(response) => {
                let succeeded = self.succeeded(&response, batch.into_receipts());
                // If the deletion fails, the messages reappear after their visibility timeout.
                drop(self.queues.delete_messages(succeeded).await);
            }
            // The messages reappear after their visibility timeout.
            InvokeOutcome::Failed | InvokeOutcome::Throttled => drop(batch.into_receipts()),
        }
        drop(slot);
    }

    /// Returns the receipts of the messages that the function processed successfully.
    fn succeeded(&self, response: &[u8], mut all: Vec<Receipt>) -> Vec<Receipt> {
        if !self.spec.reports_failures {
            return all;
        }
        let is_in_batch = |id: &str| all.iter().any(|receipt| receipt.belongs_to(id));
        match batch_response::failed_ids(response, is_in_batch) {
            Some(failed) => {
                all.retain(|receipt| !failed.iter().any(|id| receipt.belongs_to(id)));
                all
            }
            // The whole batch failed.
            None => Vec::new(),
        }
    }
}

/// Returns the function's name in the ARN of a function or of its alias.
fn function_name(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or(arn)
}

#[cfg(test)]
mod tests;
