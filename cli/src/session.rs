//! One run of the program: its world, its global flags, and what every command needs of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hitctl_cloud::{Access, Cloud, LocalOptions, SlowCalls};
use hitctl_config::project::{self, Untrusted};
use hitctl_config::{Choice, FingerprintKey, Loaded, Overrides, Target};
use hitctl_engine::{Mask, Sink};
use hitctl_local::Places;
use hitctl_report::{ColorChoice, Console, ConsoleOptions, Failure};
use tokio_util::sync::CancellationToken;

use crate::global::{Color, Global};
use crate::machine_key;
use crate::world::World;

/// One run of the program.
pub struct Session {
    /// The flags of every command.
    pub global: Global,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// This very program.
    pub exe: PathBuf,
    /// Where everything is shown.
    pub console: Console,
    /// Cancelled by the first Ctrl-C: start nothing new.
    pub stop: CancellationToken,
    fingerprint_key: OnceLock<FingerprintKey>,
}

impl Session {
    /// Starts a run.
    pub fn new(world: World, global: Global) -> Self {
        let stop = CancellationToken::new();
        let console = Console::new(ConsoleOptions {
            stdout: world.stdout,
            stderr: world.stderr,
            stdin: world.stdin,
            stdout_tty: world.stdout_tty,
            stderr_tty: world.stderr_tty,
            stdin_tty: world.stdin_tty,
            width: world.width,
            color: match global.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
            env: &world.env,
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            no_input: global.no_input,
            patience: world.patience,
        })
        .stopped_by(stop.clone());
        Self {
            global,
            env: world.env,
            cwd: world.cwd,
            exe: world.exe,
            console,
            stop,
            fingerprint_key: OnceLock::new(),
        }
    }

    /// Reads the configuration in force: the named file, the nearest one, or the defaults. Shows its warnings.
    pub fn load(&mut self) -> Result<Loaded, Failure> {
        let loaded = self.load_quietly()?;
        for lint in &loaded.lints {
            self.console.warn(&lint.to_string());
        }
        Ok(loaded)
    }

    /// As [`Session::load`], for commands that write. Asks first where nobody named the env, and it is on AWS: `action` is what
    /// would be done to it, such as "deploy to".
    pub async fn load_for_writing(&mut self, action: &str) -> Result<Loaded, Failure> {
        let loaded = self.load()?;
        if loaded.target == Target::Aws && loaded.choice == Choice::Only {
            let env = &loaded.env;
            let question = format!(
                "No environment is named. Is it right to {action} {env} on AWS, the only one in hitctl.toml?"
            );
            let hint = format!("pass `--env {env}`, or set `default_env = \"{env}\"` in hitctl.toml");
            let agreed = self.console.agree(&question, self.global.yes).await;
            agreed.map_err(|failure| failure.hinted(hint))?;
        }
        Ok(loaded)
    }

    /// As [`Session::load`], for commands whose output the warnings would only disturb.
    pub fn load_quietly(&self) -> Result<Loaded, Failure> {
        let loaded = self.load_any_env()?;
        if loaded.choice != Choice::Open {
            return Ok(loaded);
        }
        let declared = loaded.envs.iter().filter(|env| env.declared).map(|env| env.name.as_str());
        Err(Failure::usage(format!(
            "expected the name of an environment: hitctl.toml declares {}",
            declared.collect::<Vec<_>>().join(", ")
        ))
        .hinted("pass `--env NAME`, or set `default_env = \"local\"` at the top of hitctl.toml"))
    }

    /// As [`Session::load_quietly`], for commands that need no env: where several are declared and none is named, it is `local`.
    pub fn load_any_env(&self) -> Result<Loaded, Failure> {
        let path = match &self.global.config {
            Some(path) => Some(self.cwd.join(path)),
            None => project::find_config(&self.cwd, &self.env).map_err(|error| untrusted(&error))?,
        };
        let source = match path {
            Some(path) => {
                let text = hitctl_config::read(&path).map_err(|error| Failure::usage(error.to_string()))?;
                Some((path, text))
            }
            None => None,
        };
        hitctl_config::load(source, self.global.env.as_deref(), &self.overrides())
            .map_err(|errors| Failure::config(errors.to_string()))
    }

    /// The settings that flags and the environment decide. A flag has won over its own variable already.
    fn overrides(&self) -> Overrides {
        let from_env = |names: &[&str]| {
            names.iter().find_map(|name| {
                let value = self.env.get(*name).filter(|value| !value.is_empty())?;
                Some((value.clone(), (*name).to_owned()))
            })
        };
        Overrides::new().region(self.global.region.clone(), from_env(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
    }

    /// The places of the local state of this project: never in the project itself, where a clone could have
    /// brought it.
    pub fn local_places(&self, loaded: &Loaded) -> Result<Places, Failure> {
        let user = self.user_state_dir()?;
        let project = loaded.path.as_deref().and_then(Path::parent);
        Ok(Places::new(&user, project.unwrap_or(&self.cwd), project.is_some()))
    }

    /// Opens the cloud of the environment in force.
    pub async fn cloud(
        &self,
        loaded: &Loaded,
        access: Access,
        sink: &Sink,
    ) -> Result<Box<dyn Cloud>, Failure> {
        let notifier = self.console.notifier().clone();
        let build_id = self.build_id();
        let warn = |text: &str| self.console.warn(text);
        let local = match loaded.target {
            Target::Aws => None,
            Target::Local => Some(LocalOptions {
                places: self.local_places(loaded)?,
                exe: &self.exe,
                build_id: &build_id,
                warn: &warn,
            }),
        };
        let request = hitctl_cloud::Request {
            loaded,
            access,
            env: &self.env,
            profile: self.global.profile.as_deref(),
            endpoint_url: self.global.endpoint_url.as_deref(),
            insecure: self.global.insecure,
            slow_calls: SlowCalls::new(notifier.patience(), move |host| notifier.waiting(host)),
            local,
        };
        Ok(hitctl_cloud::open(&request, sink).await?)
    }

    /// Where what can be made again is kept.
    pub fn cache_dir(&self) -> Result<PathBuf, Failure> {
        self.user_dir("XDG_CACHE_HOME", ".cache", "Library/Caches")
    }

    /// The key that secrets are fingerprinted with: kept in the user's state directory, else another one in each run.
    pub fn fingerprint_key(&self) -> &FingerprintKey {
        self.fingerprint_key.get_or_init(|| machine_key::load(self.user_state_dir().ok().as_deref()))
    }

    /// The text shown in place of the secrets of a plan.
    pub fn mask(&self) -> Mask {
        let key = self.fingerprint_key().clone();
        Mask::new(move |secret| key.fingerprint(secret))
    }

    /// Which build of the program this is: its version and, so that a rebuilt one counts as another, its file.
    pub fn build_id(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let file = std::fs::metadata(&self.exe).ok().and_then(|file| {
            let age = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(format!("{version}+{:x}.{:x}", file.len(), age.as_nanos()))
        });
        file.unwrap_or_else(|| version.to_owned())
    }

    /// The directory for what must not be lost, such as local counts.
    fn user_state_dir(&self) -> Result<PathBuf, Failure> {
        self.user_dir("XDG_STATE_HOME", ".local/state", "Library/Application Support")
    }

    /// hitctl's directory among those of this user. Without a home there is none: the working directory may be anybody's.
    fn user_dir(&self, variable: &str, unix: &str, macos: &str) -> Result<PathBuf, Failure> {
        let absolute = |name: &str| self.env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute(variable).or_else(|| {
            absolute("HOME").map(|home| home.join(if cfg!(target_os = "macos") { macos } else { unix }))
        });
        base.map(|base| base.join("hitctl")).ok_or_else(|| {
            Failure::new("no_home", "failed to find the home directory: HOME is not set")
                .hinted(format!("set HOME, or set {variable} to an absolute path"))
        })
    }
}

fn untrusted(Untrusted { path, why }: &Untrusted) -> Failure {
    let path = path.display();
    Failure::usage(format!("failed to trust {path}: {why}")).hinted(format!(
        "if the file is yours, pass `--config {path}`; `hitctl init` in a directory of your own writes another one"
    ))
}
