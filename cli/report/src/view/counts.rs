//! The results of `counts list`, `counts get` and `counts export`: a table of counts.

use std::fmt::Write as _;

use hitctl_counts::{CountRow, CounterData};
use serde::Serialize;

use crate::render::CommandView;
use crate::style::TextStyle;
use crate::table::{Column, TextTable};
use crate::{format, text};

/// The counts of some paths.
#[derive(Clone, Debug, Serialize)]
pub struct CountsView {
    /// One row per path, in display order.
    pub counts: Vec<CountRow>,
    /// The total of all paths of the counter, even if `counts` contains only some of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<CountsTotal>,
}

/// The total of several paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CountsTotal {
    /// The number of paths.
    pub paths: u64,
    /// The sum of their views.
    pub hits: u64,
}

impl CountsTotal {
    /// Returns the total of these rows.
    pub fn of(counts: &[CountRow]) -> Self {
        let hits = counts.iter().map(|row| row.hits).fold(0, u64::saturating_add);
        Self { paths: counts.len() as u64, hits }
    }
}

impl CommandView for CounterData {
    fn render(&self, style: TextStyle) -> String {
        CountsView { counts: self.counts.clone(), total: None }.render(style)
    }
}

impl CommandView for CountsView {
    fn render(&self, style: TextStyle) -> String {
        if self.counts.is_empty() {
            return "No views yet.\n".to_owned();
        }
        // The column is omitted if no visitors are counted.
        let has_visitors = self.counts.iter().any(|row| row.uniques > 0);
        let mut columns = vec![Column::text("PATH").flexible(), Column::number("VIEWS")];
        columns.extend(has_visitors.then(|| Column::number("VISITORS")));
        columns.extend([Column::text("FIRST").optional(), Column::text("LAST").optional()]);
        let mut table = TextTable::new(columns);
        let time = |time: &Option<String>| text::clean(time.as_deref().unwrap_or_default()).into_owned();
        for row in &self.counts {
            let mut cells =
                vec![text::readable_path(&row.path).into(), format::number(row.hits, style).into()];
            cells.extend(has_visitors.then(|| format::number(row.uniques, style).into()));
            cells.extend([time(&row.first).into(), time(&row.last).into()]);
            table.add_row(cells);
        }
        let mut out = table.render(0, style);
        let shown = self.counts.len() as u64;
        let CountsTotal { paths, hits } = self.total.unwrap_or_else(|| CountsTotal::of(&self.counts));
        if style.tty && paths > 1 {
            let part = match shown {
                _ if shown == paths => String::new(),
                _ => format!(" ({} shown)", format::number(shown, style)),
            };
            let path_count = format::count(paths, "path", style);
            let _ = writeln!(out, "\n{} on {path_count}{part}", format::count(hits, "view", style));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hitctl_counts::Tally;

    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn view() -> CountsView {
        let row = |path: &str, hits, first: Option<&str>| CountRow {
            hits,
            first: first.map(str::to_owned),
            last: first.map(str::to_owned),
            ..CountRow::zero(path)
        };
        CountsView {
            total: None,
            counts: vec![
                row("/", 1_234_567, Some("2026-09-20T10:00:00Z")),
                row("/a/very/long/path/that/does/not/fit/anywhere", 12, Some("2026-09-20T10:00:00Z")),
                row("a\u{1b}[2J \"quoted\", path\n", 0, None),
            ],
        }
    }

    #[test]
    fn counts_table_fits_terminal() {
        insta::assert_snapshot!(view().to_text(WIDE), @r#"
        PATH                                              VIEWS  FIRST                 LAST
        /                                             1,234,567  2026-09-20T10:00:00Z  2026-09-20T10:00:00Z
        /a/very/long/path/that/does/not/fit/anywhere         12  2026-09-20T10:00:00Z  2026-09-20T10:00:00Z
        a\u{1b}[2J "quoted", path\n                           0

        1,234,579 views on 3 paths
        "#);
        insta::assert_snapshot!(view().to_text(NARROW), @r#"
        PATH                               VIEWS
        /                              1,234,567
        /a/very/long/path/that/does/…         12
        a\u{1b}[2J "quoted", path\n            0

        1,234,579 views on 3 paths
        "#);
        assert!(fits(&view().to_text(NARROW), NARROW));
        assert!(view().to_text(TextStyle::PLAIN).contains("  1234567  2026"));
        assert_eq!(CountsView { counts: vec![], total: None }.to_text(WIDE), "No views yet.\n");
    }

    #[test]
    fn total_covers_paths_that_are_not_shown() {
        let mut view = view();
        view.total = Some(CountsTotal::of(&view.counts));
        view.counts.truncate(1);
        assert!(
            view.to_text(WIDE).ends_with("\n1,234,579 views on 3 paths (1 shown)\n"),
            "{}",
            view.to_text(WIDE)
        );
        assert!(view.to_json().ends_with(r#""total":{"paths":3,"hits":1234579}}"#), "{}", view.to_json());
    }

    #[test]
    fn visitors_column_and_json_days_are_shown_if_present() {
        let tally = Tally { hits: 12, uniques: 9 };
        let row = CountRow {
            hits: 12,
            uniques: 9,
            days: BTreeMap::from([("2026-09-20".to_owned(), tally)]),
            months: BTreeMap::from([("2026-09".to_owned(), tally)]),
            ..CountRow::zero("/")
        };
        let mut sum = row.clone();
        sum.add(row.clone());
        assert_eq!((sum.uniques, sum.days["2026-09-20"]), (18, Tally { hits: 24, uniques: 18 }));
        let view = CountsView { counts: vec![row.clone(), CountRow::zero("/b")], total: None };
        insta::assert_snapshot!(view.to_text(WIDE), @"
        PATH  VIEWS  VISITORS
        /        12         9
        /b        0         0

        12 views on 2 paths
        ");
        let days =
            r#""days":{"2026-09-20":{"hits":12,"uniques":9}},"months":{"2026-09":{"hits":12,"uniques":9}}"#;
        assert!(view.to_json().contains(days));
        assert!(!CountsView { counts: vec![row.without_history()], total: None }.to_json().contains("days"));
    }

    #[test]
    fn json_format_is_stable() {
        let view = CountsView { counts: vec![CountRow::zero("/")], total: None };
        assert_eq!(
            view.to_json(),
            r#"{"v":1,"counts":[{"path":"/","hits":0,"uniques":0,"first":null,"last":null}]}"#
        );
    }
}
