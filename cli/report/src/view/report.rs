//! The result of `report`: statistics with text charts. [`ReportView::page`] renders them as an HTML page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hitctl_counts::{CountRow, Tally};
use serde::Serialize;

use super::page;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::{chart, format, text};

/// The height of a chart in lines.
const CHART_LINES: usize = 6;
/// The width of a bar in columns.
const BAR_WIDTH: usize = 24;

/// The range of a report: days and months, oldest first, and the number of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRange {
    /// Dates in UTC, such as `2026-09-20`. The last one is today.
    pub days: Vec<String>,
    /// Months, such as `2026-09`.
    pub months: Vec<String>,
    /// The maximum number of paths in the list.
    pub top: usize,
}

/// The statistics of a counter.
#[derive(Clone, Debug, Serialize)]
pub struct ReportView {
    /// The name of the app.
    pub app: String,
    /// The environment.
    pub env: String,
    /// The number of all views.
    pub hits: u64,
    /// The daily visitors of the site, added up over all days. `None` if visitors are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniques: Option<u64>,
    /// The number of paths.
    pub paths: u64,
    /// The days, oldest first, without gaps.
    pub days: Vec<StatsPoint>,
    /// The months, oldest first.
    pub months: Vec<StatsPoint>,
    /// The paths with the most views.
    pub top: Vec<CountRow>,
    /// The number of views that were not counted, by month and reason.
    pub dropped: BTreeMap<String, BTreeMap<String, u64>>,
    /// The addresses of visitors, if the configuration stores them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<VisitorIpRow>,
}

/// A day or a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatsPoint {
    /// A date such as `2026-09-20`, or a month such as `2026-09`.
    pub time: String,
    /// The views and visitors.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A stored IP address of a visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitorIpRow {
    /// The IPv4 or IPv6 address.
    pub address: String,
    /// The number of views.
    pub hits: u64,
    /// The day of the first view.
    pub first: Option<String>,
    /// The time of the last view.
    pub last: Option<String>,
}

impl ReportView {
    /// Returns a report without counts.
    pub fn new(app: &str, env: &str, range: &ReportRange, has_visitors: bool) -> Self {
        let zero = |times: &[String]| {
            times.iter().map(|time| StatsPoint { time: time.clone(), tally: Tally::default() }).collect()
        };
        Self {
            app: app.to_owned(),
            env: env.to_owned(),
            hits: 0,
            uniques: has_visitors.then_some(0),
            paths: 0,
            days: zero(&range.days),
            months: zero(&range.months),
            top: Vec::new(),
            dropped: BTreeMap::new(),
            addresses: Vec::new(),
        }
    }

    /// Adds the counts of all paths, and the visitors of the site. A visitor of several paths counts once for the
    /// site, so the visitors of the paths are not added up.
    #[must_use]
    pub fn with_counts(mut self, mut counts: Vec<CountRow>, site: &CountRow, range: &ReportRange) -> Self {
        self.hits = counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
        self.uniques = self.uniques.map(|_| site.uniques);
        self.paths = counts.len() as u64;
        let add = |points: &mut [StatsPoint], tallies: fn(&CountRow) -> &BTreeMap<String, Tally>| {
            for point in points {
                let hits =
                    counts.iter().filter_map(|row| tallies(row).get(&point.time)).map(|tally| tally.hits);
                point.tally.hits = hits.fold(0, u64::saturating_add);
                point.tally.uniques = tallies(site).get(&point.time).map_or(0, |tally| tally.uniques);
            }
        };
        add(&mut self.days, |row| &row.days);
        add(&mut self.months, |row| &row.months);
        counts.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.cmp(&b.path)));
        self.top = counts.into_iter().take(range.top).map(CountRow::without_history).collect();
        self
    }

    /// Returns the report as a self-contained HTML page, without scripts or references to other files.
    pub fn page(&self) -> String {
        page::render(self)
    }

    /// Returns the reasons why views were not counted, with their numbers over all months, the most frequent first.
    pub(crate) fn drop_reasons(&self) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (reason, n) in self.dropped.values().flatten() {
            let sum = sums.entry(reason).or_default();
            *sum = sum.saturating_add(*n);
        }
        let mut sums: Vec<_> = sums.into_iter().filter(|(_, n)| *n > 0).collect();
        sums.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        sums
    }

    /// Returns the views and visitors of today.
    pub(crate) fn today(&self) -> Tally {
        self.days.last().map(|point| point.tally).unwrap_or_default()
    }

    fn summary(&self, style: TextStyle) -> String {
        let today = self.today();
        let count = |n: u64, noun: &str| format::count(n, noun, style);
        let visitors = |n: u64| self.uniques.map_or(String::new(), |_| format!(", {}", count(n, "visitor")));
        let line = format!(
            "{} {}: {}{} on {}; today {}{}",
            text::clean(&self.app),
            text::clean(&self.env),
            style.paint(Tone::Strong, count(self.hits, "view")),
            visitors(self.uniques.unwrap_or(0)),
            count(self.paths, "path"),
            count(today.hits, "view"),
            visitors(today.uniques),
        );
        text::wrap(&line, 2, style) + "\n"
    }

    fn render_chart(
        title: &str,
        points: &[StatsPoint],
        value_of: fn(&Tally) -> u64,
        style: TextStyle,
    ) -> String {
        let values: Vec<u64> = points.iter().map(|point| value_of(&point.tally)).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
        let max = values.iter().copied().max().unwrap_or(0);
        let column_width = [3, 2, 1]
            .into_iter()
            .find(|column_width| 2 + column_width * values.len() <= style.columns())
            .unwrap_or(1);
        let head =
            format!("{title}, {} to {}, maximum {}", first.time, last.time, format::number(max, style));
        let mut out = format!("\n{}\n", text::wrap(&head, 0, style));
        for line in chart::column_chart(&values, CHART_LINES, column_width, style) {
            let _ = writeln!(out, "  {}", style.paint(Tone::Good, line));
        }
        let rule = if style.unicode { "\u{2500}" } else { "-" };
        let _ = writeln!(
            out,
            "  {}",
            style.paint(
                Tone::Dim,
                rule.repeat((column_width * values.len()).saturating_sub(usize::from(column_width > 1)))
            )
        );
        out
    }

    fn render_top_paths(&self, style: TextStyle) -> String {
        let max = self.top.first().map_or(0, |row| row.hits);
        let mut columns = vec![Column::text("PATH").flexible(), Column::number("VIEWS")];
        columns.extend(self.uniques.map(|_| Column::number("VISITORS")));
        columns.push(Column::text("").optional());
        let mut table = TextTable::new(columns);
        for row in &self.top {
            let number = |n| Cell::from(format::number(n, style));
            let mut cells = vec![Cell::from(text::readable_path(&row.path)), number(row.hits)];
            cells.extend(self.uniques.map(|_| number(row.uniques)));
            cells.push(Cell::toned(chart::bar(row.hits, max, BAR_WIDTH, style), Tone::Good));
            table.add_row(cells);
        }
        table.render(0, style)
    }

    fn render_not_counted(&self, style: TextStyle) -> String {
        let reasons = self.drop_reasons();
        let max = reasons.first().map_or(0, |(_, n)| *n);
        let mut table = TextTable::new([
            Column::text("NOT COUNTED"),
            Column::number("VIEWS"),
            Column::text("").optional(),
        ]);
        for (reason, n) in reasons {
            let bar = chart::bar(n, max, BAR_WIDTH, style);
            table.add_row([
                text::clean(reason).into(),
                format::number(n, style).into(),
                Cell::toned(bar, Tone::Warn),
            ]);
        }
        table.render(0, style)
    }

    fn render_addresses(&self, style: TextStyle) -> String {
        let mut table = TextTable::new([
            Column::text("IP ADDRESS"),
            Column::number("VIEWS"),
            Column::text("LAST").optional(),
        ]);
        for row in &self.addresses {
            let last = text::clean(row.last.as_deref().unwrap_or_default()).into_owned();
            table.add_row([
                text::clean(&row.address).into(),
                format::number(row.hits, style).into(),
                last.into(),
            ]);
        }
        table.render(0, style)
    }
}

impl CommandView for ReportView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = self.summary(style);
        if self.hits == 0 && self.dropped.is_empty() {
            out.push_str("No views yet. `hitctl snippet` prints the lines for your pages.\n");
            return out;
        }
        out.push_str(&Self::render_chart("Views per day", &self.days, |tally| tally.hits, style));
        if self.uniques.is_some() {
            out.push_str(&Self::render_chart("Visitors per day", &self.days, |tally| tally.uniques, style));
        }
        out.push_str(&Self::render_chart("Views per month", &self.months, |tally| tally.hits, style));
        if !self.top.is_empty() {
            let _ = write!(out, "\n{}", self.render_top_paths(style));
        }
        if !self.drop_reasons().is_empty() {
            let _ = write!(out, "\n{}", self.render_not_counted(style));
        }
        if !self.addresses.is_empty() {
            let _ = write!(out, "\n{}", self.render_addresses(style));
        }
        out
    }
}

#[cfg(test)]
mod tests;
