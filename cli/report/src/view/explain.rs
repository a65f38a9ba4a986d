//! What would be counted.

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::text;

/// What would be counted.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainView {
    path: String,
    counted: bool,
    key: Option<String>,
    why: Option<String>,
    message: Option<String>,
    /// What else it depends on.
    notes: Vec<String>,
}

impl ExplainView {
    /// A view that would be counted, under `key`.
    pub fn counted(path: &str, key: &str) -> Self {
        let (path, key) = (path.to_owned(), Some(key.to_owned()));
        Self { path, counted: true, key, why: None, message: None, notes: Vec::new() }
    }

    /// With what else it depends on.
    #[must_use]
    pub fn noting(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// A view that would be answered and not counted: a stable word, and why in words.
    pub fn ignored(path: &str, key: &str, why: &str, message: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::refused(path, why, message) }
    }

    /// A path that would be refused: a stable word, and why in words.
    pub fn refused(path: &str, why: &str, message: &str) -> Self {
        let (why, message) = (Some(why.to_owned()), Some(message.to_owned()));
        Self { path: path.to_owned(), counted: false, key: None, why, message, notes: Vec::new() }
    }
}

impl View for ExplainView {
    fn render(&self, style: Style) -> String {
        let path = text::clean(&self.path);
        let clean = |text: &Option<String>| text::clean(text.as_deref().unwrap_or_default()).into_owned();
        let line = if self.counted {
            let key = style.paint(Tone::Strong, clean(&self.key));
            format!("{path}  is {} as  {key}", style.paint(Tone::Good, "counted"))
        } else {
            let why = format!("{} ({})", clean(&self.message), clean(&self.why));
            format!("{path}  is {}: {why}", style.paint(Tone::Warn, "not counted"))
        };
        let notes = self.notes.iter().map(|note| text::wrap(&format!("  {note}"), 4, style) + "\n");
        text::wrap(&line, 2, style) + "\n" + &notes.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report;
    use crate::test_styles::{NARROW, WIDE, fits};

    #[test]
    fn explain() {
        let counted = ExplainView::counted("//a//b/?x=1", "/a/b");
        assert_eq!(Report::human(&counted, WIDE), "//a//b/?x=1  is counted as  /a/b\n");
        assert_eq!(
            counted.json(),
            r#"{"v":1,"path":"//a//b/?x=1","counted":true,"key":"/a/b","why":null,"message":null,"notes":[]}"#
        );
        let robot = ExplainView::ignored("/a", "/a", "bot", "the user agent names a robot: `curl`");
        assert_eq!(
            Report::human(&robot, WIDE),
            "/a  is not counted: the user agent names a robot: `curl` (bot)\n"
        );
        let noted = counted.noting(vec!["unless the same visitor looked at it".to_owned()]);
        assert_eq!(
            Report::human(&noted, WIDE),
            "//a//b/?x=1  is counted as  /a/b\n  unless the same visitor looked at it\n"
        );
        let refused = ExplainView::refused("/a\0", "bad_path", "a path must not have control characters");
        insta::assert_snapshot!(Report::human(&refused, NARROW), @r"
        /a\u{0}  is not counted: a path must not
          have control characters (bad_path)
        ");
        assert!(fits(&Report::human(&refused, NARROW), NARROW));
    }
}
