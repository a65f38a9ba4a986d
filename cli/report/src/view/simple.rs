//! The small views: a few facts each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value as Json;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::table::{Cell, Column, Table};
use crate::{human, text};

/// A built zip.
#[derive(Clone, Debug, Serialize)]
pub struct BuildView {
    /// Where it is.
    pub zip: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// What it is compiled for.
    pub arch: String,
}

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

/// The environments of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct EnvListView {
    /// One a name.
    pub envs: Vec<EnvRow>,
}

/// One environment.
#[derive(Clone, Debug, Serialize)]
pub struct EnvRow {
    /// Its name.
    pub name: String,
    /// `aws` or `local`.
    pub target: String,
    /// Whether it is in force.
    pub current: bool,
}

/// The configuration in force.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigView {
    /// For people.
    #[serde(skip)]
    pub toml: String,
    /// For programs: an object.
    #[serde(flatten)]
    pub json: Json,
}

/// What a look at this machine found.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorView {
    /// One a thing looked at.
    pub checks: Vec<Check>,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a thing looked at is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Something will not work, which not everybody needs.
    Warn,
    /// Something does not work.
    Fail,
}

/// What would be counted.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainView {
    path: String,
    counted: bool,
    key: Option<String>,
    why: Option<String>,
    message: Option<String>,
    /// What else it depends on.
    notes: Vec<String>,
}

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

/// A written configuration.
#[derive(Clone, Debug, Serialize)]
pub struct InitView {
    /// Where it is.
    pub path: PathBuf,
    /// The command to run next.
    pub next: String,
}

/// A path as text that is safe to show.
fn shown(path: &Path) -> String {
    text::clean(&path.to_string_lossy()).into_owned()
}

/// `name  value` lines, the values under one another and never cut, since they are for copying.
fn facts(facts: &[(&str, String)], style: Style) -> String {
    let wide = facts.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    facts.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "  {}  {value}", style.paint(Tone::Dim, text::pad(name, wide)));
        out
    })
}

impl View for BuildView {
    fn render(&self, style: Style) -> String {
        facts(
            &[
                ("zip", style.paint(Tone::Strong, shown(&self.zip))),
                (
                    "size",
                    format!("{} ({} bytes)", human::bytes(self.bytes), human::number(self.bytes, style)),
                ),
                ("sha256", text::clean(&self.sha256).into_owned()),
                ("arch", text::clean(&self.arch).into_owned()),
            ],
            style,
        )
    }
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
        let many = if self.asked == 1 { "" } else { "s" };
        let times = format!("{} invalidation{many}", human::number(self.asked, style));
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

impl View for EnvListView {
    fn render(&self, style: Style) -> String {
        let mut table =
            Table::new([Column::text(""), Column::text("ENV").flexible(), Column::text("TARGET")]);
        for env in &self.envs {
            let tone = if env.current { Tone::Strong } else { Tone::Dim };
            let mark = if env.current { "*" } else { "" };
            table.row([
                mark.into(),
                Cell::toned(text::clean(&env.name), tone),
                text::clean(&env.target).into(),
            ]);
        }
        table.render(0, style)
    }
}

impl View for ConfigView {
    fn render(&self, _: Style) -> String {
        text::clean_lines(self.toml.trim_end()) + "\n"
    }
}

impl DoctorView {
    /// The worst that was found.
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok)
    }
}

impl View for DoctorView {
    fn render(&self, style: Style) -> String {
        let wide = self.checks.iter().map(|check| text::width(&check.name)).max().unwrap_or(0).min(22);
        let mut out = String::new();
        for check in &self.checks {
            let (word, tone) = match check.status {
                CheckStatus::Ok => ("ok  ", Tone::Good),
                CheckStatus::Warn => ("warn", Tone::Warn),
                CheckStatus::Fail => ("fail", Tone::Bad),
            };
            let name = text::pad(&text::clean(&check.name), wide);
            let head = format!("  {}  {name} ", style.paint(tone, word));
            let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(&check.detail), 8, style));
            if let Some(hint) = &check.hint {
                let head = format!("        {}", style.paint(Tone::Link, "hint:"));
                let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(hint), 14, style));
            }
        }
        let count = |status| self.checks.iter().filter(|check| check.status == status).count() as u64;
        let (warn, fail) = (count(CheckStatus::Warn), count(CheckStatus::Fail));
        let verdict = match (fail, warn) {
            (0, 0) => "All is well.".to_owned(),
            (0, warn) => format!("{}, no failure.", human::plural(warn, "warning")),
            (fail, 0) => format!("{}.", human::plural(fail, "failure")),
            (fail, warn) => {
                format!("{} and {}.", human::plural(fail, "failure"), human::plural(warn, "warning"))
            }
        };
        let _ = writeln!(out, "\n{verdict}");
        out
    }
}

impl ExplainView {
    /// A view that would be counted, under `key`.
    pub fn counted(path: &str, key: &str) -> Self {
        let (path, key) = (path.to_owned(), Some(key.to_owned()));
        Self { path, counted: true, key, why: None, message: None, notes: Vec::new() }
    }

    /// With what else it depends on.
    #[must_use]
    pub fn noting(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// A view that would be answered and not counted: a stable word, and why in words.
    pub fn ignored(path: &str, key: &str, why: &str, message: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::refused(path, why, message) }
    }

    /// A path that would be refused: a stable word, and why in words.
    pub fn refused(path: &str, why: &str, message: &str) -> Self {
        let (why, message) = (Some(why.to_owned()), Some(message.to_owned()));
        Self { path: path.to_owned(), counted: false, key: None, why, message, notes: Vec::new() }
    }
}

impl View for ExplainView {
    fn render(&self, style: Style) -> String {
        let path = text::clean(&self.path);
        let clean = |text: &Option<String>| text::clean(text.as_deref().unwrap_or_default()).into_owned();
        let line = if self.counted {
            let key = style.paint(Tone::Strong, clean(&self.key));
            format!("{path}  is {} as  {key}", style.paint(Tone::Good, "counted"))
        } else {
            let why = format!("{} ({})", clean(&self.message), clean(&self.why));
            format!("{path}  is {}: {why}", style.paint(Tone::Warn, "not counted"))
        };
        let notes = self.notes.iter().map(|note| text::wrap(&format!("  {note}"), 4, style) + "\n");
        text::wrap(&line, 2, style) + "\n" + &notes.collect::<String>()
    }
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

impl View for InitView {
    fn render(&self, style: Style) -> String {
        let mut out = format!("Wrote {}\n\n", style.paint(Tone::Strong, shown(&self.path)));
        let _ = writeln!(out, "  next  {}", style.paint(Tone::Link, text::clean(&self.next)));
        out
    }
}

#[cfg(test)]
#[path = "simple_tests.rs"]
mod tests;
