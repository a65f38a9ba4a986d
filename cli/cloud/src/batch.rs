//! Entries that are sent together: batches of bounded size, and what becomes of each entry.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hitctl_engine::{Address, Cx, Fault, FaultKind, Sink, Wait};
use tokio_util::sync::CancellationToken;

/// The most entries in one call.
pub(super) const MOST_ENTRIES: usize = 10;
/// How long entries are sent again that the service did not take just now.
const BUSY: Duration = Duration::from_secs(30);

/// Entries as they are sent together, in their order. `fits` says whether so many bytes may be in one call.
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

/// What became of some entries: of each, by its number, what it got or why it was refused, and why others are to be sent again.
#[derive(Debug)]
pub(super) struct Results<T> {
    pub(super) settled: Vec<(usize, Result<T, Fault>)>,
    pub(super) busy: Option<Fault>,
}

/// Sends so many entries, and says of each what became of it. What the service did not take just now is sent again for a
/// while. `send` gets the numbers of those that are left, `doing` says what is going on, and `unsent` and `unanswered` what is
/// said of entries of which nothing else is known.
pub(super) async fn send_all<T, F, Fut>(
    count: usize,
    (address, stop): (Address, &CancellationToken),
    doing: &str,
    (unsent, unanswered): (&str, Fault),
    send: F,
) -> Vec<Result<T, Fault>>
where
    T: Clone + Send,
    F: Fn(Vec<usize>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Results<T>, Fault>> + Send,
{
    let became: Mutex<Vec<Option<Result<T, Fault>>>> = Mutex::new(vec![None; count]);
    let cx = Cx::new(address, Sink::none(), stop.clone());
    let busy = Wait::up_to(BUSY);
    let all_sent = cx.wait(&busy, doing, || async {
        let left = {
            let became = became.lock().unwrap_or_else(PoisonError::into_inner);
            (0..count).filter(|n| became[*n].is_none()).collect()
        };
        let results = send(left).await?;
        let mut became = became.lock().unwrap_or_else(PoisonError::into_inner);
        for (n, result) in results.settled {
            if let Some(slot) = became.get_mut(n) {
                *slot = Some(result);
            }
        }
        match results.busy {
            Some(busy) => Err(busy),
            None if became.iter().all(Option::is_some) => Ok(()),
            None => Err(unanswered.clone()),
        }
    });
    let all_sent = all_sent.await;
    let became = became.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rest = all_sent.err().unwrap_or_else(|| Fault::fatal("unanswered", unsent));
    became.into_iter().map(|one| one.unwrap_or_else(|| Err(rest.clone()))).collect()
}

/// A fault that is not tried again here.
pub(super) fn settled(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Fatal, ..fault }
}
