//! The counts, as a table for people and as CSV or NDJSON for files.

use std::fmt::Write as _;

use serde::Serialize;

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
    /// When it was hit first.
    pub first: Option<String>,
    /// When it was hit last.
    pub last: Option<String>,
}

impl CountRow {
    /// A path that was never hit.
    pub fn zero(path: &str) -> Self {
        Self { path: path.to_owned(), hits: 0, first: None, last: None }
    }
}

impl View for CountsView {
    fn render(&self, style: Style) -> String {
        if self.counts.is_empty() {
            return "No path has been hit yet.\n".to_owned();
        }
        let mut table = Table::new([
            Column::text("PATH").flexible(),
            Column::number("HITS"),
            Column::text("FIRST").optional(),
            Column::text("LAST").optional(),
        ]);
        let time = |time: &Option<String>| text::clean(time.as_deref().unwrap_or_default()).into_owned();
        for row in &self.counts {
            let hits = human::number(row.hits, style);
            table.row([
                text::clean(&row.path).into(),
                hits.into(),
                time(&row.first).into(),
                time(&row.last).into(),
            ]);
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

/// The counts as CSV (RFC 4180): a header, then one line a path.
pub fn csv(counts: &[CountRow]) -> String {
    let mut out = "path,hits,first,last\r\n".to_owned();
    for row in counts {
        let first = cell(row.first.as_deref().unwrap_or_default());
        let last = cell(row.last.as_deref().unwrap_or_default());
        let _ = write!(out, "{},{},{first},{last}\r\n", cell(&row.path), row.hits);
    }
    out
}

/// The counts as NDJSON: one object a path.
pub fn ndjson(counts: &[CountRow]) -> String {
    // Strings and numbers only: this cannot fail.
    counts.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n").collect()
}

/// A cell, quoted where a reader could misread it: separators, quotes, line ends, blanks at an end, and the `#` that
/// some readers take for a comment.
fn cell(text: &str) -> String {
    let quote = text.contains([',', '"', '\r', '\n', '#']) || text.trim() != text;
    if quote { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::super::styles::{NARROW, WIDE, fits};
    use super::*;

    fn view() -> CountsView {
        let row = |path: &str, hits, first: Option<&str>| CountRow {
            path: path.to_owned(),
            hits,
            first: first.map(str::to_owned),
            last: first.map(str::to_owned),
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
    fn exports_can_be_read_back() {
        insta::assert_snapshot!(csv(&view().counts).replace('\r', "<CR>"), @r#"
        path,hits,first,last<CR>
        /,1234567,2026-09-20T10:00:00Z,2026-09-20T10:00:00Z<CR>
        /a/very/long/path/that/does/not/fit/anywhere,12,2026-09-20T10:00:00Z,2026-09-20T10:00:00Z<CR>
        "a[2J ""quoted"", path
        ",0,,<CR>
        "#);
        for line in ndjson(&view().counts).lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row.as_object().unwrap().len(), 4);
        }
        assert_eq!(
            ndjson(&[CountRow::zero("/")]),
            "{\"path\":\"/\",\"hits\":0,\"first\":null,\"last\":null}\n"
        );
    }

    #[test]
    fn json_is_the_contract() {
        let view = CountsView { counts: vec![CountRow::zero("/")] };
        assert_eq!(view.json(), r#"{"v":1,"counts":[{"path":"/","hits":0,"first":null,"last":null}]}"#);
    }
}
