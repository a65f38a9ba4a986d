//! SQS's standard queues on this machine, in a file that survives a SIGKILL (see `store`). `service` implements SQS's
//! protocol; this module has no HTTP.

pub(crate) mod check;
pub(crate) mod error;
mod message;
mod rows;
mod service;
mod store;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hitctl_engine::Fault;
use hitctl_resources::{AllowedSender, QueueSpec};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use message::{
    MessageAttributeValue, MessageAttributes, NewMessage, QueueMessage, Receipt, SendMessageResult,
    md5_of_attributes,
};
pub(crate) use rows::{MessageCounts, VisibilityChange};
use rows::{QueueParams, ReceiveOutcome};
use store::MessageStore;
pub(crate) use store::QueueStoreError;

use crate::blocking::run_blocking;
use crate::codes;
use crate::lock::{read, write};
use crate::sqlite;

/// The minimum time between two removals of expired messages from a queue, in milliseconds.
const SWEEP_MS: i64 = 60_000;

/// A clock that returns the time in milliseconds since the Unix epoch. Tests pass their own clock.
pub(crate) type NowFn = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The queues of the local cloud. Clones share their state.
///
/// As on AWS, a received message is hidden for the visibility timeout and reappears unless it is deleted. A message
/// that was received too often moves to the dead-letter queue at its next receive. Messages older than the retention
/// period are deleted.
///
/// Differences from AWS: messages arrive in the order in which they were sent, there are no random duplicates, message
/// counts are exact, and a purge is complete when it is acknowledged.
#[derive(Clone)]
pub(crate) struct Queues {
    inner: Arc<Inner>,
}

struct Inner {
    store: MessageStore,
    path: PathBuf,
    /// The URL of the endpoint. Queue URLs begin with it.
    base_url: String,
    now: NowFn,
    queues: RwLock<HashMap<String, Arc<Queue>>>,
    /// Notified when a queue is created or deleted.
    changed: Notify,
    stop: CancellationToken,
}

/// A queue of the local cloud.
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created_ms: i64,
    id: i64,
    spec: RwLock<Arc<QueueSpec>>,
    /// Notified when further messages may have become visible.
    arrived: Notify,
    last_sweep_ms: AtomicI64,
}

impl Queue {
    /// Returns the current settings.
    pub(crate) fn spec(&self) -> Arc<QueueSpec> {
        Arc::clone(&read(&self.spec))
    }

    /// Returns whether expired messages are due for removal, and if so restarts the interval.
    fn sweep_is_due(&self, now: i64) -> bool {
        let due = now - self.last_sweep_ms.load(Ordering::Relaxed) >= SWEEP_MS;
        if due {
            self.last_sweep_ms.store(now, Ordering::Relaxed);
        }
        due
    }
}

/// Received messages. Dropping the batch returns them to the queue; [`ReceivedBatch::into_messages`] prevents this.
pub(crate) struct ReceivedBatch {
    queues: Queues,
    queue: Arc<Queue>,
    messages: Vec<QueueMessage>,
}

impl ReceivedBatch {
    /// Returns the messages. From then on they reappear in the queue only after the visibility timeout.
    pub(crate) fn into_messages(mut self) -> Vec<QueueMessage> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for ReceivedBatch {
    fn drop(&mut self) {
        if !self.messages.is_empty() {
            self.queues.release(&self.queue, self.messages.iter().map(QueueMessage::receipt).collect());
        }
    }
}

/// The options of a receive.
pub(crate) struct ReceiveOptions {
    /// The maximum number of messages.
    pub(crate) max: usize,
    /// The visibility timeout, in seconds; `None` means the timeout in the queue's settings.
    pub(crate) visibility_timeout_s: Option<u32>,
    /// The maximum time to wait for the first message.
    pub(crate) wait: Duration,
}

impl Queues {
    /// Opens or creates the file `path`. `base_url` is the endpoint of the queues. Must be called within a tokio
    /// runtime.
    pub(crate) fn open(path: &Path, base_url: String, now: NowFn) -> Result<Self, Fault> {
        let (queues, changed, stop) = (RwLock::default(), Notify::new(), CancellationToken::new());
        let store = MessageStore::open(path)?;
        let inner = Inner { store, path: path.to_owned(), base_url, now, queues, changed, stop };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Creates a queue or updates its settings. An update keeps the messages.
    pub(crate) async fn put(&self, name: &str, arn: String, spec: &QueueSpec) -> Result<Arc<Queue>, Fault> {
        check::queue_settings(name, spec)?;
        if let Some(queue) = self.get(name) {
            *write(&queue.spec) = Arc::new(spec.clone());
            // Waiting receives continue with the new settings.
            queue.arrived.notify_waiters();
            return Ok(queue);
        }
        let (now, queue_name) = ((self.inner.now)(), name.to_owned());
        let created = self.inner.store.run(move |db| rows::get_or_create_queue(db, &queue_name, now)).await;
        let (id, created_ms) = created.map_err(|error| error.fault("create", name, &self.inner.path))?;
        let path = self.inner.path.clone();
        run_blocking(move || sqlite::sync(&path)).await?;
        let queue = Arc::new(Queue {
            name: name.to_owned(),
            arn,
            created_ms,
            id,
            spec: RwLock::new(Arc::new(spec.clone())),
            arrived: Notify::new(),
            last_sweep_ms: AtomicI64::new(0),
        });
        write(&self.inner.queues).insert(name.to_owned(), Arc::clone(&queue));
        self.inner.changed.notify_waiters();
        Ok(queue)
    }

    /// Deletes a queue and its messages.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Fault> {
        let queue_name = name.to_owned();
        let removed = self.inner.store.run(move |db| rows::delete_queue(db, &queue_name)).await;
        removed.map_err(|error| error.fault("delete", name, &self.inner.path))?;
        if let Some(queue) = write(&self.inner.queues).remove(name) {
            queue.arrived.notify_waiters();
        }
        self.inner.changed.notify_waiters();
        Ok(())
    }

    /// Returns the names of all queues in the file, including those without a [`Queues::put`] since the file was
    /// opened.
    pub(crate) async fn stored_names(&self) -> Result<BTreeSet<String>, Fault> {
        let path = self.inner.path.clone();
        self.inner.store.run(rows::queue_names).await.map_err(|error| {
            Fault::fatal(codes::STATE_CORRUPT, format!("failed to read the queues in {}", path.display()))
                .caused_by(error)
        })
    }

    /// Returns the queue with that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Queue>> {
        read(&self.inner.queues).get(name).cloned()
    }

    /// Returns the queue with that ARN.
    pub(crate) fn by_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        self.get(arn.rsplit(':').next()?).filter(|queue| queue.arn == arn)
    }

    /// Returns the queue with that URL. Ignores the host and port, because the endpoint's port may have changed.
    pub(crate) fn by_url(&self, url: &str) -> Option<Arc<Queue>> {
        let (rest, name) = url.rsplit_once('/')?;
        let account = rest.rsplit('/').next()?;
        (account == crate::constants::ACCOUNT).then(|| self.get(name)).flatten()
    }

    /// Returns all queues, sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        let mut all: Vec<_> = read(&self.inner.queues).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Returns the URL of a queue.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.inner.base_url, crate::constants::ACCOUNT)
    }

    /// Waits until a queue with that ARN exists and returns it.
    pub(crate) async fn wait_for_queue(&self, arn: &str) -> Arc<Queue> {
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if let Some(queue) = self.by_arn(arn) {
                return queue;
            }
            changed.await;
        }
    }

    /// Returns whether the queue's policy allows `service` to send messages on behalf of `source_arn`. Senders with a
    /// role need no policy.
    pub(crate) fn allows(queue: &Queue, service: &str, source_arn: &str) -> bool {
        let sender = AllowedSender { service: service.to_owned(), source_arn: source_arn.to_owned() };
        queue.spec().senders.contains(&sender)
    }

    /// Sends messages to a queue. Once this returns, they survive a SIGKILL.
    pub(crate) async fn send(
        &self,
        queue: &Arc<Queue>,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<SendMessageResult>, QueueStoreError> {
        let (now, params) = self.params(queue);
        let sent = self.inner.store.run(move |db| {
            rows::delete_expired(db, &params, now)?;
            rows::send(db, params.queue_id, &messages, now)
        });
        let sent = sent.await?;
        queue.arrived.notify_waiters();
        Ok(sent)
    }

    /// Receives messages. If none is visible, waits for the first one.
    pub(crate) async fn receive(
        &self,
        queue: &Arc<Queue>,
        options: ReceiveOptions,
    ) -> Result<ReceivedBatch, QueueStoreError> {
        self.receive_while(queue, options, || |_: &QueueMessage| true).await
    }

    /// Works as [`Queues::receive`], but stops before the first message for which the predicate returns `false`. `fits`
    /// creates a predicate for each attempt.
    pub(crate) async fn receive_while<F: FnMut(&QueueMessage) -> bool + Send + 'static>(
        &self,
        queue: &Arc<Queue>,
        options: ReceiveOptions,
        fits: impl Fn() -> F,
    ) -> Result<ReceivedBatch, QueueStoreError> {
        let until = Instant::now() + options.wait;
        loop {
            let arrived = queue.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            // From this point on no arrival is missed.
            arrived.as_mut().enable();
            let (batch, has_more, next_visible_ms) = self.try_receive(queue, &options, fits()).await?;
            if !batch.messages.is_empty()
                || has_more
                || self.inner.stop.is_cancelled()
                || Instant::now() >= until
            {
                return Ok(batch);
            }
            let next = next_visible_ms.map(|next| {
                let remaining = u64::try_from(next - (self.inner.now)()).unwrap_or(0).max(1);
                Instant::now() + Duration::from_millis(remaining)
            });
            let wake = next.map_or(until, |next| next.min(until));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
                () = self.inner.stop.cancelled() => return Ok(batch),
            }
            // The queue was deleted, and perhaps created again, during the wait.
            if self.get(&queue.name).is_none_or(|current| current.id != queue.id) {
                return Ok(batch);
            }
        }
    }

    /// Receives the messages that are visible now. Also returns whether the predicate rejected a message and, if none
    /// was received, when the next message becomes visible, in milliseconds since the Unix epoch.
    async fn try_receive(
        &self,
        queue: &Arc<Queue>,
        options: &ReceiveOptions,
        mut fits: impl FnMut(&QueueMessage) -> bool + Send + 'static,
    ) -> Result<(ReceivedBatch, bool, Option<i64>), QueueStoreError> {
        let (now, params) = self.params(queue);
        let seconds = options.visibility_timeout_s.unwrap_or_else(|| queue.spec().visibility_timeout_s);
        let (visibility_ms, max) = (i64::from(seconds) * 1000, options.max);
        let (queues, batch_queue) = (self.clone(), Arc::clone(queue));
        let received = self.inner.store.run(move |db| {
            rows::delete_expired(db, &params, now)?;
            let ReceiveOutcome { messages, moved_to_dlq, has_more, next_visible_ms } =
                rows::receive(db, &params, now, visibility_ms, max, &mut fits)?;
            Ok((
                ReceivedBatch { queues, queue: batch_queue, messages },
                moved_to_dlq,
                has_more,
                next_visible_ms,
            ))
        });
        let (batch, moved_to_dlq, has_more, next_visible_ms) = received.await?;
        if moved_to_dlq && let Some(dlq) = self.dead_letter_queue(queue) {
            dlq.arrived.notify_waiters();
        }
        Ok((batch, has_more, next_visible_ms))
    }

    /// Deletes received messages. Messages that no longer exist are not an error.
    pub(crate) async fn delete_messages(&self, receipts: Vec<Receipt>) -> Result<(), QueueStoreError> {
        self.inner.store.run(move |db| rows::delete_messages(db, &receipts)).await
    }

    /// Sets the visibility timeouts of received messages, in seconds from now.
    pub(crate) async fn change_visibility(
        &self,
        queue: &Arc<Queue>,
        changes: Vec<(Receipt, u32)>,
    ) -> Result<Vec<VisibilityChange>, QueueStoreError> {
        let now = (self.inner.now)();
        let results = self.inner.store.run(move |db| {
            let apply = |(receipt, seconds): &(Receipt, u32)| {
                rows::change_visibility(db, receipt, now, i64::from(*seconds) * 1000)
            };
            changes.iter().map(apply).collect::<rusqlite::Result<Vec<VisibilityChange>>>()
        });
        let results = results.await?;
        queue.arrived.notify_waiters();
        Ok(results)
    }

    /// Returns messages to the queue as if they had not been received. Must not be called if a consumer has seen them.
    pub(crate) fn release(&self, queue: &Arc<Queue>, receipts: Vec<Receipt>) {
        let (now, queue) = ((self.inner.now)(), Arc::clone(queue));
        // If this fails, the messages reappear after the visibility timeout.
        drop(self.inner.store.submit(move |db| {
            let released = rows::release(db, &receipts, now);
            queue.arrived.notify_waiters();
            released
        }));
    }

    /// Deletes all messages of a queue.
    pub(crate) async fn purge(&self, queue: &Arc<Queue>) -> Result<(), QueueStoreError> {
        let id = queue.id;
        self.inner.store.run(move |db| rows::purge(db, id)).await
    }

    /// Returns the current message counts of a queue.
    pub(crate) async fn depth(&self, queue: &Arc<Queue>) -> Result<MessageCounts, QueueStoreError> {
        let (now, params) = self.params(queue);
        let depth = self.inner.store.run(move |db| {
            rows::delete_expired(db, &params, now)?;
            rows::depth(db, params.queue_id, now)
        });
        depth.await
    }

    /// Ends all waiting receives. Later receives do not wait.
    pub(crate) fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// Waits until all work submitted earlier is committed.
    pub(crate) async fn flush(&self) {
        drop(self.inner.store.run(|_| Ok(())).await);
    }

    /// Returns the dead-letter queue of a queue. If there is none, messages remain in the queue after any number of
    /// receives.
    fn dead_letter_queue(&self, queue: &Queue) -> Option<Arc<Queue>> {
        self.by_arn(queue.spec().redrive.as_ref()?.dead_letter_arn.get()?)
    }

    /// Returns the current time and the parameters of a queue for a transaction.
    fn params(&self, queue: &Queue) -> (i64, QueueParams) {
        let now = (self.inner.now)();
        let spec = queue.spec();
        let limit = spec.redrive.as_ref().map(|redrive| redrive.max_receive_count);
        let params = QueueParams {
            queue_id: queue.id,
            arn: queue.arn.clone(),
            retention_ms: i64::from(spec.retention_s) * 1000,
            redrive: self.dead_letter_queue(queue).map(|dlq| dlq.id).zip(limit),
            expire_due: queue.sweep_is_due(now),
        };
        (now, params)
    }
}

#[cfg(test)]
mod tests;
