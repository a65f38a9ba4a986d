//! The results of `paths list` and `paths sync`.

use std::fmt::Write as _;

use hitctl_counts::pages::RejectedPage;
use serde::Serialize;

use crate::format::plural;
use crate::render::CommandView;
use crate::style::TextStyle;
use crate::{format, text};

/// The maximum number of entries per list in the text output. Of further entries, only the number is shown.
const MAX_SHOWN: usize = 20;

/// A path that has counts but is not a page of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StrayPath {
    /// The key of the path.
    pub path: String,
    /// The number of views.
    pub hits: u64,
}

/// The result of `paths sync`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PathsView {
    /// Whether it was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Pages that were added.
    pub added: Vec<String>,
    /// Removed paths: they had no views and are not pages.
    pub removed: Vec<String>,
    /// Paths that are kept although they are not pages.
    pub strays: Vec<StrayPath>,
    /// The number of pages that existed already.
    pub kept: u64,
    /// Pages whose paths are invalid.
    pub refused: Vec<RejectedPage>,
}

/// The known paths.
#[derive(Clone, Debug, Serialize)]
pub struct PathListView {
    /// The sorted paths.
    pub paths: Vec<String>,
}

impl CommandView for PathsView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = String::new();
        add_lines(&mut out, "+", self.added.iter().map(|path| text::readable_path(path).into_owned()));
        add_lines(&mut out, "-", self.removed.iter().map(|path| text::readable_path(path).into_owned()));
        let strays = self.strays.iter().map(|stray| {
            format!(
                "{}  {}, but no page",
                text::readable_path(&stray.path),
                format::count(stray.hits, "view", style)
            )
        });
        add_lines(&mut out, "?", strays);
        let refused = self.refused.iter();
        let refused = refused.map(|refused| format!("{}  {}", text::clean(&refused.page), refused.why));
        add_lines(&mut out, "!", refused);
        if !out.is_empty() {
            out.push('\n');
        }
        let conditional = if self.dry_run { "would be " } else { "" };
        let paths = |n: usize| plural(n as u64, "path");
        let mut parts = vec![format!("{} {conditional}added", paths(self.added.len()))];
        if !self.removed.is_empty() {
            parts.push(format!("{} {conditional}removed", paths(self.removed.len())));
        }
        parts.push(format!("{} unchanged", format::number(self.kept, style)));
        let _ = writeln!(out, "{}.", parts.join(", "));
        out
    }
}

/// Adds one line per entry, up to [`MAX_SHOWN`].
fn add_lines(out: &mut String, symbol: &str, lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(MAX_SHOWN);
    for line in lines.take(MAX_SHOWN) {
        let _ = writeln!(out, "{symbol} {line}");
    }
    if more > 0 {
        let _ = writeln!(out, "{symbol} and {more} more");
    }
}

impl CommandView for PathListView {
    fn render(&self, _: TextStyle) -> String {
        self.paths.iter().fold(String::new(), |text, path| text + &text::readable_path(path) + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::WIDE;

    #[test]
    fn paths_sync_lists_changes_and_truncates_long_lists() {
        let view = PathsView {
            added: (0..22).map(|n| format!("/{n}")).collect(),
            removed: vec!["/typo\u{1b}".to_owned()],
            strays: vec![StrayPath { path: "/old".to_owned(), hits: 1_200 }],
            kept: 7,
            refused: vec![RejectedPage {
                page: "/a\\b".to_owned(),
                why: "the path contains a backslash".to_owned(),
            }],
            ..PathsView::default()
        };
        let text = view.to_text(WIDE);
        insta::assert_snapshot!(text.lines().skip(18).collect::<Vec<_>>().join("\n"), @r"
        + /18
        + /19
        + and 2 more
        - /typo\u{1b}
        ? /old  1,200 views, but no page
        ! /a\b  the path contains a backslash

        22 paths added, 1 path removed, 7 unchanged.
        ");
        let view = PathsView { dry_run: true, added: vec!["/a".to_owned()], ..PathsView::default() };
        insta::assert_snapshot!(view.to_text(WIDE), @"
        + /a

        1 path would be added, 0 unchanged.
        ");
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"dry_run":true,"added":["/a"],"removed":[],"strays":[],"kept":0,"refused":[]}"#);
        assert_eq!(PathsView::default().to_text(WIDE), "0 paths added, 0 unchanged.\n");
    }

    #[test]
    fn path_list_has_one_line_per_path() {
        let view = PathListView { paths: vec!["/".to_owned(), "/a".to_owned()] };
        assert_eq!(view.to_text(WIDE), "/\n/a\n");
        assert_eq!(view.to_json(), r#"{"v":1,"paths":["/","/a"]}"#);
    }
}
