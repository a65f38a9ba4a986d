//! The results of commands that change counts: the old and the new number of views of each path.

use hitctl_counts::import::ImportReport;
use hitctl_counts::{CountChange, CountRow, SkippedViews};
use serde::Serialize;

use crate::render::CommandView;
use crate::style::TextStyle;
use crate::table::{Column, TextTable};
use crate::{format, text};

/// The result of a command that changes counts.
#[derive(Clone, Debug, Serialize)]
pub struct ChangesView {
    /// The new counts of the changed paths, in the order of the changes. Deleted paths are omitted.
    pub counts: Vec<CountRow>,
    /// The changes, in the order of the request.
    pub changed: Vec<CountChange>,
}

/// The result of an import.
#[derive(Clone, Debug, Serialize)]
pub struct ImportView {
    /// The ID of the import. Another import with the same ID counts nothing twice.
    pub id: String,
    /// The number of paths in the file.
    pub paths: u64,
    /// The number of views in the file.
    pub hits: u64,
    /// The number of visitors in the file, summed over its paths.
    pub uniques: u64,
    /// The number of paths that this command imported, or would import with `--dry-run`.
    pub counted: u64,
    /// The number of paths that an earlier command has imported.
    pub already: u64,
    /// The number of records in the file.
    pub read: u64,
    /// The views in the file that were skipped.
    pub left_out: SkippedViews,
    /// The data of the file that a counter cannot store.
    pub not_kept: Vec<String>,
    /// Whether it was a dry run, which imports nothing.
    pub dry_run: bool,
}

impl CommandView for ChangesView {
    fn render(&self, style: TextStyle) -> String {
        if self.changed.is_empty() {
            return "Nothing to change.\n".to_owned();
        }
        let mut table = TextTable::new([
            Column::text("PATH").flexible(),
            Column::number("BEFORE"),
            Column::number("NOW"),
        ]);
        let hits =
            |hits: Option<u64>| hits.map_or_else(|| "-".to_owned(), |hits| format::number(hits, style));
        for change in &self.changed {
            table.add_row([
                text::readable_path(&change.path).into(),
                hits(change.old).into(),
                hits(change.new).into(),
            ]);
        }
        table.render(0, style)
    }
}

impl CommandView for ImportView {
    fn render(&self, style: TextStyle) -> String {
        let paths = |n: u64| format::count(n, "path", style);
        let views = format::count(self.hits, "view", style);
        match (self.counted, self.already) {
            (0, 0) => "Nothing to import.\n".to_owned(),
            (counted, 0) if self.dry_run => {
                format!("Would import {} with {views}. Nothing was changed.\n", paths(counted))
            }
            (counted @ 1.., already) if self.dry_run => format!(
                "Would import {} (already imported: {}). The file has {views}. Nothing was changed.\n",
                paths(counted),
                paths(already)
            ),
            (0, already) => format!(
                "Already imported: {} with {views}. Nothing was changed.\n\
                 To import them again, pass another ID: --id NAME\n",
                paths(already)
            ),
            (counted, 0) => format!("Imported {} with {views}.\n", paths(counted)),
            (counted, already) => format!(
                "Imported {} (already imported: {}). The file has {views}.\n",
                paths(counted),
                paths(already)
            ),
        }
    }
}

/// Describes a file that was read: its format, the skipped views, and the data that is not imported.
pub fn imported_lines(report: &ImportReport) -> Vec<String> {
    let SkippedViews { robots, events, refused } = report.skipped;
    let left_out = [
        (robots > 0).then(|| format!("{} by bots", format::plural(robots, "view"))),
        (events > 0).then(|| format::plural(events, "event")),
        (refused > 0).then(|| format!("{} with an invalid path", format::plural(refused, "view"))),
    ];
    let left_out: Vec<String> = left_out.into_iter().flatten().collect();
    let lines = [
        (!report.format.is_empty())
            .then(|| format!("read {} from {}", format::plural(report.lines, "record"), report.format)),
        (!left_out.is_empty()).then(|| format!("skipped: {}", left_out.join(", "))),
        (!report.not_kept.is_empty()).then(|| format!("not imported: {}", report.not_kept.join(", "))),
    ];
    lines.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    #[test]
    fn changes_show_before_and_now() {
        let changed = vec![
            CountChange::new("/a/very/long/path/that/does/not/fit", Some(1_200), None),
            CountChange::new("/b\u{1b}", None, Some(1_207)),
        ];
        let counts = vec![CountRow { hits: 1_207, ..CountRow::zero("/b\u{1b}") }];
        let view = ChangesView { counts, changed };
        insta::assert_snapshot!(view.to_text(WIDE), @r"
        PATH                                 BEFORE    NOW
        /a/very/long/path/that/does/not/fit   1,200      -
        /b\u{1b}                                  -  1,207
        ");
        assert!(fits(&view.to_text(NARROW), NARROW));
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"counts":[{"path":"/b\u001b","hits":1207,"uniques":0,"first":null,"last":null}],"changed":[{"path":"/a/very/long/path/that/does/not/fit","old":1200,"new":null},{"path":"/b\u001b","old":null,"new":1207}]}"#);
        assert_eq!(ChangesView { counts: vec![], changed: vec![] }.to_text(WIDE), "Nothing to change.\n");
    }

    #[test]
    fn import_shows_imported_counts() {
        let view = |counted, already| ImportView {
            read: 3,
            left_out: SkippedViews::default(),
            not_kept: Vec::new(),
            dry_run: false,
            id: "x".to_owned(),
            paths: counted + already,
            hits: 4_000,
            uniques: 0,
            counted,
            already,
        };
        assert_eq!(view(1, 0).to_text(WIDE), "Imported 1 path with 4,000 views.\n");
        assert!(view(0, 9).to_text(WIDE).starts_with("Already imported: 9 paths with 4,000 views."));
        assert!(
            view(3, 9).to_text(TextStyle::PLAIN).starts_with("Imported 3 paths (already imported: 9 paths)")
        );
        assert_eq!(view(0, 0).to_text(WIDE), "Nothing to import.\n");
        insta::assert_snapshot!(view(3, 9).to_json(), @r#"{"v":1,"id":"x","paths":12,"hits":4000,"uniques":0,"counted":3,"already":9,"read":3,"left_out":{"robots":0,"events":0,"refused":0},"not_kept":[],"dry_run":false}"#);
    }

    #[test]
    fn imported_lines_list_skipped_views() {
        let report = ImportReport {
            format: "GoatCounter's CSV export",
            lines: 9,
            skipped: SkippedViews { robots: 1, events: 1, refused: 1 },
            not_kept: vec!["titles".to_owned(), "locations".to_owned()],
        };
        insta::assert_snapshot!(imported_lines(&report).join("\n"), @r"
        read 9 records from GoatCounter's CSV export
        skipped: 1 view by bots, 1 event, 1 view with an invalid path
        not imported: titles, locations
        ");
        let plain = ImportReport { format: "CSV", lines: 2, ..ImportReport::default() };
        assert_eq!(imported_lines(&plain), ["read 2 records from CSV"]);
    }
}
