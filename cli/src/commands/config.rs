//! `hitctl config show`: prints the effective configuration.

use hitctl_report::{ConfigView, Exit, Failure};

use crate::session::Session;

/// Subcommands of `config`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    Show(Show),
}

/// Show every effective setting
///
/// The output is TOML. Secret values are shown as fingerprints.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl config show --origin\n  hitctl config show --env prod --json")]
pub struct Show {
    /// Show where each setting comes from
    #[arg(long)]
    pub origin: bool,
}

/// Shows the effective configuration.
pub fn run(session: &mut Session, command: &Command) -> Result<Exit, Failure> {
    let Command::Show(args) = command;
    let config = session.load()?;
    let key = session.fingerprint_key();
    session
        .console
        .result(&ConfigView { toml: config.show(args.origin, key), json: config.to_json(args.origin, key) });
    Ok(Exit::Done)
}
