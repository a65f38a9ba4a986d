//! Lines of names and values.

use std::fmt::Write as _;
use std::path::Path;

use crate::style::{Style, Tone};
use crate::text;

/// A path as text that is safe to show.
pub(super) fn shown(path: &Path) -> String {
    text::clean(&path.to_string_lossy()).into_owned()
}

/// `name  value` lines, the values under one another and never cut, since they are for copying.
pub(super) fn facts(facts: &[(&str, String)], style: Style) -> String {
    let wide = facts.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    facts.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "  {}  {value}", style.paint(Tone::Dim, text::pad(name, wide)));
        out
    })
}
