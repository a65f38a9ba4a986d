//! The result of `local` commands: the status of the local cloud.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::facts::{fact_lines, path_text};
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// The status of the local cloud.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LocalStatusView {
    /// Whether the daemon is running.
    pub running: bool,
    /// The process ID of the daemon.
    pub pid: Option<u32>,
    /// The base URL of the control API.
    pub control: Option<String>,
    /// The endpoint for AWS SDKs.
    pub table: Option<String>,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The number of deployed resources.
    pub resources: u64,
    /// The recorded CloudFront invalidations, if there are any.
    pub invalidations: Option<InvalidationsView>,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// The recorded CloudFront invalidations.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidationsView {
    /// The number of recorded invalidations.
    #[serde(rename = "asked")]
    pub requested: u64,
    /// The latest invalidation.
    pub last: InvalidationRow,
}

/// A CloudFront invalidation.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidationRow {
    /// The ID of the invalidation.
    pub id: String,
    /// The ID of the distribution.
    pub distribution: String,
    /// The invalidated paths.
    pub paths: Vec<String>,
    /// The time of the request in UTC.
    pub at: String,
    /// `InProgress` or `Completed`.
    pub status: String,
}

impl CommandView for LocalStatusView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = if self.running {
            format!("The local cloud {}.\n\n", style.paint(Tone::Good, "is running"))
        } else {
            format!("The local cloud {}.\n\n", style.paint(Tone::Warn, "is not running"))
        };
        let clean_value =
            |value: &Option<String>| value.as_deref().map(|value| text::clean(value).into_owned());
        let mut lines = Vec::new();
        lines.extend(self.pid.map(|pid| ("process", pid.to_string())));
        lines.extend(clean_value(&self.control).map(|url| ("control", url)));
        lines.extend(clean_value(&self.table).map(|url| ("table", url)));
        if self.running {
            lines.push(("resources", self.resources.to_string()));
        }
        lines.extend(self.invalidations.iter().flat_map(|invalidations| invalidations.summary_facts(style)));
        lines.push(("state", path_text(&self.state_dir)));
        if !self.running {
            lines.push(("next", style.paint(Tone::Link, "hitctl local start")));
        }
        out.push_str(&fact_lines(&lines, style));
        for notice in &self.notices {
            let head = style.paint(Tone::Warn, "note:");
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &text::clean_lines(notice), 6, style));
        }
        out
    }
}

/// The maximum number of paths in the text output.
const MAX_PATHS_SHOWN: usize = 3;

impl InvalidationsView {
    /// Returns facts: the number of invalidations, and the time and the paths of the latest one.
    fn summary_facts(&self, style: TextStyle) -> [(&'static str, String); 3] {
        let InvalidationRow { distribution, paths, at, .. } = &self.last;
        let count = format::count(self.requested, "invalidation", style);
        let path_text: Vec<_> = paths.iter().take(MAX_PATHS_SHOWN).map(|path| text::clean(path)).collect();
        let more = match paths.len().saturating_sub(MAX_PATHS_SHOWN) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let invalidated = format!("{}: {}{more}", text::clean(distribution), path_text.join(" "));
        let available = style.columns().saturating_sub(14);
        let invalidated = text::truncate(&invalidated, available, style).into_owned();
        [("cloudfront", count), ("", format!("last at {}", text::clean(at))), ("", invalidated)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable;
    use crate::test_styles::NARROW;

    #[test]
    fn local_status_shows_running_and_stopped_cloud() {
        let running = LocalStatusView {
            running: true,
            pid: Some(4711),
            control: Some("http://127.0.0.1:8699".to_owned()),
            table: Some("http://127.0.0.1:8698".to_owned()),
            state_dir: "/home/me/site/.hitctl/local".into(),
            resources: 6,
            invalidations: None,
            notices: vec!["port 8700 was taken, so the API of hits-local is on 8701".to_owned()],
        };
        insta::assert_snapshot!(Renderable::to_text(&running, NARROW), @"
        The local cloud is running.

          process    4711
          control    http://127.0.0.1:8699
          table      http://127.0.0.1:8698
          resources  6
          state      /home/me/site/.hitctl/local
        note: port 8700 was taken, so the API of
              hits-local is on 8701
        ");
        insta::assert_snapshot!(running.to_json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":null,"notices":["port 8700 was taken, so the API of hits-local is on 8701"]}"#);
        let last = InvalidationRow {
            id: "I2J0I21PCUYOIK".to_owned(),
            distribution: "E123ABC".to_owned(),
            paths: ["/", "/a", "/b", "/c", "/d"].map(str::to_owned).into(),
            at: "2026-11-20T10:00:00Z".to_owned(),
            status: "Completed".to_owned(),
        };
        let with_invalidations = |requested, paths: usize| {
            let last = InvalidationRow { paths: last.paths[..paths].to_vec(), ..last.clone() };
            let notices = Vec::new();
            LocalStatusView {
                invalidations: Some(InvalidationsView { requested, last }),
                notices,
                ..running.clone()
            }
        };
        insta::assert_snapshot!(Renderable::to_text(&with_invalidations(1, 1), TextStyle::PLAIN), @"
        The local cloud is running.

          process     4711
          control     http://127.0.0.1:8699
          table       http://127.0.0.1:8698
          resources   6
          cloudfront  1 invalidation
                      last at 2026-11-20T10:00:00Z
                      E123ABC: /
          state       /home/me/site/.hitctl/local
        ");
        insta::assert_snapshot!(Renderable::to_text(&with_invalidations(1200, 5), NARROW), @"
        The local cloud is running.

          process     4711
          control     http://127.0.0.1:8699
          table       http://127.0.0.1:8698
          resources   6
          cloudfront  1,200 invalidations
                      last at 2026-11-20T10:00:00Z
                      E123ABC: / /a /b and 2 mo…
          state       /home/me/site/.hitctl/local
        ");
        insta::assert_snapshot!(with_invalidations(1, 1).to_json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":{"asked":1,"last":{"id":"I2J0I21PCUYOIK","distribution":"E123ABC","paths":["/"],"at":"2026-11-20T10:00:00Z","status":"Completed"}},"notices":[]}"#);
        let stopped = LocalStatusView { state_dir: "/s".into(), ..LocalStatusView::default() };
        insta::assert_snapshot!(Renderable::to_text(&stopped, TextStyle::PLAIN), @"
        The local cloud is not running.

          state  /s
          next   hitctl local start
        ");
        assert!(stopped.to_json().starts_with(r#"{"v":1,"running":false,"pid":null,"control":null,"#));
    }
}
