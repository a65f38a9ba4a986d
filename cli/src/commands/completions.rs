//! `hitctl completions`: prints the completion script of a shell.

use clap_complete::Shell;
use hitctl_report::{Exit, Failure};

use crate::completion;
use crate::session::Session;

/// Print a shell completion script
///
/// The script asks this program for candidates, so that it completes the environments of your hitctl.toml, counted paths and AWS profiles
/// too. Load it when the shell starts, since it must match the program.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  echo 'source <(hitctl completions bash)' >> ~/.bashrc\n  echo 'source <(hitctl completions zsh)' >> ~/.zshrc\n  echo 'hitctl completions fish | source' >> ~/.config/fish/config.fish"
)]
pub struct Args {
    /// Shell to complete for
    pub shell: Shell,
}

/// Prints the completion script.
pub fn run(session: &mut Session, args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let name = args.shell.to_string();
    let shell = completion::shell(&name).ok_or_else(|| {
        Failure::new("internal", format!("internal error: no completion for {name}; please report it"))
    })?;
    shell
        .write_registration(completion::VARIABLE, "hitctl", "hitctl", "hitctl", &mut script)
        .map_err(|error| Failure::new("io", "failed to write the completion script").caused_by(error))?;
    session.console.text(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
