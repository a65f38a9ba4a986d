//! The result of `status`: the deployed resources and the state of the app.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::distribution::DistributionRow;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::{format, text};

/// The state of a deployed app.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// The name of the app, the prefix of all names.
    pub app: String,
    /// The environment.
    pub env: String,
    /// `aws` or `local`.
    pub target: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The ID of the deployed build, as in `/healthz`. `None` if there is no function.
    pub release: Option<String>,
    /// The last change of the deployment. `None` if it is unknown.
    pub deployed: Option<LastDeploy>,
    /// All resources that exist or that the configuration requires.
    pub resources: Vec<ResourceRow>,
    /// The base URL without a trailing slash.
    pub url: Option<String>,
    /// The sum of the views of all paths. `None` if they cannot be read because the local cloud is not running.
    pub hits: Option<u64>,
    /// The live version, if versions are published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<LiveVersion>,
    /// Whether the cloud is running. Always true for AWS.
    pub running: bool,
    /// The CloudFront distribution, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<DistributionRow>,
    /// The usage of the budget for new paths, if there is one and it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_paths: Option<NewPathBudget>,
    /// Warnings, such as access that others granted, a used-up budget, or a full disk.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The last change of a deployment.
#[derive(Clone, Debug, Serialize)]
pub struct LastDeploy {
    /// The time in UTC, in RFC 3339 format.
    pub at: String,
    /// The user and the machine, such as `ann@laptop`.
    pub by: String,
    /// The command, such as `deploy`.
    pub command: String,
}

/// The usage of the budget for new paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NewPathBudget {
    /// The number of paths that were created today (UTC).
    pub today: u64,
    /// The maximum number of new paths per day.
    pub per_day: u64,
    /// The number of all paths that views have created.
    pub in_all: u64,
    /// The maximum number of paths.
    pub max: u64,
    /// The approximate number of clients that have used up their share today.
    pub shares_spent: usize,
    /// The maximum number of new paths per day for one visitor.
    #[serde(skip)]
    pub share: u64,
}

impl NewPathBudget {
    /// Returns warnings if at least 80 % of the budget is used, or if a client has used up its share.
    pub fn warnings(&self) -> Vec<String> {
        let number = |n: u64| format::number(n, TextStyle::PLAIN);
        let is_almost_used = |used: u64, max: u64| used >= max.saturating_mul(4) / 5;
        let mut warnings = Vec::new();
        let usage = |used: u64, max: u64| format!("{} of {} new paths", number(used), number(max));
        if is_almost_used(self.today, self.per_day) {
            warnings.push(format!(
                "{} used today; beyond the limit, views of new paths are not counted until midnight (UTC); add your pages with \
                 `hitctl paths sync`, or raise `counter.new_paths_per_day`",
                usage(self.today, self.per_day)
            ));
        }
        if is_almost_used(self.in_all, self.max) {
            warnings.push(format!(
                "{} used in total; beyond the limit, views of new paths are not counted; remove paths with `hitctl counts delete`, or \
                 raise `counter.max_paths`",
                usage(self.in_all, self.max)
            ));
        }
        if self.shares_spent > 0 {
            warnings.push(format!(
                "a client has used up its share of today's new paths ({} per visitor), so it may be inventing paths; its views of \
                 further new paths are not counted",
                number(self.share)
            ));
        }
        warnings
    }
}

/// The version to which the live alias points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LiveVersion {
    /// The version number.
    pub live: u64,
    /// The newest version, if it is not the live one.
    pub newest: Option<u64>,
}

/// One resource.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceRow {
    /// The address in the graph.
    pub address: String,
    /// The resource kind.
    pub kind: String,
    /// The physical name.
    pub name: String,
    /// Whether it exists.
    pub present: bool,
    /// The fields that differ from the configuration.
    pub drift: Vec<String>,
    /// Whether the next deploy deletes it, because the configuration no longer contains it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
    /// Whether it does not belong to this app. No deploy is possible then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
    /// The outputs that other resources use.
    pub outputs: BTreeMap<String, String>,
}

/// The approximate number of messages in a queue.
struct QueueCounts {
    visible: u64,
    in_flight: u64,
    delayed: u64,
    all: u64,
    oldest_s: Option<u64>,
}

impl QueueCounts {
    /// Formats the numbers: `12 waiting, 3 in flight, oldest 40 s`.
    fn summary(&self, style: TextStyle) -> String {
        if self.all == 0 {
            return "empty".to_owned();
        }
        let number = |n: u64| format::number(n, style);
        let mut parts = vec![format!("{} waiting", number(self.visible))];
        parts.extend(Some(self.in_flight).filter(|n| *n > 0).map(|n| format!("{} in flight", number(n))));
        parts.extend(Some(self.delayed).filter(|n| *n > 0).map(|n| format!("{} delayed", number(n))));
        parts.extend(self.oldest_s.map(|age| format!("oldest {}", format::took(age.saturating_mul(1_000)))));
        parts.join(", ")
    }
}

impl StatusView {
    /// Whether a resource is missing or differs from the configuration.
    pub fn is_drifted(&self) -> bool {
        self.resources.iter().any(|row| !row.present || row.unwanted || row.conflict || !row.drift.is_empty())
            || self.distribution.as_ref().is_some_and(|distribution| distribution.present == Some(false))
    }

    /// Returns the number of messages in a queue from the outputs of its resource.
    fn queue_counts(&self, address: &str) -> Option<QueueCounts> {
        let row = self.resources.iter().find(|row| row.address == address)?;
        let number = |name: &str| row.outputs.get(name).and_then(|text| text.parse::<u64>().ok());
        let (visible, in_flight, delayed) = (number("visible")?, number("in_flight")?, number("delayed")?);
        let all = visible + in_flight + delayed;
        Some(QueueCounts { visible, in_flight, delayed, all, oldest_s: number("oldest_s") })
    }

    /// Renders the header: app, environment, location, release, and the last change.
    fn header(&self, style: TextStyle) -> String {
        let location = match self.target.as_str() {
            "local" => "this machine".to_owned(),
            _ => format!("AWS account {}, {}", text::clean(&self.account), text::clean(&self.region)),
        };
        let mut facts = vec![
            ("app", text::clean(&self.app).into_owned()),
            ("env", format!("{} ({location})", text::clean(&self.env))),
        ];
        let live = self.version.map(|version| format!(", version {}", version.live)).unwrap_or_default();
        facts.extend(self.release.as_ref().map(|build| ("release", format!("{}{live}", text::clean(build)))));
        facts.extend(self.deployed.as_ref().map(|LastDeploy { at, by, command }| {
            // Without the seconds: `2026-01-01 10:00`.
            let at = text::clean(at).chars().take(16).collect::<String>().replace('T', " ");
            let by = text::clean(by);
            let action = if command == "rollback" { "rolled back" } else { "deployed" };
            (action, format!("{at} UTC by {by}"))
        }));
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        facts.iter().fold(String::new(), |mut out, (name, value)| {
            let head = format!("  {} ", style.paint(Tone::Dim, text::pad(name, width)));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, value, width + 4, style));
            out
        })
    }

    fn next_command(&self) -> Option<String> {
        let env = text::clean(&self.env);
        let deployed = self.resources.iter().any(|row| row.present);
        match () {
            () if !deployed => Some(format!("hitctl deploy --env {env}")),
            () if !self.running => Some("hitctl local start".to_owned()),
            () if self.queue_counts("queue.dlq").is_some_and(|queue| queue.all > 0) => {
                Some(format!("hitctl dlq list --env {env}"))
            }
            () if self.is_drifted() => Some(format!("hitctl plan --env {env}")),
            () => None,
        }
    }
}

impl CommandView for StatusView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = self.header(style) + "\n";
        if !self.resources.iter().any(|row| row.present || row.conflict) {
            let _ = writeln!(out, "Nothing is deployed in environment {}.", text::clean(&self.env));
            if let Some(distribution) = &self.distribution {
                out.push_str(&distribution.lines(style));
            }
            for warning in &self.warnings {
                let line = style.paint(Tone::Warn, text::clean(warning));
                let _ = writeln!(out, "{}", text::wrap_after_head("  warn  ", &line, 9, style));
            }
            if let Some(next) = self.next_command() {
                let _ = writeln!(out, "\n  next   {}", style.paint(Tone::Link, next));
            }
            return out;
        }
        if !self.running {
            let _ = writeln!(out, "{} The local cloud is not running.\n", style.paint(Tone::Warn, "stopped"));
        }
        let mut table = TextTable::new([
            Column::text("RESOURCE"),
            Column::text("STATE").flexible(),
            Column::text("NAME").optional(),
        ]);
        for row in &self.resources {
            let state = match (row.present, row.drift.is_empty()) {
                _ if row.conflict => Cell::toned("not managed by this app", Tone::Bad),
                _ if row.unwanted => Cell::toned("the next deploy deletes it", Tone::Warn),
                (false, _) => Cell::toned("missing", Tone::Bad),
                (true, true) => Cell::toned("ok", Tone::Good),
                (true, false) => {
                    Cell::toned(format!("drift: {}", text::clean(&row.drift.join(", "))), Tone::Warn)
                }
            };
            table.add_row([text::clean(&row.address).into(), state, text::clean(&row.name).into()]);
        }
        out.push_str(&table.render(2, style));
        let url = self.url.as_deref().map_or("(none)".into(), text::clean);
        let _ = writeln!(out, "\n  url    {}", style.paint(Tone::Link, url));
        let hits = self.hits.map_or_else(
            || style.paint(Tone::Dim, "(kept; start the local cloud to read them)"),
            |hits| style.paint(Tone::Strong, format::number(hits, style)),
        );
        let _ = writeln!(out, "{}", text::wrap_after_head("  views ", &hits, 9, style));
        if let Some(queue) = self.queue_counts("queue.hits") {
            let _ = writeln!(out, "{}", text::wrap_after_head("  queue ", &queue.summary(style), 9, style));
        }
        if let Some(dead_letter_queue) = self.queue_counts("queue.dlq") {
            let dead_letters = match dead_letter_queue.all {
                0 => "empty".to_owned(),
                n => style.paint(Tone::Warn, format::plural(n, "message")),
            };
            let _ = writeln!(out, "{}", text::wrap_after_head("  dlq   ", &dead_letters, 9, style));
        }
        if let Some(LiveVersion { live, newest }) = self.version {
            let newest = newest.map(|newest| format!("version {live} (rolled back; the newest is {newest})"));
            let line = newest.map_or_else(|| live.to_string(), |line| style.paint(Tone::Warn, line));
            let _ = writeln!(out, "{}", text::wrap_after_head("  live  ", &line, 9, style));
        }
        if let Some(distribution) = &self.distribution {
            out.push_str(&distribution.lines(style));
        }
        for warning in &self.warnings {
            let line = style.paint(Tone::Warn, text::clean(warning));
            let _ = writeln!(out, "{}", text::wrap_after_head("  warn  ", &line, 9, style));
        }
        if let Some(next) = self.next_command() {
            let _ = writeln!(out, "  next   {}", style.paint(Tone::Link, next));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{COLOUR, NARROW, WIDE, fits, visible};

    fn row(address: &str, present: bool, drift: &[&str]) -> ResourceRow {
        ResourceRow {
            address: address.to_owned(),
            kind: address.split('.').next().unwrap_or_default().to_owned(),
            name: "hits-local".to_owned(),
            present,
            drift: drift.iter().map(ToString::to_string).collect(),
            unwanted: false,
            conflict: false,
            outputs: BTreeMap::new(),
        }
    }

    fn view() -> StatusView {
        StatusView {
            app: "hits".to_owned(),
            env: "local".to_owned(),
            target: "local".to_owned(),
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            release: Some("0123456789ab".to_owned()),
            deployed: Some(LastDeploy {
                at: "2026-11-30T20:15:03Z".to_owned(),
                by: "ann@laptop".to_owned(),
                command: "deploy".to_owned(),
            }),
            resources: vec![
                row("table.hits", true, &[]),
                row("function.counter", true, &["memory_mb", "environment.LOG_LEVEL"]),
                row("permission.http_api", false, &[]),
            ],
            url: Some("http://127.0.0.1:8700".to_owned()),
            hits: Some(1_234_567),
            version: None,
            running: true,
            distribution: None,
            new_paths: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn status_shows_resources_url_and_hits() {
        insta::assert_snapshot!(view().to_text(WIDE), @"
        app       hits
        env       local (this machine)
        release   0123456789ab
        deployed  2026-11-30 20:15 UTC by ann@laptop

        RESOURCE             STATE                                    NAME
        table.hits           ok                                       hits-local
        function.counter     drift: memory_mb, environment.LOG_LEVEL  hits-local
        permission.http_api  missing                                  hits-local

        url    http://127.0.0.1:8700
        views  1,234,567
        next   hitctl plan --env local
        ");
        insta::assert_snapshot!(view().to_text(NARROW), @"
        app       hits
        env       local (this machine)
        release   0123456789ab
        deployed  2026-11-30 20:15 UTC by
                  ann@laptop

        RESOURCE             STATE
        table.hits           ok
        function.counter     drift: memory_mb…
        permission.http_api  missing

        url    http://127.0.0.1:8700
        views  1,234,567
        next   hitctl plan --env local
        ");
        assert!(fits(&view().to_text(NARROW), NARROW));
        assert!(
            visible(&view().to_text(COLOUR)).contains("<31mmissing</>"),
            "{}",
            visible(&view().to_text(COLOUR))
        );
    }

    #[test]
    fn queues_are_one_line_each() {
        let queue = |address: &str, attributes: &[(&str, &str)]| ResourceRow {
            outputs: attributes.iter().map(|(name, n)| ((*name).to_owned(), (*n).to_owned())).collect(),
            ..row(address, true, &[])
        };
        let hits = [("visible", "1200"), ("in_flight", "25"), ("delayed", "0"), ("oldest_s", "64")];
        let dlq =
            |n: &'static str| queue("queue.dlq", &[("visible", n), ("in_flight", "0"), ("delayed", "0")]);
        let view = StatusView { resources: vec![queue("queue.hits", &hits), dlq("2")], ..view() };
        insta::assert_snapshot!(view.to_text(WIDE), @"
        app       hits
        env       local (this machine)
        release   0123456789ab
        deployed  2026-11-30 20:15 UTC by ann@laptop

        RESOURCE    STATE  NAME
        queue.hits  ok     hits-local
        queue.dlq   ok     hits-local

        url    http://127.0.0.1:8700
        views  1,234,567
        queue  1,200 waiting, 25 in flight, oldest 1m 04s
        dlq    2 messages
        next   hitctl dlq list --env local
        ");
        assert!(visible(&view.to_text(COLOUR)).contains("<33m2 messages</>"));
        let view = StatusView {
            resources: vec![
                queue(
                    "queue.hits",
                    &dlq("0").outputs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(),
                ),
                dlq("0"),
            ],
            ..view
        };
        insta::assert_snapshot!(view.to_text(WIDE), @"
        app       hits
        env       local (this machine)
        release   0123456789ab
        deployed  2026-11-30 20:15 UTC by ann@laptop

        RESOURCE    STATE  NAME
        queue.hits  ok     hits-local
        queue.dlq   ok     hits-local

        url    http://127.0.0.1:8700
        views  1,234,567
        queue  empty
        dlq    empty
        ");
        let without_outputs = StatusView { resources: vec![queue("queue.hits", &[])], ..view };
        assert!(
            !without_outputs.to_text(WIDE).contains("  queue "),
            "without outputs, the queue has no line"
        );
    }

    #[test]
    fn status_shows_unwanted_resource_and_foreign_access() {
        let unwanted = ResourceRow { unwanted: true, ..row("function_url.counter", true, &[]) };
        let view = StatusView {
            resources: vec![row("table.hits", true, &[]), unwanted],
            warnings: vec!["role.function: role hits-test has the inline policy more".to_owned()],
            ..view()
        };
        assert!(view.is_drifted());
        insta::assert_snapshot!(view.to_text(WIDE), @"
        app       hits
        env       local (this machine)
        release   0123456789ab
        deployed  2026-11-30 20:15 UTC by ann@laptop

        RESOURCE              STATE                       NAME
        table.hits            ok                          hits-local
        function_url.counter  the next deploy deletes it  hits-local

        url    http://127.0.0.1:8700
        views  1,234,567
        warn   role.function: role hits-test has the inline policy more
        next   hitctl plan --env local
        ");
        assert!(view.to_json().contains(r#""drift":[],"unwanted":true"#), "{}", view.to_json());
    }

    #[test]
    fn live_version_after_rollback_is_shown_with_newest() {
        let live_line = |live, newest| {
            let view = StatusView { version: Some(LiveVersion { live, newest }), ..view() };
            view.to_text(WIDE).lines().find(|line| line.starts_with("  live")).map(str::to_owned)
        };
        assert_eq!(live_line(5, None).unwrap(), "  live   5");
        assert_eq!(live_line(3, Some(5)).unwrap(), "  live   version 3 (rolled back; the newest is 5)");
    }

    #[test]
    fn status_without_deployment_suggests_deploy() {
        let view = StatusView {
            resources: vec![row("table.hits", false, &[])],
            url: None,
            hits: Some(0),
            running: false,
            ..view()
        };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
          app       hits
          env       local (this machine)
          release   0123456789ab
          deployed  2026-11-30 20:15 UTC by ann@laptop

        Nothing is deployed in environment local.

          next   hitctl deploy --env local
        ");
        assert!(view.is_drifted());
    }

    #[test]
    fn unread_hits_are_not_shown_as_zero() {
        let view = StatusView {
            resources: vec![row("table.hits", true, &[])],
            hits: None,
            running: false,
            ..view()
        };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
          app       hits
          env       local (this machine)
          release   0123456789ab
          deployed  2026-11-30 20:15 UTC by ann@laptop

        stopped The local cloud is not running.

          RESOURCE    STATE  NAME
          table.hits  ok     hits-local

          url    http://127.0.0.1:8700
          views  (kept; start the local cloud to read them)
          next   hitctl local start
        ");
        assert!(view.to_json().contains(r#""hits":null"#));
    }

    #[test]
    fn used_up_budget_for_new_paths_is_a_warning() {
        let below_limit = NewPathBudget {
            today: 799,
            per_day: 1000,
            in_all: 7_999,
            max: 10_000,
            shares_spent: 0,
            share: 100,
        };
        assert_eq!(below_limit.warnings(), [""; 0]);
        let spent = NewPathBudget { today: 1000, in_all: 8_000, shares_spent: 1, ..below_limit };
        let view = StatusView { new_paths: Some(spent), warnings: spent.warnings(), ..view() };
        let shown = view.warnings.join("\n");
        for part in [
            "1000 of 1000 new paths used today",
            "8000 of 10000 new paths used in total",
            "(100 per visitor)",
            "hitctl paths sync",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(view.to_text(WIDE).matches("  warn  ").count(), 3, "{}", view.to_text(WIDE));
        let json = view.to_json();
        assert!(json.contains(r#""new_paths":{"today":1000,"per_day":1000,"in_all":8000,"max":10000,"shares_spent":1},"warnings":["1000"#), "{json}");
    }

    #[test]
    fn json_format_is_stable() {
        let view = StatusView { resources: vec![row("table.hits", true, &["x"])], ..view() };
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"app":"hits","env":"local","target":"local","account":"000000000000","region":"local","release":"0123456789ab","deployed":{"at":"2026-11-30T20:15:03Z","by":"ann@laptop","command":"deploy"},"resources":[{"address":"table.hits","kind":"table","name":"hits-local","present":true,"drift":["x"],"outputs":{}}],"url":"http://127.0.0.1:8700","hits":1234567,"running":true}"#);
    }
}
