//! hitctl: deploys a hit counter, onto this machine or into an AWS account.
//!
//! One way through: config -> graph (`hitctl-stack`) -> survey -> plan -> apply -> report. This crate is the edge of it: the
//! command line. Tests enter at [`exit`], in process.

pub mod args;
pub mod commands;
mod deployment;
mod diagnostics;
mod elapsed;
mod events;
mod files;
mod flags;
pub mod global;
mod machine_key;
mod session;
mod world;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches as _;
use futures::{FutureExt as _, TryFutureExt as _};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;

pub use session::Session;
pub use world::{Interrupts, Signals, World};

use hitctl_report::{Exit, Failure};

/// How long a command may take to end by itself after the first Ctrl-C, before the program ends without it (one that only
/// reads) or says what it waits for (one that writes).
const GRACE: Duration = Duration::from_millis(200);

/// Runs the program once, as this process.
pub fn run() -> ExitCode {
    // Before anything else: a signal that comes from here on ends the program in its own words.
    let started = runtime().and_then(|runtime| Ok((Interrupts::of_this_process(&runtime)?, runtime)));
    ExitCode::from(match started {
        Ok((interrupts, runtime)) => run_on(runtime, World::of_this_process(interrupts)),
        Err(error) => failed_to_start(World::of_this_process(Interrupts::None), error),
    })
}

/// Runs the program once in some world, and gives back the exit code as a number.
pub fn exit(world: World) -> u8 {
    match runtime() {
        Ok(runtime) => run_on(runtime, world),
        Err(error) => failed_to_start(world, error),
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn failed_to_start(world: World, error: io::Error) -> u8 {
    let session = Session::new(world, global::Global::default());
    let failure = Failure::new("runtime", "failed to start the program's threads").caused_by(error);
    session.console.failure(&failure).code()
}

fn run_on(runtime: Runtime, mut world: World) -> u8 {
    let interrupts = std::mem::replace(&mut world.interrupts, Interrupts::None);
    let args = std::mem::take(&mut world.args);
    let json = args.iter().any(|arg| arg == "--json") || is_set(&world, "HITCTL_JSON");
    let parsed = args::Cli::command_in(&world.env)
        .try_get_matches_from(&args)
        .and_then(|matches| args::Cli::from_arg_matches(&matches));
    let exit: Exit = match parsed {
        Ok(cli) => dispatch(runtime, world, interrupts, cli),
        Err(error) => usage(world, &error, json),
    };
    exit.code()
}

/// Whether a variable says yes, as clap reads those of flags.
fn is_set(world: &World, name: &str) -> bool {
    let value = world.env.get(name).map(|value| value.to_ascii_lowercase());
    value.is_some_and(|value| !matches!(value.as_str(), "" | "n" | "no" | "f" | "false" | "off" | "0"))
}

/// Runs a command until it ends or is interrupted: by the first Ctrl-C when it only reads, by the second when it writes.
fn dispatch(runtime: Runtime, world: World, mut interrupts: Interrupts, cli: args::Cli) -> Exit {
    let args::Cli { global, command } = cli;
    let mut session = Session::new(world, global);
    if interrupts.next().now_or_never().is_some() {
        return session.console.failure(&Failure::interrupted("interrupted; nothing was changed"));
    }
    if let commands::Command::Local(commands::local::Command::Serve(args)) = command {
        // The daemon has a runtime of its own, small enough to idle for days, and listens for signals by itself.
        runtime.shutdown_background();
        return commands::local::serve(&session, args)
            .unwrap_or_else(|failure| session.console.failure(&failure));
    }
    let writes = command.writes();
    let ended = runtime.block_on(until_interrupted(&mut session, interrupts, command));
    // A blocking read of the terminal may still be under way: it must not keep the program.
    runtime.shutdown_background();
    let interrupted = session.stop.is_cancelled();
    match ended {
        Some(Ok(exit)) => session.console.end(exit),
        // Whatever failed because it was told to stop, its input too, did so because of the user.
        Some(Err(failure)) if interrupted && matches!(failure.exit, Exit::Error | Exit::Usage) => {
            session.console.failure(&failure.exits(Exit::Interrupted))
        }
        Some(Err(failure)) => session.console.failure(&failure),
        None if writes => session.console.failure(&Failure::interrupted(
            "interrupted; the call in progress may or may not have taken effect",
        )),
        None => session.console.failure(&Failure::interrupted("interrupted")),
    }
}

/// Runs a command to its end; `None` when it is ended by Ctrl-C.
async fn until_interrupted(
    session: &mut Session,
    mut interrupts: Interrupts,
    command: commands::Command,
) -> Option<Result<Exit, Failure>> {
    let (stop, notifier) = (session.stop.clone(), session.console.notifier().clone());
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    // Apart from the command, which may block its thread.
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
        Ok(ended) => return ended,
        Err(_) if !writes => return None,
        Err(_) => notifier.interrupting(),
    }
    second.run_until_cancelled(running).await
}

/// Shows what clap has to say: help and version on stdout, mistakes on stderr.
fn usage(world: World, error: &clap::Error, json: bool) -> Exit {
    let asked_for = !error.use_stderr();
    let global = global::Global { json: json && !asked_for, ..global::Global::default() };
    let session = Session::new(world, global);
    if asked_for {
        session.console.text(&error.render().to_string());
        return session.console.end(Exit::Done);
    }
    if json {
        let message = error.render().to_string();
        let first = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return session.console.failure(&Failure::usage(first).hinted("run `hitctl --help`"));
    }
    session.console.complain(&error.render().to_string());
    Exit::Usage
}
