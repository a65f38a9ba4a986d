//! The lines of a file of counts, whatever its format, and the rules that each has to meet.

use hit_counter::moment::Moment;
use hit_counter::path;
use hitctl_config::contract::MAX_COUNT;
use hitctl_engine::Fault;

use crate::fields;
use crate::model::{CountRow, Dropped};

/// More bad lines than this are only counted.
const MOST_TOLD: usize = 20;

/// The parts of the configuration that decide what of a file is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The query parameters that belong to a path.
    pub keep_query: Vec<String>,
    /// Whether robots count.
    pub robots: bool,
}

/// Lines that are wrong.
#[derive(Debug, Default)]
pub(crate) struct LineErrors {
    told: Vec<String>,
    more: usize,
}

impl LineErrors {
    /// One more.
    pub(crate) fn with(mut self, line: usize, why: &str) -> Self {
        if self.told.len() < MOST_TOLD {
            self.told.push(format!("line {line}: {why}"));
        } else {
            self.more += 1;
        }
        self
    }

    /// All of them.
    pub(crate) fn failure(mut self) -> Fault {
        self.told.extend((self.more > 0).then(|| format!("and {} more", self.more)));
        Fault::fatal("bad_file", self.told.join("\n"))
            .hinted("correct these lines and run the command again; nothing was written")
    }

    /// Whether there were none.
    pub(crate) fn end(self) -> Result<(), Fault> {
        if self.told.is_empty() { Ok(()) } else { Err(self.failure()) }
    }
}

/// Refuses sums that are more than can be counted.
pub(crate) fn countable(row: &CountRow) -> Result<(), String> {
    if row.hits.max(row.uniques) <= MAX_COUNT {
        return Ok(());
    }
    Err(format!("expected at most {MAX_COUNT} hits of {:?} in all lines, found more", row.path))
}

/// The kinds of lines.
pub(crate) enum Object {
    Row(CountRow),
    Site(CountRow),
    Dropped(Dropped),
}

pub(crate) type Line = (usize, Result<Object, String>);

/// A row of a page as it may be counted.
pub(crate) fn checked(row: CountRow, keep_query: &[String]) -> Result<CountRow, String> {
    if row.path.trim().is_empty() {
        return Err("expected a path, found an empty one".to_owned());
    }
    let path = page_key(&row.path, keep_query)?;
    dated(CountRow { path, ..row })
}

/// The same row with its times in the form in which they are kept.
pub(crate) fn dated(row: CountRow) -> Result<CountRow, String> {
    let CountRow { path, hits, uniques, first, last, days, months } = row;
    let first = first.filter(|text| !text.is_empty()).map(|text| day(&text)).transpose()?;
    let last = last.filter(|text| !text.is_empty()).map(|text| time(&text)).transpose()?;
    let mut row = CountRow { path, hits, uniques, first, last, ..CountRow::default() };
    for (day, tally) in days {
        row.days.entry(of_century(&self::day(&day)?)?).or_default().add(tally);
    }
    for (month, tally) in months {
        row.months.entry(self::month(&month)?).or_default().add(tally);
    }
    Ok(row)
}

/// The key that a path is counted under, with the query parameters that belong to it.
pub fn page_key(path: &str, keep_query: &[String]) -> Result<String, String> {
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
pub(crate) fn month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    if is_month { of_century(text) } else { Err(format!("expected a month such as 2026-09, found {text:?}")) }
}

/// A day or month that can be kept.
fn of_century(text: &str) -> Result<String, String> {
    let kept = text.starts_with("20");
    if kept { Ok(text.to_owned()) } else { Err(format!("expected a year from 2000 to 2099, found {text:?}")) }
}

/// Checks a reason for not counting a view, as the function names it.
pub(crate) fn reason(text: String) -> Result<String, String> {
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
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let time: jiff::Timestamp =
        time(text)?.parse().map_err(|_| format!("expected a time, found {text:?}"))?;
    of_century(&time.to_string()[..10])?;
    Ok(Moment::from_millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// Reads a number of a cell.
pub(crate) fn count(cell: &str, column: &str) -> Result<u64, String> {
    let count = cell.trim().parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| fields::not_a_count(column, &fields::quoted(cell)))
}
