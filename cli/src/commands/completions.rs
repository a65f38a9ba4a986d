//! `hitctl completions SHELL`.

use clap_complete::Shell;
use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// Print a shell completion script
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl completions bash > /etc/bash_completion.d/hitctl\n  hitctl completions zsh > ~/.zfunc/_hitctl"
)]
pub struct Args {
    /// Shell to complete for
    pub shell: Shell,
}

/// Prints the completion script.
pub fn run(session: &mut Session, args: &Args, mut cli: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "hitctl", &mut script);
    session.console.text(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
