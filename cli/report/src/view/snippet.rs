//! The result of `snippet`: texts to paste into a page or a README.

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::text;

/// The requested texts. The others are `None`.
#[derive(Clone, Debug, Serialize)]
pub struct SnippetView {
    /// The environment.
    pub env: String,
    /// The base URL of the counter.
    pub url: String,
    /// The element that shows the count, and the script.
    pub html: Option<String>,
    /// The tracking pixel for browsers without scripts.
    pub noscript: Option<String>,
    /// The badge, in Markdown.
    pub badge: Option<String>,
}

impl CommandView for SnippetView {
    /// Renders the texts with headings. A single text has no heading, so that it can be piped.
    fn render(&self, style: TextStyle) -> String {
        let parts = [
            ("Add to your page, the script only once:", &self.html),
            ("For browsers without JavaScript, on the page of this path:", &self.noscript),
            ("In a README:", &self.badge),
        ];
        let parts: Vec<_> =
            parts.into_iter().filter_map(|(head, part)| Some((head, part.as_deref()?))).collect();
        if let [(_, single)] = parts.as_slice() {
            return text::clean_lines(single) + "\n";
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
    fn several_snippets_have_headings_and_single_one_has_none() {
        insta::assert_snapshot!(view().render(NARROW), @"
        Add to your page, the script only once:

        <b>
        <script>

        For browsers without JavaScript, on the page of this path:

        <noscript>

        In a README:

        ![views](x)
        ");
        let badge = SnippetView { html: None, noscript: None, ..view() };
        assert_eq!(badge.render(COLOUR), "![views](x)\n");
        assert!(visible(&view().render(COLOUR)).contains("</>\n\n<noscript>\n"));
    }
}
