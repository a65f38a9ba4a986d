//! What to paste, and where.

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::text;

/// Texts to paste into a page or a README. What was not asked for is not there.
#[derive(Clone, Debug, Serialize)]
pub struct SnippetView {
    /// The environment.
    pub env: String,
    /// Where its counter is.
    pub url: String,
    /// The element that shows the number, and the script.
    pub html: Option<String>,
    /// The pixel.
    pub noscript: Option<String>,
    /// The badge, in Markdown.
    pub badge: Option<String>,
}

impl View for SnippetView {
    /// With headings where there are several; one alone is nothing but itself, for pipes.
    fn render(&self, style: Style) -> String {
        let parts = [
            ("In your page, where the number belongs and once at its end:", &self.html),
            ("For readers without scripts, on the page of that path:", &self.noscript),
            ("In a README:", &self.badge),
        ];
        let parts: Vec<_> =
            parts.into_iter().filter_map(|(head, part)| Some((head, part.as_deref()?))).collect();
        if let [(_, only)] = parts.as_slice() {
            return text::clean_lines(only) + "\n";
        }
        let parts = parts
            .into_iter()
            .map(|(head, part)| format!("{}\n\n{}\n", style.paint(Tone::Dim, head), text::clean_lines(part)));
        parts.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_styles::{COLOUR, NARROW, visible};

    fn view() -> SnippetView {
        SnippetView {
            env: "prod".to_owned(),
            url: "https://x.example".to_owned(),
            html: Some("<b>\n<script>".to_owned()),
            noscript: Some("<noscript>".to_owned()),
            badge: Some("![views](x)".to_owned()),
        }
    }

    #[test]
    fn several_have_headings_and_one_has_none() {
        insta::assert_snapshot!(view().render(NARROW), @"
        In your page, where the number belongs and once at its end:

        <b>
        <script>

        For readers without scripts, on the page of that path:

        <noscript>

        In a README:

        ![views](x)
        ");
        let badge = SnippetView { html: None, noscript: None, ..view() };
        assert_eq!(badge.render(COLOUR), "![views](x)\n");
        assert!(visible(&view().render(COLOUR)).contains("</>\n\n<noscript>\n"));
    }
}
