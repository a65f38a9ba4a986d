//! Renders results in their two formats: text for people, and JSON for programs.

use serde::Serialize;

use crate::style::TextStyle;
use crate::text;

/// The result of a command. Its JSON consists of `"v":1` and its fields.
pub trait CommandView: Serialize {
    /// Renders the result as whole lines of text.
    fn render(&self, style: TextStyle) -> String;
}

/// A result that can be shown.
pub trait Renderable {
    /// Returns the result as whole lines of text.
    fn to_text(&self, style: TextStyle) -> String;
    /// Returns one JSON object on one line, without the line end.
    fn to_json(&self) -> String;
}

impl<T: CommandView> Renderable for T {
    fn to_text(&self, style: TextStyle) -> String {
        let text = self.render(style);
        if style.tty { text::clean_rendered(&text).into_owned() } else { text }
    }

    fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Versioned<'a, T: Serialize> {
            v: u8,
            #[serde(flatten)]
            view: &'a T,
        }
        // Views have string keys and finite numbers, so this cannot fail.
        serde_json::to_string(&Versioned { v: 1, view: self }).unwrap_or_default()
    }
}
