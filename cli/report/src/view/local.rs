//! The local cloud: whether it runs, and where.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::facts::{facts, shown};
use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, text};

/// Whether the local cloud runs, and where.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LocalStatusView {
    /// Whether it runs.
    pub running: bool,
    /// Its process.
    pub pid: Option<u32>,
    /// The base of its control API.
    pub control: Option<String>,
    /// Where AWS SDKs reach its tables.
    pub table: Option<String>,
    /// Where it keeps its state.
    pub state_dir: PathBuf,
    /// How many resources are deployed to it.
    pub resources: u64,
    /// What its CloudFront was asked for, if it was asked for anything.
    pub invalidations: Option<InvalidationsView>,
    /// What the user should know.
    pub notices: Vec<String>,
}

/// What CloudFront was asked to invalidate.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidationsView {
    /// How many times, as far as the local cloud remembers.
    pub asked: u64,
    /// The last time.
    pub last: InvalidationRow,
}

/// One invalidation.
#[derive(Clone, Debug, Serialize)]
pub struct InvalidationRow {
    /// CloudFront's id of it.
    pub id: String,
    /// The distribution.
    pub distribution: String,
    /// What was invalidated.
    pub paths: Vec<String>,
    /// When it was asked for, in UTC.
    pub at: String,
    /// `InProgress` or `Completed`.
    pub status: String,
}

impl View for LocalStatusView {
    fn render(&self, style: Style) -> String {
        let mut out = if self.running {
            format!("The local cloud {}.\n\n", style.paint(Tone::Good, "runs"))
        } else {
            format!("The local cloud {}.\n\n", style.paint(Tone::Warn, "does not run"))
        };
        let given = |value: &Option<String>| value.as_deref().map(|value| text::clean(value).into_owned());
        let mut lines = Vec::new();
        lines.extend(self.pid.map(|pid| ("process", pid.to_string())));
        lines.extend(given(&self.control).map(|url| ("control", url)));
        lines.extend(given(&self.table).map(|url| ("table", url)));
        if self.running {
            lines.push(("resources", self.resources.to_string()));
        }
        lines.extend(self.invalidations.iter().flat_map(|asked| asked.facts(style)));
        lines.push(("state", shown(&self.state_dir)));
        if !self.running {
            lines.push(("next", style.paint(Tone::Link, "hitctl local start")));
        }
        out.push_str(&facts(&lines, style));
        for notice in &self.notices {
            let head = style.paint(Tone::Warn, "note:");
            let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(notice), 6, style));
        }
        out
    }
}

/// So many paths of an invalidation are shown to people.
const PATHS_SHOWN: usize = 3;

impl InvalidationsView {
    /// How often; when and what, the last time.
    fn facts(&self, style: Style) -> [(&'static str, String); 3] {
        let InvalidationRow { distribution, paths, at, .. } = &self.last;
        let times = format::count(self.asked, "invalidation", style);
        let shown: Vec<_> = paths.iter().take(PATHS_SHOWN).map(|path| text::clean(path)).collect();
        let more = match paths.len().saturating_sub(PATHS_SHOWN) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let what = format!("{}: {}{more}", text::clean(distribution), shown.join(" "));
        let room = style.columns().saturating_sub(14);
        let what = text::truncate(&what, room, style).into_owned();
        [("cloudfront", times), ("", format!("last at {}", text::clean(at))), ("", what)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report;
    use crate::test_styles::NARROW;

    #[test]
    fn local_status() {
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
        insta::assert_snapshot!(Report::human(&running, NARROW), @"
        The local cloud runs.

          process    4711
          control    http://127.0.0.1:8699
          table      http://127.0.0.1:8698
          resources  6
          state      /home/me/site/.hitctl/local
        note: port 8700 was taken, so the API of
              hits-local is on 8701
        ");
        insta::assert_snapshot!(running.json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":null,"notices":["port 8700 was taken, so the API of hits-local is on 8701"]}"#);
        let last = InvalidationRow {
            id: "I2J0I21PCUYOIK".to_owned(),
            distribution: "E123ABC".to_owned(),
            paths: ["/", "/a", "/b", "/c", "/d"].map(str::to_owned).into(),
            at: "2026-11-20T10:00:00Z".to_owned(),
            status: "Completed".to_owned(),
        };
        let asked = |asked, paths: usize| {
            let last = InvalidationRow { paths: last.paths[..paths].to_vec(), ..last.clone() };
            let notices = Vec::new();
            LocalStatusView {
                invalidations: Some(InvalidationsView { asked, last }),
                notices,
                ..running.clone()
            }
        };
        insta::assert_snapshot!(Report::human(&asked(1, 1), Style::PLAIN), @"
        The local cloud runs.

          process     4711
          control     http://127.0.0.1:8699
          table       http://127.0.0.1:8698
          resources   6
          cloudfront  1 invalidation
                      last at 2026-11-20T10:00:00Z
                      E123ABC: /
          state       /home/me/site/.hitctl/local
        ");
        insta::assert_snapshot!(Report::human(&asked(1200, 5), NARROW), @"
        The local cloud runs.

          process     4711
          control     http://127.0.0.1:8699
          table       http://127.0.0.1:8698
          resources   6
          cloudfront  1,200 invalidations
                      last at 2026-11-20T10:00:00Z
                      E123ABC: / /a /b and 2 mo…
          state       /home/me/site/.hitctl/local
        ");
        insta::assert_snapshot!(asked(1, 1).json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":{"asked":1,"last":{"id":"I2J0I21PCUYOIK","distribution":"E123ABC","paths":["/"],"at":"2026-11-20T10:00:00Z","status":"Completed"}},"notices":[]}"#);
        let stopped = LocalStatusView { state_dir: "/s".into(), ..LocalStatusView::default() };
        insta::assert_snapshot!(Report::human(&stopped, Style::PLAIN), @"
        The local cloud does not run.

          state  /s
          next   hitctl local start
        ");
        assert!(stopped.json().starts_with(r#"{"v":1,"running":false,"pid":null,"control":null,"#));
    }
}
