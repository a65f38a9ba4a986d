//! From the text of a file to the configuration of one env. Pure: the text, the env and what flags and the environment
//! say are passed in. [`read`] is the only I/O of the crate.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::check;
use crate::problem::{Diagnostics, Errors, Lint, Problem, Source};
use crate::resolve::{Origin, Resolved, resolve};
use crate::rules;
use crate::schema::App;
use crate::secrets;
use crate::shape;
use crate::suggest::nearest;
use crate::walk::{self, Layers};
use crate::words::Target;

/// The name of the file.
pub const FILE_NAME: &str = "hitctl.toml";
/// The env that is always there, and is this machine.
pub const LOCAL: &str = "local";
/// The env that is always there, on AWS.
pub const TEST: &str = "test";
/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1_000_000;

/// The configuration of one env, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub app: App,
    /// The env.
    pub env: String,
    /// How the env was chosen.
    pub choice: Choice,
    /// Where the env is deployed to.
    pub target: Target,
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// Every env there is, by name or, with `*` at its end, by pattern: those of the file in its order, `local` and `test`, and
    /// the one that was asked for.
    pub envs: Vec<Env>,
    /// Where each value came from, by key: `function.memory_mb`, `function.environment.NAME`.
    pub origins: BTreeMap<String, Origin>,
    /// What works and is probably not meant.
    pub lints: Vec<Lint>,
    pub(crate) resolved: Resolved,
}

impl Loaded {
    /// Whether the configuration has an env of that name for that app.
    pub fn has(&self, app: &str, env: &str) -> bool {
        self.envs.iter().any(|known| known.app == app && walk::is_called(&known.name, env))
    }
}

/// How an env was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By a flag or a variable.
    Named,
    /// By `default_env`.
    Default,
    /// It is the only one that the file declares.
    Only,
    /// The file declares none: it is `local`.
    Fallback,
    /// It was not: the file declares several, and `local` stands in for commands that need none.
    Open,
}

/// An env, in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// Its name.
    pub name: String,
    /// Where it is deployed to.
    pub target: Target,
    /// The prefix of its names.
    pub app: String,
    /// Its region, if the configuration says.
    pub region: Option<String>,
    /// Whether the file declares it.
    pub declared: bool,
}

/// What flags and the environment say.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    region: Option<String>,
    ambient_region: Option<(String, String)>,
}

impl Overrides {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The region: by a flag or its own variable, which win over the file; else as `(value, variable)` by what the
    /// environment says to every AWS tool, which counts only when the file does not say.
    #[must_use]
    pub fn region(mut self, flag: Option<String>, ambient: Option<(String, String)>) -> Self {
        self.region = flag;
        self.ambient_region = ambient;
        self
    }

    /// What is said of a key, if it counts.
    pub(crate) fn of(&self, path: &str, is_default: bool) -> Option<(String, Origin)> {
        let flag = || Some((self.region.clone()?, Origin::Flag("--region".to_owned())));
        let ambient = || {
            let (value, name) = self.ambient_region.clone().filter(|_| is_default)?;
            Some((value, Origin::Variable(name)))
        };
        if path == "region" { flag().or_else(ambient) } else { None }
    }
}

/// Reads a file: a plain one, in UTF-8, of at most [`MAX_FILE_BYTES`].
pub fn read(path: &Path) -> Result<String, Errors> {
    let shown = path.display();
    let problem =
        |code, what: String| Errors::from(Problem::new(code, format!("cannot read {shown}: {what}")));
    let unreadable = |error: io::Error| problem("not_readable", error.to_string());
    // Opening a pipe would wait for somebody to write to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(problem("not_readable", "it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let most = check::grouped(MAX_FILE_BYTES);
        return Err(problem("too_large", format!("it is larger than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        problem("not_utf8", format!("line {line} is not UTF-8"))
    })
}

/// Loads the configuration of one env: `env`, else the `default_env` of the file, else the only env that it declares, else
/// `local` if it declares none (see [`Choice`]). Without a file the defaults hold. Every problem of the whole file is an error,
/// whichever env is meant.
pub fn load(
    source: Option<(PathBuf, String)>,
    env: Option<&str>,
    overrides: &Overrides,
) -> Result<Loaded, Errors> {
    let (path, text) = source.map_or((None, String::new()), |(path, text)| (Some(path), text));
    let file = path.as_deref().map_or_else(|| FILE_NAME.to_owned(), |path| path.display().to_string());
    let mut source = Source::new(file, &text);
    let (root, syntax) = DeTable::parse_recoverable(&text);
    secrets::hide(root.get_ref(), &mut source);
    if !syntax.is_empty() {
        secrets::hide_by_line(&text, &mut source);
    }
    // What a broken file says about its keys would mislead, so that its syntax comes first.
    check_syntax(&syntax, &source, text.len())?;

    let mut diagnostics = Diagnostics::default();
    let layers = walk::walk(root.get_ref(), &mut diagnostics);
    check_region(overrides, &mut diagnostics);
    let (chosen, choice) = choose(env, &layers, &mut diagnostics);

    let resolved = |name: &str| resolve(name, &layers, overrides, &source);
    let mut all: Vec<(Resolved, bool)> = layers.envs.iter().map(|(name, _)| (resolved(name), true)).collect();
    for name in [LOCAL, TEST, &chosen] {
        if !all.iter().any(|(resolved, _)| resolved.name == name) {
            all.push((resolved(name), false));
        }
    }
    // `test` in a file that neither declares nor means it says nothing about the file.
    for (resolved, _) in all.iter().filter(|(one, declared)| *declared || one.name != TEST || chosen == TEST)
    {
        let of_chosen = if resolved.name == chosen { rules::local_errors(resolved) } else { Vec::new() };
        diagnostics.extend(rules::errors(resolved).into_iter().chain(of_chosen));
    }
    diagnostics.into_result(&source)?;
    finish(path, &chosen, choice, &all, &source)
}

fn check_syntax(found: &[toml::de::Error], source: &Source<'_>, end: usize) -> Result<(), Errors> {
    let mut diagnostics = Diagnostics::default();
    for error in found {
        let problem = Problem::new("syntax", error.message().trim().replace('\n', "; "));
        diagnostics.push(problem.of(error.span().unwrap_or(end..end)));
    }
    diagnostics.into_result(source)
}

fn finish(
    path: Option<PathBuf>,
    chosen: &str,
    choice: Choice,
    all: &[(Resolved, bool)],
    source: &Source<'_>,
) -> Result<Loaded, Errors> {
    let mut envs = Vec::new();
    let mut loaded = None;
    for (resolved, declared) in all {
        let app = resolved.app()?;
        envs.push(Env {
            name: resolved.name.clone(),
            target: app.target,
            app: app.app.clone(),
            region: app.region.clone(),
            declared: *declared,
        });
        if resolved.name == chosen {
            loaded = Some((app, resolved.clone()));
        }
    }
    let Some((app, resolved)) = loaded else {
        return Err(Problem::new("internal", format!("the env `{chosen}` was lost")).into());
    };
    let lints = rules::warnings(&resolved).into_iter().map(|problem| problem.into_lint(source));
    Ok(Loaded {
        env: chosen.to_owned(),
        choice,
        target: app.target,
        path,
        envs,
        origins: resolved.origins(),
        lints: lints.collect(),
        app,
        resolved,
    })
}

/// Decides which env is meant. `local` and `test` are always there; any other has to be declared, so that a slip of the
/// finger never becomes a stack of its own.
fn choose(env: Option<&str>, layers: &Layers, diagnostics: &mut Diagnostics) -> (String, Choice) {
    let default = layers.top.entries.get("default_env");
    let (name, choice, span) = match (env, default, layers.envs.as_slice()) {
        (Some(name), ..) => (name, Choice::Named, None),
        (None, Some(entry), _) => (entry.value.as_str().unwrap_or(LOCAL), Choice::Default, Some(&entry.span)),
        (None, None, []) => (LOCAL, Choice::Fallback, None),
        (None, None, [(name, _)]) if !walk::is_pattern(name) => (name.as_str(), Choice::Only, None),
        (None, None, _) => (LOCAL, Choice::Open, None),
    };
    if name == LOCAL || name == TEST {
        return (name.to_owned(), choice);
    }
    let problem = match walk::env_name(name) {
        Err(problem) => problem,
        Ok(()) if layers.env(name).is_some() => return (name.to_owned(), choice),
        Ok(()) => unknown_env(name, layers),
    };
    diagnostics.push(problem.of(span.cloned()));
    (LOCAL.to_owned(), choice)
}

fn unknown_env(name: &str, layers: &Layers) -> Problem {
    let mut known: Vec<&str> = layers.envs.iter().map(|(name, _)| name.as_str()).collect();
    for always in [LOCAL, TEST] {
        if !known.contains(&always) {
            known.push(always);
        }
    }
    let meant = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    let message = format!("there is no env `{name}`{}", meant.unwrap_or_default());
    Problem::new("unknown_env", message).help(format!(
        "known: {}; to add it, write the line `[env.{name}]` into {FILE_NAME}",
        known.join(", ")
    ))
}

fn check_region(overrides: &Overrides, diagnostics: &mut Diagnostics) {
    let flag = overrides.region.as_ref().map(|region| ("--region", region));
    let ambient = overrides.ambient_region.as_ref().map(|(value, name)| (name.as_str(), value));
    if let Some((name, region)) = flag.or(ambient)
        && let Err(problem) = check::text_of(&shape::REGION, name, region)
    {
        diagnostics.push(problem);
    }
}
