//! The command line: clap structs without defaults that depend on the environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Arg, CommandFactory as _, Parser};

use crate::commands::Command;
use crate::global::Global;

/// Deploy a visitor counter for your web pages: on this machine, or in your own AWS account
///
/// Start with `hitctl deploy --env local`. It builds the counter, starts a small cloud on this machine, deploys to it, and prints a URL
/// that counts.
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
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Builds the command line for an environment. A variable with an empty value counts as unset, since CI systems
    /// define many of those.
    pub fn command_in(env: &BTreeMap<String, String>) -> clap::Command {
        let unset = |arg: Arg| {
            let value = arg.get_env().and_then(OsStr::to_str).and_then(|name| env.get(name));
            if value.is_some_and(String::is_empty) { arg.env(Resettable::Reset) } else { arg }
        };
        Self::command().mut_args(unset).mut_subcommands(|command| command.mut_args(unset))
    }
}
