//! The session of one run of hitctl: the global flags, the state of the process, and functions that all commands share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hitctl_cloud::{AccessMode, Cloud, LocalOptions, SlowCallReporter};
use hitctl_config::{DeployTarget, EnvChoice, FingerprintKey, LoadedConfig, Overrides};
use hitctl_engine::{EventSink, SecretMask};
use hitctl_local::StatePaths;
use hitctl_platform::UserDir;
use hitctl_platform::project::{self, UntrustedFile};
use hitctl_report::{ColorChoice, Console, ConsoleOptions, Failure};
use tokio_util::sync::CancellationToken;

use crate::global::{Color, Global};
use crate::machine_key;
use crate::process_context::ProcessContext;

/// The state of one run of hitctl.
pub struct Session {
    /// The flags that every command has.
    pub global: Global,
    /// The environment variables.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The path of the hitctl executable.
    pub exe: PathBuf,
    /// The console for all output.
    pub console: Console,
    /// Cancelled by the first Ctrl-C. After that, a command must not start another change.
    pub stop: CancellationToken,
    fingerprint_key: OnceLock<FingerprintKey>,
}

impl Session {
    /// Creates the session of a run.
    pub fn new(process: ProcessContext, global: Global) -> Self {
        let stop = CancellationToken::new();
        let console = Console::new(ConsoleOptions {
            stdout: process.stdout,
            stderr: process.stderr,
            stdin: process.stdin,
            stdout_tty: process.stdout_tty,
            stderr_tty: process.stderr_tty,
            stdin_tty: process.stdin_tty,
            width: process.width,
            color: match global.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
            env: &process.env,
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            no_input: global.no_input,
            slow_threshold: process.slow_threshold,
        })
        .with_stop(stop.clone());
        Self {
            global,
            env: process.env,
            cwd: process.cwd,
            exe: process.exe,
            console,
            stop,
            fingerprint_key: OnceLock::new(),
        }
    }

    /// Loads the configuration from the file of `--config`, the nearest hitctl.toml, or the defaults. Shows its
    /// warnings.
    pub fn load(&mut self) -> Result<LoadedConfig, Failure> {
        let config = self.load_quietly()?;
        for lint in &config.lints {
            self.console.warn(&lint.to_string());
        }
        Ok(config)
    }

    /// Loads the configuration like [`Session::load`], for commands that write. Asks for confirmation if no
    /// environment was given and the only one is on AWS. `action` completes the question, such as "deploy to".
    pub async fn load_for_writing(&mut self, action: &str) -> Result<LoadedConfig, Failure> {
        let config = self.load()?;
        if config.target == DeployTarget::Local {
            hitctl_local::check_supported()?;
        }
        if config.target == DeployTarget::Aws && config.choice == EnvChoice::OnlyDeclared {
            let env = &config.env;
            let question = format!(
                "No environment was given. Do you want to {action} {env} on AWS, the only environment in hitctl.toml?"
            );
            let hint = format!("pass `--env {env}`, or set `default_env = \"{env}\"` in hitctl.toml");
            let agreed = self.console.confirm(&question, self.global.yes).await;
            agreed.map_err(|failure| failure.hinted(hint))?;
        }
        Ok(config)
    }

    /// Loads the configuration like [`Session::load`], without showing its warnings.
    pub fn load_quietly(&self) -> Result<LoadedConfig, Failure> {
        let config = self.load_any_env()?;
        if config.choice != EnvChoice::Ambiguous {
            return Ok(config);
        }
        let declared = config.envs.iter().filter(|env| env.declared).map(|env| env.name.as_str());
        Err(Failure::usage(format!(
            "expected `--env`: hitctl.toml declares several environments and no default: {}",
            declared.collect::<Vec<_>>().join(", ")
        ))
        .hinted("pass `--env NAME`, or set `default_env` at the top of hitctl.toml"))
    }

    /// Loads the configuration like [`Session::load_quietly`], for commands that need no environment. If several
    /// environments are declared and none is given, the environment is `local`.
    pub fn load_any_env(&self) -> Result<LoadedConfig, Failure> {
        let path = match &self.global.config {
            Some(path) => Some(self.cwd.join(path)),
            None => project::find_file(hitctl_config::CONFIG_FILE, &self.cwd, &self.env)
                .map_err(|error| untrusted(&error))?,
        };
        let source = match path {
            Some(path) => {
                let text = hitctl_config::read_config_file(&path)
                    .map_err(|error| Failure::usage(error.to_string()))?;
                Some((path, text))
            }
            None => None,
        };
        hitctl_config::load(source, self.global.env.as_deref(), &self.overrides())
            .map_err(|errors| Failure::config(errors.to_string()))
    }

    /// Returns the settings that flags and environment variables override. A flag with a variable of its own has its
    /// value from clap already.
    fn overrides(&self) -> Overrides {
        let first_set = |names: &[&str]| {
            names.iter().find_map(|name| {
                let value = self.env.get(*name).filter(|value| !value.is_empty())?;
                Some((value.clone(), (*name).to_owned()))
            })
        };
        Overrides::new()
            .with_region(self.global.region.clone(), first_set(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
    }

    /// Returns the paths of this project's local state. They are outside the project, because a cloned repository could
    /// contain manipulated state. Fails on systems without the local cloud.
    pub fn local_state_paths(&self, config: &LoadedConfig) -> Result<StatePaths, Failure> {
        hitctl_local::check_supported()?;
        let user = self.user_state_dir()?;
        let project = config.path.as_deref().and_then(Path::parent);
        Ok(StatePaths::new(&user, project.unwrap_or(&self.cwd), project.is_some()))
    }

    /// Connects to the environment's cloud.
    pub async fn cloud(
        &self,
        config: &LoadedConfig,
        access: AccessMode,
        sink: &EventSink,
    ) -> Result<Box<dyn Cloud>, Failure> {
        let notifier = self.console.notifier().clone();
        let build_id = self.build_id();
        let warn = |text: &str| self.console.warn(text);
        let local = match config.target {
            DeployTarget::Aws => None,
            DeployTarget::Local => Some(LocalOptions {
                state_paths: self.local_state_paths(config)?,
                exe: &self.exe,
                build_id: &build_id,
                warn: &warn,
            }),
        };
        let options = hitctl_cloud::CloudOptions {
            loaded: config,
            access,
            env: &self.env,
            profile: self.global.profile.as_deref(),
            endpoint_url: self.global.endpoint_url.as_deref(),
            insecure: self.global.insecure,
            slow_calls: SlowCallReporter::new(notifier.slow_threshold(), move |host| {
                notifier.report_slow_host(host);
            }),
            local,
        };
        Ok(hitctl_cloud::open(&options, sink).await?)
    }

    /// Returns the directory for data that can be recreated.
    pub fn cache_dir(&self) -> Result<PathBuf, Failure> {
        self.user_dir(UserDir::Cache)
    }

    /// Returns the key for fingerprints of secrets. It is stored in the user's state directory. If it cannot be
    /// stored, each run has another key.
    pub fn fingerprint_key(&self) -> &FingerprintKey {
        self.fingerprint_key.get_or_init(|| machine_key::load(self.user_state_dir().ok().as_deref()))
    }

    /// Returns the mask for the secrets of a plan.
    pub fn mask(&self) -> SecretMask {
        let key = self.fingerprint_key().clone();
        SecretMask::new(move |secret| key.fingerprint(secret))
    }

    /// Returns the ID of this build: the version, and the size and modification time of the executable. A rebuilt
    /// executable has another ID.
    pub fn build_id(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let id = std::fs::metadata(&self.exe).ok().and_then(|file| {
            let modified = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(format!("{version}+{:x}.{:x}", file.len(), modified.as_nanos()))
        });
        id.unwrap_or_else(|| version.to_owned())
    }

    /// Returns the directory for data that must not be lost, such as local counts.
    fn user_state_dir(&self) -> Result<PathBuf, Failure> {
        self.user_dir(UserDir::State)
    }

    /// Returns the hitctl directory in the user's directory for this kind of data.
    fn user_dir(&self, kind: UserDir) -> Result<PathBuf, Failure> {
        hitctl_platform::user_dir(kind, "hitctl", &self.env).map_err(|[base, variable]| {
            Failure::new("no_home", format!("failed to find the home directory: {base} is not set"))
                .hinted(format!("set {base}, or set {variable} to an absolute path"))
        })
    }
}

fn untrusted(UntrustedFile { path, reason }: &UntrustedFile) -> Failure {
    let path = path.display();
    Failure::usage(format!("failed to read {path}: {reason}")).hinted(format!(
        "if you trust the file, pass `--config {path}`; otherwise run `hitctl init` in a directory of your own"
    ))
}
