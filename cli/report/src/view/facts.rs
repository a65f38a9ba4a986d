//! Renders aligned lines of names and values.

use std::fmt::Write as _;
use std::path::Path;

use crate::style::{TextStyle, Tone};
use crate::text;

/// Returns a path as text that is safe for a terminal.
pub(super) fn path_text(path: &Path) -> String {
    text::clean(&path.to_string_lossy()).into_owned()
}

/// Renders `name  value` lines with aligned values. Users copy the values, so they are never truncated.
pub(super) fn fact_lines(facts: &[(&str, String)], style: TextStyle) -> String {
    let name_width = facts.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    facts.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "  {}  {value}", style.paint(Tone::Dim, text::pad(name, name_width)));
        out
    })
}
