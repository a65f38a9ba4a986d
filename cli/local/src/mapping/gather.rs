//! A batch: gathered from its first message on, until it is full, or as large as an event may be, or the window is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Poller, event};
use crate::lock::lock;
use crate::queue::{Message, Queue, Queues, Receipt, Wish};

/// How long to wait for a first message before asking again: for ever, in steps that no clock minds.
const LONG: Duration = Duration::from_hours(1);
/// The largest event of an invocation, in bytes: 6 MB.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// Messages that were taken off a queue. Dropped, they go back as if they had not been.
pub(super) struct Gathered {
    queues: Queues,
    queue: Arc<Queue>,
    receipts: Vec<Receipt>,
    records: Vec<String>,
    /// When the first of them comes back.
    pub(super) until: Instant,
}

impl Gathered {
    /// The event that the function gets.
    pub(super) fn event(&self) -> Bytes {
        event::of(&self.records)
    }

    /// Takes the messages: from here on they come back when their time is up, unless they are deleted.
    pub(super) fn keep(mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if !self.receipts.is_empty() {
            self.queues.release(&self.queue, std::mem::take(&mut self.receipts));
        }
    }
}

/// What is left of an event, and the records that are in it since the last receive.
struct Room {
    left: usize,
    full: bool,
    records: Vec<String>,
}

impl Poller {
    /// Gathers a batch. Dropping this puts back what it has.
    pub(super) async fn gather(&self) -> Gathered {
        let arn = self.spec.queue_arn.get().map(String::as_str).unwrap_or_default();
        let size = usize::try_from(self.spec.batch_size).unwrap_or(1).max(1);
        let room = Room { left: MAX_EVENT - event::EMPTY, full: false, records: Vec::new() };
        let room = Arc::new(Mutex::new(room));
        let mut gathered = loop {
            let queue = self.queues.wait_for(arn).await;
            let hidden = Duration::from_secs(u64::from(queue.spec().visibility_timeout_s));
            let mut gathered = Gathered {
                queues: self.queues.clone(),
                queue,
                receipts: Vec::new(),
                records: Vec::new(),
                until: Instant::now(),
            };
            self.take(&mut gathered, &room, size, LONG).await;
            if !gathered.receipts.is_empty() {
                gathered.until = Instant::now() + hidden;
                break gathered;
            }
        };
        let end = Instant::now() + Duration::from_secs(u64::from(self.spec.window_s));
        while gathered.receipts.len() < size && !lock(&room).full {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.take(&mut gathered, &room, size, left).await;
        }
        gathered
    }

    async fn take(&self, gathered: &mut Gathered, room: &Arc<Mutex<Room>>, size: usize, wait: Duration) {
        let arn = gathered.queue.arn.clone();
        let fits = || {
            let (room, arn) = (Arc::clone(room), arn.clone());
            move |message: &Message| {
                let record = event::record(message, &arn);
                let mut room = lock(&room);
                // And the comma after it.
                let fits = record.len() < room.left;
                if fits {
                    room.left -= record.len() + 1;
                    room.records.push(record);
                } else {
                    room.full = true;
                }
                fits
            }
        };
        let wish = Wish { max: size - gathered.receipts.len(), hidden_s: None, wait };
        if let Ok(batch) = self.queues.receive_fitting(&gathered.queue, wish, fits).await {
            gathered.receipts.extend(batch.take().iter().map(Message::receipt));
            gathered.records.append(&mut lock(room).records);
        } else {
            // A disk that is full, for instance: it may have space again in a while.
            lock(room).records.clear();
            crate::clock::pause(Duration::from_secs(1)).await;
        }
    }
}
