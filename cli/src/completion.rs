//! Shell completion. The script of `hitctl completions` calls hitctl with the words of the command line, and hitctl
//! prints the candidates. It must not change anything, start the local cloud, or print errors.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, FromArgMatches as _};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Shells};
use hitctl_cloud::{AccessMode, profile_names};
use hitctl_engine::EventSink;
use hitctl_report::{Failure, plural, readable_path};
use tokio_util::sync::CancellationToken;

use crate::deployment::counts;
use crate::global::Global;
use crate::process_context::{Interrupts, ProcessContext};
use crate::session::Session;

/// The environment variable that requests candidates. Its value is the name of the shell.
pub(crate) const VARIABLE: &str = "HITCTL_COMPLETE";
/// The time limit for reading counted paths, because the user waits for the completion.
const PATHS_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of paths among the candidates. Those with the most views come first.
const MAX_PATHS: usize = 200;
/// The IDs of the arguments whose values are counted paths.
const PATH_ARGUMENTS: &[&str] = &["path", "paths", "old", "new"];

/// Returns the shell that requests candidates, or `None` for a normal run.
pub(crate) fn requesting_shell(process: &ProcessContext) -> Option<&'static dyn EnvCompleter> {
    let has_separator = process.args.get(1).is_some_and(|arg| arg == "--");
    process.env.get(VARIABLE).filter(|_| has_separator).and_then(|name| shell(name))
}

/// Returns the shell with this name, or `None` if it is not supported.
pub(crate) fn shell(name: &str) -> Option<&'static dyn EnvCompleter> {
    Shells::builtins().0.iter().copied().find(|shell| shell.is(name))
}

/// Writes the candidates for the last word of the command line to stdout.
pub(crate) fn complete(
    process: ProcessContext,
    shell: &dyn EnvCompleter,
    command: clap::Command,
) -> io::Result<()> {
    let ProcessContext { args, env, cwd, exe, mut stdout, .. } = process;
    // The arguments are the program's name, `--`, and the words of the command line.
    let words: Vec<OsString> = args.into_iter().skip(2).collect();
    let matches = command.clone().ignore_errors(true).try_get_matches_from(&words);
    let global = matches.ok().and_then(|matches| Global::from_arg_matches(&matches).ok());
    let completer = Completer { global: global.unwrap_or_default(), env, cwd: cwd.clone(), exe };
    shell.write_complete(&mut completer.extend(command), words, Some(&cwd), &mut stdout)
}

/// The parts of the process context that determine the candidates.
#[derive(Clone)]
struct Completer {
    global: Global,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
    exe: PathBuf,
}

impl Completer {
    /// Adds the candidates to the arguments of the command line.
    fn extend(&self, command: clap::Command) -> clap::Command {
        let (envs, profiles) = (self.clone(), self.clone());
        self.extend_paths(command)
            .mut_arg("env", |arg| arg.add(ArgValueCandidates::new(move || envs.envs())))
            .mut_arg("profile", |arg| arg.add(ArgValueCandidates::new(move || profiles.profiles())))
    }

    fn extend_paths(&self, command: clap::Command) -> clap::Command {
        let with_paths = |arg: Arg| {
            let completer = self.clone();
            if PATH_ARGUMENTS.contains(&arg.get_id().as_str()) {
                arg.add(ArgValueCandidates::new(move || completer.paths()))
            } else {
                arg
            }
        };
        command.mut_args(with_paths).mut_subcommands(|command| self.extend_paths(command))
    }

    /// Returns a session that prints nothing.
    fn session(&self) -> Session {
        let process = ProcessContext {
            args: Vec::new(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            exe: self.exe.clone(),
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
            stdin: Box::new(io::empty()),
            stdout_tty: false,
            stderr_tty: false,
            stdin_tty: false,
            width: None,
            interrupts: Interrupts::None,
            slow_threshold: PATHS_TIMEOUT,
        };
        Session::new(process, self.global.clone())
    }

    /// Returns the environments of the configuration.
    fn envs(&self) -> Vec<CompletionCandidate> {
        // Ignore the value of `--env`: it is the incomplete word.
        let completer = Self { global: Global { env: None, ..self.global.clone() }, ..self.clone() };
        let config = completer.session().load_any_env();
        let envs = config.map(|config| config.envs).unwrap_or_default();
        envs.into_iter().map(|env| CompletionCandidate::new(env.name)).collect()
    }

    /// Returns the profiles in the AWS configuration files.
    fn profiles(&self) -> Vec<CompletionCandidate> {
        let names = block_on(profile_names(&self.env));
        names.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
    }

    /// Returns the counted paths in readable form. Returns none if they cannot be read in time.
    fn paths(&self) -> Vec<CompletionCandidate> {
        let read = async { tokio::time::timeout(PATHS_TIMEOUT, read_paths(&self.session())).await };
        let Ok(Ok(Ok(paths))) = block_on(read) else { return Vec::new() };
        let candidate = |(path, views): (String, u64)| {
            CompletionCandidate::new(readable_path(&path).into_owned())
                .help(Some(plural(views, "view").into()))
        };
        paths.into_iter().map(candidate).collect()
    }
}

/// Runs a future on a runtime of its own.
fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

/// Reads the counted paths with their numbers of views. Does not start the local cloud.
async fn read_paths(session: &Session) -> Result<Vec<(String, u64)>, Failure> {
    let config = session.load_quietly()?;
    let cloud = session.cloud(&config, AccessMode::Read, &EventSink::none()).await?;
    let mut rows = counts::open(&*cloud, &config, &CancellationToken::new())?.all().await?;
    rows.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.cmp(&b.path)));
    rows.truncate(MAX_PATHS);
    Ok(rows.into_iter().map(|row| (row.path, row.hits)).collect())
}
