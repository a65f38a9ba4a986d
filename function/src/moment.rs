//! Points in time and days, in UTC, in the forms that the table, AWS and the log want. Pure arithmetic: the clock
//! itself is read by the program's edge only.

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
    /// The moment `ms` milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// How long before this moment `earlier` was; zero when it was later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The day of this moment.
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// RFC 3339 in whole seconds: `2026-09-20T10:00:00Z`.
    pub fn rfc3339(self) -> String {
        let (hour, minute, second) = self.time();
        format!("{}T{hour:02}:{minute:02}:{second:02}Z", self.day())
    }

    /// RFC 3339 with milliseconds: `2026-09-20T10:00:00.123Z`.
    pub fn rfc3339_millis(self) -> String {
        let (hour, minute, second) = self.time();
        format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.day(), self.0 % 1000)
    }

    /// ISO 8601's basic form, which AWS signatures use: `20260920T100000Z`.
    pub fn basic(self) -> String {
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
    /// A clock that stands before 1970 reads as 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A day in UTC. Displays as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The day `number` days after 1970-01-01.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Year, month (1 to 12) and day of the month (1 to 31).
    pub fn date(self) -> (u32, u32, u32) {
        // Days to civil date over eras of 400 years that begin on 1 March: leap days come last and need no case.
        let days = self.0 + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (year + era * 400 + u32::from(month <= 2), month, day)
    }

    /// The moment at which this day begins.
    pub fn start(self) -> Moment {
        Moment(u64::from(self.0) * DAY_MS)
    }

    /// The attribute that counts this day: `d` and the day's number in base 36.
    pub fn attribute(self) -> String {
        self.named(ATTR_DAY_PREFIX)
    }

    /// The attribute that counts this day's visitors: `v` and the same.
    pub fn uniques_attribute(self) -> String {
        self.named(ATTR_DAY_UNIQUES_PREFIX)
    }

    /// A name that ends with this day's number in base 36.
    pub(crate) fn named(self, prefix: &str) -> String {
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

    /// The attribute that counts this day's month: `m` and `YYMM`.
    pub fn month_attribute(self) -> String {
        self.named_by_month(ATTR_MONTH_PREFIX)
    }

    /// The attribute that counts this day's month's visitors: `w` and `YYMM`.
    pub fn month_uniques_attribute(self) -> String {
        self.named_by_month(ATTR_MONTH_UNIQUES_PREFIX)
    }

    fn named_by_month(self, prefix: &str) -> String {
        let (year, month, _) = self.date();
        format!("{prefix}{:02}{month:02}", year % 100)
    }

    /// The day that the attribute `name` counts, if it counts one.
    pub fn from_attribute(name: &str) -> Option<Self> {
        Self::from_digits(name.strip_prefix(ATTR_DAY_PREFIX)?)
    }

    /// The day whose visitors the attribute `name` counts, if it counts any.
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

/// The month that the attribute `name` counts, as `YYMM`, if it counts one.
pub fn month_of_attribute(name: &str) -> Option<&str> {
    month(name, ATTR_MONTH_PREFIX)
}

/// The month whose visitors the attribute `name` counts, as `YYMM`, if it counts any.
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
    fn writes_the_forms_that_others_read() {
        let moment = Moment::from_millis(1_789_898_400_123);
        assert_eq!(moment.rfc3339(), "2026-09-20T10:00:00Z");
        assert_eq!(moment.rfc3339_millis(), "2026-09-20T10:00:00.123Z");
        assert_eq!(moment.basic(), "20260920T100000Z");
        assert_eq!(moment.day().month_attribute(), "m2609");
        assert_eq!(moment.day().number(), 20_716);
        assert_eq!(moment.day().attribute(), "dfzg");
    }

    #[test]
    fn dates_hold_at_the_edges_of_years_and_leap_days() {
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
    fn attributes_of_days_come_back_as_the_same_day() {
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
