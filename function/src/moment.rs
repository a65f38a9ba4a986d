//! Points in time and days, in UTC, and their formats in the table, in AWS calls and in the log. Pure arithmetic:
//! only the program's entry point reads the clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hitctl_config::contract::{
    ATTR_DAY_PREFIX, ATTR_DAY_UNIQUES_PREFIX, ATTR_MONTH_PREFIX, ATTR_MONTH_UNIQUES_PREFIX,
};

mod parse;

const DAY_MS: u64 = 86_400_000;
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Creates the moment `ms` milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns the milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns the day of this moment.
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// Formats the moment as RFC 3339 in whole seconds: `2026-09-20T10:00:00Z`.
    pub fn rfc3339(self) -> String {
        let (hour, minute, second) = self.time();
        format!("{}T{hour:02}:{minute:02}:{second:02}Z", self.day())
    }

    /// Formats the moment as RFC 3339 with milliseconds: `2026-09-20T10:00:00.123Z`.
    pub fn rfc3339_millis(self) -> String {
        let (hour, minute, second) = self.time();
        format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.day(), self.0 % 1000)
    }

    /// Formats the moment in ISO 8601's basic format, which AWS signatures use: `20260920T100000Z`.
    pub fn iso8601_basic(self) -> String {
        let (year, month, day) = self.day().date();
        let (hour, minute, second) = self.time();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    fn time(self) -> (u64, u64, u64) {
        let seconds = self.0 % DAY_MS / 1000;
        (seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl From<SystemTime> for Moment {
    /// A time before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A day in UTC. Displays as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// Creates the day `number` days after 1970-01-01.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Returns the days since 1970-01-01.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns year, month (1 to 12) and day of the month (1 to 31).
    pub fn date(self) -> (u32, u32, u32) {
        // The calendar is split into eras of 400 years (146,097 days), the first of which began on 1 March of the
        // year 0: 719,468 days before 1970. Years begin in March too, so that the leap day is the last day of a
        // year and needs no special case.
        let days = self.0 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let months_since_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
        let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
        (year + era * 400 + u32::from(month <= 2), month, day)
    }

    /// Returns the moment at which this day begins.
    pub fn start(self) -> Moment {
        Moment(u64::from(self.0) * DAY_MS)
    }

    /// Returns the attribute of this day's hits: `d` and the day's number in base 36.
    pub fn attribute(self) -> String {
        self.attribute_name(ATTR_DAY_PREFIX)
    }

    /// Returns the attribute of this day's visitors: `v` and the day's number in base 36.
    pub fn uniques_attribute(self) -> String {
        self.attribute_name(ATTR_DAY_UNIQUES_PREFIX)
    }

    /// Returns a name that consists of `prefix` and this day's number in base 36.
    pub(crate) fn attribute_name(self, prefix: &str) -> String {
        let mut digits = Vec::new();
        let mut rest = self.0;
        loop {
            digits.push(BASE36[rest as usize % 36]);
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        let mut name = String::from(prefix);
        name.extend(digits.iter().rev().map(|&digit| char::from(digit)));
        name
    }

    /// Returns the attribute of the hits in this day's month: `m` and `YYMM`.
    pub fn month_attribute(self) -> String {
        self.month_attribute_name(ATTR_MONTH_PREFIX)
    }

    /// Returns the attribute of the visitors in this day's month: `w` and `YYMM`.
    pub fn month_uniques_attribute(self) -> String {
        self.month_attribute_name(ATTR_MONTH_UNIQUES_PREFIX)
    }

    fn month_attribute_name(self, prefix: &str) -> String {
        let (year, month, _) = self.date();
        format!("{prefix}{:02}{month:02}", year % 100)
    }

    /// Returns the day whose hits the attribute `name` counts, if it counts a day's hits.
    pub fn from_attribute(name: &str) -> Option<Self> {
        Self::from_digits(name.strip_prefix(ATTR_DAY_PREFIX)?)
    }

    /// Returns the day whose visitors the attribute `name` counts, if it counts a day's visitors.
    pub fn from_uniques_attribute(name: &str) -> Option<Self> {
        Self::from_digits(name.strip_prefix(ATTR_DAY_UNIQUES_PREFIX)?)
    }

    pub(crate) fn from_digits(digits: &str) -> Option<Self> {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        if digits.is_empty() || digits.len() > 5 || !plain {
            return None;
        }
        u32::from_str_radix(digits, 36).ok().map(Self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Returns the month, as `YYMM`, whose hits the attribute `name` counts, if it counts a month's hits.
pub fn month_of_attribute(name: &str) -> Option<&str> {
    month(name, ATTR_MONTH_PREFIX)
}

/// Returns the month, as `YYMM`, whose visitors the attribute `name` counts, if it counts a month's visitors.
pub fn month_of_uniques_attribute(name: &str) -> Option<&str> {
    month(name, ATTR_MONTH_UNIQUES_PREFIX)
}

fn month<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_formatted_for_table_aws_and_log() {
        let moment = Moment::from_millis(1_789_898_400_123);
        assert_eq!(moment.rfc3339(), "2026-09-20T10:00:00Z");
        assert_eq!(moment.rfc3339_millis(), "2026-09-20T10:00:00.123Z");
        assert_eq!(moment.iso8601_basic(), "20260920T100000Z");
        assert_eq!(moment.day().month_attribute(), "m2609");
        assert_eq!(moment.day().number(), 20_716);
        assert_eq!(moment.day().attribute(), "dfzg");
    }

    #[test]
    fn date_around_year_end_and_leap_day_is_correct() {
        for (number, date) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (10_956, "1999-12-31"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (19_783, "2024-03-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(Day::from_number(number).to_string(), date);
        }
    }

    #[test]
    fn day_attribute_parses_back_to_the_same_day() {
        for number in (0..60_000).step_by(7) {
            let day = Day::from_number(number);
            assert_eq!(Day::from_attribute(&day.attribute()), Some(day));
        }
    }

    #[test]
    fn other_attributes_are_not_days_or_months() {
        for name in ["d", "dXY", "d-1", "d+1", "dfffffff", "hits", "first", "last", "path", "m2609"] {
            assert_eq!(Day::from_attribute(name), None, "{name}");
        }
        assert_eq!(month_of_attribute("m2609"), Some("2609"));
        assert_eq!(month_of_uniques_attribute("w2609"), Some("2609"));
        for name in ["m", "m260", "m26091", "mabcd", "dfzg"] {
            assert_eq!(month_of_attribute(name), None, "{name}");
        }
    }
}
