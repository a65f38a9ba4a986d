//! `hitctl env list`: lists the environments.

use hitctl_config::EnvChoice;
use hitctl_report::{EnvListView, EnvRow, Exit, Failure};

use crate::session::Session;

/// Subcommands of `env`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the environments, and which one is selected
    List,
}

/// Lists the environments of the configuration.
pub fn run(session: &mut Session, command: &Command) -> Result<Exit, Failure> {
    let Command::List = command;
    let config = session.load_any_env()?;
    let envs = config
        .envs
        .iter()
        .map(|env| EnvRow {
            name: env.name.clone(),
            target: env.target.to_string(),
            current: env.name == config.env && config.choice != EnvChoice::Ambiguous,
        })
        .collect();
    session.console.result(&EnvListView { envs });
    Ok(Exit::Done)
}
