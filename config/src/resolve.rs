//! Lays the overlay of one env over the top of the file, the defaults under both, and what flags and the environment say
//! on top of all; remembers where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value as Json, json};
use toml::Value;

use crate::environment;
use crate::keys::{Key, Kind};
use crate::load::Overrides;
use crate::problem::{At, Problem, Source};
use crate::schema::{App, KEYS, SECTIONS};
use crate::walk::{Entry, Layers};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said.
    Default,
    /// The top of the file, or one of its tables.
    File(At),
    /// The overlay of the env.
    Env(String, At),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(at) => at.fmt(f),
            Self::Env(name, at) => write!(f, "{at} [env.{name}]"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value and where it came from. `None` is a key that nobody set and that has no default.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Option<Value>,
    pub(crate) origin: Origin,
    span: Option<Range<usize>>,
    bad: bool,
}

/// Every setting of one env.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    settings: BTreeMap<String, Setting>,
}

/// Resolves every key for the env called `name`.
pub(crate) fn resolve(name: &str, layers: &Layers, overrides: &Overrides, source: &Source<'_>) -> Resolved {
    let from_file = |in_overlay, entry: &Entry| {
        let at = source.at(entry.span.start);
        let origin = if in_overlay { Origin::Env(name.to_owned(), at) } else { Origin::File(at) };
        Setting { value: Some(entry.value.clone()), origin, span: Some(entry.span.clone()), bad: false }
    };
    let overlay = layers.env(name);
    let mut settings = BTreeMap::new();
    for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Variables)) {
        let path = key.path();
        let written = overlay.and_then(|layer| layer.entries.get(&path)).map(|entry| (true, entry));
        let written = written.or_else(|| layers.top.entries.get(&path).map(|entry| (false, entry)));
        let mut setting = match written {
            Some((in_overlay, entry)) => from_file(in_overlay, entry),
            None => Setting { value: default(name, key), origin: Origin::Default, span: None, bad: false },
        };
        setting.bad = overlay.into_iter().chain([&layers.top]).any(|layer| layer.bad.contains(&path));
        if let Some((value, origin)) = overrides.of(&path, setting.origin == Origin::Default) {
            setting = Setting { value: Some(Value::String(value)), origin, span: None, bad: false };
        }
        settings.insert(path, setting);
    }
    let prefix = format!("{}.", environment::KEY);
    for (in_overlay, layer) in [(false, Some(&layers.top)), (true, overlay)] {
        let variables = layer.into_iter().flat_map(|layer| &layer.entries);
        let variables = variables.filter(|(path, _)| path.starts_with(&prefix));
        settings.extend(variables.map(|(path, entry)| (path.clone(), from_file(in_overlay, entry))));
    }
    Resolved { name: name.to_owned(), settings }
}

/// The default of a key. The env `local` is this machine without saying so.
fn default(env: &str, key: &Key) -> Option<Value> {
    match key.name {
        "target" if env == "local" => Some(Value::String("local".to_owned())),
        _ => key.default_value(),
    }
}

impl Resolved {
    /// The setting of a key, for showing.
    pub(crate) fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    /// The value of a key.
    pub(crate) fn setting(&self, path: &str) -> Option<&Value> {
        self.settings.get(path)?.value.as_ref()
    }

    /// A string; empty when unset.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.setting(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// An integer, unless the key is unset or takes a word.
    pub(crate) fn maybe_integer(&self, path: &str) -> Option<i64> {
        self.setting(path)?.as_integer()
    }

    pub(crate) fn integer(&self, path: &str) -> i64 {
        self.maybe_integer(path).unwrap_or_default()
    }

    /// A number that may be written with or without a point.
    pub(crate) fn number(&self, path: &str) -> f64 {
        let whole = self.maybe_integer(path).and_then(|number| i32::try_from(number).ok()).map(f64::from);
        whole.or_else(|| self.setting(path)?.as_float()).unwrap_or_default()
    }

    pub(crate) fn flag(&self, path: &str) -> bool {
        self.setting(path).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn texts(&self, path: &str) -> Vec<&str> {
        self.setting(path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Names and values of the extra environment variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().filter_map(|(path, setting)| {
            let name = path.strip_prefix(environment::KEY)?.strip_prefix('.')?;
            Some((name, setting.value.as_ref()?.as_str()?))
        })
    }

    /// Where the file sets a key.
    pub(crate) fn span(&self, path: &str) -> Option<Range<usize>> {
        self.settings.get(path)?.span.clone()
    }

    /// Whether the file sets a key.
    pub(crate) fn is_written(&self, path: &str) -> bool {
        self.span(path).is_some()
    }

    /// Whether a key is anything else than its default.
    pub(crate) fn is_changed(&self, path: &str) -> bool {
        let default = KEYS.iter().find(|key| key.path() == path).and_then(|key| default(&self.name, key));
        self.setting(path) != default.as_ref()
    }

    /// The first of some keys that the file sets; else the first.
    pub(crate) fn first_written<'p>(&self, paths: &[&'p str]) -> &'p str {
        paths.iter().copied().find(|path| self.is_written(path)).unwrap_or(paths[0])
    }

    /// Whether none of some keys was given a bad value, which would have been replaced by a default.
    pub(crate) fn is_good(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.settings.get(*path).is_some_and(|setting| !setting.bad))
    }

    /// Every key and where its value came from.
    pub(crate) fn origins(&self) -> BTreeMap<String, Origin> {
        self.settings.iter().map(|(path, setting)| (path.clone(), setting.origin.clone())).collect()
    }

    /// All settings as nested JSON, each value as `shown` makes it.
    pub(crate) fn nested(&self, shown: impl Fn(&str, &Value) -> Json) -> Map<String, Json> {
        let mut root = Map::new();
        for key in KEYS {
            let path = key.path();
            let value = if let Kind::Variables = key.kind {
                let value = |name: &str, text: &str| {
                    shown(&format!("{path}.{name}"), &Value::String(text.to_owned()))
                };
                self.variables().map(|(name, text)| (name.to_owned(), value(name, text))).collect()
            } else {
                self.setting(&path).map_or(Json::Null, |value| shown(&path, value))
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

    /// The settings as the program reads them.
    pub(crate) fn app(&self) -> Result<App, Problem> {
        let is_or_none = |path: &str| {
            KEYS.iter().any(|key| matches!(key.kind, Kind::IntegerOrNone { .. }) && key.path() == path)
        };
        let nested = self.nested(|path, value| match value.as_str() {
            Some("none") if is_or_none(path) => Json::Null,
            _ => as_json(value),
        });
        serde_json::from_value(Json::Object(nested)).map_err(|error| {
            Problem::new("internal", format!("the settings do not fit the program: {error}"))
        })
    }
}

/// A TOML value as JSON. Dates are refused before.
pub(crate) fn as_json(value: &Value) -> Json {
    json!(value)
}
