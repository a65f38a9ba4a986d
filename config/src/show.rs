//! Shows the settings in force: as TOML that loads again, and as JSON. Values of environment variables are secrets and
//! are shown as fingerprints.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use toml::Value;

use crate::display::is_unsafe_to_show;
use crate::environment::{self, FingerprintKey};
use crate::keys::{Key, Kind, Scope};
use crate::load::Loaded;
use crate::resolve::{Setting, as_json};
use crate::schema::{KEYS, SECTIONS};

/// Lines longer than this do not push the remarks of all others to the right.
const WIDEST: usize = 44;

/// One line of the output: what it says, and the remark beside it.
struct Line {
    text: String,
    remark: String,
}

impl Loaded {
    /// The settings in force as TOML, in the order of the documentation; with `origins`, beside each where it came from.
    pub fn show(&self, origins: bool, key: &FingerprintKey) -> String {
        let mut out = format!("# {}\n", self.summary());
        let mut lines = Vec::new();
        for (section, _) in SECTIONS {
            if !section.is_empty() {
                lines.push(Line::plain(String::new()));
                lines.push(Line::plain(format!("[{section}]")));
            }
            let keys = KEYS.iter().filter(|one| one.section == *section && one.scope != Scope::Env);
            lines.extend(keys.filter_map(|one| self.line(one, origins)));
            if environment::KEY.split('.').next() == Some(section) {
                lines.extend(self.variables(origins, key));
            }
        }
        lines.push(Line::plain(String::new()));
        lines.push(Line::plain(format!("[env.{}]", self.env)));
        lines.extend(
            KEYS.iter().filter(|one| one.scope == Scope::Env).filter_map(|one| self.line(one, origins)),
        );

        let width = lines.iter().filter(|line| !line.remark.is_empty()).map(|line| line.text.chars().count());
        let width = width.filter(|width| *width <= WIDEST).max().unwrap_or_default();
        for Line { text, remark } in &lines {
            let written = if remark.is_empty() {
                writeln!(out, "{text}")
            } else {
                writeln!(out, "{text:width$}  # {remark}")
            };
            debug_assert!(written.is_ok(), "a string takes any text");
        }
        out
    }

    /// The settings in force as one JSON object: `env`, `target`, `path`, `settings` by table, and with `origins` also
    /// those, by key.
    pub fn to_json(&self, origins: bool, key: &FingerprintKey) -> Json {
        let settings = self.resolved.nested(|path, value| match value.as_str() {
            Some(secret) if is_variable(path) => json!(key.fingerprint(secret)),
            _ => as_json(value),
        });
        let mut shown = json!({
            "env": self.env,
            "target": self.target,
            "path": self.path.as_ref().map(|path| path.display().to_string()),
            "settings": settings,
        });
        if origins {
            let by_key = self.origins.iter().map(|(path, origin)| (path.clone(), json!(origin.to_string())));
            shown["origins"] = Json::Object(by_key.collect());
        }
        shown
    }

    fn summary(&self) -> String {
        let from = match &self.path {
            Some(path) => {
                format!("from {}", path.display().to_string().replace(is_unsafe_to_show, "\u{fffd}"))
            }
            None => "no hitctl.toml, so these are the defaults".to_owned(),
        };
        format!("env {}, target {}; {from}", self.env, self.target)
    }

    fn line(&self, key: &Key, origins: bool) -> Option<Line> {
        if matches!(key.kind, Kind::Variables) {
            return None;
        }
        let setting = self.resolved.get(&key.path())?;
        let origin = if origins { setting.origin.to_string() } else { String::new() };
        let Some(value) = &setting.value else {
            return Some(Line { text: format!("# {} is not set", key.name), remark: String::new() });
        };
        Some(Line { text: format!("{} = {value}", key.name), remark: origin })
    }

    fn variables(&self, origins: bool, key: &FingerprintKey) -> Vec<Line> {
        let mut lines = Vec::new();
        for (name, secret) in self.resolved.variables() {
            if lines.is_empty() {
                lines.push(Line::plain(String::new()));
                lines.push(Line::plain(format!("[{}]", environment::KEY)));
            }
            let setting: Option<&Setting> = self.resolved.get(&format!("{}.{name}", environment::KEY));
            let remark = setting.filter(|_| origins).map(|setting| setting.origin.to_string());
            let value = Value::String(key.fingerprint(secret));
            lines.push(Line { text: format!("{name} = {value}"), remark: remark.unwrap_or_default() });
        }
        lines
    }
}

impl Line {
    fn plain(text: String) -> Self {
        Self { text, remark: String::new() }
    }
}

fn is_variable(path: &str) -> bool {
    path.strip_prefix(environment::KEY).is_some_and(|rest| rest.starts_with('.'))
}
