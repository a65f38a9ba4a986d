//! What several ask at the same time is asked once: a survey reads everything at once, and some of it lies in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use hitctl_engine::Fault;

type Question<T> = BoxFuture<'static, Result<T, Fault>>;

/// Questions that are under way, by what they are about. Nothing is kept: who asks when the answer is there asks anew, so that
/// no answer is older than the question.
pub(crate) struct SingleFlight<K, T>(Mutex<BTreeMap<K, WeakShared<Question<T>>>>);

impl<K: Ord, T: Clone> SingleFlight<K, T> {
    /// The answer to the question about `key` that is under way, or else to this one.
    pub(crate) fn ask(&self, key: K, question: impl FnOnce() -> Question<T>) -> Shared<Question<T>> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = under_way.get(&key).and_then(WeakShared::upgrade).filter(|same| same.peek().is_none());
        same.unwrap_or_else(|| {
            let asked = question().shared();
            under_way.extend(asked.downgrade().map(|weak| (key, weak)));
            asked
        })
    }
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::{pending, ready};

    use super::*;

    #[test]
    fn who_asks_at_once_gets_one_answer_and_who_asks_later_a_new_one() {
        let (together, asked) = (SingleFlight::<&str, u32>::default(), AtomicU32::new(0));
        let ask = |key| {
            let number = || ready(Ok(asked.fetch_add(1, Ordering::SeqCst))).boxed();
            together.ask(key, number)
        };
        let (first, second, other) = (ask("a"), ask("a"), ask("b"));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one a key");
        assert_eq!((first.now_or_never(), second.clone().now_or_never()), (Some(Ok(0)), Some(Ok(0))));
        assert_eq!(other.now_or_never(), Some(Ok(1)));
        // One answer is still held by somebody, and is no answer to this.
        assert_eq!(ask("a").now_or_never(), Some(Ok(2)));
        assert_eq!(second.now_or_never(), Some(Ok(0)));
    }

    #[test]
    fn a_question_that_nobody_waits_for_any_more_is_asked_anew() {
        let together = SingleFlight::<&str, u32>::default();
        let given_up = together.ask("a", || pending().boxed());
        assert_eq!(given_up.clone().now_or_never(), None);
        drop(given_up);
        assert_eq!(together.ask("a", || ready(Ok(1)).boxed()).now_or_never(), Some(Ok(1)));
    }
}
