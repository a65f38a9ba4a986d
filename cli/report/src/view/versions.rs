//! The published versions, and a rollback to one of them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::table::{Cell, Column, Table};
use crate::text;

/// The published versions, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct VersionsView {
    /// The environment.
    pub env: String,
    /// One a version.
    pub versions: Vec<VersionRow>,
}

/// A published version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionRow {
    /// Its number.
    pub version: u64,
    /// Whether it answers.
    pub live: bool,
    /// The build that it runs.
    pub build: Option<String>,
    /// When it was published, as AWS has it.
    pub published: String,
    /// A fingerprint of the release that it was published for.
    pub release: String,
}

/// A rollback that was made.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackView {
    /// The environment.
    pub env: String,
    /// The version that answered.
    pub from: u64,
    /// The version that answers.
    pub to: u64,
    /// The build that it runs.
    pub build: Option<String>,
    /// The base of the live URL, without a trailing slash.
    pub url: Option<String>,
    /// Milliseconds.
    pub took_ms: u64,
    /// The command that undoes it.
    pub next: String,
}

impl View for VersionsView {
    fn render(&self, style: Style) -> String {
        if self.versions.is_empty() {
            return format!("No version is published in {}.\n", text::clean(&self.env));
        }
        let mut table = Table::new([
            Column::text(""),
            Column::text("VERSION"),
            Column::text("BUILD").flexible(),
            Column::text("PUBLISHED").optional(),
        ]);
        for row in &self.versions {
            let (mark, tone) = if row.live { ("*", Tone::Good) } else { ("", Tone::Dim) };
            table.row([
                mark.into(),
                Cell::toned(row.version.to_string(), tone),
                text::clean(row.build.as_deref().unwrap_or("(unknown)")).into(),
                // Without the fraction of the second: `2026-01-01T00:00:00.000+0000` in AWS's form, which is UTC.
                text::clean(row.published.split('.').next().unwrap_or_default()).into(),
            ]);
        }
        let mut out = table.render(0, style);
        if !self.versions.iter().any(|row| row.live) {
            out.push_str("\nNone of them answers: requests go to the function itself.\n");
        }
        out
    }
}

impl View for RollbackView {
    fn render(&self, style: Style) -> String {
        let to = style.paint(Tone::Strong, format!("Version {}", self.to));
        let mut out = if self.from == self.to {
            format!("{to} answers already.\n\n")
        } else {
            format!("{to} answers, in place of version {}.\n\n", self.from)
        };
        let url = self.url.as_deref().map_or("(none)".into(), text::clean);
        let _ = writeln!(out, "  url   {}", style.paint(Tone::Link, url));
        if let Some(build) = &self.build {
            let _ = writeln!(out, "  build {}", text::clean(build));
        }
        let _ = writeln!(out, "  next  {}  (undoes it)", style.paint(Tone::Link, text::clean(&self.next)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn row(version: u64, live: bool) -> VersionRow {
        VersionRow {
            version,
            live,
            build: (version > 3).then(|| "0123456789ab".to_owned()),
            published: "2026-11-21T09:20:16.863+0000".to_owned(),
            release: "f00df00df00df00d".to_owned(),
        }
    }

    fn view_of(versions: Vec<VersionRow>) -> VersionsView {
        VersionsView { env: "test".to_owned(), versions }
    }

    #[test]
    fn the_one_that_answers_is_marked() {
        let view = view_of(vec![row(5, false), row(4, true), row(3, false)]);
        insta::assert_snapshot!(view.human(WIDE), @"
           VERSION  BUILD         PUBLISHED
           5        0123456789ab  2026-11-21T09:20:16
        *  4        0123456789ab  2026-11-21T09:20:16
           3        (unknown)     2026-11-21T09:20:16
        ");
        assert!(fits(&view.human(NARROW), NARROW));
        let none = view_of(vec![row(5, false)]);
        assert!(none.human(WIDE).ends_with("None of them answers: requests go to the function itself.\n"));
        assert_eq!(view_of(Vec::new()).human(WIDE), "No version is published in test.\n");
    }

    #[test]
    fn a_rollback_says_how_to_undo_it() {
        let view = RollbackView {
            env: "test".to_owned(),
            from: 5,
            to: 4,
            build: Some("0123456789ab".to_owned()),
            url: Some("https://a1b2.execute-api.eu-central-1.amazonaws.com".to_owned()),
            took_ms: 120,
            next: "hitctl deploy --env test".to_owned(),
        };
        insta::assert_snapshot!(view.human(Style::PLAIN), @"
        Version 4 answers, in place of version 5.

          url   https://a1b2.execute-api.eu-central-1.amazonaws.com
          build 0123456789ab
          next  hitctl deploy --env test  (undoes it)
        ");
        let same = RollbackView { from: 4, ..view };
        assert!(same.human(Style::PLAIN).starts_with("Version 4 answers already.\n"));
    }
}
