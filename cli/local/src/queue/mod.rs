//! Queues: SQS's standard queues on this machine, in a file that survives a SIGKILL (`store` says how).
//!
//! As on AWS: a message that was received is hidden for the visibility timeout and comes back unless it is deleted; one that was
//! received too often goes to the queue of dead letters when it would be received once more; what is older than the
//! retention is gone. Different from AWS: messages come in the order in which they were sent, no copy is delivered twice
//! by chance, counts are exact, and a purge is done when it is answered. `service` speaks SQS's protocol; this knows no HTTP.

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
use hitctl_resources::{QueueSpec, Sender};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use message::{Attribute, Attributes, Message, Outgoing, Receipt, Sent, md5_of_attributes};
pub(crate) use rows::{Change, Depth};
use rows::{Rules, Taken};
pub(crate) use store::Broken;
use store::Store;

use crate::blocking::blocking;
use crate::codes;
use crate::lock::{read, write};
use crate::sqlite;

/// How often what has expired is removed from a queue that is used.
const SWEEP_MS: i64 = 60_000;

/// The time in milliseconds since the Unix epoch, as tests may choose it.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Every queue of this cloud. Clones are the same queues.
#[derive(Clone)]
pub(crate) struct Queues {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    path: PathBuf,
    /// The endpoint, as in URLs of queues.
    base: String,
    now: Now,
    queues: RwLock<HashMap<String, Arc<Queue>>>,
    /// Told when a queue comes or goes.
    changed: Notify,
    stop: CancellationToken,
}

/// One queue.
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created_ms: i64,
    id: i64,
    spec: RwLock<Arc<QueueSpec>>,
    /// Told when a message can be received that could not before.
    arrived: Notify,
    swept_ms: AtomicI64,
}

impl Queue {
    /// Its settings as they are now.
    pub(crate) fn spec(&self) -> Arc<QueueSpec> {
        Arc::clone(&read(&self.spec))
    }

    /// Whether it is time to look for what has expired; said once a while.
    fn sweep_is_due(&self, now: i64) -> bool {
        let due = now - self.swept_ms.load(Ordering::Relaxed) >= SWEEP_MS;
        if due {
            self.swept_ms.store(now, Ordering::Relaxed);
        }
        due
    }
}

/// Messages that were received. Those that nobody took are put back when this is dropped.
pub(crate) struct Batch {
    queues: Queues,
    queue: Arc<Queue>,
    messages: Vec<Message>,
}

impl Batch {
    /// Takes them: from here on they come back when their time is up.
    pub(crate) fn take(mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.messages.is_empty() {
            self.queues.release(&self.queue, self.messages.iter().map(Message::receipt).collect());
        }
    }
}

/// What a receive asks for.
pub(crate) struct Wish {
    /// At most so many messages.
    pub(crate) max: usize,
    /// For how long they are hidden, in seconds; `None` for as long as the queue says.
    pub(crate) hidden_s: Option<u32>,
    /// How long to wait for the first.
    pub(crate) wait: Duration,
}

impl Queues {
    /// Opens the file. `base` is the endpoint at which the queues answer. Must be called within a tokio runtime.
    pub(crate) fn open(path: &Path, base: String, now: Now) -> Result<Self, Fault> {
        let (queues, changed, stop) = (RwLock::default(), Notify::new(), CancellationToken::new());
        let store = Store::open(path)?;
        let inner = Inner { store, path: path.to_owned(), base, now, queues, changed, stop };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a queue, or changes its settings; what is on it stays.
    pub(crate) async fn put(&self, name: &str, arn: String, spec: &QueueSpec) -> Result<Arc<Queue>, Fault> {
        check::settings(name, spec)?;
        if let Some(queue) = self.get(name) {
            *write(&queue.spec) = Arc::new(spec.clone());
            // A shorter time, or another limit, may let something out.
            queue.arrived.notify_waiters();
            return Ok(queue);
        }
        let (now, owned) = ((self.inner.now)(), name.to_owned());
        let made = self.inner.store.run(move |db| rows::queue(db, &owned, now)).await;
        let (id, created_ms) = made.map_err(|error| error.fault("make", name))?;
        let path = self.inner.path.clone();
        blocking(move || sqlite::sync(&path)).await?;
        let queue = Arc::new(Queue {
            name: name.to_owned(),
            arn,
            created_ms,
            id,
            spec: RwLock::new(Arc::new(spec.clone())),
            arrived: Notify::new(),
            swept_ms: AtomicI64::new(0),
        });
        write(&self.inner.queues).insert(name.to_owned(), Arc::clone(&queue));
        self.inner.changed.notify_waiters();
        Ok(queue)
    }

    /// Removes a queue, and what is on it.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Fault> {
        let owned = name.to_owned();
        let removed = self.inner.store.run(move |db| rows::remove(db, &owned)).await;
        removed.map_err(|error| error.fault("delete", name))?;
        if let Some(queue) = write(&self.inner.queues).remove(name) {
            queue.arrived.notify_waiters();
        }
        self.inner.changed.notify_waiters();
        Ok(())
    }

    /// The names of all queues that are in the file, whether or not they were put since it was opened.
    pub(crate) async fn stored(&self) -> Result<BTreeSet<String>, Fault> {
        let path = self.inner.path.clone();
        self.inner.store.run(rows::names).await.map_err(|error| {
            Fault::fatal(codes::STATE_CORRUPT, format!("failed to read the queues in {}", path.display()))
                .caused_by(error)
        })
    }

    /// The queue of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Queue>> {
        read(&self.inner.queues).get(name).cloned()
    }

    /// The queue of that ARN.
    pub(crate) fn by_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        self.get(arn.rsplit(':').next()?).filter(|queue| queue.arn == arn)
    }

    /// The queue of that URL, whatever its port: that may have moved.
    pub(crate) fn by_url(&self, url: &str) -> Option<Arc<Queue>> {
        let (rest, name) = url.rsplit_once('/')?;
        let account = rest.rsplit('/').next()?;
        (account == crate::constants::ACCOUNT).then(|| self.get(name)).flatten()
    }

    /// Every queue, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        let mut all: Vec<_> = read(&self.inner.queues).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Where a queue is reached.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.inner.base, crate::constants::ACCOUNT)
    }

    /// The queue of that ARN, as soon as there is one.
    pub(crate) async fn wait_for(&self, arn: &str) -> Arc<Queue> {
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if let Some(queue) = self.by_arn(arn) {
                return queue;
            }
            changed.await;
        }
    }

    /// Whether the queue's policy lets a service send that acts for that rule. Roles need no word of the queue.
    pub(crate) fn allows(queue: &Queue, service: &str, source_arn: &str) -> bool {
        let sender = Sender { service: service.to_owned(), source_arn: source_arn.to_owned() };
        queue.spec().senders.contains(&sender)
    }

    /// Puts messages on a queue. They are there, even after a SIGKILL, when this has returned.
    pub(crate) async fn send(
        &self,
        queue: &Arc<Queue>,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Sent>, Broken> {
        let (now, rules) = self.rules(queue);
        let sent = self.inner.store.run(move |db| {
            rows::expire(db, &rules, now)?;
            rows::send(db, rules.queue, &messages, now)
        });
        let sent = sent.await?;
        queue.arrived.notify_waiters();
        Ok(sent)
    }

    /// Receives messages, waiting for the first of them.
    pub(crate) async fn receive(&self, queue: &Arc<Queue>, wish: Wish) -> Result<Batch, Broken> {
        self.receive_fitting(queue, wish, || |_: &Message| true).await
    }

    /// As [`Queues::receive`], for as long as what is received fits; the first that does not fit ends it.
    pub(crate) async fn receive_fitting<F: FnMut(&Message) -> bool + Send + 'static>(
        &self,
        queue: &Arc<Queue>,
        wish: Wish,
        fits: impl Fn() -> F,
    ) -> Result<Batch, Broken> {
        let until = Instant::now() + wish.wait;
        loop {
            let arrived = queue.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            // From here on no arrival is missed.
            arrived.as_mut().enable();
            let (batch, left, next_ms) = self.take(queue, &wish, fits()).await?;
            if !batch.messages.is_empty() || left || self.inner.stop.is_cancelled() || Instant::now() >= until
            {
                return Ok(batch);
            }
            let next = next_ms.map(|next| {
                let left = u64::try_from(next - (self.inner.now)()).unwrap_or(0).max(1);
                Instant::now() + Duration::from_millis(left)
            });
            let wake = next.map_or(until, |next| next.min(until));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
                () = self.inner.stop.cancelled() => return Ok(batch),
            }
            if self.get(&queue.name).is_none_or(|now| now.id != queue.id) {
                return Ok(batch);
            }
        }
    }

    async fn take(
        &self,
        queue: &Arc<Queue>,
        wish: &Wish,
        mut fits: impl FnMut(&Message) -> bool + Send + 'static,
    ) -> Result<(Batch, bool, Option<i64>), Broken> {
        let (now, rules) = self.rules(queue);
        let seconds = wish.hidden_s.unwrap_or_else(|| queue.spec().visibility_timeout_s);
        let (hidden_ms, max) = (i64::from(seconds) * 1000, wish.max);
        let (this, of) = (self.clone(), Arc::clone(queue));
        let taken = self.inner.store.run(move |db| {
            rows::expire(db, &rules, now)?;
            let Taken { messages, moved, left, next_ms } =
                rows::receive(db, &rules, now, hidden_ms, max, &mut fits)?;
            Ok((Batch { queues: this, queue: of, messages }, moved, left, next_ms))
        });
        let (batch, moved, left, next_ms) = taken.await?;
        if moved && let Some(dead) = self.dead_letters(queue) {
            dead.arrived.notify_waiters();
        }
        Ok((batch, left, next_ms))
    }

    /// Deletes what was received. Gone already is fine.
    pub(crate) async fn remove(&self, receipts: Vec<Receipt>) -> Result<(), Broken> {
        self.inner.store.run(move |db| rows::delete(db, &receipts)).await
    }

    /// Hides messages for so many seconds from now on.
    pub(crate) async fn hide(
        &self,
        queue: &Arc<Queue>,
        wishes: Vec<(Receipt, u32)>,
    ) -> Result<Vec<Change>, Broken> {
        let now = (self.inner.now)();
        let changed = self.inner.store.run(move |db| {
            let change = |(receipt, s): &(Receipt, u32)| rows::change(db, receipt, now, i64::from(*s) * 1000);
            wishes.iter().map(change).collect::<rusqlite::Result<Vec<Change>>>()
        });
        let changed = changed.await?;
        queue.arrived.notify_waiters();
        Ok(changed)
    }

    /// Puts back what was received and seen by nobody, as if it had not been.
    pub(crate) fn release(&self, queue: &Arc<Queue>, receipts: Vec<Receipt>) {
        let (now, queue) = ((self.inner.now)(), Arc::clone(queue));
        // When it cannot be put back, it comes back when its time is up.
        drop(self.inner.store.submit(move |db| {
            let released = rows::release(db, &receipts, now);
            queue.arrived.notify_waiters();
            released
        }));
    }

    /// Removes all that is on a queue.
    pub(crate) async fn purge(&self, queue: &Arc<Queue>) -> Result<(), Broken> {
        let id = queue.id;
        self.inner.store.run(move |db| rows::purge(db, id)).await
    }

    /// What is on a queue now.
    pub(crate) async fn depth(&self, queue: &Arc<Queue>) -> Result<Depth, Broken> {
        let (now, rules) = self.rules(queue);
        let depth = self.inner.store.run(move |db| {
            rows::expire(db, &rules, now)?;
            rows::depth(db, rules.queue, now)
        });
        depth.await
    }

    /// Lets nobody wait for messages any more.
    pub(crate) fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// Returns when all that was wished before is done.
    pub(crate) async fn settle(&self) {
        drop(self.inner.store.run(|_| Ok(())).await);
    }

    /// The queue that gets what was received too often. Where it is not there, messages stay where they are.
    fn dead_letters(&self, queue: &Queue) -> Option<Arc<Queue>> {
        self.by_arn(queue.spec().redrive.as_ref()?.dead_letter_arn.get()?)
    }

    /// The time, and what a visit to the file needs to know of a queue.
    fn rules(&self, queue: &Queue) -> (i64, Rules) {
        let now = (self.inner.now)();
        let spec = queue.spec();
        let limit = spec.redrive.as_ref().map(|redrive| redrive.max_receive_count);
        let rules = Rules {
            queue: queue.id,
            arn: queue.arn.clone(),
            retention_ms: i64::from(spec.retention_s) * 1000,
            redrive: self.dead_letters(queue).map(|dead| dead.id).zip(limit),
            sweeps: queue.sweep_is_due(now),
        };
        (now, rules)
    }
}

#[cfg(test)]
mod tests;
