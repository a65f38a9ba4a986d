//! The results of `policy` and `privacy`: an IAM policy, and a text about the data that the counter stores.

use serde::Serialize;
use serde_json::Value as Json;

use crate::render::CommandView;
use crate::style::TextStyle;
use crate::text;

/// An IAM policy document.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyView {
    /// The document.
    pub policy: Json,
}

/// A text about the data that the counter stores about visitors.
#[derive(Clone, Debug, Serialize)]
pub struct PrivacyView {
    /// The environment whose configuration the text describes.
    pub env: String,
    /// `none`, `hash` or `raw`.
    pub visitors: String,
    /// The paragraphs of the text.
    pub paragraphs: Vec<String>,
}

impl CommandView for PolicyView {
    fn render(&self, _: TextStyle) -> String {
        serde_json::to_string_pretty(&self.policy).unwrap_or_default() + "\n"
    }
}

impl CommandView for PrivacyView {
    fn render(&self, style: TextStyle) -> String {
        let wrapped: Vec<String> = self.paragraphs.iter().map(|text| text::wrap(text, 0, style)).collect();
        wrapped.join("\n\n") + "\n"
    }
}
