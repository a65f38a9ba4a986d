//! The results of `rollback` and `rollback --list`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::text;

/// The published versions, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct VersionsView {
    /// The environment.
    pub env: String,
    /// One row per version.
    pub versions: Vec<VersionRow>,
}

/// A published version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionRow {
    /// The version number.
    pub version: u64,
    /// Whether the live alias points to it.
    pub live: bool,
    /// The ID of the build that it runs.
    pub build: Option<String>,
    /// The settings that differ from the previous version. `None` for the oldest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<String>>,
    /// The time of publication in AWS's format.
    pub published: String,
    /// The fingerprint of the release for which it was published.
    pub release: String,
}

/// The result of a rollback.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackView {
    /// The environment.
    pub env: String,
    /// The version that was live before.
    pub from: u64,
    /// The version that is live now.
    pub to: u64,
    /// The ID of the build that it runs.
    pub build: Option<String>,
    /// The base URL without a trailing slash.
    pub url: Option<String>,
    /// The duration in milliseconds.
    pub took_ms: u64,
    /// The command that undoes the rollback.
    pub next: String,
}

impl CommandView for VersionsView {
    fn render(&self, style: TextStyle) -> String {
        if self.versions.is_empty() {
            return format!("No version is published in {}.\n", text::clean(&self.env));
        }
        let mut table = TextTable::new([
            Column::text(""),
            Column::text("VERSION"),
            Column::text("BUILD"),
            Column::text("CHANGED").flexible(),
            Column::text("PUBLISHED").optional(),
        ]);
        for row in &self.versions {
            let (mark, tone) = if row.live { ("*", Tone::Good) } else { ("", Tone::Dim) };
            table.add_row([
                mark.into(),
                Cell::toned(row.version.to_string(), tone),
                text::clean(row.build.as_deref().unwrap_or("(unknown)")).into(),
                match &row.changes {
                    None => "".into(),
                    Some(changes) if changes.is_empty() => "nothing".into(),
                    Some(changes) => text::clean(&changes.join(", ")).into(),
                },
                // AWS's format is `2026-01-01T00:00:00.000+0000`, in UTC. The fraction of the second is omitted.
                text::clean(row.published.split('.').next().unwrap_or_default()).into(),
            ]);
        }
        let mut out = table.render(0, style);
        if !self.versions.iter().any(|row| row.live) {
            out.push_str("\nNo version is live: requests go to the unpublished code.\n");
        }
        out
    }
}

impl CommandView for RollbackView {
    fn render(&self, style: TextStyle) -> String {
        let to = style.paint(Tone::Strong, format!("Version {}", self.to));
        let mut out = if self.from == self.to {
            format!("{to} is already live.\n\n")
        } else {
            format!("{to} is now live; it replaces version {}.\n\n", self.from)
        };
        let url = self.url.as_deref().map_or("(none)".into(), text::clean);
        let _ = writeln!(out, "  url   {}", style.paint(Tone::Link, url));
        if let Some(build) = &self.build {
            let _ = writeln!(out, "  build {}", text::clean(build));
        }
        let _ = writeln!(out, "  next  {}  (undoes this)", style.paint(Tone::Link, text::clean(&self.next)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn row(version: u64, live: bool) -> VersionRow {
        VersionRow {
            version,
            live,
            build: (version > 3).then(|| "0123456789ab".to_owned()),
            changes: (version > 3).then(|| vec!["code".to_owned(), "memory_mb 128 -> 256".to_owned()]),
            published: "2026-11-21T09:20:16.863+0000".to_owned(),
            release: "f00df00df00df00d".to_owned(),
        }
    }

    fn versions_view(versions: Vec<VersionRow>) -> VersionsView {
        VersionsView { env: "test".to_owned(), versions }
    }

    #[test]
    fn live_version_is_marked() {
        let view = versions_view(vec![row(5, false), row(4, true), row(3, false)]);
        insta::assert_snapshot!(view.to_text(WIDE), @"
           VERSION  BUILD         CHANGED                     PUBLISHED
           5        0123456789ab  code, memory_mb 128 -> 256  2026-11-21T09:20:16
        *  4        0123456789ab  code, memory_mb 128 -> 256  2026-11-21T09:20:16
           3        (unknown)                                 2026-11-21T09:20:16
        ");
        assert!(fits(&view.to_text(NARROW), NARROW));
        let none = versions_view(vec![row(5, false)]);
        assert!(none.to_text(WIDE).ends_with("No version is live: requests go to the unpublished code.\n"));
        assert_eq!(versions_view(Vec::new()).to_text(WIDE), "No version is published in test.\n");
    }

    #[test]
    fn rollback_shows_undo_command() {
        let view = RollbackView {
            env: "test".to_owned(),
            from: 5,
            to: 4,
            build: Some("0123456789ab".to_owned()),
            url: Some("https://a1b2.execute-api.eu-central-1.amazonaws.com".to_owned()),
            took_ms: 120,
            next: "hitctl deploy --env test".to_owned(),
        };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
        Version 4 is now live; it replaces version 5.

          url   https://a1b2.execute-api.eu-central-1.amazonaws.com
          build 0123456789ab
          next  hitctl deploy --env test  (undoes this)
        ");
        let same = RollbackView { from: 4, ..view };
        assert!(same.to_text(TextStyle::PLAIN).starts_with("Version 4 is already live.\n"));
    }
}
