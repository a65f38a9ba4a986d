//! The views of a CloudFront distribution and of an invalidation.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// The maximum number of paths in the text output.
const MAX_PATHS_SHOWN: usize = 5;

/// The configured distribution, as CloudFront describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DistributionRow {
    /// The configured ID.
    pub id: String,
    /// Whether the distribution exists in the account. `None` if it was not checked.
    pub present: Option<bool>,
    /// Whether it serves requests. `None` if it was not checked.
    pub enabled: Option<bool>,
    /// The domain name that CloudFront chose.
    pub domain: Option<String>,
    /// The alternate domain names.
    pub aliases: Vec<String>,
    /// The problems that the check found.
    pub problems: Vec<String>,
}

impl DistributionRow {
    /// Returns a summary in one line.
    pub fn summary(&self) -> String {
        let state = match (self.present, self.enabled) {
            (Some(false), _) => "missing",
            (_, Some(true)) => "enabled",
            (_, Some(false)) => "disabled",
            (None, None) if self.problems.is_empty() => {
                "not checked: the local cloud records invalidations only"
            }
            _ => "not checked",
        };
        let names = self.domain.iter().chain(&self.aliases).map(String::as_str);
        let parts: Vec<&str> = [self.id.as_str(), state].into_iter().chain(names).collect();
        text::clean(&parts.join(", ")).into_owned()
    }

    /// Renders the lines for `status`.
    pub(super) fn lines(&self, style: TextStyle) -> String {
        let tone = match (self.present, self.problems.is_empty()) {
            (Some(false), _) => Tone::Bad,
            (_, false) => Tone::Warn,
            (Some(true), true) => Tone::Good,
            (None, true) => Tone::Dim,
        };
        let mut out = String::new();
        let summary = style.paint(tone, self.summary());
        let _ = writeln!(out, "{}", text::wrap_after_head("  cdn   ", &summary, 9, style));
        for problem in &self.problems {
            let problem = text::clean(problem);
            let _ = writeln!(out, "{}", text::wrap_after_head("        ", &problem, 9, style));
        }
        out
    }
}

/// The result of an invalidation request.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidateView {
    /// The environment.
    pub env: String,
    /// The ID of the distribution.
    pub distribution: String,
    /// The ID of the invalidation.
    pub id: String,
    /// `InProgress` or `Completed`.
    pub status: String,
    /// The invalidated paths.
    pub paths: Vec<String>,
    /// The caller reference. Repeated calls with the same reference create only one invalidation.
    pub caller_reference: String,
    /// The duration in milliseconds.
    pub took_ms: u64,
}

impl CommandView for InvalidateView {
    fn render(&self, style: TextStyle) -> String {
        let (state, tone) = if self.status.eq_ignore_ascii_case("Completed") {
            ("completed", Tone::Good)
        } else {
            ("in progress", Tone::Strong)
        };
        let mut shown: Vec<_> =
            self.paths.iter().take(MAX_PATHS_SHOWN).map(|path| text::clean(path)).collect();
        let more = self.paths.len().saturating_sub(MAX_PATHS_SHOWN);
        if more > 0 {
            shown.push(format!("and {more} more").into());
        }
        format!(
            "Invalidation {} of {} is {}: {} ({})\n",
            text::clean(&self.id),
            text::clean(&self.distribution),
            style.paint(tone, state),
            shown.join(" "),
            format::plural(self.paths.len() as u64, "path"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;

    #[test]
    fn invalidation_is_one_line() {
        let view = InvalidateView {
            env: "prod".to_owned(),
            distribution: "E123ABC".to_owned(),
            id: "I2J0I21PCUYOIK".to_owned(),
            status: "InProgress".to_owned(),
            paths: (0..7).map(|n| format!("/{n}")).collect(),
            caller_reference: "hitctl-hits-prod-1".to_owned(),
            took_ms: 5,
        };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"Invalidation I2J0I21PCUYOIK of E123ABC is in progress: /0 /1 /2 /3 /4 and 2 more (7 paths)");
        let view = InvalidateView { status: "Completed".to_owned(), paths: vec!["/*".to_owned()], ..view };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"Invalidation I2J0I21PCUYOIK of E123ABC is completed: /* (1 path)");
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"env":"prod","distribution":"E123ABC","id":"I2J0I21PCUYOIK","status":"Completed","paths":["/*"],"caller_reference":"hitctl-hits-prod-1","took_ms":5}"#);
    }

    #[test]
    fn distribution_is_shown_with_problems() {
        let row = DistributionRow { id: "E123ABC".to_owned(), ..DistributionRow::default() };
        insta::assert_snapshot!(row.lines(TextStyle::PLAIN), @"  cdn    E123ABC, not checked: the local cloud records invalidations only");
        let missing = DistributionRow {
            present: Some(false),
            problems: vec!["account 123456789012 has no CloudFront distribution E123ABC".to_owned()],
            ..row.clone()
        };
        insta::assert_snapshot!(missing.lines(TextStyle::PLAIN), @"
        cdn    E123ABC, missing
               account 123456789012 has no CloudFront distribution E123ABC
        ");
        let enabled = DistributionRow {
            present: Some(true),
            enabled: Some(true),
            domain: Some("d111.cloudfront.net".to_owned()),
            aliases: vec!["www.example.com".to_owned()],
            ..row
        };
        insta::assert_snapshot!(enabled.lines(TextStyle::PLAIN), @"  cdn    E123ABC, enabled, d111.cloudfront.net, www.example.com");
    }
}
