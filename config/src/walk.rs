//! Compares a parsed file with the table of keys: known keys are checked and stored with their spans, unknown keys are
//! problems. Does not decide which env is selected.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Value};

use crate::check::{self, SpannedValue};
use crate::keys::{ConfigKey, KeyScope, ValueKind};
use crate::names::RESERVED_SUFFIXES;
use crate::problem::{ConfigProblem, Diagnostics};
use crate::schema::{KEYS, SECTIONS};
use crate::suggest::nearest;
use crate::{environment, pattern, string_format};

/// A value from the file.
#[derive(Clone, Debug)]
pub(crate) struct ParsedValue {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

/// The settings of one part of the file: the top with its tables, or the overlay of an env.
#[derive(Debug, Default)]
pub(crate) struct ConfigLayer {
    /// Valid values by path. A variable has the path `function.environment.NAME`.
    pub(crate) values: BTreeMap<String, ParsedValue>,
    /// Paths whose values are invalid and therefore ignored.
    pub(crate) invalid_paths: BTreeSet<String>,
}

/// The settings of the whole file.
#[derive(Debug, Default)]
pub(crate) struct ConfigLayers {
    pub(crate) top: ConfigLayer,
    /// The declared envs, in the order of the file.
    pub(crate) envs: Vec<(String, ConfigLayer)>,
}

impl ConfigLayers {
    /// Returns the overlay of an env: the one with its exact name, or the one with the longest matching pattern.
    pub(crate) fn env(&self, name: &str) -> Option<&ConfigLayer> {
        let exact = self.envs.iter().find(|(env, _)| env == name);
        let matching = self.envs.iter().filter(|(env, _)| matches_env(env, name));
        exact.or_else(|| matching.max_by_key(|(env, _)| env.len())).map(|(_, layer)| layer)
    }
}

/// Whether the declaration of an env is a pattern such as `pr-*`.
pub(crate) fn is_env_pattern(declared: &str) -> bool {
    declared.ends_with('*')
}

/// Whether a declared name or pattern covers the env `name`.
pub(crate) fn matches_env(declared: &str, name: &str) -> bool {
    match declared.strip_suffix('*') {
        Some(prefix) => name == declared || (name.len() > prefix.len() && name.starts_with(prefix)),
        None => name == declared,
    }
}

/// The maximum number of envs. It limits the loading time, because all settings are checked for each env.
const MAX_ENVS: usize = 100;

/// Reads the whole file.
pub(crate) fn walk(root: &DeTable<'_>, diagnostics: &mut Diagnostics) -> ConfigLayers {
    let mut layers = ConfigLayers::default();
    LayerReader { diagnostics, layer: &mut layers.top, env: None }.table("", root, Some("env"));
    let Some((key, value)) = root.iter().find(|(key, _)| *key.get_ref() == "env") else {
        return layers;
    };
    let DeValue::Table(envs) = value.get_ref() else {
        // An event pattern is a table too, so the message expects a table.
        let problem = check::wrong_type(ValueKind::EventPattern, "env", value.get_ref())
            .with_help("write `[env.NAME]`");
        diagnostics.push(problem.with_span(value.span()));
        return layers;
    };
    if envs.len() > MAX_ENVS {
        let message = format!("`env`: expected at most {MAX_ENVS} environments, found {}", envs.len());
        let problem = ConfigProblem::new("out_of_range", message);
        diagnostics.push(problem.with_span(key.span()));
        return layers;
    }
    for (name, value) in envs {
        let layer = read_overlay(name, value, diagnostics);
        layers.envs.extend(layer.map(|layer| (name.get_ref().to_string(), layer)));
    }
    layers
}

/// Reads the table `[env.NAME]`.
fn read_overlay(
    key: &Spanned<DeString<'_>>,
    value: &SpannedValue<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<ConfigLayer> {
    let name: &str = key.get_ref();
    let DeValue::Table(table) = value.get_ref() else {
        let path = format!("env.{}", check::sanitize(name));
        let problem =
            check::wrong_type(ValueKind::EventPattern, &path, value.get_ref()).with_span(value.span());
        diagnostics.push(problem.with_help("write `[env.NAME]`"));
        return None;
    };
    let name_check = if is_env_pattern(name) {
        check::check_text(&string_format::DECLARED_ENV, "env", name).map(drop)
    } else {
        check_env_name(name)
    };
    // The settings are checked even if the name is invalid, so that all problems are reported.
    let name_check = name_check.map_err(|problem| diagnostics.push(problem.with_span(key.span())));
    let mut layer = ConfigLayer::default();
    LayerReader { diagnostics, layer: &mut layer, env: Some(name) }.table("", table, None);
    name_check.ok().map(|()| layer)
}

/// Checks the name of an env.
pub(crate) fn check_env_name(name: &str) -> Result<(), ConfigProblem> {
    check::check_text(&string_format::ENV, "env", name)?;
    let suffix =
        RESERVED_SUFFIXES.iter().find(|suffix| name == **suffix || name.ends_with(&format!("-{suffix}")));
    match suffix {
        Some(suffix) => {
            let expected = if name == *suffix {
                format!("a name other than `{suffix}`")
            } else {
                format!("a name that does not end with `-{suffix}`")
            };
            let message = format!("`env`: expected {expected}, found \"{name}\"");
            let help = format!("choose another name; names of other resources end with `-{suffix}`");
            Err(ConfigProblem::new("bad_value", message).with_help(help))
        }
        None => Ok(()),
    }
}

struct LayerReader<'a, 't> {
    diagnostics: &'a mut Diagnostics,
    layer: &'a mut ConfigLayer,
    env: Option<&'t str>,
}

impl LayerReader<'_, '_> {
    /// Reads the table of a section, except for the name `skipped`, which is read separately.
    fn table(&mut self, section: &str, table: &DeTable<'_>, skipped: Option<&str>) {
        for (name, value) in table {
            let key_name: &str = name.get_ref();
            if Some(key_name) == skipped {
                continue;
            }
            let known = KEYS.iter().find(|key| key.section == section && key.name == key_name);
            let is_section = section.is_empty()
                && SECTIONS.iter().any(|(section, _)| !key_name.is_empty() && *section == key_name);
            match (known, value.get_ref()) {
                (Some(key), _) if !self.is_allowed_here(key) => {
                    self.diagnostics.push(misplaced_key(key).with_span(name.span()));
                }
                (Some(key), _) => self.key(key, value),
                (None, DeValue::Table(inner)) if is_section => self.table(key_name, inner, None),
                (None, found) if is_section => {
                    let problem = check::wrong_type(ValueKind::EventPattern, key_name, found);
                    self.diagnostics
                        .push(problem.with_help(format!("write `[{key_name}]`")).with_span(value.span()));
                }
                (None, _) if !self.diagnostics.has_capacity() => self.diagnostics.count_omitted(),
                (None, _) => {
                    let problem = self.unknown_key(section, key_name);
                    self.diagnostics.push(problem.with_span(name.span()));
                }
            }
        }
    }

    fn is_allowed_here(&self, key: &ConfigKey) -> bool {
        match key.scope {
            KeyScope::Anywhere => true,
            KeyScope::Top => self.env.is_none(),
            KeyScope::Env => self.env.is_some(),
        }
    }

    fn key(&mut self, key: &ConfigKey, spanned: &SpannedValue<'_>) {
        let path = key.path();
        let result = match key.kind {
            ValueKind::EnvVariables => return self.variables(key, spanned),
            ValueKind::EventPattern => pattern::read_pattern(key.name, spanned),
            kind => check::check_value(kind, key.name, spanned),
        };
        match result {
            Ok(value) => {
                self.layer.values.insert(path, ParsedValue { value, span: spanned.span() });
            }
            Err(problems) => {
                self.layer.invalid_paths.insert(path);
                self.diagnostics.extend(problems);
            }
        }
    }

    fn variables(&mut self, key: &ConfigKey, value: &SpannedValue<'_>) {
        let (valid, problems) = environment::read_variables(key.name, value);
        let with_paths = valid.into_iter().map(|(name, parsed)| (format!("{}.{name}", key.path()), parsed));
        self.layer.values.extend(with_paths);
        self.diagnostics.extend(problems);
    }

    /// Returns the problem for an unknown key, with the probable key or the section to which it belongs.
    fn unknown_key(&self, section: &str, name: &str) -> ConfigProblem {
        let unknown = format!("unknown key `{}`{}", check::sanitize(name), in_section(section));
        let problem = |rest: String| ConfigProblem::new("unknown_key", format!("{unknown}{rest}"));
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            let env_prefix =
                || self.env.map(|env| format!("env.{}.", check::sanitize(env))).unwrap_or_default();
            return problem(match key.section {
                "" => "; it belongs at the top, above the first section, such as `[function]`".to_owned(),
                owner => format!("; it belongs in `[{}{owner}]`", env_prefix()),
            });
        }
        let keys = KEYS.iter().filter(|key| key.section == section && self.is_allowed_here(key));
        let tables = SECTIONS.iter().map(|(table, _)| *table);
        let tables = tables.filter(|table| section.is_empty() && !table.is_empty());
        let env = (section.is_empty() && self.env.is_none()).then_some("env");
        let candidates: Vec<&str> = keys.map(|key| key.name).chain(tables).chain(env).collect();
        if let Some(suggestion) = nearest(name, candidates.iter().copied()) {
            return problem(format!("; did you mean `{suggestion}`?"));
        }
        let suggestion = nearest(name, KEYS.iter().map(|key| key.name));
        match KEYS.iter().find(|key| Some(key.name) == suggestion) {
            Some(key) => problem(format!("; did you mean `{}`?", key.path())),
            None => problem(String::new()).with_help(format!("use one of: {}", candidates.join(", "))),
        }
    }
}

/// Returns the problem for a key in a part of the file that must not contain it.
fn misplaced_key(key: &ConfigKey) -> ConfigProblem {
    let (location, help) = match key.scope {
        KeyScope::Env => ("in an environment, found at the top", "move it below `[env.NAME]`"),
        KeyScope::Top | KeyScope::Anywhere => {
            ("at the top, found in an environment", "move it above the first section, such as `[function]`")
        }
    };
    ConfigProblem::new("misplaced_key", format!("`{}`: expected {location}", key.name)).with_help(help)
}

fn in_section(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in `[{section}]`") }
}
