//! Reads a file of counts: CSV or NDJSON as `counts export` writes them, the object of `counts list --json`, or what
//! GoatCounter exports. Errors name the number of every bad line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hit_counter::moment::Moment;
use hit_counter::path;
use hitctl_config::contract::{KEY_SITE, MAX_COUNT};

use super::csv::csv;
use super::goatcounter;
use super::import::Input;
use super::json::json;
use super::reading::Reading;
use super::records::records;
use crate::commands::fields;
use crate::report::{CountRow, Dropped, Failure, Numbers, Tally};

/// More bad lines than this are only counted.
const MOST_TOLD: usize = 20;

/// What of a file is taken, by the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Taking {
    /// The query parameters that belong to a path.
    pub(super) keep_query: Vec<String>,
    /// Whether robots count.
    pub(super) robots: bool,
}

/// Lines that are wrong.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    told: Vec<String>,
    more: usize,
}

impl Wrong {
    /// One more.
    pub(super) fn with(mut self, line: usize, why: &str) -> Self {
        if self.told.len() < MOST_TOLD {
            self.told.push(format!("line {line}: {why}"));
        } else {
            self.more += 1;
        }
        self
    }

    /// All of them.
    pub(super) fn failure(mut self) -> Failure {
        self.told.extend((self.more > 0).then(|| format!("and {} more", self.more)));
        Failure::new("bad_file", self.told.join("\n"))
            .hinted("correct these lines and run the command again; nothing was written")
    }

    /// Whether there were none.
    pub(super) fn end(self) -> Result<(), Failure> {
        if self.told.is_empty() { Ok(()) } else { Err(self.failure()) }
    }
}

/// Returns the numbers of a file, by path, and what the import says of it. What stands there twice is added up.
pub(super) fn numbers(content: &[u8], input: Input, taking: &Taking) -> Result<(Numbers, Reading), Failure> {
    let text = decoded(content)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reading = Reading::default();
    let lines: Box<dyn Iterator<Item = Line>> = match input.or_by(text) {
        Input::Goatcounter => return goatcounter::numbers(text, taking),
        Input::Ndjson => {
            reading.format = "JSON";
            Box::new(json(text))
        }
        Input::Auto | Input::Csv => {
            let (lines, others) = csv(text);
            reading.format = "CSV";
            reading.not_kept = others.into_iter().map(|name| format!("the column {name}")).collect();
            lines
        }
    };
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = Dropped::new();
    let mut wrong = Wrong::default();
    for (line, read) in lines {
        reading.lines += 1;
        let read = read.and_then(|object| match object {
            Object::Row(row) => {
                let row = row.judged(&taking.keep_query)?;
                let sum = rows.entry(row.path.clone()).or_insert_with(|| CountRow::zero(&row.path));
                sum.add(row);
                countable(sum)
            }
            Object::Site(read) => {
                site.add(read.judged()?);
                countable(&site)
            }
            Object::Dropped(read) => {
                for (month, reasons) in read {
                    let of_month = dropped.entry(self::month(&month)?).or_default();
                    for (reason, n) in reasons {
                        let sum = of_month.entry(self::reason(reason)?).or_default();
                        *sum = sum.saturating_add(n).min(MAX_COUNT);
                    }
                }
                Ok(())
            }
        });
        if let Err(why) = read {
            wrong = wrong.with(line, &why);
        }
    }
    wrong.end()?;
    let numbers = Numbers { counts: rows.into_values().collect(), site, dropped, ..Numbers::default() };
    reading.beyond(&numbers);
    Ok((numbers, reading))
}

/// Refuses sums that are more than can be counted.
pub(super) fn countable(row: &CountRow) -> Result<(), String> {
    if row.hits.max(row.uniques) <= MAX_COUNT {
        return Ok(());
    }
    Err(format!("expected at most {MAX_COUNT} hits of {:?} in all lines, found more", row.path))
}

/// Returns the text of a file: UTF-8, or UTF-16 as spreadsheets write it, with a byte order mark.
fn decoded(content: &[u8]) -> Result<Cow<'_, str>, Failure> {
    let refused = |before: &[u8], what: &str| {
        let line = before.split(|byte| *byte == b'\n').count();
        Wrong::default().with(line, &format!("expected {what}, found other bytes")).failure()
    };
    let unit: fn([u8; 2]) -> u16 = match content {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let text = std::str::from_utf8(content);
            return text
                .map(Cow::Borrowed)
                .map_err(|error| refused(&content[..error.valid_up_to()], "UTF-8"));
        }
    };
    let (pairs, rest) = content.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err(refused(&[], "UTF-16")),
    }
}

impl Input {
    /// Returns it, or what the beginning of a text says.
    fn or_by(self, text: &str) -> Self {
        match self {
            Self::Auto if text.trim_start().starts_with(['{', '[']) => Self::Ndjson,
            Self::Auto => match records(text, ',', 1).next() {
                Some((_, Ok(cells))) if goatcounter::is_header(&cells) => Self::Goatcounter,
                _ => Self::Csv,
            },
            told => told,
        }
    }
}

/// A line as it was read.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) path: String,
    pub(super) hits: u64,
    pub(super) uniques: u64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
    pub(super) days: BTreeMap<String, Tally>,
    pub(super) months: BTreeMap<String, Tally>,
}

/// The visitors of the site.
#[derive(Debug, Default)]
pub(super) struct Site {
    pub(super) uniques: u64,
    pub(super) days: BTreeMap<String, u64>,
    pub(super) months: BTreeMap<String, u64>,
}

/// The kinds of lines.
pub(super) enum Object {
    Row(Row),
    Site(Site),
    Dropped(Dropped),
}

pub(super) type Line = (usize, Result<Object, String>);

impl Row {
    /// The same by the rules of the function: the key, a day, and a time in UTC.
    fn judged(self, keep_query: &[String]) -> Result<CountRow, String> {
        if self.path.trim().is_empty() {
            return Err("expected a path, found an empty one".to_owned());
        }
        let path = judged(&self.path, keep_query)?;
        let first = self.first.filter(|text| !text.is_empty()).map(|text| day(&text)).transpose()?;
        let last = self.last.filter(|text| !text.is_empty()).map(|text| time(&text)).transpose()?;
        let mut row =
            CountRow { hits: self.hits, uniques: self.uniques, first, last, ..CountRow::zero(&path) };
        for (day, tally) in self.days {
            row.days.entry(of_century(&self::day(&day)?)?).or_default().add(tally);
        }
        for (month, tally) in self.months {
            row.months.entry(self::month(&month)?).or_default().add(tally);
        }
        Ok(row)
    }
}

impl Site {
    fn judged(self) -> Result<CountRow, String> {
        let tally = |uniques| Tally { hits: 0, uniques };
        let mut row = CountRow { uniques: self.uniques, ..CountRow::zero(KEY_SITE) };
        for (day, uniques) in self.days {
            row.days.entry(of_century(&self::day(&day)?)?).or_default().add(tally(uniques));
        }
        for (month, uniques) in self.months {
            row.months.entry(self::month(&month)?).or_default().add(tally(uniques));
        }
        Ok(row)
    }
}

/// The key that a path is counted under, with the query parameters that belong to it.
pub(super) fn judged(path: &str, keep_query: &[String]) -> Result<String, String> {
    let key = path::normalise_keeping(path, keep_query);
    key.map(path::Key::into_string)
        .map_err(|why| format!("expected a path that can be counted, found {path:?}: {why}"))
}

/// A day, or the day of a time.
fn day(text: &str) -> Result<String, String> {
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return Ok(day.to_string());
    }
    time(text).map(|time| time[..10].to_owned())
}

/// A month that can be kept: its name in the table has two digits of the year.
fn month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    if is_month { of_century(text) } else { Err(format!("expected a month such as 2026-09, found {text:?}")) }
}

/// A day or month that can be kept.
fn of_century(text: &str) -> Result<String, String> {
    let kept = text.starts_with("20");
    if kept { Ok(text.to_owned()) } else { Err(format!("expected a year from 2000 to 2099, found {text:?}")) }
}

/// Why something was not counted, as the function names it.
fn reason(text: String) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let fits = plain && (1..=32).contains(&text.len());
    if fits { Ok(text) } else { Err(format!("expected a reason such as bot, found {text:?}")) }
}

/// A time in UTC and whole seconds; of a day, its beginning.
fn time(text: &str) -> Result<String, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: jiff::Timestamp =
        whole.parse().map_err(|_| format!("expected a time such as 2026-09-20T10:00:00Z, found {text:?}"))?;
    match jiff::Timestamp::from_second(time.as_second()) {
        Ok(time) if (0..253_402_300_800).contains(&time.as_second()) => Ok(time.to_string()),
        _ => Err(format!("expected a year from 1970 to 9999, found {text:?}")),
    }
}

/// The time of a hit whose day and month are kept.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let time: jiff::Timestamp =
        time(text)?.parse().map_err(|_| format!("expected a time, found {text:?}"))?;
    of_century(&time.to_string()[..10])?;
    Ok(Moment::from_millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// Reads a number of a cell.
pub(super) fn count(cell: &str, column: &str) -> Result<u64, String> {
    let count = cell.trim().parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| fields::not_a_count(column, &fields::quoted(cell)))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
