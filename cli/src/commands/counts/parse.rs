//! Reads a file of counts: CSV or NDJSON as `counts export` writes them, or the object of `counts list --json`. Every bad
//! line is told, with its number.

use std::collections::BTreeMap;

use hit_counter::path;
use serde::Deserialize;

use crate::report::{CountRow, Failure};

/// More bad lines than this are only counted.
const MOST_TOLD: usize = 20;

/// The counts of a file, by path: what stands there twice is added up.
pub(super) fn rows(content: &[u8]) -> Result<Vec<CountRow>, Failure> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        bad(&[format!("line {line}: it is not UTF-8")])
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = if text.trim_start().starts_with('{') { json(text) } else { csv(text) };
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (line, read) in lines {
        match read.and_then(Row::judged) {
            Ok(row) => match rows.get_mut(&row.path) {
                Some(sum) => sum.add(row),
                None => drop(rows.insert(row.path.clone(), row)),
            },
            Err(why) => wrong.push(format!("line {line}: {why}")),
        }
    }
    if wrong.is_empty() { Ok(rows.into_values().collect()) } else { Err(bad(&wrong)) }
}

fn bad(wrong: &[String]) -> Failure {
    let more = wrong.len().saturating_sub(MOST_TOLD);
    let more = (more > 0).then(|| format!("and {more} more"));
    let told: Vec<String> = wrong.iter().take(MOST_TOLD).cloned().chain(more).collect();
    Failure::new("bad_file", told.join("\n"))
        .hinted("mend these lines and run the command again: nothing was written")
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
}

type Line = (usize, Result<Row, String>);

impl Row {
    /// The same by the rules of the function: the key, a day, and a time in UTC.
    fn judged(self) -> Result<CountRow, String> {
        let path = match path::normalise(&self.path) {
            Ok(key) => key.into_string(),
            Err(why) => return Err(format!("{:?} is not counted: {why}", self.path)),
        };
        let first = self.first.filter(|text| !text.is_empty()).map(|text| day(&text)).transpose()?;
        let last = self.last.filter(|text| !text.is_empty()).map(|text| time(&text)).transpose()?;
        Ok(CountRow { hits: self.hits, uniques: self.uniques, first, last, ..CountRow::zero(&path) })
    }
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

/// One object a line; an object with `counts` stands for all of them.
fn json(text: &str) -> Vec<Line> {
    #[derive(Deserialize)]
    struct All {
        counts: Vec<Row>,
    }
    let mut lines = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let Ok(all) = serde_json::from_str::<All>(line) {
            lines.extend(all.counts.into_iter().map(|row| (n + 1, Ok(row))));
            continue;
        }
        let row = serde_json::from_str(line).map_err(|error| {
            let why = error.to_string();
            why.rsplit_once(" at line ").map_or(why.clone(), |(why, _)| why.to_owned())
        });
        lines.push((n + 1, row));
    }
    lines
}

/// A header that names the columns, then one line a path; without a header the columns are those of an export.
fn csv(text: &str) -> Vec<Line> {
    let mut records = records(text).into_iter().peekable();
    let mut columns: Vec<String> = ["path", "hits", "first", "last"].map(str::to_owned).to_vec();
    if let Some((line, Ok(cells))) = records.peek() {
        let names: Vec<String> = cells.iter().map(|cell| cell.trim().to_ascii_lowercase()).collect();
        if cells.get(1).is_none_or(|cell| cell.trim().parse::<u64>().is_err()) {
            let missing: Vec<_> =
                ["path", "hits"].into_iter().filter(|name| !names.iter().any(|own| own == name)).collect();
            if !missing.is_empty() {
                let why = format!("the header has no column {}", missing.join(" and "));
                return vec![(*line, Err(why))];
            }
            columns = names;
            records.next();
        }
    }
    records.map(|(line, cells)| (line, cells.and_then(|cells| row(&columns, cells)))).collect()
}

/// A line by its columns; others than those of an export are passed over.
fn row(columns: &[String], cells: Vec<String>) -> Result<Row, String> {
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
            "first" => row.first = Some(cell.trim().to_owned()),
            "last" => row.last = Some(cell.trim().to_owned()),
            _ => {}
        }
    }
    if seen == (true, true) { Ok(row) } else { Err("it has no path or no hits".to_owned()) }
}

/// The cells of each record that is not blank, by RFC 4180, with the line that it begins on.
fn records(text: &str) -> Vec<(usize, Result<Vec<String>, String>)> {
    let mut records = Vec::new();
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while chars.peek().is_some() {
        let begun = line;
        let (mut cells, mut cell, mut wrong) = (Vec::new(), String::new(), None);
        let (mut quoted, mut was_quoted) = (false, false);
        loop {
            match chars.next() {
                None if quoted => {
                    wrong = Some("a quote is not closed".to_owned());
                    break;
                }
                None => break,
                Some('"') if quoted && chars.peek() == Some(&'"') => {
                    cell.push('"');
                    chars.next();
                }
                Some('"') if quoted => quoted = false,
                Some('"') if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
                Some(',') if !quoted => {
                    cells.push(std::mem::take(&mut cell));
                    was_quoted = false;
                }
                Some('\r') if !quoted && chars.peek() == Some(&'\n') => {}
                Some('\n') => {
                    line += 1;
                    if !quoted {
                        break;
                    }
                    cell.push('\n');
                }
                Some(_) if was_quoted && !quoted => {
                    wrong = Some("something follows a closing quote".to_owned());
                }
                Some(c) => cell.push(c),
            }
        }
        let is_blank = cells.is_empty() && cell.trim().is_empty() && !was_quoted && wrong.is_none();
        cells.push(cell);
        if !is_blank {
            records.push((begun, wrong.map_or(Ok(cells), Err)));
        }
    }
    records
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
