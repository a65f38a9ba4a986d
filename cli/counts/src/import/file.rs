//! Reads counts from a file: the output of `counts export` (CSV or NDJSON) or of `counts list --json`, or a GoatCounter
//! CSV export. The error lists all invalid lines with their numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hitctl_config::contract::{KEY_SITE, MAX_COUNT};
use hitctl_engine::Fault;

use super::csv::parse_csv;
use super::goatcounter;
use super::import_report::ImportReport;
use super::json::parse_json;
use super::lines::{
    ImportOptions, LineContent, LineErrors, NumberedLine, check_limit, normalise_times, validate_month,
    validate_reason, validate_row,
};
use super::records::csv_records;
use crate::model::{CountRow, CounterData, DroppedViews};

/// The format of a file of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// Values separated by commas, semicolons or tabs.
    Csv,
    /// JSON: one object per line, a list, or one object with all counts.
    Json,
    /// GoatCounter's CSV export. `goatcounter_json` reads GoatCounter's JSON export, which is a zip.
    GoatCounter,
}

/// Parses `content` and returns the counts and a report. Adds up lines with the same path.
pub fn parse_counts(
    content: &[u8],
    format: Option<ImportFormat>,
    options: &ImportOptions,
) -> Result<(CounterData, ImportReport), Fault> {
    let text = decode(content)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut report = ImportReport::default();
    let lines: Box<dyn Iterator<Item = NumberedLine>> = match format.unwrap_or_else(|| detect_format(text)) {
        ImportFormat::GoatCounter => return goatcounter::parse_goatcounter_csv(text, options),
        ImportFormat::Json => {
            report.format = "JSON";
            Box::new(parse_json(text))
        }
        ImportFormat::Csv => {
            let (lines, unread_columns) = parse_csv(text);
            report.format = "CSV";
            report.not_kept = unread_columns.into_iter().map(|name| format!("the column {name}")).collect();
            lines
        }
    };
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = DroppedViews::new();
    let mut errors = LineErrors::default();
    for (line, parsed) in lines {
        report.lines += 1;
        let parsed = parsed.and_then(|content| match content {
            LineContent::Row(row) => {
                let row = validate_row(row, &options.keep_query)?;
                let sum = rows.entry(row.path.clone()).or_insert_with(|| CountRow::zero(&row.path));
                sum.add(row);
                check_limit(sum)
            }
            LineContent::Site(parsed) => {
                site.add(normalise_times(parsed)?);
                check_limit(&site)
            }
            LineContent::Dropped(parsed) => {
                for (month, reasons) in parsed {
                    let of_month = dropped.entry(validate_month(&month)?).or_default();
                    for (reason, n) in reasons {
                        let sum = of_month.entry(validate_reason(reason)?).or_default();
                        *sum = sum.saturating_add(n).min(MAX_COUNT);
                    }
                }
                Ok(())
            }
        });
        if let Err(why) = parsed {
            errors = errors.with_error(line, &why);
        }
    }
    errors.into_result()?;
    let numbers =
        CounterData { counts: rows.into_values().collect(), site, dropped, ..CounterData::default() };
    report.note_truncated_history(&numbers);
    Ok((numbers, report))
}

/// Decodes a file: UTF-8, or UTF-16 with a byte order mark, which spreadsheets write.
fn decode(content: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let to_unit: fn([u8; 2]) -> u16 = match content {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let text = std::str::from_utf8(content);
            return text.map(Cow::Borrowed).map_err(|error| {
                let line = content[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
                LineErrors::default().with_error(line, "expected UTF-8, found invalid bytes").into_fault()
            });
        }
    };
    let (pairs, rest) = content.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| to_unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err(Fault::fatal("bad_file", "expected UTF-16, found invalid bytes")
            .hinted("save the file as UTF-8, then run the command again; nothing was imported")),
    }
}

/// Detects the format from the beginning of a text.
fn detect_format(text: &str) -> ImportFormat {
    if text.trim_start().starts_with(['{', '[']) {
        return ImportFormat::Json;
    }
    match csv_records(text, ',', 1).next() {
        Some((_, Ok(cells))) if goatcounter::is_header(&cells) => ImportFormat::GoatCounter,
        _ => ImportFormat::Csv,
    }
}

#[cfg(test)]
mod tests;
