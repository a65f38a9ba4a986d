//! Counts that were changed: what each path had before, and what it has now.

use hitctl_counts::import::Reading;
use hitctl_counts::{CountChange, CountRow, LeftOut};
use serde::Serialize;

use crate::render::View;
use crate::style::Style;
use crate::table::{Column, Table};
use crate::{format, text};

/// What a command did to the counts.
#[derive(Clone, Debug, Serialize)]
pub struct ChangesView {
    /// The counts now of the paths that have any, in the order of the changes.
    pub counts: Vec<CountRow>,
    /// The changes, in the order in which they were asked for.
    pub changed: Vec<CountChange>,
}

/// What came of an import.
#[derive(Clone, Debug, Serialize)]
pub struct ImportView {
    /// The id by which the same import is known again.
    pub id: String,
    /// The paths of the file.
    pub paths: u64,
    /// The hits of the file.
    pub hits: u64,
    /// The visitors of the paths of the file.
    pub uniques: u64,
    /// The paths that this run counted.
    pub counted: u64,
    /// The paths that an earlier run had counted.
    pub already: u64,
    /// The records of the file.
    pub read: u64,
    /// The views among them that were not counted.
    pub left_out: LeftOut,
    /// The parts that a counter cannot keep.
    pub not_kept: Vec<String>,
    /// Whether nothing was written, and `counted` is what would be.
    pub dry_run: bool,
}

impl View for ChangesView {
    fn render(&self, style: Style) -> String {
        if self.changed.is_empty() {
            return "Nothing to change.\n".to_owned();
        }
        let mut table =
            Table::new([Column::text("PATH").flexible(), Column::number("BEFORE"), Column::number("NOW")]);
        let hits =
            |hits: Option<u64>| hits.map_or_else(|| "-".to_owned(), |hits| format::number(hits, style));
        for change in &self.changed {
            table.row([text::clean(&change.path).into(), hits(change.old).into(), hits(change.new).into()]);
        }
        table.render(0, style)
    }
}

impl View for ImportView {
    fn render(&self, style: Style) -> String {
        let paths = |n: u64| format::count(n, "path", style);
        let hits = format::number(self.hits, style);
        match (self.counted, self.already) {
            (0, 0) => "There is nothing in it to import.\n".to_owned(),
            (counted, 0) if self.dry_run => {
                format!("Would import {} with {hits} hits. Nothing was changed.\n", paths(counted))
            }
            (counted @ 1.., already) if self.dry_run => format!(
                "Would import {}; {} of the same import are there already. Together they have {hits} hits. Nothing was changed.\n",
                paths(counted),
                paths(already)
            ),
            (0, already) => format!(
                "All of it was imported before ({}, {hits} hits): nothing was changed.\n\
                 To count it once more, give it an id of its own: --id NAME\n",
                paths(already)
            ),
            (counted, 0) => format!("Imported {} with {hits} hits.\n", paths(counted)),
            (counted, already) => format!(
                "Imported {}; {} of the same import were there already. Together they have {hits} hits.\n",
                paths(counted),
                paths(already)
            ),
        }
    }
}

/// Describes a file that was read, in lines of text.
pub fn imported_lines(reading: &Reading) -> Vec<String> {
    let LeftOut { robots, events, refused } = reading.left_out;
    let left_out = [
        (robots > 0).then(|| format!("{} of robots", format::plural(robots, "view"))),
        (events > 0).then(|| format::plural(events, "event")),
        (refused > 0).then(|| format!("{} of paths that cannot be counted", format::plural(refused, "view"))),
    ];
    let left_out: Vec<String> = left_out.into_iter().flatten().collect();
    let lines = [
        (!reading.format.is_empty())
            .then(|| format!("read {} of {}", format::plural(reading.lines, "record"), reading.format)),
        (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", "))),
        (!reading.not_kept.is_empty()).then(|| format!("cannot keep: {}", reading.not_kept.join(", "))),
    ];
    lines.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    #[test]
    fn changes_show_before_and_now() {
        let changed = vec![
            CountChange::new("/a/very/long/path/that/does/not/fit", Some(1_200), None),
            CountChange::new("/b\u{1b}", None, Some(1_207)),
        ];
        let counts = vec![CountRow { hits: 1_207, ..CountRow::zero("/b\u{1b}") }];
        let view = ChangesView { counts, changed };
        insta::assert_snapshot!(view.human(WIDE), @r"
        PATH                                 BEFORE    NOW
        /a/very/long/path/that/does/not/fit   1,200      -
        /b\u{1b}                                  -  1,207
        ");
        assert!(fits(&view.human(NARROW), NARROW));
        insta::assert_snapshot!(view.json(), @r#"{"v":1,"counts":[{"path":"/b\u001b","hits":1207,"uniques":0,"first":null,"last":null}],"changed":[{"path":"/a/very/long/path/that/does/not/fit","old":1200,"new":null},{"path":"/b\u001b","old":null,"new":1207}]}"#);
        assert_eq!(ChangesView { counts: vec![], changed: vec![] }.human(WIDE), "Nothing to change.\n");
    }

    #[test]
    fn an_import_says_what_it_counted() {
        let view = |counted, already| ImportView {
            read: 3,
            left_out: LeftOut::default(),
            not_kept: Vec::new(),
            dry_run: false,
            id: "x".to_owned(),
            paths: counted + already,
            hits: 4_000,
            uniques: 0,
            counted,
            already,
        };
        assert_eq!(view(1, 0).human(WIDE), "Imported 1 path with 4,000 hits.\n");
        assert!(view(0, 9).human(WIDE).starts_with("All of it was imported before (9 paths, 4,000 hits)"));
        assert!(view(3, 9).human(Style::PLAIN).starts_with("Imported 3 paths; 9 paths of the same import"));
        assert_eq!(view(0, 0).human(WIDE), "There is nothing in it to import.\n");
        insta::assert_snapshot!(view(3, 9).json(), @r#"{"v":1,"id":"x","paths":12,"hits":4000,"uniques":0,"counted":3,"already":9,"read":3,"left_out":{"robots":0,"events":0,"refused":0},"not_kept":[],"dry_run":false}"#);
    }

    #[test]
    fn imported_lines_say_what_was_left_out() {
        let reading = Reading {
            format: "GoatCounter's CSV export",
            lines: 9,
            left_out: LeftOut { robots: 1, events: 1, refused: 1 },
            not_kept: vec!["titles".to_owned(), "locations".to_owned()],
        };
        insta::assert_snapshot!(imported_lines(&reading).join("\n"), @r"
        read 9 records of GoatCounter's CSV export
        left out: 1 view of robots, 1 event, 1 view of paths that cannot be counted
        cannot keep: titles, locations
        ");
        let plain = Reading { format: "CSV", lines: 2, ..Reading::default() };
        assert_eq!(imported_lines(&plain), ["read 2 records of CSV"]);
    }
}
