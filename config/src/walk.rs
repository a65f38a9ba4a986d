//! Walks a parsed file along the table of keys: known keys are checked and kept with their place, everything else is a
//! problem. Decides nothing about which env is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Value};

use crate::check::{self, Written};
use crate::keys::{Key, Kind, Scope};
use crate::names::SUFFIXES;
use crate::problem::{Diagnostics, Problem};
use crate::schema::{KEYS, SECTIONS};
use crate::suggest::nearest;
use crate::{environment, pattern, shape};

/// A value that the file gives.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

/// What one part of the file says: the top with its tables, or the overlay of an env.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// Good values by path; variables are `function.environment.NAME`.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Paths whose values are bad, and so say nothing.
    pub(crate) bad: BTreeSet<String>,
}

/// What the whole file says.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) top: Layer,
    /// The envs it declares, in its order.
    pub(crate) envs: Vec<(String, Layer)>,
}

impl Layers {
    /// The overlay of an env: the one of its name, else that of the longest pattern that it matches.
    pub(crate) fn env(&self, name: &str) -> Option<&Layer> {
        let exact = self.envs.iter().find(|(env, _)| env == name);
        let matching = self.envs.iter().filter(|(env, _)| is_called(env, name));
        exact.or_else(|| matching.max_by_key(|(env, _)| env.len())).map(|(_, layer)| layer)
    }
}

/// Whether what an env is declared as is a pattern: `pr-*`.
pub(crate) fn is_pattern(declared: &str) -> bool {
    declared.ends_with('*')
}

/// Whether an env of that name is declared by a name or a pattern.
pub(crate) fn is_called(declared: &str, name: &str) -> bool {
    match declared.strip_suffix('*') {
        Some(start) => name == declared || (name.len() > start.len() && name.starts_with(start)),
        None => name == declared,
    }
}

/// More envs than anybody has; each costs a check of everything.
const MOST_ENVS: usize = 100;

/// Reads the whole file.
pub(crate) fn walk(root: &DeTable<'_>, diagnostics: &mut Diagnostics) -> Layers {
    let mut layers = Layers::default();
    Walker { diagnostics, layer: &mut layers.top, env: None }.table("", root, Some("env"));
    let Some((key, written)) = root.iter().find(|(key, _)| *key.get_ref() == "env") else {
        return layers;
    };
    let DeValue::Table(envs) = written.get_ref() else {
        let problem = check::wrong_type(Kind::Pattern, "env", written.get_ref()).help("write `[env.NAME]`");
        diagnostics.push(problem.of(written.span()));
        return layers;
    };
    if envs.len() > MOST_ENVS {
        let problem = Problem::new("out_of_range", format!("there are more than {MOST_ENVS} envs"));
        diagnostics.push(problem.of(key.span()));
        return layers;
    }
    for (name, written) in envs {
        let layer = overlay(name, written, diagnostics);
        layers.envs.extend(layer.map(|layer| (name.get_ref().to_string(), layer)));
    }
    layers
}

/// Reads `[env.NAME]`.
fn overlay(
    key: &Spanned<DeString<'_>>,
    written: &Written<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Layer> {
    let name: &str = key.get_ref();
    let DeValue::Table(table) = written.get_ref() else {
        let path = format!("env.{}", check::sanitize(name));
        let problem = check::wrong_type(Kind::Pattern, &path, written.get_ref()).of(written.span());
        diagnostics.push(problem.help("an env is a table: `[env.NAME]`"));
        return None;
    };
    let named = if is_pattern(name) {
        check::text_of(&shape::DECLARED_ENV, "env", name).map(drop)
    } else {
        env_name(name)
    };
    let fits = named.map_err(|problem| diagnostics.push(problem.of(key.span())));
    let mut layer = Layer::default();
    Walker { diagnostics, layer: &mut layer, env: Some(name) }.table("", table, None);
    fits.ok().map(|()| layer)
}

/// Checks the name of an env.
pub(crate) fn env_name(name: &str) -> Result<(), Problem> {
    check::text_of(&shape::ENV, "env", name)?;
    let suffix = SUFFIXES.iter().find(|suffix| name == **suffix || name.ends_with(&format!("-{suffix}")));
    match suffix {
        Some(suffix) => Err(Problem::new("bad_value", format!("no env can be called `{name}`"))
            .help(format!("names of other resources end in `-{suffix}`, and two could become one"))),
        None => Ok(()),
    }
}

struct Walker<'a, 't> {
    diagnostics: &'a mut Diagnostics,
    layer: &'a mut Layer,
    env: Option<&'t str>,
}

impl Walker<'_, '_> {
    /// Reads the table of a section, but for one name that somebody else reads.
    fn table(&mut self, section: &str, table: &DeTable<'_>, except: Option<&str>) {
        for (name, written) in table {
            let text: &str = name.get_ref();
            if Some(text) == except {
                continue;
            }
            let known = KEYS.iter().find(|key| key.section == section && key.name == text);
            let is_section = section.is_empty()
                && SECTIONS.iter().any(|(section, _)| !text.is_empty() && *section == text);
            match (known, written.get_ref()) {
                (Some(key), _) if !self.may_stand(key) => {
                    self.diagnostics.push(misplaced(key).of(name.span()));
                }
                (Some(key), _) => self.key(key, written),
                (None, DeValue::Table(inner)) if is_section => self.table(text, inner, None),
                (None, found) if is_section => {
                    let problem = check::wrong_type(Kind::Pattern, text, found);
                    self.diagnostics.push(problem.help(format!("write `[{text}]`")).of(written.span()));
                }
                (None, _) if !self.diagnostics.has_room() => self.diagnostics.count(),
                (None, _) => {
                    let problem = self.unknown(section, text);
                    self.diagnostics.push(problem.of(name.span()));
                }
            }
        }
    }

    fn may_stand(&self, key: &Key) -> bool {
        match key.scope {
            Scope::Anywhere => true,
            Scope::Top => self.env.is_none(),
            Scope::Env => self.env.is_some(),
        }
    }

    fn key(&mut self, key: &Key, written: &Written<'_>) {
        let path = key.path();
        let read = match key.kind {
            Kind::Variables => return self.variables(key, written),
            Kind::Pattern => pattern::read(key.name, written),
            kind => check::value(kind, key.name, written),
        };
        match read {
            Ok(value) => {
                self.layer.entries.insert(path, Entry { value, span: written.span() });
            }
            Err(wrong) => {
                self.layer.bad.insert(path);
                self.diagnostics.extend(wrong);
            }
        }
    }

    fn variables(&mut self, key: &Key, written: &Written<'_>) {
        let (good, wrong) = environment::read(key.name, written);
        let named = good.into_iter().map(|(name, entry)| (format!("{}.{name}", key.path()), entry));
        self.layer.entries.extend(named);
        self.diagnostics.extend(wrong);
    }

    /// A name that is no key here: what was meant, or where it belongs.
    fn unknown(&self, section: &str, name: &str) -> Problem {
        let unknown = format!("unknown key `{}`{}", check::sanitize(name), within(section));
        let problem = |rest: String| Problem::new("unknown_key", format!("{unknown}{rest}"));
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            let env = || self.env.map(|env| format!("env.{}.", check::sanitize(env))).unwrap_or_default();
            return problem(match key.section {
                "" => "; it belongs at the top, above the first `[table]`".to_owned(),
                home => format!("; it belongs in `[{}{home}]`", env()),
            });
        }
        let keys = KEYS.iter().filter(|key| key.section == section && self.may_stand(key));
        let tables = SECTIONS.iter().map(|(table, _)| *table);
        let tables = tables.filter(|table| section.is_empty() && !table.is_empty());
        let env = (section.is_empty() && self.env.is_none()).then_some("env");
        let here: Vec<&str> = keys.map(|key| key.name).chain(tables).chain(env).collect();
        if let Some(near) = nearest(name, here.iter().copied()) {
            return problem(format!("; did you mean `{near}`?"));
        }
        let near = nearest(name, KEYS.iter().map(|key| key.name));
        match KEYS.iter().find(|key| Some(key.name) == near) {
            Some(key) => problem(format!("; did you mean `{}`?", key.path())),
            None => problem(String::new()).help(format!("known here: {}", here.join(", "))),
        }
    }
}

/// A key that stands where it may not.
fn misplaced(key: &Key) -> Problem {
    let (place, help) = match key.scope {
        Scope::Env => ("in an env", "write it below `[env.NAME]`"),
        Scope::Top | Scope::Anywhere => ("at the top", "move it above the first `[table]`"),
    };
    Problem::new("misplaced_key", format!("`{}` belongs {place}", key.name)).help(help)
}

fn within(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in `[{section}]`") }
}
