//! What can be typed: clap structs, and no defaults that depend on anything.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Arg, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::commands::{
    build, completions, config, counts, deploy, destroy, dlq, doctor, emit, env, exit_codes, explain, gc,
    init, invalidate, invoke, local, logs, man, paths, plan, policy, privacy, report, rollback, send,
    snippet, status, tune,
};

/// A hit counter for your web pages, on this machine or in your own AWS account, in seconds
///
/// Start with `hitctl deploy --env local`: it builds the counter, starts a small cloud on this machine, deploys to it,
/// and prints a URL that counts.
#[derive(Debug, Parser)]
#[command(
    name = "hitctl",
    version,
    max_term_width = 100,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: `hitctl help exit-codes`. Configuration: `hitctl init` writes a hitctl.toml."
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What can be typed, in an environment. A variable that is set to nothing is not set: CI writes many of those.
    pub fn command_in(env: &BTreeMap<String, String>) -> clap::Command {
        let unset = |arg: Arg| {
            let value = arg.get_env().and_then(OsStr::to_str).and_then(|name| env.get(name));
            if value.is_some_and(String::is_empty) { arg.env(Resettable::Reset) } else { arg }
        };
        Self::command().mut_args(unset).mut_subcommands(|command| command.mut_args(unset))
    }
}

/// Flags that every command takes, in any order.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Global {
    /// Use this environment [default: `default_env` of the config, else the only one it declares, else local if it declares none]
    #[arg(short, long, global = true, env = "HITCTL_ENV", hide_env_values = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Read this file instead of the nearest hitctl.toml
    #[arg(short, long, global = true, env = "HITCTL_CONFIG", hide_env_values = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Use this AWS profile
    #[arg(short, long, global = true, env = "HITCTL_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Use this AWS region
    #[arg(short, long, global = true, env = "HITCTL_REGION", hide_env_values = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Send AWS calls to this endpoint, such as an emulator
    #[arg(long, global = true, env = "HITCTL_ENDPOINT_URL", hide_env_values = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Send credentials over plain http to other machines, too
    #[arg(long, global = true, env = "HITCTL_INSECURE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub insecure: bool,
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true, env = "HITCTL_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, env = "HITCTL_QUIET", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Say more; with --json, stream events on stderr
    #[arg(
        short,
        long,
        global = true,
        env = "HITCTL_VERBOSE",
        hide_env_values = true,
        action = clap::ArgAction::Count
    )]
    pub verbose: u8,
    /// Answer yes to questions, but never to the loss of data
    #[arg(short, long, global = true, env = "HITCTL_YES", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Never ask: fail where an answer is needed
    #[arg(long, global = true, env = "HITCTL_NO_INPUT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_input: bool,
    /// Use colour
    #[arg(
        long,
        global = true,
        env = "HITCTL_COLOR",
        hide_env_values = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Even into a file
    Always,
    /// Not at all
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented hitctl.toml
    Init(init::Args),
    /// Compile the counter function and pack it into a zip
    Build(build::Args),
    /// Show what a deploy would change, and why; changes nothing
    #[command(visible_alias = "diff")]
    Plan(plan::Args),
    /// Build the counter, create or update what it needs, and check that it answers
    Deploy(deploy::Args),
    /// Show each resource, its drift, the URL and the hits
    Status(status::Args),
    /// Remove what hitctl made; keeps the counts and the log unless told otherwise
    Destroy(destroy::Args),
    /// Let the version before the live one answer again
    Rollback(rollback::Args),
    /// Call the deployed function itself with a generated event
    Invoke(invoke::Args),
    /// Put hits on the queue
    Send(send::Args),
    /// Put events on the event bus
    Emit(emit::Args),
    /// Clear paths from the cache of the CloudFront distribution
    Invalidate(invalidate::Args),
    /// Look at dead letters, send them round again, or delete them
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Show, change, import or export the counts, straight in the table
    #[command(subcommand)]
    Counts(counts::Command),
    /// List the paths that are counted, or make the pages of a site known
    #[command(subcommand)]
    Paths(paths::Command),
    /// Show views, visitors, the top pages and what was not counted, as charts or as one HTML page
    Report(report::Args),
    /// Show what the function logged
    Logs(logs::Args),
    /// Start, stop, look at or reset the cloud on this machine
    #[command(subcommand)]
    Local(local::Command),
    /// Show the configuration in force
    #[command(subcommand)]
    Config(config::Command),
    /// List the environments
    #[command(subcommand)]
    Env(env::Command),
    /// Say what would be counted for a path, under which key, or why not
    Explain(explain::Args),
    /// Find what a renamed app or a lost environment left behind, and remove it
    Gc(gc::Args),
    /// Print the IAM policy that whoever deploys needs, or that of the function
    #[command(subcommand)]
    Policy(policy::Command),
    /// Print what the counter keeps of visitors, as a text for your page
    Privacy(privacy::Args),
    /// Measure the function under several memory sizes, with what each costs, and recommend one
    Tune(tune::Args),
    /// Print what to paste into your page and your README
    Snippet(snippet::Args),
    /// Check this machine: toolchain, targets, ports, directories; and AWS where the environment is there
    Doctor(doctor::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
    /// Print the manual page, or write one a command
    Man(man::Args),
    /// Say what the exit codes mean
    #[command(hide = true, long_about = exit_codes::TEXT, help_template = "{about}")]
    ExitCodes,
}

impl Command {
    /// Whether a command changes anything besides the file or the text that it was asked for: in a cloud, or in the local
    /// one. What only reads ends at the first Ctrl-C; what writes finishes its call first.
    pub fn writes(&self) -> bool {
        match self {
            Self::Init(_)
            | Self::Build(_)
            | Self::Plan(_)
            | Self::Status(_)
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
            | Self::ExitCodes => false,
            Self::Deploy(_)
            | Self::Destroy(_)
            | Self::Send(_)
            | Self::Emit(_)
            | Self::Invalidate(_)
            | Self::Tune(_) => true,
            Self::Rollback(args) => !args.list,
            Self::Invoke(args) => !args.print,
            Self::Gc(args) => args.deployment.is_some(),
            Self::Dlq(command) => match command {
                // Listing hides the messages from others for a while, and shows them again at its end.
                dlq::Command::List(_) | dlq::Command::Redrive(_) | dlq::Command::Purge(_) => true,
            },
            Self::Counts(command) => match command {
                counts::Command::List(_) | counts::Command::Get(_) | counts::Command::Export(_) => false,
                counts::Command::Add(_)
                | counts::Command::Set(_)
                | counts::Command::Reset(_)
                | counts::Command::Merge(_)
                | counts::Command::Rename(_)
                | counts::Command::Delete(_) => true,
                counts::Command::Import(args) => !args.dry_run,
            },
            Self::Paths(command) => match command {
                paths::Command::List => false,
                paths::Command::Sync(args) => !args.dry_run,
            },
            Self::Local(command) => match command {
                local::Command::Status => false,
                local::Command::Start
                | local::Command::Stop
                | local::Command::Reset(_)
                | local::Command::Serve(_) => true,
            },
        }
    }
}
