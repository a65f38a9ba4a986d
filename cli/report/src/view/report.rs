//! The numbers of a counter with their course, as charts of text and, by [`page`](ReportView::page), as a page of HTML.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hitctl_counts::{CountRow, Tally};
use serde::Serialize;

use super::page;
use crate::render::View;
use crate::style::{Style, Tone};
use crate::table::{Cell, Column, Table};
use crate::{chart, format, text};

/// How high a chart is, in lines.
const LINES: usize = 6;
/// How wide a bar beside a number is.
const BAR: usize = 24;

/// What a report is about: days and months, the oldest first, and how many pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Dates in UTC: `2026-09-20`. The last one is today.
    pub days: Vec<String>,
    /// `2026-09`.
    pub months: Vec<String>,
    /// The most pages to name.
    pub top: usize,
}

/// The numbers of a counter.
#[derive(Clone, Debug, Serialize)]
pub struct ReportView {
    /// The app.
    pub app: String,
    /// Its env.
    pub env: String,
    /// Every view.
    pub hits: u64,
    /// Visitors of the site, as the sum over days; absent where they are not told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniques: Option<u64>,
    /// How many pages there are.
    pub paths: u64,
    /// The days, the oldest first, without gaps.
    pub days: Vec<Point>,
    /// The months.
    pub months: Vec<Point>,
    /// The pages with most views.
    pub top: Vec<CountRow>,
    /// What was not counted, by month and reason.
    pub dropped: BTreeMap<String, BTreeMap<String, u64>>,
    /// Addresses of visitors, where the configuration has them kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRow>,
}

/// A day or a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// `2026-09-20`, or `2026-09`.
    pub time: String,
    /// Its numbers.
    #[serde(flatten)]
    pub tally: Tally,
}

/// An address that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressRow {
    /// The address.
    pub address: String,
    /// Its views.
    pub hits: u64,
    /// The day of the first one.
    pub first: Option<String>,
    /// The time of the last one.
    pub last: Option<String>,
}

impl ReportView {
    /// A report without numbers.
    pub fn new(app: &str, env: &str, span: &Span, has_visitors: bool) -> Self {
        let zero = |times: &[String]| {
            times.iter().map(|time| Point { time: time.clone(), tally: Tally::default() }).collect()
        };
        Self {
            app: app.to_owned(),
            env: env.to_owned(),
            hits: 0,
            uniques: has_visitors.then_some(0),
            paths: 0,
            days: zero(&span.days),
            months: zero(&span.months),
            top: Vec::new(),
            dropped: BTreeMap::new(),
            addresses: Vec::new(),
        }
    }

    /// With the numbers of every page and, of visitors, those of the site: pages' visitors do not add up to it.
    #[must_use]
    pub fn counting(mut self, mut counts: Vec<CountRow>, site: &CountRow, span: &Span) -> Self {
        self.hits = counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
        self.uniques = self.uniques.map(|_| site.uniques);
        self.paths = counts.len() as u64;
        let add = |points: &mut [Point], of: fn(&CountRow) -> &BTreeMap<String, Tally>| {
            for point in points {
                let hits = counts.iter().filter_map(|row| of(row).get(&point.time)).map(|tally| tally.hits);
                point.tally.hits = hits.fold(0, u64::saturating_add);
                point.tally.uniques = of(site).get(&point.time).map_or(0, |tally| tally.uniques);
            }
        };
        add(&mut self.days, |row| &row.days);
        add(&mut self.months, |row| &row.months);
        counts.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.cmp(&b.path)));
        self.top = counts.into_iter().take(span.top).map(CountRow::brief).collect();
        self
    }

    /// The report as one page of HTML that needs nothing else: no script, no other file.
    pub fn page(&self) -> String {
        page::render(self)
    }

    /// What was not counted, over all months, the most frequent reason first.
    pub(crate) fn reasons(&self) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (reason, n) in self.dropped.values().flatten() {
            let sum = sums.entry(reason).or_default();
            *sum = sum.saturating_add(*n);
        }
        let mut sums: Vec<_> = sums.into_iter().filter(|(_, n)| *n > 0).collect();
        sums.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        sums
    }

    /// Today's numbers.
    pub(crate) fn today(&self) -> Tally {
        self.days.last().map(|point| point.tally).unwrap_or_default()
    }

    fn summary(&self, style: Style) -> String {
        let today = self.today();
        let some = |n: u64, noun: &str| format::count(n, noun, style);
        let visitors = |n: u64| self.uniques.map_or(String::new(), |_| format!(", {}", some(n, "visitor")));
        let line = format!(
            "{} {}: {}{} on {}; today {}{}",
            text::clean(&self.app),
            text::clean(&self.env),
            style.paint(Tone::Strong, some(self.hits, "view")),
            visitors(self.uniques.unwrap_or(0)),
            some(self.paths, "page"),
            some(today.hits, "view"),
            visitors(today.uniques),
        );
        text::wrap(&line, 2, style) + "\n"
    }

    fn chart(title: &str, points: &[Point], of: fn(&Tally) -> u64, style: Style) -> String {
        let values: Vec<u64> = points.iter().map(|point| of(&point.tally)).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
        let most = values.iter().copied().max().unwrap_or(0);
        let wide = [3, 2, 1].into_iter().find(|wide| 2 + wide * values.len() <= style.columns()).unwrap_or(1);
        let head =
            format!("{title}, {} to {}, at most {}", first.time, last.time, format::number(most, style));
        let mut out = format!("\n{}\n", text::wrap(&head, 0, style));
        for line in chart::columns(&values, LINES, wide, style) {
            let _ = writeln!(out, "  {}", style.paint(Tone::Good, line));
        }
        let rule = if style.unicode { "\u{2500}" } else { "-" };
        let _ = writeln!(
            out,
            "  {}",
            style.paint(Tone::Dim, rule.repeat((wide * values.len()).saturating_sub(usize::from(wide > 1))))
        );
        out
    }

    fn pages(&self, style: Style) -> String {
        let most = self.top.first().map_or(0, |row| row.hits);
        let mut columns = vec![Column::text("PAGE").flexible(), Column::number("VIEWS")];
        columns.extend(self.uniques.map(|_| Column::number("VISITORS")));
        columns.push(Column::text("").optional());
        let mut table = Table::new(columns);
        for row in &self.top {
            let number = |n| Cell::from(format::number(n, style));
            let mut cells = vec![Cell::from(text::clean(&row.path)), number(row.hits)];
            cells.extend(self.uniques.map(|_| number(row.uniques)));
            cells.push(Cell::toned(chart::bar(row.hits, most, BAR, style), Tone::Good));
            table.row(cells);
        }
        table.render(0, style)
    }

    fn ignored(&self, style: Style) -> String {
        let reasons = self.reasons();
        let most = reasons.first().map_or(0, |(_, n)| *n);
        let mut table =
            Table::new([Column::text("NOT COUNTED"), Column::number("VIEWS"), Column::text("").optional()]);
        for (reason, n) in reasons {
            let bar = chart::bar(n, most, BAR, style);
            table.row([
                text::clean(reason).into(),
                format::number(n, style).into(),
                Cell::toned(bar, Tone::Warn),
            ]);
        }
        table.render(0, style)
    }

    fn addresses(&self, style: Style) -> String {
        let mut table =
            Table::new([Column::text("ADDRESS"), Column::number("VIEWS"), Column::text("LAST").optional()]);
        for row in &self.addresses {
            let last = text::clean(row.last.as_deref().unwrap_or_default()).into_owned();
            table.row([
                text::clean(&row.address).into(),
                format::number(row.hits, style).into(),
                last.into(),
            ]);
        }
        table.render(0, style)
    }
}

impl View for ReportView {
    fn render(&self, style: Style) -> String {
        let mut out = self.summary(style);
        if self.hits == 0 && self.dropped.is_empty() {
            out.push_str("No page has been viewed yet: `hitctl snippet` prints what to put into one.\n");
            return out;
        }
        out.push_str(&Self::chart("Views a day", &self.days, |tally| tally.hits, style));
        if self.uniques.is_some() {
            out.push_str(&Self::chart("Visitors a day", &self.days, |tally| tally.uniques, style));
        }
        out.push_str(&Self::chart("Views a month", &self.months, |tally| tally.hits, style));
        if !self.top.is_empty() {
            let _ = write!(out, "\n{}", self.pages(style));
        }
        if !self.reasons().is_empty() {
            let _ = write!(out, "\n{}", self.ignored(style));
        }
        if !self.addresses.is_empty() {
            let _ = write!(out, "\n{}", self.addresses(style));
        }
        out
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
