//! The two ways to show a result: as text for people, and as JSON for programs.

use serde::Serialize;

use crate::style::Style;
use crate::text;

/// A view: its fields are its JSON, with `"v":1` in front.
pub trait View: Serialize {
    /// The text for people: whole lines.
    fn render(&self, style: Style) -> String;
}

/// A result that can be shown, of whatever kind.
pub trait Report {
    /// The text for people: whole lines.
    fn human(&self, style: Style) -> String;
    /// One JSON object on one line, without its end.
    fn json(&self) -> String;
}

impl<T: View> Report for T {
    fn human(&self, style: Style) -> String {
        let text = self.render(style);
        if style.tty { text::guard(&text).into_owned() } else { text }
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Versioned<'a, T: Serialize> {
            v: u8,
            #[serde(flatten)]
            view: &'a T,
        }
        // Views have string keys and finite numbers: this cannot fail.
        serde_json::to_string(&Versioned { v: 1, view: self }).unwrap_or_default()
    }
}
