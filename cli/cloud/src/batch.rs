//! Batched calls: splits entries into batches of bounded size, retries throttled entries, and collects one
//! result per entry.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hitctl_engine::{Address, DriverContext, EventSink, Fault, FaultKind, RetryPolicy};
use tokio_util::sync::CancellationToken;

/// The maximum number of entries in one call.
pub(super) const MAX_ENTRIES: usize = 10;
/// How long entries that were rejected with a transient error are retried.
const RETRY_TIME: Duration = Duration::from_secs(30);

/// Splits entries into batches and keeps their order. `fits` returns whether a call may have the given
/// number of bytes.
pub(super) fn batches<T>(
    entries: &[T],
    bytes: impl Fn(&T) -> usize,
    fits: impl Fn(usize) -> bool,
) -> Vec<&[T]> {
    let (mut batches, mut start, mut sum) = (Vec::new(), 0, 0);
    for (n, entry) in entries.iter().enumerate() {
        let full = n - start == MAX_ENTRIES || !fits(sum + bytes(entry));
        if full && n > start {
            batches.push(&entries[start..n]);
            (start, sum) = (n, 0);
        }
        sum += bytes(entry);
    }
    batches.extend(Some(&entries[start..]).filter(|remaining| !remaining.is_empty()));
    batches
}

/// The results of one call, by the index of the entry.
#[derive(Debug)]
pub(super) struct BatchCallResults<T> {
    /// The results of the entries that the service accepted or finally rejected.
    pub(super) completed: Vec<(usize, Result<T, Fault>)>,
    /// The transient fault of the remaining entries. They are sent again.
    pub(super) retry_reason: Option<Fault>,
}

/// A sender that repeats entries until the service has accepted or rejected each of them.
pub(super) struct BatchSender<'a> {
    /// The resource that the entries are sent to.
    pub(super) address: Address,
    pub(super) stop: &'a CancellationToken,
    /// The progress text, such as "sending messages".
    pub(super) progress_text: &'static str,
    /// The fault for a call whose response leaves out an entry.
    pub(super) missing_result: Fault,
    /// The message of the fault for an entry that was never sent.
    pub(super) unsent_message: &'static str,
}

impl BatchSender<'_> {
    /// Sends `count` entries and returns the result of each. Entries that are rejected with a transient error
    /// are retried for 30 seconds. `send` makes one call with the entries of the given indexes.
    pub(super) async fn send_all<T, F, Fut>(self, count: usize, send: F) -> Vec<Result<T, Fault>>
    where
        T: Clone + Send,
        F: Fn(Vec<usize>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<BatchCallResults<T>, Fault>> + Send,
    {
        let Self { address, stop, progress_text, missing_result, unsent_message } = self;
        let results: Mutex<Vec<Option<Result<T, Fault>>>> = Mutex::new(vec![None; count]);
        let cx = DriverContext::new(address, EventSink::none(), stop.clone());
        let retry_policy = RetryPolicy::with_budget(RETRY_TIME);
        let all_sent = cx.retry(&retry_policy, progress_text, || async {
            let pending = {
                let results = results.lock().unwrap_or_else(PoisonError::into_inner);
                (0..count).filter(|index| results[*index].is_none()).collect()
            };
            let call = send(pending).await?;
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            for (index, result) in call.completed {
                if let Some(slot) = results.get_mut(index) {
                    *slot = Some(result);
                }
            }
            match call.retry_reason {
                Some(retry_reason) => Err(retry_reason),
                None if results.iter().all(Option::is_some) => Ok(()),
                None => Err(missing_result.clone()),
            }
        });
        let all_sent = all_sent.await;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unsent_fault = all_sent.err().unwrap_or_else(|| Fault::fatal("unanswered", unsent_message));
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(unsent_fault.clone()))).collect()
    }
}

/// Returns the fault as fatal, so that the call is not retried.
pub(super) fn not_retryable(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Fatal, ..fault }
}
