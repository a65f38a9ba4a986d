//! Event source mappings: what takes messages off a queue and gives them to a function, as Lambda's pollers do.
//!
//! As on AWS: a batch is gathered for the window, from its first message, and goes when it is full; so many run at once; what the
//! function names as failed, and everything when it failed as a whole, comes back when its visibility timeout is over. A
//! batch that is throttled is tried again until then. Different from AWS: one poller a mapping, which takes nothing while
//! there is no place for another invocation, and does not slow down after errors; what was taken and not given to the
//! function when this cloud stops is put back as if it had not been received. Waiting costs nothing: there is no polling.

mod event;
mod gather;
mod slots;
mod verdict;

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
use gather::Gathered;
use slots::{Slot, Slots};

/// The first pause after a throttle, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The function answered.
    Answered(Bytes),
    /// It failed, took too long, or is not there.
    Failed,
    /// A concurrency limit is reached; nothing ran.
    Throttled,
    /// This cloud is stopping; nothing ran.
    Stopping,
}

/// Who invokes functions.
pub(crate) trait Invoke: Send + Sync {
    /// Invokes a function by its name.
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, Outcome>;
}

impl Invoke for Runner {
    fn invoke(&self, function: &str, event: Bytes) -> BoxFuture<'static, Outcome> {
        let (this, function) = (self.clone(), function.to_owned());
        async move {
            match Runner::invoke(&this, &function, event).await {
                Ok(invocation) if invocation.function_error.is_none() => {
                    Outcome::Answered(invocation.payload)
                }
                Err(InvokeError::TooManyRequests { .. }) => Outcome::Throttled,
                Err(InvokeError::Stopping) => Outcome::Stopping,
                Ok(_)
                | Err(
                    InvokeError::NoSuchFunction | InvokeError::PayloadTooLarge | InvokeError::NeverStarted,
                ) => Outcome::Failed,
            }
        }
        .boxed()
    }
}

/// Every mapping of this cloud. Clones are the same mappings.
#[derive(Clone)]
pub(crate) struct Mappings {
    inner: Arc<Inner>,
}

struct Inner {
    queues: Queues,
    invoke: Arc<dyn Invoke>,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    slots: Arc<Slots>,
}

/// What a poller and its invocations know.
#[derive(Clone)]
struct Poller {
    queues: Queues,
    invoke: Arc<dyn Invoke>,
    spec: Arc<EventSourceMappingSpec>,
    slots: Arc<Slots>,
    stop: CancellationToken,
}

impl Mappings {
    pub(crate) fn new(queues: Queues, invoke: Arc<dyn Invoke>) -> Self {
        Self { inner: Arc::new(Inner { queues, invoke, running: Mutex::default() }) }
    }

    /// Makes a mapping, or changes it. What runs of an earlier one ends in its own time, and counts against the limit.
    pub(crate) async fn put(&self, name: &str, spec: &EventSourceMappingSpec) {
        let slots = self.end(name).await.unwrap_or_default();
        slots.limit(usize::try_from(spec.max_concurrency).unwrap_or(usize::MAX).max(1));
        let stop = CancellationToken::new();
        let poller = Poller {
            queues: self.inner.queues.clone(),
            invoke: Arc::clone(&self.inner.invoke),
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
        lock(&self.inner.running).insert(name.to_owned(), Running { stop, task, slots });
    }

    /// Removes a mapping. What runs goes on to its end.
    pub(crate) async fn delete(&self, name: &str) {
        self.end(name).await;
    }

    /// Takes no more messages, and puts back those that were gathered.
    pub(crate) fn stop(&self) {
        lock(&self.inner.running).values().for_each(|running| running.stop.cancel());
    }

    /// Returns when no invocation of a mapping runs any more, and what it answered is written.
    pub(crate) async fn settle(&self) {
        let all: Vec<_> = lock(&self.inner.running).drain().map(|(_, running)| running).collect();
        for Running { task, slots, .. } in all {
            drop(task.await);
            slots.quiet().await;
        }
        self.inner.queues.settle().await;
    }

    async fn end(&self, name: &str) -> Option<Arc<Slots>> {
        let Running { stop, task, slots } = lock(&self.inner.running).remove(name)?;
        stop.cancel();
        drop(task.await);
        Some(slots)
    }
}

impl Poller {
    async fn poll(self) {
        loop {
            let gathered = async {
                // Nothing is taken that could not be given to the function at once.
                let slot = Arc::clone(&self.slots).take().await;
                (slot, self.gather().await)
            };
            let Some((slot, gathered)) = self.stop.run_until_cancelled(gathered).await else { return };
            tokio::spawn(self.clone().give(gathered, slot));
        }
    }

    /// Gives a batch to the function, and deletes what it counted.
    async fn give(self, gathered: Gathered, slot: Slot) {
        let event = gathered.event();
        let arn = self.spec.function_arn.get().map(String::as_str).unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        let outcome = loop {
            let outcome = self.invoke.invoke(function_of(arn), event.clone()).await;
            if outcome != Outcome::Throttled || Instant::now() + pause >= gathered.until {
                break outcome;
            }
            if tokio::time::timeout(pause, self.stop.cancelled()).await.is_ok() {
                break Outcome::Stopping;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        match outcome {
            // Nobody has seen them: they are put back.
            Outcome::Stopping => drop(gathered),
            Outcome::Answered(answer) => {
                let good = self.good(&answer, gathered.keep());
                // What cannot be deleted comes back, as whatever was counted and not deleted.
                drop(self.queues.remove(good).await);
            }
            Outcome::Failed | Outcome::Throttled => drop(gathered.keep()),
        }
        drop(slot);
    }

    /// The messages that the function is done with.
    fn good(&self, answer: &[u8], mut all: Vec<Receipt>) -> Vec<Receipt> {
        if !self.spec.reports_failures {
            return all;
        }
        let known = |id: &str| all.iter().any(|receipt| receipt.is_of(id));
        match verdict::failed(answer, known) {
            Some(failed) => {
                all.retain(|receipt| !failed.iter().any(|id| receipt.is_of(id)));
                all
            }
            None => Vec::new(),
        }
    }
}

/// The name of the function whose ARN, or whose alias's, this is.
fn function_of(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or(arn)
}

#[cfg(test)]
mod tests;
