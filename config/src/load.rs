//! Loads the configuration of one env from the text of a file. [`load`] does no I/O: the caller passes the text, the
//! env and the overrides from flags and environment variables. Only [`read_config_file`] reads a file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::check;
use crate::problem::{ConfigErrors, ConfigProblem, Diagnostics, Lint, SourceText};
use crate::resolve::{ResolvedEnv, SettingOrigin, resolve};
use crate::rules;
use crate::schema::AppConfig;
use crate::secrets;
use crate::setting_enums::DeployTarget;
use crate::string_format;
use crate::suggest::nearest;
use crate::walk::{self, ConfigLayers};

/// The name of the configuration file.
pub const CONFIG_FILE: &str = "hitctl.toml";
/// The predefined env on this machine.
pub const LOCAL_ENV: &str = "local";
/// The predefined env on AWS.
pub const TEST_ENV: &str = "test";
/// The maximum size of a configuration file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1_000_000;

/// The configuration of one env and its origins.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// The settings.
    pub app: AppConfig,
    /// The name of the selected env.
    pub env: String,
    /// The reason for the selection of the env.
    pub choice: EnvChoice,
    /// The target that the env is deployed to.
    pub target: DeployTarget,
    /// The path of the configuration file, if there is one.
    pub path: Option<PathBuf>,
    /// All known envs, by name or by pattern with a final `*`: those of the file in its order, `local`, `test`, and the
    /// requested one.
    pub envs: Vec<EnvSummary>,
    /// The origin of each value, by key: `function.memory_mb`, `function.environment.NAME`.
    pub origins: BTreeMap<String, SettingOrigin>,
    /// Warnings about settings that are probably unintended.
    pub lints: Vec<Lint>,
    pub(crate) resolved: ResolvedEnv,
}

impl LoadedConfig {
    /// Whether the configuration contains the env for the app.
    pub fn has_env(&self, app: &str, env: &str) -> bool {
        self.envs.iter().any(|summary| summary.app == app && walk::matches_env(&summary.name, env))
    }
}

/// The reason for the selection of an env.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvChoice {
    /// A flag or an environment variable names it.
    Explicit,
    /// The key `default_env` names it.
    DefaultEnv,
    /// It is the only env that the file declares.
    OnlyDeclared,
    /// The file declares no env, so `local` is used.
    NoneDeclared,
    /// The file declares several envs and none was requested. `local` stands in for commands that do not need an env.
    Ambiguous,
}

/// The main settings of an env.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvSummary {
    /// The name of the env.
    pub name: String,
    /// The target that it is deployed to.
    pub target: DeployTarget,
    /// The app, which is the prefix of all resource names.
    pub app: String,
    /// The region, if the configuration sets it.
    pub region: Option<String>,
    /// Whether the file declares it.
    pub declared: bool,
}

/// Settings from flags and environment variables.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    region: Option<String>,
    ambient_region: Option<(String, String)>,
}

impl Overrides {
    /// Creates overrides without any setting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the region.
    ///
    /// `flag` comes from a flag or hitctl's own variable and takes precedence over the file. `ambient` is the value and
    /// the name of a variable that all AWS tools read; it applies only if the file sets no region.
    #[must_use]
    pub fn with_region(mut self, flag: Option<String>, ambient: Option<(String, String)>) -> Self {
        self.region = flag;
        self.ambient_region = ambient;
        self
    }

    /// Returns the override of a key and its origin, if there is one. `is_default` says that the file does not set the
    /// key.
    pub(crate) fn value_for(&self, path: &str, is_default: bool) -> Option<(String, SettingOrigin)> {
        let flag = || Some((self.region.clone()?, SettingOrigin::Flag("--region".to_owned())));
        let ambient = || {
            let (value, name) = self.ambient_region.clone().filter(|_| is_default)?;
            Some((value, SettingOrigin::Variable(name)))
        };
        if path == "region" { flag().or_else(ambient) } else { None }
    }
}

/// Reads a configuration file: a regular file in UTF-8 of at most [`MAX_FILE_BYTES`] bytes.
pub fn read_config_file(path: &Path) -> Result<String, ConfigErrors> {
    let path_text = path.display();
    let problem = |code, reason: String| {
        ConfigErrors::from(ConfigProblem::new(code, format!("failed to read {path_text}: {reason}")))
    };
    let unreadable = |error: io::Error| problem("not_readable", error.to_string());
    // Opening a pipe would block until another process writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(problem("not_readable", "it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let limit = check::with_separators(MAX_FILE_BYTES);
        return Err(problem("too_large", format!("it is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        problem("not_utf8", format!("line {line} is not UTF-8"))
    })
}

/// Loads the configuration of one env.
///
/// The env is the first of these: `env`, the `default_env` of the file, the only env that the file declares, `local`
/// (see [`EnvChoice`]). Without a file the defaults apply. A problem anywhere in the file is an error, whichever env is
/// selected.
pub fn load(
    source: Option<(PathBuf, String)>,
    env: Option<&str>,
    overrides: &Overrides,
) -> Result<LoadedConfig, ConfigErrors> {
    let (path, text) = source.map_or((None, String::new()), |(path, text)| (Some(path), text));
    let file = path.as_deref().map_or_else(|| CONFIG_FILE.to_owned(), |path| path.display().to_string());
    let mut source = SourceText::new(file, &text);
    let (root, syntax) = DeTable::parse_recoverable(&text);
    secrets::redact_variables(root.get_ref(), &mut source);
    if !syntax.is_empty() {
        secrets::redact_by_line(&text, &mut source);
    }
    // With broken syntax, messages about keys would be misleading, so only the syntax errors are reported.
    check_syntax(&syntax, &source, text.len())?;

    let mut diagnostics = Diagnostics::default();
    let layers = walk::walk(root.get_ref(), &mut diagnostics);
    check_region(overrides, &mut diagnostics);
    let (selected, choice) = choose_env(env, &layers, &mut diagnostics);

    let resolved = |name: &str| resolve(name, &layers, overrides, &source);
    // Each env, and whether the file declares it.
    let mut envs: Vec<(ResolvedEnv, bool)> =
        layers.envs.iter().map(|(name, _)| (resolved(name), true)).collect();
    for name in [LOCAL_ENV, TEST_ENV, &selected] {
        if !envs.iter().any(|(resolved, _)| resolved.name == name) {
            envs.push((resolved(name), false));
        }
    }
    // `test` always exists, so its problems are reported only if the file declares it or it is selected.
    for (resolved, _) in
        envs.iter().filter(|(env, declared)| *declared || env.name != TEST_ENV || selected == TEST_ENV)
    {
        let local_errors = if resolved.name == selected { rules::local_errors(resolved) } else { Vec::new() };
        diagnostics.extend(rules::errors(resolved).into_iter().chain(local_errors));
    }
    diagnostics.into_result(&source)?;
    loaded_config(path, &selected, choice, &envs, &source)
}

fn check_syntax(errors: &[toml::de::Error], source: &SourceText<'_>, end: usize) -> Result<(), ConfigErrors> {
    let mut diagnostics = Diagnostics::default();
    for error in errors {
        diagnostics.push(syntax_problem(error.message()).with_span(error.span().unwrap_or(end..end)));
    }
    diagnostics.into_result(source)
}

/// Returns the problem for a message of the TOML parser. Rewords its most frequent messages.
fn syntax_problem(message: &str) -> ConfigProblem {
    match message.trim() {
        "duplicate key" => {
            ConfigProblem::new("syntax", "expected each key and section once, found a second definition")
                .with_help("remove one of the two definitions, or merge them")
        }
        message if message.starts_with("string values must be quoted") => {
            ConfigProblem::new("syntax", "expected a string in quotes, found a string without quotes")
        }
        message => ConfigProblem::new("syntax", message.replace('\n', "; ")),
    }
}

/// Converts the resolved envs to the configuration of the selected one.
fn loaded_config(
    path: Option<PathBuf>,
    selected: &str,
    choice: EnvChoice,
    resolved_envs: &[(ResolvedEnv, bool)],
    source: &SourceText<'_>,
) -> Result<LoadedConfig, ConfigErrors> {
    let mut envs = Vec::new();
    let mut loaded = None;
    for (resolved, declared) in resolved_envs {
        let app = resolved.to_app_config()?;
        envs.push(EnvSummary {
            name: resolved.name.clone(),
            target: app.target,
            app: app.app.clone(),
            region: app.region.clone(),
            declared: *declared,
        });
        if resolved.name == selected {
            loaded = Some((app, resolved.clone()));
        }
    }
    let Some((app, resolved)) = loaded else {
        return Err(ConfigProblem::new(
            "internal",
            format!("internal error: the environment `{selected}` is not resolved; please report it"),
        )
        .into());
    };
    let lints = rules::warnings(&resolved).into_iter().map(|problem| problem.into_lint(source));
    Ok(LoadedConfig {
        env: selected.to_owned(),
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

/// Selects the env. `local` and `test` are predefined; any other env must be declared, so that a typing error never creates a
/// separate stack.
fn choose_env(
    env: Option<&str>,
    layers: &ConfigLayers,
    diagnostics: &mut Diagnostics,
) -> (String, EnvChoice) {
    let default = layers.top.values.get("default_env");
    let (name, choice, span) = match (env, default, layers.envs.as_slice()) {
        (Some(name), ..) => (name, EnvChoice::Explicit, None),
        (None, Some(parsed), _) => {
            (parsed.value.as_str().unwrap_or(LOCAL_ENV), EnvChoice::DefaultEnv, Some(&parsed.span))
        }
        (None, None, []) => (LOCAL_ENV, EnvChoice::NoneDeclared, None),
        (None, None, [(name, _)]) if !walk::is_env_pattern(name) => {
            (name.as_str(), EnvChoice::OnlyDeclared, None)
        }
        (None, None, _) => (LOCAL_ENV, EnvChoice::Ambiguous, None),
    };
    if name == LOCAL_ENV || name == TEST_ENV {
        return (name.to_owned(), choice);
    }
    let problem = match walk::check_env_name(name) {
        Err(problem) => problem,
        Ok(()) if layers.env(name).is_some() => return (name.to_owned(), choice),
        Ok(()) => unknown_env(name, layers),
    };
    diagnostics.push(problem.with_span(span.cloned()));
    (LOCAL_ENV.to_owned(), choice)
}

fn unknown_env(name: &str, layers: &ConfigLayers) -> ConfigProblem {
    let mut known: Vec<&str> = layers.envs.iter().map(|(name, _)| name.as_str()).collect();
    for predefined in [LOCAL_ENV, TEST_ENV] {
        if !known.contains(&predefined) {
            known.push(predefined);
        }
    }
    let suggestion = nearest(name, known.iter().copied())
        .map(|nearest_name| format!("; did you mean \"{nearest_name}\"?"));
    let message = format!("unknown environment \"{name}\"{}", suggestion.unwrap_or_default());
    ConfigProblem::new("unknown_env", message).with_help(format!(
        "use one of: {}; or add the line `[env.{name}]` to {CONFIG_FILE}",
        known.join(", ")
    ))
}

fn check_region(overrides: &Overrides, diagnostics: &mut Diagnostics) {
    let flag = overrides.region.as_ref().map(|region| ("--region", region));
    let ambient = overrides.ambient_region.as_ref().map(|(value, name)| (name.as_str(), value));
    if let Some((name, region)) = flag.or(ambient)
        && let Err(problem) = check::check_text(&string_format::REGION, name, region)
    {
        diagnostics.push(problem);
    }
}
