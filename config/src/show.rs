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
type Line = (String, String);

impl Loaded {
    /// The settings in force as TOML, in the order of the documentation; with `origins`, beside each where it came from.
    pub fn show(&self, origins: bool, key: &FingerprintKey) -> String {
        let mut out = format!("# {}\n", self.summary());
        let mut lines = Vec::new();
        for (section, _) in SECTIONS {
            if !section.is_empty() {
                lines.extend([plain(""), plain(format!("[{section}]"))]);
            }
            let keys = KEYS.iter().filter(|one| one.section == *section && one.scope != Scope::Env);
            lines.extend(keys.filter_map(|one| self.line(one, origins)));
            if environment::KEY.split('.').next() == Some(section) {
                lines.extend(self.variables(origins, key));
            }
        }
        lines.extend([plain(""), plain(format!("[env.{}]", self.env))]);
        let of_env = KEYS.iter().filter(|one| one.scope == Scope::Env);
        lines.extend(of_env.filter_map(|one| self.line(one, origins)));

        let width =
            lines.iter().filter(|(_, remark)| !remark.is_empty()).map(|(text, _)| text.chars().count());
        let width = width.filter(|width| *width <= WIDEST).max().unwrap_or_default();
        for (text, remark) in &lines {
            let beside = if remark.is_empty() { String::new() } else { format!("  # {remark}") };
            let width = if remark.is_empty() { 0 } else { width };
            let written = writeln!(out, "{text:width$}{beside}");
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
            Some(path) => format!("from {}", path.display()).replace(is_unsafe_to_show, "\u{fffd}"),
            None => "no hitctl.toml, so these are the defaults".to_owned(),
        };
        format!("env {}, target {}; {from}", self.env, self.target)
    }

    fn line(&self, key: &Key, origins: bool) -> Option<Line> {
        if matches!(key.kind, Kind::Variables) {
            return None;
        }
        let setting = self.resolved.get(&key.path())?;
        Some(match &setting.value {
            Some(value) => (format!("{} = {value}", key.name), setting.remark(origins)),
            None => plain(format!("# {} is not set", key.name)),
        })
    }

    fn variables(&self, origins: bool, key: &FingerprintKey) -> Vec<Line> {
        let mut lines = Vec::new();
        for (name, secret) in self.resolved.variables() {
            if lines.is_empty() {
                lines.extend([plain(""), plain(format!("[{}]", environment::KEY))]);
            }
            let setting = self.resolved.get(&format!("{}.{name}", environment::KEY));
            let remark = setting.map(|setting| setting.remark(origins)).unwrap_or_default();
            lines.push((format!("{name} = {}", Value::String(key.fingerprint(secret))), remark));
        }
        lines
    }
}

impl Setting {
    /// Where the value came from, if that is asked.
    fn remark(&self, origins: bool) -> String {
        if origins { self.origin.to_string() } else { String::new() }
    }
}

fn plain(text: impl Into<String>) -> Line {
    (text.into(), String::new())
}

fn is_variable(path: &str) -> bool {
    path.strip_prefix(environment::KEY).is_some_and(|rest| rest.starts_with('.'))
}
