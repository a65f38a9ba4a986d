//! Reads a file of counts: CSV or NDJSON as `counts export` writes them, the object of `counts list --json`, or what
//! GoatCounter exports. Errors name the number of every bad line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hitctl_config::contract::{KEY_SITE, MAX_COUNT};
use hitctl_engine::Fault;

use super::csv::csv;
use super::goatcounter;
use super::json::json;
use super::lines::{
    ImportOptions, Line, LineErrors, Object, checked, countable, dated, month as month_of,
    reason as reason_of,
};
use super::reading::Reading;
use super::records::records;
use crate::model::{CountRow, Dropped, Numbers};

/// The format of a file of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma, semicolon or tab separated values.
    Csv,
    /// JSON: an object a line, a list, or one object of all.
    Json,
    /// GoatCounter's CSV export.
    GoatCounter,
}

/// Returns the numbers of a file, by path, and what the import says of it. What stands there twice is added up.
pub fn numbers(
    content: &[u8],
    format: Option<Format>,
    taking: &ImportOptions,
) -> Result<(Numbers, Reading), Fault> {
    let text = decoded(content)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reading = Reading::default();
    let lines: Box<dyn Iterator<Item = Line>> = match format.unwrap_or_else(|| detected(text)) {
        Format::GoatCounter => return goatcounter::numbers(text, taking),
        Format::Json => {
            reading.format = "JSON";
            Box::new(json(text))
        }
        Format::Csv => {
            let (lines, others) = csv(text);
            reading.format = "CSV";
            reading.not_kept = others.into_iter().map(|name| format!("the column {name}")).collect();
            lines
        }
    };
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = Dropped::new();
    let mut wrong = LineErrors::default();
    for (line, read) in lines {
        reading.lines += 1;
        let read = read.and_then(|object| match object {
            Object::Row(row) => {
                let row = checked(row, &taking.keep_query)?;
                let sum = rows.entry(row.path.clone()).or_insert_with(|| CountRow::zero(&row.path));
                sum.add(row);
                countable(sum)
            }
            Object::Site(read) => {
                site.add(dated(read)?);
                countable(&site)
            }
            Object::Dropped(read) => {
                for (month, reasons) in read {
                    let of_month = dropped.entry(month_of(&month)?).or_default();
                    for (reason, n) in reasons {
                        let sum = of_month.entry(reason_of(reason)?).or_default();
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

/// Returns the text of a file: UTF-8, or UTF-16 as spreadsheets write it, with a byte order mark.
fn decoded(content: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let refused = |before: &[u8], what: &str| {
        let line = before.split(|byte| *byte == b'\n').count();
        LineErrors::default().with(line, &format!("expected {what}, found other bytes")).failure()
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

/// The format that the beginning of a text shows.
fn detected(text: &str) -> Format {
    if text.trim_start().starts_with(['{', '[']) {
        return Format::Json;
    }
    match records(text, ',', 1).next() {
        Some((_, Ok(cells))) if goatcounter::is_header(&cells) => Format::GoatCounter,
        _ => Format::Csv,
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
