//! The command line: clap structs without defaults that depend on the environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;

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

/// The headings in the help, and the commands below each.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Deploy", &["init", "plan", "deploy", "status", "url", "open", "rollback", "destroy"]),
    ("Counts", &["report", "counts", "paths", "explain", "snippet", "privacy"]),
    ("Operate", &["logs", "invoke", "send", "emit", "dlq", "invalidate", "tune", "gc"]),
    ("Local", &["local"]),
    ("Setup", &["doctor", "config", "env", "policy", "build", "completions", "man"]),
];

impl Cli {
    /// Returns the command line for an environment. An empty variable counts as unset, since CI systems set many of those.
    pub fn command_in(env: &BTreeMap<String, String>) -> clap::Command {
        let unset = |arg: Arg| {
            let value = arg.get_env().and_then(OsStr::to_str).and_then(|name| env.get(name));
            if value.is_some_and(String::is_empty) { arg.env(Resettable::Reset) } else { arg }
        };
        let command = Self::command();
        let template = help_template(&command);
        let command = command.help_template(template);
        command.mut_args(unset).mut_subcommands(|command| command.mut_args(unset))
    }
}

/// Returns the template of the help, with the commands in groups. clap has one list of commands only.
fn help_template(command: &clap::Command) -> String {
    let (header, literal) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let mut template = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in GROUPS {
        let _ = write!(template, "\n{header}{heading}:{header:#}\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(template, "  {literal}{name:<12}{literal:#} {about}");
        }
    }
    let _ = write!(template, "\n{header}Options:{header:#}\n{{options}}{{after-help}}");
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_command_once_within_60_columns() {
        let command = Cli::command();
        let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
        let mut names: Vec<&str> = visible.map(clap::Command::get_name).collect();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, names);
        let help = Cli::command_in(&BTreeMap::new()).render_help().to_string();
        for name in names {
            let line =
                help.lines().find(|line| line.trim_start().starts_with(name)).expect("a line of the help");
            assert!(line.len() <= 60 && line.len() > 20, "{line}");
        }
    }
}
