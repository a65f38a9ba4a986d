//! The lines of a file of counts in any format, and the rules that all lines must satisfy.

use hit_counter::moment::Moment;
use hit_counter::path;
use hitctl_config::contract::MAX_COUNT;
use hitctl_engine::Fault;

use crate::fields;
use crate::model::{CountRow, DroppedViews};

/// The maximum number of invalid lines that an error lists. Further invalid lines are only counted.
const MAX_LISTED: usize = 20;

/// The settings that determine which parts of a file are imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The query parameters that are part of a path.
    pub keep_query: Vec<String>,
    /// Whether bots are counted.
    pub count_bots: bool,
}

/// The errors of invalid lines.
#[derive(Debug, Default)]
pub(crate) struct LineErrors {
    messages: Vec<String>,
    omitted: usize,
}

impl LineErrors {
    /// Adds the error of a line.
    pub(crate) fn with_error(mut self, line: usize, why: &str) -> Self {
        if self.messages.len() < MAX_LISTED {
            self.messages.push(format!("line {line}: {why}"));
        } else {
            self.omitted += 1;
        }
        self
    }

    /// Returns all errors as one fault.
    pub(crate) fn into_fault(mut self) -> Fault {
        self.messages.extend((self.omitted > 0).then(|| format!("and {} more", self.omitted)));
        Fault::fatal("bad_file", self.messages.join("\n"))
            .hinted("correct these lines, then run the command again; nothing was imported")
    }

    /// Returns the fault if there are errors.
    pub(crate) fn into_result(self) -> Result<(), Fault> {
        if self.messages.is_empty() { Ok(()) } else { Err(self.into_fault()) }
    }
}

/// Rejects a row whose sum exceeds the largest count.
pub(crate) fn check_limit(row: &CountRow) -> Result<(), String> {
    if row.hits.max(row.uniques) <= MAX_COUNT {
        return Ok(());
    }
    Err(format!("expected at most {MAX_COUNT} views of {:?} in all lines, found more", row.path))
}

/// The content of a line.
pub(crate) enum LineContent {
    Row(CountRow),
    Site(CountRow),
    Dropped(DroppedViews),
}

/// The number of a line, and its content or the reason why it is invalid.
pub(crate) type NumberedLine = (usize, Result<LineContent, String>);

/// Validates the row of a page and normalises its path and times.
pub(crate) fn validate_row(row: CountRow, keep_query: &[String]) -> Result<CountRow, String> {
    if row.path.trim().is_empty() {
        return Err("expected a path, found an empty one".to_owned());
    }
    let path = page_key(&row.path, keep_query)?;
    normalise_times(CountRow { path, ..row })
}

/// Normalises the times of a row to the stored format.
pub(crate) fn normalise_times(row: CountRow) -> Result<CountRow, String> {
    let CountRow { path, hits, uniques, first, last, days, months } = row;
    let first = first.filter(|text| !text.is_empty()).map(|text| parse_day(&text)).transpose()?;
    let last = last.filter(|text| !text.is_empty()).map(|text| normalise_time(&text)).transpose()?;
    let mut row = CountRow { path, hits, uniques, first, last, ..CountRow::default() };
    for (day, tally) in days {
        row.days.entry(validate_century(&parse_day(&day)?)?).or_default().add(tally);
    }
    for (month, tally) in months {
        row.months.entry(validate_month(&month)?).or_default().add(tally);
    }
    Ok(row)
}

/// Returns the key under which a path is counted. The key contains the query parameters in `keep_query`.
pub fn page_key(path: &str, keep_query: &[String]) -> Result<String, String> {
    let key = path::normalise_keeping(path, keep_query);
    key.map(path::PageKey::into_string)
        .map_err(|why| format!("expected a path that can be counted, found {path:?}: {why}"))
}

/// Parses a day, or the day of a time.
fn parse_day(text: &str) -> Result<String, String> {
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return Ok(day.to_string());
    }
    normalise_time(text).map(|time| time[..10].to_owned())
}

/// Validates a month. Its attribute in the table has a two-digit year, so it must be in this century.
pub(crate) fn validate_month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    if is_month {
        validate_century(text)
    } else {
        Err(format!("expected a month such as 2026-09, found {text:?}"))
    }
}

/// Validates that a day or month is in this century.
fn validate_century(text: &str) -> Result<String, String> {
    let is_in_century = text.starts_with("20");
    if is_in_century {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a year from 2000 to 2099, found {text:?}"))
    }
}

/// Validates the name of a reason for ignoring a view: at most 32 lower-case letters and underscores.
pub(crate) fn validate_reason(text: String) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let fits = plain && (1..=32).contains(&text.len());
    if fits { Ok(text) } else { Err(format!("expected a reason such as bot, found {text:?}")) }
}

/// Converts a time to UTC and whole seconds. For a day, returns its beginning.
fn normalise_time(text: &str) -> Result<String, String> {
    // A day has 10 characters.
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: jiff::Timestamp =
        whole.parse().map_err(|_| format!("expected a time such as 2026-09-20T10:00:00Z, found {text:?}"))?;
    match jiff::Timestamp::from_second(time.as_second()) {
        // From the beginning of 1970 to the end of 9999.
        Ok(time) if (0..253_402_300_800).contains(&time.as_second()) => Ok(time.to_string()),
        _ => Err(format!("expected a year from 1970 to 9999, found {text:?}")),
    }
}

/// Parses the time of a hit. It must be in this century.
pub(crate) fn parse_moment(text: &str) -> Result<Moment, String> {
    let time: jiff::Timestamp =
        normalise_time(text)?.parse().map_err(|_| format!("expected a time, found {text:?}"))?;
    validate_century(&time.to_string()[..10])?;
    Ok(Moment::from_millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// Parses a count from a cell.
pub(crate) fn parse_count(cell: &str, column: &str) -> Result<u64, String> {
    let count = cell.trim().parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| fields::not_a_count(column, &fields::quoted(cell)))
}
