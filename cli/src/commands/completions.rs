//! `hitctl completions SHELL`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::report::{Exit, Failure};
use crate::session::Session;

/// Print a completion script, such as `hitctl completions bash > /etc/bash_completion.d/hitctl`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hitctl", &mut script);
    session.console.text(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
