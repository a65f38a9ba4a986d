//! Terminals for unit tests.

use crate::style::Style;
use crate::text;

pub(crate) const NARROW: Style = Style { color: false, tty: true, width: Some(40), unicode: true };
pub(crate) const WIDE: Style = Style { color: false, tty: true, width: Some(100), unicode: true };
pub(crate) const COLOUR: Style = Style { color: true, tty: true, width: Some(100), unicode: true };

/// Colour codes made visible, for snapshots.
pub(crate) fn visible(text: &str) -> String {
    text.replace("\u{1b}[0m", "</>").replace("\u{1b}[", "<")
}

/// No line is wider than the terminal.
pub(crate) fn fits(text: &str, style: Style) -> bool {
    text.lines().all(|line| text::width(line) <= style.columns())
}
