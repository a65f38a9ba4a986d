//! The result of `url` and `open`: the URL of the counter.

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::text;

/// The URL of a deployed counter.
#[derive(Clone, Debug, Serialize)]
pub struct UrlView {
    /// The environment.
    pub env: String,
    /// The base URL without a trailing slash.
    pub url: String,
}

impl CommandView for UrlView {
    /// Renders the URL alone, so that it can be piped.
    fn render(&self, style: TextStyle) -> String {
        format!("{}\n", style.paint(Tone::Link, text::clean(&self.url)))
    }
}
