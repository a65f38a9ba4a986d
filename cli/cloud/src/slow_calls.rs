//! Watches calls, so that the user learns which host responds slowly.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The time between two reports of the same host.
const REPEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Reports hosts that respond slowly.
#[derive(Clone)]
pub struct SlowCallReporter {
    threshold: Duration,
    report: Arc<dyn Fn(&str) + Send + Sync>,
}

impl SlowCallReporter {
    /// Calls `report` with the host when a response takes longer than `threshold`, and then every 30 seconds.
    pub fn new(threshold: Duration, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { threshold, report: Arc::new(report) }
    }

    /// Waits for the response of `host`, and reports the host while it is slow.
    pub(crate) async fn watch<T>(self, host: String, response: impl Future<Output = T>) -> T {
        let mut response = std::pin::pin!(response);
        let mut threshold = self.threshold;
        loop {
            match tokio::time::timeout(threshold, &mut response).await {
                Ok(response) => return response,
                Err(_) => (self.report)(&host),
            }
            threshold = REPEAT_INTERVAL;
        }
    }
}

impl fmt::Debug for SlowCallReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCallReporter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Returns the reports during a call that takes 20 milliseconds.
    async fn reports(threshold: Duration) -> Vec<String> {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let slow_calls = SlowCallReporter::new(threshold, {
            let reported = Arc::clone(&reported);
            move |host| reported.lock().unwrap().push(host.to_owned())
        });
        let response = std::future::pending::<()>();
        slow_calls
            .watch("a".to_owned(), tokio::time::timeout(Duration::from_millis(20), response))
            .await
            .unwrap_err();
        reported.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn only_slow_responses_are_reported() {
        assert_eq!(reports(Duration::from_mins(1)).await, Vec::<String>::new());
        assert_eq!(reports(Duration::ZERO).await, ["a"]);
    }
}
