//! hitctl: deploys a hit counter to this machine or to an AWS account.
//!
//! This crate is the command line. A deploy runs these steps: configuration, graph (`hitctl-stack`), survey, plan,
//! apply, report. Tests call [`exit`] within their own process.

pub mod args;
pub mod commands;
mod completion;
mod deployment;
mod diagnostics;
mod elapsed;
mod events;
mod files;
mod flags;
pub mod global;
mod machine_key;
mod process_context;
mod session;
mod usage;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;
use futures::{FutureExt as _, TryFutureExt as _};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;

pub use process_context::{Interrupts, ProcessContext};
pub use session::Session;

use hitctl_report::{Exit, Failure};

/// How long a command may continue after the first Ctrl-C. After that, a command that only reads is aborted, and a
/// command that writes prints a message and continues until it ends.
const GRACE: Duration = Duration::from_millis(200);

/// Runs the program as this process.
pub fn run() -> ExitCode {
    // Handle signals before anything else, so that every interrupt ends with a message of hitctl.
    let started = runtime().and_then(|runtime| Ok((Interrupts::of_this_process(&runtime)?, runtime)));
    ExitCode::from(match started {
        Ok((interrupts, runtime)) => run_on(runtime, ProcessContext::of_this_process(interrupts)),
        Err(error) => failed_to_start(ProcessContext::of_this_process(Interrupts::None), error),
    })
}

/// Runs the program in a process context. Returns the exit code.
pub fn exit(process: ProcessContext) -> u8 {
    match runtime() {
        Ok(runtime) => run_on(runtime, process),
        Err(error) => failed_to_start(process, error),
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn failed_to_start(process: ProcessContext, error: io::Error) -> u8 {
    let session = Session::new(process, global::Global::default());
    let failure = Failure::new("runtime", "failed to start the program's threads").caused_by(error);
    session.console.show_failure(&failure).code()
}

fn run_on(runtime: Runtime, mut process: ProcessContext) -> u8 {
    if let Some(shell) = completion::requesting_shell(&process) {
        // A shell shows no error message of a completion. It only offers no candidates.
        let command = args::Cli::command_in(&process.env);
        let written = completion::complete(process, shell, command);
        return if written.is_ok() { Exit::Done } else { Exit::Error }.code();
    }
    let interrupts = std::mem::replace(&mut process.interrupts, Interrupts::None);
    let args = std::mem::take(&mut process.args);
    let json = args.iter().any(|arg| arg == "--json") || is_set(&process, "HITCTL_JSON");
    let command = args::Cli::command_in(&process.env);
    let parsed =
        command.clone().try_get_matches_from(&args).and_then(|matches| args::Cli::from_arg_matches(&matches));
    let exit: Exit = match parsed {
        Ok(cli) => dispatch(runtime, process, interrupts, cli),
        Err(error) => show_parse_error(process, &error, json, &command, &args),
    };
    exit.code()
}

/// Whether an environment variable is set to true, by clap's rules for flags.
fn is_set(process: &ProcessContext, name: &str) -> bool {
    let value = process.env.get(name).map(|value| value.to_ascii_lowercase());
    value.is_some_and(|value| !matches!(value.as_str(), "" | "n" | "no" | "f" | "false" | "off" | "0"))
}

/// Runs a command until it ends or is interrupted: by the first Ctrl-C if it only reads, by the second if it writes.
fn dispatch(runtime: Runtime, process: ProcessContext, mut interrupts: Interrupts, cli: args::Cli) -> Exit {
    let args::Cli { global, command } = cli;
    let mut session = Session::new(process, global);
    if interrupts.next().now_or_never().is_some() {
        return session.console.show_failure(&Failure::interrupted("interrupted; nothing was changed"));
    }
    if let commands::Command::Local(commands::local::Command::Serve(args)) = command {
        // The daemon has its own runtime, small enough to idle for days, and handles signals itself.
        runtime.shutdown_background();
        return commands::local::serve(&session, args)
            .unwrap_or_else(|failure| session.console.show_failure(&failure));
    }
    let writes = command.writes();
    let result = runtime.block_on(until_interrupted(&mut session, interrupts, command));
    // Do not wait for blocking threads: one may still read from the terminal.
    runtime.shutdown_background();
    let interrupted = session.stop.is_cancelled();
    match result {
        Some(Ok(exit)) => session.console.finish(exit),
        // After an interrupt, a failure is a result of the interrupt, such as a prompt without an answer.
        Some(Err(failure)) if interrupted && matches!(failure.exit, Exit::Error | Exit::Usage) => {
            session.console.show_failure(&failure.with_exit(Exit::Interrupted))
        }
        Some(Err(failure)) => session.console.show_failure(&failure),
        None if writes => session.console.show_failure(&Failure::interrupted(
            "interrupted; the call in progress may or may not have taken effect",
        )),
        None => session.console.show_failure(&Failure::interrupted("interrupted")),
    }
}

/// Runs a command until it ends. Returns `None` if Ctrl-C aborted it.
async fn until_interrupted(
    session: &mut Session,
    mut interrupts: Interrupts,
    command: commands::Command,
) -> Option<Result<Exit, Failure>> {
    let (stop, notifier) = (session.stop.clone(), session.console.notifier().clone());
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    // Wait for signals in another task, because the command may block its thread.
    tokio::spawn({
        let (first, second) = (first.clone(), second.clone());
        async move {
            interrupts.next().await;
            stop.cancel();
            first.cancel();
            interrupts.next().await;
            second.cancel();
        }
    });
    let writes = command.writes();
    let diagnostics = match diagnostics::dispatch(&session.env, session.global.verbose, &notifier) {
        Ok(diagnostics) => diagnostics,
        Err(failure) => return Some(Err(failure)),
    };
    let command = commands::run(session, command, <args::Cli as clap::CommandFactory>::command)
        .inspect_err(diagnostics::log_sources)
        .with_subscriber(diagnostics);
    let mut running = std::pin::pin!(command);
    tokio::select! {
        result = &mut running => return Some(result),
        () = first.cancelled() => {}
    }
    match tokio::time::timeout(GRACE, second.run_until_cancelled(&mut running)).await {
        Ok(result) => return result,
        Err(_) if !writes => return None,
        Err(_) => notifier.report_interrupt(),
    }
    second.run_until_cancelled(running).await
}

/// Shows the output of clap: help and version on stdout, errors on stderr.
fn show_parse_error(
    process: ProcessContext,
    error: &clap::Error,
    json: bool,
    command: &clap::Command,
    args: &[OsString],
) -> Exit {
    let is_error = error.use_stderr();
    let global = global::Global { json: json && is_error, ..global::Global::default() };
    let console = Session::new(process, global).console;
    if !is_error {
        console.help(&error.render().ansi().to_string());
        return console.finish(Exit::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        console.help_as_error(&error.render().ansi().to_string());
        return Exit::Usage;
    }
    console.show_failure(&usage::failure(error, command, args))
}
