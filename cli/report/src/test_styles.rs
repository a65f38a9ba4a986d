//! Terminal styles for unit tests.

use crate::style::TextStyle;
use crate::text;

pub(crate) const NARROW: TextStyle = TextStyle { color: false, tty: true, width: Some(40), unicode: true };
pub(crate) const WIDE: TextStyle = TextStyle { color: false, tty: true, width: Some(100), unicode: true };
pub(crate) const COLOUR: TextStyle = TextStyle { color: true, tty: true, width: Some(100), unicode: true };

/// Makes colour codes visible for snapshots.
pub(crate) fn visible(text: &str) -> String {
    text.replace("\u{1b}[0m", "</>").replace("\u{1b}[", "<")
}

/// Whether no line is wider than the terminal.
pub(crate) fn fits(text: &str, style: TextStyle) -> bool {
    text.lines().all(|line| text::width(line) <= style.columns())
}
