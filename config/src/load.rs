//! From the text of a file to the configuration of one env. Pure: the text, the env and what flags and the environment
//! say are passed in. [`find`] and [`read`] are the only I/O of the crate.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::check;
use crate::problem::{Errors, Gathered, Lint, Problem, Source};
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
/// The env that is always there.
pub const LOCAL: &str = "local";
/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1_000_000;

/// The configuration of one env, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub app: App,
    /// The env.
    pub env: String,
    /// Where the env is deployed to.
    pub target: Target,
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// Every env there is, by name: those of the file in its order, `local`, and the one that was asked for.
    pub envs: Vec<Env>,
    /// Where each value came from, by key: `function.memory_mb`, `function.environment.NAME`.
    pub origins: BTreeMap<String, Origin>,
    /// What works and is probably not meant.
    pub lints: Vec<Lint>,
    pub(crate) resolved: Resolved,
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
        if path != "region" {
            return None;
        }
        let flag = || Some((self.region.clone()?, Origin::Flag("--region".to_owned())));
        let ambient = || {
            self.ambient_region
                .clone()
                .filter(|_| is_default)
                .map(|(value, name)| (value, Origin::Variable(name)))
        };
        flag().or_else(ambient)
    }
}

/// The nearest `hitctl.toml`, from `cwd` upwards. One that cannot be looked at is found too, so that reading it says why.
pub fn find(cwd: &Path) -> Option<PathBuf> {
    cwd.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| match fs::metadata(path) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    })
}

/// Reads a file: a plain one, in UTF-8, of at most [`MAX_FILE_BYTES`].
pub fn read(path: &Path) -> Result<String, Errors> {
    let shown = path.display();
    let problem =
        |code, what: String| Errors::from(Problem::new(code, format!("cannot read {shown}: {what}")));
    let metadata = fs::metadata(path).map_err(|error| problem("not_readable", error.to_string()))?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() {
        return Err(problem("not_readable", "it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| problem("not_readable", error.to_string()))?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| problem("not_readable", error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(problem(
            "too_large",
            format!("it is larger than {} bytes", check::grouped(MAX_FILE_BYTES.cast_signed())),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        problem("not_utf8", format!("line {line} is not UTF-8"))
    })
}

/// Loads the configuration of one env: `env`, else the `default_env` of the file, else the only env that it declares, else
/// `local`. Without a file the defaults hold. Every problem of the whole file is an error, whichever env is meant.
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

    let mut gathered = Gathered::default();
    let layers = walk::walk(root.get_ref(), &source, &mut gathered);
    check_region(overrides, &mut gathered);
    let chosen = choose(env, &layers, &source, &mut gathered);

    let mut all: Vec<(Resolved, bool)> = layers
        .envs
        .iter()
        .map(|(name, _)| (resolve(name, &layers, overrides, Some(&source)), true))
        .collect();
    for name in [LOCAL, &chosen] {
        if !all.iter().any(|(resolved, _)| resolved.name == name) {
            all.push((resolve(name, &layers, overrides, Some(&source)), false));
        }
    }
    for (resolved, _) in &all {
        let of_chosen = if resolved.name == chosen { rules::local_errors(resolved) } else { Vec::new() };
        for (problem, span) in rules::errors(resolved).into_iter().chain(of_chosen) {
            match span {
                Some(span) => gathered.push_at(problem, &source, &span),
                None => gathered.push(problem),
            }
        }
    }
    gathered.into_result()?;
    finish(path, &chosen, &all, &source)
}

fn check_syntax(found: &[toml::de::Error], source: &Source<'_>, end: usize) -> Result<(), Errors> {
    let mut gathered = Gathered::default();
    for error in found {
        let span = error.span().unwrap_or(end..end);
        gathered.push_at(Problem::new("syntax", error.message().trim().replace('\n', "; ")), source, &span);
    }
    gathered.into_result()
}

fn finish(
    path: Option<PathBuf>,
    chosen: &str,
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
    let lints = rules::warnings(&resolved).into_iter().map(|(problem, span)| Lint {
        code: problem.code,
        message: problem.message,
        at: span.map(|span| source.at(span.start)),
    });
    Ok(Loaded {
        env: chosen.to_owned(),
        target: app.target,
        path,
        envs,
        origins: resolved.origins(),
        lints: lints.collect(),
        app,
        resolved,
    })
}

/// Decides which env is meant. An unknown one is a problem where the file declares envs, or where it looks like a slip;
/// elsewhere any name will do, so that no file is needed to deploy.
fn choose(env: Option<&str>, layers: &Layers, source: &Source<'_>, gathered: &mut Gathered) -> String {
    let default = layers.top.entries.get("default_env");
    let only = match layers.envs.as_slice() {
        [(name, _)] => Some(name.as_str()),
        _ => None,
    };
    let (name, span) = match (env, default) {
        (Some(name), _) => (name, None),
        (None, Some(entry)) => (entry.value.as_str().unwrap_or(LOCAL), Some(&entry.span)),
        (None, None) => (only.unwrap_or(LOCAL), None),
    };
    if name == LOCAL || layers.env(name).is_some() {
        return name.to_owned();
    }
    let problem = match walk::env_name(name) {
        Err(problem) => problem,
        Ok(()) => match unknown_env(name, layers) {
            Some(problem) => problem,
            None => return name.to_owned(),
        },
    };
    match span {
        Some(span) => gathered.push_at(problem, source, span),
        None => gathered.push(problem),
    }
    LOCAL.to_owned()
}

fn unknown_env(name: &str, layers: &Layers) -> Option<Problem> {
    let mut known: Vec<&str> = layers.envs.iter().map(|(name, _)| name.as_str()).collect();
    let declares_others = known.iter().any(|name| *name != LOCAL);
    if !known.contains(&LOCAL) {
        known.push(LOCAL);
    }
    let near = nearest(name, known.iter().copied());
    if near.is_none() && !declares_others {
        return None;
    }
    let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let problem = Problem::new("unknown_env", format!("there is no env `{name}`{meant}"));
    Some(problem.help(format!("known: {}; a line `[env.{name}]` in {FILE_NAME} adds it", known.join(", "))))
}

fn check_region(overrides: &Overrides, gathered: &mut Gathered) {
    let flag = overrides.region.as_ref().map(|region| ("--region", region));
    let ambient = overrides
        .ambient_region
        .as_ref()
        .filter(|_| flag.is_none())
        .map(|(value, name)| (name.as_str(), value));
    for (name, region) in flag.into_iter().chain(ambient) {
        if let Err(problem) = check::text_of(&shape::REGION, name, region) {
            gathered.push(problem);
        }
    }
}
