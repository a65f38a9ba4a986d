//! The commands, one module each, with the arguments and a `run` function that returns the exit code. A command must
//! not print: it passes views to the console.

pub mod build;
pub mod completions;
pub mod config;
pub mod counts;
pub mod deploy;
pub mod destroy;
pub mod dlq;
pub mod doctor;
pub mod emit;
pub mod env;
pub mod exit_codes;
pub mod explain;
pub mod gc;
pub mod init;
pub mod invalidate;
pub mod invoke;
pub mod local;
pub mod logs;
pub mod man;
pub mod open;
pub mod paths;
pub mod plan;
pub mod policy;
pub mod privacy;
pub mod report;
pub mod rollback;
pub mod send;
pub mod snippet;
pub mod status;
pub mod tune;
pub mod url;

use clap::Subcommand;
use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// The subcommands of `hitctl`.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    Init(init::Args),
    Build(build::Args),
    #[command(visible_alias = "diff")]
    Plan(plan::Args),
    Deploy(deploy::Args),
    Status(status::Args),
    Url(url::Args),
    Open(open::Args),
    Destroy(destroy::Args),
    Rollback(rollback::Args),
    Invoke(invoke::Args),
    Send(send::Args),
    Emit(emit::Args),
    Invalidate(invalidate::Args),
    /// List, redrive or delete dead letters
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Show, change, import or export counts
    #[command(subcommand)]
    Counts(counts::Command),
    /// List known paths, or add pages of a site
    #[command(subcommand)]
    Paths(paths::Command),
    Report(report::Args),
    Logs(logs::Args),
    /// Start, stop, inspect or reset the local cloud
    #[command(subcommand)]
    Local(local::Command),
    /// Show the effective configuration
    #[command(subcommand)]
    Config(config::Command),
    /// List the environments
    #[command(subcommand)]
    Env(env::Command),
    Explain(explain::Args),
    Gc(gc::Args),
    /// Print IAM policies to copy
    #[command(subcommand)]
    Policy(policy::Command),
    Privacy(privacy::Args),
    Tune(tune::Args),
    Snippet(snippet::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
    /// List the exit codes
    #[command(hide = true, long_about = exit_codes::TEXT, help_template = "{about}")]
    ExitCodes,
}

impl Command {
    /// Whether the command changes a cloud, including the local one. Writing a local file does not count.
    /// The first Ctrl-C aborts a command that only reads. A command that writes completes its current call first.
    pub fn writes(&self) -> bool {
        match self {
            Self::Init(_)
            | Self::Build(_)
            | Self::Plan(_)
            | Self::Status(_)
            | Self::Url(_)
            | Self::Open(_)
            | Self::Report(_)
            | Self::Logs(_)
            | Self::Config(config::Command::Show(_))
            | Self::Env(env::Command::List)
            | Self::Explain(_)
            | Self::Policy(policy::Command::Deployer(_) | policy::Command::Function(_))
            | Self::Privacy(_)
            | Self::Snippet(_)
            | Self::Doctor(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Paths(paths::Command::List)
            | Self::Local(local::Command::Status)
            | Self::ExitCodes => false,
            Self::Rollback(args) => !args.list,
            Self::Invoke(args) => !args.print,
            Self::Gc(args) => args.deployment.is_some(),
            Self::Counts(command) => command.writes(),
            Self::Deploy(args) => !args.dry_run,
            Self::Paths(paths::Command::Sync(args)) => !args.dry_run,
            Self::Destroy(_)
            | Self::Send(_)
            | Self::Emit(_)
            | Self::Invalidate(_)
            // `dlq list` also writes: it hides the messages from other consumers for a while.
            | Self::Dlq(_)
            | Self::Local(_)
            | Self::Tune(_) => true,
        }
    }
}

/// Runs a command. `cli` creates the definition of the command line, for the manual pages.
pub async fn run(
    session: &mut Session,
    command: Command,
    cli: fn() -> clap::Command,
) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(session, &args).await,
        Command::Build(args) => build::run(session, args).await,
        Command::Plan(args) => Box::pin(plan::run(session, args)).await,
        Command::Deploy(args) => deploy::run(session, args).await,
        Command::Status(args) => status::run(session, args).await,
        Command::Url(url::Args {}) => Box::pin(url::run(session)).await,
        Command::Open(open::Args {}) => Box::pin(open::run(session)).await,
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
        Command::Man(args) => man::run(session, &args, &cli()),
        Command::ExitCodes => exit_codes::run(session),
    }
}
