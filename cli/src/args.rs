//! The command line: the clap structs and the layout of the help. Its defaults do not depend on environment variables.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;

use clap::builder::Resettable;
use clap::builder::styling::{AnsiColor, Color, Style, Styles};
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
    bin_name = "hitctl",
    version,
    styles = STYLES,
    max_term_width = 100,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: `hitctl help exit-codes`. Configuration: `hitctl init` writes a hitctl.toml."
)]
pub struct Cli {
    /// The flags that every command has.
    #[command(flatten)]
    pub global: Global,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The colours of the help, the same as those of all other output: headings are bold, and text to type is cyan.
const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan))))
    .placeholder(Style::new());

/// The headings in the help, and the commands below each heading.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Deploy", &["init", "plan", "deploy", "status", "url", "open", "rollback", "destroy"]),
    ("Counts", &["report", "counts", "paths", "explain", "snippet", "privacy"]),
    ("Operate", &["logs", "invoke", "send", "emit", "dlq", "invalidate", "tune", "gc"]),
    ("Local", &["local"]),
    ("Setup", &["doctor", "config", "env", "policy", "build", "completions", "man"]),
];

impl Cli {
    /// Returns the command line for the environment variables `env`. An empty variable counts as unset, because CI
    /// systems set many variables to an empty value.
    pub fn command_in(env: &BTreeMap<String, String>) -> clap::Command {
        let without_empty_variable = |arg: Arg| {
            let value = arg.get_env().and_then(OsStr::to_str).and_then(|name| env.get(name));
            if value.is_some_and(String::is_empty) { arg.env(Resettable::Reset) } else { arg }
        };
        let command = Self::command();
        let template = help_template(&command);
        let command = command.help_template(template);
        command
            .mut_args(without_empty_variable)
            .mut_subcommands(|command| command.mut_args(without_empty_variable))
    }
}

/// Returns the help template with the commands in groups. Without it, clap prints a single list of commands.
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
            let line = help
                .lines()
                .find(|line| line.trim_start().starts_with(name))
                .expect("a help line for the command");
            assert!(line.len() <= 60 && line.len() > 20, "{line}");
        }
    }
}
