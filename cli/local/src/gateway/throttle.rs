//! The stage's throttle: a token bucket. Both its numbers count, and a zero in either lets nothing through, as on AWS.

use std::sync::Mutex;
use std::time::Instant;

use hitctl_resources::Throttle;

use crate::lock::lock;

/// A bucket of `burst` tokens that fills at `rate_per_second`.
#[derive(Debug)]
pub(super) struct Bucket {
    settings: Throttle,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket; or, when only other settings of the API changed, the one that was there.
    pub(super) fn new(settings: &Throttle, before: Option<&Self>, now: Instant) -> Self {
        let state = before
            .filter(|before| before.settings == *settings)
            .map_or((f64::from(settings.burst), now), |before| *lock(&before.state));
        Self { settings: settings.clone(), state: Mutex::new(state) }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let (tokens, filled) = *state;
        let gained =
            now.saturating_duration_since(filled).as_secs_f64() * self.settings.rate_per_second.max(0.0);
        let tokens = (tokens + gained).min(f64::from(self.settings.burst));
        let lets = tokens >= 1.0 && self.settings.rate_per_second > 0.0;
        *state = (if lets { tokens - 1.0 } else { tokens }, filled.max(now));
        lets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn taken(bucket: &Bucket, now: Instant) -> usize {
        std::iter::repeat_with(|| bucket.take(now)).take_while(|lets| *lets).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let bucket = Bucket::new(&Throttle { rate_per_second: 10.0, burst: 20 }, None, start);
        assert_eq!(taken(&bucket, start), 20);
        assert_eq!(taken(&bucket, start + Duration::from_millis(50)), 0);
        assert_eq!(taken(&bucket, start + Duration::from_millis(550)), 5);
        assert_eq!(taken(&bucket, start + Duration::from_mins(1)), 20);
    }

    #[test]
    fn a_zero_lets_nothing_through() {
        let start = Instant::now();
        for (rate_per_second, burst) in [(0.0, 10), (10.0, 0)] {
            let bucket = Bucket::new(&Throttle { rate_per_second, burst }, None, start);
            assert_eq!(taken(&bucket, start + Duration::from_secs(9)), 0);
        }
    }

    #[test]
    fn a_change_of_other_settings_gives_no_second_burst() {
        let start = Instant::now();
        let settings = Throttle { rate_per_second: 1.0, burst: 2 };
        let bucket = Bucket::new(&settings, None, start);
        assert_eq!(taken(&bucket, start), 2);
        assert_eq!(taken(&Bucket::new(&settings, Some(&bucket), start), start), 0);
        let more = Throttle { rate_per_second: 1.0, burst: 3 };
        assert_eq!(taken(&Bucket::new(&more, Some(&bucket), start), start), 3);
    }
}
