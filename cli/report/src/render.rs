//! The two formats of a result: text for people and JSON for programs.

use serde::Serialize;

use crate::style::TextStyle;
use crate::text;

/// The result of a command. Its fields are its JSON, with `"v":1` in front.
pub trait CommandView: Serialize {
    /// Renders the text: whole lines.
    fn render(&self, style: TextStyle) -> String;
}

/// A result that can be shown.
pub trait Renderable {
    /// Returns the text: whole lines.
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
