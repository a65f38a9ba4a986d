//! Shows the effective settings as TOML that can be loaded again, and as JSON. Values of environment variables are secrets
//! and are shown as fingerprints.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use toml::Value;

use crate::display::is_unsafe_to_show;
use crate::environment::{self, FingerprintKey};
use crate::keys::{ConfigKey, KeyScope, ValueKind};
use crate::load::LoadedConfig;
use crate::resolve::{ResolvedSetting, as_json};
use crate::schema::{KEYS, SECTIONS};

/// The remarks of lines up to this length are aligned with each other, in characters. A longer line has its remark
/// right behind it.
const MAX_ALIGNED_CHARS: usize = 44;

/// One line of the output: its text and the remark beside it.
type ShownLine = (String, String);

impl LoadedConfig {
    /// Returns the effective settings as TOML, in the order of the documentation. With `origins`, each setting has its
    /// origin beside it.
    pub fn show(&self, origins: bool, key: &FingerprintKey) -> String {
        let mut out = format!("# {}\n", self.summary());
        let mut lines = Vec::new();
        for (section, _) in SECTIONS {
            if !section.is_empty() {
                lines.extend([line_without_remark(""), line_without_remark(format!("[{section}]"))]);
            }
            let keys = KEYS
                .iter()
                .filter(|config_key| config_key.section == *section && config_key.scope != KeyScope::Env);
            lines.extend(keys.filter_map(|config_key| self.line(config_key, origins)));
            if environment::ENVIRONMENT_KEY.split('.').next() == Some(section) {
                lines.extend(self.variables(origins, key));
            }
        }
        lines.extend([line_without_remark(""), line_without_remark(format!("[env.{}]", self.env))]);
        let env_keys = KEYS.iter().filter(|config_key| config_key.scope == KeyScope::Env);
        lines.extend(env_keys.filter_map(|config_key| self.line(config_key, origins)));

        let width =
            lines.iter().filter(|(_, remark)| !remark.is_empty()).map(|(text, _)| text.chars().count());
        let width = width.filter(|width| *width <= MAX_ALIGNED_CHARS).max().unwrap_or_default();
        for (text, remark) in &lines {
            let suffix = if remark.is_empty() { String::new() } else { format!("  # {remark}") };
            let width = if remark.is_empty() { 0 } else { width };
            let result = writeln!(out, "{text:width$}{suffix}");
            debug_assert!(result.is_ok(), "a string takes any text");
        }
        out
    }

    /// Returns the effective settings as one JSON object: `env`, `target`, `path`, `settings` by table and, with `origins`,
    /// the origins by key.
    pub fn to_json(&self, origins: bool, key: &FingerprintKey) -> Json {
        let settings = self.resolved.to_nested_json(|path, value| match value.as_str() {
            Some(secret) if is_variable(path) => json!(key.fingerprint(secret)),
            _ => as_json(value),
        });
        let mut json = json!({
            "env": self.env,
            "target": self.target,
            "path": self.path.as_ref().map(|path| path.display().to_string()),
            "settings": settings,
        });
        if origins {
            let origins_by_key =
                self.origins.iter().map(|(path, origin)| (path.clone(), json!(origin.to_string())));
            json["origins"] = Json::Object(origins_by_key.collect());
        }
        json
    }

    fn summary(&self) -> String {
        let source = match &self.path {
            Some(path) => format!("from {}", path.display()).replace(is_unsafe_to_show, "\u{fffd}"),
            None => "no hitctl.toml, so these are the defaults".to_owned(),
        };
        format!("environment {}, target {}; {source}", self.env, self.target)
    }

    fn line(&self, key: &ConfigKey, origins: bool) -> Option<ShownLine> {
        if matches!(key.kind, ValueKind::EnvVariables) {
            return None;
        }
        let setting = self.resolved.setting(&key.path())?;
        Some(match &setting.value {
            Some(value) => (format!("{} = {value}", key.name), setting.origin_remark(origins)),
            None => line_without_remark(format!("# {} is not set", key.name)),
        })
    }

    fn variables(&self, origins: bool, key: &FingerprintKey) -> Vec<ShownLine> {
        let mut lines = Vec::new();
        for (name, secret) in self.resolved.variables() {
            if lines.is_empty() {
                lines.extend([
                    line_without_remark(""),
                    line_without_remark(format!("[{}]", environment::ENVIRONMENT_KEY)),
                ]);
            }
            let setting = self.resolved.setting(&format!("{}.{name}", environment::ENVIRONMENT_KEY));
            let remark = setting.map(|setting| setting.origin_remark(origins)).unwrap_or_default();
            lines.push((format!("{name} = {}", Value::String(key.fingerprint(secret))), remark));
        }
        lines
    }
}

impl ResolvedSetting {
    /// Returns the origin of the value, or an empty string if origins are not shown.
    fn origin_remark(&self, origins: bool) -> String {
        if origins { self.origin.to_string() } else { String::new() }
    }
}

fn line_without_remark(text: impl Into<String>) -> ShownLine {
    (text.into(), String::new())
}

fn is_variable(path: &str) -> bool {
    path.strip_prefix(environment::ENVIRONMENT_KEY).is_some_and(|rest| rest.starts_with('.'))
}
