//! One file a command: its arguments and one `run` that returns how it ended. Nothing is printed here; what there is to
//! show goes to the console as a view.

pub mod build;
pub mod completions;
pub mod config;
pub mod counts;
pub mod deploy;
pub mod destroy;
mod distribution;
pub mod dlq;
pub mod doctor;
pub mod emit;
pub mod env;
pub mod exit_codes;
pub mod explain;
mod feed;
mod fields;
pub mod gc;
pub mod init;
pub mod invalidate;
pub mod invoke;
mod irreversible;
pub mod local;
pub mod logs;
pub mod man;
pub mod paths;
pub mod plan;
pub mod policy;
pub mod privacy;
mod quota;
pub mod report;
pub mod rollback;
pub mod send;
pub mod snippet;
pub mod status;
mod steps;
pub mod tune;
mod turn;

use crate::args::Command;
use crate::report::{Exit, Failure};
use crate::session::Session;

/// Runs a command.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(session, &args).await,
        Command::Build(args) => build::run(session, args).await,
        Command::Plan(args) => Box::pin(plan::run(session, args)).await,
        Command::Deploy(args) => deploy::run(session, args).await,
        Command::Status(args) => status::run(session, args).await,
        Command::Destroy(args) => destroy::run(session, args).await,
        Command::Rollback(args) => rollback::run(session, args).await,
        Command::Invoke(args) => Box::pin(invoke::run(session, args)).await,
        Command::Invalidate(args) => Box::pin(invalidate::run(session, args)).await,
        Command::Send(args) => Box::pin(send::run(session, args)).await,
        Command::Emit(args) => Box::pin(emit::run(session, args)).await,
        Command::Dlq(command) => Box::pin(dlq::run(session, command)).await,
        Command::Counts(command) => counts::run(session, command).await,
        Command::Paths(command) => Box::pin(paths::run(session, command)).await,
        Command::Logs(args) => logs::run(session, args).await,
        Command::Local(command) => local::run(session, command).await,
        Command::Config(command) => config::run(session, &command),
        Command::Env(command) => env::run(session, &command),
        Command::Explain(args) => explain::run(session, &args),
        Command::Privacy(args) => privacy::run(session, &args),
        Command::Report(args) => report::run(session, args).await,
        Command::Snippet(args) => Box::pin(snippet::run(session, args)).await,
        Command::Policy(command) => policy::run(session, &command),
        Command::Gc(args) => gc::run(session, args).await,
        Command::Tune(args) => Box::pin(tune::run(session, args)).await,
        Command::Doctor(args) => doctor::run(session, args).await,
        Command::Completions(args) => completions::run(session, &args),
        Command::Man(args) => man::run(session, &args),
        Command::ExitCodes => exit_codes::run(session),
    }
}
