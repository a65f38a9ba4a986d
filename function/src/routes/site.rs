//! Numbers of the whole table, remembered for a while: reading them costs a scan, so that neither a result nor a failure is asked for
//! again at once.

use super::outcome::Stop;
use crate::moment::Moment;
use crate::store::StoreError;

/// For how long an answer is remembered. What this process counts itself is added to the site's total at once.
const FRESH_MS: u64 = 60_000;
/// How long after the first failure the table is read again; after each further one twice as long.
const PAUSE_MS: u64 = 60_000;
/// The longest pause; at once, where the table is too large.
const LONGEST_PAUSE_MS: u64 = 60 * 60_000;

/// Something that was read of the whole table, or why it was not.
#[derive(Debug, Default)]
pub(super) struct Remembered<T> {
    known: Option<(Moment, T)>,
    failed: Option<Failed>,
}

/// A read that failed.
#[derive(Debug)]
struct Failed {
    error: StoreError,
    at: Moment,
    pause_ms: u64,
}

/// Why nothing is known.
#[derive(Debug)]
pub(super) struct Unknown {
    error: StoreError,
    /// How long until it is read again.
    pause_ms: u64,
    /// Whether it was tried just now, and not remembered.
    is_new: bool,
}

impl From<Unknown> for Stop {
    fn from(Unknown { error, pause_ms, is_new }: Unknown) -> Self {
        let stop = Self::later(error, pause_ms.div_ceil(1_000).max(1));
        // One that is remembered was logged when it happened.
        if is_new { stop } else { Self { trouble: None, ..stop } }
    }
}

impl<T> Remembered<T> {
    /// Returns what is known, of the same day and less than a minute old. Reads it again where it is not, unless that failed a while
    /// ago: then what was known before is returned, if it is of the same day.
    pub(super) fn get(
        &mut self,
        now: Moment,
        read: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<&T, Unknown> {
        let is_fresh =
            self.known.as_ref().is_some_and(|(at, _)| at.day() == now.day() && is_within(*at, FRESH_MS, now));
        if !is_fresh {
            self.known.take_if(|(at, _)| at.day() != now.day());
            self.refresh(now, read)?;
        }
        let error = StoreError::Unavailable(String::new());
        let nothing = Unknown { error, pause_ms: PAUSE_MS, is_new: true };
        self.known.as_ref().map(|(_, known)| known).ok_or(nothing)
    }

    /// Returns the remembered value, however old.
    pub(super) fn known(&mut self) -> Option<&mut T> {
        self.known.as_mut().map(|(_, known)| known)
    }

    fn refresh(&mut self, now: Moment, read: impl FnOnce() -> Result<T, StoreError>) -> Result<(), Unknown> {
        let unknown = match &self.failed {
            Some(Failed { error, at, pause_ms }) if is_within(*at, *pause_ms, now) => Unknown {
                error: error.clone(),
                pause_ms: at.millis() + pause_ms - now.millis(),
                is_new: false,
            },
            before => match read() {
                Ok(known) => {
                    (self.known, self.failed) = (Some((now, known)), None);
                    return Ok(());
                }
                Err(error) => {
                    let longer = before.as_ref().map_or(PAUSE_MS, |failed| failed.pause_ms * 2);
                    let pause_ms = match error {
                        StoreError::TooLarge(_) => LONGEST_PAUSE_MS,
                        _ => longer.min(LONGEST_PAUSE_MS),
                    };
                    self.failed = Some(Failed { error: error.clone(), at: now, pause_ms });
                    Unknown { error, pause_ms, is_new: true }
                }
            },
        };
        if self.known.is_some() { Ok(()) } else { Err(unknown) }
    }
}

/// Whether less than `span_ms` have passed since `at`. A clock that was set back ends it.
fn is_within(at: Moment, span_ms: u64, now: Moment) -> bool {
    (at..Moment::from_millis(at.millis() + span_ms)).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_789_898_400_000;
    const MINUTE: u64 = 60_000;

    /// Asks at some minutes after noon; returns what is answered, and whether the table was read.
    fn ask(
        of: &mut Remembered<u64>,
        minute: u64,
        answer: Result<u64, StoreError>,
    ) -> (Result<u64, u64>, bool) {
        let mut read = false;
        let got = of.get(Moment::from_millis(NOON + minute * MINUTE), || {
            read = true;
            answer
        });
        (got.copied().map_err(|unknown| unknown.pause_ms / MINUTE), read)
    }

    fn down() -> Result<u64, StoreError> {
        Err(StoreError::Unavailable("down".to_owned()))
    }

    #[test]
    fn failed_read_is_not_repeated_for_a_while_and_then_ever_more_rarely() {
        let mut site = Remembered::default();
        let mut reads = Vec::new();
        for minute in 0..400 {
            let (got, read) = ask(&mut site, minute, down());
            assert!(got.is_err());
            reads.extend(read.then_some(minute));
        }
        assert_eq!(reads, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
        assert_eq!(ask(&mut site, 451, Ok(7)), (Ok(7), true));
        assert_eq!(ask(&mut site, 451, Ok(8)), (Ok(7), false));
        assert_eq!(ask(&mut site, 452, down()), (Ok(7), true), "what was known is answered");
        assert_eq!(ask(&mut site, 452, Ok(9)), (Ok(7), false));
        assert_eq!(ask(&mut site, 453, Ok(9)), (Ok(9), true));
    }

    #[test]
    fn table_that_is_too_large_is_read_once_an_hour() {
        let mut site = Remembered::default();
        let large = || Err(StoreError::TooLarge("large".to_owned()));
        assert_eq!(ask(&mut site, 0, large()), (Err(60), true));
        assert_eq!(ask(&mut site, 59, large()), (Err(1), false));
        assert_eq!(ask(&mut site, 60, large()), (Err(60), true));
    }

    #[test]
    fn what_is_known_of_another_day_is_not_answered() {
        let mut site = Remembered::default();
        assert_eq!(ask(&mut site, 0, Ok(7)), (Ok(7), true));
        let (got, read) = ask(&mut site, 24 * 60, down());
        assert!(got.is_err() && read);
    }
}
