//! hitctl: deploys a hit counter, onto this machine or into an AWS account.
//!
//! One way through: config -> graph ([`stack`]) -> survey -> plan -> apply -> report. This crate is the edge of it: the
//! command line, the build of the function, and everything that is drawn. Tests enter at [`run`], in process.

pub mod args;
pub mod artifact;
mod aws;
pub mod cloud;
pub mod commands;
pub mod cost;
mod gzip;
mod machine_key;
mod pages;
pub mod policy;
pub mod privacy;
pub mod report;
mod session;
mod smoke;
pub mod stack;
pub mod tune;
mod world;

use std::process::ExitCode;

use clap::FromArgMatches as _;

pub use session::Session;
pub use world::{Interrupts, World};

use report::{Exit, Failure};

/// Runs the program once.
pub fn run(world: World) -> ExitCode {
    ExitCode::from(exit(world))
}

/// Runs the program once, and gives back the exit code as a number.
pub fn exit(mut world: World) -> u8 {
    let interrupts = std::mem::replace(&mut world.interrupts, Interrupts::None);
    let args = std::mem::take(&mut world.args);
    let json = args.iter().any(|arg| arg == "--json") || is_set(&world, "HITCTL_JSON");
    let parsed = args::Cli::command_in(&world.env)
        .try_get_matches_from(&args)
        .and_then(|matches| args::Cli::from_arg_matches(&matches));
    let exit: Exit = match parsed {
        Ok(cli) => dispatch(world, interrupts, cli),
        Err(error) => usage(world, &error, json),
    };
    exit.code()
}

/// Whether a variable says yes, as clap reads those of flags.
fn is_set(world: &World, name: &str) -> bool {
    let value = world.env.get(name).map(|value| value.to_ascii_lowercase());
    value.is_some_and(|value| !matches!(value.as_str(), "" | "n" | "no" | "f" | "false" | "off" | "0"))
}

/// Runs a command on a runtime of its own, until it ends or is interrupted twice.
fn dispatch(world: World, mut interrupts: Interrupts, cli: args::Cli) -> Exit {
    let args::Cli { global, command } = cli;
    let mut session = Session::new(world, global);
    if let args::Command::Local(commands::local::Command::Serve(args)) = command {
        return commands::local::serve(&session, args)
            .unwrap_or_else(|failure| session.console.failure(&failure));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new("runtime", "failed to start the program's threads").caused_by(error);
            return session.console.failure(&failure);
        }
    };
    let stop = session.stop.clone();
    let exit = runtime.block_on(async {
        let quit = async {
            interrupts.next().await;
            stop.cancel();
            interrupts.next().await;
        };
        tokio::select! {
            result = commands::run(&mut session, command) => Some(result),
            () = quit => None,
        }
    });
    // A blocking read of the terminal may still be under way: it must not keep the program.
    runtime.shutdown_background();
    let interrupted = session.stop.is_cancelled();
    match exit {
        Some(Ok(exit)) => session.console.end(exit),
        // Whatever failed because it was told to stop did so because of the user.
        Some(Err(failure)) if interrupted && failure.exit == Exit::Error => {
            session.console.failure(&failure.exits(Exit::Interrupted))
        }
        Some(Err(failure)) => session.console.failure(&failure),
        None => {
            session.console.failure(&Failure::interrupted("interrupted; what was in flight may be half done"))
        }
    }
}

/// Shows what clap has to say: help and version on stdout, mistakes on stderr.
fn usage(world: World, error: &clap::Error, json: bool) -> Exit {
    let asked_for = !error.use_stderr();
    let global = args::Global { json: json && !asked_for, ..args::Global::default() };
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
