//! Caches reads of the whole table, each of which needs a scan. Results and failures are both cached, so that
//! the next request does not cause another scan.

use super::outcome::RouteError;
use crate::moment::Moment;
use crate::store::StoreError;

/// How long a value is fresh, in milliseconds. Hits that this process counts are added to the cached value
/// immediately.
const FRESH_MS: u64 = 60_000;
/// The pause after the first failed read, in milliseconds; it doubles after each further failure.
const FIRST_PAUSE_MS: u64 = 60_000;
/// The maximum pause, in milliseconds. If the table is too large, it applies after the first failure.
const MAX_PAUSE_MS: u64 = 60 * 60_000;

/// A value that is read from the whole table, or the error of the last read.
#[derive(Debug, Default)]
pub(super) struct CachedRead<T> {
    value: Option<(Moment, T)>,
    failed: Option<FailedRead>,
}

/// The last failed read and the pause after it.
#[derive(Debug)]
struct FailedRead {
    error: StoreError,
    at: Moment,
    pause_ms: u64,
}

/// The error that is returned while there is no value.
#[derive(Debug)]
pub(super) struct ReadUnavailable {
    error: StoreError,
    /// The time until the next read, in milliseconds.
    pause_ms: u64,
    /// Whether the read failed just now, as opposed to a cached failure.
    is_new: bool,
}

impl From<ReadUnavailable> for RouteError {
    fn from(ReadUnavailable { error, pause_ms, is_new }: ReadUnavailable) -> Self {
        let error = Self::retry_later(error, pause_ms.div_ceil(1_000).max(1));
        // A cached failure was logged when it happened.
        if is_new { error } else { Self { store_error: None, ..error } }
    }
}

impl<T> CachedRead<T> {
    /// Returns the cached value if it is at most a minute old and was read on the same day. Otherwise reads the
    /// value again, unless a read failed recently. If there is no new value, returns the old one, provided that
    /// it was read on the same day.
    pub(super) fn get(
        &mut self,
        now: Moment,
        read: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<&T, ReadUnavailable> {
        let is_fresh =
            self.value.as_ref().is_some_and(|(at, _)| at.day() == now.day() && is_within(*at, FRESH_MS, now));
        if !is_fresh {
            self.value.take_if(|(at, _)| at.day() != now.day());
            self.refresh(now, read)?;
        }
        // Never returned: `refresh` fails if there is no value.
        let error = StoreError::Unavailable(String::new());
        let unavailable = ReadUnavailable { error, pause_ms: FIRST_PAUSE_MS, is_new: true };
        self.value.as_ref().map(|(_, value)| value).ok_or(unavailable)
    }

    /// Returns the cached value, however old.
    pub(super) fn value_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().map(|(_, value)| value)
    }

    fn refresh(
        &mut self,
        now: Moment,
        read: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<(), ReadUnavailable> {
        let error = match &self.failed {
            Some(FailedRead { error, at, pause_ms }) if is_within(*at, *pause_ms, now) => ReadUnavailable {
                error: error.clone(),
                pause_ms: at.millis() + pause_ms - now.millis(),
                is_new: false,
            },
            last_failure => match read() {
                Ok(value) => {
                    (self.value, self.failed) = (Some((now, value)), None);
                    return Ok(());
                }
                Err(error) => {
                    let longer_ms =
                        last_failure.as_ref().map_or(FIRST_PAUSE_MS, |failed| failed.pause_ms * 2);
                    let pause_ms = match error {
                        StoreError::TooLarge(_) => MAX_PAUSE_MS,
                        _ => longer_ms.min(MAX_PAUSE_MS),
                    };
                    self.failed = Some(FailedRead { error: error.clone(), at: now, pause_ms });
                    ReadUnavailable { error, pause_ms, is_new: true }
                }
            },
        };
        if self.value.is_some() { Ok(()) } else { Err(error) }
    }
}

/// Returns whether less than `span_ms` have passed since `at`. Returns false if the clock was set back.
fn is_within(at: Moment, span_ms: u64, now: Moment) -> bool {
    (at..Moment::from_millis(at.millis() + span_ms)).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_789_898_400_000;
    const MINUTE: u64 = 60_000;

    /// Gets the value `minute` minutes after noon. Returns the value or the remaining pause in minutes, and
    /// whether the table was read.
    fn read_at(
        cache: &mut CachedRead<u64>,
        minute: u64,
        response: Result<u64, StoreError>,
    ) -> (Result<u64, u64>, bool) {
        let mut read = false;
        let got = cache.get(Moment::from_millis(NOON + minute * MINUTE), || {
            read = true;
            response
        });
        (got.copied().map_err(|error| error.pause_ms / MINUTE), read)
    }

    fn down() -> Result<u64, StoreError> {
        Err(StoreError::Unavailable("down".to_owned()))
    }

    #[test]
    fn failed_read_is_retried_with_growing_pauses() {
        let mut site = CachedRead::default();
        let mut reads = Vec::new();
        for minute in 0..400 {
            let (got, read) = read_at(&mut site, minute, down());
            assert!(got.is_err());
            reads.extend(read.then_some(minute));
        }
        assert_eq!(reads, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
        assert_eq!(read_at(&mut site, 451, Ok(7)), (Ok(7), true));
        assert_eq!(read_at(&mut site, 451, Ok(8)), (Ok(7), false));
        assert_eq!(read_at(&mut site, 452, down()), (Ok(7), true), "the previous value is returned");
        assert_eq!(read_at(&mut site, 452, Ok(9)), (Ok(7), false));
        assert_eq!(read_at(&mut site, 453, Ok(9)), (Ok(9), true));
    }

    #[test]
    fn too_large_table_is_read_once_an_hour() {
        let mut site = CachedRead::default();
        let large = || Err(StoreError::TooLarge("large".to_owned()));
        assert_eq!(read_at(&mut site, 0, large()), (Err(60), true));
        assert_eq!(read_at(&mut site, 59, large()), (Err(1), false));
        assert_eq!(read_at(&mut site, 60, large()), (Err(60), true));
    }

    #[test]
    fn value_of_another_day_is_not_returned() {
        let mut site = CachedRead::default();
        assert_eq!(read_at(&mut site, 0, Ok(7)), (Ok(7), true));
        let (got, read) = read_at(&mut site, 24 * 60, down());
        assert!(got.is_err() && read);
    }
}
