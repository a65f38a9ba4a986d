//! The paths that are counted, beside the pages of a site.

use std::fmt::Write as _;

use hitctl_counts::pages::Refused;
use serde::Serialize;

use crate::format::plural;
use crate::render::View;
use crate::style::Style;
use crate::{format, text};

/// More of a kind than this are only counted, for people.
const MOST_SHOWN: usize = 20;

/// A path that has counts, but is no page of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// The key.
    pub path: String,
    /// Its hits.
    pub hits: u64,
}

/// What `paths sync` found and did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PathsView {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Pages that are new, and are counted from now on.
    pub added: Vec<String>,
    /// Paths without hits that are no pages, and were removed.
    pub removed: Vec<String>,
    /// Paths that are counted, but are no pages of the site.
    pub strays: Vec<Stray>,
    /// Pages that were there already.
    pub kept: u64,
    /// Pages that cannot be counted.
    pub refused: Vec<Refused>,
}

/// The paths that are counted.
#[derive(Clone, Debug, Serialize)]
pub struct PathListView {
    /// In order.
    pub paths: Vec<String>,
}

impl View for PathsView {
    fn render(&self, style: Style) -> String {
        let mut out = String::new();
        list(&mut out, "+", self.added.iter().map(|path| text::clean(path).into_owned()));
        list(&mut out, "-", self.removed.iter().map(|path| text::clean(path).into_owned()));
        let strays = self.strays.iter().map(|stray| {
            format!("{}  {}, but no page", text::clean(&stray.path), format::count(stray.hits, "hit", style))
        });
        list(&mut out, "?", strays);
        let refused = self.refused.iter();
        let refused = refused.map(|refused| format!("{}  {}", text::clean(&refused.page), refused.why));
        list(&mut out, "!", refused);
        if !out.is_empty() {
            out.push('\n');
        }
        let would = if self.dry_run { "would be " } else { "" };
        let paths = |n: usize| plural(n as u64, "path");
        let mut parts = vec![format!("{} {would}added", paths(self.added.len()))];
        if !self.removed.is_empty() {
            parts.push(format!("{} {would}removed", paths(self.removed.len())));
        }
        parts.push(format!("{} there already", format::number(self.kept, style)));
        let _ = writeln!(out, "{}.", parts.join(", "));
        out
    }
}

/// A line each, up to a bound.
fn list(out: &mut String, mark: &str, lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(MOST_SHOWN);
    for line in lines.take(MOST_SHOWN) {
        let _ = writeln!(out, "{mark} {line}");
    }
    if more > 0 {
        let _ = writeln!(out, "{mark} and {more} more");
    }
}

impl View for PathListView {
    fn render(&self, _: Style) -> String {
        self.paths.iter().fold(String::new(), |text, path| text + &text::clean(path) + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report as _;
    use crate::test_styles::WIDE;

    #[test]
    fn what_was_done_is_said_and_long_lists_are_cut() {
        let view = PathsView {
            added: (0..22).map(|n| format!("/{n}")).collect(),
            removed: vec!["/typo\u{1b}".to_owned()],
            strays: vec![Stray { path: "/old".to_owned(), hits: 1_200 }],
            kept: 7,
            refused: vec![Refused { page: "/a\\b".to_owned(), why: "the path holds a backslash".to_owned() }],
            ..PathsView::default()
        };
        let text = view.human(WIDE);
        insta::assert_snapshot!(text.lines().skip(18).collect::<Vec<_>>().join("\n"), @r"
        + /18
        + /19
        + and 2 more
        - /typo\u{1b}
        ? /old  1,200 hits, but no page
        ! /a\b  the path holds a backslash

        22 paths added, 1 path removed, 7 there already.
        ");
        let view = PathsView { dry_run: true, added: vec!["/a".to_owned()], ..PathsView::default() };
        insta::assert_snapshot!(view.human(WIDE), @"
        + /a

        1 path would be added, 0 there already.
        ");
        insta::assert_snapshot!(view.json(), @r#"{"v":1,"dry_run":true,"added":["/a"],"removed":[],"strays":[],"kept":0,"refused":[]}"#);
        assert_eq!(PathsView::default().human(WIDE), "0 paths added, 0 there already.\n");
    }

    #[test]
    fn a_list_is_a_line_a_path() {
        let view = PathListView { paths: vec!["/".to_owned(), "/a".to_owned()] };
        assert_eq!(view.human(WIDE), "/\n/a\n");
        assert_eq!(view.json(), r#"{"v":1,"paths":["/","/a"]}"#);
    }
}
