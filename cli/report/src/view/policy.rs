//! What has to be allowed, and what the counter keeps of visitors: documents to hand on.

use serde::Serialize;
use serde_json::Value as Json;

use crate::render::View;
use crate::style::Style;
use crate::text;

/// An IAM policy, ready to be given to AWS.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyView {
    /// The document.
    pub policy: Json,
}

/// What the counter keeps of visitors.
#[derive(Clone, Debug, Serialize)]
pub struct PrivacyView {
    /// The env whose configuration it follows.
    pub env: String,
    /// `none`, `hash` or `raw`.
    pub visitors: String,
    /// The facts.
    pub paragraphs: Vec<String>,
}

impl View for PolicyView {
    fn render(&self, _: Style) -> String {
        serde_json::to_string_pretty(&self.policy).unwrap_or_default() + "\n"
    }
}

impl View for PrivacyView {
    fn render(&self, style: Style) -> String {
        let wrapped: Vec<String> = self.paragraphs.iter().map(|text| text::wrap(text, 0, style)).collect();
        wrapped.join("\n\n") + "\n"
    }
}
