//! A CloudFront distribution and its invalidations.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, text};

/// The most paths of an invalidation that people are shown.
const SHOWN: usize = 5;

/// The configured distribution, as CloudFront describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DistributionRow {
    /// The configured id.
    pub id: String,
    /// Whether the account has it; `None` where that is not known.
    pub present: Option<bool>,
    /// Whether it serves requests; `None` where that is not known.
    pub enabled: Option<bool>,
    /// The domain name that CloudFront chose.
    pub domain: Option<String>,
    /// Its alternate domain names.
    pub aliases: Vec<String>,
    /// Everything that is wrong with it.
    pub problems: Vec<String>,
}

impl DistributionRow {
    /// One line for people.
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

    /// The lines of `status`.
    pub(super) fn lines(&self, style: Style) -> String {
        let tone = match (self.present, self.problems.is_empty()) {
            (Some(false), _) => Tone::Bad,
            (_, false) => Tone::Warn,
            (Some(true), true) => Tone::Good,
            (None, true) => Tone::Dim,
        };
        let mut out = String::new();
        let summary = style.paint(tone, self.summary());
        let _ = writeln!(out, "{}", text::headed("  cdn  ", &summary, 8, style));
        for problem in &self.problems {
            let problem = text::clean(problem);
            let _ = writeln!(out, "{}", text::headed("       ", &problem, 8, style));
        }
        out
    }
}

/// An invalidation that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidateView {
    /// The environment.
    pub env: String,
    /// The distribution.
    pub distribution: String,
    /// The id of the invalidation.
    pub id: String,
    /// `InProgress` or `Completed`.
    pub status: String,
    /// The paths.
    pub paths: Vec<String>,
    /// The reference that makes repetitions of the call the same invalidation.
    pub caller_reference: String,
    /// Milliseconds.
    pub took_ms: u64,
}

impl View for InvalidateView {
    fn render(&self, style: Style) -> String {
        let (done, tone) = if self.status.eq_ignore_ascii_case("Completed") {
            ("completed", Tone::Good)
        } else {
            ("in progress", Tone::Strong)
        };
        let mut shown: Vec<_> = self.paths.iter().take(SHOWN).map(|path| text::clean(path)).collect();
        let more = self.paths.len().saturating_sub(SHOWN);
        if more > 0 {
            shown.push(format!("and {more} more").into());
        }
        format!(
            "Invalidation {} of {} is {}: {} ({})\n",
            text::clean(&self.id),
            text::clean(&self.distribution),
            style.paint(tone, done),
            shown.join(" "),
            format::plural(self.paths.len() as u64, "path"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report as _;

    #[test]
    fn an_invalidation_is_one_line() {
        let view = InvalidateView {
            env: "prod".to_owned(),
            distribution: "E123ABC".to_owned(),
            id: "I2J0I21PCUYOIK".to_owned(),
            status: "InProgress".to_owned(),
            paths: (0..7).map(|n| format!("/{n}")).collect(),
            caller_reference: "hitctl-hits-prod-1".to_owned(),
            took_ms: 5,
        };
        insta::assert_snapshot!(view.human(Style::PLAIN), @"Invalidation I2J0I21PCUYOIK of E123ABC is in progress: /0 /1 /2 /3 /4 and 2 more (7 paths)");
        let view = InvalidateView { status: "Completed".to_owned(), paths: vec!["/*".to_owned()], ..view };
        insta::assert_snapshot!(view.human(Style::PLAIN), @"Invalidation I2J0I21PCUYOIK of E123ABC is completed: /* (1 path)");
        insta::assert_snapshot!(view.json(), @r#"{"v":1,"env":"prod","distribution":"E123ABC","id":"I2J0I21PCUYOIK","status":"Completed","paths":["/*"],"caller_reference":"hitctl-hits-prod-1","took_ms":5}"#);
    }

    #[test]
    fn a_distribution_is_shown_with_its_problems() {
        let row = DistributionRow { id: "E123ABC".to_owned(), ..DistributionRow::default() };
        insta::assert_snapshot!(row.lines(Style::PLAIN), @"  cdn   E123ABC, not checked: the local cloud records invalidations only");
        let missing = DistributionRow {
            present: Some(false),
            problems: vec!["account 123456789012 has no CloudFront distribution E123ABC".to_owned()],
            ..row.clone()
        };
        insta::assert_snapshot!(missing.lines(Style::PLAIN), @"
        cdn   E123ABC, missing
              account 123456789012 has no CloudFront distribution E123ABC
        ");
        let enabled = DistributionRow {
            present: Some(true),
            enabled: Some(true),
            domain: Some("d111.cloudfront.net".to_owned()),
            aliases: vec!["www.example.com".to_owned()],
            ..row
        };
        insta::assert_snapshot!(enabled.lines(Style::PLAIN), @"  cdn   E123ABC, enabled, d111.cloudfront.net, www.example.com");
    }
}
