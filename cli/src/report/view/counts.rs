//! The counts, as a table for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::super::style::Style;
use super::super::table::{Column, Table};
use super::super::{human, text};
use super::View;

/// The counts of some paths.
#[derive(Clone, Debug, Serialize)]
pub struct CountsView {
    /// One a path, in the order to show.
    pub counts: Vec<CountRow>,
}

/// The counts of one path. What is exported is what is here, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountRow {
    /// The key.
    pub path: String,
    /// Every hit.
    pub hits: u64,
    /// Visitors, as the sum over days: who comes on two days counts twice.
    pub uniques: u64,
    /// The day of the first hit, `2026-09-20`.
    pub first: Option<String>,
    /// The time of the last hit, `2026-09-20T10:00:00Z`.
    pub last: Option<String>,
    /// The days that are still kept, by date in UTC: `2026-09-20`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<String, Tally>,
    /// The months that are still kept: `2026-09`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub months: BTreeMap<String, Tally>,
}

/// The numbers of a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Every hit.
    pub hits: u64,
    /// Visitors; those of a month are the sum over its days.
    pub uniques: u64,
}

impl Tally {
    /// Adds another one to it.
    pub fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.uniques = self.uniques.saturating_add(other.uniques);
    }
}

impl CountRow {
    /// A path that was never hit.
    pub fn zero(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            hits: 0,
            uniques: 0,
            first: None,
            last: None,
            days: BTreeMap::new(),
            months: BTreeMap::new(),
        }
    }

    /// Adds the numbers of another one to it: sums, the earlier first and the later last time.
    pub fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.uniques = self.uniques.saturating_add(other.uniques);
        self.first = [self.first.take(), other.first].into_iter().flatten().min();
        self.last = [self.last.take(), other.last].into_iter().flatten().max();
        for (day, tally) in other.days {
            self.days.entry(day).or_default().add(tally);
        }
        for (month, tally) in other.months {
            self.months.entry(month).or_default().add(tally);
        }
    }

    /// Without days and months, as lists show it.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { days: BTreeMap::new(), months: BTreeMap::new(), ..self }
    }
}

impl View for CountsView {
    fn render(&self, style: Style) -> String {
        if self.counts.is_empty() {
            return "No path has been hit yet.\n".to_owned();
        }
        // Where visitors are not told apart, there is nothing to say of them.
        let visitors = self.counts.iter().any(|row| row.uniques > 0);
        let mut columns = vec![Column::text("PATH").flexible(), Column::number("HITS")];
        columns.extend(visitors.then(|| Column::number("UNIQUES")));
        columns.extend([Column::text("FIRST").optional(), Column::text("LAST").optional()]);
        let mut table = Table::new(columns);
        let time = |time: &Option<String>| text::clean(time.as_deref().unwrap_or_default()).into_owned();
        for row in &self.counts {
            let mut cells = vec![text::clean(&row.path).into(), human::number(row.hits, style).into()];
            cells.extend(visitors.then(|| human::number(row.uniques, style).into()));
            cells.extend([time(&row.first).into(), time(&row.last).into()]);
            table.row(cells);
        }
        let mut out = table.render(0, style);
        if style.tty && self.counts.len() > 1 {
            let hits = self.counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
            let paths = human::number(self.counts.len() as u64, style);
            let _ = writeln!(out, "\n{} hits on {paths} paths", human::number(hits, style));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::super::styles::{NARROW, WIDE, fits};
    use super::*;

    fn view() -> CountsView {
        let row = |path: &str, hits, first: Option<&str>| CountRow {
            hits,
            first: first.map(str::to_owned),
            last: first.map(str::to_owned),
            ..CountRow::zero(path)
        };
        CountsView {
            counts: vec![
                row("/", 1_234_567, Some("2026-09-20T10:00:00Z")),
                row("/a/very/long/path/that/does/not/fit/anywhere", 12, Some("2026-09-20T10:00:00Z")),
                row("a\u{1b}[2J \"quoted\", path\n", 0, None),
            ],
        }
    }

    #[test]
    fn a_table_that_fits() {
        insta::assert_snapshot!(view().human(WIDE), @r#"
        PATH                                               HITS  FIRST                 LAST
        /                                             1,234,567  2026-09-20T10:00:00Z  2026-09-20T10:00:00Z
        /a/very/long/path/that/does/not/fit/anywhere         12  2026-09-20T10:00:00Z  2026-09-20T10:00:00Z
        a\u{1b}[2J "quoted", path\n                           0

        1,234,579 hits on 3 paths
        "#);
        insta::assert_snapshot!(view().human(NARROW), @r#"
        PATH                                HITS
        /                              1,234,567
        /a/very/long/path/that/does/…         12
        a\u{1b}[2J "quoted", path\n            0

        1,234,579 hits on 3 paths
        "#);
        assert!(fits(&view().human(NARROW), NARROW));
        assert!(view().human(Style::PLAIN).contains("  1234567  2026"));
        assert_eq!(CountsView { counts: vec![] }.human(WIDE), "No path has been hit yet.\n");
    }

    #[test]
    fn visitors_are_shown_where_there_are_any_and_days_are_in_the_json() {
        let tally = Tally { hits: 12, uniques: 9 };
        let row = CountRow {
            hits: 12,
            uniques: 9,
            days: BTreeMap::from([("2026-09-20".to_owned(), tally)]),
            months: BTreeMap::from([("2026-09".to_owned(), tally)]),
            ..CountRow::zero("/")
        };
        let mut both = row.clone();
        both.add(row.clone());
        assert_eq!((both.uniques, both.days["2026-09-20"]), (18, Tally { hits: 24, uniques: 18 }));
        let view = CountsView { counts: vec![row.clone(), CountRow::zero("/b")] };
        insta::assert_snapshot!(view.human(WIDE), @"
        PATH  HITS  UNIQUES
        /       12        9
        /b       0        0

        12 hits on 2 paths
        ");
        let days =
            r#""days":{"2026-09-20":{"hits":12,"uniques":9}},"months":{"2026-09":{"hits":12,"uniques":9}}"#;
        assert!(view.json().contains(days));
        assert!(!CountsView { counts: vec![row.brief()] }.json().contains("days"));
    }

    #[test]
    fn json_is_the_contract() {
        let view = CountsView { counts: vec![CountRow::zero("/")] };
        assert_eq!(
            view.json(),
            r#"{"v":1,"counts":[{"path":"/","hits":0,"uniques":0,"first":null,"last":null}]}"#
        );
    }
}
