//! Reads counts from JSON on one or several lines: one object per line as `counts export` writes them, one object with all counts
//! as `counts list --json` prints it, or a list.

use std::collections::BTreeMap;

use hitctl_config::contract::KEY_SITE;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::lines::{LineContent, NumberedLine};
use crate::fields::{self, JsonFields};
use crate::model::{CountRow, DroppedViews, Tally};

/// An object with one of these fields contains all counts instead of one row.
const SUMMARY_FIELDS: [&str; 3] = ["counts", "site", "dropped"];

/// Returns the objects of a text with the numbers of the lines on which they start.
pub(crate) fn parse_json(text: &str) -> Box<dyn Iterator<Item = NumberedLine> + '_> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let is_valid_json = serde_json::from_str::<&RawValue>(first).is_ok();
    // The first line of a multi-line document is not valid JSON by itself. In a file with one object per line, the
    // first line may be an invalid object.
    if is_valid_json || first.starts_with('{') && first.ends_with('}') {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return Box::new(lines.flat_map(|(n, line)| read_document(line, &mut |_| n + 1)));
    }
    let mut locator = LineLocator { text, offset: 0, line: 1 };
    Box::new(read_document(text, &mut |part| locator.line_of(part)).into_iter())
}

/// Reads one JSON text, which may contain several objects. `line_of` returns the line number of a part of the text.
fn read_document<'a>(text: &'a str, line_of: &mut dyn FnMut(&'a str) -> usize) -> Vec<NumberedLine> {
    let mut found = Vec::new();
    match serde_json::from_str::<&'a RawValue>(text) {
        Ok(value) => collect_objects(value.get(), line_of, &mut found),
        Err(error) => {
            // The error's line within this text. An error at the end is on the last line.
            let bad_line = text.lines().nth(error.line().saturating_sub(1)).or_else(|| text.lines().last());
            found.push((bad_line.map_or(1, line_of), Err(fields::syntax_error(&error))));
        }
    }
    found
}

fn collect_objects<'a>(
    json: &'a str,
    line_of: &mut dyn FnMut(&'a str) -> usize,
    found: &mut Vec<NumberedLine>,
) {
    if let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(json) {
        for value in list {
            found.push((line_of(value.get()), parse_row(value.get())));
        }
        return;
    }
    let fields: BTreeMap<String, &'a RawValue> = serde_json::from_str(json).unwrap_or_default();
    if !SUMMARY_FIELDS.iter().any(|name| fields.contains_key(*name)) {
        found.push((line_of(json), parse_row(json)));
        return;
    }
    for (name, parse) in [("site", parse_site as fn(&str) -> _), ("dropped", parse_dropped)] {
        let value = fields.get(name).map(|value| value.get()).filter(|value| *value != "null");
        found.extend(value.map(|value| (line_of(value), parse(value))));
    }
    match fields.get("counts").map(|counts| counts.get()) {
        None | Some("null") => {}
        Some(counts) if counts.starts_with('[') => collect_objects(counts, line_of, found),
        Some(counts) => {
            let why = serde_json::from_str::<Json>(counts).map_or_else(
                |error| fields::syntax_error(&error),
                |value| format!("expected a list in \"counts\", found {}", fields::describe(&value)),
            );
            found.push((line_of(counts), Err(why)));
        }
    }
}

fn parse_row(json: &str) -> Result<LineContent, String> {
    let mut fields = JsonFields::parse(json)?;
    Ok(LineContent::Row(CountRow {
        path: fields.text("path")?.ok_or_else(|| fields::missing_field("path"))?,
        hits: fields.count("hits")?.ok_or_else(|| fields::missing_field("hits"))?,
        uniques: fields.count("uniques")?.unwrap_or(0),
        first: fields.text("first")?,
        last: fields.text("last")?,
        days: parse_tallies(&mut fields, "days")?,
        months: parse_tallies(&mut fields, "months")?,
    }))
}

fn parse_tallies(fields: &mut JsonFields, name: &str) -> Result<BTreeMap<String, Tally>, String> {
    let tallies = fields.object(name)?.unwrap_or_default();
    let tally = |(when, json): (String, Json)| {
        let mut fields = JsonFields::from_value(json).map_err(|why| format!("{when:?}: {why}"))?;
        let mut count = |name| fields.count(name).map(Option::unwrap_or_default);
        Ok((when, Tally { hits: count("hits")?, uniques: count("uniques")? }))
    };
    tallies.into_iter().map(tally).collect()
}

fn parse_site(json: &str) -> Result<LineContent, String> {
    let mut fields = JsonFields::parse(json)?;
    let uniques = fields.count("uniques")?.ok_or_else(|| fields::missing_field("uniques"))?;
    let mut tallies = |name: &str| {
        let uniques = parse_count_map(fields.object(name)?.unwrap_or_default())?.into_iter();
        Ok::<_, String>(uniques.map(|(when, uniques)| (when, Tally { hits: 0, uniques })).collect())
    };
    let (days, months) = (tallies("days")?, tallies("months")?);
    Ok(LineContent::Site(CountRow { uniques, days, months, ..CountRow::zero(KEY_SITE) }))
}

fn parse_dropped(json: &str) -> Result<LineContent, String> {
    let months: serde_json::Map<String, Json> =
        serde_json::from_str(json).map_err(|_| "expected an object in \"dropped\", found another value")?;
    let mut dropped = DroppedViews::new();
    for (month, reasons) in months {
        let Json::Object(reasons) = reasons else {
            return Err(format!("expected an object in {month:?}, found {}", fields::describe(&reasons)));
        };
        dropped.insert(month, parse_count_map(reasons)?);
    }
    Ok(LineContent::Dropped(dropped))
}

fn parse_count_map(fields: serde_json::Map<String, Json>) -> Result<BTreeMap<String, u64>, String> {
    let count = |(name, value): (String, Json)| fields::read_count(&value, &name).map(|count| (name, count));
    fields.into_iter().map(count).collect()
}

/// Finds the line numbers of parts of a text. A lookup is fast if the part is after the previous one.
struct LineLocator<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl LineLocator<'_> {
    fn line_of(&mut self, part: &str) -> usize {
        // `part` is a slice of the text, so the distance of the addresses is its offset.
        let offset = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr()).min(self.text.len());
        if offset < self.offset {
            (self.offset, self.line) = (0, 1);
        }
        self.line += self.text[self.offset..offset].matches('\n').count();
        self.offset = offset;
        self.line
    }
}
