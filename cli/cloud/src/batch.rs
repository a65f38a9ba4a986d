//! Entries that are sent together: batches of bounded size, and the result of each entry.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hitctl_engine::{Address, Cx, Fault, FaultKind, Sink, Wait};
use tokio_util::sync::CancellationToken;

/// The most entries in one call.
pub(super) const MOST_ENTRIES: usize = 10;
/// How long entries are sent again that the service does not take for the moment.
const BUSY: Duration = Duration::from_secs(30);

/// Splits entries into batches, in their order. `fits` says whether one call may have that many bytes.
pub(super) fn batches<T>(
    entries: &[T],
    bytes: impl Fn(&T) -> usize,
    fits: impl Fn(usize) -> bool,
) -> Vec<&[T]> {
    let (mut batches, mut start, mut sum) = (Vec::new(), 0, 0);
    for (n, entry) in entries.iter().enumerate() {
        let full = n - start == MOST_ENTRIES || !fits(sum + bytes(entry));
        if full && n > start {
            batches.push(&entries[start..n]);
            (start, sum) = (n, 0);
        }
        sum += bytes(entry);
    }
    batches.extend(Some(&entries[start..]).filter(|rest| !rest.is_empty()));
    batches
}

/// The results of one call, by the numbers of the entries.
#[derive(Debug)]
pub(super) struct CallResults<T> {
    /// The entries that the service took or refused for good.
    pub(super) settled: Vec<(usize, Result<T, Fault>)>,
    /// Why the other entries have to be sent again, if the service says so.
    pub(super) busy: Option<Fault>,
}

/// Entries to be sent until the service has taken or refused each of them.
pub(super) struct Sending<'a> {
    /// The resource that they are sent to.
    pub(super) address: Address,
    pub(super) stop: &'a CancellationToken,
    /// The progress text: "sending messages".
    pub(super) doing: &'static str,
    /// The fault of the call when the service leaves out an entry.
    pub(super) unanswered: Fault,
    /// The message of the fault of an entry that was never sent.
    pub(super) unsent: &'static str,
}

impl Sending<'_> {
    /// Sends `count` entries, and returns the result of each. Entries that the service does not take for the moment are sent
    /// again for a while. `send` makes one call with the entries of the given numbers.
    pub(super) async fn send_all<T, F, Fut>(self, count: usize, send: F) -> Vec<Result<T, Fault>>
    where
        T: Clone + Send,
        F: Fn(Vec<usize>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<CallResults<T>, Fault>> + Send,
    {
        let Self { address, stop, doing, unanswered, unsent } = self;
        let results: Mutex<Vec<Option<Result<T, Fault>>>> = Mutex::new(vec![None; count]);
        let cx = Cx::new(address, Sink::none(), stop.clone());
        let busy = Wait::up_to(BUSY);
        let all_sent = cx.wait(&busy, doing, || async {
            let left = {
                let results = results.lock().unwrap_or_else(PoisonError::into_inner);
                (0..count).filter(|n| results[*n].is_none()).collect()
            };
            let call = send(left).await?;
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            for (n, result) in call.settled {
                if let Some(slot) = results.get_mut(n) {
                    *slot = Some(result);
                }
            }
            match call.busy {
                Some(busy) => Err(busy),
                None if results.iter().all(Option::is_some) => Ok(()),
                None => Err(unanswered.clone()),
            }
        });
        let all_sent = all_sent.await;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rest = all_sent.err().unwrap_or_else(|| Fault::fatal("unanswered", unsent));
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(rest.clone()))).collect()
    }
}

/// The same fault, which is not tried again.
pub(super) fn settled(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Fatal, ..fault }
}
