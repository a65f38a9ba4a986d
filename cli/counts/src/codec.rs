//! Converts between table items and counts: the path that an item belongs to, the meaning of each attribute, and the sum of
//! several items. Pure functions without I/O.

use std::collections::BTreeMap;

use hit_counter::hit::{MAX_DAYS, MONTHS_KEPT};
use hit_counter::moment::{Day, month_of_attribute, month_of_uniques_attribute};
use hitctl_config::contract::{
    ATTR_DROPPED_PATH, ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET,
    KEY_DROPPED_PREFIX, KEY_SHARD_PREFIX, KEY_SITE, MAX_COUNT, RESERVED_PREFIX,
};

use crate::item_totals::ItemTotals;
use crate::model::{CountRow, CounterData, DroppedViews, Tally};
use crate::table_item::TableItem;

/// Converts all items of a table to counts.
pub fn decode_items(items: &[TableItem]) -> CounterData {
    let mut counts: BTreeMap<&str, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = DroppedViews::new();
    let mut budget = BTreeMap::new();
    for item in items {
        let Some(path) = item.text(ATTR_PATH).map(counted_path) else { continue };
        if path == KEY_SITE {
            add_item(&mut site, item);
        } else if path == KEY_BUDGET {
            budget = item.numbers().map(|(name, n)| (name.to_owned(), n)).collect();
        } else if let Some(month) = path.strip_prefix(KEY_DROPPED_PREFIX).and_then(parse_month_attribute) {
            let reasons = dropped.entry(month).or_default();
            for (name, n) in item.numbers() {
                // The reason `path` has another attribute name, because the key has the name `path`.
                let reason = if name == ATTR_DROPPED_PATH { ATTR_PATH } else { name };
                let sum = reasons.entry(reason.to_owned()).or_default();
                *sum = sum.saturating_add(n).min(MAX_COUNT);
            }
        } else if is_count(path, item) {
            add_item(counts.entry(path).or_insert_with(|| CountRow::zero(path)), item);
        }
    }
    CounterData { counts: counts.into_values().collect(), site, dropped, budget }
}

/// Sums the item of a path and its shards; `None` if nothing was ever counted.
pub fn decode_path<'a>(path: &str, items: impl Iterator<Item = &'a TableItem>) -> Option<CountRow> {
    let mut counted = items.filter(|item| item.number(ATTR_HITS).is_some()).peekable();
    counted.peek()?;
    let mut row = CountRow::zero(path);
    counted.for_each(|item| add_item(&mut row, item));
    Some(row)
}

/// Returns the path that an item counts. The key of a shard contains its path.
fn counted_path(key: &str) -> &str {
    let shard = key.strip_prefix(KEY_SHARD_PREFIX).and_then(|rest| rest.split_once('#'));
    shard.map_or(key, |(_, path)| path)
}

/// Returns the key of a path's shard with the given number, from 1.
pub fn shard_key(path: &str, number: u32) -> String {
    format!("{KEY_SHARD_PREFIX}{number}#{path}")
}

fn is_count(path: &str, item: &TableItem) -> bool {
    !path.starts_with(RESERVED_PREFIX) && item.number(ATTR_HITS).is_some()
}

fn add_item(row: &mut CountRow, item: &TableItem) {
    for (name, n) in item.numbers() {
        let n = n.min(MAX_COUNT);
        let Some(meaning) = AttributeMeaning::parse(name) else { continue };
        let tally = match meaning.period {
            Period::AllTime => {
                let sum = if meaning.is_visitors { &mut row.uniques } else { &mut row.hits };
                // The function that counts limits the number in the same way.
                *sum = sum.saturating_add(n).min(MAX_COUNT);
                continue;
            }
            Period::Day(day) => row.days.entry(day).or_default(),
            Period::Month(month) => row.months.entry(month).or_default(),
        };
        tally.add(if meaning.is_visitors {
            Tally { hits: 0, uniques: n }
        } else {
            Tally { hits: n, uniques: 0 }
        });
    }
    let text_attribute = |name: &str| item.text(name).map(str::to_owned);
    row.first = [row.first.take(), text_attribute(ATTR_FIRST)].into_iter().flatten().min();
    row.last = [row.last.take(), text_attribute(ATTR_LAST)].into_iter().flatten().max();
}

/// Converts counts to table items. Returns the key and the content of each item.
pub fn encode_items(data: &CounterData) -> Vec<(String, ItemTotals)> {
    let mut entries: Vec<_> = data.counts.iter().map(|row| (row.path.clone(), row_totals(row))).collect();
    let site = ItemTotals { first: None, last: None, ..row_totals(&data.site) };
    entries.extend((site.numbers.values().any(|n| *n > 0)).then(|| (KEY_SITE.to_owned(), site)));
    for (month, reasons) in &data.dropped {
        let Some(day) = first_day_of_month(month) else { continue };
        let attribute_name =
            |reason: &String| if reason == ATTR_PATH { ATTR_DROPPED_PATH } else { reason }.to_owned();
        let reasons = reasons.iter().map(|(reason, n)| (attribute_name(reason), *n)).collect();
        let key = format!("{KEY_DROPPED_PREFIX}{}", day.month_attribute());
        entries.push((key, ItemTotals { numbers: reasons, ..ItemTotals::default() }));
    }
    entries
}

/// Returns the content of the item for a row. Keeps the latest days and months, as many as the function would keep.
fn row_totals(row: &CountRow) -> ItemTotals {
    let is_site = row.path == KEY_SITE;
    let mut totals =
        ItemTotals { numbers: BTreeMap::new(), first: row.first.clone(), last: row.last.clone() };
    let mut put_counts = |hits_name: String, uniques_name: String, tally: Tally| {
        // The item of the site has only visitors. A path keeps a count of 0, because it is known although its count was
        // reset.
        totals.numbers.extend((!is_site).then_some((hits_name, tally.hits)));
        totals.numbers.extend((tally.uniques > 0).then_some((uniques_name, tally.uniques)));
    };
    let total = Tally { hits: row.hits, uniques: row.uniques };
    put_counts(ATTR_HITS.to_owned(), ATTR_UNIQUES.to_owned(), total);
    for (name, tally) in row.days.iter().rev().take(MAX_DAYS) {
        let Some(day) = parse_day(name) else { continue };
        put_counts(day.attribute(), day.uniques_attribute(), *tally);
    }
    for (name, tally) in row.months.iter().rev().take(MONTHS_KEPT) {
        let Some(day) = first_day_of_month(name) else { continue };
        put_counts(day.month_attribute(), day.month_uniques_attribute(), *tally);
    }
    totals
}

/// Parses a day such as `2026-09-20`.
fn parse_day(text: &str) -> Option<Day> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days();
    Some(Day::from_number(u32::try_from(days).ok()?))
}

/// Returns the first day of a month such as `2026-09`. `None` outside this century: the attribute has a two-digit year.
fn first_day_of_month(month: &str) -> Option<Day> {
    if month.starts_with("20") { parse_day(&format!("{month}-01")) } else { None }
}

/// The meaning of a number attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AttributeMeaning {
    period: Period,
    is_visitors: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Period {
    AllTime,
    /// A day such as `2026-11-20`.
    Day(String),
    /// A month such as `2026-11`.
    Month(String),
}

impl AttributeMeaning {
    fn parse(name: &str) -> Option<Self> {
        let day_period = |day: Day| Period::Day(day.to_string());
        let (period, is_visitors) = if name == ATTR_HITS {
            (Period::AllTime, false)
        } else if name == ATTR_UNIQUES {
            (Period::AllTime, true)
        } else if let Some(day) = Day::from_attribute(name) {
            (day_period(day), false)
        } else if let Some(day) = Day::from_uniques_attribute(name) {
            (day_period(day), true)
        } else if let Some(digits) = month_of_attribute(name) {
            (Period::Month(year_and_month(digits)?), false)
        } else {
            (Period::Month(year_and_month(month_of_uniques_attribute(name)?)?), true)
        };
        Some(Self { period, is_visitors })
    }
}

/// Returns `2026-11` for `m2611`.
fn parse_month_attribute(attribute: &str) -> Option<String> {
    year_and_month(month_of_attribute(attribute)?)
}

/// Returns `2026-11` for `2611`. All years are in this century.
fn year_and_month(digits: &str) -> Option<String> {
    let (year, month) = digits.split_at_checked(2)?;
    ("01"..="12").contains(&month).then(|| format!("20{year}-{month}"))
}

#[cfg(test)]
mod tests;
