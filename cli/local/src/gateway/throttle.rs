//! The throttle of a stage: a token bucket. A rate or a burst of zero rejects every request, as on AWS.

use std::sync::Mutex;
use std::time::Instant;

use hitctl_resources::Throttle;

use crate::lock::lock;

/// A bucket of `burst` tokens that fills at `rate_per_second`.
#[derive(Debug)]
pub(super) struct TokenBucket {
    settings: Throttle,
    /// The number of tokens, and the time at which it was calculated.
    state: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// Returns a full bucket, or a copy of `previous` if its settings are the same.
    pub(super) fn new(settings: &Throttle, previous: Option<&Self>, now: Instant) -> Self {
        let state = previous
            .filter(|previous| previous.settings == *settings)
            .map_or((f64::from(settings.burst), now), |previous| *lock(&previous.state));
        Self { settings: settings.clone(), state: Mutex::new(state) }
    }

    /// Takes a token. Returns whether there was one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let (tokens, filled_at) = *state;
        let gained =
            now.saturating_duration_since(filled_at).as_secs_f64() * self.settings.rate_per_second.max(0.0);
        let tokens = (tokens + gained).min(f64::from(self.settings.burst));
        let is_allowed = tokens >= 1.0 && self.settings.rate_per_second > 0.0;
        *state = (if is_allowed { tokens - 1.0 } else { tokens }, filled_at.max(now));
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tokens_taken(bucket: &TokenBucket, now: Instant) -> usize {
        std::iter::repeat_with(|| bucket.take(now)).take_while(|is_allowed| *is_allowed).count()
    }

    #[test]
    fn bucket_allows_burst_and_then_rate() {
        let start = Instant::now();
        let bucket = TokenBucket::new(&Throttle { rate_per_second: 10.0, burst: 20 }, None, start);
        assert_eq!(tokens_taken(&bucket, start), 20);
        assert_eq!(tokens_taken(&bucket, start + Duration::from_millis(50)), 0);
        assert_eq!(tokens_taken(&bucket, start + Duration::from_millis(550)), 5);
        assert_eq!(tokens_taken(&bucket, start + Duration::from_mins(1)), 20);
    }

    #[test]
    fn bucket_with_zero_rate_or_burst_rejects_everything() {
        let start = Instant::now();
        for (rate_per_second, burst) in [(0.0, 10), (10.0, 0)] {
            let bucket = TokenBucket::new(&Throttle { rate_per_second, burst }, None, start);
            assert_eq!(tokens_taken(&bucket, start + Duration::from_secs(9)), 0);
        }
    }

    #[test]
    fn bucket_with_same_settings_keeps_its_tokens() {
        let start = Instant::now();
        let settings = Throttle { rate_per_second: 1.0, burst: 2 };
        let bucket = TokenBucket::new(&settings, None, start);
        assert_eq!(tokens_taken(&bucket, start), 2);
        assert_eq!(tokens_taken(&TokenBucket::new(&settings, Some(&bucket), start), start), 0);
        let more = Throttle { rate_per_second: 1.0, burst: 3 };
        assert_eq!(tokens_taken(&TokenBucket::new(&more, Some(&bucket), start), start), 3);
    }
}
