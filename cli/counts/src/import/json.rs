//! Reads counts from JSON: one object a line as `counts export` writes them, one object of all as `counts list --json` shows it,
//! or a list; on one line or on many.

use std::collections::BTreeMap;

use hitctl_config::contract::KEY_SITE;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::lines::{Line, Object};
use crate::fields::{self, Fields};
use crate::model::{CountRow, Dropped, Tally};

/// The fields of an object that stands for more than one path.
const ALL: [&str; 3] = ["counts", "site", "dropped"];

/// Returns the objects of a text, with the lines that they begin on.
pub(crate) fn json(text: &str) -> Box<dyn Iterator<Item = Line> + '_> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let is_whole = serde_json::from_str::<&RawValue>(first).is_ok();
    // The first line of a document of several is no JSON by itself; that of lines may still be a bad one.
    if is_whole || first.starts_with('{') && first.ends_with('}') {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return Box::new(lines.flat_map(|(n, line)| read(line, &mut |_| n + 1)));
    }
    let mut lines = Lines { text, at: 0, line: 1 };
    Box::new(read(text, &mut |part| lines.of(part)).into_iter())
}

/// Reads one JSON text, which may hold several objects.
fn read<'a>(text: &'a str, line: &mut dyn FnMut(&'a str) -> usize) -> Vec<Line> {
    let mut found = Vec::new();
    match serde_json::from_str::<&'a RawValue>(text) {
        Ok(value) => value_of(value.get(), line, &mut found),
        Err(error) => {
            // The line within this text: of its end, that is the last one.
            let bad = text.lines().nth(error.line().saturating_sub(1)).or_else(|| text.lines().last());
            found.push((bad.map_or(1, line), Err(fields::syntax(&error))));
        }
    }
    found
}

fn value_of<'a>(json: &'a str, line: &mut dyn FnMut(&'a str) -> usize, found: &mut Vec<Line>) {
    if let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(json) {
        for value in list {
            found.push((line(value.get()), row(value.get())));
        }
        return;
    }
    let fields: BTreeMap<String, &'a RawValue> = serde_json::from_str(json).unwrap_or_default();
    if !ALL.iter().any(|name| fields.contains_key(*name)) {
        found.push((line(json), row(json)));
        return;
    }
    for (name, of) in [("site", site as fn(&str) -> _), ("dropped", dropped)] {
        let value = fields.get(name).map(|value| value.get()).filter(|value| *value != "null");
        found.extend(value.map(|value| (line(value), of(value))));
    }
    match fields.get("counts").map(|counts| counts.get()) {
        None | Some("null") => {}
        Some(counts) if counts.starts_with('[') => value_of(counts, line, found),
        Some(counts) => {
            let why = serde_json::from_str::<Json>(counts).map_or_else(
                |error| fields::syntax(&error),
                |value| format!("expected a list in \"counts\", found {}", fields::found(&value)),
            );
            found.push((line(counts), Err(why)));
        }
    }
}

fn row(json: &str) -> Result<Object, String> {
    let mut fields = Fields::parse(json)?;
    Ok(Object::Row(CountRow {
        path: fields.text("path")?.ok_or_else(|| fields::missing("path"))?,
        hits: fields.count("hits")?.ok_or_else(|| fields::missing("hits"))?,
        uniques: fields.count("uniques")?.unwrap_or(0),
        first: fields.text("first")?,
        last: fields.text("last")?,
        days: tallies(&mut fields, "days")?,
        months: tallies(&mut fields, "months")?,
    }))
}

fn tallies(fields: &mut Fields, name: &str) -> Result<BTreeMap<String, Tally>, String> {
    let tallies = fields.object(name)?.unwrap_or_default();
    let tally = |(when, json): (String, Json)| {
        let mut fields = Fields::of(json).map_err(|why| format!("{when:?}: {why}"))?;
        let mut count = |name| fields.count(name).map(Option::unwrap_or_default);
        Ok((when, Tally { hits: count("hits")?, uniques: count("uniques")? }))
    };
    tallies.into_iter().map(tally).collect()
}

fn site(json: &str) -> Result<Object, String> {
    let mut fields = Fields::parse(json)?;
    let uniques = fields.count("uniques")?.ok_or_else(|| fields::missing("uniques"))?;
    let mut tallies = |name: &str| {
        let uniques = counts(fields.object(name)?.unwrap_or_default())?.into_iter();
        Ok::<_, String>(uniques.map(|(when, uniques)| (when, Tally { hits: 0, uniques })).collect())
    };
    let (days, months) = (tallies("days")?, tallies("months")?);
    Ok(Object::Site(CountRow { uniques, days, months, ..CountRow::zero(KEY_SITE) }))
}

fn dropped(json: &str) -> Result<Object, String> {
    let months: serde_json::Map<String, Json> =
        serde_json::from_str(json).map_err(|_| "expected an object in \"dropped\", found something else")?;
    let mut dropped = Dropped::new();
    for (month, reasons) in months {
        let Json::Object(reasons) = reasons else {
            return Err(format!("expected an object in {month:?}, found {}", fields::found(&reasons)));
        };
        dropped.insert(month, counts(reasons)?);
    }
    Ok(Object::Dropped(dropped))
}

fn counts(fields: serde_json::Map<String, Json>) -> Result<BTreeMap<String, u64>, String> {
    let count = |(name, value): (String, Json)| fields::count(&value, &name).map(|count| (name, count));
    fields.into_iter().map(count).collect()
}

/// Finds the lines of parts of a text, quickly where they are asked for in their order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, part: &str) -> usize {
        let at = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr()).min(self.text.len());
        if at < self.at {
            (self.at, self.line) = (0, 1);
        }
        self.line += self.text[self.at..at].matches('\n').count();
        self.at = at;
        self.line
    }
}
