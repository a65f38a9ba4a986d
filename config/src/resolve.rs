//! Resolves the settings of one env from four layers: flags and environment variables, the env's overlay, the top of the
//! file, and the defaults. Records the origin of each value.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value as Json, json};
use toml::Value;

use crate::environment;
use crate::keys::{ConfigKey, ValueKind};
use crate::load::Overrides;
use crate::problem::{ConfigProblem, SourceLocation, SourceText};
use crate::schema::{AppConfig, KEYS, SECTIONS};
use crate::walk::{ConfigLayers, ParsedValue};

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The built-in default.
    Default,
    /// The top of the file, or one of its sections.
    File(SourceLocation),
    /// The overlay of the env.
    Env(String, SourceLocation),
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(String),
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(location) => location.fmt(f),
            Self::Env(name, location) => write!(f, "{location} [env.{name}]"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value and its origin. The value is `None` if the key is not set and has no default.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedSetting {
    pub(crate) value: Option<Value>,
    pub(crate) origin: SettingOrigin,
    span: Option<Range<usize>>,
    /// Whether the file sets an invalid value, in place of which this one is used.
    invalid: bool,
}

/// All settings of one env.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedEnv {
    pub(crate) name: String,
    settings: BTreeMap<String, ResolvedSetting>,
}

/// Resolves all keys for the env `name`.
pub(crate) fn resolve(
    name: &str,
    layers: &ConfigLayers,
    overrides: &Overrides,
    source: &SourceText<'_>,
) -> ResolvedEnv {
    let setting_from_file = |in_overlay, parsed: &ParsedValue| {
        let location = source.location(parsed.span.start);
        let origin = if in_overlay {
            SettingOrigin::Env(name.to_owned(), location)
        } else {
            SettingOrigin::File(location)
        };
        ResolvedSetting {
            value: Some(parsed.value.clone()),
            origin,
            span: Some(parsed.span.clone()),
            invalid: false,
        }
    };
    let overlay = layers.env(name);
    let mut settings = BTreeMap::new();
    for key in KEYS.iter().filter(|key| !matches!(key.kind, ValueKind::EnvVariables)) {
        let path = key.path();
        let found = overlay.and_then(|layer| layer.values.get(&path)).map(|parsed| (true, parsed));
        let found = found.or_else(|| layers.top.values.get(&path).map(|parsed| (false, parsed)));
        let mut setting = match found {
            Some((in_overlay, parsed)) => setting_from_file(in_overlay, parsed),
            None => ResolvedSetting {
                value: default(name, key),
                origin: SettingOrigin::Default,
                span: None,
                invalid: false,
            },
        };
        setting.invalid =
            overlay.into_iter().chain([&layers.top]).any(|layer| layer.invalid_paths.contains(&path));
        if let Some((value, origin)) = overrides.value_for(&path, setting.origin == SettingOrigin::Default) {
            setting =
                ResolvedSetting { value: Some(Value::String(value)), origin, span: None, invalid: false };
        }
        settings.insert(path, setting);
    }
    let prefix = format!("{}.", environment::ENVIRONMENT_KEY);
    // The overlay comes last, because its variables replace those at the top.
    for (in_overlay, layer) in [(false, Some(&layers.top)), (true, overlay)] {
        let variables = layer.into_iter().flat_map(|layer| &layer.values);
        let variables = variables.filter(|(path, _)| path.starts_with(&prefix));
        settings
            .extend(variables.map(|(path, parsed)| (path.clone(), setting_from_file(in_overlay, parsed))));
    }
    ResolvedEnv { name: name.to_owned(), settings }
}

/// Returns the default of a key. The env `local` has its own default for `target`.
fn default(env: &str, key: &ConfigKey) -> Option<Value> {
    match key.name {
        "target" if env == "local" => Some(Value::String("local".to_owned())),
        _ => key.default_value(),
    }
}

impl ResolvedEnv {
    /// Returns the setting of a key, with its origin.
    pub(crate) fn setting(&self, path: &str) -> Option<&ResolvedSetting> {
        self.settings.get(path)
    }

    /// Returns the value of a key.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.settings.get(path)?.value.as_ref()
    }

    /// Returns a string; empty if unset.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.value(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns an integer; `None` if the key is unset or set to a word such as `none`.
    pub(crate) fn optional_integer(&self, path: &str) -> Option<i64> {
        self.value(path)?.as_integer()
    }

    pub(crate) fn integer(&self, path: &str) -> i64 {
        self.optional_integer(path).unwrap_or_default()
    }

    /// Returns a number that the file may contain as an integer or as a float.
    pub(crate) fn number(&self, path: &str) -> f64 {
        let whole = self.optional_integer(path).and_then(|number| i32::try_from(number).ok()).map(f64::from);
        whole.or_else(|| self.value(path)?.as_float()).unwrap_or_default()
    }

    pub(crate) fn flag(&self, path: &str) -> bool {
        self.value(path).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn texts(&self, path: &str) -> Vec<&str> {
        self.value(path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Returns the names and values of the extra environment variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().filter_map(|(path, setting)| {
            let name = path.strip_prefix(environment::ENVIRONMENT_KEY)?.strip_prefix('.')?;
            Some((name, setting.value.as_ref()?.as_str()?))
        })
    }

    /// Returns the span of a key's value in the file; `None` if the file does not set the key.
    pub(crate) fn span(&self, path: &str) -> Option<Range<usize>> {
        self.settings.get(path)?.span.clone()
    }

    /// Whether the file sets a key.
    pub(crate) fn is_in_file(&self, path: &str) -> bool {
        self.span(path).is_some()
    }

    /// Whether the value of a key differs from its default.
    pub(crate) fn differs_from_default(&self, path: &str) -> bool {
        let default = KEYS.iter().find(|key| key.path() == path).and_then(|key| default(&self.name, key));
        self.value(path) != default.as_ref()
    }

    /// Returns the first of the keys that the file sets, or the first key if it sets none of them.
    pub(crate) fn first_in_file<'p>(&self, paths: &[&'p str]) -> &'p str {
        paths.iter().copied().find(|path| self.is_in_file(path)).unwrap_or(paths[0])
    }

    /// Whether no layer of the file has an invalid value for one of the keys. The value from the next layer, or the
    /// default, is used in place of an invalid value.
    pub(crate) fn are_valid(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.settings.get(*path).is_some_and(|setting| !setting.invalid))
    }

    /// Returns the origin of each key's value.
    pub(crate) fn origins(&self) -> BTreeMap<String, SettingOrigin> {
        self.settings.iter().map(|(path, setting)| (path.clone(), setting.origin.clone())).collect()
    }

    /// Returns all settings as nested JSON. `convert` converts the value of each path.
    pub(crate) fn to_nested_json(&self, convert: impl Fn(&str, &Value) -> Json) -> Map<String, Json> {
        let mut root = Map::new();
        for key in KEYS {
            let path = key.path();
            let value = if let ValueKind::EnvVariables = key.kind {
                let value = |name: &str, text: &str| {
                    convert(&format!("{path}.{name}"), &Value::String(text.to_owned()))
                };
                self.variables().map(|(name, text)| (name.to_owned(), value(name, text))).collect()
            } else {
                self.value(&path).map_or(Json::Null, |value| convert(&path, value))
            };
            if key.section.is_empty() {
                root.insert(key.name.to_owned(), value);
            } else {
                root.entry(key.section).or_insert_with(|| json!({}))[key.name] = value;
            }
        }
        debug_assert!(SECTIONS.iter().all(|(section, _)| section.is_empty() || root.contains_key(*section)));
        root
    }

    /// Returns the settings as a typed configuration.
    pub(crate) fn to_app_config(&self) -> Result<AppConfig, ConfigProblem> {
        let accepts_none = |path: &str| {
            KEYS.iter().any(|key| matches!(key.kind, ValueKind::IntegerOrNone { .. }) && key.path() == path)
        };
        let nested = self.to_nested_json(|path, value| match value.as_str() {
            Some("none") if accepts_none(path) => Json::Null,
            _ => as_json(value),
        });
        serde_json::from_value(Json::Object(nested)).map_err(|error| {
            let message =
                format!("internal error: failed to convert the settings: {error}; please report it");
            ConfigProblem::new("internal", message)
        })
    }
}

/// Converts a TOML value to JSON. Earlier checks reject dates.
pub(crate) fn as_json(value: &Value) -> Json {
    json!(value)
}
