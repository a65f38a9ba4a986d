//! What the items of the table mean: which item belongs to which path, which attribute counts what, and what several items
//! come to. Pure; nothing here reads or writes.

use std::collections::BTreeMap;

use hit_counter::hit::{DAYS_MOST, MONTHS_KEPT};
use hit_counter::moment::{Day, month_of_attribute, month_of_uniques_attribute};
use hitctl_config::contract::{
    ATTR_DROPPED_PATH, ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET,
    KEY_DROPPED_PREFIX, KEY_SHARD_PREFIX, KEY_SITE, MAX_COUNT, RESERVED_PREFIX,
};

use crate::model::{CountRow, Dropped, Numbers, Tally};
use crate::record::Record;
use crate::sum::Sum;

/// Sorts the items of a table.
pub fn sorted(items: &[Record]) -> Numbers {
    let mut counts: BTreeMap<&str, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = Dropped::new();
    let mut budget = BTreeMap::new();
    for item in items {
        let Some(owner) = item.text(ATTR_PATH).map(owner) else { continue };
        if owner == KEY_SITE {
            add(&mut site, item);
        } else if owner == KEY_BUDGET {
            budget = item.numbers().map(|(name, n)| (name.to_owned(), n)).collect();
        } else if let Some(month) = owner.strip_prefix(KEY_DROPPED_PREFIX).and_then(month_of) {
            let reasons = dropped.entry(month).or_default();
            for (name, n) in item.numbers() {
                // The reason `path` is counted under another name: the key has that one.
                let reason = if name == ATTR_DROPPED_PATH { ATTR_PATH } else { name };
                let sum = reasons.entry(reason.to_owned()).or_default();
                *sum = sum.saturating_add(n).min(MAX_COUNT);
            }
        } else if is_count(owner, item) {
            add(counts.entry(owner).or_insert_with(|| CountRow::zero(owner)), item);
        }
    }
    Numbers { counts: counts.into_values().collect(), site, dropped, budget }
}

/// The numbers of one path, of its item and its shards; `None` where nothing was ever counted.
pub fn row<'a>(path: &str, items: impl Iterator<Item = &'a Record>) -> Option<CountRow> {
    let mut counted = items.filter(|item| item.number(ATTR_HITS).is_some()).peekable();
    counted.peek()?;
    let mut row = CountRow::zero(path);
    counted.for_each(|item| add(&mut row, item));
    Some(row)
}

/// The path whose hits an item counts: that of a shard is in its key.
fn owner(key: &str) -> &str {
    let shard = key.strip_prefix(KEY_SHARD_PREFIX).and_then(|rest| rest.split_once('#'));
    shard.map_or(key, |(_, path)| path)
}

/// The key of a path's further item of that number, from 1 on.
pub fn shard_key(path: &str, number: u32) -> String {
    format!("{KEY_SHARD_PREFIX}{number}#{path}")
}

fn is_count(owner: &str, item: &Record) -> bool {
    !owner.starts_with(RESERVED_PREFIX) && item.number(ATTR_HITS).is_some()
}

fn add(row: &mut CountRow, item: &Record) {
    for (name, n) in item.numbers() {
        let n = n.min(MAX_COUNT);
        let Some(meaning) = Meaning::of(name) else { continue };
        let tally = match meaning.when {
            When::Ever => {
                let sum = if meaning.visitors { &mut row.uniques } else { &mut row.hits };
                // As the function shows it.
                *sum = sum.saturating_add(n).min(MAX_COUNT);
                continue;
            }
            When::Day(day) => row.days.entry(day).or_default(),
            When::Month(month) => row.months.entry(month).or_default(),
        };
        tally.add(if meaning.visitors {
            Tally { hits: 0, uniques: n }
        } else {
            Tally { hits: n, uniques: 0 }
        });
    }
    let own = |name: &str| item.text(name).map(str::to_owned);
    row.first = [row.first.take(), own(ATTR_FIRST)].into_iter().flatten().min();
    row.last = [row.last.take(), own(ATTR_LAST)].into_iter().flatten().max();
}

/// What is to be in the table for these numbers: keys, and what the items of them hold.
pub fn entries(numbers: &Numbers) -> Vec<(String, Sum)> {
    let mut entries: Vec<_> = numbers.counts.iter().map(|row| (row.path.clone(), sum_of(row))).collect();
    let site = Sum { first: None, last: None, ..sum_of(&numbers.site) };
    entries.extend((site.numbers.values().any(|n| *n > 0)).then(|| (KEY_SITE.to_owned(), site)));
    for (month, reasons) in &numbers.dropped {
        let Some(day) = first_day(month) else { continue };
        let named = |reason: &String| if reason == ATTR_PATH { ATTR_DROPPED_PATH } else { reason }.to_owned();
        let reasons = reasons.iter().map(|(reason, n)| (named(reason), *n)).collect();
        let key = format!("{KEY_DROPPED_PREFIX}{}", day.month_attribute());
        entries.push((key, Sum { numbers: reasons, ..Sum::default() }));
    }
    entries
}

/// What an item has that holds these numbers: of days and months as many as the function would leave there, the latest.
fn sum_of(row: &CountRow) -> Sum {
    let is_site = row.path == KEY_SITE;
    let mut sum = Sum { numbers: BTreeMap::new(), first: row.first.clone(), last: row.last.clone() };
    let mut put = |hits: String, uniques: String, tally: Tally| {
        // A number that is 0 stands there as one that was counted once, and taken back.
        sum.numbers.extend((!is_site).then_some((hits, tally.hits)));
        sum.numbers.extend((tally.uniques > 0).then_some((uniques, tally.uniques)));
    };
    let all = Tally { hits: row.hits, uniques: row.uniques };
    put(ATTR_HITS.to_owned(), ATTR_UNIQUES.to_owned(), all);
    for (text, tally) in row.days.iter().rev().take(DAYS_MOST) {
        let Some(day) = day(text) else { continue };
        put(day.attribute(), day.uniques_attribute(), *tally);
    }
    for (text, tally) in row.months.iter().rev().take(MONTHS_KEPT) {
        let Some(day) = first_day(text) else { continue };
        put(day.month_attribute(), day.month_uniques_attribute(), *tally);
    }
    sum
}

/// The day of `2026-09-20`.
fn day(text: &str) -> Option<Day> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
    Some(Day::from_number(u32::try_from(days).ok()?))
}

/// The first day of `2026-09`; of this century, since a month's attribute has two digits of the year.
fn first_day(month: &str) -> Option<Day> {
    if month.starts_with("20") { day(&format!("{month}-01")) } else { None }
}

/// What a number attribute counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    when: When,
    visitors: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Ever,
    /// `2026-11-20`
    Day(String),
    /// `2026-11`
    Month(String),
}

impl Meaning {
    fn of(name: &str) -> Option<Self> {
        let day = |day: Day| When::Day(day.to_string());
        let (when, visitors) = if name == ATTR_HITS {
            (When::Ever, false)
        } else if name == ATTR_UNIQUES {
            (When::Ever, true)
        } else if let Some(of) = Day::from_attribute(name) {
            (day(of), false)
        } else if let Some(of) = Day::from_uniques_attribute(name) {
            (day(of), true)
        } else if let Some(digits) = month_of_attribute(name) {
            (When::Month(year_and_month(digits)?), false)
        } else {
            (When::Month(year_and_month(month_of_uniques_attribute(name)?)?), true)
        };
        Some(Self { when, visitors })
    }
}

/// `2026-11`, of `m2611`.
fn month_of(attribute: &str) -> Option<String> {
    year_and_month(month_of_attribute(attribute)?)
}

/// `2026-11`, of `2611`: the counter is of this century.
fn year_and_month(digits: &str) -> Option<String> {
    let (year, month) = digits.split_at_checked(2)?;
    ("01"..="12").contains(&month).then(|| format!("20{year}-{month}"))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
