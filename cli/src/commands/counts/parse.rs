//! Reads a file of counts: CSV or NDJSON as `counts export` writes them, the object of `counts list --json`, or what
//! GoatCounter exports. Every bad line is told, with its number.

use std::collections::BTreeMap;

use hit_counter::moment::Moment;
use hit_counter::path;
use hitctl_config::contract::KEY_SITE;
use serde::Deserialize;

use super::goatcounter::{self, LeftOut};
use super::import::Input;
use super::records::records;
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
            .hinted("mend these lines and run the command again: nothing was written")
    }

    /// Whether there were none.
    pub(super) fn end(self) -> Result<(), Failure> {
        if self.told.is_empty() { Ok(()) } else { Err(self.failure()) }
    }
}

/// The numbers of a file, by path: what stands there twice is added up; and what was left out of it.
pub(super) fn numbers(content: &[u8], input: Input, taking: &Taking) -> Result<(Numbers, LeftOut), Failure> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        Wrong::default().with(line, "it is not UTF-8").failure()
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Box<dyn Iterator<Item = Line>> = match input.or_by(text) {
        Input::Goatcounter => return goatcounter::numbers(text, taking),
        Input::Ndjson => Box::new(json(text)),
        Input::Auto | Input::Csv => csv(text),
    };
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = Dropped::new();
    let mut wrong = Wrong::default();
    for (line, read) in lines {
        let read = read.and_then(|object| match object {
            Object::Row(row) => {
                let row = row.judged(&taking.keep_query)?;
                let sum = rows.entry(row.path.clone());
                sum.or_insert_with(|| CountRow::zero(&row.path)).add(row);
                Ok(())
            }
            Object::Site(read) => read.judged().map(|read| site.add(read)),
            Object::Dropped(read) => {
                for (month, reasons) in read {
                    let of_month = dropped.entry(self::month(&month)?).or_default();
                    for (reason, n) in reasons {
                        let sum = of_month.entry(self::reason(reason)?).or_default();
                        *sum = sum.saturating_add(n);
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
    Ok((
        Numbers { counts: rows.into_values().collect(), site, dropped, ..Numbers::default() },
        LeftOut::default(),
    ))
}

impl Input {
    /// It, or what the beginning of a text says.
    fn or_by(self, text: &str) -> Self {
        match self {
            Self::Auto if text.trim_start().starts_with('{') => Self::Ndjson,
            Self::Auto => match records(text).next() {
                Some((_, Ok(cells))) if goatcounter::is_header(&cells) => Self::Goatcounter,
                _ => Self::Csv,
            },
            told => told,
        }
    }
}

/// A line as it was read.
#[derive(Debug, Default, Deserialize)]
struct Row {
    path: String,
    hits: u64,
    #[serde(default)]
    uniques: u64,
    #[serde(default)]
    first: Option<String>,
    #[serde(default)]
    last: Option<String>,
    #[serde(default)]
    days: BTreeMap<String, Tally>,
    #[serde(default)]
    months: BTreeMap<String, Tally>,
}

/// The visitors of the site.
#[derive(Debug, Default, Deserialize)]
struct Site {
    uniques: u64,
    #[serde(default)]
    days: BTreeMap<String, u64>,
    #[serde(default)]
    months: BTreeMap<String, u64>,
}

/// What a line of JSON may be.
enum Object {
    Row(Row),
    Site(Site),
    Dropped(Dropped),
}

type Line = (usize, Result<Object, String>);

impl Row {
    /// The same by the rules of the function: the key, a day, and a time in UTC.
    fn judged(self, keep_query: &[String]) -> Result<CountRow, String> {
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
    key.map(path::Key::into_string).map_err(|why| format!("{path:?} is not counted: {why}"))
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
    if is_month { of_century(text) } else { Err(format!("{text:?} is no month, such as 2026-09")) }
}

/// A day or month that can be kept.
fn of_century(text: &str) -> Result<String, String> {
    let kept = text.starts_with("20");
    if kept { Ok(text.to_owned()) } else { Err(format!("{text:?} is not between the years 2000 and 2099")) }
}

/// Why something was not counted, as the function names it.
fn reason(text: String) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let fits = plain && (1..=32).contains(&text.len());
    if fits { Ok(text) } else { Err(format!("{text:?} is no reason why something is not counted")) }
}

/// A time in UTC and whole seconds; of a day, its beginning.
fn time(text: &str) -> Result<String, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: jiff::Timestamp =
        whole.parse().map_err(|_| format!("{text:?} is no time, such as 2026-09-20T10:00:00Z"))?;
    match jiff::Timestamp::from_second(time.as_second()) {
        Ok(time) if (0..253_402_300_800).contains(&time.as_second()) => Ok(time.to_string()),
        _ => Err(format!("{text:?} is not between the years 1970 and 9999")),
    }
}

/// The time of a hit whose day and month are kept.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let time: jiff::Timestamp = time(text)?.parse().map_err(|_| format!("{text:?} is no time"))?;
    of_century(&time.to_string()[..10])?;
    Ok(Moment::from_millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// One object a line: a path, the site, or what was not counted. An object with `counts` stands for all of them.
fn json(text: &str) -> impl Iterator<Item = Line> + '_ {
    #[derive(Deserialize)]
    struct All {
        #[serde(default)]
        counts: Option<Vec<Row>>,
        #[serde(default)]
        site: Option<Site>,
        #[serde(default)]
        dropped: Option<Dropped>,
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.flat_map(|(n, line)| {
        let why = |error: serde_json::Error| {
            let why = error.to_string();
            why.rsplit_once(" at line ").map_or(why.clone(), |(why, _)| why.to_owned())
        };
        let is_row = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(line)
            .map(|keys| !["counts", "site", "dropped"].iter().any(|key| keys.contains_key(*key)));
        let objects = if is_row.unwrap_or(true) {
            vec![serde_json::from_str(line).map(Object::Row).map_err(why)]
        } else {
            match serde_json::from_str::<All>(line) {
                Err(error) => vec![Err(why(error))],
                Ok(all) => {
                    let rows = all.counts.into_iter().flatten().map(Object::Row);
                    let rest = all.site.map(Object::Site).into_iter().chain(all.dropped.map(Object::Dropped));
                    rows.chain(rest).map(Ok).collect()
                }
            }
        };
        objects.into_iter().map(move |object| (n + 1, object))
    })
}

/// A header that names the columns, then one line a path; without a header the columns are those of an export, as of now or
/// as of when visitors were not in it.
fn csv(text: &str) -> Box<dyn Iterator<Item = Line> + '_> {
    let mut records = records(text).peekable();
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut columns = own(&["path", "hits", "first", "last"]);
    if let Some((line, Ok(cells))) = records.peek() {
        let is_number = |cell: Option<&String>| cell.is_some_and(|cell| cell.trim().parse::<u64>().is_ok());
        if is_number(cells.get(1)) {
            if is_number(cells.get(2)) || cells.len() == 5 {
                columns = own(&["path", "hits", "uniques", "first", "last"]);
            }
        } else {
            let names: Vec<String> = cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect();
            let missing: Vec<_> =
                ["path", "hits"].into_iter().filter(|name| !names.iter().any(|own| own == name)).collect();
            if !missing.is_empty() {
                let why = format!("the header has no column {}", missing.join(" and "));
                return Box::new(std::iter::once((*line, Err(why))));
            }
            columns = names;
            records.next();
        }
    }
    Box::new(records.map(move |(line, cells)| (line, cells.and_then(|cells| row(&columns, cells)))))
}

/// A line by its columns; others than those of an export are passed over.
fn row(columns: &[String], cells: Vec<String>) -> Result<Object, String> {
    if cells.len() > columns.len() {
        return Err(format!("it has {} cells, but there are {} columns", cells.len(), columns.len()));
    }
    let mut row = Row::default();
    let mut seen = (false, false);
    for (name, cell) in columns.iter().zip(cells) {
        match name.as_str() {
            "path" => (row.path, seen.0) = (cell, true),
            "hits" => {
                seen.1 = true;
                row.hits = cell.trim().parse().map_err(|_| format!("{cell:?} is no number of hits"))?;
            }
            // A sheet without visitors may well leave the cells of theirs empty.
            "uniques" if cell.trim().is_empty() => {}
            "uniques" => {
                row.uniques =
                    cell.trim().parse().map_err(|_| format!("{cell:?} is no number of visitors"))?;
            }
            "first" => row.first = Some(cell.trim().to_owned()),
            "last" => row.last = Some(cell.trim().to_owned()),
            _ => {}
        }
    }
    if seen == (true, true) { Ok(Object::Row(row)) } else { Err("it has no path or no hits".to_owned()) }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
