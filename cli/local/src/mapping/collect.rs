//! Collects batches: from the first message until the batch or the event is full, or the batching window ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{QueuePoller, event};
use crate::lock::lock;
use crate::queue::{Queue, QueueMessage, Queues, Receipt, ReceiveOptions};

/// The maximum duration of one receive while waiting for the first message. The receive is repeated until a message
/// arrives.
const WAIT_STEP: Duration = Duration::from_hours(1);
/// The maximum size of an invocation's event, in bytes: 6 MB.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// Messages received from a queue. Dropping the batch returns them to the queue as if they had not been received.
pub(super) struct MessageBatch {
    queues: Queues,
    queue: Arc<Queue>,
    receipts: Vec<Receipt>,
    records: Vec<String>,
    /// The time at which the first of the messages becomes visible again.
    pub(super) visible_again_at: Instant,
}

impl MessageBatch {
    /// Returns the event for the function.
    pub(super) fn event(&self) -> Bytes {
        event::from_records(&self.records)
    }

    /// Returns the receipts. From then on the messages reappear after the visibility timeout, unless they are deleted.
    pub(super) fn into_receipts(mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts)
    }
}

impl Drop for MessageBatch {
    fn drop(&mut self) {
        if !self.receipts.is_empty() {
            self.queues.release(&self.queue, std::mem::take(&mut self.receipts));
        }
    }
}

/// The free space in an event, and the records that were added since the last receive.
struct EventBuffer {
    free_bytes: usize,
    /// Whether a message did not fit into the event.
    full: bool,
    records: Vec<String>,
}

impl QueuePoller {
    /// Collects the next batch. Dropping the future returns its messages to the queue.
    pub(super) async fn next_batch(&self) -> MessageBatch {
        let arn = self.spec.queue_arn.get().map(String::as_str).unwrap_or_default();
        let size = usize::try_from(self.spec.batch_size).unwrap_or(1).max(1);
        let buffer = EventBuffer {
            free_bytes: MAX_EVENT_BYTES - event::OVERHEAD_BYTES,
            full: false,
            records: Vec::new(),
        };
        let buffer = Arc::new(Mutex::new(buffer));
        let mut batch = loop {
            let queue = self.queues.wait_for_queue(arn).await;
            let visibility_timeout = Duration::from_secs(u64::from(queue.spec().visibility_timeout_s));
            let mut batch = MessageBatch {
                queues: self.queues.clone(),
                queue,
                receipts: Vec::new(),
                records: Vec::new(),
                visible_again_at: Instant::now(),
            };
            self.receive_into(&mut batch, &buffer, size, WAIT_STEP).await;
            if !batch.receipts.is_empty() {
                batch.visible_again_at = Instant::now() + visibility_timeout;
                break batch;
            }
        };
        let window_end = Instant::now() + Duration::from_secs(u64::from(self.spec.window_s));
        while batch.receipts.len() < size && !lock(&buffer).full {
            let remaining = window_end.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                break;
            }
            self.receive_into(&mut batch, &buffer, size, remaining).await;
        }
        batch
    }

    async fn receive_into(
        &self,
        batch: &mut MessageBatch,
        buffer: &Arc<Mutex<EventBuffer>>,
        size: usize,
        wait: Duration,
    ) {
        let arn = batch.queue.arn.clone();
        let fits = || {
            let (buffer, arn) = (Arc::clone(buffer), arn.clone());
            move |message: &QueueMessage| {
                let record = event::record(message, &arn);
                let mut buffer = lock(&buffer);
                // `<` leaves space for the comma after the record.
                let fits = record.len() < buffer.free_bytes;
                if fits {
                    buffer.free_bytes -= record.len() + 1;
                    buffer.records.push(record);
                } else {
                    buffer.full = true;
                }
                fits
            }
        };
        let options = ReceiveOptions { max: size - batch.receipts.len(), visibility_timeout_s: None, wait };
        if let Ok(received) = self.queues.receive_while(&batch.queue, options, fits).await {
            batch.receipts.extend(received.into_messages().iter().map(QueueMessage::receipt));
            batch.records.append(&mut lock(buffer).records);
        } else {
            // The receive failed, for example on a full disk. Pause before the next one.
            lock(buffer).records.clear();
            crate::clock::sleep(Duration::from_secs(1)).await;
        }
    }
}
