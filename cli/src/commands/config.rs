//! `hitctl config show`.

use hitctl_report::{ConfigView, Exit, Failure};

use crate::session::Session;

/// Subcommands of `config`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show every effective setting
    Show(Show),
}

/// Show every effective setting as TOML
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Show where each setting comes from
    #[arg(long)]
    pub origin: bool,
}

/// Shows the configuration in force.
pub fn run(session: &mut Session, command: &Command) -> Result<Exit, Failure> {
    let Command::Show(args) = command;
    let loaded = session.load()?;
    let key = session.fingerprint_key();
    session
        .console
        .result(&ConfigView { toml: loaded.show(args.origin, key), json: loaded.to_json(args.origin, key) });
    Ok(Exit::Done)
}
