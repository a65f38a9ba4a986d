//! The result of `explain`: whether and how a view would be counted.

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::text;

/// The result of `hitctl explain`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExplainView {
    /// The path as the user entered it.
    pub path: String,
    /// Whether the view would be counted.
    pub counted: bool,
    /// The key under which it would be counted. `None` if the path is invalid.
    pub key: Option<String>,
    /// The stable code of the reason why it would not be counted.
    pub why: Option<String>,
    /// The reason as a sentence.
    pub message: Option<String>,
    /// Conditions that `explain` cannot check, such as an earlier view of the same visitor.
    pub notes: Vec<String>,
}

impl CommandView for ExplainView {
    fn render(&self, style: TextStyle) -> String {
        let path = text::clean(&self.path);
        let clean_or_empty =
            |text: &Option<String>| text::clean(text.as_deref().unwrap_or_default()).into_owned();
        let line = if self.counted {
            let key = style.paint(Tone::Strong, text::readable_path(self.key.as_deref().unwrap_or_default()));
            format!("{path}  is {} as  {key}", style.paint(Tone::Good, "counted"))
        } else {
            let why = format!("{} ({})", clean_or_empty(&self.message), clean_or_empty(&self.why));
            format!("{path}  is {}: {why}", style.paint(Tone::Warn, "not counted"))
        };
        let notes = self.notes.iter().map(|note| text::wrap(&format!("  {note}"), 4, style) + "\n");
        text::wrap(&line, 2, style) + "\n" + &notes.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable;
    use crate::test_styles::{NARROW, WIDE, fits};

    #[test]
    fn explain_view_shows_key_or_reason() {
        let counted = ExplainView {
            path: "//a//b/?x=1".to_owned(),
            counted: true,
            key: Some("/a/b".to_owned()),
            ..ExplainView::default()
        };
        let not_counted = |path: &str, key: Option<&str>, why: &str, message: &str| ExplainView {
            path: path.to_owned(),
            key: key.map(str::to_owned),
            why: Some(why.to_owned()),
            message: Some(message.to_owned()),
            ..ExplainView::default()
        };
        assert_eq!(Renderable::to_text(&counted, WIDE), "//a//b/?x=1  is counted as  /a/b\n");
        assert_eq!(
            counted.to_json(),
            r#"{"v":1,"path":"//a//b/?x=1","counted":true,"key":"/a/b","why":null,"message":null,"notes":[]}"#
        );
        let bot = not_counted("/a", Some("/a"), "bot", "the user agent contains the bot keyword `curl`");
        assert_eq!(
            Renderable::to_text(&bot, WIDE),
            "/a  is not counted: the user agent contains the bot keyword `curl` (bot)\n"
        );
        let note = "unless the same visitor viewed the same path less than 1800 s ago";
        let with_note = ExplainView { notes: vec![note.to_owned()], ..counted };
        assert_eq!(
            Renderable::to_text(&with_note, WIDE),
            format!("//a//b/?x=1  is counted as  /a/b\n  {note}\n")
        );
        let invalid = not_counted("/a\0", None, "bad_path", "a path must not have control characters");
        insta::assert_snapshot!(Renderable::to_text(&invalid, NARROW), @r"
        /a\u{0}  is not counted: a path must not
          have control characters (bad_path)
        ");
        assert!(fits(&Renderable::to_text(&invalid, NARROW), NARROW));
    }
}
