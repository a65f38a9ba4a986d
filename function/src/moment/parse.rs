//! Parses RFC 3339 timestamps.

use super::{DAY_MS, Moment};

impl Moment {
    /// Parses RFC 3339, such as `2026-09-20T10:00:00.5Z` or `2026-09-20T12:00:00+02:00`. Returns `None` for
    /// other text and for times before 1970. A leap second reads as the following second.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let has_separators = text.is_ascii()
            && bytes.len() >= 20
            && (bytes[4], bytes[7], bytes[13], bytes[16]) == (b'-', b'-', b':', b':')
            && matches!(bytes[10], b'T' | b't' | b' ');
        if !has_separators {
            return None;
        }
        let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
        let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
        let (millis, zone) = fraction(&text[19..])?;
        let offset_s = offset(zone)?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days(year, month, day)?;
        let local = i64::try_from(days * (DAY_MS / 1000) + hour * 3600 + minute * 60 + second).ok()?;
        let seconds = u64::try_from(local - offset_s).ok()?;
        Some(Self(seconds * 1000 + millis))
    }
}

/// Parses the milliseconds of a fraction of a second and returns the text after it.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (part, zone) = rest.split_at(end);
    let padded = format!("{part:0<3}");
    (!part.is_empty()).then(|| digits(&padded[..3]).map(|millis| (millis, zone)))?
}

/// Parses a zone and returns its offset from UTC, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes() {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) =
        rest.split_once(':').filter(|(hours, minutes)| hours.len() + minutes.len() == 4)?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then(|| i64::try_from(hours * 3600 + minutes * 60).ok().map(|s| sign * s))?
}

/// Returns the days from 1970-01-01 to a date, if the date exists.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    // As in `Day::date`, years begin in March, so that the leap day is the last day of a year.
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let day_of_era = (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + day_of_year;
    Some(year / 400 * 146_097 + day_of_era - 719_468)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_timestamps_are_parsed() {
        for (text, millis) in [
            ("2026-09-20T10:00:00Z", 1_789_898_400_000),
            ("2026-09-20T10:00:00.123Z", 1_789_898_400_123),
            ("2026-09-20T10:00:00.1239999Z", 1_789_898_400_123),
            ("2026-09-20T10:00:00.5z", 1_789_898_400_500),
            ("2026-09-20T12:00:00+02:00", 1_789_898_400_000),
            ("2026-09-20T04:30:00-05:30", 1_789_898_400_000),
            ("2026-09-20 10:00:00Z", 1_789_898_400_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] {
            assert_eq!(Moment::from_rfc3339(text).map(Moment::millis), Some(millis), "{text}");
        }
    }

    #[test]
    fn invalid_timestamps_are_none() {
        for text in [
            "",
            "now",
            "2026-09-20",
            "2026-09-20T10:00:00",
            "2026-09-20T10:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-09-20T24:00:00Z",
            "2026-09-20T10:00:00.Z",
            "2026-09-20T10:00:00+2:00",
            "2026-09-20T10:00:00+0200",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-09-2éT10:00:00Z",
            "+026-09-20T10:00:00Z",
        ] {
            assert_eq!(Moment::from_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn formatted_timestamp_parses_back(millis in 0..4_102_444_800_000_u64) {
            let moment = Moment::from_millis(millis);
            prop_assert_eq!(Moment::from_rfc3339(&moment.rfc3339_millis()), Some(moment));
        }

        #[test]
        fn reading_never_panics(text in any::<String>(), more in "[0-9TZ:+. -]{0,30}") {
            prop_assert!(Moment::from_rfc3339(&text).is_none_or(|moment| moment.millis() < u64::MAX));
            prop_assert!(Moment::from_rfc3339(&more).is_none_or(|moment| moment.millis() < u64::MAX));
        }
    }
}
