//! Reports of hosts that take long to answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The time between two reports of the same host.
const REPEAT: Duration = Duration::from_secs(30);

/// Reports hosts that take long to answer.
#[derive(Clone)]
pub struct SlowCalls {
    patience: Duration,
    report: Arc<dyn Fn(&str) + Send + Sync>,
}

impl SlowCalls {
    /// Calls `report` with the host when an answer has not come within `patience`, and again every 30 seconds.
    pub fn new(patience: Duration, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { patience, report: Arc::new(report) }
    }

    /// Waits for the answer of a host.
    pub(crate) async fn watch<T>(self, host: String, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        let mut patience = self.patience;
        loop {
            match tokio::time::timeout(patience, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => (self.report)(&host),
            }
            patience = REPEAT;
        }
    }
}

impl fmt::Debug for SlowCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCalls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// The reports while an answer takes 20 milliseconds.
    async fn reports(patience: Duration) -> Vec<String> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let slow_calls = SlowCalls::new(patience, {
            let found = Arc::clone(&found);
            move |host| found.lock().unwrap().push(host.to_owned())
        });
        let answer = std::future::pending::<()>();
        slow_calls
            .watch("a".to_owned(), tokio::time::timeout(Duration::from_millis(20), answer))
            .await
            .unwrap_err();
        found.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn only_late_answers_are_reported() {
        assert_eq!(reports(Duration::from_mins(1)).await, Vec::<String>::new());
        assert_eq!(reports(Duration::ZERO).await, ["a"]);
    }
}
